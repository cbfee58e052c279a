package inbound

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

// standard verifies Standard Webhooks 1.0 (standardwebhooks.com), also with Svix's older names of the headers:
// id.timestamp.body, "v1," before HMAC-SHA256 signatures (whsec_ secrets), "v1a," before ed25519 ones (whpk_ keys).
func (c *checking) standard() bool {
	names := []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
	if c.r.Header.Get(names[0]) == "" && c.r.Header.Get("Svix-Id") != "" {
		names = []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
	}
	id, stamp, signatures := c.r.Header.Get(names[0]), c.r.Header.Get(names[1]), strings.Join(c.r.Header.Values(names[2]), " ")
	for i, v := range []string{id, stamp, signatures} {
		if v == "" {
			return c.fail("The header " + strings.ToLower(names[i]) + " is missing.")
		}
		c.step(StepInfo, strings.ToLower(names[i]), v)
	}
	if _, err := strconv.ParseInt(stamp, 10, 64); err != nil {
		return c.fail("The header " + strings.ToLower(names[1]) + " is not a number of seconds.")
	}
	if !c.fresh(stamp) || !c.needSecret() {
		return false
	}
	signed := append([]byte(id+"."+stamp+"."), c.r.Body...)
	c.step(StepInfo, "What is signed", shorten(string(signed)))
	ok := false
	for i, secret := range c.secrets {
		hit := standardFits(secret.Reveal(), signed, strings.Fields(signatures))
		c.tried(i, rule{algorithm: "sha256", encoding: "base64"}, hit)
		if c.reveal {
			c.step(StepInfo, "Signature by the secret that you typed", "v1,"+encode("base64", standardSum(secret.Reveal(), signed)))
		}
		ok = hit || ok
	}
	if !ok {
		return c.fail("No signature in " + strings.ToLower(names[2]) + " fits: another secret, or the body was changed on the way.")
	}
	c.id = id
	return true
}

func standardFits(secret string, signed []byte, signatures []string) bool {
	if public, ok := strings.CutPrefix(secret, "whpk_"); ok {
		key, err := base64.StdEncoding.DecodeString(public)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return false
		}
		for _, s := range signatures[:min(len(signatures), mostSignatures)] {
			text, ok := strings.CutPrefix(s, "v1a,")
			sig, err := base64.StdEncoding.DecodeString(text)
			if ok && err == nil && ed25519.Verify(key, signed, sig) {
				return true
			}
		}
		return false
	}
	sum, hit := standardSum(secret, signed), false
	for _, s := range signatures[:min(len(signatures), mostSignatures)] {
		text, ok := strings.CutPrefix(s, "v1,")
		got, good := decode("base64", text)
		hit = ok && good && hmac.Equal(got, sum) || hit
	}
	return hit
}

// standardSum is the HMAC by a secret, which is base64 after its prefix; one that is not is taken as it is.
func standardSum(secret string, signed []byte) []byte {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		raw = []byte(secret)
	}
	m := hmac.New(sha256.New, raw)
	m.Write(signed)
	return m.Sum(nil)
}
