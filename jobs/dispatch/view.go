package dispatch

import (
	"time"

	"waybill/db/model"
)

// Waits is why deliveries that are due are not sent.
type Waits string

const (
	WaitsBreaker Waits = "breaker"     // the target failed too often
	WaitsRate    Waits = "rate"        // so many a second and no more
	WaitsPlace   Waits = "concurrency" // so many at once and no more
	WaitsBatch   Waits = "batch"       // for others to go along
	WaitsOrder   Waits = "order"       // for an earlier one of the same subject
)

// Shown is what people see of a target.
type Shown struct {
	Waits  Waits     // why what is queued does not go, "" = it does
	Until  time.Time // zero = not known
	Health model.Health
	shared bool // what it shares with other targets stops it
}

// show publishes what people see of a target.
func (d *Dispatcher) show(t *target, s Shown) {
	if s.Health = t.health.Health; s.Health.ID != "" {
		s.Health.ID, s.Health.UpdatedAt = "", time.Time{}
	}
	if s == t.shown {
		return
	}
	t.shown = s
	d.view.Lock()
	defer d.view.Unlock()
	if s == (Shown{}) {
		delete(d.view.targets, t.id)
	} else {
		d.view.targets[t.id] = s
	}
}

// Shown tells what stops a target, and how well it is.
func (d *Dispatcher) Shown(id model.TargetID) Shown {
	d.view.RLock()
	defer d.view.RUnlock()
	return d.view.targets[id]
}

// AllShown tells it of every target that something stops or that is not well.
func (d *Dispatcher) AllShown() map[model.TargetID]Shown {
	d.view.RLock()
	defer d.view.RUnlock()
	out := make(map[model.TargetID]Shown, len(d.view.targets))
	for id, s := range d.view.targets {
		out[id] = s
	}
	return out
}

func (d *Dispatcher) sends(w *model.Work) {
	now := d.o.Now()
	d.view.Lock()
	defer d.view.Unlock()
	for _, m := range w.All() {
		d.view.sending[m.Delivery.ID] = now
	}
}

func (d *Dispatcher) sent(w *model.Work) {
	d.view.Lock()
	defer d.view.Unlock()
	for _, m := range w.All() {
		delete(d.view.sending, m.Delivery.ID)
	}
}

// Sending tells since when a delivery's attempt is under way.
func (d *Dispatcher) Sending(id model.DeliveryID) (since time.Time, yes bool) {
	d.view.RLock()
	defer d.view.RUnlock()
	since, yes = d.view.sending[id]
	return since, yes
}

// AllSending lists the deliveries whose attempts are under way.
func (d *Dispatcher) AllSending() []model.DeliveryID {
	d.view.RLock()
	defer d.view.RUnlock()
	out := make([]model.DeliveryID, 0, len(d.view.sending))
	for id := range d.view.sending {
		out = append(out, id)
	}
	return out
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
