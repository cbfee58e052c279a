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

// drop gives back the places of work that leaves memory, which rows of the database may wait for.
func (d *Dispatcher) drop(w model.Work) {
	d.gates.drop(w)
	d.look = d.look || d.starved
}

// claimDue takes on rows of the database that are due, and sets the timer for those that will be. It looks at the
// targets only when something changed that may let one claim, or when the first of them is due.
func (d *Dispatcher) claimDue() {
	now := d.o.Now()
	if !d.look && (d.lately.IsZero() || now.Before(d.lately)) {
		return
	}
	d.look, d.starved, d.lately = false, false, time.Time{}
	for lane := range 2 { // realtime first
		for _, t := range d.targets {
			d.claimLane(t, t.lanes[lane], now)
		}
	}
	if !d.lately.IsZero() {
		d.timer.Reset(max(d.lately.Sub(now), time.Millisecond))
	}
}

func (d *Dispatcher) claimLane(t *target, q *lane, now time.Time) {
	switch {
	case q.due.IsZero() || q.claiming || d.stopping:
	case q.due.After(now):
		if d.lately.IsZero() || q.due.Before(d.lately) {
			d.lately = q.due
		}
	case d.claims >= claimsAtOnce-index(q.name) || d.gates.full(q.name):
		d.starved = true
	case q.len() >= d.enough(t) && !t.older(q):
		q.sated = true
	default:
		d.claim(t, q)
	}
}

// enough is how many of a lane in memory make a claim needless.
func (d *Dispatcher) enough(t *target) int { return max(claimRows/2, d.o.Target(t.id).BatchSize) }

// older reports whether the next probe of the target may be among the rows of a lane.
func (t *target) older(q *lane) bool {
	if !t.health.probing() || t.health.probe {
		return false
	}
	for _, l := range t.lanes {
		if l.len() > 0 && !q.due.Before(l.since()) {
			return false
		}
	}
	return true
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
		d.gates.hold(w)
		d.push(t, w)
	}
	d.pump(t)
}
