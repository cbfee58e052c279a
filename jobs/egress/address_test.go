package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"waybill/db/model"
)

func rules(t *testing.T, text string) Rules {
	t.Helper()
	r, err := ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loopbacks are servers on 127.0.0.1 and ::1 with the same port, and the number of connections they saw.
func loopbacks(t *testing.T) (port string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(a.Addr().String())
	lists := []net.Listener{a}
	if b, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		lists = append(lists, b)
	} else {
		t.Logf("no listener on ::1: %v", err)
	}
	for _, l := range lists {
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}),
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					hits.Add(1)
				}
			}}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
	}
	return port, hits
}

// nameServer answers every A question with ip, on loopback.
func nameServer(t *testing.T, ip string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			q := m.Questions[0]
			switch {
			case ip == "":
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
					Body: &dnsmessage.AResource{A: netip.MustParseAddr(ip).As4()}}}
			}
			out, _ := m.Pack()
			_, _ = pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("want *Error, got %T %v", err, err)
	}
	return e
}

// spellings of this machine, each of which some software or other understands.
var spellings = []string{
	"127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
	"0", "0.0.0.0", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
	"[0:0:0:0:0:0:0:1]", "localhost", "localhost.", "LOCALHOST", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "127.8.9.10", "user@127.0.0.1",
}

func TestNoSpellingReachesThisMachine(t *testing.T) {
	port, hits := loopbacks(t)
	c := New(Options{})
	for _, s := range spellings {
		for _, scheme := range []string{"http://", "https://"} {
			x, err := c.Do(context.Background(), Request{Method: "GET", URL: scheme + s + ":" + port + "/", Timeout: 5 * time.Second})
			e := failure(t, err)
			if e.Class != model.ClassRefused || e.Refusal == nil || e.Refusal.Rule == "" {
				t.Errorf("%s%s: want a refusal, got class %q, %v", scheme, s, e.Class, err)
				continue
			}
			if e.Refusal.Rule != RuleURL && !strings.Contains(e.Message, string(e.Refusal.Rule)) {
				t.Errorf("%s%s: the message does not name its rule: %s", scheme, s, e.Message)
			}
			if !strings.Contains(e.Message, "WAYBILL_ALLOW_HOSTS") && s != "user@127.0.0.1" {
				t.Errorf("%s%s: the message does not say where to change it: %s", scheme, s, e.Message)
			}
			if x.Status != 0 {
				t.Errorf("%s%s was answered: %d", scheme, s, x.Status)
			}
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("want no connection, got %d", n)
	}
}

func TestDialledAddressDecides(t *testing.T) {
	port, hits := loopbacks(t)
	for _, tc := range []struct {
		name, url, allow, answers string
		class                     model.ErrorClass
		rule                      Rule
	}{
		{"a name that leads inside", "https://rebind.example.com", "", "127.0.0.1", model.ClassRefused, RulePrivate},
		{"the same, plain, other network allowed", "http://rebind.example.com", "10.0.0.0/8", "127.0.0.1", model.ClassRefused, RulePrivate},
		{"network allowed", "http://rebind.example.com", "127.0.0.0/8", "127.0.0.1", "", ""},
		{"name allowed", "http://rebind.example.com", "rebind.example.com", "127.0.0.1", "", ""},
		{"names below allowed", "http://rebind.example.com", "*.example.com", "127.0.0.1", "", ""},
		{"suffix does not match the name itself", "http://example.com", "*.example.com", "127.0.0.1", model.ClassRefused, RulePlain},
		{"metadata behind an allowed name", "http://rebind.example.com", "rebind.example.com", "169.254.169.254", model.ClassRefused, RuleMetadata},
		{"metadata inside an allowed network", "http://rebind.example.com", "169.254.0.0/16,0.0.0.0/0", "169.254.169.254", model.ClassRefused, RuleMetadata},
		{"plain HTTP to the public", "http://rebind.example.com", "127.0.0.0/8", "93.184.215.14", model.ClassRefused, RulePlain},
		{"localhost by network", "http://localhost", "127.0.0.0/8", "", "", ""},
		{"bare address allowed", "http://127.0.0.1", "127.0.0.1/32", "", "", ""},
		{"bare IPv6 not allowed", "http://[::1]", "127.0.0.1/32", "", model.ClassRefused, RulePrivate},
		{"mapped spelling of an allowed one", "http://[::ffff:127.0.0.1]", "127.0.0.1", "", "", ""},
		{"no such name", "https://nowhere.example.com", "", "", model.ClassDNS, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := hits.Load()
			c := New(Options{Rules: rules(t, tc.allow), Resolver: nameServer(t, tc.answers)})
			x, err := c.Do(context.Background(), Request{Method: "GET", URL: tc.url + ":" + port + "/", Timeout: 5 * time.Second})
			if tc.class == "" {
				if err != nil || x.Status != 200 || hits.Load() == before {
					t.Fatalf("want 200, got %d %v", x.Status, err)
				}
				return
			}
			e := failure(t, err)
			if e.Class != tc.class || (tc.rule != "" && (e.Refusal == nil || e.Refusal.Rule != tc.rule)) {
				t.Errorf("want %s %s, got %s: %s", tc.class, tc.rule, e.Class, e.Message)
			}
			if hits.Load() != before {
				t.Error("the server was reached")
			}
		})
	}
}

