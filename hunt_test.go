package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"waybill/db/model"
)

// hunt gathers everything in which a secret could show. As the default RoundTripper it keeps every answer of the program.
type hunt struct {
	t       *testing.T
	inner   http.RoundTripper
	mu      sync.Mutex
	n       int
	secrets []canary
	places  []place
}

type place struct{ name, text string }

// invent makes a secret and has it hunted. Odd is what follows its letters and digits.
func (h *hunt) invent(what, odd string) string {
	h.n++
	core := fmt.Sprintf("zq%03dKx7vTw4Ng%03d", h.n, 999-h.n)
	h.secrets = append(h.secrets, canary{what: what, text: core + odd, core: len(core)})
	return core + odd
}

// given has a secret hunted that the program made.
func (h *hunt) given(what, text string, meant ...string) {
	h.t.Helper()
	if len(text) < 16 {
		h.t.Fatalf("no %s: %q", what, text)
	}
	h.secrets = append(h.secrets, canary{what: what, text: text, meant: meant})
}

func (h *hunt) keep(name, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places = append(h.places, place{name, text})
}

func (h *hunt) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var head bytes.Buffer
	_ = resp.Header.Write(&head)
	if !strings.HasPrefix(r.URL.Path, "/static/") {
		h.keep(r.Method+" "+r.URL.Path, head.String()+string(body))
	}
	return resp, err
}

// report searches all places for all secrets.
func (h *hunt) report() {
	h.t.Helper()
	type seen struct {
		secret int
		place  string
	}
	a, size, found, used := newAtlas(h.t, h.secrets), 0, map[seen]bool{}, map[seen]bool{}
	for _, p := range h.places {
		size += len(p.text)
		a.find(p.text, func(at int, s sought) {
			c, here := h.secrets[s.secret], seen{s.secret, p.name}
			if slices.Contains(c.meant, p.name) {
				used[here] = true
			} else if !found[here] {
				found[here] = true
				h.t.Errorf("%s stands in %s as %s: …%s…", c.what, p.name, s.needle, p.text[max(0, at-120):min(len(p.text), at+len(s.needle)+40)])
			}
		})
	}
	for i, c := range h.secrets {
		for _, m := range c.meant {
			if !used[seen{i, m}] {
				h.t.Errorf("%s was not found in %s, where it is meant to be: the search is blind", c.what, m)
			}
		}
	}
	h.t.Logf("%d secrets, %d places, %d KiB", len(h.secrets), len(h.places), size>>10)
}

// parrot is a receiver that gives back what it was sent, in every spelling and in every place of an answer. The path
// says how.
type parrot struct {
	*httptest.Server
	mu    sync.Mutex
	heard strings.Builder
}

func newParrot(t *testing.T) *parrot {
	p := &parrot{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *parrot) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.String()
}

// words are the secrets of a request, as somebody would find them who knows how they travel.
func words(r *http.Request) []string {
	var out []string
	for _, v := range []string{r.Header.Get("Authorization"), r.Header.Get("X-Canary"), "session " + r.Header.Get("X-Amz-Security-Token"), "session " + r.URL.Query().Get("X-Amz-Security-Token")} {
		_, token, _ := strings.Cut(v, " ")
		out = append(out, v, token)
		if plain, err := base64.StdEncoding.DecodeString(token); err == nil {
			_, secret, _ := strings.Cut(string(plain), ":")
			out = append(out, string(plain), secret)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 4 })
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, _ := io.ReadAll(r.Body)
	said := words(r)
	p.mu.Lock()
	for _, s := range said {
		fmt.Fprintln(&p.heard, s)
	}
	p.mu.Unlock()
	var body strings.Builder
	for name, values := range r.Header {
		fmt.Fprintf(&body, "%s: %s\n", name, values)
	}
	fmt.Fprintln(&body, base64.StdEncoding.EncodeToString([]byte(body.String())))
	for _, s := range said {
		for _, x := range spelled(s) {
			w.Header().Add("X-Echo", x)
			w.Header().Add("Set-Cookie", "echo="+url.QueryEscape(x))
			fmt.Fprintln(&body, x)
		}
		text, _ := json.Marshal(map[string]string{"echo": "before " + s + " after"})
		body.Write(text)
	}
	body.Write(sent)
	secret := ""
	if len(said) > 0 {
		secret = said[len(said)-1]
	}
	p.answer(w, r.URL.Path, body.String(), secret)
}

// manners are the paths at which a parrot answers.
var manners = []string{"/ok", "/redirect", "/refuse", "/busy", "/gone", "/who", "/long", "/cut", "/noise", "/header", "/unasked"}

func (p *parrot) answer(w http.ResponseWriter, manner, body, secret string) {
	switch manner {
	case "/redirect":
		w.Header().Set("Location", "http://user:"+url.QueryEscape(secret)+"@elsewhere.example/"+url.PathEscape(secret)+"?q="+url.QueryEscape(secret)+"&raw="+secret+"#"+secret)
		w.WriteHeader(http.StatusFound)
	case "/refuse":
		w.WriteHeader(http.StatusUnprocessableEntity)
	case "/busy":
		w.Header().Set("Retry-After", secret)
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/gone":
		w.WriteHeader(http.StatusGone)
	case "/who":
		w.Header().Set("WWW-Authenticate", `Basic realm="`+secret+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	case "/long": // what is kept of it ends within the secret
		body = strings.Repeat(".", model.MaxStoredResponse-20) + secret + body
	case "/cut":
		p.raw(w, "HTTP/1.1 500 "+secret+"\r\nX-Echo: "+secret+"\r\nContent-Length: 99999\r\n\r\n"+body)
		return
	case "/noise":
		p.raw(w, secret+"\r\n\r\n")
		return
	case "/header":
		p.raw(w, "HTTP/1.1 200 OK\r\n"+secret+"\r\n\r\n")
		return
	case "/unasked": // a second answer, on a connection that is idle by then
		p.raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 "+secret+"\r\nX-Echo: "+secret+"\r\n\r\n")
		return
	}
	_, _ = io.WriteString(w, body)
}

// raw writes bytes to the connection and closes it.
func (p *parrot) raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
}

