package scheme

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

const (
	awsAlgorithm    = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	contentHash     = "X-Amz-Content-Sha256"
	queryLife       = 15 * time.Minute // of a signature in the query
)

// awsSigV4 is AWS Signature Version 4. It puts path and query into the one spelling that both sides agree on, without
// changing what they mean, and signs every header that is there; so it comes last.
func awsSigV4() Kind {
	return Kind{
		Type: "aws_sigv4", Title: "AWS Signature V4",
		Summary: "Signs each request with an access key, for AWS and for stores that speak S3.",
		Glyph:   "M4 7h16v10H4zM8 12h4m4 0h.01M7 17v3m10-3v3",
		Fields: []model.Field{
			{Name: "access_key_id", Label: "Access key id", Kind: model.FieldText, Required: true, Max: 128, Placeholder: "AKIA…", Help: "Of a user that may do nothing else."},
			{Name: "secret_access_key", Label: "Secret access key", Kind: model.FieldSecret, Required: true, Max: 256, Help: "Shown once when AWS makes the access key."},
			{Name: "session_token", Label: "Session token", Kind: model.FieldSecret, Max: 8192, Help: "Only with temporary keys (STS). They end within hours."},
			{Name: "service", Label: "Service", Kind: model.FieldText, Required: true, Max: 100, Placeholder: "execute-api", Help: "As AWS names it when it signs: s3, execute-api, lambda, sqs … It is used exactly as typed."},
			{Name: "region", Label: "Region", Kind: model.FieldText, Required: true, Max: 100, Placeholder: "eu-central-1", Help: "It is used exactly as typed."},
			{Name: "sign_query", Label: "Sign in the query instead of a header", Kind: model.FieldCheck, Help: "The signature becomes part of the URL and ends after 15 minutes, unless the URL sets X-Amz-Expires."},
		},
		check: func(in typed, bad *fault.Check) {
			if strings.ContainsAny(in.config.Text("access_key_id"), " /,") {
				bad.Add("access_key_id", "An access key id has no spaces, slashes or commas; was one pasted along?")
			}
			for _, name := range []string{"secret_access_key", "session_token"} {
				if s := in.secrets[name].Reveal(); s != strings.TrimSpace(s) {
					bad.Add(name, "The value begins or ends with a space; was it pasted along?")
				}
			}
		},
		apply: func(_ context.Context, k *Keeper, req *egress.Request, m Material) (Applied, error) {
			w, bad := wireOf(req.URL)
			if bad != "" {
				return Applied{}, unusable("The request cannot be signed: " + bad)
			}
			s := signer{m.Config.Text("access_key_id"), m.Secrets["secret_access_key"].Reveal(), m.Secrets["session_token"].Reveal(),
				m.Config.Text("service"), m.Config.Text("region"), k.now().UTC().Format("20060102T150405Z")}
			inQuery, _ := m.Config["sign_query"].(bool)
			if inQuery {
				return s.query(req, w), nil
			}
			return s.header(req, w), nil
		},
	}
}

// signer is a key with the scope of its signatures; stamp is the time in UTC, as it is sent.
type signer struct{ id, secret, token, service, region, stamp string }

// ofS3 reports whether the service has S3's rules: paths are taken as they are, and the hash of the body goes along.
func (s signer) ofS3() bool {
	return s.service == "s3" || strings.HasPrefix(s.service, "s3-") || s.service == "s3express"
}

func (s signer) scope() string {
	return strings.Join([]string{s.stamp[:8], s.region, s.service, "aws4_request"}, "/")
}

