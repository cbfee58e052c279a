package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// withoutAssets is a build of the program whose fetched browser files are left out.
var withoutAssets = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "waybill-test-")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	files, err := filepath.Glob("static/dist/*.*")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		full, err := filepath.Abs(f)
		if err != nil {
			return "", err
		}
		if filepath.Base(f) != ".keep" {
			replace[full] = ""
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "waybill")
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build without assets: %w\n%s", err, out)
	}
	return path, nil
})

// echo is a receiver that gives back what it gets, our secret too.
type echo struct {
	*httptest.Server
	mu  sync.Mutex
	got received
}

type received struct{ body, key string }

func newEcho(t *testing.T) *echo {
	e := &echo{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.got = received{string(body), r.Header.Get("X-Key")}
		e.mu.Unlock()
		w.Header().Set("X-Echo", r.Header.Get("X-Key"))
		_, _ = w.Write([]byte("got it, " + r.Header.Get("X-Key")))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *echo) last() received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got
}

// A real order, as a shop sends it.
const shopOrder = `{"id":820982911946154508,"name":"#9999","email":"jon@example.com","created_at":"2026-11-21T20:09:14-05:00","currency":"EUR","total_price":"403.00","customer":{"first_name":"Jon","last_name":"Snow"},"line_items":[{"sku":"SHOE-42","quantity":1,"price":"199.00"},{"sku":"SOCK \"warm\"","quantity":2,"price":"4.50"}],"note":null}`

// TestJourney does the whole main job in a browser: setup link, sign-in, credential, connections to the built-in receiver
// and to a real one, destination with template and preview, action, an event by curl, the delivery seen.
func TestJourney(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name    string
		scripts bool
		assets  bool
	}{{"everything", true, true}, {"without assets", true, false}, {"scripts off", false, true}} {
		t.Run(mode.name, func(t *testing.T) {
			bin, err := binary()
			if err == nil && !mode.assets {
				bin, err = withoutAssets()
			}
			if err != nil {
				t.Fatal(err)
			}
			p := &program{t: t, bin: bin, dir: t.TempDir(), log: &logs{}, addr: freeAddr(t)}
			t.Cleanup(func() { p.kill() })
			rx := newEcho(t)
			p.start()
			b := newBrowser(t, p.url(""), mode.scripts)
			b.thorough = mode.scripts && mode.assets
			b.signUp(p)
			b.credential()
			events := []string{"orders.out"}
			if b.thorough { // the same pages again, without a credential
				events = append(events, "orders.in")
				b.toward("Built-in receiver", "http://receiver.waybill.internal", "orders.in", "")
			}
			b.toward("Shop floor", rx.URL, "orders.out", "Shop key")
			b.key(p)
			for _, event := range events {
				a := p.must(202, "POST", "events", fmt.Sprintf(`{"name":%q,"subject":"#9999","data":%s}`, event, shopOrder))
				p.settled(a.str("id"), "delivered")
			}
			if got := rx.last(); got.body != shopOrder || got.key != "sesame-open-4711" {
				t.Errorf("received %+v", got)
			}
			b.watch()
		})
	}
}

// signUp follows the one-time link.
func (b *browser) signUp(p *program) {
	b.Helper()
	link := regexp.MustCompile(`http://[^"\s]+/setup[^"\s]*`).FindString(p.log.String())
	u, err := url.Parse(link)
	if err != nil || link == "" {
		b.Fatalf("no setup link in the log:\n%s", p.log.String())
	}
	b.open(u.RequestURI())
	b.inspect()
	b.fill("name", "Ada Lovelace")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Create account")
	b.sees("Ada Lovelace")
	b.inspect()
	resp, err := http.Get(link)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && strings.Contains(resp.Request.URL.Path, "setup") {
		b.Error("the setup link works twice")
	}
	b.open("/account")
	b.inspect()
	b.click("AL")
	b.press("Sign out")
	b.open("/connections")
	b.inspect()
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	if b.where() != "/connections" {
		b.Errorf("after sign-in at %s, want the page that was asked for", b.where())
	}
	b.inspect()
}

func (b *browser) credential() {
	b.Helper()
	b.open("/credentials/new/header")
	b.inspect()
	b.fill("name", "Shop key")
	b.fill(b.named("Header name"), "X-Key")
	b.fill(b.named("Value"), "sesame-open-4711")
	b.press("Save")
	b.sees("Shop key")
	b.inspect()
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, "sesame") {
		b.Error("the page shows the secret")
	}
}

// toward makes a connection, a destination with the template, and an action.
func (b *browser) toward(name, base, event, credential string) {
	b.Helper()
	b.open("/connections/new")
	b.inspect()
	b.press("Webhook")
	b.inspect()
	b.fill("name", name)
	b.fill("base_url", "ftp://files.example.com")
	b.press("Save and continue") // the form says what is wrong and keeps what was typed
	b.sees("starts with https://")
	if kept := eval[string](b, "document.querySelector('[name=name]').value"); kept != name {
		b.Errorf("after an error the name is %q, want %q", kept, name)
	}
	b.inspect()
	b.fill("base_url", base)
	if credential != "" {
		b.click("Use a stored credential")
		b.choose("credential_id", credential)
	}
	b.press("Save and continue")
	if !strings.HasSuffix(b.where(), "/destinations") {
		b.Fatalf("after saving at %s, want the destinations\n%s", b.where(), b.text())
	}
	b.inspect()
	b.press("New destination")
	b.fill("name", "To "+name)
	b.fill("template", "{{! return JSON.stringify(it.data[0]; }}")
	if b.scripts && eval[bool](b, "!!window.htmx") {
		b.sees("Line 1")
	} else {
		b.press("Preview")
		b.sees("Line 1")
	}
	b.inspect()
	b.fill("template", "{{! return JSON.stringify(it.data[0]); }}")
	if !b.scripts || !eval[bool](b, "!!window.htmx") {
		b.press("Preview")
	}
	b.sees("LAMP-02") // of the sample order, in the exact request
	b.misses("Line 1, column")
	b.press("Create destination")
	b.sees("To " + name)
	b.inspect()
	b.open("/actions/new")
	b.inspect()
	b.fill("event", event)
	b.choose("destination_id", "To "+name)
	b.fill("name", "Send "+event)
	b.press("Create action")
	b.sees("Send " + event)
	b.inspect()
}

// key makes an API key in the browser, as a new user would, and gives it to the program's client.
func (b *browser) key(p *program) {
	b.Helper()
	b.open("/api-keys/new")
	b.inspect()
	b.fill("name", "curl")
	b.press("Create key")
	b.sees("wbk_")
	b.inspect()
	p.key = eval[string](b, "document.querySelector('#new-key input').value")
}

// watch looks at what became of it.
func (b *browser) watch() {
	b.Helper()
	b.open("/deliveries")
	b.sees("Delivered")
	b.sees("To Shop floor")
	b.inspect()
	b.press("orders.out")
	b.sees("SHOE-42")
	b.sees("•••")
	b.inspect()
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, "sesame") {
		b.Error("the delivery shows the secret")
	}
	for _, path := range []string{"/", "/events", "/events/new", "/connections", "/credentials", "/actions", "/users", "/users/new", "/api-keys", "/audit", "/account", "/deliveries?status=failed"} {
		b.open(path)
		b.inspect()
	}
	b.mu.Lock()
	b.expected = regexp.MustCompile(`status of 404`)
	b.mu.Unlock()
	b.open("/no/such/page")
	b.sees("There is nothing at this address")
	b.inspect()
}
