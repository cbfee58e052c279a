package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/dbtest"
	"waybill/db/fault"
)

func TestSafeNext(t *testing.T) {
	for _, ok := range []string{"/", "/users", "/users?q=a&b=%2F", "/a/b/../c", "/connections/con_1/destinations", "/x?next=//evil.example", "/ä", "/a:b"} {
		if got := SafeNext(ok); got != ok {
			t.Errorf("SafeNext(%q) = %q, want it kept", ok, got)
		}
	}
	for _, bad := range []string{
		"", "users", "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "https://evil.example",
		"http:evil.example", "https:/evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "mailto:a@b.c", "/\t/evil.example",
		"/\n/evil.example", "/\r\nSet-Cookie: a=b", "\t//evil.example", " //evil.example", "/%zz", "//user@evil.example", "//evil.example@/", "/\x00", "/a\\b",
		"/%2f/evil.example/..//", "//%2fevil.example", "?next=/", "#top", "ftp://evil.example", "/\u0085/evil.example", "/%2F%2Fevil.example\x7f",
	} {
		if got := SafeNext(bad); got != "/" {
			t.Errorf("SafeNext(%q) = %q, want /", bad, got)
		}
	}
}

func TestPasswords(t *testing.T) {
	ctx, p := context.Background(), NewPasswords()
	hash, err := p.Hash(ctx, "ﬁve Ängstrom otters")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash %q, %v", hash, err)
	}
	for password, want := range map[string]bool{
		"ﬁve Ängstrom otters":        true,
		"five A\u0308ngstrom otters": true, // the same characters from another keyboard
		"five Angstrom otters":       false,
		"":                           false,
	} {
		if got, err := p.Verify(ctx, hash, password); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v, want %v", password, got, err, want)
		}
	}
	if ok, err := p.Verify(ctx, "", ""); ok || err != nil {
		t.Errorf("an account without password: %v, %v", ok, err)
	}
	for _, broken := range []string{"x", "$argon2id$v=19$m=1$a$b", "$2a$10$abc", "$argon2id$v=18$m=19456,t=2,p=1$YQ$YQ"} {
		if ok, err := p.Verify(ctx, broken, "x"); ok || err == nil {
			t.Errorf("a stored hash %q: %v, %v, want an error", broken, ok, err)
		}
	}
	gone, stop := context.WithCancel(ctx)
	stop()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	if _, err := p.Hash(gone, "x"); err == nil {
		t.Error("a caller who went away still waited for a place")
	}
}

func TestWeak(t *testing.T) {
	for _, good := range []string{"seven purple otters juggle", "correct horse 9 staple battery", "ÄäÖöÜü ßß lang genug", "x9$Lm2-kQ81zPw!vv"} {
		if why := Weak(good, "ada@example.com", "Ada Lovelace"); why != nil {
			t.Errorf("Weak(%q) = %q, want it taken", good, why)
		}
	}
	for _, bad := range []string{
		"", "short", "fourteen chars", "aaaaaaaaaaaaaaaaaaaa", "abababababababababab", "passwordpassword", "Password12345678!", "123456789012345", "qwertyuiopasdfgh",
		"ada@example.com", "AdaLovelace2026!", "adaadaadaadaadaada", "letmeinletmeinletmein", "abcdefghijklmnopqrstuvwxyz", "administrator!!!", "waybillwaybillwaybill",
		strings.Repeat("long words ", 30), "\xff\xfe not utf8 at all",
	} {
		if Weak(bad, "ada@example.com", "Ada Lovelace") == nil {
			t.Errorf("Weak(%q) took it", bad)
		}
	}
}

