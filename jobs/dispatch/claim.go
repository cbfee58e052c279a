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
			if off := d.o.Target(t.id).Off; off != "" {
				d.hold(t, off)
			}
			d.pump(t)
		}
		d.turn()
		go d.releaseAll()
	})
}

// hold parks everything of a target that waits in the database; what is in memory is held when its turn comes.
func (d *Dispatcher) hold(t *target, off string) {
	if t.lanes[0].due.IsZero() && t.lanes[1].due.IsZero() {
		return
	}
	t.lanes[0].due, t.lanes[1].due = time.Time{}, time.Time{}
	go d.chunks(func() (int64, error) { return d.o.Store.Hold(context.Background(), t.id, off) })
}

func (d *Dispatcher) releaseAll() {
	targets, err := d.o.Store.HeldTargets(context.Background())
	if err != nil {
		d.o.Log.Warn("held deliveries could not be looked up", "error", err)
		return
	}
	for _, id := range targets {
		if d.o.Target(id).Off != "" {
			continue
		}
		d.chunks(func() (int64, error) { return d.o.Store.Release(context.Background(), id) })
		d.Wake(id, model.Realtime, d.o.Now())
		d.Wake(id, model.Bulk, d.o.Now())
	}
}

// chunks repeats work until it finds nothing more to do or fails.
func (d *Dispatcher) chunks(work func() (int64, error)) {
	for {
		n, err := work()
		if err != nil {
			d.o.Log.Warn("waiting deliveries could not be changed", "error", err)
			return
		}
		if n == 0 {
			return
		}
	}
}
