package scheme

import (
	"context"
	"net/url"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// secretURL is an address whose knowledge is all that is asked for, as chat systems hand out for webhooks. It takes the
// place of the request's own path and query, and leads nowhere but to the connection's host.
func secretURL() Kind {
	return Kind{
		Type: model.CredentialSecretURL, Title: "Secret URL",
		Summary: "An address that is itself the password, as Slack and Microsoft Teams hand out for webhooks.",
		Glyph:   "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
		Fields: []model.Field{{Name: "url", Label: "URL", Kind: model.FieldSecret, Required: true, Max: 4096, Placeholder: "https://hooks.slack.com/services/T…/B…/…",
			Help: "The whole address as it was handed out. Requests go there, whatever path a destination has; only its host is ever shown."}},
		check: func(in typed, bad *fault.Check) {
			if text := in.secrets["url"].Reveal(); text != "" {
				if w := checkSecretURL(text); w != "" {
					bad.Add("url", "%s", w)
				}
			}
		},
		apply: func(_ context.Context, _ *Keeper, req *egress.Request, m Material) (Applied, error) {
			secret, err := url.Parse(m.Secrets["url"].Reveal())
			to, bad := url.Parse(req.URL)
			if err != nil || bad != nil || origin(secret) != origin(to) {
				return Applied{}, &egress.Error{Class: model.ClassRefused, Message: "The secret URL leads to another host than the connection (" + to.Host +
					"). Put the beginning of the secret URL, up to the host, into the base URL of the connection."}
			}
			req.URL = secret.String()
			return Applied{}, nil
		},
		// The host is no secret, and an attempt that does not show it says nothing.
		masks: func(m Material) []string {
			u, err := url.Parse(m.Secrets["url"].Reveal())
			if err != nil {
				return []string{m.Secrets["url"].Reveal()}
			}
			whole := strings.TrimLeft(u.RequestURI(), "/")
			return []string{whole, strings.TrimLeft(u.EscapedPath(), "/"), u.RawQuery, u.Query().Get("sig"), whole[strings.LastIndexByte(whole, '/')+1:]}
		},
	}
}

func checkSecretURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "A whole address that starts with https:// and a host name."
	case u.User != nil || u.Fragment != "":
		return "An address without user name and #fragment."
	case strings.Trim(u.Path, "/") == "" && u.RawQuery == "":
		return "This address has nothing secret: it ends after the host. Was it pasted whole?"
	}
	return ""
}

// origin is scheme, host and port of an address, spelled one way.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// OriginOf is what of a secret URL is no secret, such as https://hooks.slack.com; "" when it is no address.
func OriginOf(secret model.Secret) string {
	u, err := url.Parse(secret.Reveal())
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
