// Package export writes what happened to where people work on it: each hour that has ended into a store that speaks S3,
// or a range into a download.
//
// Events belong to the hour in which they were accepted, deliveries (and their attempts) to the one in which they were
// settled, so that a record is final when it is written. An hour's objects have keys that follow from the hour alone, and
// its manifest is written last: however often an hour is begun again after a kill, a refusal or a broken line, there is one
// set of objects in the end. Rows are read in short pages and go through gzip into parts of bounded size, so memory does
// not depend on how much there is. It decides when and what; the objects are jobs/s3's, the statements db's.
package export

import (
	"context"
	"io"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// Query says which records are wanted.
type Query struct {
	Dataset  model.Dataset
	From, To time.Time // To is not part of it
	Format   model.ExportFormat
	Data     bool // the data of events goes along
	Harmless bool // CSV for people: no text begins like a formula of a spreadsheet
}

// Stream writes all records of a query and says how many. between is called after every page, nil = never; its error ends it.
func Stream(ctx context.Context, s *db.Store, q Query, w io.Writer, between func(records int64) error) (int64, error) {
	e, err := newEncoder(w, q)
	if err != nil {
		return 0, err
	}
	next := q.events(s)
	if q.Dataset != model.DatasetEvents {
		next = q.deliveries(s)
	}
	var n int64
	for {
		page, done, err := next(ctx)
		if err != nil {
			return n, err
		}
		for _, r := range page {
			if err := e.write(r); err != nil {
				return n, err
			}
		}
		n += int64(len(page))
		if err := e.flush(); err != nil || done {
			return n, err
		}
		if between != nil {
			if err := between(n); err != nil {
				return n, err
			}
		}
	}
}

// pager gives the next records; done: there are no more.
type pager func(context.Context) (page []record, done bool, err error)

func (q Query) events(s *db.Store) pager {
	last := model.EventID("")
	return func(ctx context.Context) ([]record, bool, error) {
		list, err := s.ExportedEvents(ctx, q.From, q.To, last)
		if err != nil || len(list) == 0 {
			return nil, true, err
		}
		out := make([]record, len(list))
		for i, e := range list {
			out[i] = event(e, q.Data)
		}
		last = list[len(list)-1].ID
		return out, false, nil
	}
}

func (q Query) deliveries(s *db.Store) pager {
	var last model.Delivery
	return func(ctx context.Context) ([]record, bool, error) {
		list, err := s.ExportedDeliveries(ctx, q.From, q.To, last)
		if err != nil || len(list) == 0 {
			return nil, true, err
		}
		last = list[len(list)-1].Delivery
		if q.Dataset == model.DatasetAttempts {
			out, err := attemptsOf(ctx, s, list)
			return out, false, err
		}
		out := make([]record, len(list))
		for i, d := range list {
			out[i] = delivery(d)
		}
		return out, false, nil
	}
}

func attemptsOf(ctx context.Context, s *db.Store, list []db.ExportedDelivery) ([]record, error) {
	ids := make([]model.DeliveryID, len(list))
	for i, d := range list {
		ids[i] = d.ID
	}
	attempts, err := s.ExportedAttempts(ctx, ids)
	out := make([]record, len(attempts))
	for i, a := range attempts {
		out[i] = attempt(a)
	}
	return out, err
}
