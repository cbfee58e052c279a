package dispatch

import (
	"context"
	"time"

	"waybill/db/model"
)

const (
	claimRows    = 128 // rows taken from the database at once
	mostRows     = 512 // … where claims are slow
	slowClaim    = 30 * time.Millisecond
	claimsAtOnce = 4 // claims under way
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
	case q.len() >= d.enough(t, q) && !t.older(q):
		q.sated = true
	default:
		d.claim(t, q)
	}
}

// enough is how many of a lane in memory make a claim needless.
func (d *Dispatcher) enough(t *target, q *lane) int {
	return max(q.rows()/2, d.o.Target(t.id).BatchSize)
}

// rows is how many of a lane are taken from the database at once.
func (q *lane) rows() int { return max(q.take, claimRows) }

// adapt has a lane that had sent all it had before a slow claim brought the next ones take more of them next time. Claims are
// slow while the writer has much to do, for instance when many events are accepted at once. Where they are quick, few at once
// are better: others wait for the writer, and for the processor, too.
func (q *lane) adapt(took time.Duration, more bool) {
	switch {
	case took < slowClaim:
		q.take = claimRows
	case q.len() == 0 && more:
		q.take = min(q.rows()*2, mostRows)
	}
}

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
	rows, begun := q.rows(), d.o.Now()
	go func() {
		work, next, err := d.o.Store.Claim(context.Background(), d.o.Node, t.id, q.name, rows)
		d.post(func() { d.claimed(t, q, begun, work, next, err) })
	}()
}

func (d *Dispatcher) claimed(t *target, q *lane, begun time.Time, work []model.Work, next time.Time, err error) {
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
	more := !next.IsZero() && !next.After(d.o.Now())
	q.adapt(d.o.Now().Sub(begun), more)
	d.gates.of(t.id).spilled[index(q.name)].Store(more)
	for _, w := range work {
		d.gates.hold(w)
		d.push(t, w)
	}
	d.pump(t)
}
