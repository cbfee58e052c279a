package scheme

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"waybill/db/model"
	"waybill/jobs/egress"
)

const (
	tokenTimeout = 15 * time.Second
	tokenBody    = 1 << 20 // bytes of an answer that are read
)

// obtain asks the token endpoint. What it says holds no secret of m.
func (k *Keeper) obtain(ctx context.Context, m Material) grant {
	g, _, _ := k.ask(ctx, m)
	return g
}

// ask is obtain with the exchange that was made for it; the request is empty when none could be made.
func (k *Keeper) ask(ctx context.Context, m Material) (grant, egress.Request, egress.Exchange) {
	asked := k.now()
	req, err := tokenRequest(m, asked)
	if err != nil {
		return grant{err: err}, egress.Request{}, egress.Exchange{}
	}
	req.Timeout = k.patience
	made := req
	made.Header = req.Header.Clone() // the exchange takes the map over
	host := endpoint(m.Config)
	x, failure := k.egress.Do(ctx, req)
	if failure != nil {
		return grant{err: unreached(host, failure)}, made, x
	}
	// An answer may quote what was sent, the assertion that was made for it included.
	mask := func(s string) string { return NewRedactor([]Material{m}, sent(req)...).Text(s) }
	token, life, words := readToken(x, mask)
	if words != "" {
		return grant{err: unusable("The token endpoint " + host + " " + words)}, made, x
	}
	return grant{token: model.Secret(token), until: asked.Add(keptFor(m.Config, life)), life: life, origins: origins(answered(x))}, made, x
}

func endpoint(c model.Config) string {
	u, err := url.Parse(c.Text("token_url"))
	if err != nil {
		return ""
	}
	return u.Host
}

// unreached says that there was no whole answer: a refusal stays one, everything else can get better.
func unreached(host string, err error) *egress.Error {
	out := &egress.Error{Class: model.ClassAuth, Message: "The token endpoint " + host + " gave no token.", Cause: err}
	var e *egress.Error
	if !errors.As(err, &e) {
		return out
	}
	out.Message += " " + e.Message
	if e.Class == model.ClassRefused {
		out.Class, out.Refusal, out.Message = e.Class, e.Refusal, "The token endpoint cannot be called. "+e.Message
	}
	return out
}

// sent are the values of a token request that are secret and made for it alone, and the secrets in the spelling in which a
// JSON body carries them: an answer may quote that body as a text of its own.
func sent(req egress.Request) []model.Secret {
	_, query, _ := strings.Cut(req.URL, "?")
	var out []model.Secret
	for _, text := range []string{query, string(req.Body)} {
		form, _ := url.ParseQuery(text)
		for _, name := range []string{"assertion", "client_assertion"} {
			if v := form.Get(name); v != "" {
				out = append(out, model.Secret(v))
			}
		}
	}
	var fields map[string]string
	if json.Unmarshal(req.Body, &fields) == nil {
		for _, name := range []string{"assertion", "client_assertion", "client_secret", "password"} {
			out = append(out, model.Secret(fields[name]), model.Secret(jsonText(fields[name], true)))
		}
	}
	return out
}

