package egress

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

// proxyServer is an HTTP proxy on loopback that writes down what it is asked, and leads every connection to one server.
type proxyServer struct {
	addr, to string
	status   int // 0 = it connects
	mu       sync.Mutex
	asked    []string
}

func newProxy(t *testing.T, to string) *proxyServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxyServer{addr: l.Addr().String(), to: to}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *proxyServer) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, strings.TrimSpace(req.Method+" "+req.RequestURI+" "+req.Header.Get("Proxy-Authorization")))
	status := p.status
	p.mu.Unlock()
	if status == -1 { // it says nothing
		_, _ = r.ReadByte()
		return
	}
	if status != 0 {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", status, http.StatusText(status))
		return
	}
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer there.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, r); _ = there.Close() }()
	_, _ = io.Copy(conn, there)
}

func (p *proxyServer) read() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.asked
	p.asked = nil
	return out
}

func proxyAt(t *testing.T, addr string) *Proxy {
	t.Helper()
	x, err := ParseProxy("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	return &x
}

// Requests go through the proxy to the address that was judged here; the name is only told to the server, in TLS and in Host.
func TestProxy(t *testing.T) {
	var hosts []string
	var mu sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hosts = append(hosts, r.Host+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		_, _ = io.WriteString(w, "hello")
	})
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer secure.Close()
	defer plain.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	p := newProxy(t, secure.Listener.Addr().String())
	x := proxyAt(t, p.addr)
	x.User, x.Password = "ada", "s3cret"
	c := New(Options{Resolver: nameServer(t, "93.184.215.14"), RootCAs: roots})
	defer c.Close()
	c.Use(Rules{}, x)
	do := func(url string, s *Scope) (Exchange, error) {
		return c.Do(context.Background(), Request{Method: "POST", URL: url, Body: []byte("b"), Timeout: 5 * time.Second, Scope: s})
	}
	for i := range 2 {
		got, err := do("https://example.com/x", nil)
		if err != nil || got.Status != 200 || string(got.Body) != "hello" || got.Address != "93.184.215.14:443 via "+p.addr || got.Timings.Reused != (i == 1) {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if diff := cmp.Diff([]string{"CONNECT 93.184.215.14:443 Basic YWRhOnMzY3JldA=="}, p.read()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"example.com ", "example.com "}, hosts); diff != "" {
		t.Error(diff)
	}
	p.to = plain.Listener.Addr().String()
	if got, err := do("http://example.com:8080/x", scope(t, "a", "example.com")); err != nil || got.Status != 200 {
		t.Errorf("plain HTTP: %+v %v", got, err)
	}
	if diff := cmp.Diff([]string{"CONNECT 93.184.215.14:8080 Basic YWRhOnMzY3JldA=="}, p.read()); diff != "" {
		t.Error(diff)
	}
	if l := c.Look(context.Background(), "https://example.com", nil); len(l.Addresses) != 1 || l.Addresses[0].Via != p.addr {
		t.Errorf("shown as %+v", l)
	}
}

// The rules hold as they do without a proxy, whatever it could reach.
func TestProxyIsNoWayAroundTheRules(t *testing.T) {
	p := newProxy(t, "127.0.0.1:1")
	for _, tc := range []struct {
		url, answers, allow string
		rule                Rule
	}{
		{"https://a.example.com", "10.0.0.1", "", RulePrivate}, {"https://a.example.com", "127.0.0.1", "", RulePrivate}, {"https://a.example.com", "169.254.169.254", "a.example.com", RuleMetadata},
		{"https://10.0.0.1", "", "", RulePrivate}, {"https://93.184.215.14", "", "", RuleBare}, {"http://a.example.com", "93.184.215.14", "", RulePlain},
		{"http://a.example.com", "93.184.215.14", "10.0.0.0/8", RulePlain}, {"https://localhost", "", "", RulePrivate}, {"https://[::ffff:169.254.169.254]", "", "::/0", RuleMetadata},
	} {
		c := New(Options{Resolver: nameServer(t, tc.answers)})
		c.Use(rules(t, tc.allow), proxyAt(t, p.addr))
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: tc.url, Timeout: 5 * time.Second})
		if e := failure(t, err); e.Refusal == nil || e.Refusal.Rule != tc.rule {
			t.Errorf("%s to %s: want %s, got %s", tc.url, tc.answers, tc.rule, e.Message)
		}
		c.Close()
	}
	if asked := p.read(); len(asked) != 0 {
		t.Errorf("the proxy was asked: %v", asked)
	}
}

