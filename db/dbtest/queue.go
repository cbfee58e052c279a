package dbtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func publish(t *testing.T, s *db.Store, pubs ...db.Publication) []db.Published {
	t.Helper()
	v, err := s.Version(ctx)
	ok(t, "version", err)
	out, err := s.Publish(ctx, v, pubs)
	ok(t, "publish", err)
	return out
}

func delivery(t *testing.T, s *db.Store, id model.DeliveryID) model.Delivery {
	t.Helper()
	d, err := s.Delivery(ctx, id)
	ok(t, "delivery", err)
	return d
}

// finish records an outcome of the delivery as it now stands.
func finish(t *testing.T, s *db.Store, owner model.NodeID, id model.DeliveryID, o model.Outcome) {
	t.Helper()
	finishAs(t, s, owner, delivery(t, s, id), o)
}

// finishAs records an outcome of the delivery as it was when it was taken on.
func finishAs(t *testing.T, s *db.Store, owner model.NodeID, d model.Delivery, o model.Outcome) {
	t.Helper()
	done := make(chan error, 1)
	s.Finish(owner, &model.Ending{Work: model.Work{Delivery: d}, Outcome: o}, nil, func(err error) { done <- err })
	ok(t, "finish", <-done)
}

func claim(t *testing.T, s *db.Store, x Setup, limit int) ([]model.Work, time.Time) {
	t.Helper()
	work, next, err := s.Claim(ctx, "nod_1", x.Destination.Target(), model.Realtime, limit)
	ok(t, "claim", err)
	return work, next
}

func attempt(number, status int) *model.Attempt {
	now := time.Now()
	return &model.Attempt{ID: model.NewAttemptID(now), Number: number, StartedAt: now, Method: "POST", URL: "https://shop.example.com/orders",
		StatusCode: status, Request: model.Message{Body: []byte("sent"), Size: 4}, Response: model.Message{Body: []byte("an"), Size: 6, Truncated: true}}
}

func publishing(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("nod_1", "")
	p.Event.Met = []model.Met{{Action: x.Action.ID, Name: x.Action.Name, Result: model.MetSent}}
	out := publish(t, s, p)
	equal(t, "deliveries", 2, out[0].Deliveries)
	e, err := s.Event(ctx, p.Event.ID)
	ok(t, "event", err)
	equal(t, "data", `{"n":1}`, string(e.Data))
	equal(t, "met", 1, len(e.Met))
	list, _, err := s.Deliveries(ctx, db.DeliveryFilter{EventID: e.ID}, db.Page{})
	ok(t, "deliveries", err)
	equal(t, "deliveries", 2, len(list))
	equal(t, "joined name", "Orders", list[0].Destination)

	good, bad := x.Publication(), x.Publication()
	good.Key, good.Hash = "k1", []byte("a")
	bad.Key, bad.Hash = "k1", []byte("b") // the key of the one before with another body
	v, _ := s.Version(ctx)
	_, err = s.Publish(ctx, v, []db.Publication{x.Publication(), good, bad})
	wantFault(t, "batch with a conflict", err, fault.Conflict, "idempotency_conflict")
	events, _, err := s.Events(ctx, db.EventFilter{}, db.Page{})
	ok(t, "events", err)
	equal(t, "events after a refused batch", 1, len(events))
	publish(t, s, good) // its key was not kept
}

func dedupe(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("")
	p.Key, p.Hash, p.Event.ExternalID = "key", []byte("hash"), "order-1"
	first := publish(t, s, p)[0]
	again := x.Publication("")
	again.Key, again.Hash = p.Key, p.Hash
	second := publish(t, s, again)[0]
	equal(t, "second answer", fmt.Sprint(db.Published{ID: first.ID, ExternalID: "order-1", Deliveries: 1, Duplicate: true}), fmt.Sprint(second))
	_, err := s.Event(ctx, again.Event.ID)
	wantFault(t, "event of a duplicate", err, fault.NotFound, "")
	again.User = "usr_other"
	equal(t, "the same key of another user", false, publish(t, s, again)[0].Duplicate)
	later, err := s.ForgetDedupe(ctx, time.Now().Add(model.DedupeLife+time.Minute))
	ok(t, "forget", err)
	equal(t, "forgotten keys", 2, later)
}

