package handlers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
)

// path is a route's path with something in place of its parameters.
func pathOf(r web.Route) string {
	parts := strings.Split(r.Path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || p == "*" {
			parts[i] = "nothing"
		}
	}
	return strings.Join(parts, "/")
}

// TestRoutesComeFromTheTable compares what echo serves with the table, both ways.
func TestRoutesComeFromTheTable(t *testing.T) {
	s := newSite(t)
	table := map[string]bool{}
	for _, r := range s.h.Routes() {
		row := r.Method + " " + r.Path
		if table[row] {
			t.Errorf("%s is in the table twice", row)
		}
		table[row] = true
		if r.Method == http.MethodGet {
			table["HEAD "+r.Path] = true
		}
	}
	for _, r := range s.echo.Routes() {
		if row := r.Method + " " + r.Path; !table[row] {
			t.Errorf("%s is served without a row in the table", row)
		} else {
			delete(table, row)
		}
	}
	for row := range table {
		t.Errorf("%s is in the table and not served", row)
	}
}

// TestRouteRights calls every route as every built-in role and signed out, and compares with the table.
func TestRouteRights(t *testing.T) {
	s := newSite(t)
	users, keys := map[string]model.User{}, map[string]string{}
	for _, r := range model.BuiltinRoles() {
		users[r.Name] = s.user(strings.ToLower(r.Name)+"@example.com", r.Name)
		_, keys[r.Name] = s.key(users[r.Name])
	}
	refused := 0
	for _, r := range s.h.Routes() {
		methods := []string{r.Method}
		if r.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			for _, role := range []string{"", model.Administrator, model.Integrator, model.Operator, model.Viewer} {
				b := s.browser()
				if role != "" && r.Face == web.API {
					b.header.Set("Authorization", "Bearer "+keys[role])
				} else if role != "" {
					b = s.as(users[role])
				}
				got := b.do(method, pathOf(r), nil)
				name := method + " " + r.Path + " as " + role
				if got.StatusCode >= 500 && got.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: %d %s", name, got.StatusCode, got.text("body"))
				}
				if refusedRight(t, name, r, role, method, got) {
					refused++
				}
			}
		}
	}
	if refused < 50 {
		t.Errorf("only %d calls were refused; the test is blind", refused)
	}
}

// refusedRight checks one answer against the table and tells whether it was a refusal.
func refusedRight(t *testing.T, name string, r web.Route, role, method string, got page) bool {
	t.Helper()
	toLogin := got.StatusCode == http.StatusSeeOther && strings.HasPrefix(got.Header.Get("Location"), "/login")
	denied := got.StatusCode == http.StatusForbidden || got.StatusCode == http.StatusUnauthorized
	switch {
	case r.Right == web.Public:
		if strings.HasPrefix(r.Path, "/in/") { // asks for a key of its own kind, which nobody here has
			if got.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d, want 401 without a key", name, got.StatusCode)
			}
			return false
		}
		if toLogin || denied {
			t.Errorf("%s: %d, want it open to all", name, got.StatusCode)
		}
		return false
	case role == "" && r.Face == web.API:
		if got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, got.StatusCode)
		}
		return true
	case role == "" && method == http.MethodPost && r.Path != "/logout":
		if got.StatusCode != http.StatusUnauthorized || !strings.Contains(got.text("h1"), "Nothing was saved") {
			t.Errorf("%s: %d %s, want to hear that nothing was saved", name, got.StatusCode, got.text("h1"))
		}
		return true
	case role == "":
		if !toLogin {
			t.Errorf("%s: %d %s, want the sign-in page", name, got.StatusCode, got.Header.Get("Location"))
		}
		return true
	case !model.RightsOf([]string{role}).Has(r.Right):
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, got.StatusCode)
		} else if body := got.text("body"); method != http.MethodHead && !strings.Contains(body, string(r.Right)) {
			t.Errorf("%s: the refusal does not name the right %q: %s", name, r.Right, body)
		}
		return true
	}
	if denied || toLogin && r.Path != "/logout" {
		t.Errorf("%s: %d %s, want it allowed: %s", name, got.StatusCode, got.Header.Get("Location"), got.text("body"))
	}
	return false
}

// TestCrossSiteForms posts to every page as a form on another site would.
func TestCrossSiteForms(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	n := 0
	for _, r := range s.h.Routes() {
		if r.Face != web.Page || r.Method == http.MethodGet {
			continue
		}
		n++
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			b.header = http.Header{name: {value}}
			if got := b.do(r.Method, pathOf(r), nil); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s with %s: %s: %d, want 403", r.Method, r.Path, name, value, got.StatusCode)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d forms were found", n)
	}
	b.header = http.Header{"Sec-Fetch-Site": {"same-origin"}}
	if got := b.post("/theme", "theme", "dark"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a form of our own: %d, want 303", got.StatusCode)
	}
	if !b.signedIn() {
		t.Error("a cross-site form signed somebody out")
	}
}

