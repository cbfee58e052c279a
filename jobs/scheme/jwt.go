package scheme

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// clockSkew is how far an assertion is dated back, for servers whose clock is behind ours.
const clockSkew = 10 * time.Second

// claims of an assertion (RFC 7523, 3); empty ones are left out.
type claims struct {
	issuer, subject, audience string
	life                      time.Duration // from the date of issue to the end
}

// signingKey is what an assertion is signed with.
type signingKey struct {
	algorithm string       // RS256, RS384, RS512, ES256, ES384 or HS256
	text      model.Secret // PEM (PKCS #8, PKCS #1 or SEC 1); for HS256 the shared secret itself
	id        string       // kid, "" = none
}

// sign makes a JSON Web Token with a fresh jti.
func (k signingKey) sign(c claims, now time.Time) (string, *egress.Error) {
	key, words := k.parse()
	if words != "" {
		return "", unusable("The assertion cannot be signed: " + words)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	issued := now.Add(-clockSkew)
	set := jwt.MapClaims{"iat": issued.Unix(), "exp": issued.Add(c.life).Unix(), "jti": hex.EncodeToString(id)}
	for name, value := range map[string]string{"iss": c.issuer, "sub": c.subject, "aud": c.audience} {
		if value != "" {
			set[name] = value
		}
	}
	t := jwt.NewWithClaims(jwt.GetSigningMethod(k.algorithm), set)
	if k.id != "" {
		t.Header["kid"] = k.id
	}
	text, err := t.SignedString(key)
	if err != nil {
		return "", unusable("The assertion cannot be signed: " + k.unfit())
	}
	return text, nil
}

// parse reads the key, or says what is wrong with it without quoting it.
func (k signingKey) parse() (key any, words string) {
	text := []byte(strings.TrimSpace(unfolded(k.text.Reveal())))
	var err error
	switch {
	case len(text) == 0:
		return nil, "there is no signing key."
	case k.algorithm == "HS256":
		return text, ""
	case strings.Contains(string(text), "ENCRYPTED"):
		return nil, "the key is protected by a passphrase; store it without one (openssl pkey -in key.pem -out plain.pem)."
	case strings.HasPrefix(k.algorithm, "RS"):
		key, err = jwt.ParseRSAPrivateKeyFromPEM(text)
	case strings.HasPrefix(k.algorithm, "ES"):
		key, err = jwt.ParseECPrivateKeyFromPEM(text)
	default:
		return nil, "there is no algorithm of the name that is set."
	}
	if err != nil {
		return nil, k.unfit()
	}
	return key, ""
}

func (k signingKey) unfit() string {
	switch k.algorithm {
	case "ES256":
		return "ES256 needs a private key on the curve P-256 in PEM form (-----BEGIN PRIVATE KEY-----)."
	case "ES384":
		return "ES384 needs a private key on the curve P-384 in PEM form (-----BEGIN PRIVATE KEY-----)."
	}
	return k.algorithm + " needs a private RSA key of at least 1024 bits in PEM form (-----BEGIN PRIVATE KEY-----)."
}

// unfolded gives a PEM text its line breaks back that was copied out of a JSON file, where they are written as \n.
func unfolded(text string) string {
	if strings.HasPrefix(text, "-----BEGIN") && !strings.Contains(text, "\n") {
		return strings.ReplaceAll(text, `\n`, "\n")
	}
	return text
}

// algorithms are the choices of a form.
func algorithms() []model.Option {
	return []model.Option{
		{Value: "RS256", Label: "RS256 (RSA key)"}, {Value: "RS384", Label: "RS384 (RSA key)"}, {Value: "RS512", Label: "RS512 (RSA key)"},
		{Value: "ES256", Label: "ES256 (P-256 key)"}, {Value: "ES384", Label: "ES384 (P-384 key)"}, {Value: "HS256", Label: "HS256 (shared secret)"},
	}
}
