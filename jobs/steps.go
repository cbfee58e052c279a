package jobs

import (
	"context"
	"math/rand/v2"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
)

// steps is what the delivery engine asks about the webhooks and requests of workflow steps, and what it tells of them.
// What is nil is answered as for a step that does not exist.
type steps struct {
	// setup is all that the request of a delivery without a destination needs, secrets opened.
	setup func(context.Context, *model.Work) (*deliver.Setup, error)
	// target is what the queue of a target that is not a destination is allowed. It is asked often and must not wait. That
	// Waybill switched the target off is added to it.
	target func(model.TargetID) dispatch.Target
	// outcome hears, in the transaction that records it, what happens to a delivery of a run: each attempt (o.Attempt, with
	// the answer), and without one that it is held, skipped, or cancelled by hand or with its target. d is as it was, o.Status
	// what it becomes. What it returns keeps the outcome from being stored, so it must not fail but when the store does.
	outcome func(tx *db.Tx, d model.Delivery, o model.Outcome) error
}

// setup is everything that a delivery's request needs.
func (s *Service) setup(ctx context.Context, w *model.Work) (*deliver.Setup, error) {
	if w.Delivery.DestinationID != "" {
		return s.routing.setup(ctx, w.Delivery.DestinationID)
	}
	if s.steps.setup == nil {
		return nil, fault.Absent("step")
	}
	return s.steps.setup(ctx, w)
}

// target is what a queue is allowed now.
func (s *Service) target(id model.TargetID) dispatch.Target {
	if _, _, _, step := id.Step(); !step {
		return s.routing.target(id)
	}
	t := dispatch.Target{MaxInFlight: model.DefaultMaxInFlight, Schedule: model.DefaultSchedule(), Off: "The step that this belongs to no longer exists."}
	if s.steps.target != nil {
		t = s.steps.target(id)
	}
	if h, off := s.routing.now.Load().Off[id]; off {
		t.Off = h.DisabledReason
	}
	return t
}

// Off says why nothing may be sent to a target, nil when it may.
func (s *Service) Off(id model.TargetID) *fault.Words {
	if _, _, _, step := id.Step(); !step {
		return s.routing.now.Load().offWords(model.DestID(id))
	}
	if off := s.target(id).Off; off != "" {
		return fault.Text(off)
	}
	return nil
}

// settle is what an outcome changes besides its delivery.
func (s *Service) settle(w model.Work, o model.Outcome) func(tx *db.Tx, taken bool) error {
	traced := o.Status.Settled() && s.tracer.Traces(w)
	if o.Disable == "" && w.Delivery.RunID == "" && !traced {
		return nil
	}
	return s.settling(w, o, traced)
}

// settling is apart from settle because what a function captures is copied even where there is none.
func (s *Service) settling(w model.Work, o model.Outcome, traced bool) func(tx *db.Tx, taken bool) error {
	d := w.Delivery
	return func(tx *db.Tx, taken bool) error {
		if traced && taken {
			s.traceEnd(tx, w, o)
		}
		if o.Disable != "" {
			if err := switchOff(tx, d, o.Disable); err != nil {
				return err
			}
		}
		if d.RunID == "" || !taken || s.steps.outcome == nil {
			return nil
		}
		if o.Attempt == nil { // what was told later is the answer
			o.Attempt = o.Told
		}
		return s.steps.outcome(tx, d, o)
	}
}

// traceEnd tells after the commit that a delivery has ended.
func (s *Service) traceEnd(tx *db.Tx, w model.Work, o model.Outcome) {
	n, now := w.Delivery.Attempts, tx.Now()
	if o.Attempt != nil {
		n++
	}
	tx.After(func() { s.tracer.Settled(w.Delivery, w.Event, n, o.Status, o.Error, now) })
}

