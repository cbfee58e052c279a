package scheme

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// Grants, as they are typed.
const (
	grantClient   = "client_credentials"
	grantPassword = "password"
	grantJWT      = "jwt_bearer"
)

// How the token request is made.
const (
	authBody     = "post_body"
	authQuery    = "post_query"
	authGet      = "get_query"
	authBasic    = "basic"
	authBasicRaw = "basic_raw"
	authKey      = "private_key_jwt"
	authJSON     = "post_json"
)

// Bounds and defaults, in seconds.
const (
	defaultCache     = 45
	maxCache         = 86400
	defaultAssertion = 300
	minAssertion     = 30
	maxAssertion     = 3600
)

// oauth2 obtains bearer tokens by RFC 6749 (4.3 and 4.4) and RFC 7523.
func oauth2() Kind {
	return Kind{
		Type: "oauth2", Title: "OAuth 2.0",
		Summary: "Fetches short-lived tokens from a token endpoint and sends them as Bearer tokens.",
		Glyph:   "M12 3 5 6v5c0 4.4 2.9 8.3 7 10 4.1-1.7 7-5.6 7-10V6l-7-3Zm-3 9 2 2 4-4",
		Fields:  slices.Concat(oauth2Fields(), assertionFields(), oauth2MoreFields()),
		check:   checkOAuth2,
		apply: func(ctx context.Context, k *Keeper, req *egress.Request, m Material) (Applied, error) {
			g := k.tokens.get(ctx, m.tokenKey(), k.now, func(ctx context.Context) grant { return k.obtain(ctx, m) })
			if g.err != nil {
				return Applied{}, g.err
			}
			if err := k.moveTo(req, g.origins[m.Origin]); err != nil {
				return Applied{}, err
			}
			a, err := set(req, "Authorization", "Bearer "+g.token.Reveal())
			a.Token, a.Renews = g.token, true
			return a, err
		},
		derived: func(m Material) []string {
			id, secret := m.Config.Text("client_id"), m.Secrets["client_secret"].Reveal()
			if secret == "" {
				return nil
			}
			return []string{id + ":" + secret, basicPair(id, secret), basicPair(url.QueryEscape(id), url.QueryEscape(secret))}
		},
	}
}

func oauth2Fields() []model.Field {
	return []model.Field{
		{Name: "grant", Label: "Grant", Kind: model.FieldSelect, Required: true, Default: grantClient, Help: "What the token is asked for with.", Options: []model.Option{
			{Value: grantClient, Label: "Client credentials"}, {Value: grantPassword, Label: "User name and password"}, {Value: grantJWT, Label: "JSON Web Token (RFC 7523)"}}},
		{Name: "token_url", Label: "Access token URL", Kind: model.FieldText, Required: true, Max: 2048, Placeholder: "https://login.example.com/oauth2/token",
			Help: "A query in it is kept. Redirects are not followed."},
		{Name: "client_id", Label: "Client id", Kind: model.FieldText, Max: 1024, Placeholder: "waybill-production", Help: "As the other side registered this client."},
		{Name: "client_secret", Label: "Client secret", Kind: model.FieldSecret, Help: "Given out with the client id. Not needed where the request is signed with a key."},
		{Name: "client_auth", Label: "How the request is made", Kind: model.FieldSelect, Default: authBody, Help: "As the documentation of the token endpoint says.", Options: []model.Option{
			{Value: authBody, Label: "POST, all in the form body"}, {Value: authBasic, Label: "POST, id and secret in the header (client_secret_basic)"},
			{Value: authBasicRaw, Label: "POST, id and secret in the header as typed (not form-encoded)"}, {Value: authKey, Label: "POST, signed with the key (private_key_jwt)"},
			{Value: authJSON, Label: "POST, all in a JSON body (Salesforce Marketing Cloud)"}, {Value: authQuery, Label: "POST, all in the query"}, {Value: authGet, Label: "GET, all in the query (legacy: secrets end up in logs)"}}},
		{Name: "account_id", Label: "Account id (MID)", Kind: model.FieldText, Max: 64, When: []string{authJSON}, Placeholder: "7281698",
			Help: "The business unit that the token is for. Empty = the one that the client belongs to."},
		{Name: "scope", Label: "Scope", Kind: model.FieldText, Placeholder: "orders.read orders.write", Help: "Parted by spaces or commas; sent parted by spaces."},
		{Name: "username", Label: "User name", Kind: model.FieldText, When: []string{grantPassword}, Placeholder: "integration@example.com", Help: "Of an account that may do nothing else."},
		{Name: "password", Label: "Password", Kind: model.FieldSecret, When: []string{grantPassword}},
	}
}

