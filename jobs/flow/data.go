package flow

import (
	"bytes"
	"encoding/json"
	"strings"

	"waybill/db/model"
)

// resolve gives what an assignee of a definition stands for: itself, or what a field holds.
func (w *walk) resolve(assignee string) []string {
	place, isField := strings.CutPrefix(assignee, "field:")
	if !isField {
		if assignee == "initiator" && w.run.Initiator == "" {
			return []string{assignee}
		}
		if assignee == "initiator" {
			return []string{w.run.Initiator}
		}
		return []string{assignee}
	}
	key, field, _ := strings.Cut(place, ".")
	var out []string
	switch v := w.field(key, field).(type) {
	case string:
		out = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	case []string:
		out = v
	}
	if len(out) == 0 {
		return []string{assignee}
	}
	return out
}

// field is the value of a field of the trigger or of the last passage through a step, nil when there is none.
func (w *walk) field(key, field string) any {
	if key == model.TriggerKey {
		data := map[string]any{}
		if json.Unmarshal(w.run.Data, &data) == nil {
			return data[field]
		}
		return nil
	}
	for i := len(w.run.Steps) - 1; i >= 0; i-- {
		if s := w.run.Steps[i]; s.Key == key {
			for _, f := range s.Fields {
				if f.Key == field {
					return f.Value
				}
			}
		}
	}
	return nil
}

// Steps is `steps` as conditions, scripts and templates see it (SEMANTICS 1), as JSON: the last passage through each step, by
// key, in the order of the definition.
func Steps(d model.Definition, run *model.Run) []byte {
	last := map[string]*model.StepRun{}
	for i := range run.Steps {
		last[run.Steps[i].Key] = &run.Steps[i]
	}
	b := []byte{'{'}
	for _, def := range d.Steps {
		s := last[def.Key]
		if s == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendJSON(b, def.Key)
		b = append(b, ':')
		b = appendStep(b, s)
	}
	return append(b, '}')
}

func appendStep(b []byte, s *model.StepRun) []byte {
	b = append(b, `{"status":`...)
	b = appendJSON(b, s.Status)
	b = append(b, `,"fields":{`...)
	for i, f := range s.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, f.Key)
		b = append(b, ':')
		b = appendJSON(b, f.Value)
	}
	b = append(b, `},"decisions":`...)
	if len(s.Decisions) == 0 {
		b = append(b, `[]`...)
	} else {
		b = appendJSON(b, s.Decisions)
	}
	b = append(b, `,"output":`...)
	b = appendRaw(b, s.Output)
	b = append(b, `,"response":`...)
	b = appendJSON(b, s.Response)
	return append(b, '}')
}

func appendRaw(b, raw []byte) []byte {
	if len(bytes.TrimSpace(raw)) == 0 {
		return append(b, `null`...)
	}
	return append(b, raw...)
}

// appendJSON writes v without escaping what HTML would need.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return append(b, `null`...) // our own types, always encodable
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// Input is the JSON text of `it` for an outgoing or a script step (SEMANTICS 1), but for what a step gives to an integration.
func Input(d model.Definition, run *model.Run, s *model.StepRun) []byte {
	b := append(make([]byte, 0, 3*len(run.Data)+1024), `{"data":[`...)
	b = appendRaw(b, run.Data)
	b = append(b, `],"events":[`...)
	if run.Event.ID != "" {
		b = appendEvent(b, run)
	}
	b = append(b, `],"run":`...)
	b = appendRun(b, run)
	b = append(b, `,"step":{"key":`...)
	b = appendJSON(b, s.Key)
	b = append(b, `,"name":`...)
	b = appendJSON(b, s.Name)
	b = append(b, `},"steps":`...)
	b = append(b, Steps(d, run)...)
	return append(b, '}')
}

func appendEvent(b []byte, run *model.Run) []byte {
	return append(b, Event(model.Event{ID: run.Event.ID, Name: run.Event.Name, Subject: run.Event.Subject, Time: run.Event.Time, Data: run.Data})...)
}

// Event is an event as templates and conditions see it.
func Event(e model.Event) []byte {
	b := append(make([]byte, 0, len(e.Data)+256), `{"id":`...)
	b = appendJSON(b, e.ID)
	b = append(b, `,"name":`...)
	b = appendJSON(b, e.Name)
	b = append(b, `,"subject":`...)
	b = appendJSON(b, e.Subject)
	b = append(b, `,"time":`...)
	b = appendJSON(b, model.Stamp(e.Time))
	b = append(b, `,"data":`...)
	b = appendRaw(b, e.Data)
	return append(b, '}')
}

// Run is `run` as conditions, scripts and templates see it.
func Run(run *model.Run) []byte { return appendRun(nil, run) }

func appendRun(b []byte, run *model.Run) []byte {
	b = append(b, `{"id":`...)
	b = appendJSON(b, run.ID)
	b = append(b, `,"number":`...)
	b = appendJSON(b, run.Number)
	b = append(b, `,"subject":`...)
	b = appendJSON(b, run.Subject)
	b = append(b, `,"data":`...)
	b = appendRaw(b, run.Data)
	b = append(b, `,"initiator":`...)
	b = appendJSON(b, run.Initiator)
	return append(b, '}')
}
