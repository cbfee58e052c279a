package scheme

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// unset stands where something still has to be typed.
const unset = "…"

// sampleHost is where sample requests go in words; nothing is ever sent there.
const sampleHost = "api.example.com"

// Sample is what a credential of these settings puts on the wire, as texts for people. No secret is known here: model.Mask
// stands where one goes, for each of those that have names. issuer is the instance's base URL.
func Sample(t model.CredentialType, c model.Config, have []string, issuer string) []Step {
	text := func(name string) string { return cmp.Or(c.Text(name), unset) }
	secret := func(name string) string {
		if slices.Contains(have, name) {
			return model.Mask
		}
		return unset
	}
	request := func(lines ...string) Step {
		return Step{"Each request", strings.Join(append([]string{"POST /orders HTTP/1.1", "Host: " + sampleHost}, lines...), "\n")}
	}
	switch t {
	case model.CredentialBasic:
		return []Step{request("Authorization: Basic ‹base64 of " + text("username") + ":" + secret("password") + "›")}
	case model.CredentialBearer:
		return []Step{request("Authorization: Bearer " + secret("token"))}
	case model.CredentialHeader:
		return []Step{request(http.CanonicalHeaderKey(text("header_name")) + ": " + secret("header_value"))}
	case "oauth2":
		return []Step{{"First, when no token is kept", tokenSample(c, text, secret)}, request("Authorization: Bearer ‹the access_token of the answer›")}
	case "aws_sigv4":
		return awsSample(c, text, secret, request)
	case model.CredentialCertificate:
		return certificateSample(c, secret, request)
	case model.CredentialPlatform:
		claims := fmt.Sprintf("{\n  \"iss\": %q,\n  \"aud\": \"https://%s\",\n  \"sub\": \"‹the key's user›\",\n  \"waybill_key\": %q,\n  \"waybill_depth\": ‹depth of the event›,\n  \"exp\": ‹in %d minutes›,\n  \"jti\": ‹anew for each request›\n}",
			issuer, sampleHost, text("api_key_id"), int(PlatformLife/time.Minute))
		return []Step{request("Authorization: Bearer ‹token, signed for this request›"), {"What the token says", claims},
			{"Where it can be checked", issuer + "/.well-known/jwks.json"}}
	case model.CredentialSecretURL:
		return []Step{{"Each request", "POST " + secret("url") + " HTTP/1.1\nHost: ‹the connection’s›"}}
	case model.CredentialClientSecret:
		return []Step{{"The body of a step webhook", "{\n  \"type\": \"step.completed\",\n  …,\n  \"client_secret\": \"" + secret("secret") + "\"\n}"}}
	}
	return nil
}

// tokenSample is the request for a token.
func tokenSample(c model.Config, text, secret func(string) string) string {
	u, err := url.Parse(c.Text("token_url"))
	if err != nil || u.Host == "" {
		u = &url.URL{Scheme: "https", Host: unset, Path: "/" + unset}
	}
	var form []string
	put := func(name, value string) { form = append(form, name+"="+value) }
	plain := func(name, value string) {
		if value != "" {
			put(name, url.QueryEscape(value))
		}
	}
	switch c.Text("grant") {
	case grantPassword:
		put("grant_type", grantPassword)
		put("username", url.QueryEscape(text("username")))
		put("password", secret("password"))
	case grantJWT:
		put("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		if secret("assertion") == model.Mask {
			put("assertion", model.Mask)
		} else {
			issuer := cmp.Or(c.Text("issuer"), text("client_id"))
			put("assertion", signedSample(c, issuer, cmp.Or(c.Text("subject"), issuer)))
		}
	default:
		put("grant_type", grantClient)
	}
	plain("scope", scopes(c))
	plain("account_id", c.Text("account_id"))
	var headers []string
	how := cmp.Or(c.Text("client_auth"), authBody)
	switch how {
	case authBasic:
		headers = append(headers, "Authorization: Basic ‹base64 of "+url.QueryEscape(text("client_id"))+":"+secret("client_secret")+", each form-encoded›")
	case authBasicRaw:
		headers = append(headers, "Authorization: Basic ‹base64 of "+text("client_id")+":"+secret("client_secret")+"›")
	case authKey:
		plain("client_id", c.Text("client_id"))
		put("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		put("client_assertion", signedSample(c, text("client_id"), text("client_id")))
	default:
		plain("client_id", c.Text("client_id"))
		if c.Text("grant") == grantClient || secret("client_secret") == model.Mask {
			put("client_secret", secret("client_secret"))
		}
	}
	for _, line := range strings.Split(model.Config{"extra": c["extra"]}.Text("extra"), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			plain(name, value)
		}
	}
	return tokenLines(u, how, headers, form)
}

