package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/db/fault"
)

// FormField is one input of a form that people fill in: a task's, or that of a trigger.
type FormField struct {
	Key      string    `json:"key" needed:"true"` // unique within the form
	Name     string    `json:"name"`
	Type     FieldType `json:"type" needed:"true"`
	Required bool      `json:"required"` // checkbox: must be ticked
	Default  any       `json:"default,omitempty"`
	Help     string    `json:"help,omitempty"`
	Options  []Choice  `json:"options,omitempty"` // select, radio, multi_select
	Min      *float64  `json:"min,omitempty"`     // number, currency: least value; texts: characters; multi_select: choices
	Max      *float64  `json:"max,omitempty"`     // likewise; file: bytes
	Pattern  string    `json:"pattern,omitempty"` // text, textarea, email: regular expression (RE2) that the whole text matches
}

// Choice is one option of a field.
type Choice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// FieldType says what a field takes.
type FieldType string

// The types of fields with the JSON of their values.
const (
	TypeText        FieldType = "text"         // text of one line
	TypeTextArea    FieldType = "textarea"     // text
	TypeSelect      FieldType = "select"       // the value of an option
	TypeRadio       FieldType = "radio"        // the value of an option
	TypeMultiSelect FieldType = "multi_select" // list of values
	TypeCheckbox    FieldType = "checkbox"     // true or false
	TypeEmail       FieldType = "email"        // text
	TypeDate        FieldType = "date"         // "2026-01-31"
	TypeDateTime    FieldType = "datetime"     // RFC 3339; without an offset it is UTC
	TypeNumber      FieldType = "number"       // number
	TypeCurrency    FieldType = "currency"     // number with at most four decimals
	TypeFile        FieldType = "file"         // id of an uploaded file; stored as {id, name, size, content_type}
	TypeInstruction FieldType = "instruction"  // text for the reader, no value
	TypeJSON        FieldType = "json"         // only in messages: data that came without a form
)

// FieldTypes in the order in which people choose.
func FieldTypes() []FieldType {
	return []FieldType{TypeText, TypeTextArea, TypeSelect, TypeRadio, TypeMultiSelect, TypeCheckbox, TypeEmail, TypeDate, TypeDateTime, TypeNumber,
		TypeCurrency, TypeFile, TypeInstruction}
}

// Chooses reports whether the type has options.
func (t FieldType) Chooses() bool {
	return t == TypeSelect || t == TypeRadio || t == TypeMultiSelect
}

// FileValue is what a file field holds.
type FileValue struct {
	ID          FileID `json:"id"`
	Name        string `json:"name"`
	Size        int64  `json:"size"`
	ContentType string `json:"content_type"`
}

// Texts of forms are at most this long, in characters, unless Max says less.
const (
	MaxFieldText = 1000
	MaxFieldArea = 20000
)

// DateTimeInput is how browsers send a date with a time.
const DateTimeInput = "2006-01-02T15:04"

func cleanFields(list []FormField) {
	for i := range list {
		f := &list[i]
		f.Key, f.Name, f.Help = strings.TrimSpace(f.Key), clean(f.Name), strings.TrimSpace(f.Help)
		if f.Name == "" {
			f.Name = f.Key
		}
		for j := range f.Options {
			if f.Options[j].Label == "" {
				f.Options[j].Label = f.Options[j].Value
			}
		}
	}
}

// checkFields lists what is wrong with a form by itself.
func checkFields(bad *fault.Check, prefix string, list []FormField) {
	if len(list) > MaxFields {
		bad.Add(prefix, "At most %d fields.", MaxFields)
	}
	seen := map[string]bool{}
	for i, f := range list {
		at := fmt.Sprintf("%s[%d].", prefix, i)
		if !isKey(f.Key) {
			bad.Add(at+"key", "%s", keyWords)
		} else if seen[f.Key] {
			bad.Add(at+"key", "Another field has the key “%s”.", f.Key)
		}
		seen[f.Key] = true
		f.check(bad, at)
	}
}