// tokenRequest is the request for a token, as client_auth says.
func tokenRequest(m Material, now time.Time) (egress.Request, *egress.Error) {
	form, err := tokenForm(m, now)
	if err != nil {
		return egress.Request{}, err
	}
	req := egress.Request{Method: http.MethodPost, URL: m.Config.Text("token_url"), Header: http.Header{"Accept": {"application/json"}},
		MaxBody: tokenBody}
	id, secret := m.Config.Text("client_id"), m.Secrets["client_secret"].Reveal()
	switch cmp.Or(m.Config.Text("client_auth"), authBody) {
	case authBasic: // RFC 6749, 2.3.1: each form-encoded first
		req.Header.Set("Authorization", "Basic "+basicPair(url.QueryEscape(id), url.QueryEscape(secret)))
	case authBasicRaw:
		req.Header.Set("Authorization", "Basic "+basicPair(id, secret))
	case authGet:
		req.Method = http.MethodGet
		fallthrough
	case authQuery:
		base, query, _ := strings.Cut(req.URL, "?")
		req.URL = base + "?" + strings.TrimPrefix(query+"&"+form.Encode(), "&")
		return req, nil
	case authJSON:
		req.Header.Set("Content-Type", "application/json")
		req.Body = jsonForm(form)
		return req, nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Body = []byte(form.Encode())
	return req, nil
}

func basicPair(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}

// jsonForm is a form as a JSON object of texts, as Salesforce Marketing Cloud wants it.
func jsonForm(form url.Values) []byte {
	fields := make(map[string]string, len(form))
	for name := range form {
		fields[name] = form.Get(name)
	}
	body, _ := json.Marshal(fields) // texts always encode
	return body
}

// tokenForm are the parameters, those of the client's authentication included unless they stand in the header.
func tokenForm(m Material, now time.Time) (url.Values, *egress.Error) {
	c, form := m.Config, url.Values{}
	put := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	for name, value := range extra(c) {
		form.Set(name, value)
	}
	put("scope", scopes(c))
	put("account_id", c.Text("account_id"))
	switch c.Text("grant") {
	case grantClient:
		form.Set("grant_type", grantClient)
	case grantPassword:
		form.Set("grant_type", grantPassword)
		form.Set("username", c.Text("username"))
		form.Set("password", m.Secrets["password"].Reveal())
	case grantJWT:
		form.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		assertion, err := assertion(m, now)
		if err != nil {
			return nil, err
		}
		form.Set("assertion", assertion)
	default:
		return nil, unusable("The credential names no grant that Waybill knows.")
	}
	switch cmp.Or(c.Text("client_auth"), authBody) {
	case authBasic, authBasicRaw:
	case authKey:
		id := c.Text("client_id")
		proof, err := keyOf(c, m.Secrets).sign(claims{id, id, audience(c), life(c)}, now)
		if err != nil {
			return nil, err
		}
		put("client_id", id)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", proof)
	default:
		put("client_id", c.Text("client_id"))
		put("client_secret", m.Secrets["client_secret"].Reveal())
	}
	return form, nil
}

// assertion is the one that was pasted, else a fresh one. A pasted one loses the line breaks of its way here.
func assertion(m Material, now time.Time) (string, *egress.Error) {
	if text := strings.Join(strings.Fields(m.Secrets["assertion"].Reveal()), ""); text != "" {
		return text, nil
	}
	c := m.Config
	issuer := cmp.Or(c.Text("issuer"), c.Text("client_id"))
	return keyOf(c, m.Secrets).sign(claims{issuer, cmp.Or(c.Text("subject"), issuer), audience(c), life(c)}, now)
}

func keyOf(c model.Config, s model.Secrets) signingKey {
	return signingKey{algorithm: cmp.Or(c.Text("signing_algorithm"), "RS256"), text: s["signing_key"], id: c.Text("key_id")}
}

func audience(c model.Config) string {
	base, _, _ := strings.Cut(c.Text("token_url"), "?")
	return cmp.Or(c.Text("audience"), base)
}

func life(c model.Config) time.Duration {
	n, _ := c["assertion_seconds"].(float64)
	return time.Duration(cmp.Or(n, defaultAssertion)) * time.Second
}

// unknownLife is the life of a token whose answer does not tell it.
const unknownLife = math.MaxInt64 / int64(time.Second)

// keptFor is how long a token that lives for so many seconds is kept: as long as is set, and not to its very end.
func keptFor(c model.Config, seconds int64) time.Duration {
	keep := int64(defaultCache)
	if n, there := c["cache_seconds"].(float64); there {
		keep = int64(n)
	}
	return time.Duration(min(keep, seconds-min(10, seconds/10))) * time.Second
}

// readToken reads an answer by RFC 6749, 5.1 and 5.2, and as real servers vary it: failures with status 200, answers
// that are form-encoded, expires_in as text or left out. words say what is wrong, as the end of a sentence; what they
// quote has gone through mask.
func readToken(x egress.Exchange, mask func(string) string) (token string, seconds int64, words string) {
	if x.Status >= 300 && x.Status < 400 {
		return "", 0, fmt.Sprintf("answered %d and points elsewhere. Redirects are not followed, since the secret would go along; put the final address into the credential.", x.Status)
	}
	if x.Truncated {
		return "", 0, fmt.Sprintf("answered %d with more than 1 MiB; that is no token.", x.Status)
	}
	fields := answered(x)
	code, told := complaint(fields)
	if code != "" || x.Status < 200 || x.Status >= 300 {
		return "", 0, refusalWords(x.Status, line(mask(code)), line(mask(told)))
	}
	if fields == nil {
		return "", 0, fmt.Sprintf("answered %d, but neither with JSON nor with a form. Check the access token URL.", x.Status)
	}
	token, _ = fields["access_token"].(string)
	if token == "" {
		return "", 0, fmt.Sprintf("answered %d without an access_token. Check the access token URL.", x.Status)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, "granted a token with characters that no header can carry."
	}
	switch kind := text(fields["token_type"]); strings.ToLower(kind) {
	case "mac", "pop", "dpop":
		return "", 0, "granted a token of type " + kind + ", which needs a proof with every request; Waybill sends Bearer tokens."
	}
	return token, expiry(fields["expires_in"]), ""
}

// origins are the addresses in a token's answer, without a path's last slash; those that are no addresses are left out.
func origins(fields map[string]any) map[string]string {
	out := map[string]string{}
	for name, v := range fields {
		address, _ := v.(string)
		u, err := url.Parse(address)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
			out[name] = strings.TrimRight(address, "/")
		}
	}
	return out
}

