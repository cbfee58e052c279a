package handlers

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"waybill/db/model"
	"waybill/jobs/script"
	"waybill/views"
)

// Bounds of what editors are told of an event's data.
const (
	shapeMembers = 400
	shapeText    = 40 // runes of a value
)

// shape is the value of `it` for an event, cut down to what suggestions need: lists to their first element, texts to their beginning.
func shape(e model.Event, d model.Destination, c model.Connection) string {
	left := shapeMembers
	data := prune(decoded(e.Data), &left)
	it := map[string]any{
		"data":        []any{data},
		"events":      []any{map[string]any{"id": string(e.ID), "name": e.Name, "subject": e.Subject, "time": model.Stamp(e.Time), "data": data}},
		"delivery":    map[string]any{"id": "dlv_…"},
		"destination": map[string]any{"id": string(d.ID), "name": d.Name},
		"connection":  map[string]any{"id": string(c.ID), "name": c.Name},
	}
	text, err := json.Marshal(it)
	if err != nil {
		return "" // maps, lists and texts always encode
	}
	return string(text)
}

func decoded(data json.RawMessage) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

func prune(v any, left *int) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range sortedKeys(x) {
			if *left--; *left < 0 {
				break
			}
			out[k] = prune(x[k], left)
		}
		return out
	case []any:
		if len(x) == 0 {
			return []any{}
		}
		return []any{prune(x[0], left)}
	case string:
		return briefly(x)
	}
	return v
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func briefly(s string) string {
	if r := []rune(s); len(r) > shapeText {
		return string(r[:shapeText-1]) + "…"
	}
	return s
}

// helperWords are the helper functions as the editor's suggestions read them.
func helperWords() string {
	type word struct {
		S string `json:"s"`
		D string `json:"d"`
	}
	var out []word
	for _, x := range script.Helpers() {
		out = append(out, word{x.Signature, x.Doc})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return "" // texts always encode
	}
	return string(text)
}

// fieldHints are the fields that recent events have, for writing filters: the newest event's value stands for each.
func fieldHints(events []model.Event) []views.FieldHint {
	seen := map[string]bool{}
	var out []views.FieldHint
	add := func(path string, v any) {
		if seen[path] || len(out) >= shapeMembers/4 {
			return
		}
		seen[path] = true
		h := views.FieldHint{Path: path, Kind: "text"}
		switch x := v.(type) {
		case json.Number:
			h.Kind, h.Sample = "number", x.String()
		case bool:
			h.Kind, h.Sample = "yes or no", strconv.FormatBool(x)
		case string:
			h.Sample = briefly(x)
		}
		out = append(out, h)
	}
	for _, e := range events {
		add("event.subject", e.Subject)
		walk("event.data", decoded(e.Data), add, 0)
	}
	add("event.name", "")
	return out
}

// walk calls add for every plain value below v that a filter can name.
func walk(path string, v any, add func(string, any), depth int) {
	m, ok := v.(map[string]any)
	if !ok {
		if depth > 0 {
			if _, list := v.([]any); !list && v != nil {
				add(path, v)
			}
		}
		return
	}
	for _, k := range sortedKeys(m) {
		if depth < 6 {
			walk(path+member(k), m[k], add, depth+1)
		}
	}
}

// member is how an expression names the member k.
func member(k string) string {
	for i, r := range k {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return "[" + strconv.Quote(k) + "]"
		}
	}
	if k == "" {
		return `[""]`
	}
	return "." + k
}