func switchOff(tx *db.Tx, d model.Delivery, why string) error {
	if d.DestinationID == "" {
		return tx.SwitchOffTarget(d.TargetID, d.Step, why)
	}
	err := tx.SwitchOffDestination(d.DestinationID, why)
	if fault.Is(err, fault.NotFound) { // deleted meanwhile; the outcome must be recorded all the same
		return nil
	}
	return err
}

// cancelled hears of deliveries of runs that people ended.
func (s *Service) cancelled(tx *db.Tx, d model.Delivery) error {
	if s.steps.outcome == nil {
		return nil
	}
	return s.steps.outcome(tx, d, model.Outcome{Status: model.Cancelled, Error: d.LastError})
}

// enqueue stores deliveries of steps in an open transaction, and hands them over after the commit: in memory, as far as there
// are places. They need TargetID and what says where they belong; ID, Lane, times and Status are filled in. For an ordered
// destination OrderKey is the run's subject.
func (s *Service) enqueue(tx *db.Tx, list []model.Work) error {
	owners := make([]model.NodeID, len(list))
	for i := range list {
		w := &list[i]
		s.ready(&w.Delivery, tx.Now())
		d := w.Delivery
		if d.Status == model.Pending && !d.NextAttemptAt.After(d.CreatedAt) && s.dispatch.Reserve(d.TargetID, d.Lane, len(w.Payload)) {
			owners[i] = s.o.Node
			size := len(w.Payload)
			tx.Otherwise(func() { s.dispatch.Unreserve(d.TargetID, d.Lane, size) })
		}
	}
	places, err := tx.InsertDeliveries(list, owners)
	if err != nil {
		return err
	}
	tx.After(func() { s.enqueued(list, owners, places) })
	return nil
}

// enqueued hands over what was committed.
func (s *Service) enqueued(list []model.Work, owners []model.NodeID, places []db.Place) {
	var work []model.Work
	for i, w := range list {
		d := &w.Delivery
		d.Seq = places[i].Seq
		switch {
		case places[i].Behind: // stored unowned
			if owners[i] != "" {
				s.dispatch.Unreserve(d.TargetID, d.Lane, len(w.Payload))
			}
		case owners[i] != "":
			work = append(work, w)
		case d.Status == model.Pending:
			s.dispatch.Spill(d.TargetID, d.Lane, d.NextAttemptAt)
		}
	}
	if len(work) > 0 {
		s.dispatch.Handover(work)
	}
	s.watchers.tell()
}

// ready fills in what a new delivery needs.
func (s *Service) ready(d *model.Delivery, now time.Time) {
	t := s.target(d.TargetID)
	if d.ID == "" {
		d.ID = model.NewDeliveryID(now)
	}
	if d.Lane == "" {
		d.Lane = model.Realtime
	}
	d.Ordered = t.Ordered
	d.Status, d.NextAttemptAt, d.CreatedAt, d.UpdatedAt, d.Version, d.LastError = model.Pending, now, now, now, 1, ""
	if t.Off != "" {
		d.Status, d.NextAttemptAt, d.LastError = model.Held, time.Time{}, t.Off
	} else if len(t.Schedule) > 0 && t.Schedule[0] > 0 {
		d.NextAttemptAt = now.Add(dispatch.Spread(t.Schedule[0], rand.Float64()))
	}
}

// raise accepts an event of Waybill's own in an open transaction, with all that it causes; e.Depth says how many events
// led to it. Beyond model.MaxDepth it is stored, but goes nowhere.
func (s *Service) raise(tx *db.Tx, e NewEvent) (model.EventID, error) {
	snap, err := s.routing.within(tx)
	if err != nil {
		return "", err
	}
	pubs, err := s.match(snap, tx.Actor(), "", false, []NewEvent{e})
	if err != nil {
		return "", err
	}
	s.reserve(pubs)
	for _, p := range pubs {
		tx.Otherwise(func() { s.giveUp(p) })
	}
	out, err := tx.Publish(pubs)
	if err != nil {
		return "", err
	}
	tx.After(func() { s.stored(pubs, out) })
	return out[0].ID, nil
}
