package dispatch

import (
	"slices"
	"time"

	"waybill/db/model"
)

// target is one queue with its two lanes. It is the dispatcher's goroutine's own.
type target struct {
	id       model.TargetID
	lanes    [2]*lane     // realtime first
	urged    []model.Work // what people want sent now, before all else
	inflight int
	bulk     int     // of inflight
	ringed   [2]bool // it waits for one of the places of all
	pace     [2]pace // of all, of bulk
	health   health
	pause    time.Time // nothing starts before: the store could not take it
	stopped  Waits     // what stopped it last
	stopping time.Time // when it still did
	alarmAt  time.Time
	alarm    *time.Timer // when something that stops it ends; nil = nothing does
	shown    Shown
}

// lane holds what is in memory, and knows since when more waits in the database.
type lane struct {
	name     model.Lane
	items    []model.Work // each goes by itself, or as the batch that it is
	head     int
	loose    []model.Work // what waits to become part of a batch
	due      time.Time    // first row in the database that is due, zero = none
	claiming bool
	take     int  // rows of the next claim, see rows
	sated    bool // rows are due in the database, but enough are in memory
}

func (d *Dispatcher) target(id model.TargetID) *target {
	t := d.targets[id]
	if t == nil {
		t = &target{id: id, lanes: [2]*lane{{name: model.Realtime}, {name: model.Bulk}}}
		d.targets[id] = t
	}
	return t
}

// push queues work that is in memory.
func (d *Dispatcher) push(t *target, w model.Work) {
	q := t.lane(w.Delivery.Lane)
	if loose(w) && d.o.Target(t.id).BatchSize > 1 {
		q.loose = append(q.loose, w)
	} else {
		q.push(w)
	}
}

// loose reports whether work can become part of a batch: what a step says cannot, nor what already is part of one.
func loose(w model.Work) bool {
	return w.Delivery.BatchID == "" && w.Batch == nil && w.Payload == nil
}

func (t *target) lane(l model.Lane) *lane { return t.lanes[index(l)] }

// empty reports whether nothing is in memory.
func (t *target) empty() bool {
	return len(t.urged) == 0 && t.lanes[0].len() == 0 && t.lanes[1].len() == 0
}

// quiet reports whether nothing is under way, in memory, or due in the database.
func (t *target) quiet(now time.Time) bool {
	return t.inflight == 0 && t.empty() && !t.lanes[0].comes(now) && !t.lanes[1].comes(now)
}

// waits reports whether rows may wait in the database.
func (t *target) waits() bool {
	for _, q := range t.lanes {
		if !q.due.IsZero() || q.claiming {
			return true
		}
	}
	return false
}

// comes reports whether something of this lane is about to be claimed.
func (q *lane) comes(now time.Time) bool { return q.claiming || !q.due.IsZero() && !q.due.After(now) }

func (q *lane) len() int { return len(q.items) - q.head + len(q.loose) }

// whole reports whether something is there that goes as it is.
func (q *lane) whole() bool { return q.head < len(q.items) }

// since is when the first of what is in memory was due; there must be something.
func (q *lane) since() time.Time {
	switch {
	case !q.whole():
		return q.loose[0].Delivery.NextAttemptAt
	case len(q.loose) > 0 && q.loose[0].Delivery.NextAttemptAt.Before(q.items[q.head].Delivery.NextAttemptAt):
		return q.loose[0].Delivery.NextAttemptAt
	}
	return q.items[q.head].Delivery.NextAttemptAt
}

func (q *lane) push(w model.Work) { q.items = append(q.items, w) }

func (q *lane) pop() model.Work {
	w := q.items[q.head]
	q.items[q.head] = model.Work{}
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > 1024 {
			q.items = nil
		}
	case q.head > 256 && q.head*2 > len(q.items):
		q.items, q.head = slices.Delete(q.items, 0, q.head), 0
	}
	return w
}

// unbatch queues what waited for a batch by itself: the target no longer makes any.
func (q *lane) unbatch() {
	q.items, q.loose = append(q.items, q.loose...), nil
}

// remove takes the work out that a delivery belongs to, wherever it waits; of no target there is none.
func (t *target) remove(id model.DeliveryID) (w model.Work, ok bool) {
	if t == nil {
		return w, false
	}
	if i := slices.IndexFunc(t.urged, func(w model.Work) bool { return w.Holds(id) }); i >= 0 {
		w = t.urged[i]
		t.urged = slices.Delete(t.urged, i, i+1)
		return w, true
	}
	for _, q := range t.lanes {
		if w, ok = q.remove(id); ok {
			return w, true
		}
	}
	return w, false
}

// remove takes the work out that a delivery belongs to.
func (q *lane) remove(id model.DeliveryID) (model.Work, bool) {
	holds := func(w model.Work) bool { return w.Holds(id) }
	if i := slices.IndexFunc(q.items[q.head:], holds); i >= 0 {
		w := q.items[q.head+i]
		q.items = slices.Delete(q.items, q.head+i, q.head+i+1)
		return w, true
	}
	if i := slices.IndexFunc(q.loose, holds); i >= 0 {
		w := q.loose[i]
		q.loose = slices.Delete(q.loose, i, i+1)
		return w, true
	}
	return model.Work{}, false
}
