package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/inbound"
	"waybill/jobs/script"
)

func parseQuery(text string) url.Values {
	q, _ := url.ParseQuery(text) // what Encode made, perhaps cut short: as much as can be read
	return q
}

func parseAddress(text string) netip.Addr {
	a, _ := netip.ParseAddr(text) // unknown: the zero address
	return a
}

// late is the answer to a caller who waited in vain: the call was accepted all the same.
func late(id model.ReceiptID, why string) InboundAnswer {
	out := receipt(id)
	text, err := json.Marshal(map[string]string{"receipt": string(id), "message": "Your call was accepted. " + why + " Ask for the receipt to learn what became of it."})
	if err == nil {
		out.Body = append(text, '\n')
	}
	return out
}

// waited answers with what the response's template makes of the outcome, within the time that is set for it.
func (x *reception) waited(ctx context.Context, id model.ReceiptID, done db.Received) InboundAnswer {
	r := x.a.route.Response
	ctx, stop := context.WithTimeout(ctx, time.Duration(r.TimeoutSeconds)*time.Second)
	defer stop()
	more, why := x.result(ctx, id, done)
	if why != "" {
		return late(id, why)
	}
	if done.First != "" { // the answer is the first call's, so it is made of that
		first, err := x.s.again(ctx, db.CallRef{Endpoint: x.call.EndpointID, ID: id})
		if err != nil || len(first.call.Body) != first.call.Size {
			return late(id, "Its content is not kept any more.")
		}
		x, x.at = first, first.call.CreatedAt
	}
	item := inbound.Item{Data: json.RawMessage("null")}
	if len(x.content.Items) > 0 {
		item = x.content.Items[0]
	}
	t := x.a.route.templates.response
	res, err := x.s.pool.Render(ctx, script.Job{Template: t, Input: x.input(item, readsRaw(t), more), Now: x.at, Seed: string(id)})
	if err != nil {
		x.s.o.Log.Info("the answer to an inbound call could not be made", "endpoint", x.call.EndpointID, "receipt", id, "error", err)
		return late(id, "Its answer could not be made.")
	}
	if res.Skip {
		return receipt(id)
	}
	out := InboundAnswer{Status: r.Status, ContentType: r.ContentType}
	for i, p := range t.Parts {
		if p.Name == partBody {
			out.Body = []byte(res.Parts[i])
		} else {
			out.Headers = append(out.Headers, model.Header{Name: r.Headers[i].Name, Value: res.Parts[i]})
		}
	}
	return out
}

// Receipt is what became of a call, as its caller may know it.
type Receipt struct {
	Call       model.InboundCall
	Events     []ReceiptEvent
	Runs       []model.Run // those that were removed since have no status
	Deliveries []model.Delivery
}

// ReceiptEvent is an event that a call raised.
type ReceiptEvent struct {
	ID   model.EventID
	Name string
}

// mostReceipt is how many deliveries of an event a receipt lists.
const mostReceipt = 200

// Receipt tells the caller who was let in what became of one of his calls.
func (s *Service) Receipt(ctx context.Context, a *Admission, id model.ReceiptID) (Receipt, error) {
	return s.CallOutcome(ctx, a.route.ID, id)
}

// CallOutcome is a call with what it caused.
func (s *Service) CallOutcome(ctx context.Context, endpoint model.InboundID, id model.ReceiptID) (out Receipt, err error) {
	if out.Call, err = s.o.Store.InboundCall(ctx, endpoint, id); err != nil {
		return out, err
	}
	for _, id := range out.Call.Events {
		e, err := s.o.Store.Event(ctx, id)
		if fault.Is(err, fault.NotFound) { // taken by retention
			e.ID = id
		} else if err != nil {
			return out, err
		}
		out.Events = append(out.Events, ReceiptEvent{id, e.Name})
		list, _, err := s.o.Store.Deliveries(ctx, db.DeliveryFilter{EventID: id}, db.Page{Limit: mostReceipt})
		if err != nil {
			return out, err
		}
		out.Deliveries = append(out.Deliveries, list...)
	}
	if err := s.outcomeOfRuns(ctx, &out); err != nil {
		return out, err
	}
	for i := range out.Deliveries {
		s.Now(&out.Deliveries[i])
	}
	return out, nil
}

// InboundPreview is what a call would cause, without causing it.
type InboundPreview struct {
	Items   []PreviewItem
	Problem string // why nothing comes of it, "" = it would be accepted
	Line    int
	Column  int
	Skipped bool
}