func assertionFields() []model.Field {
	signed := []string{grantJWT, authKey}
	return []model.Field{
		{Name: "assertion", Label: "Ready-made JSON Web Token", Kind: model.FieldSecret, Max: 16384, Lines: true, When: []string{grantJWT}, Placeholder: "eyJhbGciOi…",
			Help: "It ends some day; with a signing key instead, a fresh one is made for each request."},
		{Name: "signing_key", Label: "Signing key", Kind: model.FieldSecret, Max: 16384, Lines: true, When: signed, Placeholder: "-----BEGIN PRIVATE KEY-----",
			Help: "Private key in PEM form, without passphrase; for HS256 the shared secret."},
		{Name: "signing_algorithm", Label: "Algorithm", Kind: model.FieldSelect, Default: "RS256", Options: algorithms(), When: signed, Help: "As the other side expects it; the key has to fit."},
		{Name: "key_id", Label: "Key id (kid)", Kind: model.FieldText, Max: 255, When: signed, Placeholder: "2026-key-1", Help: "By which the other side finds the public key. Empty = none is named."},
		{Name: "issuer", Label: "Issuer (iss)", Kind: model.FieldText, Max: 1024, When: []string{grantJWT}, Help: "Empty = the client id."},
		{Name: "subject", Label: "Subject (sub)", Kind: model.FieldText, Max: 1024, When: []string{grantJWT}, Help: "Whom the token is for. Empty = the issuer."},
		{Name: "audience", Label: "Audience (aud)", Kind: model.FieldText, Max: 2048, When: signed, Help: "Empty = the access token URL without its query. Newer servers want their issuer identifier."},
		{Name: "assertion_seconds", Label: "Life of a signed token", Kind: model.FieldNumber, When: signed, Placeholder: "300", Unit: "seconds", Help: "From 30 to 3600. Empty = 300."},
	}
}

func oauth2MoreFields() []model.Field {
	return []model.Field{
		{Name: "extra", Label: "Extra parameters", Kind: model.FieldArea, Pairs: true, More: true, Placeholder: "audience=https://api.example.com",
			Help: "One name=value on each line, such as audience or resource. Not secret."},
		{Name: "cache_seconds", Label: "Keep tokens for", Kind: model.FieldNumber, More: true, Placeholder: "45", Unit: "seconds",
			Help: "At most 86400, and never longer than they live. Empty = 45; 0 = ask anew for every request."},
	}
}

// checkOAuth2 is what the fields cannot say by themselves.
func checkOAuth2(in typed, bad *fault.Check) {
	c := in.config
	checkTokenURL(c, bad)
	how := cmp.Or(c.Text("client_auth"), authBody)
	header := how == authBasic || how == authBasicRaw
	switch grant := c.Text("grant"); {
	case c.Text("client_id") == "" && (grant == grantClient || header || how == authKey || in.has("client_secret")):
		bad.Add("client_id", "Client id is needed.")
	case how == authKey:
	case (grant == grantClient || header) && !in.has("client_secret"):
		bad.Add("client_secret", "Client secret is needed.")
	}
	if how == authBasicRaw && strings.Contains(c.Text("client_id"), ":") {
		bad.Add("client_id", "Sent as typed, a client id cannot hold a colon: it is what parts id and secret.")
	}
	switch c.Text("grant") {
	case grantPassword:
		if c.Text("username") == "" {
			bad.Add("username", "User name is needed.")
		}
		if !in.has("password") {
			bad.Add("password", "Password is needed.")
		}
	case grantJWT:
		checkAssertion(in, bad)
	}
	if how == authKey && !in.has("signing_key") {
		bad.Add("signing_key", "Signing key is needed: the request is signed with it.")
	}
	if c.Text("account_id") != "" && how != authJSON {
		bad.Add("account_id", "Sent only where the request has a JSON body; choose that under “How the request is made”, or use an extra parameter.")
	}
	checkSigningKey(in, bad)
	checkSeconds(c, "assertion_seconds", minAssertion, maxAssertion, bad)
	checkSeconds(c, "cache_seconds", 0, maxCache, bad)
	checkExtra(c, bad)
}