func TestProxies(t *testing.T) {
	proxies := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, x := range map[string]struct {
		peer, forwarded, host string
		wantClient, wantHost  string
	}{
		"nobody in between":            {"192.0.2.9:1", "", "", "192.0.2.9", "waybill.example"},
		"a stranger claims a proxy":    {"192.0.2.9:1", "198.51.100.1", "evil.example", "192.0.2.9", "waybill.example"},
		"one proxy":                    {"10.1.1.1:1", "198.51.100.1", "public.example", "198.51.100.1", "public.example"},
		"two proxies":                  {"10.1.1.1:1", "198.51.100.1, 10.2.2.2", "", "198.51.100.1", "waybill.example"},
		"a caller forges the start":    {"10.1.1.1:1", "203.0.113.5, 198.51.100.1", "", "198.51.100.1", "waybill.example"},
		"only proxies":                 {"10.1.1.1:1", "10.3.3.3", "", "10.3.3.3", "waybill.example"},
		"rubbish":                      {"10.1.1.1:1", "unknown", "", "10.1.1.1", "waybill.example"},
		"with ports":                   {"10.1.1.1:1", "8.8.4.4:1234, 10.2.2.2:80", "", "8.8.4.4", "waybill.example"},
		"IPv6 with a port":             {"10.1.1.1:1", "[2001:db9::1]:99, [2001:db8::2]", "", "2001:db9::1", "waybill.example"},
		"IPv6, mapped":                 {"[::ffff:10.1.1.1]:1", "2001:db9::7", "", "2001:db9::7", "waybill.example"},
		"the last host is the nearest": {"10.1.1.1:1", "198.51.100.1", "forged.example, public.example", "198.51.100.1", "public.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://waybill.example/", nil)
			r.RemoteAddr = x.peer
			if x.forwarded != "" {
				r.Header.Set("X-Forwarded-For", x.forwarded)
			}
			if x.host != "" {
				r.Header.Set("X-Forwarded-Host", x.host)
			}
			proxies.settle(r)
			if got := proxies.client(r).String(); got != x.wantClient {
				t.Errorf("client %s, want %s", got, x.wantClient)
			}
			if r.Host != x.wantHost {
				t.Errorf("host %s, want %s", r.Host, x.wantHost)
			}
		})
	}
}

// Only what a proxy says of HTTPS is believed, and makes cookies secure and promises HTTPS.
func TestHTTPSBeforeTheProxy(t *testing.T) {
	base, _ := url.Parse("http://waybill.example")
	w, err := New(Options{Store: dbtest.Open(t), Now: time.Now, Log: slog.New(slog.DiscardHandler), BaseURL: base, Version: "test", Proxies: Proxies{netip.MustParsePrefix("10.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.Use(w.Prepare)
	e.GET("/", func(c echo.Context) error {
		w.cookie(c, "taste", "sweet", 60)
		return c.NoContent(http.StatusNoContent)
	})
	for _, x := range []struct {
		peer, proto string
		want        bool
	}{{"10.1.1.1:1", "https", true}, {"10.1.1.1:1", "http", false}, {"10.1.1.1:1", "https, http", false}, {"10.1.1.1:1", "", false}, {"192.0.2.9:1", "https", false}} {
		r, rec := httptest.NewRequest(http.MethodGet, "http://waybill.example/", nil), httptest.NewRecorder()
		if r.RemoteAddr = x.peer; x.proto != "" {
			r.Header.Set("X-Forwarded-Proto", x.proto)
		}
		e.ServeHTTP(rec, r)
		secure, promised := strings.Contains(rec.Header().Get("Set-Cookie"), "; Secure"), rec.Header().Get("Strict-Transport-Security") != ""
		if secure != x.want || promised != x.want {
			t.Errorf("%s says %q: cookie secure %v, HTTPS promised %v, want %v", x.peer, x.proto, secure, promised, x.want)
		}
	}
}

func TestHeaderTextIsASCII(t *testing.T) {
	text, err := json.Marshal(map[string]string{"text": "“Ada” – 日本\n"})
	if err != nil {
		t.Fatal(err)
	}
	got := ascii(text)
	var back map[string]string
	if err := json.Unmarshal([]byte(got), &back); err != nil || back["text"] != "“Ada” – 日本\n" {
		t.Errorf("%s: %v", got, err)
	}
	for _, r := range got {
		if r < 0x20 || r > 0x7e {
			t.Errorf("%q is no header text", got)
		}
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	for kind, want := range map[fault.Kind]int{
		fault.Malformed: 400, fault.SignedOut: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409, fault.Stale: 409, fault.TooLarge: 413,
		fault.Unsupported: 415, fault.Invalid: 422, fault.Throttled: 429, fault.Unavailable: 503, "something else": 500,
	} {
		if got := Status(kind); got != want {
			t.Errorf("%s: %d, want %d", kind, got, want)
		}
	}
}
