package connector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

func TestEveryTypeIsWhole(t *testing.T) {
	for _, k := range Types() {
		if k.Title == "" || k.Summary == "" || k.Glyph == "" || k.Docs == "" || (k.NoDestinations == "") != (len(k.Methods) > 0) || (k.NoDestinations == "") != (k.build != nil && k.judge != nil) {
			t.Errorf("%s lacks something", k.Type)
		}
		if got, ok := ByType(k.Type); !ok || got.Title != k.Title {
			t.Errorf("%s is not found", k.Type)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, tc := range []struct {
		base string
		port int
		path string
		want string // "" = refused
	}{
		{"https://a.example", 0, "", "https://a.example"},
		{"https://a.example/", 0, "", "https://a.example/"},
		{"https://a.example", 0, "x", "https://a.example/x"},
		{"https://a.example/", 0, "/x/", "https://a.example/x/"},
		{"https://a.example/b", 0, "x", "https://a.example/b/x"},
		{"https://a.example/b/", 0, "/x", "https://a.example/b/x"},
		{"https://a.example/b//", 0, "//x//y", "https://a.example/b/x//y"},
		{"https://a.example/b", 0, "/", "https://a.example/b/"},
		{"https://a.example/b", 0, "?q=1", "https://a.example/b?q=1"},
		{"https://a.example/b?k=1", 0, "/x?q=2", "https://a.example/b/x?k=1&q=2"},
		{"https://a.example/b?k=1&", 0, "?&q=2", "https://a.example/b?k=1&q=2"},
		{"https://a.example/b?k=1", 0, "x", "https://a.example/b/x?k=1"},
		{"https://a.example/b?", 0, "x?", "https://a.example/b/x"},
		{"https://a.example", 8443, "x", "https://a.example:8443/x"},
		{"https://a.example:9", 9, "x", "https://a.example:9/x"},
		{"https://a.example:9/b", 0, "x", "https://a.example:9/b/x"},
		{"http://[::1]", 80, "x", "http://[::1]:80/x"},
		{"https://a.example", 0, "/a b/ü?n=ü v", "https://a.example/a%20b/%C3%BC?n=%C3%BC%20v"},
		{"https://a.example", 0, "/a%2Fb%20c/%zz%?p=50%&q=%41", "https://a.example/a%2Fb%20c/%25zz%25?p=50%25&q=%41"},
		{"https://a.example", 0, `/"<>^{|}[]` + "`", "https://a.example/%22%3C%3E%5E%7B%7C%7D%5B%5D%60"},
		{"https://a.example", 0, "/x?filter[a]=1,2;3&u=https://b.example/?y", "https://a.example/x?filter[a]=1,2;3&u=https://b.example/?y"},
		{"https://a.example", 0, "//evil.example/x", "https://a.example/evil.example/x"},
		{"https://a.example", 0, `\\evil.example\x`, "https://a.example/%5C%5Cevil.example%5Cx"},
		{"https://a.example", 0, "@evil.example", "https://a.example/@evil.example"},
		{"https://a.example", 0, ":80@evil.example", "https://a.example/:80@evil.example"},
		{"https://a.example", 0, ".evil.example", "https://a.example/.evil.example"},
		{"https://a.example", 0, "/v1/a..b/...", "https://a.example/v1/a..b/..."},
		{"https://a.example", 0, "  /x ", "https://a.example/x"},
		{"https://a.example", 0, "/x?to=../y", "https://a.example/x?to=../y"},
		{"https://a.example/b", 0, "../x", ""},
		{"https://a.example/b", 0, "x/..", ""},
		{"https://a.example/b", 0, "x/%2e%2E/y", ""},
		{"https://a.example/b", 0, "x/.%2e/y", ""},
		{"https://a.example/b", 0, `x\..\y`, ""},
		{"https://a.example/b", 0, "./x", ""},
		{"https://a.example", 0, "https://evil.example/x", ""},
		{"https://a.example", 0, "/x#y", ""},
		{"https://a.example", 0, "/x\r\nHost: evil", ""},
		{"https://a.example", 0, "/x\x00", ""},
		{"not an address", 0, "/x", ""},
	} {
		conn := model.Connection{Type: model.ConnectionCustomHTTP, BaseURL: tc.base, Port: tc.port}
		got, bad := Join(conn, tc.path)
		if diff := cmp.Diff(tc.want, got); diff != "" || (bad == "") != (tc.want != "") {
			t.Errorf("%s + %s: %q %s", tc.base, tc.path, bad, diff)
		}
	}
}

func TestCheckPath(t *testing.T) {
	if CheckPath("/x/{{ it.data[0].id }}/..") != "" || CheckPath("/x?y=1") != "" {
		t.Error("a path with tags is checked once it is rendered")
	}
	for _, p := range []string{"../x", "https://a", "a#b"} {
		if CheckPath(p) == "" {
			t.Errorf("%q passes", p)
		}
	}
}

func FuzzJoin(f *testing.F) {
	f.Add("/x?y=1")
	f.Add(`\\evil@b:1/%2e.%2f`)
	conn := model.Connection{BaseURL: "https://a.example:444/base?k=v"}
	f.Fuzz(func(t *testing.T, path string) {
		got, bad := Join(conn, path)
		if bad != "" {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "a.example:444" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.EscapedPath(), "/base") {
			t.Fatalf("%q: %q %v", path, got, err)
		}
		if again, bad := Join(model.Connection{BaseURL: got}, ""); bad != "" || again != got {
			t.Fatalf("%q: %q is not stable: %q", path, got, again)
		}
	})
}

func TestBuild(t *testing.T) {
	conn := model.Connection{Type: model.ConnectionWebhook, BaseURL: "https://a.example/v1", TimeoutSeconds: 7}
	headers := []model.Header{{Name: "x-a", Value: "1"}, {Name: "X-A", Value: "2"}}
	for _, tc := range []struct {
		name string
		dest model.Destination
		r    Rendered
		want egress.Request
	}{
		{"post", model.Destination{Method: "POST", ContentType: "text/csv"}, Rendered{Path: "x", Headers: headers, Body: []byte("b")},
			egress.Request{Method: "POST", URL: "https://a.example/v1/x", Header: http.Header{"X-A": {"1", "2"}, "Content-Type": {"text/csv"}}, Body: []byte("b")}},
		{"no content type", model.Destination{Method: "POST"}, Rendered{Body: []byte("b")},
			egress.Request{Method: "POST", URL: "https://a.example/v1", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("b")}},
		{"empty body", model.Destination{Method: "PUT", ContentType: "text/csv"}, Rendered{},
			egress.Request{Method: "PUT", URL: "https://a.example/v1", Header: http.Header{}}},
		{"get without template", model.Destination{Method: "GET", ContentType: "application/json"}, Rendered{Body: []byte("{}")},
			egress.Request{Method: "GET", URL: "https://a.example/v1", Header: http.Header{}}},
		{"get with template", model.Destination{Method: "GET", ContentType: "application/json", Template: "{}"}, Rendered{Body: []byte("{}")},
			egress.Request{Method: "GET", URL: "https://a.example/v1", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}")}},
		{"delete", model.Destination{Method: "DELETE", ContentType: "application/json"}, Rendered{Body: []byte("{}")},
			egress.Request{Method: "DELETE", URL: "https://a.example/v1", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}")}},
	} {
		tc.want.Timeout, tc.want.MaxBody = 7*time.Second, model.MaxStoredResponse
		got, err := Build(conn, tc.dest, tc.r)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
	for _, tc := range []struct {
		conn  model.Connection
		dest  model.Destination
		r     Rendered
		class model.ErrorClass
	}{
		{conn, model.Destination{Method: "POST"}, Rendered{Path: "../x"}, model.ClassRefused},
		{conn, model.Destination{Method: "POST"}, Rendered{Headers: []model.Header{{Name: "host", Value: "evil"}}}, model.ClassRefused},
		{conn, model.Destination{Method: "POST"}, Rendered{Headers: []model.Header{{Name: "X-A", Value: "b\r\nX-B: c"}}}, model.ClassRefused},
		{conn, model.Destination{Method: "POST"}, Rendered{Headers: []model.Header{{Name: "Webhook-Id", Value: "1"}}}, model.ClassRefused},
		{conn, model.Destination{Method: "POST"}, Rendered{Headers: []model.Header{{Name: "content-type", Value: "a/b"}}}, model.ClassRefused},
		{conn, model.Destination{Method: "POST", ContentType: "a\nb"}, Rendered{Body: []byte("b")}, model.ClassRefused},
		{model.Connection{Type: "teapot", BaseURL: "https://a.example"}, model.Destination{Method: "POST"}, Rendered{}, model.ClassSetup},
	} {
		_, err := Build(tc.conn, tc.dest, tc.r)
		var e *egress.Error
		if !errors.As(err, &e) || e.Class != tc.class || e.Message == "" {
			t.Errorf("%+v: want class %s, got %v", tc.r, tc.class, err)
		}
	}
}

// The joined address arrives as it was joined.
func TestAddressOnTheWire(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }))
	defer srv.Close()
	rules, _ := egress.ParseRules("127.0.0.1")
	c := egress.New(egress.Options{Rules: rules})
	for path, want := range map[string]string{
		"":                       "/b?k=1",
		"/a b%2Fc//ü?q=x y&[]=%": "/b/a%20b%2Fc//%C3%BC?k=1&q=x%20y&[]=%25",
		"//evil":                 "/b/evil?k=1",
		"/(a)*'!$&,;=:@~":        "/b/(a)*'!$&,;=:@~?k=1",
	} {
		req, err := Build(model.Connection{Type: model.ConnectionWebhook, BaseURL: srv.URL + "/b?k=1"}, model.Destination{Method: "GET"}, Rendered{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		x, err := c.Do(context.Background(), req)
		if diff := cmp.Diff(want, string(x.Body)); diff != "" || err != nil {
			t.Errorf("%q: %v %s", path, err, diff)
		}
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		status int
		header string // Retry-After, or Location for 3xx
		want   Verdict
	}{
		{200, "", Verdict{Success: true}}, {204, "10", Verdict{Success: true}}, {299, "", Verdict{Success: true}},
		{301, "https://b.example/x", Verdict{Words: "Answered 301 Moved Permanently and points to https://b.example/x (Location). Redirects are not followed; put the final address into the connection or destination."}},
		{304, "", Verdict{Words: "Answered 304 Not Modified. That is an answer to a question whether something changed; what receives messages answers 200 to 299."}},
		{400, "", Verdict{Words: "Answered 400 Bad Request."}},
		{401, "60", Verdict{Words: "Answered 401 Unauthorized. Check the credential of the connection and what it may do."}},
		{408, "", Verdict{Retry: true, Words: "Answered 408 Request Timeout."}},
		{410, "", Verdict{Disable: true, Words: "Answered 410 Gone: the other side wants no more messages, so the destination is switched off."}},
		{425, "", Verdict{Retry: true, Words: "Answered 425 Too Early."}},
		{429, "30", Verdict{Retry: true, RetryAfter: 30 * time.Second, Words: "Answered 429 Too Many Requests and asks to wait 30 s."}},
		{429, "Sun, 01 Mar 2026 12:02:00 GMT", Verdict{Retry: true, RetryAfter: 2 * time.Minute, Words: "Answered 429 Too Many Requests and asks to wait 2 min."}},
		{500, "0", Verdict{Retry: true, Words: "Answered 500 Internal Server Error."}},
		{503, "999999999999999999999999", Verdict{Retry: true, RetryAfter: 24 * time.Hour, Words: "Answered 503 Service Unavailable and asks to wait 24 h."}},
		{503, "Sun, 01 Mar 2099 12:02:00 GMT", Verdict{Retry: true, RetryAfter: 24 * time.Hour, Words: "Answered 503 Service Unavailable and asks to wait 24 h."}},
		{503, "Sun, 01 Mar 2020 12:02:00 GMT", Verdict{Retry: true, Words: "Answered 503 Service Unavailable."}},
		{503, "-5", Verdict{Retry: true, Words: "Answered 503 Service Unavailable."}}, {503, "soon", Verdict{Retry: true, Words: "Answered 503 Service Unavailable."}},
		{599, "", Verdict{Retry: true, Words: "Answered 599."}}, {600, "", Verdict{Words: "Answered 600."}}, {999, "", Verdict{Words: "Answered 999."}},
	} {
		x := egress.Exchange{Status: tc.status, Header: http.Header{"Retry-After": {tc.header}}}
		if tc.status/100 == 3 {
			x.Header = http.Header{"Location": {tc.header}}
		}
		if !tc.want.Success {
			tc.want.Class = model.ClassStatus
		}
		if diff := cmp.Diff(tc.want, Judge(Answer{Connection: model.Connection{Type: model.ConnectionWebhook}, Exchange: x, Now: now})); diff != "" {
			t.Errorf("%d %q: %s", tc.status, tc.header, diff)
		}
	}
}

func TestJudgeError(t *testing.T) {
	for class, retry := range map[model.ErrorClass]bool{
		model.ClassRefused: false, model.ClassSetup: false, model.ClassTemplate: false, model.ClassDNS: true, model.ClassConnect: true,
		model.ClassTLS: true, model.ClassTimeout: true, model.ClassBroken: true, model.ClassAuth: true,
	} {
		want := Verdict{Retry: retry, Class: class, Words: "Why."}
		if diff := cmp.Diff(want, JudgeError(&egress.Error{Class: class, Message: "Why."})); diff != "" {
			t.Error(diff)
		}
	}
}
