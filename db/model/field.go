package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Field describes one input of a form that is laid out by data: the settings of a credential kind or of a connection
// type. Views draw any list of fields; the API checks bodies against the same list.
type Field struct {
	Name        string // JSON name in config{} or settings{}
	Label       string
	Help        string // one line under the input
	Placeholder string
	Unit        string // FieldNumber: of what, such as "seconds"
	Kind        FieldKind
	Options     []Option // FieldSelect
	Required    bool
	Max         int // longest text in characters, 0 = 4,096
	Default     string
	Lines       bool // FieldSecret, FieldArea: may hold line breaks, such as a key in PEM form
	Pairs       bool // FieldArea: lines of name=value; an object of texts in JSON
	// When are choices of other selects of the form with which the field applies; empty = always. Forms hide it
	// otherwise; what it holds is kept.
	When []string
	More bool // rarely needed: forms fold it away
	// Group is the heading under which the form of a connection shows the field; "" = where the system is.
	Group string
	Tags  bool // may hold template tags; they are checked when it is saved, and rendered with the message
}

// FieldKind says how a Field is typed in.
type FieldKind string

const (
	FieldText   FieldKind = "text"
	FieldSecret FieldKind = "secret" // write-only: sealed, never shown again
	FieldArea   FieldKind = "textarea"
	FieldNumber FieldKind = "number"
	FieldSelect FieldKind = "select"
	FieldCheck  FieldKind = "checkbox"
	FieldAPIKey FieldKind = "api_key" // one of Waybill's own API keys; Options are filled in for whoever may see them
)

// Option is one choice of a select.
type Option struct{ Value, Label string }

// Limit is the longest text that the field takes, in characters.
func (f Field) Limit() int {
	if f.Max > 0 {
		return f.Max
	}
	return 4096
}

// Header is one name and value of an HTTP header, in the order in which it was typed.
type Header struct {
	Name  string `json:"name" needed:"true"`
	Value string `json:"value"`
}

// Config holds the settings of a credential or connection that are not secret.
type Config map[string]any

// Text is the setting as it is typed into a form: a number or a switch in its usual spelling, an object as sorted lines
// of name=value. It is "" when absent or of another kind.
func (c Config) Text(name string) string {
	switch v := c[name].(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		var lines []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			lines = append(lines, fmt.Sprintf("%s=%v", k, v[k]))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

// Secrets are secret settings by field name.
type Secrets map[string]Secret

// clean trims a one-line name for storing and comparing.
func clean(s string) string { return strings.Join(strings.Fields(s), " ") }
