package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"waybill/handlers/apitest"
)

// binary builds the real program once for all tests of the package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "waybill-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "waybill")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// program is the real program on a data folder of its own.
type program struct {
	t    testing.TB
	bin  string
	dir  string
	addr string
	env  []string
	key  string // of an Administrator
	cmd  *exec.Cmd
	log  *logs
}

// logs keeps everything that the program printed, over all its starts.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const password = "correct horse battery staple"

// newProgram makes a data folder (dir "" = a temporary one) with an Administrator and a key; it is not started.
func newProgram(t testing.TB, dir string, env ...string) *program {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "data")
	}
	p := &program{t: t, bin: bin, dir: dir, env: env, log: &logs{}, addr: freeAddr(t)}
	p.command(password+"\n", "user", "create", "--email", "ada@example.com", "--name", "Ada", "--role", "Administrator", "--password-stdin")
	p.key = p.command("", "apikey", "create", "--name", "tests", "--user", "ada@example.com")
	t.Cleanup(func() { p.kill() })
	return p
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *program) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "WAYBILL_DATA_DIR=" + p.dir, "WAYBILL_ADDR=" + p.addr, "WAYBILL_ALLOW_HOSTS=127.0.0.1/32"}, p.env...)
}

// command runs one of the small commands and gives its standard output.
func (p *program) command(stdin string, args ...string) string {
	p.t.Helper()
	c := exec.Command(p.bin, args...)
	c.Env, c.Stdin = p.environment(), strings.NewReader(stdin)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// start starts the server and waits until it is ready.
func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "serve")
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.environment(), p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the server is ready", func() bool {
		resp, err := http.Get(p.url("/readyz"))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (p *program) url(path string) string { return "http://" + p.addr + path }

// kill is kill -9.
func (p *program) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// stop is SIGTERM, and waits.
func (p *program) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.cmd.Wait()
	p.cmd = nil
	return err
}

// patience bounds waiting for something that must come; it is no measure of speed.
const patience = time.Minute

func (p *program) eventually(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("never: %s\n%s", what, tail(p.log.String(), 4000))
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// answer is a decoded JSON answer.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (a answer) str(name string) string { s, _ := a.json[name].(string); return s }

func (a answer) items() []map[string]any {
	var out []map[string]any
	list, _ := a.json["items"].([]any)
	for _, v := range list {
		out = append(out, v.(map[string]any))
	}
	return out
}

// api calls the JSON API with the Administrator's key. body may be nil, text or anything that encodes.
func (p *program) api(method, path string, body any, headers ...string) (answer, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, p.url("/api/v1/"+path), in)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+p.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.json)
	if spec := p.document(); spec != nil {
		if err := spec.Answer(method, "/api/v1/"+path, a.status, a.header, text); err != nil {
			p.t.Error(err)
		}
	}
	return a, nil
}

// documented is the OpenAPI document of the program, which is the same for all that tests start.
var documented struct {
	sync.Mutex
	spec *apitest.Spec
}

// document is the OpenAPI document, nil while no program can tell it.
func (p *program) document() *apitest.Spec {
	documented.Lock()
	defer documented.Unlock()
	if documented.spec == nil {
		resp, err := http.Get(p.url("/api/v1/openapi.json"))
		if err != nil {
			return nil // it was stopped
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusOK {
			documented.spec, err = apitest.Read(text)
			if err != nil {
				p.t.Error(err)
			}
		}
	}
	return documented.spec
}

// must is api with the status that it must have.
func (p *program) must(status int, method, path string, body any, headers ...string) answer {
	p.t.Helper()
	a, err := p.api(method, path, body, headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != status {
		p.t.Fatalf("%s %s answered %d, want %d: %s", method, path, a.status, status, a.text)
	}
	return a
}

// route makes a connection to base, a destination on it and an action for event; it gives the destination's id.
func (p *program) route(base, event string, connection, destination map[string]any) string {
	p.t.Helper()
	c := map[string]any{"name": "Receiver of " + event, "type": "webhook", "base_url": base}
	for k, v := range connection {
		c[k] = v
	}
	d := map[string]any{"name": "Destination of " + event, "path": "/hook"}
	for k, v := range destination {
		d[k] = v
	}
	conn := p.must(201, "POST", "connections", c)
	dest := p.must(201, "POST", "connections/"+conn.str("id")+"/destinations", d)
	p.must(201, "POST", "actions", map[string]any{"name": "Action of " + event, "event": event, "destination_id": dest.str("id")})
	return dest.str("id")
}

// settled waits until a delivery has one of the statuses and gives it.
func (p *program) settled(event string, statuses ...string) map[string]any {
	p.t.Helper()
	var last map[string]any
	p.eventually("a delivery of "+event+" is "+strings.Join(statuses, " or "), func() bool {
		for _, d := range p.must(200, "GET", "deliveries?event_id="+event, nil).items() {
			last = d
			for _, s := range statuses {
				if d["status"] == s {
					return true
				}
			}
		}
		return false
	})
	return last
}

// signIn gives a browser's client with a session.
func (p *program) signIn(email, password string) *http.Client {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	resp, err := c.PostForm(p.url("/login"), url.Values{"email": {email}, "password": {password}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path == "/login" {
		p.t.Fatalf("sign-in answered %d at %s", resp.StatusCode, resp.Request.URL)
	}
	return c
}
