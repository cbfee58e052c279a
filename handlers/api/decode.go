package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
	"waybill/jobs/inbound"
)

// A body with events is read once, by a tokenizer that refuses what two readers could understand in two ways (invalid
// UTF-8, a name repeated within an object). Values are kept as the bytes that came.

// decoders are kept: each has buffers for the names of the objects that it is in.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// parse lets read have all of text, of which it keeps parts, and refuses what follows its value. levels is how deep
// text may be nested.
func parse(text []byte, levels int, read func(d *jsontext.Decoder) error) error {
	if deeper(text, levels) {
		return deepFault()
	}
	d := decoders.Get().(*jsontext.Decoder)
	defer func() {
		d.Reset(new(bytes.Buffer)) // lets go of text
		decoders.Put(d)
	}()
	d.Reset(bytes.NewBuffer(text))
	if err := read(d); err != nil {
		return err
	}
	if d.PeekKind() != 0 {
		return fault.New(fault.Malformed, "The body is not valid JSON: something follows its end at byte %d.", d.InputOffset())
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return inbound.BadJSON(err)
	}
	return nil
}

// reading is one event that is being read.
type reading struct {
	bad    *fault.Check
	prefix string // of the names in complaints
	event  *jobs.NewEvent
	cloud  *cloud // not nil: it is a CloudEvent
}

func (r *reading) complain(name, words string) { r.bad.Add(r.prefix+name, "%s", words) }

// text reads a string; null is "".
func (r *reading) text(name string, raw jsontext.Value) string {
	switch raw.Kind() {
	case '"':
		return string(unquoted(raw))
	case 'n':
		return ""
	}
	r.complain(name, "This must be text.")
	return ""
}

// unquoted is the text of a valid JSON string.
func unquoted(raw jsontext.Value) []byte {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	s, _ := jsontext.AppendUnquote(nil, raw) // the decoder has checked it
	return s
}

// member sets what one member of Waybill's own format says; others are ignored.
func (r *reading) member(name string, raw jsontext.Value) {
	switch name {
	case "name":
		r.event.Name = r.text(name, raw)
	case "data":
		r.event.Data = json.RawMessage(raw)
	case "subject":
		r.event.Subject = r.text(name, raw)
	case "id":
		r.event.ID = r.text(name, raw)
	case "time":
		r.event.Time = parseTime(r.bad, r.prefix+name, r.text(name, raw))
	}
}

// decodeOne reads one event; its data stays part of text.
func decodeOne(bad *fault.Check, text []byte, clouds bool) ([]jobs.NewEvent, error) {
	events := make([]jobs.NewEvent, 1)
	err := parse(text, mostDepth+1, func(d *jsontext.Decoder) error {
		return readEvent(d, bad, "", &events[0], clouds)
	})
	return events, err
}

// decodeMany reads a list of events: {"events": […]}, or of CloudEvents the array itself. Each gets data of its own, so
// that one event that waits does not hold them all.
func decodeMany(bad *fault.Check, text []byte, clouds bool) (events []jobs.NewEvent, err error) {
	err = parse(text, mostDepth+3, func(d *jsontext.Decoder) (err error) {
		if clouds {
			events, err = readEvents(d, bad, clouds)
			return err
		}
		return members(d, bad, "", func(name []byte) error {
			if string(name) != "events" || d.PeekKind() == 'n' {
				return skip(d)
			}
			events, err = readEvents(d, bad, clouds)
			return err
		})
	})
	return events, err
}

func readEvents(d *jsontext.Decoder, bad *fault.Check, clouds bool) ([]jobs.NewEvent, error) {
	if d.PeekKind() != '[' {
		bad.Add("events", "This must be a list of events.")
		return nil, skip(d)
	}
	_, _ = d.ReadToken() // the bracket that was seen
	events := make([]jobs.NewEvent, 0, 16)
	for d.PeekKind() != ']' {
		if len(events) == model.MaxBatchEvents {
			bad.Add("events", "At most %d events at once.", model.MaxBatchEvents)
			return nil, bad.Err()
		}
		var e jobs.NewEvent
		if err := readEvent(d, bad, "events["+strconv.Itoa(len(events))+"].", &e, clouds); err != nil {
			return nil, err
		}
		e.Data = bytes.Clone(e.Data)
		events = append(events, e)
	}
	_, err := d.ReadToken()
	return events, jsonFault(err)
}

func readEvent(d *jsontext.Decoder, bad *fault.Check, prefix string, e *jobs.NewEvent, clouds bool) error {
	r := reading{bad: bad, prefix: prefix, event: e}
	set := r.member
	if clouds {
		r.cloud = &cloud{}
		set = r.attribute
	}
	err := members(d, bad, prefix, func(name []byte) error {
		raw, err := d.ReadValue()
		if err == nil {
			set(string(name), raw)
		}
		return jsonFault(err)
	})
	if err == nil && clouds {
		err = r.finish()
	}
	return err
}

// members walks an object; each reads the value that belongs to a name.
func members(d *jsontext.Decoder, bad *fault.Check, prefix string, each func(name []byte) error) error {
	if d.PeekKind() != '{' {
		if err := skip(d); err != nil {
			return err
		}
		bad.Add(prefix[:max(0, len(prefix)-1)], "This must be an object.")
		return nil
	}
	_, _ = d.ReadToken() // the brace that was seen
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return inbound.BadJSON(err)
		}
		if err := each(unquoted(name)); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return jsonFault(err)
}

func skip(d *jsontext.Decoder) error { return jsonFault(d.SkipValue()) }

// jsonFault is inbound.BadJSON for what may be nil.
func jsonFault(err error) error {
	if err == nil {
		return nil
	}
	return inbound.BadJSON(err)
}

// mostDepth is how deep the data of an event may be nested: as deep as a template can read it.
const mostDepth = 200

func deepFault() error {
	return &fault.Fault{Kind: fault.Invalid, Code: "too_deep", Message: "The data is nested too deep.",
		Fields: []fault.Field{{Name: "data", Message: "At most 200 levels of objects and lists."}}}
}

// deeper reports whether text, JSON or not, opens more than levels objects and arrays within each other.
func deeper(text []byte, levels int) bool {
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= levels { // nearly always
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > levels {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
