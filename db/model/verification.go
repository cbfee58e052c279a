package model

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
)

// Verification says how a call proves where it comes from. Its secrets are stored apart from it.
type Verification struct {
	Preset           Preset   `json:"preset"`
	Header           string   `json:"header,omitempty"`           // hmac: of the signature; jwt: of the token
	Algorithm        string   `json:"algorithm,omitempty"`        // hmac: sha256 …; jwt: HS256 …
	Encoding         string   `json:"encoding,omitempty"`         // hmac: hex, base64, base64url
	Prefix           string   `json:"prefix,omitempty"`           // hmac: before each signature
	TimestampHeader  string   `json:"timestamp_header,omitempty"` // hmac: seconds, milliseconds or RFC 3339; part of what is signed
	Signed           string   `json:"signed,omitempty"`           // hmac: what is signed, of {timestamp}, {body}, {method}, {path}
	ToleranceSeconds int      `json:"tolerance_seconds,omitempty"`
	Username         string   `json:"username,omitempty"`
	Issuer           string   `json:"issuer,omitempty"`
	Audience         string   `json:"audience,omitempty"`
	PublicKey        string   `json:"public_key,omitempty"` // jwt: PEM
	Networks         []string `json:"networks,omitempty"`   // addresses and CIDRs that may call; any preset
}

// Preset names a way of verifying; jobs/inbound does it.
type Preset string

const (
	PresetNone     Preset = "none"
	PresetHMAC     Preset = "hmac"
	PresetGitHub   Preset = "github"
	PresetStripe   Preset = "stripe"
	PresetSlack    Preset = "slack"
	PresetShopify  Preset = "shopify"
	PresetStandard Preset = "standard_webhooks"
	PresetMeta     Preset = "meta"
	PresetJWT      Preset = "jwt"
	PresetBasic    Preset = "basic"
	PresetIPList   Preset = "ip_list"
)

// Presets lists them in the order in which people look for them.
func Presets() []Preset {
	return []Preset{PresetNone, PresetHMAC, PresetGitHub, PresetStripe, PresetSlack, PresetShopify, PresetStandard, PresetMeta, PresetJWT, PresetBasic, PresetIPList}
}

// The secrets that a verification can have.
const (
	InboundSecretName = "secret"
	VerifyTokenName   = "verify_token" // meta: what hub.verify_token must be
)

// SecretNames are the secrets that the preset takes; the first one is needed unless a public key stands for it.
func (v Verification) SecretNames() []string {
	switch v.Preset {
	case PresetNone, PresetIPList:
		return nil
	case PresetMeta:
		return []string{InboundSecretName, VerifyTokenName}
	}
	return []string{InboundSecretName}
}

func (v *Verification) clean() {
	if v.Preset == "" {
		v.Preset = PresetNone
	}
	for _, s := range []*string{&v.Header, &v.Algorithm, &v.Encoding, &v.TimestampHeader, &v.Username, &v.Issuer, &v.Audience, &v.PublicKey} {
		*s = strings.TrimSpace(*s)
	}
	v.Networks = trimmed(v.Networks)
	if v.Preset == PresetHMAC {
		v.Algorithm, v.Encoding = strings.ToLower(v.Algorithm), strings.ToLower(v.Encoding)
		if v.Algorithm == "" {
			v.Algorithm = "sha256"
		}
		if v.Encoding == "" {
			v.Encoding = "hex"
		}
		if v.Header == "" {
			v.Header = "X-Signature"
		}
		if v.Signed == "" {
			v.Signed = "{body}"
			if v.TimestampHeader != "" {
				v.Signed = "{timestamp}.{body}"
			}
		}
	}
	if v.Preset == PresetJWT && v.Algorithm == "" {
		v.Algorithm = "HS256"
	}
}

func (v Verification) check() []fault.Field {
	var bad fault.Check
	if !slices.Contains(Presets(), v.Preset) {
		var names []string
		for _, p := range Presets() {
			names = append(names, string(p))
		}
		bad.Add("preset", "One of %s.", strings.Join(names, ", "))
	}
	if !headerName(v.Header) {
		bad.Add("header", "This is not the name of a header.")
	}
	if !headerName(v.TimestampHeader) {
		bad.Add("timestamp_header", "This is not the name of a header.")
	}
	if v.Preset == PresetHMAC {
		if !slices.Contains([]string{"sha1", "sha256", "sha384", "sha512"}, v.Algorithm) {
			bad.Add("algorithm", "One of sha1, sha256, sha384, sha512.")
		}
		if !slices.Contains([]string{"hex", "base64", "base64url"}, v.Encoding) {
			bad.Add("encoding", "One of hex, base64, base64url.")
		}
		if !strings.Contains(v.Signed, "{body}") {
			bad.Add("signed", "What is signed must hold {body}.")
		}
		if strings.Contains(v.Signed, "{timestamp}") != (v.TimestampHeader != "") {
			bad.Add("signed", "{timestamp} and the timestamp header belong together: without the one the other proves nothing.")
		}
	}
	if v.Preset == PresetJWT && !slices.Contains([]string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"}, v.Algorithm) {
		bad.Add("algorithm", "One of HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, EdDSA.")
	}
	if v.Preset == PresetBasic && (v.Username == "" || strings.Contains(v.Username, ":")) {
		bad.Add("username", "A user name without a colon.")
	}
	if v.ToleranceSeconds < 0 || v.ToleranceSeconds > 86400 {
		bad.Add("tolerance_seconds", "Between 1 second and a day (86400); 0 means 5 minutes.")
	}
	if v.Preset == PresetIPList && len(v.Networks) == 0 {
		bad.Add("networks", "Name the addresses or networks that may call.")
	}
	for _, n := range v.Networks {
		_, err := netip.ParsePrefix(n)
		if _, bare := netip.ParseAddr(n); err != nil && bare != nil {
			bad.Add("networks", "“%s” is neither a network such as 192.0.2.0/24 nor an address.", n)
		}
	}
	return bad.Fields()
}

// Tolerance is how far a timestamp may be from now, past or future.
func (v Verification) Tolerance() time.Duration {
	if v.ToleranceSeconds == 0 {
		return DefaultTolerance * time.Second
	}
	return time.Duration(v.ToleranceSeconds) * time.Second
}

// Text is the verification as the audit log keeps it.
func (v Verification) Text() string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // texts and numbers only, always encodable
	}
	return string(b)
}