func TestAddressTable(t *testing.T) {
	everything := rules(t, "0.0.0.0/0, ::/0, h")
	for _, s := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1%lo", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1",
		"2001::1", "2001:db8::1", "2002:a00:1::1", "3fff::1",
	} {
		if r, _ := (Rules{}).judge(place{host: "h"}, netip.MustParseAddr(s)); r == nil || r.Rule != RulePrivate {
			t.Errorf("%s: want private_address, got %+v", s, r)
		}
	}
	for _, s := range []string{
		"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254",
		"64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254", "2001:0:4136:e378:8000:63bf:5601:5601",
	} {
		for _, r := range []Rules{{}, everything} {
			if got, _ := r.judge(place{host: "h"}, netip.MustParseAddr(s)); got == nil || got.Rule != RuleMetadata {
				t.Errorf("%s: want metadata_address, got %+v", s, got)
			}
		}
	}
	for _, s := range []string{"1.1.1.1", "93.184.215.14", "172.32.0.1", "168.63.129.17", "2606:4700::1111", "2a00:1450:4001::1"} {
		if r, _ := (Rules{}).judge(place{host: "h"}, netip.MustParseAddr(s)); r != nil {
			t.Errorf("%s: want nil, got %+v", s, r)
		}
	}
}

func TestParseRules(t *testing.T) {
	for _, s := range []string{"http://a", "a:0", "a:99999", "a:", ":80", "a:b:80", "10.0.0.0/8:80", "10.0.0.0/33", "*", "*.*.a", "a b..c", "127.1", "fe80::1%lo", "::ffff:10.0.0.0/104", ".example.com", "a_b!"} {
		if _, err := ParseRules(s); err == nil || !strings.HasPrefix(err.Error(), `"`) {
			t.Errorf("%q: want an error that begins with the entry, got %v", s, err)
		}
	}
	r := rules(t, " ERP.Example.com,*.lan\n10.0.0.7/8, [::1] , my_service,Bücher.example")
	for _, h := range []string{"erp.example.com", "a.lan", "b.a.lan", "my_service", "xn--bcher-kva.example"} {
		if r.host(h, 443, false) == nil {
			t.Errorf("%s is not allowed", h)
		}
	}
	for _, h := range []string{"example.com", "lan", "xerp.example.com", "x.my_service"} {
		if r.host(h, 443, false) != nil {
			t.Errorf("%s is allowed", h)
		}
	}
	for addr, want := range map[string]bool{"10.200.0.1": true, "::ffff:10.0.0.1": true, "::1": true, "11.0.0.1": false, "::2": false} {
		if got := r.address(netip.MustParseAddr(addr), 443, false) != nil; got != want {
			t.Errorf("%s: want %v, got %v", addr, want, got)
		}
	}
}

func TestCheckWithoutNames(t *testing.T) {
	none, some := New(Options{}), New(Options{Rules: rules(t, "127.0.0.1/32,erp.lan"), Inside: map[string]http.Handler{"receiver.waybill.internal": http.NotFoundHandler()}})
	for _, tc := range []struct {
		c    *Client
		url  string
		rule Rule
	}{
		{none, "https://api.example.com/x?y#z", ""}, {none, "http://api.example.com", RulePlain}, {none, "https://93.184.215.14", RuleBare},
		{none, "https://10.0.0.1", RulePrivate}, {none, "http://localhost:9000", RulePrivate}, {none, "ftp://a", RuleURL}, {none, "api.example.com", RuleURL},
		{none, "https://", RuleURL}, {none, "https://u:p@a.example", RuleURL}, {none, "https://a.example:0", RuleURL}, {none, "https://a.example:99999", RuleURL},
		{none, "https://a b.example", RuleURL}, {none, "https://a\r\nb", RuleURL}, {none, "javascript:alert(1)", RuleURL}, {none, "https:a.example", RuleURL},
		{none, "https://169.254.169.254", RuleMetadata}, {none, "http://receiver.waybill.internal/x", RulePlain},
		{some, "http://erp.lan:8080", ""}, {some, "http://127.0.0.1:8080", ""}, {some, "http://127.0.0.2", RulePrivate}, {some, "http://receiver.waybill.internal/x", ""},
	} {
		got := Rule("")
		if r := tc.c.Check(tc.url, nil); r != nil {
			got = r.Rule
		}
		if got != tc.rule {
			t.Errorf("%s: want %q, got %q", tc.url, tc.rule, got)
		}
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	var seen atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer proxy.Close()
	for _, k := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(k, proxy.URL)
	}
	c := New(Options{Rules: rules(t, "printer.example.com"), Resolver: nameServer(t, "127.0.0.1")})
	port, _ := loopbacks(t)
	if _, err := c.Do(context.Background(), Request{Method: "GET", URL: "http://printer.example.com:" + port}); err != nil {
		t.Error(err)
	}
	if seen.Load() != 0 {
		t.Error("the proxy was asked")
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range spellings {
		f.Add("https://" + s + "/a?b=c d")
	}
	c := New(Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		u, r := c.now.Load().main.target(raw)
		if r != nil {
			return
		}
		again, r := c.now.Load().main.target(u.String())
		if r != nil || again.Host != u.Host {
			t.Fatalf("%q: accepted as %q, then %v %v", raw, u.String(), again, r)
		}
		if strings.ContainsAny(u.RequestURI(), " \r\n\t") {
			t.Fatalf("%q: request line %q", raw, u.RequestURI())
		}
	})
}