func (f FormField) check(bad *fault.Check, at string) {
	checkText(bad, at+"name", f.Name, 200)
	checkText(bad, at+"help", f.Help, 2000)
	if !slices.Contains(FieldTypes(), f.Type) {
		bad.Add(at+"type", "One of %s.", join(FieldTypes()))
		return
	}
	if f.Type.Chooses() && len(f.Options) == 0 {
		bad.Add(at+"options", "Give at least one option.")
	}
	if len(f.Options) > 500 {
		bad.Add(at+"options", "At most 500 options.")
	}
	seen := map[string]bool{}
	for _, o := range f.Options {
		if o.Value == "" || seen[o.Value] {
			bad.Add(at+"options", "Each option needs a value of its own.")
			break
		}
		seen[o.Value] = true
	}
	if f.Min != nil && f.Max != nil && *f.Min > *f.Max {
		bad.Add(at+"max", "The greatest is less than the least.")
	}
	if _, err := regexp.Compile(f.whole()); err != nil {
		bad.Add(at+"pattern", "This regular expression cannot be used: %s.", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if f.Default != nil && f.Type != TypeFile && f.Type != TypeInstruction {
		if _, w := f.read(raw(f.Default)); w != nil {
			bad.Add(at+"default", "The default does not fit the field: %s", w)
		}
	}
}

func (f FormField) whole() string {
	if f.Pattern == "" {
		return ""
	}
	return "^(?:" + f.Pattern + ")$"
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// Read checks what was filled in, by key, and gives the values in the form's order; absent ones get their default. Names
// of complaints are "fields.KEY". A file's value is its id as text; what stands behind it is the caller's to find.
func Read(form []FormField, given map[string]json.RawMessage) ([]FieldValue, []fault.Field) {
	var bad fault.Check
	out, known := []FieldValue{}, map[string]bool{}
	for _, f := range form {
		known[f.Key] = true
		if f.Type == TypeInstruction {
			continue
		}
		text, has := given[f.Key]
		if !has && f.Default != nil && f.Type != TypeFile {
			text = raw(f.Default)
		}
		v, words := f.read(text)
		if words == nil && f.Required && isEmpty(v) {
			words = fault.Say("This is needed.")
			if f.Type == TypeCheckbox {
				words = fault.Say("This must be ticked.")
			}
		}
		if words != nil {
			bad.Add("fields."+f.Key, "%s", words)
			continue
		}
		out = append(out, FieldValue{Key: f.Key, Name: f.Name, Type: f.Type, Value: v})
	}
	for key := range given {
		if !known[key] {
			bad.Add("fields."+key, "The form has no such field.")
		}
	}
	return out, bad.Fields()
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case bool:
		return !v
	case []string:
		return len(v) == 0
	}
	return false
}

// read gives the value of one field, nil when it is empty, and what is wrong with it.
func (f FormField) read(text json.RawMessage) (any, *fault.Words) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || string(text) == "null" {
		if f.Type == TypeCheckbox {
			return false, nil
		}
		return nil, nil
	}
	switch f.Type {
	case TypeCheckbox:
		return readBool(text)
	case TypeMultiSelect:
		return f.readChoices(text)
	case TypeNumber, TypeCurrency:
		return f.readNumber(text)
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		var v FileValue
		if f.Type == TypeFile && json.Unmarshal(text, &v) == nil && v.ID != "" {
			return string(v.ID), nil
		}
		return nil, fault.Say("Give a text.")
	}
	if s == "" {
		return nil, nil
	}
	return f.readText(s)
}

func readBool(text json.RawMessage) (any, *fault.Words) {
	switch string(text) {
	case "true", `"true"`, `"on"`, `"1"`, `"yes"`:
		return true, nil
	case "false", `"false"`, `""`, `"0"`, `"no"`, `"off"`:
		return false, nil
	}
	return nil, fault.Say("Give true or false.")
}

func (f FormField) readText(s string) (any, *fault.Words) {
	limit := MaxFieldText
	switch f.Type {
	case TypeSelect, TypeRadio:
		if !f.has(s) {
			return nil, fault.Say("“%s” is not one of the options.", s)
		}
		return s, nil
	case TypeDate:
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return nil, fault.Say("Give a date such as 2026-01-31.")
		}
		return s, nil
	case TypeDateTime:
		return readDateTime(s)
	case TypeEmail:
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			return nil, fault.Say("Give an email address such as name@example.com.")
		}
	case TypeText:
		if strings.ContainsAny(s, "\r\n") {
			return nil, fault.Say("Give one line of text.")
		}
	case TypeTextArea:
		limit = MaxFieldArea
	case TypeFile:
		return s, nil
	}
	return f.fits(s, limit)
}

