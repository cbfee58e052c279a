package scheme

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"waybill/db/fault"
	"waybill/db/model"
)

// typed is a credential as a person or a program hands it in; stored names the secrets that are already there, and
// secrets holds those that are to replace them.
type typed struct {
	config  model.Config
	secrets model.Secrets
	stored  []string
}

// has reports whether the secret is typed or stored.
func (in typed) has(name string) bool {
	return in.secrets[name] != "" || slices.Contains(in.stored, name)
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

// Clean puts settings into their stored form, whether they come from a form (all texts) or from JSON: numbers, switches
// and objects as such, what is empty left out, and a select that was left open at its default. What does not fit its
// field stays as it is, for Check to complain of.
func Clean(t model.CredentialType, config model.Config) model.Config {
	k, ok := ByType(t)
	if !ok {
		return config
	}
	out := model.Config{}
	for name, v := range config {
		if f := k.field(name); f != nil {
			v = cleaned(*f, v)
		}
		if v != nil && v != "" {
			out[name] = v
		}
	}
	for _, f := range k.Fields {
		if f.Kind == model.FieldSelect && f.Default != "" && out[f.Name] == nil {
			out[f.Name] = f.Default
		}
	}
	return out
}

func cleaned(f model.Field, v any) any {
	text, ok := v.(string)
	switch {
	case ok && f.Pairs:
		return pairs(text)
	case ok && f.Kind == model.FieldNumber:
		if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			return n
		}
	case ok && f.Kind == model.FieldCheck:
		switch text {
		case "", "false":
			return false
		case "on", "true":
			return true
		}
	case f.Pairs:
		if m, ok := v.(map[string]any); ok && len(m) == 0 {
			return nil
		}
	}
	return v
}

// pairs reads lines of name=value; a line without the sign stays text, and so the whole does. Spaces around names and
// values do not count.
func pairs(text string) any {
	out := map[string]any{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || out[name] != nil {
			return text
		}
		out[name] = strings.TrimSpace(value)
	}
	if len(out) == 0 {
		return nil
	}
	return out
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
	in := typed{config, secrets, stored}
	for _, f := range k.Fields {
		in.checkField(&bad, f)
	}
	if len(bad.Fields()) == 0 && k.check != nil {
		k.check(in, &bad)
	}
	return bad.Fields()
}

func (in typed) checkField(bad *fault.Check, f model.Field) {
	v, there := in.config[f.Name]
	switch {
	case f.Kind == model.FieldSecret:
		checkText(bad, f, in.secrets[f.Name].Reveal())
	case !there:
	case f.Pairs:
		checkPairs(bad, f, v)
	case f.Kind == model.FieldNumber:
		if n, ok := v.(float64); !ok || n != math.Trunc(n) || math.Abs(n) > 1e9 {
			bad.Add(f.Name, "This must be a whole number.")
		}
	case f.Kind == model.FieldCheck:
		if _, ok := v.(bool); !ok {
			bad.Add(f.Name, "This must be true or false.")
		}
	default:
		text, ok := v.(string)
		if !ok {
			bad.Add(f.Name, "This must be text.")
			return
		}
		checkText(bad, f, text)
		if f.Kind == model.FieldSelect && !slices.ContainsFunc(f.Options, func(o model.Option) bool { return o.Value == text }) {
			bad.Add(f.Name, "One of %s.", choices(f))
		}
		there = text != ""
	}
	if f.Required && !there && !in.has(f.Name) {
		bad.Add(f.Name, "%s is needed.", f.Label)
	}
}

func checkText(bad *fault.Check, f model.Field, text string) {
	control := func(r rune) bool { return unicode.IsControl(r) && !(f.Lines && (r == '\n' || r == '\r' || r == '\t')) }
	switch n := utf8.RuneCountInString(text); {
	case n > f.Limit():
		bad.Add(f.Name, "At most %d characters; these are %d.", f.Limit(), n)
	case !utf8.ValidString(text):
		bad.Add(f.Name, "This is not valid UTF-8 text.")
	case strings.ContainsFunc(text, control):
		bad.Add(f.Name, "Line breaks and other control characters cannot be sent; was one pasted along?")
	}
}

// maxPairs is how many names a field of pairs takes.
const maxPairs = 50

func checkPairs(bad *fault.Check, f model.Field, v any) {
	pairs, ok := v.(map[string]any)
	switch {
	case !ok:
		bad.Add(f.Name, "One name=value on each line; in JSON an object of texts.")
	case len(pairs) > maxPairs:
		bad.Add(f.Name, "At most %d lines; these are %d.", maxPairs, len(pairs))
	}
	for name, v := range pairs {
		value, ok := v.(string)
		switch {
		case !ok:
			bad.Add(f.Name, "The value of %q must be text.", name)
		case name == "" || strings.Contains(name, "="):
			bad.Add(f.Name, "A name is missing or holds an equals sign; write name=value.")
		default:
			checkText(bad, f, name+"="+value)
		}
	}
}

func choices(f model.Field) string {
	var out []string
	for _, o := range f.Options {
		out = append(out, o.Value)
	}
	return strings.Join(out, ", ")
}

func names() string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, string(k.Type))
	}
	return strings.Join(out, ", ")
}
