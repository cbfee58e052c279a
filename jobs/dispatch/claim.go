package dispatch

import (
	"context"
	"time"

	"waybill/db/model"
)

const (
	claimRows    = 128 // rows taken from the database at once
	claimsAtOnce = 4   // claims under way
	claimAgain   = time.Second
)

// dueAt notes that rows of a lane wait in the database, the first one due at due.
func (d *Dispatcher) dueAt(q *lane, due time.Time) {
	due = due.Round(0) // wall time: the monotonic clock stands while the machine sleeps
	if q.due.IsZero() || due.Before(q.due) {
		q.due, d.look = due, true
	}
}

// claimDue takes on rows of the database that are due, and sets the timer for those that will be. It looks at the
// targets only when something changed that may let one claim, or when the first of them is due.
func (d *Dispatcher) claimDue() {
	now := d.o.Now()
	if !d.look && (d.lately.IsZero() || now.Before(d.lately)) {
		return
	}
	d.look, d.starved, d.lately = false, false, time.Time{}
	for _, t := range d.targets {
		for _, q := range t.lanes {
			switch {
			case q.due.IsZero() || q.claiming || d.stopping:
			case q.due.After(now):
				if d.lately.IsZero() || q.due.Before(d.lately) {
					d.lately = q.due
				}
			case q.len() >= claimRows/2 || d.claims >= claimsAtOnce || d.gates.full():
				d.starved = true
			default:
				d.claim(t, q)
			}
		}
	}
	if !d.lately.IsZero() {
		d.timer.Reset(max(d.lately.Sub(now), time.Millisecond))
	}
}

func (d *Dispatcher) claim(t *target, q *lane) {
	q.claiming, q.due = true, time.Time{} // what is stored from now on may come too late for this claim, and sets it anew
	d.claims++
	go func() {
		work, next, err := d.o.Store.Claim(context.Background(), d.o.Node, t.id, q.name, claimRows)
		d.post(func() { d.claimed(t, q, work, next, err) })
	}()
}

func (d *Dispatcher) claimed(t *target, q *lane, work []model.Work, next time.Time, err error) {
	d.claims--
	q.claiming, d.look = false, true
	if err != nil {
		d.o.Log.Warn("waiting deliveries could not be taken on; trying again", "target", t.id, "error", err)
		d.dueAt(q, d.o.Now().Add(claimAgain))
		return
	}
	if !next.IsZero() {
		d.dueAt(q, next)
	}
	d.gates.of(t.id).spilled[index(q.name)].Store(!next.IsZero() && !next.After(d.o.Now()))
	for _, w := range work {
		d.gates.take(t.id, size(w))
		q.push(w)
	}
	d.pump(t)
}

// Changed says that routing changed: what waits for a target that is now off is held, what was held for one that is now
// on goes on. Safe to call at any time; it works in the background.
func (d *Dispatcher) Changed() {
	d.post(func() {
		for _, t := range d.targets {
			d.pump(t)
		}
		d.turn()
		d.sweep()
	})
}

// sweep holds what waits in the database for targets that are off, and releases what is held for those that are on;
// what is in memory is held when its turn comes. There is one at a time, so that the two never work against each other.
func (d *Dispatcher) sweep() {
	if d.again = d.sweeping; d.sweeping || d.stopping {
		return
	}
	d.sweeping = true
	var off []model.TargetID
	for id, t := range d.targets {
		if t.waits() && d.o.Target(id).Off != "" {
			off = append(off, id)
		}
	}
	go func() {
		err := d.holdAll(off)
		if err == nil {
			err = d.releaseAll()
		}
		d.post(func() { d.swept(err) })
	}()
}

func (d *Dispatcher) swept(err error) {
	d.sweeping = false
	if err != nil && !d.stopping {
		d.o.Log.Warn("waiting deliveries could not be held or released; trying again", "error", err)
		time.AfterFunc(claimAgain, func() { d.post(d.sweep) })
	} else if d.again {
		d.sweep()
	}
}

func (d *Dispatcher) holdAll(off []model.TargetID) error {
	for _, id := range off {
		for !d.gates.closed.Load() {
			why := d.o.Target(id).Off
			if why == "" {
				break
			}
			if n, err := d.o.Store.Hold(context.Background(), id, why); err != nil {
				return err
			} else if n == 0 {
				break
			}
		}
	}
	return nil
}

func (d *Dispatcher) releaseAll() error {
	held, err := d.o.Store.HeldTargets(context.Background())
	if err != nil {
		return err
	}
	for _, id := range held {
		for d.o.Target(id).Off == "" && !d.gates.closed.Load() {
			n, err := d.o.Store.Release(context.Background(), id)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			d.Spill(id, model.Realtime, d.o.Now())
			d.Spill(id, model.Bulk, d.o.Now())
		}
	}
	return nil
}
