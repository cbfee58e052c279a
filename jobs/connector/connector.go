// Package connector holds the types of connections: what a request to such a system looks like and what its answer
// means.
//
// A type is one file that ends in a Type; Types lists them. Build and Judge are pure: rendering (jobs/script),
// authentication (jobs/scheme) and the exchange itself (jobs/egress) happen around them, in jobs/deliver. It refuses
// paths that leave the connection's base URL and headers that frame the message.
package connector

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// Type is one kind of system that a connection can lead to.
type Type struct {
	Type    model.ConnectionType
	Title   string
	Summary string        // one sentence for the card
	Glyph   string        // path data of a 24 × 24 icon
	Fields  []model.Field // settings{} of the connection
	Methods []string      // that the form of a destination offers; the first is the default
	Sign    bool          // new destinations are signed
	Docs    string        // a paragraph beside the form

	build func(model.Connection, model.Destination, Rendered) (egress.Request, error)
	judge func(x egress.Exchange, now time.Time) Verdict
}

// Types lists all types in the order of their cards.
func Types() []Type { return []Type{webhook(), customHTTP()} }

// ByType finds a type.
func ByType(t model.ConnectionType) (Type, bool) {
	for _, k := range Types() {
		if k.Type == t {
			return k, true
		}
	}
	return Type{}, false
}

// Rendered is what the destination's path, headers and template became for one message.
type Rendered struct {
	Path    string // with its query, without the base URL
	Headers []model.Header
	Body    []byte
}

// Build makes the request of one attempt, without authentication and signature. The error is always an *egress.Error:
// class refused when the path or a header is not allowed, setup when the connection cannot be used.
func Build(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	t, ok := ByType(conn.Type)
	if !ok {
		return egress.Request{}, &egress.Error{Class: model.ClassSetup, Message: fmt.Sprintf("Waybill knows no connection type %q.", conn.Type)}
	}
	return t.build(conn, dest, r)
}

// CheckHeader says why a destination cannot have this header, or "". It holds for what is typed in and again for what
// a template made of it.
func CheckHeader(name, value string) string {
	if bad := egress.CheckHeader(name, value); bad != "" {
		return bad
	}
	switch {
	case http.CanonicalHeaderKey(name) == "Content-Type":
		return "The content type has a field of its own."
	case scheme.Owned(name):
		return "Waybill sets this header itself: it identifies and signs the message."
	}
	return ""
}

// buildHTTP is a plain request: base URL and path joined, headers in their order, the body as rendered. A GET without
// a template has no body; a content type goes along only with a body.
func buildHTTP(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	address, bad := Join(conn, r.Path)
	if bad != "" {
		return egress.Request{}, refused(egress.RuleURL, bad)
	}
	req := egress.Request{
		Method: dest.Method, URL: address, Header: make(http.Header, len(r.Headers)+6), Body: r.Body,
		Timeout: time.Duration(cmp.Or(conn.TimeoutSeconds, model.DefaultTimeout)) * time.Second, MaxBody: model.MaxStoredResponse,
	}
	if dest.Method == http.MethodGet && dest.Template == "" {
		req.Body = nil
	}
	for _, h := range r.Headers {
		if bad := CheckHeader(h.Name, h.Value); bad != "" {
			return egress.Request{}, refused(egress.RuleHeader, fmt.Sprintf("The header %q of the destination cannot be sent: %s", h.Name, bad))
		}
		req.Header.Add(h.Name, h.Value)
	}
	if len(req.Body) > 0 {
		kind := cmp.Or(dest.ContentType, model.DefaultContentType)
		if bad := egress.CheckHeader("Content-Type", kind); bad != "" {
			return egress.Request{}, refused(egress.RuleHeader, "The content type of the destination cannot be sent: "+bad)
		}
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

func refused(rule egress.Rule, message string) *egress.Error {
	return &egress.Error{Class: model.ClassRefused, Message: message, Refusal: &egress.Refusal{Rule: rule, Message: message}}
}
