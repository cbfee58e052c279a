// Package connector holds the types of connections: what a request to such a system looks like and what its answer
// means.
//
// A type is one file that ends in a Type; Types lists them. Its settings are data (model.Field) that views draw and
// Check checks, whatever the type. Build and Judge are pure: rendering (jobs/script), authentication (jobs/scheme) and
// the exchange itself (jobs/egress) happen around them, in jobs/deliver. It refuses paths that leave the connection's base
// URL and headers that frame the message.
package connector

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// Type is one kind of system that a connection can lead to. Everything that pages, REST and delivery know of it stands
// here: a new one is a file that ends in a Type, and a line in Types.
type Type struct {
	Type    model.ConnectionType
	Title   string
	Summary string        // one sentence for the card
	Glyph   string        // path data of a 24 × 24 icon, an own drawing
	Hue     string        // of its icon: violet, blue, green, cyan, plum, pink, indigo or amber; "" = blue
	Form    Form          // what the form of a connection says in words of the system
	Fields  []model.Field // settings{} of the connection, without secrets: those belong into credentials
	// Destination are the settings{} of a destination, nil = none; they may depend on what the connection has chosen.
	Destination func(model.Connection) []model.Field
	Methods     []string  // that the form of a destination offers; the first is the default
	Sign        bool      // new destinations are signed
	Docs        string    // a paragraph beside the form
	Guide       []Section // the page of documentation
	Samples     []Sample  // templates to begin with
	// BaseURL is the one of a connection that names none; nil = it has to.
	BaseURL func(model.Config) string
	// Credentials are the kinds that requests of a connection with these settings can carry, the usual one first; without
	// settings: those of any. nil = whatever there is. NeedsCredential says that they have to carry one.
	Credentials     func(model.Config) []model.CredentialType
	NeedsCredential bool
	// Preset is what the form of a credential begins with that is made for such a connection, by name of the field.
	Preset map[string]string
	// Fixed says that the settings of a destination decide its method and path, so that forms do not ask for them.
	Fixed bool
	// NoDestinations says why a connection has none and what it is for; "" = it has destinations.
	NoDestinations string
	// TokenHost names the member of the token endpoint's answer that says which host requests go to, in place of the
	// connection's; "" = the connection's.
	TokenHost string
	// Records says that the template makes one record: it is rendered for each event of a batch by itself, and build puts
	// the records into one request.
	Records bool

	// defaults is what a new destination begins with; zero values are as usual.
	defaults func(model.Connection, model.Config) model.Destination
	// checkConnection and check add complaints that the fields cannot know, by field name ("settings.channel").
	checkConnection func(model.Connection, *fault.Check)
	check           func(model.Connection, model.Destination, *fault.Check)
	// template is the one that a destination without a text of its own has; nil or "" = the event's data.
	template func(model.Connection, model.Destination) string
	// limit is what the system lets all of its clients do together, nil = it sets none: all destinations of all connections to
	// the same host keep to it together.
	limit func(model.Connection) Limit
	// look draws what people will see of a body; nil = nothing beyond the request.
	look  func(body []byte) []model.LookBlock
	build func(model.Connection, model.Destination, Rendered) (egress.Request, error)
	judge func(Answer) Verdict
	// follow is the first request that asks what became of a message that the other side took (Verdict.Follow).
	follow func(Followed) Asked
	// probes are the requests that test a connection, in order; nil = only a destination can be tested.
	probes func(model.Connection, time.Time) []Probe
}

// Limit is what all requests to a system may do together; 0 = as much as they like.
type Limit struct {
	Rate        float64 // calls a second
	MaxInFlight int     // calls at once
}

// LimitOf is the limit that destinations of c share with all others that lead to the same host, zero = none.
func LimitOf(c model.Connection) Limit {
	if t, _ := ByType(c.Type); t.limit != nil {
		return t.limit(c)
	}
	return Limit{}
}

// Form is what a form calls things that are called otherwise at the system; empty = as for any connection.
type Form struct {
	Name             string            // an example
	Where, WhereHelp string            // heading of what says where the system is
	URL, URLHelp     string            // label of the base URL, and what stands under it
	Groups           map[string]string // sentences under the headings of groups of fields
}

// Section is a part of a page of documentation: paragraphs, and what stands below them as code.
type Section struct {
	Title string
	Text  []string
	Code  string
}

// Sample is a template to begin with.
type Sample struct {
	Title    string
	Template string
}

// Probe is one request that shows whether a connection works.
type Probe struct {
	Title   string // what it does, such as "Write a small object"
	Request egress.Request
	Judge   func(Answer) Verdict
}

// Answer is what came back, and to what.
type Answer struct {
	Connection  model.Connection
	Destination model.Destination // zero of a probe
	Exchange    egress.Exchange
	Records     int // in the request, of types that take several
	Now         time.Time
}

// Followed is a message that the other side took.
type Followed struct {
	Connection  model.Connection
	Destination model.Destination
	Reference   string    // by which the other side knows it
	Since       time.Time // when it was taken
	Records     int       // in it
}

// Asked is a request that asks what became of a message.
type Asked struct {
	Request egress.Request
	Tell    func(Answer) Tale
}

