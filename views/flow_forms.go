package views

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views/texts"
	"waybill/views/ui"
)

// FieldForm is one field of a form that is being designed, as it is typed.
type FieldForm struct {
	Key, Name, Type, Default, Help, Options, Min, Max, Pattern string
	Required                                                   bool
	Open                                                       bool // it was just moved, and is shown unfolded
}

// FieldsForm are the fields of a form that is being designed. Blank ones follow, for more of them.
type FieldsForm struct {
	Rows  []FieldForm
	Blank int
	Types []model.FieldType
}

// NewFieldsForm shows stored fields.
func NewFieldsForm(list []model.FormField, types []model.FieldType) FieldsForm {
	out := FieldsForm{Blank: 1, Types: types}
	for _, f := range list {
		row := FieldForm{Key: f.Key, Name: f.Name, Type: string(f.Type), Help: f.Help, Pattern: f.Pattern, Required: f.Required, Default: defaultText(f.Default),
			Min: figureText(f.Min), Max: figureText(f.Max)}
		var lines []string
		for _, o := range f.Options {
			if o.Label == "" || o.Label == o.Value {
				lines = append(lines, o.Value)
			} else {
				lines = append(lines, o.Value+" = "+o.Label)
			}
		}
		row.Options = strings.Join(lines, "\n")
		out.Rows = append(out.Rows, row)
	}
	if len(list) == 0 {
		out.Blank = 2
	}
	return out
}

func figureText(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}

// defaultText is a default as it is typed: text as it is, a list by commas.
func defaultText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = fmt.Sprint(x)
		}
		return strings.Join(parts, ", ")
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// FieldInput is the name of the input for one part of field i.
func FieldInput(i int, part string) string { return "f" + strconv.Itoa(i) + "_" + part }

// MoveUp is what the button sends as "more" that moves field i before the one above it; nothing is saved by it.
func MoveUp(i int) string { return "up" + strconv.Itoa(i) }

// Fields reads what was typed; blank rows are left out, keys that were left empty are made from the names. A complaint
// about row i of the result is about the i-th row that is not blank.
func (f FieldsForm) Fields() []model.FormField {
	var out []model.FormField
	used := map[string]bool{}
	for _, r := range f.Rows {
		if r.blank() {
			continue
		}
		x := model.FormField{Key: strings.TrimSpace(r.Key), Name: r.Name, Type: model.FieldType(r.Type), Help: r.Help, Pattern: r.Pattern, Required: r.Required,
			Min: amount(r.Min), Max: amount(r.Max)}
		if x.Key == "" {
			x.Key = FreeKey(r.Name, "field", used)
		}
		used[x.Key] = true
		for line := range strings.SplitSeq(r.Options, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				value, label, _ := strings.Cut(line, "=")
				x.Options = append(x.Options, model.Choice{Value: strings.TrimSpace(value), Label: strings.TrimSpace(label)})
			}
		}
		x.Default = r.value(x.Type)
		out = append(out, x)
	}
	return out
}

func (r FieldForm) blank() bool {
	return strings.TrimSpace(r.Key+r.Name+r.Default+r.Help+r.Options+r.Min+r.Max+r.Pattern) == ""
}

// value is the default as its type has it; what does not fit stays text, so that it is complained of.
func (r FieldForm) value(t model.FieldType) any {
	text := strings.TrimSpace(r.Default)
	switch {
	case text == "":
		return nil
	case t == model.TypeCheckbox:
		return strings.EqualFold(text, "true") || strings.EqualFold(text, "yes")
	case t == model.TypeMultiSelect:
		var list []any
		for part := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(part))
		}
		return list
	case t == model.TypeNumber || t == model.TypeCurrency:
		if n := amount(text); n != nil {
			return *n
		}
	}
	return text
}

func amount(text string) *float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return nil
	}
	return &n
}

// plainLetters writes German letters as those do who have none of them.
var plainLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss")

