package dispatch

import (
	"math/rand/v2"
	"slices"
	"time"

	"waybill/db/model"
	"waybill/jobs/deliver"
)

// run is one attempt that has its place.
type run struct {
	t     *target
	lane  int  // 0 realtime, 1 bulk
	hand  bool // a person wanted it
	round int  // of the target's health when it began
	probe bool
	most  int   // how many may be under way to the target when all is well
	pool  *pool // of what it shares with others, nil = nothing
}

// pump starts what the target may start, and sets its alarm for when it may more.
func (d *Dispatcher) pump(t *target) {
	if d.stopping {
		return
	}
	a := d.o.Target(t.id)
	if a.Off != "" {
		d.hold(t, a.Off)
	}
	if a.BatchSize <= 1 {
		t.lanes[0].unbatch()
		t.lanes[1].unbatch()
	}
	s := Shown{}
	for !t.empty() {
		now := d.o.Now()
		var lane int
		if lane, s = d.next(t, a, now); s.Waits != "" {
			t.stopped, t.stopping = s.Waits, now
			break
		}
		d.begin(t, lane, a, now)
	}
	if s.shared {
		d.wakeAt(t, time.Time{})
	} else {
		d.wakeAt(t, s.Until)
	}
	for _, q := range t.lanes {
		if q.sated && q.len() < d.enough(t, q) {
			q.sated, d.look = false, true
		}
	}
	d.show(t, s)
}

// wakeAt pumps the target at a time; zero is never, as far as this goes.
func (d *Dispatcher) wakeAt(t *target, at time.Time) {
	if t.alarm != nil && at.Equal(t.alarmAt) {
		return
	}
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
	if t.alarmAt = at; at.IsZero() {
		return
	}
	t.alarm = time.AfterFunc(max(at.Sub(d.o.Now()), time.Millisecond), func() {
		d.post(func() {
			if t.alarmAt.Equal(at) {
				t.alarm = nil
			}
			d.pump(t)
		})
	})
}

// hold parks what is in memory of a target that is off.
func (d *Dispatcher) hold(t *target, why string) {
	for _, w := range t.urged {
		d.record(&model.Ending{Work: w, Outcome: model.Outcome{Status: model.Held, Held: model.HeldDisabled, Error: why}})
	}
	t.urged = nil
	for _, q := range t.lanes {
		for q.unbatch(); q.len() > 0; {
			d.record(&model.Ending{Work: q.pop(), Outcome: model.Outcome{Status: model.Held, Held: model.HeldDisabled, Error: why}})
		}
	}
}

// urged stands for a lane: what people want sent.
const urged = -1

// next is the lane that may start something now, or in Shown why none may. The queue must not be empty.
func (d *Dispatcher) next(t *target, a Target, now time.Time) (lane int, s Shown) {
	limit, until := t.health.limit(a.MaxInFlight, now)
	switch {
	case now.Before(t.pause):
		return 0, Shown{Waits: WaitsPlace, Until: t.pause}
	case len(t.urged) > 0:
		return urged, d.nextUrged(t, a, max(1, limit), now)
	case !until.IsZero():
		return 0, Shown{Waits: WaitsBreaker, Until: until}
	case t.health.probing():
		return d.nextProbe(t, a, now)
	case t.inflight >= limit && limit < a.MaxInFlight:
		return 0, Shown{Waits: WaitsBreaker}
	case t.inflight >= limit:
		return 0, Shown{Waits: WaitsPlace}
	}
	for lane = range t.lanes {
		q := t.lanes[lane]
		if q.len() == 0 {
			continue
		}
		if ready, until := q.ready(a, now); !ready {
			s = soonest(s, Shown{Waits: WaitsBatch, Until: until})
		} else if why := d.may(t, lane, limit, a, now); why.Waits != "" {
			s = soonest(s, why)
		} else {
			return lane, Shown{}
		}
	}
	return 0, s
}

// soonest is the one that ends first; one without an end is ended by something else.
func soonest(a, b Shown) Shown {
	if a.Waits == "" || !b.Until.IsZero() && (a.Until.IsZero() || b.Until.Before(a.Until)) {
		return b
	}
	return a
}

