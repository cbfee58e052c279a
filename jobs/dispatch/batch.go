package dispatch

import (
	"slices"
	"time"

	"waybill/db/model"
)

// batchBytes is how much event data goes in one message; a single event always does.
const batchBytes = 512 << 10

// cut says how many of the loose ones make a batch now; 0 = they wait for more of them, until then.
func (q *lane) cut(a Target) (n int, until time.Time) {
	if len(q.loose) == 0 {
		return 0, time.Time{}
	}
	first := q.loose[0].Delivery
	if first.Seq > 0 { // only one of a subject is in memory; those behind it join it when it is formed
		return 0, first.CreatedAt.Add(a.BatchWait)
	}
	var bytes int64
	for n < len(q.loose) && n < a.BatchSize {
		if bytes += size(q.loose[n]); n > 0 && bytes > batchBytes {
			return n, time.Time{}
		}
		n++
	}
	if n == a.BatchSize || bytes >= batchBytes {
		return n, time.Time{}
	}
	return 0, first.NextAttemptAt.Add(a.BatchWait)
}

// ready reports whether a lane has something that may go now as far as batches are concerned; until is when it will.
func (q *lane) ready(a Target, now time.Time) (yes bool, until time.Time) {
	if q.whole() {
		return true, until
	}
	n, until := q.cut(a)
	return n > 0 || len(q.loose) > 0 && !until.After(now), until
}

// batch takes out of the lane what goes together.
func (q *lane) batch(a Target) []model.Work {
	n, _ := q.cut(a)
	if n == 0 { // its time is over: all that is there, within the bounds
		n = 1
		if q.loose[0].Delivery.Seq == 0 {
			n = len(q.loose)
		}
	}
	list := slices.Clone(q.loose[:n])
	q.loose = slices.Delete(q.loose, 0, n)
	return list
}

// form makes one message of list: it gets its id in a commit, and is sent after that.
func (d *Dispatcher) form(x run, list []model.Work, a Target) {
	d.forming++
	more := 0
	if list[0].Delivery.Seq > 0 && !x.hand {
		more = a.BatchSize - 1
	}
	d.o.Store.Form(d.o.Node, list, more, batchBytes, func(formed []model.Work, err error) {
		d.post(func() { d.formed(x, list, formed, a, err) })
	})
}

func (d *Dispatcher) formed(x run, list, formed []model.Work, a Target, err error) {
	d.forming--
	q := x.t.lane(list[0].Delivery.Lane)
	switch {
	case err != nil:
		d.o.Log.Warn("a batch could not be formed; trying again", "target", x.t.id, "error", err)
		if x.hand {
			x.t.urged = append(list, x.t.urged...)
		} else {
			q.loose = append(list, q.loose...)
		}
		x.t.pause = d.o.Now().Add(claimAgain)
	default:
		for _, w := range list {
			d.drop(w)
		}
		for _, w := range formed { // without those that were cancelled, with those that joined
			d.gates.hold(w)
		}
	}
	if err != nil || len(formed) == 0 || d.stopping {
		for _, w := range formed { // stopping: they are given back
			d.drop(w)
		}
		d.left(x)
		d.leftShared(x)
		d.turn()
		d.pump(x.t)
		return
	}
	w := formed[0]
	w.Batch = formed
	d.start(x, w, a.Schedule)
}