func (f FormField) fits(s string, limit int) (any, *fault.Words) {
	n := utf8.RuneCountInString(s)
	if f.Max != nil && *f.Max < float64(limit) {
		limit = int(*f.Max)
	}
	switch {
	case strings.ContainsRune(s, 0) || !utf8.ValidString(s):
		return nil, fault.Say("A NUL character cannot be stored.")
	case n > limit:
		return nil, fault.Say("At most %d characters; these are %d.", limit, n)
	case f.Min != nil && float64(n) < *f.Min:
		return nil, fault.Say("At least %s characters; these are %d.", fault.Number(*f.Min), n)
	}
	if f.Pattern != "" {
		if re, err := regexp.Compile(f.whole()); err == nil && !re.MatchString(s) {
			return nil, fault.Say("This does not have the wanted form.")
		}
	}
	return s, nil
}

func readDateTime(s string) (any, *fault.Words) {
	if t, bad := ParseTime(s); bad == nil {
		return t.Format(time.RFC3339), nil
	}
	for _, layout := range []string{DateTimeInput, DateTimeInput + ":05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.RFC3339), nil
		}
	}
	return nil, fault.Say("Give a date with a time such as 2026-01-31T14:30:00Z.")
}

func (f FormField) readChoices(text json.RawMessage) (any, *fault.Words) {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		var s string
		if json.Unmarshal(text, &s) != nil {
			return nil, fault.Say("Give a list of options.")
		}
		list = []string{s}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	for i, s := range list {
		switch {
		case !f.has(s):
			return nil, fault.Say("“%s” is not one of the options.", s)
		case slices.Contains(list[:i], s):
			return nil, fault.Say("“%s” is there twice.", s)
		}
	}
	switch n := float64(len(list)); {
	case len(list) > 0 && f.Min != nil && n < *f.Min:
		return nil, fault.Say("Choose at least %s.", fault.Number(*f.Min))
	case f.Max != nil && n > *f.Max:
		return nil, fault.Say("Choose at most %s.", fault.Number(*f.Max))
	}
	if list == nil {
		list = []string{}
	}
	return list, nil
}

func (f FormField) readNumber(text json.RawMessage) (any, *fault.Words) {
	digits := string(text)
	var s string
	if json.Unmarshal(text, &s) == nil {
		if digits = strings.TrimSpace(s); digits == "" {
			return nil, nil
		}
	}
	var n json.Number
	dec := json.NewDecoder(strings.NewReader(digits))
	dec.UseNumber()
	switch err := dec.Decode(&n); {
	case err == nil && !dec.More():
	case strings.Contains(digits, ","):
		return nil, fault.Say("Give a number such as 1200 or 20.5, without marks between thousands.")
	default:
		return nil, fault.Say("Give a number.")
	}
	v, err := n.Float64()
	switch _, decimals, _ := strings.Cut(n.String(), "."); {
	case err != nil:
		return nil, fault.Say("Give a number.")
	case f.Type == TypeCurrency && (len(decimals) > 4 || strings.ContainsAny(n.String(), "eE")):
		return nil, fault.Say("Give an amount with at most four decimals.")
	case f.Min != nil && v < *f.Min:
		return nil, fault.Say("At least %s.", fault.Number(*f.Min))
	case f.Max != nil && v > *f.Max:
		return nil, fault.Say("At most %s.", fault.Number(*f.Max))
	}
	return n, nil
}

func (f FormField) has(value string) bool {
	return slices.ContainsFunc(f.Options, func(o Choice) bool { return o.Value == value })
}
