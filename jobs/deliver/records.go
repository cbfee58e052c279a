package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"waybill/db/model"
	"waybill/jobs/connector"
)

// rendersAtOnce is how many records of one message are rendered at the same time.
const rendersAtOnce = 16

// records renders each delivery of a message by itself, for types whose requests hold a record of each. One without a record
// (its template says that there is nothing to send, or fails) does not take the others along: it is in apart, by its place.
// When none is left the error is a *Failure.
func (s *Sender) records(ctx context.Context, u *Setup, w *model.Work, now time.Time) (r connector.Rendered, apart map[int]Part, took time.Duration, err error) {
	list := w.Each()
	made, errs := make([]connector.Rendered, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	places := make(chan struct{}, rendersAtOnce)
	begun := time.Now()
	for i, m := range list {
		m.Delivery.BatchID = "" // a record says the same whatever it goes with
		if u.template == nil {
			made[i].Body = one(&m)
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			made[i], _, errs[i] = s.render(ctx, u, &m, now)
			if u.Destination.Template == "" {
				made[i].Body = one(&m)
			}
			<-places
		})
	}
	wg.Wait()
	r = connector.Rendered{Path: u.Destination.Path, Headers: u.Destination.Headers}
	for i, err := range errs {
		var f *Failure
		switch {
		case err == nil:
			if len(r.Records) == 0 && u.template != nil {
				r.Path, r.Headers = made[i].Path, made[i].Headers
			}
			r.Records = append(r.Records, made[i].Body)
			continue
		case !errors.As(err, &f) || f.Kind != Nothing && f.Kind != Final || len(list) == 1:
			return r, nil, 0, err
		}
		if apart == nil {
			apart = map[int]Part{}
		}
		apart[i] = Part{Kind: f.Kind, Error: f.Words}
	}
	if len(r.Records) == 0 {
		return r, nil, 0, noneLeft(apart, errs)
	}
	return r, apart, time.Since(begun), nil
}

// one is the body of one delivery's record without a template.
func one(m *model.Work) []byte {
	if m.Payload != nil {
		return said(m)
	}
	return dataOf(m.Event)
}

// noneLeft is why a message has no record at all.
func noneLeft(apart map[int]Part, errs []error) *Failure {
	out := &Failure{Kind: Nothing}
	for i, err := range errs {
		var f *Failure
		errors.As(err, &f)
		if out.Words == "" || f.Kind == Final && out.Kind == Nothing {
			out.Kind, out.Class, out.Words, out.Problem = f.Kind, f.Class, f.Words, f.Problem
		}
		out.Each = append(out.Each, apart[i])
	}
	if out.Kind == Nothing {
		out.Each = nil
	}
	return out
}