// PreviewItem is an event that a call would raise.
type PreviewItem struct {
	Name    string
	Subject string
	Data    json.RawMessage
}

// PreviewInbound works out what an endpoint, saved or being edited, makes of a call. Nothing is stored.
func (s *Service) PreviewInbound(ctx context.Context, e model.InboundEndpoint, c model.InboundCall) (InboundPreview, error) {
	e.Clean()
	e.Version = 0
	r := &route{InboundRoute: db.InboundRoute{InboundEndpoint: e}, templates: templatesOf(e)}
	if t := r.templates.mapping; t != nil { // being edited: the text is its identity
		t.Version = ""
		for _, p := range t.Parts {
			t.Version += p.Name + "\x00" + p.Source + "\x00"
		}
	}
	x := &reception{s: s, a: &Admission{route: r, gate: &s.gate}, at: s.o.Now(), call: c, r: requestOf(c)}
	var err error
	if x.content, err = inbound.Read(x.r.Header, x.r.Body); err != nil {
		if f := fault.Of(err); f != nil {
			return InboundPreview{Problem: f.Message}, nil
		}
		return InboundPreview{}, err
	}
	made := x.unmapped()
	if r.templates.mapping != nil {
		made = outcome{state: model.CallAccepted}
		for i, item := range x.content.Items[:min(len(x.content.Items), 20)] {
			m, stop, err := x.mapOne(ctx, item, i, s.pool.Preview)
			if err != nil {
				return InboundPreview{}, err
			}
			if stop != nil {
				made = *stop
				break
			}
			made.values = append(made.values, m)
		}
	}
	out := InboundPreview{Problem: made.reason, Line: made.line, Column: made.column, Skipped: made.state == model.CallSkipped}
	for _, v := range made.values {
		out.Items = append(out.Items, PreviewItem{v.event.Name, v.event.Subject, v.event.Data})
	}
	return out, nil
}

// SampleCall is what a preview uses until a real call came.
func SampleCall(now time.Time) model.InboundCall {
	return model.InboundCall{ID: "rcp_sample", State: model.CallSample, Method: http.MethodPost, ContentType: "application/json", CreatedAt: now,
		Headers: []model.Header{{Name: "Content-Type", Value: "application/json"}},
		Body:    []byte(`{"id":"A-1001","type":"parcel.delivered","data":{"parcel":"PX-20418","signed_by":"Ada Lovelace","at":"2030-01-31T12:00:00Z"}}`)}
}

// ExplainSignature checks a request against the live secrets of an endpoint and tells every step, none of which holds a
// secret. With a secret that was typed by whoever asks it is checked against that one alone.
func (s *Service) ExplainSignature(ctx context.Context, e model.InboundEndpoint, r inbound.Request, typed model.Secret) (inbound.Verdict, error) {
	if typed != "" {
		return inbound.ExplainWith(e.Verification, typed, r, s.o.Now()), nil
	}
	list, err := s.o.Store.OpenInboundSecrets(ctx, e)
	if err != nil {
		return inbound.Verdict{}, err
	}
	return inbound.Explain(e.Verification, inbound.Live(list, s.o.Now()), r, s.o.Now()), nil
}

// InboundURL is the path of an endpoint's URL with its newest live key, and whether there is one. Only those who may
// manage inbound endpoints, and the partner himself, see it whole.
func (s *Service) InboundURL(ctx context.Context, e model.InboundEndpoint) (path string, ok bool, err error) {
	live := e.LiveKeys(s.o.Now())
	if len(live) == 0 {
		return "", false, nil
	}
	key, err := s.o.Store.OpenInboundKey(ctx, live[len(live)-1].ID)
	if err != nil {
		return "", false, err
	}
	return "/in/" + key.Reveal(), true, nil
}

// forgetInbound clears what is too old of calls, by the same settings as deliveries.
func (s *Service) forgetInbound(ctx context.Context, now time.Time) (n int64, err error) {
	kept, err := s.house.Policy(ctx)
	if err == nil {
		n, err = s.o.Store.ForgetInbound(ctx, now, now.AddDate(0, 0, -kept.BodyDays), now.AddDate(0, 0, -kept.RowDays))
	}
	if errors.Is(err, context.Canceled) {
		return 0, nil
	}
	if err != nil {
		return n, fmt.Errorf("clear inbound calls: %w", err)
	}
	return n, nil
}

// SampleWait is how long an endpoint waits for a sample.
const SampleWait = 10 * time.Minute