// nextProbe is the lane with the oldest due message, which tries whether the breaker can close.
func (d *Dispatcher) nextProbe(t *target, a Target, now time.Time) (lane int, s Shown) {
	if t.health.probe || t.inflight >= a.MaxInFlight {
		return 0, Shown{Waits: WaitsBreaker}
	}
	first := t.lanes[0]
	if b := t.lanes[1]; first.len() == 0 || b.len() > 0 && b.since().Before(first.since()) {
		first, lane = b, 1
	}
	for _, q := range t.lanes {
		if q.claiming || !d.gates.full(q.name) && !q.due.IsZero() && q.due.Before(first.since()) { // older ones are still in the database
			d.look = true
			return 0, Shown{Waits: WaitsBreaker}
		}
	}
	if ready, until := first.ready(a, now); !ready {
		return 0, Shown{Waits: WaitsBatch, Until: until}
	}
	return lane, d.may(t, lane, 2, a, now)
}

// may says why nothing of a lane may start that has something, under the rate, the shares of the lanes and the places of all.
func (d *Dispatcher) may(t *target, lane, limit int, a Target, now time.Time) Shown {
	at := t.pace[0].ready(now, a.Rate)
	if lane == 1 {
		if limit == 1 && t.lanes[0].comes(now) || limit > 1 && t.bulk >= limit-1 {
			return Shown{Waits: WaitsPlace}
		}
		if bulk := t.pace[1].ready(now, a.Rate*bulkRate); bulk.After(at) {
			at = bulk
		}
	}
	if at.After(now) {
		return Shown{Waits: WaitsRate, Until: at}
	}
	if why := d.shared(t, lane, a.Share, now); why.Waits != "" {
		return why
	}
	if !d.free(t, lane) {
		if !t.ringed[lane] {
			t.ringed[lane] = true
			d.rings[lane] = append(d.rings[lane], t)
		}
		return Shown{Waits: WaitsPlace}
	}
	return Shown{}
}

// free reports whether a place of all is free for t. Bulk has three quarters of them. The last quarter is for targets
// with little under way, so that hanging ones cannot take everything.
func (d *Dispatcher) free(t *target, lane int) bool {
	left := d.o.InFlight - d.inflight
	return left > 0 && (left >= d.o.InFlight/4 || t.inflight < 2) && (lane == 0 || d.bulk < max(1, d.o.InFlight*3/4))
}

// begin takes a place and starts what is first in a lane.
func (d *Dispatcher) begin(t *target, lane int, a Target, now time.Time) {
	x := run{t: t, lane: max(0, lane), hand: lane == urged, round: t.health.round, probe: t.health.probing(), most: a.MaxInFlight, pool: d.pool(a.Share)}
	if lane = x.lane; x.probe {
		t.health.probe, t.health.hand, t.health.asked = true, x.hand || t.health.asked, false
	}
	t.inflight++
	d.inflight++
	x.pool.take(lane, a.Share, now)
	t.pace[0].take(now, a.Rate)
	if lane == 1 {
		t.bulk++
		d.bulk++
		t.pace[1].take(now, a.Rate*bulkRate)
	}
	if x.hand {
		d.beginUrged(x, a)
	} else if q := t.lanes[lane]; q.whole() {
		d.start(x, q.pop(), a.Schedule)
	} else {
		d.form(x, q.batch(a), a)
	}
}

// beginUrged starts the first of what people want sent. What could still become part of a batch goes by itself, and stays so.
func (d *Dispatcher) beginUrged(x run, a Target) {
	w := x.t.urged[0]
	x.t.urged = slices.Delete(x.t.urged, 0, 1)
	if loose(w) && a.BatchSize > 1 {
		d.form(x, []model.Work{w}, a)
	} else {
		d.start(x, w, a.Schedule)
	}
}

