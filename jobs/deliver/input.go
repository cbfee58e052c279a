package deliver

import (
	"encoding/json"

	"waybill/db/model"
)

// batched reports whether messages hold a list of events.
func (u *Setup) batched(w *model.Work) bool {
	return w.Payload == nil && (u.Destination.BatchSize > 1 || len(w.Batch) > 1)
}

// data is the body of a message without a template: the event's data, of a batch the JSON array of them, or what a step
// says.
func (u *Setup) data(w *model.Work) []byte {
	switch {
	case w.Payload != nil:
		return said(w)
	case u.batched(w):
		return append(appendData([]byte("["), w), ']')
	}
	return w.Event.Data
}

// appendData appends the data of all events, by commas.
func appendData(b []byte, w *model.Work) []byte {
	for i, m := range w.All() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, dataOf(m.Event)...)
	}
	return b
}

func dataOf(e model.Event) []byte {
	if len(e.Data) == 0 { // taken by retention
		return []byte("null")
	}
	return e.Data
}

// Input is the JSON text of `it` (SEMANTICS 1). A delivery of a step brings its own.
func Input(u *Setup, w *model.Work) []byte {
	if w.Payload != nil {
		return w.Payload
	}
	size := 512
	for _, m := range w.All() {
		size += 2*len(m.Event.Data) + 256
	}
	b := appendData(append(make([]byte, 0, size), `{"data":[`...), w)
	b = append(b, `],"events":[`...)
	for i, m := range w.All() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEvent(b, m.Event)
	}
	b = append(b, `],"delivery":{"id":`...)
	b = quote(b, w.MessageID())
	b = append(b, `},"destination":{"id":`...)
	b = quote(b, string(u.Destination.ID))
	b = append(b, `,"name":`...)
	b = quote(b, u.Destination.Name)
	b = append(b, `},"connection":{"id":`...)
	b = quote(b, string(u.Connection.ID))
	b = append(b, `,"name":`...)
	b = quote(b, u.Connection.Name)
	return append(b, `}}`...)
}

func appendEvent(b []byte, e model.Event) []byte {
	b = append(b, `{"id":`...)
	b = quote(b, string(e.ID))
	b = append(b, `,"name":`...)
	b = quote(b, e.Name)
	b = append(b, `,"subject":`...)
	b = quote(b, e.Subject)
	b = append(b, `,"time":`...)
	b = quote(b, model.Stamp(e.Time))
	b = append(b, `,"data":`...)
	b = append(b, dataOf(e)...)
	return append(b, '}')
}

// quote appends text as a JSON string.
func quote(b []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			q, _ := json.Marshal(text) // a string always encodes
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
