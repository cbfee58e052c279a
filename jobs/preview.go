package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/script"
)

// Preview is the exact request that a destination would send, secrets masked, or why it cannot.
type Preview struct {
	Method   string
	URL      string
	Headers  []model.Header
	Body     []byte
	Skipped  string          // the template said that there is nothing to send
	Problem  *script.Problem // a template is at fault
	Error    string          // in words, when there is no request
	Warnings []*fault.Words  // the request can be made, but look at this
	Took     time.Duration   // spent in the template
}

// SampleEvent is what a preview uses until real events are stored.
func SampleEvent(now time.Time) model.Event {
	return model.Event{ID: "evt_sample", Name: "order.created", Subject: "A-1001", Time: now, CreatedAt: now,
		Data: json.RawMessage(`{"id":"A-1001","total":129.5,"currency":"EUR","customer":{"name":"Ada Lovelace","email":"ada@example.com"},"items":[{"sku":"LAMP-02","quantity":2},{"sku":"CABLE-1M","quantity":5}],"note":"Ring twice, \"please\""}`)}
}

// Preview renders a destination, saved or being edited, against an event. Its errors are about the call; what is wrong
// with the destination is in the Preview.
func (s *Service) Preview(ctx context.Context, d model.Destination, e model.Event) (Preview, error) {
	u, err := s.draft(ctx, d)
	if err != nil {
		return Preview{}, err
	}
	p, err := s.previews.Prepare(ctx, u, sampleWork(d, e))
	var f *deliver.Failure
	switch {
	case errors.As(err, &f) && f.Kind == deliver.Nothing:
		return Preview{Skipped: f.Words}, nil
	case errors.As(err, &f):
		return Preview{Error: u.Redact.Text(f.Words), Problem: f.Problem}, nil
	case err != nil:
		return Preview{}, err
	}
	out := Preview{Method: p.Request.Method, URL: u.Redact.URL(p.Request.URL, p.Applied), Headers: u.Redact.Request(p.Request.Header, p.Applied),
		Body: u.Redact.Body(p.Request.Body, false), Took: p.Rendered}
	if refusal := s.egress.Check(p.Request.URL, u.Scope); refusal != nil {
		out.Warnings = append(out.Warnings, refusal.Words)
	}
	if len(out.Body) > 0 && deliver.IsJSON(u.Destination.ContentType) {
		if w := checkJSON(p.Request.Body); w != nil {
			out.Warnings = append(out.Warnings, w)
		}
	}
	return out, nil
}

// checkJSON says where a body stops being JSON, nil when it is.
func checkJSON(body []byte) *fault.Words {
	var any json.RawMessage
	err := json.Unmarshal(body, &any)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := body[:min(int(syntax.Offset), len(body))]
		line, column := 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')-1
		return fault.Say("The content type says JSON, but the body is not: line %d, column %d: %s.", line, column, syntax.Error())
	}
	return nil
}

// Test makes one real exchange with a destination, saved or being edited, and shows it whole. Nothing is queued.
func (s *Service) Test(ctx context.Context, d model.Destination, e model.Event) (model.Attempt, error) {
	if err := s.accepting(ctx); err != nil {
		return model.Attempt{}, err
	}
	u, err := s.draft(ctx, d)
	if err != nil {
		return model.Attempt{}, err
	}
	if err := s.WantFeature(ctx, model.FeatureOf(u.Connection.Type)); err != nil {
		return model.Attempt{}, err
	}
	w := sampleWork(d, e)
	r := s.previews.Deliver(ctx, u, w)
	if r.Kind == deliver.Taken {
		s.followTest(ctx, u, w, &r)
	}
	if r.Kind == deliver.Sent && s.sameRequest(ctx, d) {
		s.dispatch.Answered(d.Target())
	}
	return tested(r, s.o.Now(), d), nil
}

// sameRequest reports whether a destination as it is being edited asks at the same place as the one that is saved.
func (s *Service) sameRequest(ctx context.Context, d model.Destination) bool {
	snap, err := s.routing.current(ctx)
	if err != nil || d.ID == "" {
		return false
	}
	saved, ok := snap.Destinations[d.ID]
	return ok && saved.Method == d.Method && saved.Path == d.Path
}

// testFollowed is how long the outcome of a test is waited for that the other side only took.
const testFollowed = 10 * time.Second

// followTest waits for what becomes of a test that the other side took, and says so in r.
func (s *Service) followTest(ctx context.Context, u *deliver.Setup, w *model.Work, r *deliver.Result) {
	f := model.FollowUp{MessageID: w.MessageID(), Members: []model.DeliveryID{w.Delivery.ID}, Reference: r.Follow.Reference, Since: s.o.Now()}
	taken := "It was taken as request " + f.Reference
	r.Attempt.Said = taken + "; what becomes of it was not told within " + testFollowed.String() + ". Deliveries are followed up to the end."
	for wait := r.Follow.After; s.o.Now().Add(wait).Sub(f.Since) < testFollowed; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		h := s.previews.Follow(ctx, u, w, []int{0}, f)
		if wait = h.Wait; wait > 0 {
			continue
		}
		if r.Kind = h.Result.Kind; len(h.Result.Each) == 1 {
			r.Kind, r.Attempt.Said, h.Result.Error = h.Result.Each[0].Kind, h.Result.Each[0].Said, h.Result.Each[0].Error
		}
		after := " and " + s.o.Now().Sub(f.Since).Round(time.Second).String() + " later it told: "
		if r.Kind == deliver.Sent {
			r.Attempt.Said = taken + after + r.Attempt.Said
		} else {
			r.Attempt.Said, r.Attempt.Class, r.Attempt.Error = "", model.ClassStatus, taken+after+h.Result.Error
		}
		return
	}
}

func sampleWork(d model.Destination, e model.Event) *model.Work {
	return &model.Work{Event: e, Delivery: model.Delivery{ID: "dlv_sample", EventID: e.ID, EventName: e.Name, DestinationID: d.ID, Destination: d.Name}}
}

// draft is the set-up of a destination as it is in d, not as it is stored.
func (s *Service) draft(ctx context.Context, d model.Destination) (*deliver.Setup, error) {
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := snap.Connections[d.ConnectionID]
	if !ok {
		return nil, fault.Absent("connection")
	}
	d.Clean()
	d.Version = 0 // not the stored template: the text is its identity
	return s.routing.prepare(ctx, snap, c, d)
}
