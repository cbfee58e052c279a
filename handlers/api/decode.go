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

// parse lets read have all of text, of which it keeps parts, and refuses what follows its value.
func parse(text []byte, read func(d *jsontext.Decoder) error) error {
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

// member sets what one member of Waybill's own format says; what is told of an event may be sent back, and says nothing.
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
	case "external_id", "created_at", "updated_at", "version", "depth", "deliveries":
	default:
		if meant := mistyped(name, "name", "data", "subject", "id", "time"); meant != nil {
			r.bad.Add(r.prefix+clipped(name), "%s", meant)
		}
	}
}

// decodeOne reads one event; its data stays part of text.
func decodeOne(bad *fault.Check, text []byte, clouds bool) ([]jobs.NewEvent, error) {
	events := make([]jobs.NewEvent, 1)
	err := parse(text, func(d *jsontext.Decoder) error {
		return readEvent(d, bad, "", &events[0], clouds)
	})
	return events, err
}

// decodeMany reads a list of events: {"events": […]}, or of CloudEvents the array itself. Each gets data of its own, so
// that one event that waits does not hold them all.
func decodeMany(bad *fault.Check, text []byte, clouds bool) (events []jobs.NewEvent, err error) {
	err = parse(text, func(d *jsontext.Decoder) (err error) {
		if clouds {
			events, err = readEvents(d, bad, clouds)
			return err
		}
		return members(d, bad, "", func(name []byte) error {
			if meant := mistyped(string(name), "events"); string(name) != "events" && meant != nil {
				bad.Add(clipped(string(name)), "%s", meant)
			}
			if string(name) != "events" || d.PeekKind() == 'n' {
				return skip(d, clipped(string(name)))
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
		return nil, skip(d, "events")
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
		path := prefix + clipped(string(name))
		raw, err := readValue(d, path)
		if err == nil {
			set(string(name), raw)
		}
		return err
	})
	if err == nil && clouds {
		err = r.finish()
	}
	return err
}

// members walks an object; each reads the value that belongs to a name.
func members(d *jsontext.Decoder, bad *fault.Check, prefix string, each func(name []byte) error) error {
	if d.PeekKind() != '{' {
		path := prefix[:max(0, len(prefix)-1)]
		if err := skip(d, path); err != nil {
			return err
		}
		bad.Add(path, "This must be an object.")
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

// readValue reads the value at path, which may be nested as deep as data.
func readValue(d *jsontext.Decoder, path string) (jsontext.Value, error) {
	raw, err := d.ReadValue()
	switch {
	case err == nil && deeper(raw, mostDepth), err != nil && deeper(d.UnreadBuffer(), mostDepth): // the decoder has a bound, too
		return nil, deepFault(path)
	}
	return raw, jsonFault(err)
}

func skip(d *jsontext.Decoder, path string) error {
	_, err := readValue(d, path)
	return err
}

// jsonFault is inbound.BadJSON for what may be nil.
func jsonFault(err error) error {
	if err == nil {
		return nil
	}
	return inbound.BadJSON(err)
}

// mostDepth is how deep the data of an event may be nested: as deep as a template can read it.
const mostDepth = 200

func deepFault(path string) error {
	f := fault.Coded(fault.Invalid, "too_deep", "The data is nested too deep.")
	f.Fields = []fault.Field{fault.Complaint(path, "At most %d levels of objects and lists.", mostDepth)}
	return f
}

// deeper reports whether the value at the beginning of text, JSON or not, opens more than levels objects and arrays within each other.
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
			if depth--; depth <= 0 {
				return false
			}
		}
	}
	return false
}
