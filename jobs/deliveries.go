package jobs

import (
	"context"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/dispatch"
)

// Retry starts the schedule of a delivery, and of all that share its message, again, now. It goes before everything that waits: it
// does not wait for its turn in an order, nor for an open breaker. Where nothing may be sent since its target is off, that is a Conflict.
func (s *Service) Retry(ctx context.Context, actor model.Actor, id model.DeliveryID) (model.Delivery, error) {
	d, err := s.o.Store.Delivery(ctx, id)
	if err != nil {
		return d, err
	}
	if _, err := s.routing.current(ctx); err != nil {
		return d, err
	}
	if why := s.Off(d.TargetID); why != nil {
		return d, fault.Coded(fault.Conflict, "switched_off", "%s Nothing was sent.", why)
	}
	d, err = s.dispatch.Retry(ctx, actor, id, func(tx *db.Tx) error { return tx.WantData(id) })
	if err == nil {
		s.watchers.tell()
	}
	return d, err
}

// triedWithin is how long whoever wants a destination tried waits for what comes of it.
const triedWithin = 3 * time.Second

// TryNow sends the oldest message that waits for a destination which is left alone since it fails, without waiting for the end of
// the pause. It tells how the destination is after that, or when that takes long: then over is false.
func (s *Service) TryNow(ctx context.Context, actor model.Actor, id model.DestID) (h model.Health, over bool, err error) {
	target := model.Destination{ID: id}.Target()
	before := s.Health(target)
	if before.Breaker != model.BreakerOpen {
		return before, false, fault.Coded(fault.Conflict, "not_paused", "Messages go out to this destination; there is nothing to wait for.")
	}
	changed, stop := s.Watch(0)
	defer stop()
	var due model.Lane
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		due, err = tx.TryDestination(id, s.dispatch.Shown(target).Waits != "")
		return err
	})
	if err != nil {
		return before, false, err
	}
	if due != "" {
		s.dispatch.Wake(target, due, s.o.Now())
	}
	s.dispatch.Nudge(target)
	enough := time.NewTimer(triedWithin)
	defer enough.Stop()
	for {
		if h = s.Health(target); h.Breaker != model.BreakerOpen || h.Tries != before.Tries {
			return h, true, nil
		}
		select {
		case <-changed:
		case <-enough.C:
			return h, false, nil
		case <-ctx.Done():
			return h, false, nil
		}
	}
}

// WaitFor counts the deliveries that wait to be sent to a target, as far as model.MostCounted.
func (s *Service) WaitFor(ctx context.Context, id model.TargetID) (int64, error) {
	return s.o.Store.WaitFor(ctx, s.o.Node, id)
}

// Cancel ends an open delivery, and all that share its message.
func (s *Service) Cancel(ctx context.Context, actor model.Actor, id model.DeliveryID) (d model.Delivery, err error) {
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		d, err = tx.CancelDelivery(id)
		return err
	})
	if err == nil {
		s.dispatch.Forget(d.TargetID, d.ID)
		s.traceEnds(d.ID)
		s.watchers.tell()
	}
	return d, err
}

// traceEnds tells of deliveries that ended without an attempt, on its own time.
func (s *Service) traceEnds(ids ...model.DeliveryID) {
	if s.tracer == nil {
		return
	}
	s.telling.Go(func() {
		list, err := s.o.Store.Work(context.Background(), ids...)
		if err != nil {
			s.o.Log.Warn("deliveries that were cancelled are not traced", "error", err)
		}
		for _, w := range list {
			s.tracer.Settled(w.Delivery, w.Event, w.Delivery.Attempts, w.Delivery.Status, "", w.Delivery.UpdatedAt)
		}
	})
}

// WaitsOutcome is why a delivery waits whose message the other side took without telling what becomes of it.
const WaitsOutcome = "outcome"

// WaitsRate is why a delivery waits whose target takes only so many a second.
const WaitsRate = string(dispatch.WaitsRate)

