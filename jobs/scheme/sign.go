package scheme

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// The headers of Standard Webhooks 1.0.0, in the canonical form of net/http.
const (
	idHeader        = "Webhook-Id"
	timeHeader      = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"
	secretPrefix    = "whsec_"
	keyPrefix       = "whsk_"
	publicPrefix    = "whpk_"
)

// NewSigningSecret makes 32 random bytes as whsec_<base64> (Standard Webhooks 1.0.0, symmetric).
func NewSigningSecret() model.Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return model.Secret(secretPrefix + base64.StdEncoding.EncodeToString(key))
}

// NewSigningKey makes an ed25519 key as whsk_<base64 of the 64 bytes> (Standard Webhooks 1.0.0, asymmetric).
func NewSigningKey() model.Secret {
	_, key, _ := ed25519.GenerateKey(rand.Reader) // never fails (crypto/rand)
	return model.Secret(keyPrefix + base64.StdEncoding.EncodeToString(key))
}

// SigningPublic is the public key (whpk_…) of a secret, "" of one that both sides share.
func SigningPublic(secret model.Secret) string {
	key, err := privateKey(secret)
	if err != nil {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// SigningJWK is a public key (whpk_…) as a JSON Web Key (RFC 8037), nil when it is none.
func SigningJWK(public, id string) map[string]string {
	text, ok := strings.CutPrefix(public, publicPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) != ed25519.PublicKeySize {
		return nil
	}
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id, "x": base64.RawURLEncoding.EncodeToString(key)}
}

func privateKey(secret model.Secret) (ed25519.PrivateKey, error) {
	text, ok := strings.CutPrefix(secret.Reveal(), keyPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) != ed25519.PrivateKeySize {
		return nil, unusable("The signing key is not of the form whsk_<base64>.")
	}
	return key, nil
}

// Sign gives one signature for webhook-signature over id.seconds.body: v1,<base64 of HMAC-SHA256> by a secret that both sides
// share, v1a,<base64 of ed25519> by a key.
func Sign(secret model.Secret, id string, at time.Time, body []byte) (string, error) {
	head := make([]byte, 0, len(id)+24+len(body))
	head = append(append(head, id...), '.')
	head = append(strconv.AppendInt(head, at.Unix(), 10), '.')
	if strings.HasPrefix(secret.Reveal(), keyPrefix) {
		key, err := privateKey(secret)
		if err != nil {
			return "", err
		}
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, append(head, body...))), nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), secretPrefix))
	if err != nil || len(key) == 0 {
		return "", unusable("The signing secret is not of the form whsec_<base64>.")
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(head)
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Stamp sets webhook-id and webhook-timestamp, and webhook-signature unless secret is "". Secrets that were replaced and still
// sign add a signature each.
func Stamp(req *egress.Request, secret model.Secret, id string, at time.Time, older ...model.OlderSecret) error {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header[idHeader] = []string{id}
	req.Header[timeHeader] = []string{strconv.FormatInt(at.Unix(), 10)}
	if secret == "" {
		return nil
	}
	signature, err := Sign(secret, id, at, req.Body)
	if err != nil {
		return err
	}
	for _, o := range older {
		if !o.Until.After(at) {
			continue
		}
		more, err := Sign(o.Secret, id, at, req.Body)
		if err != nil {
			return err
		}
		signature += " " + more
	}
	req.Header[signatureHeader] = []string{signature}
	return nil
}
