package scheme

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func TestNoSpellingOfASecretStays(t *testing.T) {
	for _, secret := range []string{"pa/ss+w?rd&\"<ä>\\日𝄞", "sk_live_0123456789abcdef", "ab/c", "a b c d e f g h"} {
		m := Material{Type: "basic", Config: model.Config{"username": "user"}, Secrets: model.Secrets{"password": model.Secret(secret)}}
		r := NewRedactor([]Material{m})
		marshalled, _ := json.Marshal(secret)
		pair := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
		for name, s := range map[string]string{
			"raw": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
			"json": strings.Trim(string(marshalled), `"`), "html": html.EscapeString(secret), "hex": hex.EncodeToString([]byte(secret)),
			"HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))), "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)), "pair": pair, "pair without padding": strings.TrimRight(pair, "="),
			"slashes": strings.ReplaceAll(secret, "/", `\/`),
		} {
			text := "before " + s + " between " + s + " after"
			if name == "slashes" && strings.ContainsAny(secret, `"\`) {
				continue // that spelling is no JSON
			}
			want := "before ••• between ••• after"
			if diff := cmp.Diff(want, r.Text(text)); diff != "" {
				t.Errorf("%s of %q: %s", name, secret, diff)
			}
			if diff := cmp.Diff(want, string(r.Body([]byte(text), false))); diff != "" {
				t.Errorf("%s of %q: %s", name, secret, diff)
			}
		}
	}
}

func TestSecretInsideOfBase64(t *testing.T) {
	secret := "sk_live_0123456789abcdef"
	r := NewRedactor([]Material{{Type: "bearer", Secrets: model.Secrets{"token": model.Secret(secret)}}})
	for lead := range 6 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("y", lead) + secret + " and more"))
		got := r.Text(text)
		rest, _ := base64.StdEncoding.DecodeString(strings.ReplaceAll(got, model.Mask, ""))
		if !strings.Contains(got, model.Mask) || strings.Contains(string(rest), "live") {
			t.Errorf("lead %d: %s", lead, got)
		}
	}
}

func TestShortSecretsOnlyByPlace(t *testing.T) {
	r := NewRedactor([]Material{{Type: "header", Config: model.Config{"header_name": "X-Pin"}, Secrets: model.Secrets{"header_value": "123"}}})
	if got := r.Text("order 123"); got != "order 123" {
		t.Error(got)
	}
	got := r.Request(http.Header{"X-Pin": {"123"}, "X-Count": {"123"}}, Applied{Headers: []string{"X-Pin"}})
	if diff := cmp.Diff([]model.Header{{Name: "X-Count", Value: "123"}, {Name: "X-Pin", Value: "•••"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHeadersThatAreAlwaysSecret(t *testing.T) {
	var none *Redactor
	h := http.Header{"Authorization": {"Custom abc"}, "Cookie": {"a=b"}, "X-Api-Key": {"k"}, "Proxy-Authorization": {"p"}, "X-Amz-Security-Token": {"t"}, "X-Idempotency-Key": {}, "Accept": {"*/*"}}
	want := []model.Header{{Name: "Accept", Value: "*/*"}, {Name: "Authorization", Value: "•••"}, {Name: "Cookie", Value: "•••"}, {Name: "Proxy-Authorization", Value: "•••"}, {Name: "X-Amz-Security-Token", Value: "•••"}, {Name: "X-Api-Key", Value: "•••"}}
	if diff := cmp.Diff(want, none.Request(h, Applied{})); diff != "" {
		t.Error(diff)
	}
	answer := http.Header{"Set-Cookie": {"a=1", "b=2"}, "Location": {"https://u:p@a.example/x?access_token=abc"}}
	want = []model.Header{{Name: "Location", Value: "https://•••@a.example/x?access_token=•••"}, {Name: "Set-Cookie", Value: "•••"}, {Name: "Set-Cookie", Value: "•••"}}
	if diff := cmp.Diff(want, none.Response(answer)); diff != "" {
		t.Error(diff)
	}
}

func TestURL(t *testing.T) {
	r := NewRedactor([]Material{{Type: "bearer", Secrets: model.Secrets{"token": "hush/hush"}}})
	for in, want := range map[string]string{
		"https://a.example/x?y=1&z":                      "https://a.example/x?y=1&z",
		"https://user:pw@a.example/x":                    "https://•••@a.example/x",
		"https://a.example/p/hush%2Fhush/q?v=hush/hush":  "https://a.example/p/•••/q?v=•••",
		"https://a.example?API-Key=1&Signature=2&sig=3":  "https://a.example?API-Key=•••&Signature=•••&sig=•••",
		"https://a.example?X-Amz-Signature=1&page=2":     "https://a.example?X-Amz-Signature=•••&page=2",
		"https://a.example?client%5Fsecret=1&password=":  "https://a.example?client%5Fsecret=•••&password=",
		"https://a.example?mine=1#access_token=2&ok=yes": "https://a.example?mine=•••#access_token=•••&ok=yes",
		"/relative?token=1":                              "/relative?token=•••",
		"https://a.example/%zz?%zz=1&token=2":            "https://a.example/%zz?%zz=1&token=•••",
	} {
		if diff := cmp.Diff(want, r.URL(in, Applied{Query: []string{"mine"}})); diff != "" {
			t.Error(diff)
		}
	}
}

func TestURLHoldsAValueWithItsSigns(t *testing.T) {
	r := NewRedactor([]Material{{Type: "basic", Config: model.Config{"username": "ada"}, Secrets: model.Secrets{"password": "a&b#c?d/e@f>"}}})
	for in, want := range map[string]string{
		"https://a.example/a&b#c?d/e@f>?x=a&b#c?d/e@f>&y=1#a&b#c?d/e@f>": "https://a.example/•••?x=•••&y=1#•••",
		"https://ada:a&b#c?d/e@f>@a.example/":                            "https://•••@a.example/",
		"https://a.example/?auth=Basic+YWRhOmEmYiNjP2QvZUBmPg%3D%3D":     "https://a.example/?auth=Basic+•••",
	} {
		if diff := cmp.Diff(want, r.URL(in, Applied{})); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCutBodies(t *testing.T) {
	r := NewRedactor([]Material{{Type: "bearer", Secrets: model.Secrets{"token": "correct-horse"}}})
	for in, want := range map[string]string{
		"it is correct-hor": "it is •••", "it is corr": "it is •••", "it is cor": "it is cor", "correct-horse": "•••", "": "", "correct-horse corre": "••• •••",
	} {
		if diff := cmp.Diff(want, string(r.Body([]byte(in), true))); diff != "" {
			t.Error(diff)
		}
	}
	if got := string(r.Body([]byte("it is corre"), false)); got != "it is corre" {
		t.Error(got)
	}
}

func TestSigningSecretIsCovered(t *testing.T) {
	s := NewSigningSecret()
	r := NewRedactor(nil, s)
	for _, text := range []string{s.Reveal(), strings.TrimPrefix(s.Reveal(), "whsec_")} {
		if got := r.Text("<" + text + ">"); got != "<•••>" {
			t.Error(got)
		}
	}
}

func BenchmarkBodyWithoutSecret(b *testing.B) {
	r := NewRedactor([]Material{{Type: "bearer", Secrets: model.Secrets{"token": "sk_live_0123456789abcdef"}}})
	body := bytes.Repeat([]byte(`{"id":17,"name":"x"},`), 50)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r.Body(body, false)
	}
}
