package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db/model"
)

func scope(t *testing.T, id string, patterns ...string) *Scope {
	t.Helper()
	var list []Entry
	for _, p := range patterns {
		rest, deny := strings.CutPrefix(p, "!")
		list = append(list, Entry{Pattern: rest, Deny: deny, From: FromDestination, ID: id + p})
	}
	r, err := Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return &Scope{Rules: r}
}

// counting is a server on loopback that counts its connections.
func counting(t *testing.T) (port string, conns *atomic.Int64) {
	t.Helper()
	conns = new(atomic.Int64)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	_, port, _ = net.SplitHostPort(srv.Listener.Addr().String())
	return port, conns
}

// What one destination may reach, no other reaches over the connection that it left open.
func TestConnectionsStayWithTheirRules(t *testing.T) {
	port, conns := counting(t)
	c := New(Options{Resolver: nameServer(t, "127.0.0.1")})
	defer c.Close()
	do := func(s *Scope) (bool, error) {
		x, err := c.Do(context.Background(), Request{Method: "GET", URL: "http://erp.example.com:" + port, Timeout: 5 * time.Second, Scope: s})
		return x.Timings.Reused, err
	}
	a, b := scope(t, "a", "127.0.0.1"), scope(t, "b", "127.0.0.1")
	for i := range 3 {
		if reused, err := do(a); err != nil || reused != (i > 0) {
			t.Fatalf("A, request %d: reused %v, %v", i, reused, err)
		}
	}
	for name, s := range map[string]*Scope{"nobody's": nil, "other rules": scope(t, "c", "10.0.0.0/8"), "another port": scope(t, "c", "127.0.0.1:1"), "no rules": {}} {
		if _, err := do(s); failure(t, err).Class != model.ClassRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := do(scope(t, "d", "127.0.0.1", "!127.0.0.0/8")); failure(t, err).Refusal.Rule != RuleDenied {
		t.Errorf("what is denied: %v", err)
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections, want A's one", conns.Load())
	}
	if reused, err := do(b); err != nil || reused { // the same words, but another's
		t.Errorf("B: reused %v, %v", reused, err)
	}
	if reused, err := do(a); err != nil || !reused {
		t.Errorf("A again: reused %v, %v", reused, err)
	}
}

// Rules that change hold at once, for connections that are open too.
func TestUseLeavesOpenConnections(t *testing.T) {
	port, _ := counting(t)
	c := New(Options{Rules: rules(t, "127.0.0.0/8"), Resolver: nameServer(t, "127.0.0.1")})
	defer c.Close()
	do := func() error {
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: "http://erp.example.com:" + port, Timeout: 5 * time.Second})
		return err
	}
	if err := do(); err != nil {
		t.Fatal(err)
	}
	main := c.now.Load()
	c.Use(rules(t, "127.0.0.0/8"), nil)
	if c.now.Load() != main {
		t.Error("the same rules begin anew")
	}
	denied, err := Compile([]Entry{{Pattern: "127.0.0.0/8", From: FromEnvironment}, {Pattern: "*.example.com", Deny: true, From: FromInstance}})
	if err != nil {
		t.Fatal(err)
	}
	c.Use(denied, nil)
	if e := failure(t, do()); e.Refusal == nil || e.Refusal.Rule != RuleDenied || !strings.Contains(e.Message, "*.example.com for all of this Waybill") {
		t.Errorf("denied by name: %s", e.Message)
	}
	c.Use(Rules{}, nil)
	if e := failure(t, do()); e.Refusal == nil || e.Refusal.Rule != RulePlain {
		t.Errorf("no rules any more: %s", e.Message)
	}
}