// Tale is what an answer to that says: a verdict, unless one of the others is set.
type Tale struct {
	Verdict Verdict
	Split   bool          // which records went wrong is not told: each goes by itself
	Wait    time.Duration // it is not known yet: ask again after this long
	Words   string        // … because
	Next    *Asked        // ask this too, at once
}

// Follow is the first request that asks what became of a message, false when the type has none.
func Follow(f Followed) (Asked, bool) {
	t, _ := ByType(f.Connection.Type)
	if t.follow == nil {
		return Asked{}, false
	}
	return t.follow(f), true
}

// Types lists all types in the order of their cards.
func Types() []Type { return types }

var types = []Type{webhook(), customHTTP(), bucket(), salesforce(), marketo(), slack(), teams()}

// ByType finds a type.
func ByType(t model.ConnectionType) (Type, bool) {
	for i := range types {
		if types[i].Type == t {
			return types[i], true
		}
	}
	return Type{}, false
}

// DestinationFields are the settings of a destination of c.
func (t Type) DestinationFields(c model.Connection) []model.Field {
	if t.Destination == nil {
		return nil
	}
	return t.Destination(c)
}

// Kinds are the kinds of credentials that requests of a connection with these settings can carry; nil = any.
func (t Type) Kinds(settings model.Config) []model.CredentialType {
	if t.Credentials == nil {
		return nil
	}
	return t.Credentials(settings)
}

// Probes are the requests that test a connection of the type.
func (t Type) Probes(c model.Connection, now time.Time) []Probe { return t.probes(c, now) }

// Tests reports whether a connection can be tested by itself.
func (t Type) Tests() bool { return t.probes != nil }

// UsualURL is the base URL of a connection of the type that names none and has its usual settings, "" = there is none.
func (t Type) UsualURL() string {
	if t.BaseURL == nil {
		return ""
	}
	return t.BaseURL(model.Config{}.Clean(t.Fields))
}

// Makes reports whether the settings of a destination make a template where there is none.
func (t Type) Makes() bool { return t.template != nil }

// Looks reports whether messages can be drawn as people will see them.
func (t Type) Looks() bool { return t.look != nil }

// Rendered is what the destination's path, headers and template became for one message.
type Rendered struct {
	Path    string // with its query, without the base URL
	Joined  Joined // a path that was joined before
	Headers []model.Header
	Body    []byte
	// Records are what the template made of each event, of types that take several; Body is nil then.
	Records [][]byte
}

// Build makes the request of one attempt, without authentication and signature. The error is always an *egress.Error:
// class refused when the path or a header is not allowed, setup when the connection cannot be used.
func Build(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	t, ok := ByType(conn.Type)
	if !ok {
		return egress.Request{}, &egress.Error{Class: model.ClassSetup, Message: fmt.Sprintf("Waybill knows no connection type %q.", conn.Type)}
	}
	if t.build == nil {
		return egress.Request{}, &egress.Error{Class: model.ClassSetup, Message: t.NoDestinations}
	}
	return t.build(conn, dest, r)
}

// CheckHeader says why a destination cannot have this header, or nil. It holds for what is typed in and again for what
// a template made of it.
func CheckHeader(name, value string) *fault.Words {
	if bad := egress.CheckHeader(name, value); bad != nil {
		return bad
	}
	switch {
	case http.CanonicalHeaderKey(name) == "Content-Type":
		return fault.Say("The content type has a field of its own.")
	case scheme.Owned(name):
		return fault.Say("Waybill sets this header itself: it identifies and signs the message.")
	}
	return nil
}

// buildHTTP is a plain request: base URL and path joined, headers in their order, the body as rendered. A GET without
// a template has no body; a content type goes along only with a body.
func buildHTTP(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	address, bad := r.Joined.Address, ""
	if address == "" || r.Joined.Path != r.Path {
		address, bad = Join(conn, r.Path)
	}
	if bad != "" {
		return egress.Request{}, refused(egress.RuleURL, fault.Text(bad))
	}
	req := egress.Request{
		Method: dest.Method, URL: address, Header: make(http.Header, len(r.Headers)+6), Body: r.Body,
		Timeout: time.Duration(cmp.Or(conn.TimeoutSeconds, model.DefaultTimeout)) * time.Second, MaxBody: model.MaxStoredResponse,
	}
	if dest.Method == http.MethodGet && dest.Template == "" {
		req.Body = nil
	}
	for _, h := range r.Headers {
		if bad := CheckHeader(h.Name, h.Value); bad != nil {
			return egress.Request{}, refused(egress.RuleHeader, fault.Say("The header %q of the destination cannot be sent: %s", h.Name, bad))
		}
		req.Header.Add(h.Name, h.Value)
	}
	if len(req.Body) > 0 {
		kind := cmp.Or(dest.ContentType, model.DefaultContentType)
		if bad := egress.CheckHeader("Content-Type", kind); bad != nil {
			return egress.Request{}, refused(egress.RuleHeader, fault.Say("The content type of the destination cannot be sent: %s", bad))
		}
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

func refused(rule egress.Rule, words *fault.Words) *egress.Error {
	message := words.String()
	return &egress.Error{Class: model.ClassRefused, Message: message, Refusal: &egress.Refusal{Rule: rule, Words: words, Message: message}}
}
