package dispatch

import (
	"sync"
	"sync/atomic"
	"time"

	"waybill/db/model"
)

// gates is the memory budget. Publishers ask it before they commit, from their own goroutines.
type gates struct {
	places, bytes int64 // limits
	taken, loaded atomic.Int64
	bulk          atomic.Int64 // places of taken
	closed        atomic.Bool
	each          sync.Map // model.TargetID → *gate
}

// gate counts one target's part of the budget.
type gate struct {
	taken   [2]atomic.Int64
	spilled [2]atomic.Bool // rows wait in the database: nothing of that lane goes through memory
}

// share is how much of all places one lane of one target may fill: a target that stands still leaves room for the others.
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
	t, i := g.of(id), index(l)
	// Claims from the database may use the last quarter too, so that what waits there always gets on.
	if g.closed.Load() || t.spilled[i].Load() || t.taken[i].Load() >= g.places/share ||
		g.taken.Load() >= g.places*3/4 || g.loaded.Load()+bytes > g.bytes*3/4 || i == 1 && g.bulk.Load() >= g.places/2 {
		return false
	}
	g.take(id, l, bytes)
	return true
}

func (g *gates) take(id model.TargetID, l model.Lane, bytes int64) { g.count(id, l, 1, bytes) }

func (g *gates) release(id model.TargetID, l model.Lane, bytes int64) { g.count(id, l, -1, -bytes) }

func (g *gates) count(id model.TargetID, l model.Lane, n, bytes int64) {
	g.of(id).taken[index(l)].Add(n)
	g.taken.Add(n)
	g.loaded.Add(bytes)
	if l == model.Bulk {
		g.bulk.Add(n)
	}
}

// hold takes the places of a piece of work, drop gives them back: one for each delivery in it.
func (g *gates) hold(w model.Work) { g.all(w, g.take) }

func (g *gates) drop(w model.Work) { g.all(w, g.release) }

func (g *gates) all(w model.Work, do func(model.TargetID, model.Lane, int64)) {
	if w.Batch == nil { // nearly always, and cheaper than a list of one
		do(w.Delivery.TargetID, w.Delivery.Lane, size(w))
	}
	for _, m := range w.Batch {
		do(m.Delivery.TargetID, m.Delivery.Lane, size(m))
	}
}

func (g *gates) close() { g.closed.Store(true) }

// full reports whether not even claims of a lane get a place.
func (g *gates) full(l model.Lane) bool {
	return g.taken.Load() >= g.places || g.loaded.Load() >= g.bytes || l == model.Bulk && g.bulk.Load() >= g.places*3/4
}

// size is how much one delivery weighs in memory.
func size(w model.Work) int64 { return int64(len(w.Event.Data) + len(w.Payload)) }

// Reserve takes a place in memory for a delivery before its commit. Without one (false) the delivery is stored unowned
// and Spill says so after the commit. A reserved delivery is handed over, or given up with Unreserve.
func (d *Dispatcher) Reserve(id model.TargetID, l model.Lane, bytes int) bool {
	return d.gates.reserve(id, l, int64(bytes))
}

// Unreserve gives a place up: the commit did not happen.
func (d *Dispatcher) Unreserve(id model.TargetID, l model.Lane, bytes int) {
	d.gates.release(id, l, int64(bytes))
	d.post(func() { d.look = d.look || d.starved })
}

// Spill says that deliveries wait in the database without a place in memory, the first one due at due.
func (d *Dispatcher) Spill(id model.TargetID, l model.Lane, due time.Time) {
	if !due.After(d.o.Now()) {
		d.gates.of(id).spilled[index(l)].Store(true)
	}
	d.Wake(id, l, due)
}
