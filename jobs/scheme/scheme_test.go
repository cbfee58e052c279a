package scheme

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

func TestEveryKindIsWhole(t *testing.T) {
	seen := map[model.CredentialType]bool{}
	for _, k := range Kinds() {
		if seen[k.Type] {
			t.Errorf("%s twice", k.Type)
		}
		seen[k.Type] = true
		if k.Title == "" || k.Summary == "" || k.Glyph == "" || k.apply == nil || len(k.Fields) == 0 {
			t.Errorf("%s lacks something", k.Type)
		}
		if got, ok := ByType(k.Type); !ok || got.Title != k.Title {
			t.Errorf("%s is not found", k.Type)
		}
	}
}

func TestCheck(t *testing.T) {
	type c = model.Config
	type s = model.Secrets
	for _, tc := range []struct {
		name    string
		kind    model.CredentialType
		config  c
		secrets s
		stored  []string
		want    []string // fields complained about
	}{
		{"basic", "basic", c{"username": "ünï"}, s{"password": "p:w ä"}, nil, nil},
		{"basic, password kept", "basic", c{"username": "u"}, nil, []string{"password"}, nil},
		{"basic, nothing", "basic", nil, nil, nil, []string{"username", "password"}},
		{"basic, colon", "basic", c{"username": "a:b"}, s{"password": "p"}, nil, []string{"username"}},
		{"basic, control characters", "basic", c{"username": "a\tb"}, s{"password": "p\n"}, nil, []string{"username", "password"}},
		{"basic, too long", "basic", c{"username": strings.Repeat("ü", 256)}, s{"password": "p"}, nil, []string{"username"}},
		{"basic, not text", "basic", c{"username": 7.0}, s{"password": "p"}, nil, []string{"username"}},
		{"basic, unknown setting", "basic", c{"username": "u", "realm": "x"}, s{"password": "p"}, nil, []string{"realm"}},
		{"basic, secret as setting", "basic", c{"username": "u", "password": "p"}, s{"password": "p"}, nil, []string{"password"}},
		{"basic, unknown secret", "basic", c{"username": "u"}, s{"password": "p", "pin": "1"}, nil, []string{"pin"}},
		{"bearer", "bearer", nil, s{"token": "a.b-c_d~e+f/g=="}, nil, nil},
		{"bearer, with its word", "bearer", nil, s{"token": "Bearer abc"}, nil, []string{"token"}},
		{"bearer, space", "bearer", nil, s{"token": "abc "}, nil, []string{"token"}},
		{"header", "header", c{"header_name": "x-api-key"}, s{"header_value": "abc"}, nil, nil},
		{"header, forbidden", "header", c{"header_name": "host"}, s{"header_value": "abc"}, nil, []string{"header_name"}},
		{"header, ours", "header", c{"header_name": "webhook-signature"}, s{"header_value": "abc"}, nil, []string{"header_name"}},
		{"header, line break", "header", c{"header_name": "X-A"}, s{"header_value": "a\r\nX-B: c"}, nil, []string{"header_value"}},
		{"no such type", "oauth9", nil, nil, nil, []string{"type"}},
	} {
		var got []string
		for _, f := range Check(tc.kind, tc.config, tc.secrets, tc.stored) {
			got = append(got, f.Name)
			if !strings.HasSuffix(f.Message, ".") && !strings.HasSuffix(f.Message, "?") && !strings.HasSuffix(f.Message, "(RFC 7617).") {
				t.Errorf("%s: %q is no sentence", tc.name, f.Message)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestSplit(t *testing.T) {
	k, _ := ByType("basic")
	config, secrets, bad := k.Split(map[string]any{"username": "u", "password": "p", "other": 1.0, "gone": nil})
	if diff := cmp.Diff(model.Config{"username": "u", "other": 1.0}, config); diff != "" || secrets["password"].Reveal() != "p" || len(bad) != 0 {
		t.Error(diff, len(secrets), bad)
	}
	_, secrets, bad = k.Split(map[string]any{"password": 7.0})
	if diff := cmp.Diff([]fault.Field{{Name: "password", Message: "This must be text."}}, bad); diff != "" || len(secrets) != 0 {
		t.Error(diff)
	}
	if _, secrets, _ = k.Split(map[string]any{"password": ""}); len(secrets) != 0 {
		t.Error("an empty secret means: as stored")
	}
}

func TestApply(t *testing.T) {
	client := NewKeeper(egress.New(egress.Options{}), time.Now)
	for _, tc := range []struct {
		m            Material
		header, want string
	}{
		{Material{Type: "basic", Config: model.Config{"username": "Aladdin"}, Secrets: model.Secrets{"password": "open sesame"}}, "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, // RFC 7617, 2
		{Material{Type: "basic", Config: model.Config{"username": "test"}, Secrets: model.Secrets{"password": "123£"}}, "Authorization", "Basic dGVzdDoxMjPCow=="},                       // RFC 7617, 2.1
		{Material{Type: "bearer", Config: nil, Secrets: model.Secrets{"token": "mF_9.B5f-4.1JqM"}}, "Authorization", "Bearer mF_9.B5f-4.1JqM"},                                           // RFC 6750, 2.1
		{Material{Type: "header", Config: model.Config{"header_name": "x-api-KEY"}, Secrets: model.Secrets{"header_value": "k"}}, "X-Api-Key", "k"},
	} {
		req := egress.Request{URL: "https://api.example.com"}
		a, err := client.Apply(context.Background(), &req, tc.m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(http.Header{tc.header: {tc.want}}, req.Header); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(Applied{Headers: []string{tc.header}}, a); diff != "" {
			t.Error(diff)
		}
		plain := egress.Request{URL: "http://api.example.com"}
		_, err = client.Apply(context.Background(), &plain, tc.m)
		var e *egress.Error
		if !errors.As(err, &e) || e.Class != model.ClassRefused || !strings.Contains(e.Message, "in the clear") || !strings.Contains(e.Message, "WAYBILL_ALLOW_HOSTS") || len(plain.Header) != 0 {
			t.Errorf("plain HTTP: %v %v", err, plain.Header)
		}
	}
	rules, _ := egress.ParseRules("api.example.com")
	req := egress.Request{URL: "http://api.example.com"}
	if _, err := NewKeeper(egress.New(egress.Options{Rules: rules}), time.Now).Apply(context.Background(), &req, Material{Type: "bearer", Secrets: model.Secrets{"token": "t"}}); err != nil {
		t.Errorf("plain HTTP to an allowed host: %v", err)
	}
	for _, m := range []Material{{Type: "oauth9"}, {Type: "bearer", Secrets: model.Secrets{"token": "a\nb"}}, {Type: "header"}} {
		var e *egress.Error
		if _, err := client.Apply(context.Background(), &egress.Request{URL: "https://a.example"}, m); !errors.As(err, &e) || e.Class != model.ClassAuth {
			t.Errorf("%s: want class auth, got %v", m.Type, err)
		}
	}
}

func TestSignGolden(t *testing.T) {
	// Standard Webhooks 1.0.0, the example of the reference libraries.
	got, err := Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if diff := cmp.Diff("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, s := range []model.Secret{"", "whsec_", "whsec_%%%"} {
		if _, err := Sign(s, "a", time.Unix(0, 0), nil); err == nil {
			t.Errorf("%q signs", s.Reveal())
		}
	}
}

func TestSignedRequestsVerifyElsewhere(t *testing.T) {
	secret := NewSigningSecret()
	if !strings.HasPrefix(secret.Reveal(), "whsec_") || secret == NewSigningSecret() {
		t.Error("the secret is not fresh or not of the standard's form")
	}
	verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "{}", "ünïcode\x00\xff", strings.Repeat("x", 1<<20)} {
		req := egress.Request{Body: []byte(body)}
		if err := Stamp(&req, secret, "dlv_0123", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify([]byte(body), req.Header); err != nil {
			t.Errorf("%d bytes: %v", len(body), err)
		}
		if verifier.Verify([]byte(body+"x"), req.Header) == nil {
			t.Error("another body verifies")
		}
	}
	req := egress.Request{}
	if err := Stamp(&req, "", "dlv_0123", time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(http.Header{"Webhook-Id": {"dlv_0123"}, "Webhook-Timestamp": {"7"}}, req.Header); diff != "" {
		t.Error(diff)
	}
}
