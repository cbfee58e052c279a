package scheme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// platform is one of Waybill's own API keys: each request carries a token that says on whose behalf it is made.
func platform() Kind {
	return Kind{
		Type: model.CredentialPlatform, Title: "Waybill API key",
		Summary: "Signs a short-lived token for each request in the name of one of Waybill's own API keys: for Waybill's own API, or a system that trusts this server's public keys.",
		Glyph:   "M12 3 4 7v5c0 4.6 3.3 7.9 8 9 4.7-1.1 8-4.4 8-9V7l-8-4Zm0 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4Zm0 4v4",
		Fields: []model.Field{{Name: "api_key_id", Label: "API key", Kind: model.FieldAPIKey, Required: true, Max: 64,
			Help: "Requests act as the key's user, with his rights. When the key is revoked or has expired, they are refused. The key itself is never sent."}},
		apply: func(ctx context.Context, k *Keeper, req *egress.Request, m Material) (Applied, error) {
			if k.Platform == nil {
				return Applied{}, unusable("This process cannot sign tokens for its own API keys.")
			}
			w, bad := wireOf(req.URL)
			if bad != "" {
				return Applied{}, unusable("No token can be made for this request: " + bad)
			}
			token, err := k.Platform(ctx, PlatformToken{Key: model.APIKeyID(m.Config.Text("api_key_id")), Audience: w.scheme + "://" + w.host, Depth: m.Depth})
			if err != nil {
				return Applied{}, unusable(err.Error())
			}
			a, err := set(req, "Authorization", "Bearer "+token.Reveal())
			a.Token = token
			return a, err
		},
	}
}

// PlatformToken is what a token of a platform key says.
type PlatformToken struct {
	Issuer   string // this instance's base URL
	Audience string // origin of the system that it is made for: elsewhere it opens nothing
	Key      model.APIKeyID
	User     model.UserID
	Depth    int // of the event on whose account the request is made
}

// PlatformLife is how long a token of a platform key opens anything.
const PlatformLife = 4 * time.Minute

type platformClaims struct {
	jwt.RegisteredClaims
	Key   string `json:"waybill_key"`
	Depth int    `json:"waybill_depth"`
}

// Sign makes the token (RFC 7519, ES256) under a key of NewPlatformKey.
func (t PlatformToken) Sign(kid string, private model.Secret, now time.Time) (model.Secret, error) {
	block, _ := pem.Decode([]byte(private.Reveal()))
	if block == nil {
		return "", errors.New("the key that signs platform tokens is damaged")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("the key that signs platform tokens is damaged")
	}
	j := jwt.NewWithClaims(jwt.SigningMethodES256, platformClaims{jwt.RegisteredClaims{Issuer: t.Issuer, Subject: string(t.User), Audience: jwt.ClaimStrings{t.Audience},
		IssuedAt: jwt.NewNumericDate(now.Add(-clockSkew)), ExpiresAt: jwt.NewNumericDate(now.Add(PlatformLife)), ID: rand.Text()}, string(t.Key), t.Depth})
	j.Header["kid"] = kid
	text, err := j.SignedString(key)
	return model.Secret(text), err
}

// ReadPlatformToken checks the signature and the time of a token. public gives the JSON Web Key of a kid, "" = there is
// none. Whom it is for, and whether its key is still good, is the caller's matter.
func ReadPlatformToken(text string, public func(kid string) string, now time.Time) (PlatformToken, error) {
	var c platformClaims
	_, err := jwt.ParseWithClaims(text, &c, func(j *jwt.Token) (any, error) {
		kid, _ := j.Header["kid"].(string)
		return readJWK(public(kid))
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(5*time.Second), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return PlatformToken{}, err
	}
	if c.IssuedAt == nil || c.ExpiresAt.Sub(c.IssuedAt.Time) > PlatformLife+time.Minute || len(c.Audience) != 1 || c.Depth < 0 {
		return PlatformToken{}, errors.New("this is no token of a platform key")
	}
	return PlatformToken{c.Issuer, c.Audience[0], model.APIKeyID(c.Key), model.UserID(c.Subject), c.Depth}, nil
}

type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid,omitempty"`
	Use string `json:"use,omitempty"`
	Alg string `json:"alg,omitempty"`
}

// NewPlatformKey makes a P-256 key: the JSON Web Key that is published (RFC 7517), its kid, which is its thumbprint
// (RFC 7638), and the private half in PEM form.
func NewPlatformKey() (kid, public string, private model.Secret, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", "", "", fmt.Errorf("make a signing key: %w", err)
	}
	point, err := key.PublicKey.Bytes() // 4, X, Y
	if err != nil {
		return "", "", "", fmt.Errorf("make a signing key: %w", err)
	}
	j := jwk{Kty: "EC", Crv: "P-256", X: base64.RawURLEncoding.EncodeToString(point[1:33]), Y: base64.RawURLEncoding.EncodeToString(point[33:])}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`))
	j.Kid, j.Use, j.Alg = base64.RawURLEncoding.EncodeToString(sum[:]), "sig", "ES256"
	text, err := json.Marshal(j)
	return j.Kid, string(text), model.Secret(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), err
}

func readJWK(text string) (*ecdsa.PublicKey, error) {
	var j jwk
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&j); err != nil {
		return nil, errors.New("the token is signed by a key that is not ours")
	}
	x, errX := base64.RawURLEncoding.DecodeString(j.X)
	y, errY := base64.RawURLEncoding.DecodeString(j.Y)
	if err := errors.Join(errX, errY); err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
}
