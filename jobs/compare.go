package jobs

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/script"
)

// Bounds of a comparison.
const (
	compared     = 50              // deliveries that are looked at, the newest
	compareTime  = 8 * time.Second // in all
	compareAtOne = 8               // renders that wait for the worker at the same time
	compareSlow  = 4               // renders that meet a bound, until the rest is left alone
)

// Effect is what an edited destination would do to a delivery that was made before.
type Effect string

// What an edit does to a delivery, the most serious first.
const (
	EffectFails   Effect = "fails"   // it went through as stored, and would now fail
	EffectSkipped Effect = "skipped" // it was sent, and would now not be
	EffectSent    Effect = "sent"    // it was skipped or failed, and would now be sent
	EffectChanged Effect = "changed" // another request would be sent
	EffectSame    Effect = "same"
)

// Effects in that order.
func Effects() []Effect {
	return []Effect{EffectFails, EffectSkipped, EffectSent, EffectChanged, EffectSame}
}

// Draft is a request before it is signed and authenticated, or why there is none.
type Draft struct {
	Method  string
	URL     string
	Headers []model.Header
	Body    []byte
	Skipped string          // the template said that there is nothing to send
	Error   string          // in words
	Problem *script.Problem // a template is at fault

	bound bool // it met a bound of time or space
}

// Compared is one delivery rendered with what is stored and with what is edited.
type Compared struct {
	Delivery      model.Delivery
	Subject       string
	Effect        Effect
	Before, After Draft
}

// Comparison is the newest deliveries of a destination, rendered both ways, newest first.
type Comparison struct {
	Items []Compared
	Gone  int  // deliveries whose event's data is no longer stored
	Cut   bool // the time was over before all were rendered
}

// Compare renders the newest deliveries of a destination with what is stored and with d, as it is edited, both as of now, so that
// only the edit shows. Nothing is sent, signed or stored. It holds the previews' worker for some seconds at most.
func (s *Service) Compare(ctx context.Context, d model.Destination) (Comparison, error) {
	var out Comparison
	stored, err := s.o.Store.Destination(ctx, d.ID)
	if err != nil {
		return out, err
	}
	before, err := s.draft(ctx, stored)
	if err != nil {
		return out, err
	}
	after, err := s.draft(ctx, d)
	if err != nil {
		return out, err
	}
	list, _, err := s.o.Store.Deliveries(ctx, db.DeliveryFilter{DestinationID: d.ID}, db.Page{Limit: compared})
	if err != nil {
		return out, err
	}
	work, err := s.pastWork(ctx, list)
	if err != nil {
		return out, err
	}
	out.Gone = len(list) - len(work)
	out.Items, out.Cut, err = s.compareAll(ctx, before, after, work)
	return out, err
}

// pastWork are the deliveries with their events, but for those whose data is gone.
func (s *Service) pastWork(ctx context.Context, list []model.Delivery) ([]model.Work, error) {
	var out []model.Work
	for _, d := range list {
		e, err := s.o.Store.Event(ctx, d.EventID)
		if fault.Is(err, fault.NotFound) || err == nil && e.Data == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, model.Work{Delivery: d, Event: e})
	}
	return out, nil
}

// compareAll renders until the time is over; what is not done by then is left out.
func (s *Service) compareAll(ctx context.Context, before, after *deliver.Setup, work []model.Work) ([]Compared, bool, error) {
	inTime, stop := context.WithTimeout(ctx, compareTime)
	defer stop()
	now := s.o.Now()
	done := make([]*Compared, len(work))
	places := make(chan struct{}, compareAtOne)
	var slow atomic.Int32
	var all sync.WaitGroup
	for i, w := range work {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			x := Compared{Delivery: w.Delivery, Subject: w.Event.Subject}
			var ok [2]bool
			x.Before, ok[0] = s.draftOf(inTime, before, &w, now)
			x.After, ok[1] = s.draftOf(inTime, after, &w, now)
			if x.Effect = effect(x.Before, x.After); ok[0] && ok[1] {
				done[i] = &x
			}
			if x.After.bound && slow.Add(1) >= compareSlow {
				stop()
			}
		})
	}
	all.Wait()
	var out []Compared
	for _, x := range done {
		if x != nil {
			out = append(out, *x)
		}
	}
	return out, len(out) < len(work), ctx.Err()
}

// draftOf is the request that u makes of w; false: there was no time to find out.
func (s *Service) draftOf(ctx context.Context, u *deliver.Setup, w *model.Work, now time.Time) (Draft, bool) {
	if ctx.Err() != nil {
		return Draft{}, false
	}
	p, err := s.previews.Draft(ctx, u, w, now)
	var f *deliver.Failure
	switch {
	case ctx.Err() != nil:
		return Draft{}, false
	case errors.As(err, &f) && f.Kind == deliver.Nothing:
		return Draft{Skipped: f.Words}, true
	case errors.As(err, &f):
		return Draft{Error: u.Redact.Text(f.Words), Problem: f.Problem, bound: f.Kind == deliver.Crash || f.Problem != nil && f.Problem.Bound != ""}, true
	case err != nil:
		return Draft{Error: err.Error()}, true
	}
	return Draft{Method: p.Request.Method, URL: p.Request.URL, Headers: headersOf(p.Request.Header), Body: u.Redact.Body(p.Request.Body, false)}, true
}

// headersOf lists headers by name.
func headersOf(h http.Header) []model.Header {
	var out []model.Header
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			out = append(out, model.Header{Name: name, Value: v})
		}
	}
	return out
}

// goes reports whether a request would leave.
func (d Draft) goes() bool { return d.Skipped == "" && d.Error == "" }

func effect(a, b Draft) Effect {
	switch {
	case a.goes() && b.goes():
		if a.Method == b.Method && a.URL == b.URL && slices.Equal(a.Headers, b.Headers) && bytes.Equal(a.Body, b.Body) {
			return EffectSame
		}
		return EffectChanged
	case b.goes():
		return EffectSent
	case b.Error != "" && a.Error == "":
		return EffectFails
	case b.Error == "" && a.Skipped == "":
		return EffectSkipped
	}
	return EffectSame
}

// FormatTemplate lays the template of d out for people. What it renders stays the same. One that cannot be read is an Invalid fault.
func FormatTemplate(d model.Destination) (string, error) {
	d.Clean()
	text, err := script.Format(d.Template, deliver.BodyPlace(d.ContentType))
	var p *script.Problem
	if errors.As(err, &p) {
		var bad fault.Check
		bad.Add("template", "Line %d, column %d: %s", p.Line, p.Column, fault.Text(p.Message))
		return d.Template, bad.Err()
	}
	return text, err
}
