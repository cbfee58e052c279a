package views

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/views/ui"
)

// RunGraph draws the version that a run keeps, with what its steps did and the way that it went.
func RunGraph(ctx context.Context, r model.Run, d model.Definition) FlowGraph {
	last := map[string]model.StepRun{}
	times := map[string]int{}
	keys := map[model.StepRunID]string{}
	taken := map[[2]string]bool{}
	for _, s := range r.Steps {
		last[s.Key] = s
		times[s.Key]++
		keys[s.ID] = s.Key
		for _, from := range s.Previous {
			taken[[2]string{keys[from], s.Key}] = true
		}
		if len(s.Previous) == 0 {
			taken[[2]string{model.TriggerKey, s.Key}] = true
		}
	}
	g := Graph(ctx, say(ctx, "Path of run {n}", "n", strconv.FormatInt(r.Number, 10)), d, func(key string) string {
		if key == model.TriggerKey {
			return "#run-" + key
		}
		if s, there := last[key]; there {
			return "#run-" + string(s.ID)
		}
		return ""
	})
	g.Run = true
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Key == model.TriggerKey {
			n.Status = "completed"
			continue
		}
		if s, there := last[n.Key]; there {
			n.Status, n.Times = stepWord(s.Status), times[n.Key]
		}
	}
	for i := range g.Lines {
		g.Lines[i].Taken = taken[[2]string{g.Lines[i].From, g.Lines[i].To}]
	}
	return g
}

// fileOf is the file that a field holds.
func fileOf(f model.FieldValue) (model.FileValue, bool) {
	var v model.FileValue
	if f.Type != model.TypeFile || f.Value == nil {
		return v, false
	}
	b, err := json.Marshal(f.Value)
	if err != nil || json.Unmarshal(b, &v) != nil {
		return v, false
	}
	return v, v.ID != ""
}

// fieldsOf are the fields that a step asks for.
func fieldsOf(d model.Definition, key string) []model.FormField {
	s, _ := d.Step(key)
	return s.Fields
}

// labelled is a value with the words that people chose in place of what stands for them.
func labelled(f model.FieldValue, form []model.FormField) model.FieldValue {
	i := slices.IndexFunc(form, func(x model.FormField) bool { return x.Key == f.Key })
	if i < 0 || len(form[i].Options) == 0 {
		return f
	}
	word := func(v any) any {
		for _, o := range form[i].Options {
			if o.Value == v && o.Label != "" {
				return o.Label
			}
		}
		return v
	}
	if list, is := f.Value.([]any); is {
		words := make([]any, len(list))
		for j, v := range list {
			words[j] = word(v)
		}
		f.Value = words
		return f
	}
	f.Value = word(f.Value)
	return f
}

// dateText is a date as its reader has them written; a day is the same day in every zone. What is none stays as it is.
func dateText(in ui.Format, t model.FieldType, v string) string {
	switch t {
	case model.TypeDate:
		if day, err := time.Parse(time.DateOnly, v); err == nil {
			return ui.Format{Locale: in.Locale}.Day(day)
		}
	case model.TypeDateTime:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return in.Minute(at)
		}
	}
	return v
}

// fieldText is what a field holds, for people: dates as they read them.
func fieldText(ctx context.Context, f model.FieldValue) string {
	switch v := f.Value.(type) {
	case nil:
		return ""
	case string:
		return dateText(ui.In(ctx), f.Type, v)
	case bool:
		return say(ctx, yesNo(v))
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = fmt.Sprint(x)
		}
		return strings.Join(parts, ", ")
	case []string:
		return strings.Join(v, ", ")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	b, err := json.Marshal(f.Value)
	if err != nil {
		return ""
	}
	return string(b)
}