func stale(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	v, _ := s.Version(ctx)
	x.Action.Enabled = false
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateAction(&x.Action) })
	p := x.Publication("")
	if _, err := s.Publish(ctx, v, []db.Publication{p}); !errors.Is(err, db.ErrStale) {
		t.Errorf("publish with version %d: %v, want ErrStale", v, err)
	}
	_, err := s.Event(ctx, p.Event.ID)
	wantFault(t, "event that was matched with old routing", err, fault.NotFound, "")
	publish(t, s, p)
}

func claiming(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("", "", "", "nod_2")
	p.Deliveries[1].NextAttemptAt = time.Now().Add(-time.Hour)
	due := time.Now().Add(time.Hour)
	p.Deliveries[2].NextAttemptAt = due
	publish(t, s, p)
	waiting, err := s.Waiting(ctx)
	ok(t, "waiting", err)
	equal(t, "waiting targets", 1, len(waiting))
	work, _ := claim(t, s, x, 1)
	equal(t, "claimed", 1, len(work))
	equal(t, "oldest due first", p.Deliveries[1].ID, work[0].Delivery.ID)
	equal(t, "data", `{"n":1}`, string(work[0].Event.Data))
	work, next := claim(t, s, x, 10)
	equal(t, "claimed", 1, len(work))
	equal(t, "first of the rest", due.UnixMilli(), next.UnixMilli())
	work, _ = claim(t, s, x, 10)
	equal(t, "claimed twice", 0, len(work))
}

func finishing(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("nod_1")
	publish(t, s, p)
	id := p.Deliveries[0].ID
	finish(t, s, "nod_1", id, model.Outcome{Attempt: attempt(1, 500), Status: model.Retrying, NextAt: time.Now().Add(-time.Second), Error: "status 500"})
	d := delivery(t, s, id)
	equal(t, "status", model.Retrying, d.Status)
	equal(t, "attempts", 1, d.Attempts)
	equal(t, "last status", 500, d.LastStatusCode)
	finish(t, s, "nod_1", id, model.Outcome{Attempt: attempt(2, 200), Status: model.Delivered}) // given back by the first, so no owner
	equal(t, "status after an outcome of a stranger", model.Retrying, delivery(t, s, id).Status)
	work, _ := claim(t, s, x, 1)
	equal(t, "claimed for the retry", 1, len(work))
	o := model.Outcome{Renewed: attempt(3, 401), Attempt: attempt(3, 200), Status: model.Delivered, BodyIsData: true}
	o.Attempt.Request.Body = nil
	finish(t, s, "nod_1", id, o)
	d = delivery(t, s, id)
	equal(t, "status", model.Delivered, d.Status)
	equal(t, "settled", false, d.SettledAt.IsZero())
	list, err := s.Attempts(ctx, id)
	ok(t, "attempts", err)
	equal(t, "attempts", 4, len(list))
	equal(t, "attempts that count", 3, d.Attempts)
	equal(t, "request", "sent", string(list[0].Request.Body))
	equal(t, "cut answer", true, list[0].Response.Truncated)
	equal(t, "renewed", 401, list[2].StatusCode)
	equal(t, "request that was the data", `{"n":1}`, string(list[3].Request.Body))
}

func cancelledInFlight(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("nod_1")
	publish(t, s, p)
	id := p.Deliveries[0].ID
	Write(t, s, func(tx *db.Tx) error { _, err := tx.CancelDelivery(id); return err })
	finish(t, s, "nod_1", id, model.Outcome{Attempt: attempt(1, 200), Status: model.Delivered})
	d := delivery(t, s, id)
	equal(t, "status", model.Cancelled, d.Status)
	equal(t, "attempts", 1, d.Attempts)
	err := s.Write(ctx, Admin(), func(tx *db.Tx) error { _, err := tx.CancelDelivery(id); return err })
	wantFault(t, "cancel twice", err, fault.Conflict, "settled")
	Write(t, s, func(tx *db.Tx) (err error) { d, err = tx.RetryDelivery(id); return err })
	equal(t, "status", model.Pending, d.Status)
	equal(t, "schedule starts after", d.Attempts, d.RoundStart)
	work, _ := claim(t, s, x, 1)
	equal(t, "claimed", 1, len(work))
	finish(t, s, "nod_1", id, model.Outcome{Attempt: attempt(work[0].Delivery.Attempts+1, 204), Status: model.Delivered})
	list, err := s.Attempts(ctx, id)
	ok(t, "attempts", err)
	equal(t, "recorded attempts", 2, len(list))
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { _, err := tx.RetryDelivery("dlv_none"); return err })
	wantFault(t, "retry of nothing", err, fault.NotFound, "")
}

