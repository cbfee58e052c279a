package scheme

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"waybill/db/model"
)

// TokenAnswer is one real exchange with a token endpoint, secrets and tokens masked.
type TokenAnswer struct {
	Exchange model.Attempt // Error says why there is no token
	Life     time.Duration // that the endpoint gave it; 0 = it did not say
	Kept     time.Duration // that Waybill keeps it
}

// AskToken asks the token endpoint of an oauth2 credential, past whatever is kept.
func (k *Keeper) AskToken(ctx context.Context, m Material) TokenAnswer {
	started := k.now()
	g, req, x := k.ask(ctx, m)
	redact := NewRedactor([]Material{m}, append(sent(req), granted(answered(x))...)...)
	a := model.Attempt{StartedAt: started, Method: req.Method, URL: redact.URL(req.URL, Applied{}), StatusCode: x.Status, Address: x.Address, Timings: x.Timings}
	a.Request = model.Message{Headers: redact.Request(req.Header, Applied{}), Body: redact.Body(req.Body, false), Size: int64(len(req.Body))}
	a.Response = model.Message{Headers: redact.Response(x.Header), Body: redact.Body(x.Body, x.Truncated), Size: x.Size, Truncated: x.Truncated}
	if len(a.Response.Body) > model.MaxStoredResponse {
		a.Response.Body, a.Response.Truncated = a.Response.Body[:model.MaxStoredResponse], true
	}
	if g.err != nil {
		a.Class, a.Error = g.err.Class, redact.Text(g.err.Message)
		return TokenAnswer{Exchange: a}
	}
	out := TokenAnswer{Exchange: a, Kept: g.until.Sub(started)}
	if g.life < unknownLife {
		out.Life = time.Duration(g.life) * time.Second
	}
	return out
}

// granted are the tokens in an answer.
func granted(fields map[string]any) []model.Secret {
	var out []model.Secret
	for name, v := range fields {
		if name = strings.ToLower(name); strings.HasSuffix(name, "token") || strings.HasSuffix(name, "secret") || name == "assertion" {
			if s, ok := v.(string); ok {
				out = append(out, model.Secret(s))
			}
		}
	}
	return out
}

// Certificate is one certificate of a client_certificate credential, as people read it.
type Certificate struct {
	Role    string // "Client certificate", "Intermediate", "Private authority"
	Subject string
	Issuer  string
	Serial  string
	Key     string
	From    time.Time
	To      time.Time
}

// Certificates lists those of a credential, the client's own first; what cannot be read is left out.
func Certificates(c model.Config) []Certificate {
	var out []Certificate
	for i, x := range read(c.Text("certificate")) {
		role := "Client certificate"
		if i > 0 {
			role = "Intermediate"
		}
		out = append(out, described(role, x))
	}
	for _, x := range read(c.Text("ca")) {
		out = append(out, described("Private authority", x))
	}
	return out
}

func described(role string, x *x509.Certificate) Certificate {
	key := x.PublicKeyAlgorithm.String()
	switch k := x.PublicKey.(type) {
	case *rsa.PublicKey:
		key = fmt.Sprintf("RSA, %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		key = "ECDSA, " + k.Curve.Params().Name
	}
	return Certificate{role, x.Subject.String(), x.Issuer.String(), fmt.Sprintf("%X", x.SerialNumber), key, x.NotBefore.UTC(), x.NotAfter.UTC()}
}

func read(text string) (out []*x509.Certificate) {
	rest := []byte(unfolded(text))
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		if x, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, x)
		}
	}
}

// Ends is when a credential says itself that it ends: its certificate, or a token that is a JSON Web Token. known is
// false when nothing that says it was typed now, so that what was known before still holds.
func Ends(t model.CredentialType, c model.Config, s model.Secrets) (end time.Time, known bool) {
	switch t {
	case model.CredentialCertificate:
		for _, x := range read(c.Text("certificate")) {
			if end.IsZero() || x.NotAfter.Before(end) {
				end = x.NotAfter.UTC()
			}
		}
		return end, true
	case model.CredentialBearer:
		return tokenEnd(s["token"])
	case "oauth2":
		return tokenEnd(s["assertion"])
	case "aws_sigv4", model.CredentialBasic, model.CredentialHeader, model.CredentialClientSecret, model.CredentialPlatform:
		return end, true
	}
	return end, false
}

func tokenEnd(token model.Secret) (time.Time, bool) {
	if token == "" {
		return time.Time{}, false
	}
	parts := strings.Split(strings.Join(strings.Fields(token.Reveal()), ""), ".")
	if len(parts) != 3 {
		return time.Time{}, true
	}
	var claims struct {
		End float64 `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.End < 1 || claims.End > 1e11 {
		return time.Time{}, true
	}
	return time.Unix(int64(claims.End), 0).UTC(), true
}
