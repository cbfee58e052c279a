package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// launch starts the server and waits until it answers, ready or not.
func (p *program) launch() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "serve")
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.environment(), p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the server answers", func() bool { status, _ := p.get(http.DefaultClient, "/healthz"); return status == http.StatusOK })
}

// guard is a receiver that turns everything away until it is opened, and then only what carries its token.
type guard struct {
	*httptest.Server
	mu   sync.Mutex
	open bool
	hits int
}

func newGuard(t *testing.T, token string) *guard {
	g := &guard{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.hits++
		switch {
		case r.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
		case !g.open:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *guard) calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hits
}

// TestMasterKey takes the master key away from a server that has sealed something and has deliveries waiting, then
// gives it another one, and then the right one again.
func TestMasterKey(t *testing.T) {
	t.Parallel()
	rx := newGuard(t, "token-of-the-shop")
	p := newProgram(t, "")
	p.start()
	cred := p.must(http.StatusCreated, http.MethodPost, "credentials", `{"name":"Shop token","type":"bearer","config":{"token":"token-of-the-shop"}}`)
	schedule := []int{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	dest := p.route(rx.URL, "shop.sold", map[string]any{"credential_id": cred.str("id")}, map[string]any{"name": "Shop till", "retry_schedule": schedule})
	var events []string
	for range 3 {
		events = append(events, p.must(http.StatusAccepted, http.MethodPost, "events", `{"name":"shop.sold","data":{}}`).str("id"))
	}
	for _, e := range events {
		p.settled(e, "retrying")
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	calls := rx.calls()
	file := filepath.Join(p.dir, "master.key")
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.withoutKey("missing", cred.str("id"), dest)
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a new master key was made beside secrets that it does not open")
	}
	if err := os.WriteFile(file, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	p.withoutKey("wrong", cred.str("id"), dest)
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, wrong) {
		t.Fatalf("the key file was changed: %v", err)
	}
	if n := rx.calls() - calls; n != 0 {
		t.Errorf("%d requests were sent without the key", n)
	}
	if err := os.WriteFile(file, right, 0o600); err != nil {
		t.Fatal(err)
	}
	rx.mu.Lock()
	rx.open = true
	rx.mu.Unlock()
	p.start()
	for _, e := range events {
		if d := p.settled(e, "delivered", "failed", "held"); d["status"] != "delivered" {
			t.Errorf("with the right key again: %v", d)
		}
	}
	if out := p.command("", "key", "doctor"); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("key doctor: %s", out)
	}
	if n := len(p.must(http.StatusOK, http.MethodGet, "events", nil).items()); n != len(events) {
		t.Errorf("%d events are stored, want %d: those that were refused left something", n, len(events))
	}
}

// withoutKey runs the server with a key that opens nothing, and checks that it says so everywhere and keeps its hands
// off what is sealed.
func (p *program) withoutKey(name, credential, destination string) {
	p.t.Helper()
	p.launch()
	if status, why := p.get(http.DefaultClient, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(why, "master key") {
		p.t.Errorf("%s: /readyz: %d %q", name, status, why)
	}
	for _, x := range []struct {
		method, path, body string
	}{
		{"POST", "events", `{"name":"shop.sold","data":{}}`},
		{"POST", "events/batch", `{"events":[{"name":"shop.sold","data":{}}]}`},
		{"POST", "credentials", `{"name":"New","type":"bearer","config":{"token":"abcdefgh"}}`},
		{"PUT", "credentials/" + credential, `{"name":"Shop token","type":"bearer","config":{"token":"overwritten"}}`},
		{"POST", "credentials/" + credential + "/test", ""},
		{"GET", "destinations/" + destination + "/secret", ""},
		{"POST", "destinations/" + destination + "/test", ""},
	} {
		var body any
		if x.body != "" {
			body = x.body
		}
		a, err := p.api(x.method, x.path, body)
		if err != nil || a.status != http.StatusServiceUnavailable || !strings.Contains(a.str("detail"), "master key") {
			p.t.Errorf("%s: %s %s: %d %s %v, want 503 and why", name, x.method, x.path, a.status, a.text, err)
		}
	}
	p.must(http.StatusOK, http.MethodGet, "deliveries", nil)
	ada := p.signIn("ada@example.com", password)
	for _, path := range []string{"/", "/credentials", "/deliveries"} {
		if _, page := p.get(ada, path); !strings.Contains(page, "Locked: Shop till, Shop token.") {
			p.t.Errorf("%s: no banner on %s names what does not open", name, path)
		}
	}
	for _, args := range [][]string{{"doctor"}, {"key", "doctor"}} {
		got := command("", append([]string{"--data-dir", p.dir}, args...)...)
		if said := got.out + got.err; got.code == 0 || !strings.Contains(said, "master key") || !strings.Contains(said, "Shop till") && args[0] == "key" {
			p.t.Errorf("%s: %v: %+v, want it to fail and to say why", name, args, got)
		}
	}
	p.command("", "apikey", "create", "--name", name, "--user", "ada@example.com") // needs no key
	if err := p.stop(); err != nil {
		p.t.Errorf("%s: stop: %v", name, err)
	}
}

// TestOneServerAFolder starts a second server on a data folder, uses it beside commands, and ends it while it has work.
func TestOneServerAFolder(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}, 9), make(chan struct{})
	rx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		entered <- struct{}{}
		<-leave
	}))
	t.Cleanup(rx.Close)
	let := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(let)
	p := newProgram(t, "")
	p.start()

	second := exec.Command(p.bin, "serve")
	second.Env = append(p.environment(), "WAYBILL_ADDR="+freeAddr(t))
	said, err := second.CombinedOutput()
	if err == nil || strings.Count(strings.TrimSpace(string(said)), "\n") != 0 || !strings.Contains(string(said), "another Waybill server runs on the data folder "+p.dir) {
		t.Errorf("a second server: %v, %q, want one line", err, said)
	}

	first := p.key
	p.key = p.command("", "apikey", "create", "--name", "second", "--user", "ada@example.com")
	p.must(http.StatusOK, http.MethodGet, "events", nil)
	revoked := p.key
	p.key = first
	for _, k := range p.must(http.StatusOK, http.MethodGet, "api-keys", nil).items() {
		if k["name"] == "second" {
			p.must(http.StatusNoContent, http.MethodDelete, "api-keys/"+k["id"].(string), nil)
		}
	}
	p.must(http.StatusUnauthorized, http.MethodGet, "events", nil, "Authorization", "Bearer "+revoked)

	slow := p.route(rx.URL, "slow", nil, nil)
	answered := make(chan answer, 1)
	go func() {
		a, err := p.api(http.MethodPost, "destinations/"+slow+"/test", nil)
		if err != nil {
			a.text = err.Error()
		}
		answered <- a
	}()
	<-entered
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	p.eventually("/readyz says that the server is stopping", func() bool {
		status, why := p.get(fresh, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(why, "stopping")
	})
	if a, err := p.api(http.MethodPost, "events", `{"name":"slow","data":{}}`); err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("an event while the server stops: %d %s %v, want 503 with Retry-After", a.status, a.text, err)
	}
	let()
	if a := <-answered; a.status != http.StatusOK || !strings.Contains(a.text, `"status":200`) {
		t.Errorf("the request that was under way: %d %s", a.status, a.text)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	p.cmd = nil
	if l, err := net.Listen("tcp", p.addr); err != nil {
		t.Errorf("the address is still taken: %v", err)
	} else {
		l.Close()
	}
}