// An outcome of the round before a retry by hand is recorded, and does not settle the new round.
func lateOutcome(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("nod_1")
	publish(t, s, p)
	old := delivery(t, s, p.Deliveries[0].ID)
	Write(t, s, func(tx *db.Tx) error { _, err := tx.CancelDelivery(old.ID); return err })
	Write(t, s, func(tx *db.Tx) error { _, err := tx.RetryDelivery(old.ID); return err })
	work, _ := claim(t, s, x, 1)
	equal(t, "claimed", 1, len(work))
	finishAs(t, s, "nod_1", old, model.Outcome{Attempt: attempt(1, 500), Status: model.Failed})
	equal(t, "status after the late outcome", model.Pending, delivery(t, s, old.ID).Status)
	finishAs(t, s, "nod_1", work[0].Delivery, model.Outcome{Attempt: attempt(1, 200), Status: model.Delivered})
	d := delivery(t, s, old.ID)
	equal(t, "status", model.Delivered, d.Status)
	list, err := s.Attempts(ctx, d.ID)
	ok(t, "attempts", err)
	equal(t, "recorded attempts", 2, len(list))
	equal(t, "counted attempts", 2, d.Attempts)
}

func rescue(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("nod_dead", "nod_dead", "nod_1", "")
	publish(t, s, p)
	ok(t, "give back", s.GiveBack(ctx, "nod_1"))
	equal(t, "interruptions after an orderly stop", 0, delivery(t, s, p.Deliveries[2].ID).Interruptions)
	err := s.Write(ctx, Admin(), func(tx *db.Tx) error { _, err := tx.RetryDelivery(p.Deliveries[0].ID); return err })
	wantFault(t, "retry of one in work", err, fault.Conflict, "in_work")
	n, err := s.Rescue(ctx)
	ok(t, "rescue", err)
	equal(t, "rescued", 2, n)
	d := delivery(t, s, p.Deliveries[0].ID)
	equal(t, "interruptions", 1, d.Interruptions)
	equal(t, "attempts", 0, d.Attempts)
	if late := time.Until(d.NextAttemptAt); late > 2*time.Second {
		t.Errorf("rescued ones are due at once, this one in %v", late)
	}
	finish(t, s, "nod_dead", d.ID, model.Outcome{Attempt: attempt(1, 200), Status: model.Delivered})
	equal(t, "status after an outcome of the dead", model.Pending, delivery(t, s, d.ID).Status)
	n, err = s.Rescue(ctx)
	ok(t, "rescue", err)
	equal(t, "rescued again", 0, n)
}

func holding(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	p := x.Publication("", "", "nod_1")
	publish(t, s, p)
	n, err := s.Hold(ctx, x.Destination.Target(), "It is off.")
	ok(t, "hold", err)
	equal(t, "held", 2, n)
	d := delivery(t, s, p.Deliveries[0].ID)
	equal(t, "status", model.Held, d.Status)
	equal(t, "why", model.HeldDisabled, d.Held)
	work, _ := claim(t, s, x, 10)
	equal(t, "claimed while held", 0, len(work))
	held, err := s.HeldTargets(ctx)
	ok(t, "held targets", err)
	equal(t, "held targets", 1, len(held))
	list, _, err := s.Deliveries(ctx, db.DeliveryFilter{Status: model.Held}, db.Page{})
	ok(t, "list", err)
	equal(t, "listed as held", 2, len(list))
	n, err = s.Release(ctx, x.Destination.Target())
	ok(t, "release", err)
	equal(t, "released", 2, n)
	work, _ = claim(t, s, x, 10)
	equal(t, "claimed after", 2, len(work))
	equal(t, "status", model.Pending, work[0].Delivery.Status)
}
