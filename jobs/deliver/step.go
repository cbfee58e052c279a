package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"waybill/db/model"
	"waybill/jobs/script"
)

// readyInput makes a template of the texts of Input that hold tags.
func (u *Setup) readyInput() {
	t := script.Template{}
	for _, key := range slices.Sorted(maps.Keys(u.Input)) {
		if text, is := u.Input[key].(string); is && !script.Plain(text) {
			t.Parts = append(t.Parts, script.Part{Name: key, Place: script.Text, Source: text})
			t.Version += key + "\x00" + text + "\x00"
		}
	}
	if len(t.Parts) > 0 {
		u.inputs = &t
	}
}

// input is `it`, with what an integration is given.
func (s *Sender) input(ctx context.Context, u *Setup, w *model.Work, now time.Time) ([]byte, error) {
	it := Input(u, w)
	if u.Input == nil {
		return it, nil
	}
	values := maps.Clone(u.Input)
	if u.inputs != nil {
		out, err := s.Render(ctx, script.Job{Template: u.inputs, Input: it, Now: now, Seed: string(w.Delivery.ID)})
		if err != nil {
			return nil, renderFailure(err)
		}
		for i, p := range u.inputs.Parts {
			if values[p.Name] = nil; !out.Skip {
				values[p.Name] = out.Parts[i]
			}
		}
	}
	text, err := json.Marshal(values)
	if err != nil || len(it) == 0 {
		return it, err
	}
	return append(append(append(it[:len(it)-1:len(it)-1], `,"input":`...), text...), '}'), nil
}

// said is the body of a delivery of a step without a template: its payload, or for the step's own request the data in it.
func said(w *model.Work) []byte {
	if w.Delivery.WebhookID != "" {
		return w.Payload
	}
	var it struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(w.Payload, &it); err != nil || len(it.Data) != 1 {
		return w.Payload
	}
	return it.Data[0]
}

// withSecret is a JSON object with one more member.
func withSecret(object []byte, secret string) []byte {
	body := bytes.TrimSpace(object)
	if len(body) < 2 || body[len(body)-1] != '}' {
		return object
	}
	out := append(make([]byte, 0, len(body)+len(secret)+32), body[:len(body)-1]...)
	if len(bytes.TrimSpace(out)) > 1 {
		out = append(out, ',')
	}
	out = append(out, `"client_secret":`...)
	return append(quote(out, secret), '}')
}
