package dispatch

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db/model"
)

// target is one queue with its two lanes.
type target struct {
	id       model.TargetID
	lanes    [2]*lane // realtime first
	inflight int
	ringed   bool
}

// lane holds what is in memory, and knows since when more waits in the database.
type lane struct {
	name     model.Lane
	items    []model.Work
	head     int
	due      time.Time // first row in the database that is due, zero = none
	claiming bool
}

func (d *Dispatcher) target(id model.TargetID) *target {
	t := d.targets[id]
	if t == nil {
		t = &target{id: id, lanes: [2]*lane{{name: model.Realtime}, {name: model.Bulk}}}
		d.targets[id] = t
	}
	return t
}

func (t *target) lane(l model.Lane) *lane {
	if l == model.Bulk {
		return t.lanes[1]
	}
	return t.lanes[0]
}

// next is the lane to take from: realtime first.
func (t *target) next() *lane {
	for _, q := range t.lanes {
		if q.len() > 0 {
			return q
		}
	}
	return nil
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

func (q *lane) len() int { return len(q.items) - q.head }

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

func (q *lane) remove(id model.DeliveryID) (model.Work, bool) {
	for i := q.head; i < len(q.items); i++ {
		if q.items[i].Delivery.ID == id {
			w := q.items[i]
			q.items = slices.Delete(q.items, i, i+1)
			return w, true
		}
	}
	return model.Work{}, false
}

// gates is the memory budget. Publishers ask it before they commit, from their own goroutines.
type gates struct {
	places, bytes int64 // limits
	taken, loaded atomic.Int64
	closed        atomic.Bool
	each          sync.Map // model.TargetID → *gate
}

// gate counts one target's part of the budget.
type gate struct {
	taken   atomic.Int64
	spilled [2]atomic.Bool // rows wait in the database: nothing of that lane goes through memory
}

// share is how much of all places one target may fill: a target that stands still leaves room for the others.
const share = 8

func (g *gates) of(id model.TargetID) *gate {
	if v, ok := g.each.Load(id); ok {
		return v.(*gate)
	}
	v, _ := g.each.LoadOrStore(id, &gate{})
	return v.(*gate)
}

func index(l model.Lane) int {
	if l == model.Bulk {
		return 1
	}
	return 0
}

// reserve takes a place for bytes of data if there is one.
func (g *gates) reserve(id model.TargetID, l model.Lane, bytes int64) bool {
	t := g.of(id)
	// Claims from the database may use the last quarter too, so that what waits there always gets on.
	if g.closed.Load() || t.spilled[index(l)].Load() || t.taken.Load() >= g.places/share ||
		g.taken.Load() >= g.places*3/4 || g.loaded.Load()+bytes > g.bytes*3/4 {
		return false
	}
	g.take(id, bytes)
	return true
}

func (g *gates) take(id model.TargetID, bytes int64) {
	g.of(id).taken.Add(1)
	g.taken.Add(1)
	g.loaded.Add(bytes)
}

func (g *gates) release(id model.TargetID, bytes int64) {
	g.of(id).taken.Add(-1)
	g.taken.Add(-1)
	g.loaded.Add(-bytes)
}

func (g *gates) close() { g.closed.Store(true) }

// full reports whether not even claims get a place.
func (g *gates) full() bool { return g.taken.Load() >= g.places || g.loaded.Load() >= g.bytes }

// Reserve takes a place in memory for a delivery before its commit. Without one (false) the delivery is stored unowned
// and Spill says so after the commit. A reserved delivery is handed over, or given up with Unreserve.
func (d *Dispatcher) Reserve(id model.TargetID, l model.Lane, bytes int) bool {
	return d.gates.reserve(id, l, int64(bytes))
}

// Unreserve gives a place up: the commit did not happen.
func (d *Dispatcher) Unreserve(id model.TargetID, bytes int) { d.gates.release(id, int64(bytes)) }

// Spill says that deliveries wait in the database without a place in memory, the first one due at due.
func (d *Dispatcher) Spill(id model.TargetID, l model.Lane, due time.Time) {
	if !due.After(d.o.Now()) {
		d.gates.of(id).spilled[index(l)].Store(true)
	}
	d.Wake(id, l, due)
}

// Load is what a dispatcher has in hand.
type Load struct {
	InMemory int64
	Bytes    int64
	Sending  int
}

// Load tells what is in hand now.
func (d *Dispatcher) Load() Load {
	d.view.RLock()
	defer d.view.RUnlock()
	return Load{InMemory: d.gates.taken.Load(), Bytes: d.gates.loaded.Load(), Sending: len(d.view.sending)}
}