// jsonLines are the members of a JSON object, from the parameters of a form.
func jsonLines(form []string) []string {
	out := make([]string, len(form))
	for i, p := range form {
		name, value, _ := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		out[i] = `"` + name + `":"` + jsonText(value, false) + `"`
	}
	return out
}

func tokenLines(u *url.URL, how string, headers, form []string) string {
	method, query := http.MethodPost, u.RawQuery
	lines := append([]string{"Host: " + u.Host, "Accept: application/json"}, headers...)
	switch how {
	case authGet:
		method = http.MethodGet
		fallthrough
	case authQuery:
		query = strings.TrimPrefix(query+"&"+strings.Join(form, "&"), "&")
	case authJSON:
		lines = append(lines, "Content-Type: application/json", "", "{"+strings.Join(jsonLines(form), ",\n ")+"}")
	default:
		lines = append(lines, "Content-Type: application/x-www-form-urlencoded", "", strings.Join(form, "\n&"))
	}
	path := strings.ReplaceAll(cmp.Or(u.EscapedPath(), "/"), url.PathEscape(unset), unset)
	if query != "" {
		path += "?" + strings.ReplaceAll(query, "&", "\n  &")
	}
	return method + " " + path + " HTTP/1.1\n" + strings.Join(lines, "\n")
}

// signedSample says what a token that is signed for each request holds.
func signedSample(c model.Config, issuer, subject string) string {
	return fmt.Sprintf("‹signed %s: iss=%s, sub=%s, aud=%s, exp in %d s›", cmp.Or(c.Text("signing_algorithm"), "RS256"), issuer, subject, cmp.Or(audience(c), unset), int(life(c)/time.Second))
}

func awsSample(c model.Config, text, secret func(string) string, request func(...string) Step) []Step {
	inQuery, _ := c["sign_query"].(bool)
	s := signer{text("access_key_id"), "", "", text("service"), text("region"), "20260102T030405Z"}
	if secret("session_token") == model.Mask {
		s.token = model.Mask
	}
	req := egress.Request{Method: http.MethodPost, URL: "https://" + sampleHost + "/orders", Header: http.Header{}, Body: []byte("{}")}
	w, _ := wireOf(req.URL)
	if inQuery {
		s.query(&req, w)
		_, query, _ := strings.Cut(req.URL, "?")
		return []Step{{"Each request", "POST /orders?" + readable(strings.ReplaceAll(query, "&", "\n  &")) + " HTTP/1.1\nHost: " + sampleHost}}
	}
	s.header(&req, w)
	var lines []string
	for _, name := range []string{"X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "Authorization"} {
		if v := req.Header.Get(name); v != "" {
			lines = append(lines, name+": "+readable(v))
		}
	}
	return []Step{request(lines...)}
}

// readable masks the signature, which is one of no key, and shows what stands for values as it is.
func readable(s string) string {
	for _, mark := range []string{"Signature=", "X-Amz-Signature="} {
		if i := strings.LastIndex(s, mark); i >= 0 {
			s = s[:i+len(mark)] + model.Mask
			break
		}
	}
	return strings.NewReplacer(url.QueryEscape(unset), unset, url.QueryEscape(model.Mask), model.Mask).Replace(s)
}

func certificateSample(c model.Config, secret func(string) string, request func(...string) Step) []Step {
	shown, trusted := unset, "the public authorities"
	for _, x := range Certificates(c) {
		switch x.Role {
		case "Client certificate":
			shown = x.Subject + ", until " + x.To.Format(time.DateOnly)
		case "Private authority":
			trusted = x.Subject + " and no other authority"
		}
	}
	return []Step{{"In the TLS handshake", "Shown: " + shown + "\nProved with the private key: " + secret("private_key") + "\nThe other side's certificate is checked against: " + trusted}, request()}
}