func checkTokenURL(c model.Config, bad *fault.Check) {
	text := c.Text("token_url")
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		bad.Add("token_url", "An address that starts with https:// (or http://) and a host name.")
		return
	case u.User != nil:
		bad.Add("token_url", "Leave user name and password out of the address; they have fields of their own.")
	case strings.Contains(text, "#"):
		bad.Add("token_url", "The address of a token endpoint has no #fragment (RFC 6749, 3.2).")
	}
	for name := range u.Query() {
		if ownParameter(name) {
			bad.Add("token_url", "Leave %s out of the address; it has a field of its own.", name)
		}
		if _, twice := extra(c)[name]; twice {
			bad.Add("extra", "The access token URL holds %s already.", name)
		}
	}
}

func checkAssertion(in typed, bad *fault.Check) {
	if !in.has("assertion") && !in.has("signing_key") {
		bad.Add("assertion", "Paste a JSON Web Token here, or a signing key below.")
	}
	if text := in.secrets["assertion"].Reveal(); text != "" && strings.Count(strings.TrimSpace(text), ".") != 2 {
		bad.Add("assertion", "A signed JSON Web Token has three parts with dots between them.")
	}
	if in.secrets["assertion"] == "" && in.has("signing_key") && in.config.Text("issuer") == "" && in.config.Text("client_id") == "" {
		bad.Add("issuer", "A signed token needs an issuer; empty stands for the client id, which is empty too.")
	}
}

// checkSigningKey signs something with a key that was typed in now.
func checkSigningKey(in typed, bad *fault.Check) {
	if in.secrets["signing_key"] == "" {
		return
	}
	k := keyOf(in.config, in.secrets)
	_, words := k.parse()
	if words == "" {
		if _, err := k.sign(claims{life: time.Minute}, time.Unix(0, 0)); err != nil {
			words = k.unfit()
		}
	}
	if words != "" {
		bad.Add("signing_key", "%s%s", strings.ToUpper(words[:1]), words[1:])
	}
}

func checkSeconds(c model.Config, name string, least, most float64, bad *fault.Check) {
	if n, there := c[name].(float64); there && (n < least || n > most) {
		bad.Add(name, "Between %g and %g seconds.", least, most)
	}
}

func checkExtra(c model.Config, bad *fault.Check) {
	for name := range extra(c) {
		if ownParameter(name) {
			bad.Add("extra", "Leave %s out; it has a field of its own.", name)
		}
	}
}

// ownParameter reports whether Waybill sends this parameter of a token request by itself.
func ownParameter(name string) bool {
	switch name {
	case "grant_type", "account_id", "client_id", "client_secret", "scope", "username", "password", "assertion", "client_assertion", "client_assertion_type":
		return true
	}
	return false
}

// extra are the further parameters; values that are not text are left out.
func extra(c model.Config) map[string]string {
	out := map[string]string{}
	pairs, _ := c["extra"].(map[string]any)
	for name, v := range pairs {
		if text, ok := v.(string); ok {
			out[name] = text
		}
	}
	return out
}

// scopes is the scope with single spaces, whether it was typed with commas or spaces (RFC 6749, 3.3).
func scopes(c model.Config) string {
	return strings.Join(strings.FieldsFunc(c.Text("scope"), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }), " ")
}
