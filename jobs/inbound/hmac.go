package inbound

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what old senders sign with; an HMAC does not need collision resistance
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
	"time"

	"waybill/db/model"
)

// rule is how one vendor signs with an HMAC.
type rule struct {
	header     string
	prefix     string // before each signature
	algorithm  string
	encoding   string
	signed     string // of {timestamp}, {body}, {method}, {path}
	timeHeader string // "" = no time in a header of its own
	paired     bool   // the header is a list of name=value, with t= the time and prefix the name of signatures (Stripe)
	idHeader   string // by which the vendor recognises a delivery
	idField    string // likewise, a member of a JSON body
}

// ruleOf is the rule of a preset:
//   - GitHub: docs.github.com "Validating webhook deliveries"; no time, deliveries are told apart by X-GitHub-Delivery.
//   - Stripe: docs.stripe.com/webhooks "Verify manually"; several v1 of several secrets while they are rolled.
//   - Slack: docs.slack.dev "Verifying requests from Slack".
//   - Shopify: shopify.dev "Verify webhooks"; base64, no time.
//   - Meta: developers.facebook.com "Webhooks, validating payloads".
func ruleOf(v model.Verification) (rule, bool) {
	switch v.Preset {
	case model.PresetGitHub:
		return rule{header: "X-Hub-Signature-256", prefix: "sha256=", algorithm: "sha256", encoding: "hex", signed: "{body}", idHeader: "X-Github-Delivery"}, true
	case model.PresetMeta:
		return rule{header: "X-Hub-Signature-256", prefix: "sha256=", algorithm: "sha256", encoding: "hex", signed: "{body}"}, true
	case model.PresetShopify:
		return rule{header: "X-Shopify-Hmac-Sha256", algorithm: "sha256", encoding: "base64", signed: "{body}", idHeader: "X-Shopify-Webhook-Id"}, true
	case model.PresetSlack:
		return rule{header: "X-Slack-Signature", prefix: "v0=", algorithm: "sha256", encoding: "hex", signed: "v0:{timestamp}:{body}",
			timeHeader: "X-Slack-Request-Timestamp", idField: "event_id"}, true
	case model.PresetStripe:
		return rule{header: "Stripe-Signature", prefix: "v1=", algorithm: "sha256", encoding: "hex", signed: "{timestamp}.{body}", paired: true, idField: "id"}, true
	case model.PresetHMAC:
		return rule{header: v.Header, prefix: v.Prefix, algorithm: v.Algorithm, encoding: v.Encoding, signed: v.Signed, timeHeader: v.TimestampHeader}, true
	}
	return rule{}, false
}

// mostSignatures bounds how many signatures of one call are tried.
const mostSignatures = 20

func (c *checking) hmac(r rule) bool {
	values := c.r.Header.Values(r.header)
	if len(values) == 0 {
		return c.fail("The header " + r.header + " is missing.")
	}
	c.step(StepInfo, r.header, strings.Join(values, ", "))
	list, stamp := split(r, values)
	if r.timeHeader != "" {
		stamp = c.r.Header.Get(r.timeHeader)
		c.step(StepInfo, r.timeHeader, stamp)
	}
	if len(list) == 0 {
		return c.fail("The header " + r.header + " holds no signature" + after(r.prefix) + ".")
	}
	if (r.timeHeader != "" || r.paired) && !c.fresh(stamp) {
		return false
	}
	if !c.needSecret() {
		return false
	}
	if c.explain {
		c.step(StepInfo, "What is signed", shorten(strings.NewReplacer("{timestamp}", stamp, "{method}", c.r.Method, "{path}", c.r.Path, "{body}", string(c.r.Body)).Replace(r.signed)))
	}
	ok := false
	for i, secret := range c.secrets {
		sum := c.sum(r, secret, stamp)
		hit := false
		for _, s := range list {
			got, good := decode(r.encoding, s)
			hit = good && hmac.Equal(got, sum) || hit
		}
		c.tried(i, r, hit)
		if c.reveal {
			c.step(StepInfo, "Signature by the secret that you typed", r.prefix+encode(r.encoding, sum))
		}
		ok = hit || ok
	}
	if !ok {
		return c.fail("No signature in " + r.header + " fits: another secret, or the body was changed on the way. It is computed over the bytes as they are sent.")
	}
	c.id = c.deliveryID(r)
	return true
}

// after names a prefix in a sentence.
func after(prefix string) string {
	if prefix == "" {
		return ""
	}
	return " after “" + prefix + "”"
}

