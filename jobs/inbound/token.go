package inbound

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/db/fault"
	"waybill/db/model"
)

// basic checks Authorization: Basic (RFC 7617).
func (c *checking) basic() bool {
	if !c.needSecret() {
		return false
	}
	scheme, text, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	user, password, ok := strings.Cut(string(raw), ":")
	if !strings.EqualFold(scheme, "basic") || err != nil || !ok {
		return c.fail("The call carries no user name and password (Authorization: Basic …).")
	}
	c.step(StepInfo, "User name", user)
	good := same(user, c.v.Username)
	right := false
	for _, s := range c.secrets {
		right = same(password, s.Reveal()) || right
	}
	if !good || !right {
		return c.fail("User name or password is wrong.")
	}
	c.step(StepOK, "User name and password", "are right")
	return true
}

// same compares in a time that tells nothing, not even of the lengths.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// jwt checks a JSON Web Token (RFC 7519) of one algorithm; it must end (exp). A token with an id (jti) is taken once.
func (c *checking) jwt() bool {
	header := c.v.Header
	if header == "" {
		header = "Authorization"
	}
	text := strings.TrimSpace(c.r.Header.Get(header))
	if scheme, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "bearer") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return c.fail("The header " + header + " holds no token.")
	}
	c.step(StepInfo, "Algorithm that must be used", c.v.Algorithm)
	keys, err := c.keys()
	if err != nil {
		return c.fail("The public key cannot be read; it is PEM of a key for " + c.v.Algorithm + ".")
	}
	if len(keys) == 0 {
		return c.needSecret()
	}
	options := []jwt.ParserOption{jwt.WithValidMethods([]string{c.v.Algorithm}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute),
		jwt.WithTimeFunc(func() time.Time { return c.now })}
	if c.v.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.v.Issuer))
	}
	if c.v.Audience != "" {
		options = append(options, jwt.WithAudience(c.v.Audience))
	}
	parser := jwt.NewParser(options...)
	var claims jwt.RegisteredClaims
	for _, key := range keys {
		claims = jwt.RegisteredClaims{}
		if _, err = parser.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return key, nil }); err == nil {
			c.step(StepOK, "Token", "signed by a key that is stored; issuer “"+claims.Issuer+"”, subject “"+claims.Subject+"”")
			c.id = claims.ID
			return true
		}
	}
	return c.fail("The token is refused: " + tokenWords(err) + ".")
}

// keys are what a token may be signed with.
func (c *checking) keys() ([]any, error) {
	if strings.HasPrefix(c.v.Algorithm, "HS") {
		var out []any
		for _, s := range c.secrets {
			out = append(out, []byte(s.Reveal()))
		}
		return out, nil
	}
	pems := c.secrets
	if c.v.PublicKey != "" {
		pems = append([]model.Secret{model.Secret(c.v.PublicKey)}, pems...)
	}
	var out []any
	for _, p := range pems {
		var key any
		var err error
		switch raw := []byte(p.Reveal()); c.v.Algorithm[:2] {
		case "RS":
			key, err = jwt.ParseRSAPublicKeyFromPEM(raw)
		case "ES":
			key, err = jwt.ParseECPublicKeyFromPEM(raw)
		default:
			key, err = jwt.ParseEdPublicKeyFromPEM(raw)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
}

// CheckPublicKey says what is wrong with the public key of a verification by tokens, "" when it will do.
func CheckPublicKey(v model.Verification) *fault.Words {
	if v.PublicKey == "" || v.Preset != model.PresetJWT || len(v.Algorithm) < 2 {
		return nil
	}
	if strings.HasPrefix(v.Algorithm, "HS") {
		return fault.Say("Tokens of %s are verified by a secret, not by a public key.", v.Algorithm)
	}
	c := &checking{v: v}
	if _, err := c.keys(); err != nil {
		return fault.Say("This is not the PEM text of a public key for %s.", v.Algorithm)
	}
	return nil
}

func tokenWords(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "it has expired"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "a claim is missing (exp is always needed, iss and aud when they are set here)"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "it is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return "another issuer"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "it is meant for somebody else (aud)"
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "it is not a token"
	}
	return "its signature does not fit, or it uses another algorithm"
}
