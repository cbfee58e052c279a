package scheme

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func TestClean(t *testing.T) {
	form := model.Config{"grant": "client_credentials", "token_url": "https://a.example", "client_id": "id", "client_auth": "", "scope": "", "username": "",
		"extra": "audience = https://a.example/?a=b \r\n\r\nempty=\n", "cache_seconds": " 60 ", "assertion_seconds": "", "nonsense": "kept"}
	want := model.Config{"grant": "client_credentials", "token_url": "https://a.example", "client_id": "id", "client_auth": "post_body", "signing_algorithm": "RS256",
		"extra": map[string]any{"audience": "https://a.example/?a=b", "empty": ""}, "cache_seconds": 60.0, "nonsense": "kept"}
	got := Clean("oauth2", form)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, Clean("oauth2", got)); diff != "" {
		t.Error("cleaning twice:", diff)
	}
	shown := model.Config{}
	for name := range got {
		shown[name] = got.Text(name)
	}
	if diff := cmp.Diff(want, Clean("oauth2", shown)); diff != "" {
		t.Error("through a form:", diff)
	}
	if diff := cmp.Diff("audience=https://a.example/?a=b\nempty=", got.Text("extra")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(model.Config{"x": 1.0}, Clean("oauth9", model.Config{"x": 1.0})); diff != "" {
		t.Error(diff)
	}
}

func TestCheckOAuth2(t *testing.T) {
	type c = model.Config
	type s = model.Secrets
	whole := func(more c) c {
		out := c{"grant": "client_credentials", "token_url": "https://idp.example/token", "client_id": "id"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	secret := s{"client_secret": "x"}
	for _, tc := range []struct {
		name    string
		config  c
		secrets s
		stored  []string
		want    []string
	}{
		{"whole", whole(nil), secret, nil, nil},
		{"secret kept", whole(nil), nil, []string{"client_secret"}, nil},
		{"nothing", c{}, nil, nil, []string{"token_url"}},
		{"no client", whole(c{"client_id": ""}), nil, nil, []string{"client_id"}},
		{"no secret", whole(nil), nil, nil, []string{"client_secret"}},
		{"grant of another kind", whole(c{"grant": "implicit"}), secret, nil, []string{"grant"}},
		{"authentication of another kind", whole(c{"client_auth": "tls"}), secret, nil, []string{"client_auth"}},
		{"address without host", whole(c{"token_url": "https:///token"}), secret, nil, []string{"token_url"}},
		{"address with a space", whole(c{"token_url": " https://idp.example"}), secret, nil, []string{"token_url"}},
		{"address with user", whole(c{"token_url": "https://u:p@idp.example"}), secret, nil, []string{"token_url"}},
		{"address with fragment", whole(c{"token_url": "https://idp.example/#x"}), secret, nil, []string{"token_url"}},
		{"address with secret", whole(c{"token_url": "https://idp.example/?client_secret=x"}), secret, nil, []string{"token_url"}},
		{"parameter twice", whole(c{"token_url": "https://idp.example/?audience=x", "extra": map[string]any{"audience": "y"}}), secret, nil, []string{"extra"}},
		{"parameter of ours", whole(c{"extra": map[string]any{"grant_type": "y"}}), secret, nil, []string{"extra"}},
		{"parameter with a control character", whole(c{"extra": map[string]any{"a": "x\ny"}}), secret, nil, []string{"extra"}},
		{"parameter that is no text", whole(c{"extra": map[string]any{"a": 1.0}}), secret, nil, []string{"extra"}},
		{"parameters that are no pairs", whole(c{"extra": "audience"}), secret, nil, []string{"extra"}},
		{"numbers", whole(c{"cache_seconds": 0.0, "assertion_seconds": 3600.0}), secret, nil, nil},
		{"numbers out of bounds", whole(c{"cache_seconds": 86401.0, "assertion_seconds": 29.0}), secret, nil, []string{"assertion_seconds", "cache_seconds"}},
		{"no whole number", whole(c{"cache_seconds": 1.5}), secret, nil, []string{"cache_seconds"}},
		{"no number", whole(c{"cache_seconds": "soon"}), secret, nil, []string{"cache_seconds"}},
		{"colon, encoded", whole(c{"client_id": "a:b", "client_auth": "basic"}), secret, nil, nil},
		{"colon, as typed", whole(c{"client_id": "a:b", "client_auth": "basic_raw"}), secret, nil, []string{"client_id"}},
		{"password", c{"grant": "password", "token_url": "https://idp.example", "username": "u"}, s{"password": "p"}, nil, nil},
		{"password, nothing", c{"grant": "password", "token_url": "https://idp.example"}, nil, nil, []string{"username", "password"}},
		{"password, client without id", c{"grant": "password", "token_url": "https://idp.example", "username": "u"}, s{"password": "p", "client_secret": "x"}, nil, []string{"client_id"}},
		{"password, header without secret", c{"grant": "password", "token_url": "https://idp.example", "username": "u", "client_auth": "basic", "client_id": "x"}, s{"password": "p"}, nil, []string{"client_secret"}},
		{"token pasted", c{"grant": "jwt_bearer", "token_url": "https://idp.example"}, s{"assertion": "a.b.c\n"}, nil, nil},
		{"token pasted, not whole", c{"grant": "jwt_bearer", "token_url": "https://idp.example"}, s{"assertion": "a.b"}, nil, []string{"assertion"}},
		{"token, neither", c{"grant": "jwt_bearer", "token_url": "https://idp.example"}, nil, nil, []string{"assertion"}},
		{"token signed, no issuer", c{"grant": "jwt_bearer", "token_url": "https://idp.example", "signing_algorithm": "HS256"}, s{"signing_key": "k"}, nil, []string{"issuer"}},
		{"token signed", c{"grant": "jwt_bearer", "token_url": "https://idp.example", "signing_algorithm": "HS256", "issuer": "i"}, s{"signing_key": "k"}, nil, nil},
		{"key, none", whole(c{"client_auth": "private_key_jwt"}), nil, nil, []string{"signing_key"}},
		{"key, stored", whole(c{"client_auth": "private_key_jwt"}), nil, []string{"signing_key"}, nil},
	} {
		var got []string
		for _, f := range Check("oauth2", Clean("oauth2", tc.config), tc.secrets, tc.stored) {
			got = append(got, f.Name)
			if !strings.HasSuffix(f.Message, ".") && !strings.HasSuffix(f.Message, "?") && !strings.HasSuffix(f.Message, ")") {
				t.Errorf("%s: %q is no sentence", tc.name, f.Message)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestLineBreaksOnlyWhereTheyBelong(t *testing.T) {
	config := model.Config{"grant": "password", "token_url": "https://idp.example", "username": "u"}
	for name, secrets := range map[string]model.Secrets{"password": {"password": "a\nb"}, "assertion": {"password": "p", "assertion": "a.b.c\x00"}} {
		bad := Check("oauth2", config, secrets, nil)
		if len(bad) != 1 || bad[0].Name != name {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