// tried says whether one of the live secrets fits.
func (c *checking) tried(i int, r rule, hit bool) {
	label := "HMAC-" + strings.ToUpper(r.algorithm) + ", " + r.encoding + ", secret " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(c.secrets))
	if hit {
		c.step(StepOK, label, "equals a signature of the call")
	} else {
		c.step(StepBad, label, "equals none of the signatures of the call")
	}
}

func (c *checking) sum(r rule, secret model.Secret, stamp string) []byte {
	m := hmac.New(hashOf(r.algorithm), []byte(secret.Reveal()))
	rest := r.signed
	for rest != "" {
		at := strings.IndexByte(rest, '{')
		if at < 0 {
			m.Write([]byte(rest))
			break
		}
		m.Write([]byte(rest[:at]))
		rest = rest[at:]
		end := strings.IndexByte(rest, '}')
		switch {
		case strings.HasPrefix(rest, "{body}"):
			m.Write(c.r.Body)
		case strings.HasPrefix(rest, "{timestamp}"):
			m.Write([]byte(stamp))
		case strings.HasPrefix(rest, "{method}"):
			m.Write([]byte(c.r.Method))
		case strings.HasPrefix(rest, "{path}"):
			m.Write([]byte(c.r.Path))
		default:
			end = 0
			m.Write([]byte{'{'})
		}
		rest = rest[end+1:]
	}
	return m.Sum(nil)
}

func hashOf(name string) func() hash.Hash {
	switch name {
	case "sha1":
		return sha1.New
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	}
	return sha256.New
}

// split finds the signatures of a header, and the time of one that carries it.
func split(r rule, values []string) (list []string, stamp string) {
	if strings.ContainsAny(r.prefix, ", \t") { // a scheme before the signature, which therefore stands alone
		for _, v := range values[:min(len(values), mostSignatures)] {
			if s, ok := strings.CutPrefix(v, r.prefix); ok {
				list = append(list, strings.TrimSpace(s))
			}
		}
		return list, ""
	}
	for _, part := range strings.FieldsFunc(strings.Join(values, ","), func(x rune) bool { return x == ',' || x == ' ' || x == '\t' }) {
		if r.paired && strings.HasPrefix(part, "t=") {
			stamp = part[2:]
			continue
		}
		if s, ok := strings.CutPrefix(part, r.prefix); ok && len(list) < mostSignatures {
			list = append(list, s)
		}
	}
	return list, stamp
}

func decode(encoding, text string) ([]byte, bool) {
	var b []byte
	var err error
	switch encoding {
	case "base64":
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	case "base64url":
		b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	default:
		b, err = hex.DecodeString(text)
	}
	return b, err == nil && len(b) > 0
}

func encode(encoding string, sum []byte) string {
	switch encoding {
	case "base64":
		return base64.StdEncoding.EncodeToString(sum)
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

// fresh checks that a time is near now: seconds or milliseconds since 1970, or RFC 3339.
func (c *checking) fresh(text string) bool {
	at, ok := readTime(text)
	if !ok {
		return c.fail("The time of the signature is missing or cannot be read.")
	}
	apart := c.now.Sub(at)
	if apart < 0 {
		apart = -apart
	}
	words := at.UTC().Format(time.RFC3339) + ", " + apart.Round(time.Second).String() + " from the clock of this server"
	if apart > c.v.Tolerance() {
		return c.fail("The signature was made at " + words + "; at most " + c.v.Tolerance().String() + " is allowed. Is this a replay, or is a clock wrong?")
	}
	c.step(StepOK, "Time of the signature", words)
	return true
}

func readTime(text string) (time.Time, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n <= 0 || n > 1<<48:
			return time.Time{}, false
		case n > 1e11:
			return time.UnixMilli(n), true
		}
		return time.Unix(n, 0), true
	}
	t, bad := model.ParseTime(text)
	return t, bad == nil
}

// deliveryID is what the vendor calls this delivery.
func (c *checking) deliveryID(r rule) string {
	if r.idHeader != "" {
		return c.r.Header.Get(r.idHeader)
	}
	if r.idField != "" {
		id, _ := field(c.r.Body, r.idField)
		return id
	}
	return ""
}

// shorten keeps what is shown within bounds.
func shorten(s string) string {
	const most = 4096
	if len(s) > most {
		return s[:most] + "… (" + strconv.Itoa(len(s)) + " bytes in all)"
	}
	return s
}
