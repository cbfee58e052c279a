package dispatch

import (
	"context"
	"time"

	"waybill/db/model"
)

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
		if err == nil {
			err = d.disorderAll()
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

// disorderAll lets go what waits for its turn at targets that no longer keep an order.
func (d *Dispatcher) disorderAll() error {
	ordered, err := d.o.Store.OrderedTargets(context.Background())
	if err != nil {
		return err
	}
	for _, id := range ordered {
		for t := d.o.Target(id); !t.Ordered && t.Off == "" && !d.gates.closed.Load(); {
			n, err := d.o.Store.Disorder(context.Background(), id)
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