func TestMountRefusesWhatIsNotGuarded(t *testing.T) {
	s := newSite(t)
	h := func(echo.Context) error { return nil }
	for name, row := range map[string]web.Route{
		"no right":                         {Method: http.MethodGet, Path: "/x", Handler: h},
		"no handler":                       web.Get(model.SignedIn, "/x", nil),
		"a right that nobody can be asked": {Method: http.MethodGet, Path: "/x", Right: model.SignedIn, Face: web.Plain, Handler: h},
	} {
		if err := s.h.Web.Mount(echo.New(), []web.Route{row}); err == nil {
			t.Errorf("a route with %s was mounted", name)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	for _, path := range []string{"/", "/login", "/nothing-here", "/api/v1/nothing", "/healthz", "/users"} {
		h := b.get(path).Header
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "X-Robots-Tag": "noindex",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'",
		}
		for name, value := range want {
			if got := h.Get(name); got != value {
				t.Errorf("%s: %s = %q, want %q", path, name, got, value)
			}
		}
		if !strings.HasPrefix(h.Get("X-Request-Id"), "req_") {
			t.Errorf("%s: no request id", path)
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: HSTS over plain HTTP", path)
		}
	}
	if got := b.get("/users").Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("pages: Cache-Control %q, want no-store", got)
	}
}

func TestErrorPages(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("vi@example.com", model.Viewer))
	got := b.get("/users")
	if got.StatusCode != http.StatusForbidden || !strings.Contains(got.text("main"), "“View Users”") {
		t.Errorf("403: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.get("/nothing-here"); got.StatusCode != http.StatusNotFound || got.text("h1") != "Not found" || !strings.Contains(got.text("main"), got.Header.Get("X-Request-Id")) {
		t.Errorf("404: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.do(http.MethodDelete, "/users", nil); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE /users: %d, want 405", got.StatusCode)
	}
	big := url.Values{"name": {strings.Repeat("x", 3<<20)}}
	if got := b.do(http.MethodPost, "/account", big); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("3 MiB: %d, want 413", got.StatusCode)
	}
	b.header.Set("HX-Request", "true")
	if got := b.get("/users"); got.StatusCode != http.StatusForbidden || !strings.Contains(got.Header.Get("HX-Trigger"), "View Users") || got.Header.Get("HX-Reswap") != "none" {
		t.Errorf("htmx: %d %v", got.StatusCode, got.Header)
	}
}

// Clients that look for an answer only after they have sent everything are told that it was too much, or that they are not known.
func TestUntakenBodiesAreAnswered(t *testing.T) {
	s := newSite(t)
	u := s.user("big@example.com", model.Administrator)
	_, key := s.key(u)
	req, err := http.NewRequest(http.MethodPost, s.srv.URL+"/api/v1/inbound-endpoints", strings.NewReader(`{"name":"Door","service_user_id":"`+string(u.ID)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
	made, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Body.Close()
	var door struct{ URL string }
	if err := json.NewDecoder(made.Body).Decode(&door); err != nil || door.URL == "" {
		t.Fatalf("%d %v", made.StatusCode, err)
	}
	const much, some = 12 << 20, 700 << 10
	in, known := door.URL[strings.Index(door.URL, "/in/"):], "Bearer "+key
	for _, tc := range []struct {
		path, who  string
		size, want int
	}{
		{"/api/v1/connections", known, much, http.StatusRequestEntityTooLarge}, {in, known, much, http.StatusRequestEntityTooLarge},
		{"/api/v1/connections", "Bearer wbk_wrong", some, http.StatusUnauthorized}, {in + "x", "", some, http.StatusUnauthorized}, {"/users", "", some, http.StatusUnauthorized},
	} {
		for _, head := range []string{"Content-Length: " + strconv.Itoa(tc.size) + "\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(tc.size), 16) + "\r\n"} {
			t.Run(tc.path[:4]+" "+head[:8], func(t *testing.T) {
				t.Parallel()
				if got := sentWhole(t, s, "POST "+tc.path+" HTTP/1.1\r\nHost: waybill\r\nAuthorization: "+tc.who+"\r\nContent-Type: application/json\r\n"+head, tc.size); got != tc.want {
					t.Errorf("%d, want %d", got, tc.want)
				}
			})
		}
	}
}

// sentWhole is the status of the answer to a request whose body is sent to its end first.
func sentWhole(t *testing.T, s *site, head string, size int) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	for sent, chunk := 0, bytes.Repeat([]byte(" "), 64<<10); sent < size; sent += len(chunk) {
		if sent == size/2/len(chunk)*len(chunk) {
			time.Sleep(700 * time.Millisecond) // longer than a server waits that has closed its side
		}
		if _, err := conn.Write(chunk); err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	if _, err := io.WriteString(conn, "\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}
