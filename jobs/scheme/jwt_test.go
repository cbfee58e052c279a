package scheme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512 for crypto.Hash
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

var rsaKey, _ = rsa.GenerateKey(rand.Reader, 2048)

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pemText(t *testing.T, kind string, der []byte, err error) model.Secret {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return model.Secret(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) model.Secret {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemText(t, "PRIVATE KEY", der, err)
}

// verified checks a JSON Web Token by RFC 7515 with nothing but the standard library, and gives its two texts.
func verified(t *testing.T, token string, verify func(signed string, signature []byte) bool) (head, body map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			t.Fatal(err)
		}
	}
	if !verify(parts[0]+"."+parts[1], raw[2]) {
		t.Error("the signature does not verify")
	}
	if json.Unmarshal(raw[0], &head) != nil || json.Unmarshal(raw[1], &body) != nil {
		t.Error("not JSON")
	}
	return head, body
}

func TestAssertions(t *testing.T) {
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	sec1, err := x509.MarshalECPrivateKey(p256)
	digest := func(h crypto.Hash, s string) []byte { d := h.New(); _, _ = d.Write([]byte(s)); return d.Sum(nil) }
	withRSA := func(h crypto.Hash) func(string, []byte) bool {
		return func(s string, sig []byte) bool {
			return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, h, digest(h, s), sig) == nil
		}
	}
	withEC := func(h crypto.Hash, k *ecdsa.PrivateKey) func(string, []byte) bool {
		return func(s string, sig []byte) bool {
			half := len(sig) / 2 // RFC 7518, 3.4: r and s of full length each
			return half == (k.Params().BitSize+7)/8 && ecdsa.Verify(&k.PublicKey, digest(h, s), new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:]))
		}
	}
	for name, tc := range map[string]struct {
		algorithm string
		key       model.Secret
		verify    func(string, []byte) bool
	}{
		"RS256":          {"RS256", pkcs8(t, rsaKey), withRSA(crypto.SHA256)},
		"RS384, PKCS #1": {"RS384", pemText(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), withRSA(crypto.SHA384)},
		"RS512, CRLF":    {"RS512", model.Secret(strings.ReplaceAll(pkcs8(t, rsaKey).Reveal(), "\n", "\r\n")), withRSA(crypto.SHA512)},
		"ES256":          {"ES256", pkcs8(t, p256), withEC(crypto.SHA256, p256)},
		"ES256, SEC 1":   {"ES256", pemText(t, "EC PRIVATE KEY", sec1, err), withEC(crypto.SHA256, p256)},
		"ES384":          {"ES384", pkcs8(t, p384), withEC(crypto.SHA384, p384)},
		"from JSON":      {"ES256", model.Secret(strings.ReplaceAll(pkcs8(t, p256).Reveal(), "\n", `\n`)), withEC(crypto.SHA256, p256)},
		"HS256": {"HS256", "a shared secret of some length", func(s string, sig []byte) bool {
			mac := hmac.New(sha256.New, []byte("a shared secret of some length"))
			_, _ = mac.Write([]byte(s))
			return hmac.Equal(sig, mac.Sum(nil))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, granting("tok"))
			now := time.Unix(1_800_000_000, 0)
			k := NewKeeper(local(t), func() time.Time { return now })
			m := Material{Type: "oauth2", Secrets: model.Secrets{"signing_key": tc.key}, Config: model.Config{"grant": "jwt_bearer", "token_url": i.URL + "/token?tenant=7",
				"client_id": "waybill", "signing_algorithm": tc.algorithm, "key_id": "k1", "client_auth": "private_key_jwt", "subject": "ada", "scope": "s"}}
			if f := Check("oauth2", Clean("oauth2", m.Config), m.Secrets, nil); f != nil {
				t.Fatal(f)
			}
			if _, _, err := authorize(k, m); err != nil {
				t.Fatal(err)
			}
			form, _ := url.ParseQuery(i.last[strings.LastIndexByte(i.last, '\n')+1:])
			head, body := verified(t, form.Get("assertion"), tc.verify)
			id := body["jti"]
			delete(body, "jti")
			if diff := cmp.Diff(map[string]any{"alg": tc.algorithm, "typ": "JWT", "kid": "k1"}, head); diff != "" {
				t.Error(diff)
			}
			want := map[string]any{"iss": "waybill", "sub": "ada", "aud": i.URL + "/token", "iat": 1_799_999_990.0, "exp": 1_800_000_290.0}
			if diff := cmp.Diff(want, body); diff != "" {
				t.Error(diff)
			}
			_, body = verified(t, form.Get("client_assertion"), tc.verify)
			if body["jti"] == id || len(body["jti"].(string)) != 32 {
				t.Errorf("not unique: %v %v", body["jti"], id)
			}
			delete(body, "jti")
			want["sub"] = "waybill"
			if diff := cmp.Diff(want, body); diff != "" {
				t.Error(diff)
			}
			for _, name := range []string{"assertion", "client_assertion"} {
				form.Del(name)
			}
			if diff := cmp.Diff("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=waybill&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&scope=s", form.Encode()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAssertionIsSignedForEachRequest(t *testing.T) {
	i := newIssuer(t, granting("tok"))
	k := NewKeeper(local(t), time.Now)
	m := Material{Type: "oauth2", Secrets: model.Secrets{"signing_key": pkcs8(t, rsaKey)}, Config: model.Config{"grant": "jwt_bearer", "token_url": i.URL, "issuer": "me",
		"audience": "https://idp.example", "assertion_seconds": 60.0}}
	var seen []string
	for range 2 {
		if _, _, err := authorize(k, m); err != nil {
			t.Fatal(err)
		}
		form, _ := url.ParseQuery(i.last[strings.LastIndexByte(i.last, '\n')+1:])
		_, body := verified(t, form.Get("assertion"), func(string, []byte) bool { return true })
		if body["exp"].(float64)-body["iat"].(float64) != 60 || body["iss"] != "me" || body["sub"] != "me" || body["aud"] != "https://idp.example" {
			t.Error(body)
		}
		seen = append(seen, form.Get("assertion"))
	}
	if seen[0] == seen[1] {
		t.Error("the same assertion twice")
	}
}

func TestAnEchoedAssertionIsMasked(t *testing.T) {
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"bad assertion: %s indeed"}`, r.Form.Get("assertion"))
	})
	for _, how := range []string{"post_body", "post_query"} {
		for _, secrets := range []model.Secrets{{"signing_key": pkcs8(t, rsaKey)}, {"assertion": "aaaaaa.bbbbbb\n.cccccc"}} {
			m := Material{Type: "oauth2", Secrets: secrets, Config: model.Config{"grant": "jwt_bearer", "token_url": i.URL, "issuer": "me", "client_auth": how}}
			_, _, err := authorize(NewKeeper(local(t), time.Now), m)
			if err == nil || !strings.Contains(err.Message, "(bad assertion: ••• indeed)") {
				t.Error(how, err)
			}
		}
	}
}

func TestKeysThatDoNotFit(t *testing.T) {
	p256 := pkcs8(t, ecKey(t, elliptic.P256()))
	locked := model.Secret("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
	public, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	for name, tc := range map[string]struct {
		algorithm string
		key       model.Secret
		words     string
	}{
		"curve":      {"ES384", p256, "ES384 needs a private key on the curve P-384"},
		"kind":       {"RS256", p256, "RS256 needs a private RSA key"},
		"other kind": {"ES256", pkcs8(t, rsaKey), "ES256 needs a private key on the curve P-256"},
		"public":     {"RS256", pemText(t, "PUBLIC KEY", public, err), "RS256 needs a private RSA key"},
		"locked":     {"RS256", locked, "is protected by a passphrase"},
		"nonsense":   {"RS256", "correct horse", "RS256 needs a private RSA key"},
	} {
		config := model.Config{"grant": "jwt_bearer", "token_url": "https://idp.example/token", "issuer": "me", "signing_algorithm": tc.algorithm, "client_auth": "post_body"}
		bad := Check("oauth2", config, model.Secrets{"signing_key": tc.key}, nil)
		if len(bad) != 1 || bad[0].Name != "signing_key" || !strings.Contains(bad[0].Message, tc.words) || strings.Contains(bad[0].Message, "horse") {
			t.Errorf("%s: %v", name, bad)
		}
		_, _, err := authorize(NewKeeper(local(t), time.Now), Material{Type: "oauth2", Config: config, Secrets: model.Secrets{"signing_key": tc.key}})
		if err == nil || err.Class != model.ClassAuth || !strings.Contains(err.Message, tc.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