// pages follows every link from / as whoever c is, and asks the API for everything that it can be asked for.
func (h *hunt) pages(p *program, c *http.Client) {
	seen, todo := map[string]bool{"/": true}, []string{"/"}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		status, text := p.get(c, path)
		if status != http.StatusOK {
			h.t.Errorf("%s answers %d", path, status)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(text))
		if err != nil {
			h.t.Fatal(err)
		}
		doc.Find("a[href], form[method=get], [hx-get], iframe[src]").Each(func(_ int, s *goquery.Selection) {
			for _, name := range []string{"href", "action", "hx-get", "src"} {
				to, _ := s.Attr(name)
				if to, _, _ = strings.Cut(to, "#"); strings.HasPrefix(to, "/") && !seen[shape(to)] {
					seen[shape(to)] = true
					todo = append(todo, to)
				}
			}
		})
	}
	if len(seen) < 100 {
		h.t.Errorf("the crawl found %d pages only", len(seen))
	}
	n := h.api(p)
	_, metrics := p.get(http.DefaultClient, "/metrics") // refused; with a key below
	h.keep("/metrics", metrics)
	h.t.Logf("%d pages, %d answers of the API", len(seen), n)
}

// shape is what makes a link worth following once: a span of time has no end of neighbours, and of the ways to narrow the
// list of deliveries by several things at once one each will do.
func shape(link string) string {
	path, query, _ := strings.Cut(link, "?")
	values, err := url.ParseQuery(query)
	if err == nil && strings.HasPrefix(path, "/deliveries") && len(values) > 1 {
		return path + "?" + strings.Join(slices.Sorted(maps.Keys(values)), "&")
	}
	if err != nil || (!values.Has("from") && !values.Has("to")) {
		return link
	}
	for _, name := range []string{"from", "to", "cursor"} {
		values.Del(name)
	}
	return path + "?span&" + values.Encode()
}

var anyID = regexp.MustCompile(`"([a-z]{3}_[0-9A-Za-z]+)"`)

// api asks for every GET of the document, with every id that any answer holds.
func (h *hunt) api(p *program) (n int) {
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	text := p.must(http.StatusOK, http.MethodGet, "openapi.json", nil).text
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		h.t.Fatal(err)
	}
	ids, done := map[string]bool{}, map[string]bool{}
	for more := true; more; {
		more = false
		known := []string{""}
		for id := range ids {
			known = append(known, id)
		}
		for path, methods := range document.Paths {
			if methods["get"] == nil {
				continue
			}
			for _, id := range known {
				at := strings.TrimPrefix(strings.Replace(path, "{id}", id, 1), "/api/v1/")
				at = strings.TrimPrefix(at, "/")
				if done[at] || (id == "") == strings.Contains(path, "{id}") {
					continue
				}
				done[at], more = true, true
				a, err := p.api(http.MethodGet, at, nil)
				if err != nil {
					h.t.Fatal(err)
				}
				if a.status != http.StatusOK {
					continue
				}
				n++
				for _, m := range anyID.FindAllStringSubmatch(a.text, -1) {
					ids[m[1]] = true
				}
			}
		}
	}
	if n < 100 {
		h.t.Errorf("the API answered %d times only", n)
	}
	return n
}

// program runs the commands that look at the installation, and asks for the metrics.
func (h *hunt) program(p *program) {
	h.keep("a command", p.command("", "doctor")+p.command("", "key", "doctor")+p.command("", "version"))
	req, _ := http.NewRequest(http.MethodGet, p.url("/metrics"), nil)
	req.Header.Set("Authorization", "Bearer "+p.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte("waybill_attempts_total")) {
		h.t.Errorf("/metrics: %d", resp.StatusCode)
	}
}

// processes looks at what the machine shows of the server and its render workers.
func (h *hunt) processes(p *program) {
	if runtime.GOOS != "linux" {
		h.t.Log("processes are looked at on Linux only, as in CI")
		return
	}
	pids := append(children(p.cmd.Process.Pid), p.cmd.Process.Pid)
	if len(pids) < 2 {
		h.t.Error("no render worker runs")
	}
	for _, pid := range pids {
		for _, file := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
			if err != nil {
				h.t.Error(err)
			}
			h.keep(file+" of a process", string(text))
		}
	}
}

// children are the processes that another one started and that still run.
func children(of int) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if bytes.Contains(text, []byte("\nPPid:\t"+strconv.Itoa(of)+"\n")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// files looks into the data folder of a running server and into a backup.
func (h *hunt) files(p *program) {
	h.folder("", p.dir)
	backup := filepath.Join(h.t.TempDir(), "backup.db")
	h.keep("a command", p.command("", "backup", backup))
	h.folder("", filepath.Dir(backup))
}

func (h *hunt) folder(when, dir string) {
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		h.keep(when+"the file "+d.Name(), string(text))
		return err
	})
	if err != nil || n == 0 {
		h.t.Errorf("%s: %d files, %v", dir, n, err)
	}
}