// left gives a place back.
func (d *Dispatcher) left(x run) {
	x.t.inflight--
	d.inflight--
	if x.lane == 1 {
		x.t.bulk--
		d.bulk--
	}
	if x.probe && x.round == x.t.health.round {
		x.t.health.probe = false
	}
}

// start makes one attempt, beside everything else.
func (d *Dispatcher) start(x run, w model.Work, schedule []int) {
	w.Waited, w.WaitedFor = x.t.kept(w.Delivery, d.o.Now())
	e := &model.Ending{Work: w}
	d.sends(&e.Work)
	d.crew.do(func() {
		r := d.attempt(&e.Work)
		d.sent(&e.Work)
		e.Outcome = outcome(e.Work, r, schedule, d.o.Now(), rand.Float64())
		d.post(func() { d.finished(x, e, r) })
	})
}

// worthTelling is how long something has to be kept waiting for people to be told.
const worthTelling = 100 * time.Millisecond

// kept is how long a message was kept waiting until now, and for what last.
func (t *target) kept(d model.Delivery, now time.Time) (time.Duration, string) {
	due, why := d.NextAttemptAt, t.stopped
	switch {
	case d.Seq > 0 && d.Attempts == 0 && due.Sub(d.CreatedAt) >= worthTelling: // it became due when the one before it was settled
		due, why = d.CreatedAt, WaitsOrder
	case t.stopping.Before(due):
		return 0, ""
	}
	if wait := now.Sub(due); !due.IsZero() && wait >= worthTelling {
		return wait, string(why)
	}
	return 0, ""
}

// attempt is the attempt itself; a panic in it is a failure of this delivery alone.
func (d *Dispatcher) attempt(w *model.Work) (r deliver.Result) {
	defer func() {
		if p := recover(); p != nil {
			d.o.Log.Error("an attempt panicked", "delivery", w.Delivery.ID, "panic", p)
			r = deliver.Result{Kind: deliver.Crash, Error: "An error inside Waybill; the log has more."}
		}
	}()
	return d.o.Attempt(d.attempts, w)
}

// finished frees the place under way, draws conclusions about the target, and records the outcome. An attempt that was
// cut off by a stop leaves its row as it is; it is given back.
func (d *Dispatcher) finished(x run, e *model.Ending, r deliver.Result) {
	d.left(x)
	if r.Kind != deliver.Cut {
		h, o, now := &x.t.health, &e.Outcome, d.o.Now()
		before := h.Breaker
		said := wordOf(r)
		changed := h.heard(said, r.Kind == deliver.Sent || r.Kind == deliver.Taken, r.Error, x.round, x.most, now)
		if said == well && x.round == h.round && x.t.quiet(now) {
			changed = h.rested() || changed
		}
		if changed {
			seen := h.Health
			seen.ID = x.t.id
			o.Health = &seen
		}
		if why := h.hopeless(now); why != "" && said != silent && o.Disable == "" {
			o.Disable = why
		}
		if o.Disable != "" { // when it is switched on again, it starts anew
			x.t.health = health{round: h.round + 1}
			o.Health = &model.Health{ID: x.t.id}
		}
		if before != h.Breaker {
			d.o.Log.Info("the breaker of a target changed", "target", x.t.id, "breaker", breakerWord(h.Breaker), "error", r.Error)
		}
		d.record(e)
	}
	d.leftShared(x)
	d.turn() // those that wait first; else whoever ends attempts takes their places again
	d.pump(x.t)
}

func breakerWord(b model.Breaker) string {
	if b == model.BreakerClosed {
		return "closed"
	}
	return string(b)
}

// turn gives free places to the targets that wait for them, in turn, realtime first.
func (d *Dispatcher) turn() {
	for lane := range d.rings {
		for idle := 0; d.inflight < d.o.InFlight && idle < len(d.rings[lane]); {
			t, before := d.rings[lane][0], d.inflight
			d.rings[lane] = slices.Delete(d.rings[lane], 0, 1)
			t.ringed[lane] = false
			d.pump(t)
			switch {
			case d.inflight > before:
				idle = 0
			case t.ringed[lane]:
				idle++
			}
		}
	}
}
