// Package static holds what browsers fetch: our own CSS and JavaScript (src),
// always embedded, and htmx and the fonts (dist), which `go generate ./static`
// copies from pinned npm packages and which may be absent. Every file has a URL
// that carries the hash of its content, so it can be cached for ever. It refuses
// nothing and knows no framework: New gives an http.Handler. Its neighbour
// above is views, which asks for URLs.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./fetch

//go:embed src
var own embed.FS

//go:embed all:dist
var fetched embed.FS

// Prefix is the folder of all asset URLs.
const Prefix = "/static/"

// Assets are the files by name and by hashed name. It is safe for concurrent use.
type Assets struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

type asset struct {
	name, url, kind, etag string
	body                  []byte
	zip                   func() []byte // nil result = not worth it
}

// fonts are the families whose file may be in dist; a missing one is not named
// in the CSS, so that the browser does not ask for it.
var fonts = []struct{ file, family, weights string }{
	{"inter.woff2", "Inter", "100 900"},
	{"mono.woff2", "JetBrains Mono", "400"},
}

// New reads the embedded files. "app.css" and "app.js" are the parts of src
// joined in the order of their file names.
func New() (*Assets, error) {
	dist, err := fs.Sub(fetched, "dist")
	if err != nil {
		return nil, fmt.Errorf("opening fetched assets: %w", err)
	}
	src, err := fs.Sub(own, "src")
	if err != nil {
		return nil, fmt.Errorf("opening own assets: %w", err)
	}
	return load(src, dist)
}

func load(src, dist fs.FS) (*Assets, error) {
	a := &Assets{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	for _, from := range []struct {
		fs.FS
		dir string
	}{{dist, "."}, {src, "img"}} {
		if err := a.addAll(from, from.dir); err != nil {
			return nil, err
		}
	}
	js, err := join(src, "js")
	if err != nil {
		return nil, err
	}
	css, err := join(src, "css")
	if err != nil {
		return nil, err
	}
	// One scope for all parts, none of it on window.
	a.add("app.js", append(append([]byte("(() => {\n"), js...), "})();\n"...))
	a.add("app.css", append(css, a.fontFaces()...))
	return a, nil
}

func (a *Assets) addAll(from fs.FS, dir string) error {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return fmt.Errorf("listing assets in %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		body, err := fs.ReadFile(from, path.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("reading asset %s: %w", e.Name(), err)
		}
		a.add(e.Name(), body)
	}
	return nil
}

func join(from fs.FS, dir string) ([]byte, error) {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return nil, fmt.Errorf("listing assets in %s: %w", dir, err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var out bytes.Buffer
	for _, e := range entries {
		body, err := fs.ReadFile(from, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading asset %s: %w", e.Name(), err)
		}
		out.Write(body)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

func (a *Assets) fontFaces() []byte {
	var b bytes.Buffer
	for _, f := range fonts {
		if a.Has(f.file) {
			fmt.Fprintf(&b, "@font-face{font-family:%q;font-style:normal;font-weight:%s;font-display:swap;src:url(%q) format(\"woff2\")}\n",
				f.family, f.weights, a.URL(f.file))
		}
	}
	return b.Bytes()
}

func (a *Assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])[:12]
	ext := path.Ext(name)
	f := &asset{
		name: name, body: body, kind: contentType(ext), etag: hash,
		url: Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext,
	}
	f.zip = sync.OnceValue(func() []byte { return compress(ext, body) })
	a.byName[name] = f
	a.byURL[f.url] = f
	a.byURL[Prefix+name] = f
}

// Has says whether a file is there. Those of dist may not be.
func (a *Assets) Has(name string) bool { return a.byName[name] != nil }

// URL is the hashed URL of a file; for one that is absent, its plain URL, which answers 404.
func (a *Assets) URL(name string) string {
	if f := a.byName[name]; f != nil {
		return f.url
	}
	return Prefix + name
}

// ServeHTTP answers hashed URLs as immutable and plain ones to be revalidated.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := a.byURL[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f.serve(w, r)
}

func (f *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if r.URL.Path != f.url {
		h.Set("Cache-Control", "no-cache")
	}
	body, etag := f.body, `"`+f.etag+`"`
	if zipped := f.zip(); zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = zipped, `"`+f.etag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // the client went away: nobody is left to tell
}

// matches implements If-None-Match (RFC 9110 13.1.2) with weak comparison.
func matches(header, etag string) bool {
	for _, one := range strings.Split(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == etag || one == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110 12.5.3); "gzip;q=0" is a refusal.
func acceptsGzip(header string) bool {
	for _, one := range strings.Split(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(one), ";")
		if coding = strings.TrimSpace(coding); coding != "gzip" && coding != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err == nil && weight > 0
	}
	return false
}

func compress(ext string, body []byte) []byte {
	if ext == ".woff2" || len(body) < 512 {
		return nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(body); err != nil || z.Close() != nil {
		return nil
	}
	return b.Bytes()
}

func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
