package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Env is an event as expressions see it. Its data is parsed at most once, when the first expression looks into it. It
// is for one goroutine.
//
// Whole numbers of up to 64 bits are exact; other numbers are float64.
type Env struct {
	source model.Event
	plain  map[string]any // without data
	whole  map[string]any
	err    error

	run, steps any // of a workflow; nil for filters of actions
}

// NewEnv prepares an event.
func NewEnv(e model.Event) *Env { return &Env{source: e} }

// NewRunEnv prepares an event with the run and the steps of a workflow, which are JSON.
func NewRunEnv(e model.Event, run, steps []byte) (*Env, error) {
	out := &Env{source: e}
	var err error
	if out.run, err = parse(run); err == nil {
		out.steps, err = parse(steps)
	}
	return out, err
}

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

func (e *Env) event(withData bool) (map[string]any, error) {
	if e.plain == nil {
		e.plain = e.fields(nil)
	}
	if !withData {
		return e.plain, nil
	}
	if e.whole == nil && e.err == nil {
		data, err := parse(e.source.Data)
		if err != nil {
			e.err = fault.Say("The event's data is not JSON.")
		} else {
			e.whole = e.fields(data)
		}
	}
	return e.whole, e.err
}

func (e *Env) fields(data any) map[string]any {
	return map[string]any{"id": string(e.source.ID), "name": e.source.Name, "subject": e.source.Subject, "time": e.source.Time.In(time.UTC).Format(timeLayout), "data": data}
}

func parse(raw json.RawMessage) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = numbers(x)
		}
	case []any:
		for i, x := range v {
			v[i] = numbers(x)
		}
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return int(n)
		}
		f, _ := strconv.ParseFloat(string(v), 64) // ±Inf beyond its range
		return f
	}
	return v
}

// Value is what stood at one place that an expression names.
type Value struct {
	Path  string `json:"path"`
	Value any    `json:"value"` // text is cut at 200 characters; lists and objects are told by their size
}

// Values are the places that the expression names, in its order, with what the event has there.
func (p *Program) Values(e *Env) []Value {
	event, err := e.event(p.data)
	if err != nil {
		return nil
	}
	out := make([]Value, 0, len(p.paths))
	for _, keys := range p.paths {
		var v any = event
		switch keys[0] {
		case "run":
			v = e.run
		case "steps":
			v = e.steps
		}
		for _, k := range keys[1:] {
			v = member(v, k)
		}
		out = append(out, Value{Path: keys.String(), Value: brief(v)})
	}
	return out
}

const (
	maxValueText = 200
	maxShown     = 500
)

func brief(v any) any {
	switch v := v.(type) {
	case string:
		return cut(v, maxValueText)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("an object with %d members", len(v))
	}
	return v
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// shown tells what the expression looked at.
func (p *Program) shown(e *Env) string {
	var parts []string
	for _, v := range p.Values(e) {
		text, err := json.Marshal(v.Value)
		if err != nil {
			text = fmt.Append(nil, v.Value) // an infinite number
		}
		parts = append(parts, v.Path+" = "+string(text))
	}
	return cut(strings.Join(parts, ", "), maxShown)
}

func (p path) String() string {
	var b strings.Builder
	for i, k := range p {
		switch k := k.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", k)
		case string:
			switch {
			case i == 0:
				b.WriteString(k)
			case isName(k):
				b.WriteString("." + k)
			default:
				fmt.Fprintf(&b, "[%q]", k)
			}
		}
	}
	return b.String()
}

func isName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