// What is called without the proxy: this machine, what is set so, and destinations that are set so; they have connections of
// their own.
func TestAroundTheProxy(t *testing.T) {
	port, conns := counting(t)
	p := newProxy(t, "127.0.0.1:"+port)
	c := New(Options{Resolver: nameServer(t, "127.0.0.1")})
	defer c.Close()
	x := proxyAt(t, p.addr)
	c.Use(rules(t, "127.0.0.0/8,example.com"), x)
	do := func(s *Scope) (Exchange, error) {
		return c.Do(context.Background(), Request{Method: "GET", URL: "http://example.com:" + port, Timeout: 5 * time.Second, Scope: s})
	}
	if got, err := do(nil); err != nil || got.Address != "127.0.0.1:"+port {
		t.Errorf("this machine: %s %v", got.Address, err)
	}
	if asked := p.read(); len(asked) != 0 {
		t.Errorf("this machine was asked of the proxy: %v", asked)
	}
	c.resolver = nameServer(t, "10.9.9.9")
	y := *x
	y.Bypass = rules(t, "*.nowhere.example")
	c.Use(rules(t, "127.0.0.0/8,example.com"), &y)
	if got, err := do(nil); err != nil || got.Address != "10.9.9.9:"+port+" via "+p.addr {
		t.Errorf("through the proxy: %s %v", got.Address, err)
	}
	if asked := p.read(); len(asked) != 1 {
		t.Errorf("asked %v", asked)
	}
	c.resolver = nameServer(t, "127.0.0.1")
	if got, err := do(&Scope{Direct: true}); err != nil || got.Timings.Reused || got.Address != "127.0.0.1:"+port {
		t.Errorf("directly: %+v %v", got, err)
	}
	if conns.Load() != 3 {
		t.Errorf("%d connections", conns.Load())
	}
	for _, bypass := range []string{"example.com", "*.com", "10.0.0.0/8", "10.9.9.9"} {
		y.Bypass = rules(t, bypass)
		c.Use(rules(t, "example.com"), &y)
		c.resolver = nameServer(t, "10.9.9.9")
		if l := c.Look(context.Background(), "http://example.com", nil); !l.May() || l.Addresses[0].Via != "" {
			t.Errorf("%s: shown as %+v", bypass, l)
		}
	}
}

func TestProxyFailures(t *testing.T) {
	p := newProxy(t, "127.0.0.1:1")
	c := New(Options{Resolver: nameServer(t, "93.184.215.14")})
	defer c.Close()
	do := func() *Error {
		t.Helper()
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: "https://example.com", Timeout: 2 * time.Second})
		return failure(t, err)
	}
	c.Use(Rules{}, proxyAt(t, p.addr))
	for status, want := range map[int]string{407: "(407)", 403: "(403)", 502: "answered 502"} {
		p.mu.Lock()
		p.status = status
		p.mu.Unlock()
		if e := do(); e.Class != model.ClassConnect || !strings.Contains(e.Message, want) || !strings.HasPrefix(e.Message, "The proxy "+p.addr) {
			t.Errorf("%d: %s %s", status, e.Class, e.Message)
		}
	}
	p.mu.Lock()
	p.status = -1
	p.mu.Unlock()
	if e := do(); e.Class != model.ClassTimeout {
		t.Errorf("silent: %s %s", e.Class, e.Message)
	}
	c.Use(Rules{}, proxyAt(t, "127.0.0.1:1"))
	if e := do(); e.Class != model.ClassConnect || !strings.Contains(e.Message, "nothing listens there") {
		t.Errorf("dead: %s %s", e.Class, e.Message)
	}
}

func TestParseProxy(t *testing.T) {
	for text, want := range map[string]string{"http://Proxy.Example.com": "proxy.example.com:80", "https://proxy": "proxy:443", "http://10.0.0.1:3128/": "10.0.0.1:3128", "http://[::1]:3128": "[::1]:3128"} {
		if got, err := ParseProxy(text); err != nil || got.Host != want {
			t.Errorf("%s: %s %v", text, got.Host, err)
		}
	}
	for _, text := range []string{"", "proxy:3128", "socks5://a", "http://u:p@a", "http://a/x", "http://a?x", "http://a:0", "http://a:99999", "http://169.254.169.254", "http://127.1:3128", "http://a b"} {
		if got, err := ParseProxy(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}