// header signs by Authorization.
func (s signer) header(req *egress.Request, w wire) Applied {
	a := Applied{Headers: []string{"Authorization"}}
	payload := s.prepare(req, &w)
	req.Header.Set("X-Amz-Date", s.stamp)
	if s.token != "" {
		req.Header.Set("X-Amz-Security-Token", s.token)
		a.Headers = append(a.Headers, "X-Amz-Security-Token")
	}
	if s.ofS3() || s.service == "aoss" || req.Header.Get(contentHash) != "" {
		if req.Header.Get(contentHash) == unsignedPayload {
			payload = unsignedPayload
		}
		req.Header.Set(contentHash, payload)
	}
	names := signedHeaders(req.Header)
	signature, working := s.sign(canonical(req.Method, s.path(w), w.query.canonical(), w.host, req.Header, names, payload))
	req.Header.Set("Authorization", awsAlgorithm+" Credential="+s.id+"/"+s.scope()+", SignedHeaders="+strings.Join(names, ";")+", Signature="+signature)
	req.URL, a.Working = w.String(), working
	return a
}

// query signs by parameters.
func (s signer) query(req *egress.Request, w wire) Applied {
	payload := s.prepare(req, &w)
	if s.ofS3() {
		req.Header.Del(contentHash)
		payload = unsignedPayload
	} else if req.Header.Get(contentHash) != "" {
		req.Header.Set(contentHash, payload)
	}
	names := signedHeaders(req.Header)
	w.query.add("X-Amz-Algorithm", awsAlgorithm)
	w.query.add("X-Amz-Credential", s.id+"/"+s.scope())
	w.query.add("X-Amz-Date", s.stamp)
	if !w.query.has("X-Amz-Expires") {
		w.query.add("X-Amz-Expires", strconv.Itoa(int(queryLife.Seconds())))
	}
	if s.token != "" {
		w.query.add("X-Amz-Security-Token", s.token)
	}
	w.query.add("X-Amz-SignedHeaders", strings.Join(names, ";"))
	signature, working := s.sign(canonical(req.Method, s.path(w), w.query.canonical(), w.host, req.Header, names, payload))
	w.query.add("X-Amz-Signature", signature)
	req.URL = w.String()
	return Applied{Query: []string{"X-Amz-Signature", "X-Amz-Security-Token"}, Working: working}
}

// prepare clears away what an earlier signature may have left, and hashes the body.
func (s signer) prepare(req *egress.Request, w *wire) (payload string) {
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		req.Header.Del(name)
	}
	w.query.drop("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-SignedHeaders", "X-Amz-Signature")
	if req.Source != nil { // too long to be read twice: whoever sends it may know its hash
		return cmp.Or(req.Header.Get(contentHash), unsignedPayload)
	}
	return hashed(req.Body)
}

// path is the canonical path: S3 takes it as it stands; everybody else without dot segments and doubled slashes, and
// encoded once more.
func (s signer) path(w wire) string {
	if s.ofS3() {
		return w.path
	}
	return escape(tidy(w.path), "/")
}

// sign signs a canonical request. The steps hold neither key nor signature.
func (s signer) sign(canonical string) (signature string, working []Step) {
	text := strings.Join([]string{awsAlgorithm, s.stamp, s.scope(), hashed([]byte(canonical))}, "\n")
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{s.stamp[:8], s.region, s.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key), []Step{{"Canonical request", canonical}, {"String to sign", text}}
}

func hashed(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical is the text that stands for a request: method, path, query, signed headers, their names, hash of the body.
func canonical(method, path, query, host string, h http.Header, names []string, payload string) string {
	var b strings.Builder
	b.WriteString(method + "\n" + path + "\n" + query + "\n")
	for _, name := range names {
		values := []string{host}
		if name != "host" {
			values = h[http.CanonicalHeaderKey(name)]
		}
		b.WriteString(name + ":")
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' }), " "))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n" + payload)
	return b.String()
}

// signedHeaders are the names of all headers that stay as they are on the way, in lower case and sorted, host included.
func signedHeaders(h http.Header) []string {
	names := []string{"host"}
	for name, values := range h {
		switch name = strings.ToLower(name); name {
		case "authorization", "connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id":
		default:
			if len(values) > 0 && !strings.HasPrefix(name, "proxy-") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
