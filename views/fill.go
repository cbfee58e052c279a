package views

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"waybill/db/model"
)

// Fill is what was typed into a form that people fill in, by key. Files that were uploaded already are kept by their ids.
type Fill struct {
	Typed map[string][]string
	Files map[string]model.FileValue
}

// FillInput is the name of the input for one field.
func FillInput(key string) string { return "field_" + key }

// value is what stands in a field: what was typed, else its default.
func (f Fill) value(x model.FormField) string {
	if v, typed := f.Typed[x.Key]; typed {
		if len(v) > 0 {
			return v[0]
		}
		return ""
	}
	if f.Typed != nil {
		return ""
	}
	return defaultText(x.Default)
}

// ticked reports whether an option of a multi-select, or a check box, is on.
func (f Fill) ticked(x model.FormField, option string) bool {
	if f.Typed != nil {
		return slices.Contains(f.Typed[x.Key], option)
	}
	switch v := x.Default.(type) {
	case bool:
		return v && option == "true"
	case []any:
		return slices.ContainsFunc(v, func(o any) bool { s, _ := o.(string); return s == option })
	case string:
		return v == option
	}
	return false
}

// decimalComma is a number with one comma and no point. Three digits behind it may as well be a thousand (1,000), unless
// nothing but a zero stands before it.
var decimalComma = regexp.MustCompile(`^\s*-?(\d+,(\d{1,2}|\d{4,})|0,\d{3})\s*$`)

// pointed is a number with a point where a comma can only be that of a decimal; what can be read in two ways stays, and is refused.
func pointed(typed string) string {
	if decimalComma.MatchString(typed) {
		return strings.Replace(typed, ",", ".", 1)
	}
	return typed
}

// JSON is what was typed as the JSON of the form's values, by key.
func (f Fill) JSON(form []model.FormField) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	put := func(key string, v any) {
		if b, err := json.Marshal(v); err == nil {
			out[key] = b
		}
	}
	for _, x := range form {
		typed := f.Typed[x.Key]
		switch x.Type {
		case model.TypeInstruction:
		case model.TypeCheckbox:
			put(x.Key, slices.Contains(typed, "true"))
		case model.TypeMultiSelect:
			put(x.Key, append([]string{}, typed...))
		case model.TypeFile:
			if file, there := f.Files[x.Key]; there {
				put(x.Key, string(file.ID))
			} else {
				out[x.Key] = json.RawMessage("null")
			}
		case model.TypeNumber, model.TypeCurrency:
			if len(typed) == 0 || typed[0] == "" {
				out[x.Key] = json.RawMessage("null")
			} else {
				put(x.Key, pointed(typed[0]))
			}
		default:
			if len(typed) == 0 || typed[0] == "" {
				out[x.Key] = json.RawMessage("null")
			} else {
				put(x.Key, typed[0])
			}
		}
	}
	return out
}
