package scheme

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func TestPlatformTokens(t *testing.T) {
	kid, public, private, err := NewPlatformKey()
	if err != nil {
		t.Fatal(err)
	}
	_, other, _, _ := NewPlatformKey()
	now := time.Unix(1_800_000_000, 0)
	want := PlatformToken{Issuer: "https://w.example", Audience: "https://a.example", Key: "key_1", User: "usr_1", Depth: 3}
	text, err := want.Sign(kid, private, now)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(id string) string {
		if id == kid {
			return public
		}
		return ""
	}
	for _, after := range []time.Duration{-5 * time.Second, 0, PlatformLife} {
		got, err := ReadPlatformToken(text.Reveal(), keys, now.Add(after))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(after, diff, err)
		}
	}
	header, claims, _ := strings.Cut(text.Reveal(), ".")
	none := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"exp": now.Unix() + 60, "iat": now.Unix(), "aud": "a"})
	none.Header["kid"] = kid
	unsigned, _ := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	shared := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": now.Unix() + 60, "iat": now.Unix(), "aud": "a"})
	shared.Header["kid"] = kid
	confused, _ := shared.SignedString([]byte(public))
	long := platformClaims{jwt.RegisteredClaims{Audience: []string{"a"}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))}, "key_1", 0}
	stretched, _ := signedAs(long, kid, private)
	for name, x := range map[string]struct {
		text string
		keys func(string) string
		now  time.Time
	}{
		"over":            {text.Reveal(), keys, now.Add(PlatformLife + 10*time.Second)},
		"too early":       {text.Reveal(), keys, now.Add(-time.Minute)},
		"of another key":  {text.Reveal(), func(string) string { return other }, now},
		"of no key":       {text.Reveal(), func(string) string { return "" }, now},
		"changed":         {header + "." + strings.Replace(claims, "e", "f", 1), keys, now},
		"not signed":      {unsigned, keys, now},
		"public as HMAC":  {confused, keys, now},
		"lives too long":  {stretched, keys, now},
		"no token at all": {"a.b.c", keys, now},
	} {
		if got, err := ReadPlatformToken(x.text, x.keys, x.now); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var j map[string]string
	if err := json.Unmarshal([]byte(public), &j); err != nil || j["d"] != "" || j["kid"] != kid || j["alg"] != "ES256" {
		t.Error(j, err)
	}
}

func signedAs(c platformClaims, kid string, private model.Secret) (string, error) {
	key, err := jwt.ParseECPrivateKeyFromPEM([]byte(private.Reveal()))
	if err != nil {
		return "", err
	}
	j := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	j.Header["kid"] = kid
	return j.SignedString(key)
}
