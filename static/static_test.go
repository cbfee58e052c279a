package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func source(t *testing.T) fs.FS {
	t.Helper()
	src, err := fs.Sub(own, "src")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func assets(t *testing.T, dist fs.FS) *Assets {
	t.Helper()
	a, err := load(source(t), dist)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(a *Assets, url string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHashedURLsAreImmutable(t *testing.T) {
	a := assets(t, fstest.MapFS{"inter.woff2": {Data: []byte("font")}})
	for name, kind := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
		"mark.svg": "image/svg+xml", "inter.woff2": "font/woff2",
	} {
		url := a.URL(name)
		if !regexp.MustCompile(`^/static/[a-z]+\.[0-9a-f]{12}\.[a-z0-9]+$`).MatchString(url) {
			t.Errorf("URL(%q) = %q, want a hashed name", name, url)
		}
		res := get(a, url)
		want := map[string]string{"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"}
		for key, value := range want {
			if got := res.Header.Get(key); got != value {
				t.Errorf("%s: %s = %q, want %q", name, key, got, value)
			}
		}
	}
	if got := get(a, Prefix+"app.css").Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("plain name: Cache-Control = %q, want no-cache", got)
	}
}

func TestContentDecidesTheURL(t *testing.T) {
	one := assets(t, fstest.MapFS{"htmx.js": {Data: []byte("1")}})
	two := assets(t, fstest.MapFS{"htmx.js": {Data: []byte("2")}})
	if one.URL("htmx.js") == two.URL("htmx.js") {
		t.Error("other content has the same URL")
	}
	if res := get(two, one.URL("htmx.js")); res.StatusCode != http.StatusNotFound {
		t.Errorf("URL of other content: status %d, want 404", res.StatusCode)
	}
}

func TestGzipOnlyForThoseWhoTakeIt(t *testing.T) {
	a := assets(t, fstest.MapFS{})
	plain := body(t, get(a, a.URL("app.css")).Body)
	for header, zipped := range map[string]bool{
		"gzip": true, "br, gzip;q=0.5": true, "*": true, "gzip;q=0": false, "br": false, "": false, "x-gzip2": false,
	} {
		res := get(a, a.URL("app.css"), "Accept-Encoding", header)
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", header, got, zipped)
			continue
		}
		got := res.Body
		if zipped {
			z, err := gzip.NewReader(got)
			if err != nil {
				t.Fatal(err)
			}
			got = z
		}
		if !bytes.Equal(body(t, got), plain) {
			t.Errorf("Accept-Encoding %q: another body", header)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary", header)
		}
	}
}

func TestETagAnswersNotModified(t *testing.T) {
	a := assets(t, fstest.MapFS{})
	etag := get(a, Prefix+"app.js").Header.Get("ETag")
	for header, status := range map[string]int{etag: 304, `"x", W/` + etag: 304, "*": 304, `"x"`: 200, "": 200} {
		if got := get(a, Prefix+"app.js", "If-None-Match", header).StatusCode; got != status {
			t.Errorf("If-None-Match %s: status %d, want %d", header, got, status)
		}
	}
}

func TestEmptyDistWorks(t *testing.T) {
	a := assets(t, fstest.MapFS{".keep": {}})
	for name, want := range map[string]bool{"app.css": true, "app.js": true, "mark.svg": true, "htmx.js": false, "inter.woff2": false, ".keep": false} {
		if got := a.Has(name); got != want {
			t.Errorf("Has(%q) = %v, want %v", name, got, want)
		}
	}
	if res := get(a, a.URL("htmx.js")); res.StatusCode != http.StatusNotFound {
		t.Errorf("absent file: status %d, want 404", res.StatusCode)
	}
	if bytes.Contains(body(t, get(a, a.URL("app.css")).Body), []byte("@font-face")) {
		t.Error("the CSS asks for fonts that are not there")
	}
}

func TestFontsAreNamedByTheirHashedURL(t *testing.T) {
	a := assets(t, fstest.MapFS{"inter.woff2": {Data: []byte("font")}})
	css := string(body(t, get(a, a.URL("app.css")).Body))
	if !strings.Contains(css, `url("`+a.URL("inter.woff2")+`")`) {
		t.Error("the font's URL is not in the CSS")
	}
	if strings.Contains(css, "mono.woff2") {
		t.Error("the CSS asks for a font that is not there")
	}
}

func TestOnlyReading(t *testing.T) {
	a := assets(t, fstest.MapFS{})
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(method, a.URL("app.css"), nil))
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", method, w.Code, want)
		}
		if method == http.MethodHead && w.Body.Len() > 0 {
			t.Error("HEAD has a body")
		}
	}
}

// The content security policy forbids eval and inline code; what we ship must not need them.
func TestOwnCodeKeepsToThePolicy(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	js := string(body(t, get(a, a.URL("app.js")).Body))
	for _, banned := range []string{"eval(", "new Function", "innerHTML", "setAttribute(\"style\"", "http://", "https://"} {
		if strings.Contains(js, banned) {
			t.Errorf("app.js contains %q", banned)
		}
	}
	css := string(body(t, get(a, a.URL("app.css")).Body))
	for _, url := range regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(css, -1) {
		if !strings.HasPrefix(strings.Trim(url[1], `"`), Prefix) {
			t.Errorf("app.css loads %s", url[1])
		}
	}
	if open, shut := strings.Count(css, "{"), strings.Count(css, "}"); open != shut {
		t.Errorf("app.css has %d opening and %d closing braces", open, shut)
	}
}

func TestLockFileNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte("resolved")) {
		t.Error("package-lock.json names the host that packages came from")
	}
	if got := bytes.Count(lock, []byte(`"integrity": "sha512-`)); got != 4 {
		t.Errorf("package-lock.json has %d hashes, want 4", got)
	}
}
