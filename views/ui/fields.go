package ui

import (
	"context"
	"strings"

	"github.com/a-h/templ"
)

// FieldProps describe one field of a form, whatever its control. Name is the
// name that is posted, and the key of its error.
type FieldProps struct {
	ID, Name, Label string // ID: "" = "f-" + Name
	Hint, Error     string // plain sentences
	Own             bool   // Label and Hint are people's own words, which no language changes
	Required        bool   // marked for assistive technology; optional ones are not marked as such
	Disabled        bool
	Value           string
	Type            string // of an input: "" = text
	Placeholder     string
	Autocomplete    string // "" = off
	Prefix, Suffix  string // text joined to the control: a scheme, a unit
	Mono            bool   // for what is read by machines
	Narrow          bool   // for numbers
	Rows            int    // of a text area: 0 = 3
	Multiline       bool   // of a secret: a key or certificate
	Attrs           templ.Attributes
}

// Option is one choice of a select or of a segmented control.
type Option struct {
	Value, Label string
	Disabled     bool
	Own          bool // Label is a name, or people's own words
}

func (o Option) words(ctx context.Context) string { return ours(ctx, o.Label, o.Own) }

// FieldError is one line of an error summary: the field's name (or ID) and what is wrong with it.
type FieldError struct{ Name, ID, Label, Message string }

// words is what is wrong, after the name of the field where that is known.
func (e FieldError) words(ctx context.Context) string {
	if e.Label == "" {
		return say(ctx, e.Message)
	}
	return e.Label + ": " + say(ctx, e.Message)
}

func (e FieldError) target() string {
	if e.ID != "" {
		return "#" + e.ID
	}
	return "#" + fieldID(e.Name)
}

// Stored says whether a secret is kept, and what may be shown of it ("ends in 4f2a", "set 3 days ago").
type Stored struct {
	Set  bool
	Hint string
}

// Pair is one row of KeyValueRows.
type Pair struct{ Name, Value, Error string }

// KeyValueProps describe rows of a name and a value. They post Name+"_name" and
// Name+"_value", once per row, in order; rows with an empty name are blanks.
type KeyValueProps struct {
	Legend, Name, Hint, Error string
	NameLabel, ValueLabel     string // "" = Name, Value
	NamePlaceholder           string
	ValuePlaceholder          string
	AddLabel                  string // "" = Add row
	Rows                      []Pair
}

// spare rows are offered to those without scripts; with scripts one is kept.
const spare = 3

func (p KeyValueProps) rows() []Pair {
	return append(append([]Pair{}, p.Rows...), make([]Pair, spare)...)
}

// SearchProps describe a search field.
type SearchProps struct {
	ID, Name, Label, Value string // ID: "" = "f-" + Name
	Placeholder            string // "" = Label
	Attrs                  templ.Attributes
}

func fieldID(name string) string {
	return "f-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, name)
}

func (p FieldProps) id() string {
	if p.ID != "" {
		return p.ID
	}
	return fieldID(p.Name)
}

// FieldAttrs are the attributes that tie a control to its field: id, name,
// required, the descriptions and the invalid mark. For controls of one's own in Field.
func FieldAttrs(p FieldProps) templ.Attributes {
	a := templ.Attributes{"id": p.id(), "name": p.Name}
	for k, v := range p.Attrs {
		a[k] = v
	}
	var by []string
	if p.Error != "" {
		a["aria-invalid"] = "true"
		by = append(by, p.id()+"-error")
	}
	if p.Hint != "" {
		by = append(by, p.id()+"-hint")
	}
	if len(by) > 0 {
		a["aria-describedby"] = strings.Join(by, " ")
	}
	if p.Required {
		a["required"] = true
	}
	if p.Disabled {
		a["disabled"] = true
	}
	if p.Placeholder != "" {
		a["placeholder"] = p.Placeholder
	}
	return a
}

func (p FieldProps) typ() string {
	if p.Type == "" {
		return "text"
	}
	return p.Type
}

func (p FieldProps) autocomplete() string {
	if p.Autocomplete == "" {
		return "off"
	}
	return p.Autocomplete
}

func (p FieldProps) lines() string {
	if p.Rows == 0 {
		return "3"
	}
	return itoa(p.Rows)
}

// checkID tells check boxes and radios of one name apart by their value.
func (p FieldProps) checkID() string {
	if p.ID != "" || p.Value == "" || p.Value == "true" {
		return p.id()
	}
	return fieldID(p.Name + "-" + p.Value)
}

func checkAttrs(p FieldProps) templ.Attributes {
	a := FieldAttrs(p)
	id := p.checkID()
	a["id"] = id
	var by []string
	if p.Error != "" {
		by = append(by, id+"-error")
	}
	if p.Hint != "" {
		by = append(by, id+"-hint")
	}
	if len(by) > 0 {
		a["aria-describedby"] = strings.Join(by, " ")
	}
	return a
}

// radioAttrs are check attributes without the required mark: the group carries it.
func radioAttrs(p FieldProps) templ.Attributes {
	a := checkAttrs(p)
	delete(a, "aria-invalid")
	return a
}

func (p FieldProps) value() string {
	if p.Value == "" {
		return "true"
	}
	return p.Value
}

func describedBy(id, hint, err string) templ.Attributes {
	var by []string
	if err != "" {
		by = append(by, id+"-error")
	}
	if hint != "" {
		by = append(by, id+"-hint")
	}
	if len(by) == 0 {
		return nil
	}
	return templ.Attributes{"aria-describedby": strings.Join(by, " ")}
}

func secretAttrs(p FieldProps, label string) templ.Attributes {
	a := FieldAttrs(p)
	if label != "" {
		a["aria-label"] = label
		a["aria-describedby"] = p.id() + "-hint"
		if p.Error != "" {
			a["aria-describedby"] = p.id() + "-error " + p.id() + "-hint"
		}
		delete(a, "required")
	}
	return a
}

func rowError(p KeyValueProps, r Pair, i int) templ.Attributes {
	if r.Error == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true", "aria-describedby": fieldID(p.Name+"-"+itoa(i)) + "-error"}
}

// SecretFields is the name of hidden fields, each of which names a field of the same form that holds a secret.
const SecretFields = "secret-fields"