// Now adds to deliveries what only the dispatcher knows: that an attempt is under way, or why none is.
func (s *Service) Now(list ...*model.Delivery) {
	now := s.o.Now()
	for _, d := range list {
		if d.Status != model.Pending && d.Status != model.Retrying {
			continue
		}
		if _, yes := s.dispatch.Sending(d.ID); yes {
			d.Status = model.Sending
			continue
		}
		if d.Held == model.HeldOutcome {
			d.WaitingFor = WaitsOutcome
			continue
		}
		shown := s.dispatch.Shown(d.TargetID)
		switch {
		case d.NextAttemptAt.IsZero() && d.Seq > 0:
			d.WaitingFor = string(dispatch.WaitsOrder)
		case shown.Health.Breaker == model.BreakerOpen && !d.NextAttemptAt.After(shown.Health.Until):
			d.WaitingFor, d.WaitingUntil = string(dispatch.WaitsBreaker), shown.Health.Until
		case !d.NextAttemptAt.After(now):
			d.WaitingFor, d.WaitingUntil = string(shown.Waits), shown.Until
		}
	}
}

// Sending lists the deliveries whose attempts are under way.
func (s *Service) Sending() []model.DeliveryID { return s.dispatch.AllSending() }

// Health tells how well a target is: its breaker, and since when it fails.
func (s *Service) Health(id model.TargetID) model.Health {
	h := s.dispatch.Shown(id).Health
	h.ID = id
	return h
}

// Waits counts the deliveries that wait for another attempt, to one destination or to all (""), and tells when the first of them may
// go: when it is due, and its target is not left alone.
func (s *Service) Waits(ctx context.Context, destination model.DestID) (out model.Waits, err error) {
	list, more, err := s.o.Store.Waits(ctx)
	for _, w := range list {
		if destination != "" && w.Target != model.TargetID(destination) {
			continue
		}
		out.N += w.N
		next := w.Next
		if h := s.dispatch.Shown(w.Target).Health; h.Breaker == model.BreakerOpen {
			out.Paused += w.N
			if h.Until.After(next) {
				next = h.Until
			}
		}
		if out.Next.IsZero() || next.Before(out.Next) {
			out.Next = next
		}
	}
	if out.More = more; more {
		out.Next = time.Time{}
	}
	return out, err
}

// Ailing lists the targets whose breaker is not closed.
func (s *Service) Ailing() []model.Health {
	var out []model.Health
	for id, shown := range s.dispatch.AllShown() {
		if h := shown.Health; h.Breaker != model.BreakerClosed {
			h.ID = id
			out = append(out, h)
		}
	}
	return out
}

// DropHeld cancels what is held because a destination is off, and says how many they were.
func (s *Service) DropHeld(ctx context.Context, actor model.Actor, id model.DestID) (total int64, err error) {
	d, err := s.o.Store.Destination(ctx, id)
	if err != nil {
		return 0, err
	}
	defer s.watchers.tell()
	for {
		n, err := s.o.Store.DropHeld(ctx, actor, d.Target(), d.Name)
		if total += n; err != nil || n == 0 {
			return total, err
		}
	}
}

// SendHeld switches a destination on, so that what is held for it goes, and says how many they are, up to
// 10,000.
func (s *Service) SendHeld(ctx context.Context, actor model.Actor, id model.DestID) (int64, error) {
	d, err := s.o.Store.Destination(ctx, id)
	if err != nil {
		return 0, err
	}
	c, err := s.o.Store.Connection(ctx, d.ConnectionID)
	if err != nil {
		return 0, err
	}
	if !c.Enabled {
		return 0, fault.Coded(fault.Conflict, "connection_off", "The connection “%s” is switched off; switch it on first.", c.Name)
	}
	n, err := s.o.Store.Held(ctx, d.Target())
	if err == nil && !d.Enabled {
		d.Enabled = true
		err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateDestination(&d) })
	}
	return n, err
}
