package scheme

import (
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
)

// NewSigningSecret makes 32 random bytes as whsec_<base64> (Standard Webhooks 1.0.0, symmetric).
func NewSigningSecret() model.Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return model.Secret(secretPrefix + base64.StdEncoding.EncodeToString(key))
}

// Sign gives the value of webhook-signature: v1,<base64 of HMAC-SHA256 over id.seconds.body>.
func Sign(secret model.Secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), secretPrefix))
	if err != nil || len(key) == 0 {
		return "", unusable("The signing secret is not of the form whsec_<base64>.")
	}
	mac := hmac.New(sha256.New, key)
	head := make([]byte, 0, len(id)+24)
	head = append(append(head, id...), '.')
	head = append(strconv.AppendInt(head, at.Unix(), 10), '.')
	_, _ = mac.Write(head)
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Stamp sets webhook-id and webhook-timestamp, and webhook-signature unless secret is "".
func Stamp(req *egress.Request, secret model.Secret, id string, at time.Time) error {
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
	req.Header[signatureHeader] = []string{signature}
	return nil
}