// FreeKey makes a key of a name that is not used yet: "Total price" is "total_price", a second one "total_price_2",
// "Prüfen" is "pruefen".
func FreeKey(name, otherwise string, used map[string]bool) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(plainLetters.Replace(strings.ToLower(norm.NFC.String(name)))) {
		switch {
		case unicode.Is(unicode.Mn, r): // the accent of the letter before
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	base := strings.Trim(b.String(), "_")
	if base == "" {
		base = otherwise
	}
	base = base[:min(len(base), 40)]
	key := base
	for n := 2; used[key]; n++ {
		key = base + "_" + strconv.Itoa(n)
	}
	return key
}

func typeOptions(types []model.FieldType) []ui.Option {
	var out []ui.Option
	for _, t := range types {
		out = append(out, ui.Option{Value: string(t), Label: fieldTypeWords[t]})
	}
	return out
}

var fieldTypeWords = map[model.FieldType]string{
	model.TypeText: texts.ID("Text"), model.TypeTextArea: texts.ID("Text area"), model.TypeSelect: texts.ID("Select"), model.TypeRadio: texts.ID("Radio buttons"), model.TypeMultiSelect: "Multi-select",
	model.TypeCheckbox: texts.ID("Check box"), model.TypeEmail: texts.ID("Email"), model.TypeDate: texts.ID("Date"), model.TypeDateTime: texts.ID("Date and time"), model.TypeNumber: texts.ID("Number"),
	model.TypeCurrency: texts.ID("Currency"), model.TypeFile: texts.ID("File"), model.TypeInstruction: texts.ID("Instruction"), model.TypeJSON: texts.ID("Data"),
}

// RequestForm is a step's own request, or an integration's, as it is typed.
type RequestForm struct {
	Name         string
	Event        string
	Method       string
	URL          string
	ContentType  string
	HeaderNames  []string
	HeaderValues []string
	Body         string
	Timeout      string
	BodyInEvent  bool
	Auth         CredentialChoice
}

// NewRequestForm shows a stored request; see says whether who looks may choose credentials.
func NewRequestForm(r model.Request, see bool) RequestForm {
	f := RequestForm{Name: r.Name, Event: r.Event, Method: r.Method, URL: r.URL, ContentType: r.ContentType, Body: r.Body, BodyInEvent: r.ShowsBody(),
		Auth: CredentialChoice{Use: "none", ID: string(r.CredentialID)}}
	if r.TimeoutSeconds > 0 {
		f.Timeout = strconv.Itoa(r.TimeoutSeconds)
	}
	for _, h := range r.Headers {
		f.HeaderNames, f.HeaderValues = append(f.HeaderNames, h.Name), append(f.HeaderValues, h.Value)
	}
	if r.CredentialID != "" {
		f.Auth.Use = "keep"
		if see {
			f.Auth.Use = "pick"
		}
	}
	return f
}

// RequestProps are the fields of a request. At is what stands before the names of its complaints, such as "request.".
type RequestProps struct {
	Form      RequestForm
	Problems  Problems
	Events    []string // names that can be picked
	Auth      ChooseCredentialProps
	CanDefine bool // event definitions
	Input     bool // it has a form: it.input
	ErrorLine int  // of the body
}

func (p RequestProps) of(name string) string { return p.Problems.Of("request." + name) }

func (p RequestProps) headerRows() []ui.Pair {
	return headerRows(p.Form.HeaderNames, p.Form.HeaderValues, p.of)
}

// ParseSpan reads a span of time such as "2 days", "3 Tage" or "1 h 30 m"; a number needs its unit. Nothing typed is 0.
func ParseSpan(text string) (int64, error) {
	var total int64
	rest := strings.TrimSpace(strings.ToLower(text))
	for rest != "" {
		n, end := int64(0), 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		n, err := strconv.ParseInt(rest[:end], 10, 64)
		unit := strings.TrimLeft(rest[end:], " ")
		word := unit
		if i := strings.IndexFunc(unit, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
			word = unit[:i]
		}
		size, known := unitSeconds[word]
		if err != nil || !known || word == "" && n > 0 || n > 1e9 {
			return 0, fault.Say("“%s” is no span of time. Write a number and a unit: 30 minutes, 2 hours, 3 days.", strings.TrimSpace(text))
		}
		total += n * int64(size)
		rest = strings.TrimLeft(unit[len(word):], " ,")
	}
	return total, nil
}

// SpanText is a span as it is typed, in the reader's language, which is what ParseSpan reads; 0 is nothing.
func SpanText(ctx context.Context, seconds int64) string {
	if seconds == 0 {
		return ""
	}
	text := SpanWords(ctx, seconds)
	if n, err := ParseSpan(text); err == nil && n == seconds {
		return text
	}
	return strconv.FormatInt(seconds, 10) + " s" // its number is too large for one without marks between digits
}

func allTypes() []model.FieldType { return model.FieldTypes() }

func methods() []string { return model.Methods() }

// SampleOf is what a form could be filled in with, as JSON text; without a form an example.
func SampleOf(fields []model.FormField) string {
	if len(fields) == 0 {
		return "{\n  \"email\": \"ada@example.com\",\n  \"message\": \"Good morning\"\n}"
	}
	var b strings.Builder
	b.WriteString("{")
	n := 0
	for _, f := range fields {
		if f.Type == model.TypeInstruction || f.Type == model.TypeFile {
			continue
		}
		if n++; n > 1 {
			b.WriteByte(',')
		}
		value, _ := json.Marshal(model.Example(f)) // plain values, always encodable
		name, _ := json.Marshal(f.Key)
		b.WriteString("\n  " + string(name) + ": " + string(value))
	}
	b.WriteString("\n}")
	return b.String()
}
