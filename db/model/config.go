package model

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"waybill/db/fault"
)

// FieldOf finds a field by its name, nil when there is none.
func FieldOf(fields []Field, name string) *Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// Clean is c in its stored form, whether it comes from a form (all texts) or from JSON: numbers, switches and objects as
// such, what is empty left out, and a select that was left open at its default. What does not fit its field stays as it
// is, for Check to complain of.
func (c Config) Clean(fields []Field) Config {
	out := Config{}
	for name, v := range c {
		if f := FieldOf(fields, name); f != nil {
			v = f.cleaned(v)
		}
		if v != nil && v != "" {
			out[name] = v
		}
	}
	for _, f := range fields {
		if f.Kind == FieldSelect && f.Default != "" && out[f.Name] == nil {
			out[f.Name] = f.Default
		}
	}
	return out
}

func (f Field) cleaned(v any) any {
	text, ok := v.(string)
	switch {
	case ok && f.Pairs:
		return pairs(text)
	case ok && f.Kind == FieldNumber:
		if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			return n
		}
	case ok && f.Kind == FieldCheck:
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
	case ok && f.Lines:
		return strings.ReplaceAll(text, "\r\n", "\n")
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

// Applies reports whether the field counts with what the selects of c hold (When).
func (f Field) Applies(fields []Field, c Config) bool {
	return len(f.When) == 0 || slices.ContainsFunc(fields, func(x Field) bool {
		return x.Kind == FieldSelect && slices.Contains(f.When, c.Text(x.Name)) && x.Applies(fields, c)
	})
}

// Check lists what of c does not fit the fields, by field name. Secrets have no place in it. What is required is so only
// where it applies. noun is what has the settings, such as "A connection of type slack".
func (c Config) Check(fields []Field, noun *fault.Words) []fault.Field {
	var bad fault.Check
	for name := range c {
		if f := FieldOf(fields, name); f == nil || f.Kind == FieldSecret {
			bad.Add(name, "%s has no setting of this name.", noun)
		}
	}
	for _, f := range fields {
		if there := f.Check(&bad, c); f.Required && !there && f.Applies(fields, c) {
			bad.Add(f.Name, "%s is needed.", fault.Noun(f.Label))
		}
	}
	return bad.Fields()
}

// Check complains of the value that c holds for the field, and reports whether there is one.
func (f Field) Check(bad *fault.Check, c Config) bool {
	v, there := c[f.Name]
	switch {
	case !there:
	case f.Pairs:
		f.checkPairs(bad, v)
	case f.Kind == FieldNumber:
		if n, ok := v.(float64); !ok || n != math.Trunc(n) || math.Abs(n) > 1e9 {
			bad.Add(f.Name, "This must be a whole number.")
		}
	case f.Kind == FieldCheck:
		if _, ok := v.(bool); !ok {
			bad.Add(f.Name, "This must be true or false.")
		}
	default:
		text, ok := v.(string)
		if !ok {
			bad.Add(f.Name, "This must be text.")
			return true
		}
		f.CheckText(bad, text)
		if f.Kind == FieldSelect && !slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == text }) {
			bad.Add(f.Name, "One of %s.", f.choices())
		}
		return text != ""
	}
	return there
}

// CheckText complains of a text that the field cannot hold.
func (f Field) CheckText(bad *fault.Check, text string) {
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

func (f Field) checkPairs(bad *fault.Check, v any) {
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
			f.CheckText(bad, name+"="+value)
		}
	}
}

func (f Field) choices() string {
	var out []string
	for _, o := range f.Options {
		out = append(out, o.Value)
	}
	return strings.Join(out, ", ")
}