// moveTo sends a request to another origin, keeping its path and query; "" leaves it as it is. The address rules hold for
// the other one when it is dialled; that the token does not travel in the clear is asked here.
func (k *Keeper) moveTo(req *egress.Request, origin string) *egress.Error {
	u, err := url.Parse(req.URL)
	if origin == "" || err != nil {
		return nil
	}
	req.URL = origin + strings.TrimPrefix(req.URL, u.Scheme+"://"+u.Host)
	if r := k.egress.Check(req.URL, req.Scope); r != nil {
		return &egress.Error{Class: model.ClassRefused, Refusal: r, Message: "The token's answer says to send requests to " + origin + ". " + r.Message}
	}
	return nil
}

// answered are the fields of an answer, nil when it holds none.
func answered(x egress.Exchange) map[string]any {
	body := bytes.TrimPrefix(x.Body, []byte("\xef\xbb\xbf"))
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var fields map[string]any
	if dec.Decode(&fields) == nil {
		return fields
	}
	kind, _, _ := mime.ParseMediaType(x.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" && kind != "text/plain" {
		return nil
	}
	form, err := url.ParseQuery(string(bytes.TrimSpace(body)))
	if err != nil {
		return nil
	}
	fields = map[string]any{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	return fields
}

// complaint is the error that an answer tells: its code (RFC 6749, 5.2) and its words.
func complaint(fields map[string]any) (code, words string) {
	switch e := fields["error"].(type) {
	case nil:
	case map[string]any: // {"error": {"code": …, "message": …}}
		code = cmp.Or(text(e["status"]), text(e["type"]), text(e["code"]), "an error")
		words = text(e["message"])
	default:
		code = text(e)
	}
	return code, cmp.Or(words, text(fields["error_description"]), text(fields["message"]))
}

// text is a text or number as it was answered.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// line is a text as one printable line of at most 300 characters.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}

func refusalWords(status int, code, told string) string {
	out := "answered " + strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status))
	if code != "" {
		out += " with the error " + code
	}
	if told != "" {
		out += " (" + strings.TrimRight(told, ". ") + ")"
	}
	return out + "." + advice(status, code)
}

// advice is what a person can do about it.
func advice(status int, code string) string {
	switch code {
	case "invalid_client":
		return " Check client id and secret, and how the request is made."
	case "invalid_grant":
		return " Check user name and password, or the JSON Web Token: it may have ended, or name another issuer or audience."
	case "invalid_scope":
		return " Check the scope."
	case "unauthorized_client", "unsupported_grant_type":
		return " This client may not use this grant."
	}
	switch {
	case status == 404 || status == 405:
		return " Check the access token URL and how the request is made."
	case status == 401 || status == 403:
		return " Check client id and secret, and how the request is made."
	}
	return ""
}

// expiry reads expires_in, a number or text; unknownLife when it is missing or makes no sense.
func expiry(v any) int64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text(v)), 64)
	switch {
	case err != nil || math.IsNaN(n) || n > float64(unknownLife/2):
		return unknownLife
	case n < 0:
		return 0
	}
	return int64(n)
}
