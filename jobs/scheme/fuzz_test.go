package scheme

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"waybill/jobs/egress"
)

// FuzzReadToken: whatever a token endpoint answers, it is a token that a header can carry or a sentence, and the
// sentence is one line without what must be masked.
func FuzzReadToken(f *testing.F) {
	f.Add(200, "application/json", `{"access_token":"t","expires_in":"7"}`)
	f.Add(400, "text/plain", "error=invalid_client&error_description=hush-hush+x")
	f.Add(200, "", `{"error":{"code":7,"message":"hush-hush\u0000"}}`)
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		mask := func(s string) string { return strings.ReplaceAll(s, "hush-hush", "•••") }
		token, seconds, words := readToken(egress.Exchange{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)}, mask)
		if (token == "") == (words == "") {
			t.Fatalf("token %q, words %q", token, words)
		}
		if token != "" && egress.CheckHeader("Authorization", "Bearer "+token) != nil && len(token) < 16000 {
			t.Errorf("no header carries %q", token)
		}
		if seconds < 0 || keptFor(nil, seconds) < 0 || keptFor(nil, seconds) > 45e9 {
			t.Errorf("%d s", seconds)
		}
		if strings.ContainsAny(words, "\r\n\x00") || strings.Contains(words, "hush-hush") {
			t.Errorf("%q", words)
		}
	})
}

// FuzzWire: the spelling that is signed is stable, means what was typed, and is what Go sends.
func FuzzWire(f *testing.F) {
	f.Add("/a%2Fb/é?x=1&y&=+%zz")
	f.Add("//./..?&&a=%00")
	f.Fuzz(func(t *testing.T, tail string) {
		raw := "https://a.example:8443/" + tail
		w, bad := wireOf(raw)
		if bad != "" {
			return
		}
		again, bad := wireOf(w.String())
		if bad != "" || again.String() != w.String() {
			t.Fatalf("%q became %q, then %q %s", raw, w.String(), again.String(), bad)
		}
		u, err := url.Parse(w.String())
		if err != nil {
			t.Fatal(err)
		}
		sent := w.path
		if len(w.query) > 0 {
			sent += "?" + strings.Join(w.query, "&")
		}
		if u.RequestURI() != sent {
			t.Errorf("sent %q, signed %q", u.RequestURI(), sent)
		}
		typed, err := url.Parse(raw)
		if err == nil && typed.Path != u.Path && typed.Path != "" {
			t.Errorf("the path %q became %q", typed.Path, u.Path)
		}
	})
}
