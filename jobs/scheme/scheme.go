// Package scheme is how a credential is applied to a request, and how it is kept out of what is stored afterwards.
//
// Each kind of credential is one file that ends in a Kind; Kinds lists them. Secrets come in opened (db/seal is the
// caller's business) and leave only in the request itself: Applied names the places, and a Redactor removes every
// spelling of a value from what is recorded. It also signs messages by Standard Webhooks. It makes no request of its
// own but through jobs/egress, and decides nothing about retries.
package scheme

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// Kind is one type of credential: its form, its rules and its way onto a request.
type Kind struct {
	Type    model.CredentialType
	Title   string
	Summary string // one sentence for the card
	Glyph   string // path data of a 24 × 24 icon
	Weak    bool   // a better choice exists; Summary says which
	Fields  []model.Field

	// check adds complaints beyond what Fields say; only secrets that were typed in now are present.
	check func(c model.Config, s model.Secrets, bad *fault.Check)
	// apply puts the credential on the request.
	apply func(ctx context.Context, e *egress.Client, req *egress.Request, m Material) (Applied, error)
	// derived are secret texts that consist of more than one field.
	derived func(m Material) []string
}

// Material is an opened credential.
type Material struct {
	Type    model.CredentialType
	Config  model.Config
	Secrets model.Secrets
}

// Applied names where the credential stands in the request, so that records can leave it out whatever its value is.
type Applied struct {
	Headers []string // canonical names
	Query   []string // parameter names
}

// Kinds lists all kinds in the order in which the form offers them.
func Kinds() []Kind { return []Kind{basic(), bearer(), header()} }

// ByType finds a kind.
func ByType(t model.CredentialType) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Type == t {
			return k, true
		}
	}
	return Kind{}, false
}

// Split parts the config{} of a request into settings and secrets. Empty secrets and nulls are left out: they mean
// "as stored". Names of complaints are field names.
func (k Kind) Split(in map[string]any) (model.Config, model.Secrets, []fault.Field) {
	config, secrets := model.Config{}, model.Secrets{}
	var bad fault.Check
	for name, v := range in {
		f := k.field(name)
		switch {
		case v == nil:
		case f == nil || f.Kind != model.FieldSecret:
			config[name] = v
		default:
			text, ok := v.(string)
			if !ok {
				bad.Add(name, "This must be text.")
			} else if text != "" {
				secrets[name] = model.Secret(text)
			}
		}
	}
	return config, secrets, bad.Fields()
}

func (k Kind) field(name string) *model.Field {
	i := slices.IndexFunc(k.Fields, func(f model.Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &k.Fields[i]
}

// Check lists what is wrong with a credential of type t; stored names the secrets that are already there. Complaints
// are named by field ("username"), or "type".
func Check(t model.CredentialType, config model.Config, secrets model.Secrets, stored []string) []fault.Field {
	var bad fault.Check
	k, ok := ByType(t)
	if !ok {
		bad.Add("type", "There is no such credential type; choose one of %s.", names())
		return bad.Fields()
	}
	for name := range config {
		if f := k.field(name); f == nil || f.Kind == model.FieldSecret {
			bad.Add(name, "A credential of type %s has no setting of this name.", t)
		}
	}
	for name := range secrets {
		if f := k.field(name); f == nil || f.Kind != model.FieldSecret {
			bad.Add(name, "A credential of type %s has no secret of this name.", t)
		}
	}
	for _, f := range k.Fields {
		k.checkField(&bad, f, config, secrets, stored)
	}
	if len(bad.Fields()) == 0 && k.check != nil {
		k.check(config, secrets, &bad)
	}
	return bad.Fields()
}

func (k Kind) checkField(bad *fault.Check, f model.Field, config model.Config, secrets model.Secrets, stored []string) {
	text, kept := config.Text(f.Name), false
	if f.Kind == model.FieldSecret {
		text, kept = secrets[f.Name].Reveal(), slices.Contains(stored, f.Name)
	} else if v, there := config[f.Name]; there {
		if _, ok := v.(string); !ok {
			bad.Add(f.Name, "This must be text.")
			return
		}
	}
	switch n := utf8.RuneCountInString(text); {
	case text == "" && f.Required && !kept:
		bad.Add(f.Name, "%s is needed.", f.Label)
	case n > f.Limit():
		bad.Add(f.Name, "At most %d characters; these are %d.", f.Limit(), n)
	case !utf8.ValidString(text):
		bad.Add(f.Name, "This is not valid UTF-8 text.")
	case strings.ContainsFunc(text, unicode.IsControl):
		bad.Add(f.Name, "Line breaks and other control characters cannot be sent; was one pasted along?")
	}
}

func names() string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, string(k.Type))
	}
	return strings.Join(out, ", ")
}

// Apply puts a credential on a request. The error is always an *egress.Error: class auth when the credential cannot be
// used, refused when it would travel in the clear.
func Apply(ctx context.Context, e *egress.Client, req *egress.Request, m Material) (Applied, error) {
	k, ok := ByType(m.Type)
	if !ok {
		return Applied{}, unusable("Waybill knows no credential type " + string(m.Type) + ".")
	}
	if r := e.Check(req.URL); r != nil && r.Rule == egress.RulePlain {
		return Applied{}, &egress.Error{Class: model.ClassRefused, Refusal: r, Message: "The credential would travel in the clear. " + r.Message}
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	return k.apply(ctx, e, req, m)
}

func unusable(message string) *egress.Error {
	return &egress.Error{Class: model.ClassAuth, Message: message}
}

// set puts a secret into a header, in place of what stood there.
func set(req *egress.Request, name, value string) (Applied, error) {
	if bad := egress.CheckHeader(name, value); bad != "" {
		return Applied{}, unusable("The credential cannot be sent as the header " + name + ": " + bad)
	}
	req.Header.Set(name, value)
	return Applied{Headers: []string{http.CanonicalHeaderKey(name)}}, nil
}