// Many destinations with rules of their own cost a bounded number of pools; those that were not used for long go.
func TestPoolsAreBounded(t *testing.T) {
	port, conns := counting(t)
	c := New(Options{Resolver: nameServer(t, "127.0.0.1")})
	defer c.Close()
	do := func(n int) bool {
		x, err := c.Do(context.Background(), Request{Method: "GET", URL: "http://erp.example.com:" + port, Timeout: 5 * time.Second, Scope: scope(t, fmt.Sprint(n), "127.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		return x.Timings.Reused
	}
	for n := range mostPools + 10 {
		do(n)
		do(0) // is used all the time
	}
	if got := len(c.now.Load().others); got != mostPools {
		t.Errorf("%d pools, want %d", got, mostPools)
	}
	if !do(0) || do(1) {
		t.Error("not the pool that was unused for longest went")
	}
	if n := conns.Load(); n != mostPools+11 {
		t.Errorf("%d connections", n)
	}
}

func TestJudge(t *testing.T) {
	entries := func(list ...string) Rules { return scope(t, "r", list...).Rules }
	for _, tc := range []struct {
		rules     Rules
		at        place
		ip        string
		rule      Rule
		decidedBy string
	}{
		{entries(), place{"a.example", 443, false}, "1.1.1.1", "", ""},
		{entries("!1.1.1.0/24"), place{"a.example", 443, false}, "1.1.1.1", RuleDenied, "1.1.1.0/24"},
		{entries("!1.1.1.1:443"), place{"a.example", 8443, false}, "1.1.1.1", "", ""},
		{entries("!1.1.1.1:443"), place{"a.example", 443, false}, "::ffff:1.1.1.1", RuleDenied, "1.1.1.1:443"},
		{entries("a.example", "!1.1.1.1"), place{"a.example", 443, false}, "1.1.1.1", RuleDenied, "1.1.1.1"},
		{entries("!a.example", "1.1.1.1"), place{"a.example", 443, false}, "1.1.1.1", RuleDenied, "a.example"},
		{entries("!a.example"), place{"b.example", 443, false}, "1.1.1.1", "", ""},
		{entries("a.example:8443"), place{"a.example", 8443, true}, "10.0.0.1", "", "a.example:8443"},
		{entries("a.example:8443"), place{"a.example", 443, false}, "10.0.0.1", RulePrivate, ""},
		{entries("[fd12::1]:8443"), place{"a.example", 8443, true}, "fd12::1", "", "[fd12::1]:8443"},
		{entries("[fd12::1]:8443"), place{"a.example", 80, true}, "fd12::1", RulePrivate, ""},
		// An address inside another one is denied with it.
		{entries("64:ff9b::/96", "!10.0.0.0/8"), place{"a.example", 443, false}, "64:ff9b::a00:1", RuleDenied, "10.0.0.0/8"},
		{entries("64:ff9b::/96", "!10.0.0.0/8"), place{"a.example", 443, false}, "64:ff9b::b00:1", "", "64:ff9b::/96"},
		{entries("64:ff9b::/96"), place{"a.example", 443, false}, "64:ff9b::a9fe:a9fe", RuleMetadata, ""},
		{entries("10.0.0.0/8"), place{"a.example", 443, false}, "64:ff9b::a00:1", RulePrivate, ""}, // allowing the inner one is not enough
		{entries("fe80::/10"), place{"a.example", 443, false}, "fe80::1%eth0", "", "fe80::/10"},
		{entries("!fe80::/10", "a.example"), place{"a.example", 443, false}, "fe80::1%eth0", RuleDenied, "fe80::/10"},
	} {
		r, by := tc.rules.judge(tc.at, netip.MustParseAddr(tc.ip))
		rule, decided := Rule(""), ""
		if r != nil {
			rule = r.Rule
		}
		if by != nil {
			decided = by.Pattern
		}
		if rule != tc.rule || decided != tc.decidedBy {
			t.Errorf("%s, %v to %s: want %q by %q, got %q by %q", tc.rules.key, tc.at, tc.ip, tc.rule, tc.decidedBy, rule, decided)
		}
	}
}

func TestPattern(t *testing.T) {
	for text, want := range map[string]string{"ERP.Example.com.": "erp.example.com", "10.0.0.7/8": "10.0.0.0/8", "10.0.0.7/32": "10.0.0.7", "[::1]": "::1", "::1": "::1",
		"[0:0::1]:443": "[::1]:443", "::ffff:10.0.0.1": "10.0.0.1", "10.0.0.1:8080": "10.0.0.1:8080", "Bücher.example:80": "xn--bcher-kva.example:80", "*.LAN": "*.lan",
		"*.lan:8443": "*.lan:8443", "0.0.0.0/0": "0.0.0.0/0"} {
		if got, err := Pattern(text); err != nil || got != want {
			t.Errorf("%s: got %q %v, want %q", text, got, err, want)
		}
	}
}

// What is shown of a URL is what happens to it.
func TestLook(t *testing.T) {
	port, _ := counting(t)
	inside := map[string]http.Handler{"receiver.waybill.internal": http.NotFoundHandler()}
	for _, tc := range []struct {
		url, answers string
		s            *Scope
		may          bool
		rule         Rule // of the URL, else of its address
		decidedBy    string
	}{
		{"https://rebind.example.com", "127.0.0.1", nil, false, RulePrivate, ""},
		{"http://rebind.example.com", "127.0.0.1", nil, false, RulePlain, ""},
		{"http://rebind.example.com", "127.0.0.1", scope(t, "a", "127.0.0.1"), true, "", "127.0.0.1"},
		{"http://rebind.example.com", "127.0.0.1", scope(t, "a", "rebind.example.com"), true, "", "rebind.example.com"},
		{"http://rebind.example.com", "127.0.0.1", scope(t, "a", "rebind.example.com", "!127.0.0.1"), false, RuleDenied, "127.0.0.1"},
		{"http://rebind.example.com", "127.0.0.1", scope(t, "a", "127.0.0.1", "!*.example.com"), false, RuleDenied, "*.example.com"},
		{"http://rebind.example.com", "169.254.169.254", scope(t, "a", "rebind.example.com"), false, RuleMetadata, ""},
		{"http://127.0.0.1", "", nil, false, RulePrivate, ""},
		{"http://127.0.0.1", "", scope(t, "a", "127.0.0.0/8"), true, "", "127.0.0.0/8"},
		{"http://nowhere.example.com", "", scope(t, "a", "127.0.0.0/8"), false, "", ""},
		{"ftp://a", "", nil, false, RuleURL, ""},
		{"http://receiver.waybill.internal", "", nil, true, "", ""},
		{"http://other.waybill.internal", "", nil, false, RulePlain, ""},
	} {
		c := New(Options{Resolver: nameServer(t, tc.answers), Inside: inside})
		url := tc.url
		if strings.HasPrefix(url, "http") && !strings.Contains(url, "internal") {
			url += ":" + port
		}
		l := c.Look(context.Background(), url, tc.s)
		var r *Refusal
		by := l.By
		if len(l.Addresses) > 0 {
			r, by = l.Addresses[0].Refused, l.Addresses[0].By
		}
		if l.Refused != nil {
			r = l.Refused
		}
		rule, decided := Rule(""), ""
		if r != nil {
			rule = r.Rule
		}
		if by != nil {
			decided = by.Pattern
		}
		if l.May() != tc.may || rule != tc.rule || decided != tc.decidedBy {
			t.Errorf("%s to %q: want %v %q by %q, got %v %q by %q (%s)", tc.url, tc.answers, tc.may, tc.rule, tc.decidedBy, l.May(), rule, decided, l.Unknown)
		}
		_, err := c.Do(context.Background(), Request{Method: "GET", URL: url, Timeout: 5 * time.Second, Scope: tc.s})
		if (err == nil) != tc.may {
			t.Errorf("%s to %q: shown as %v, but sending says %v", tc.url, tc.answers, tc.may, err)
		}
		c.Close()
	}
}
