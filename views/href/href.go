// Package href holds every URL of the product as a function, so that a path is
// spelled once: routes, redirects and links all come from here. It builds paths
// only; it knows no host, no rights and no types of other packages (ids are any
// ~string). Everything above it in the house may import it.
package href

import (
	"net/url"
	"strings"
)

// Pattern is the parameter that stands for an id when a route is registered:
// href.Connection(href.Pattern) is "/connections/:id".
const Pattern = ":id"

// path joins fixed parts and ids; a part is escaped unless it is a route parameter.
func path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		if strings.HasPrefix(p, ":") {
			b.WriteString(p)
			continue
		}
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// With appends a query to a URL. Pairs are name, value, name, value …; empty
// values are left out, so that a cleared filter leaves no trace in the address.
func With(base string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	return WithValues(base, q)
}

// WithValues appends the non-empty values of q to a URL.
func WithValues(base string, q url.Values) string {
	kept := url.Values{}
	for name, values := range q {
		for _, v := range values {
			if v != "" {
				kept.Add(name, v)
			}
		}
	}
	if len(kept) == 0 {
		return base
	}
	sep := "?"
	if strings.Contains(base, "?") {
		sep = "&"
	}
	return base + sep + kept.Encode()
}

// The pages around signing in.

func Home() string                  { return "/" }
func Login() string                 { return "/login" }
func LoginThen(p string) string     { return With(Login(), "next", p) }
func SignedInAgain() string         { return "/login/again" }
func HasSession() string            { return "/login/session" }
func LoginCode() string             { return "/login/code" }
func LoginCodeThen(p string) string { return With(LoginCode(), "next", p) }
func Forgot() string                { return "/login/forgot" }
func ResetPassword() string         { return "/login/reset" }
func ResetLink(token string) string { return With(ResetPassword(), "token", token) }
func Logout() string                { return "/logout" }
func Theme() string                 { return "/theme" }
func Setup() string                 { return "/setup" }
func SetupLink(token string) string {
	return With(Setup(), "token", token)
}
func Account() string             { return "/account" }
func AccountPassword() string     { return "/account/password" }
func AccountFormat() string       { return "/account/format" }
func SecondFactor() string        { return "/account/second-factor" }
func SecondFactorQR() string      { return "/account/second-factor/qr" }
func ConfirmSecondFactor() string { return "/account/second-factor/confirm" }
func RecoveryCodes() string       { return "/account/second-factor/codes" }
func RemoveSecondFactor() string  { return "/account/second-factor/remove" }
func RevokeSession[ID ~string](id ID) string {
	return path("account", "sessions", string(id), "revoke")
}
func RevokeOtherSessions() string { return "/account/sessions/revoke-others" }
func Shortcuts() string           { return "/account/shortcuts" }
func Palette() string             { return "/palette" }
func Search() string              { return "/search" }
func Docs() string                { return "/docs" }
func OpenAPI() string             { return "/api/v1/openapi.json" }
func Components() string          { return "/dev/components" }
func Settings() string            { return "/settings" }
func Audit() string               { return "/audit" }
func AuditCSV() string            { return "/audit.csv" }

// DocsOf is the part of the API reference about one noun; DocsCall is one call in it, DocsObject an object, "" = of no noun.
func DocsOf(resource string) string         { return path("docs", resource) }
func DocsCall(resource, call string) string { return DocsOf(resource) + "#" + call }
func DocsObject(resource, name string) string {
	if resource == "" {
		return Docs() + "#object-" + name
	}
	return DocsOf(resource) + "#object-" + name
}

// AuditEntry is one change; AuditOf is the history of one thing.
func AuditEntry[ID ~string](id ID) string { return path("audit", string(id)) }
func AuditOf(id string) string            { return With(Audit(), "object_id", id) }
func DeliveriesCSV() string               { return "/deliveries.csv" }
func EventsCSV() string                   { return "/events.csv" }
func Receiver(rest string) string {
	return "http://receiver.waybill.internal/" + strings.TrimPrefix(rest, "/")
}
