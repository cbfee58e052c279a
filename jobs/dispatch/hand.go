package dispatch

import (
	"context"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// What people do by hand. It goes before everything that waits, also past an open breaker: a failure of it does not lengthen
// the pause, a success ends it.

// Retry starts the schedule of a delivery, and of all that share its message, again, and sends it as soon as a place is free. One
// that waits in memory is taken out of its queue first; one whose attempt is under way is a Conflict. first, if there is one, runs
// in the same transaction.
func (d *Dispatcher) Retry(ctx context.Context, actor model.Actor, id model.DeliveryID, first func(tx *db.Tx) error) (out model.Delivery, err error) {
	if out, err = d.o.Store.Delivery(ctx, id); err != nil {
		return out, err
	}
	target, freed := out.TargetID, d.withdraw(out.TargetID, id)
	var work []model.Work
	err = d.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		if first != nil {
			if err := first(tx); err != nil {
				return err
			}
		}
		if out, err = tx.RetryDelivery(id, freed...); err != nil {
			return err
		}
		if work = nil; !d.gates.closed.Load() { // else it is due at the next start
			work, err = tx.Take(d.o.Node, id)
		}
		return err
	})
	d.post(func() { d.urge(target, id, work, err == nil) })
	return out, err
}

// withdraw sets aside what waits in memory with a delivery, so that nothing sends it meanwhile, and tells what that is.
func (d *Dispatcher) withdraw(target model.TargetID, id model.DeliveryID) []model.DeliveryID {
	if !d.running.Load() {
		return nil
	}
	got := make(chan []model.DeliveryID, 1)
	d.post(func() {
		var ids []model.DeliveryID
		if w, ok := d.targets[target].remove(id); ok {
			d.aside[id] = w
			for _, m := range w.Each() {
				ids = append(ids, m.Delivery.ID)
			}
		}
		got <- ids
	})
	select {
	case ids := <-got:
		return ids
	case <-d.ended:
		return nil
	}
}

// urge sends work before everything else, in place of what was set aside for it. When it was not done, that waits again.
func (d *Dispatcher) urge(target model.TargetID, id model.DeliveryID, work []model.Work, done bool) {
	t := d.target(target)
	if old, ok := d.aside[id]; ok {
		delete(d.aside, id)
		if done {
			d.drop(old)
		} else {
			d.push(t, old)
		}
	}
	if done {
		for _, w := range work {
			d.gates.hold(w)
			t.urged = append(t.urged, w)
		}
	}
	d.pump(t)
}

// Nudge lets an open breaker try again at once, with the oldest message that is due.
func (d *Dispatcher) Nudge(id model.TargetID) {
	d.post(func() {
		if t := d.targets[id]; t != nil && t.health.Breaker == model.BreakerOpen {
			t.health.asked = true
			d.pump(t)
		}
	})
}

// Answered says that a target answered well to something that was not sent from here: an open breaker recovers as after a probe.
func (d *Dispatcher) Answered(id model.TargetID) {
	d.post(func() {
		t := d.targets[id]
		if t == nil || t.health.Breaker != model.BreakerOpen || d.stopping {
			return
		}
		now := d.o.Now()
		if t.health.went(d.o.Target(id).MaxInFlight, now); t.quiet(now) {
			t.health.rested()
		}
		d.o.Log.Info("the breaker of a target changed", "target", id, "breaker", breakerWord(t.health.Breaker))
		seen := t.health.Health
		seen.ID = id
		d.records++
		go func() {
			err := d.o.Store.Write(context.Background(), model.System("dispatcher"), func(tx *db.Tx) error { return tx.SaveHealth(seen) })
			d.post(func() {
				d.records--
				if err != nil { // it is known here; after a restart a message tries
					d.o.Log.Warn("that a target answers again could not be stored", "target", id, "error", err)
				}
			})
		}()
		d.pump(t)
	})
}

// nextUrged tells why what people want sent may not go now. Of an open breaker one goes at a time.
func (d *Dispatcher) nextUrged(t *target, a Target, limit int, now time.Time) Shown {
	switch {
	case t.health.probing() && t.health.probe:
		return Shown{Waits: WaitsBreaker}
	case t.inflight >= a.MaxInFlight:
		return Shown{Waits: WaitsPlace}
	case !t.health.probing() && t.inflight >= limit:
		return Shown{Waits: WaitsBreaker}
	}
	return d.may(t, 0, limit, a, now)
}
