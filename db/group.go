package db

import (
	"slices"
	"time"
)

// Which closures go together, and which wait.

// gather waits for closures and takes those that go together. Nothing lingers but results, and those only until
// something else commits.
func (w *writer) gather() ([]*op, bool) {
	for {
		w.mu.Lock()
		wait, any := w.patience()
		if any && wait <= 0 {
			group := w.take()
			w.mu.Unlock()
			return group, true
		}
		closing := w.closing
		w.mu.Unlock()
		switch {
		case closing:
			return nil, false
		case any:
			t := time.NewTimer(wait)
			select {
			case <-w.wake:
			case <-t.C:
			}
			t.Stop()
		default:
			<-w.wake
		}
	}
}

// patience is how long what waits may still wait, and whether there is anything.
func (w *writer) patience() (time.Duration, bool) {
	if len(w.queue)+len(w.bulk) == 0 {
		return 0, false
	}
	if w.closing {
		return 0, true
	}
	var first time.Time
	for _, list := range [][]*op{w.queue, w.bulk} {
		if len(list) == 0 {
			continue
		}
		at := list[0].rides
		if len(list) >= groupOps || slices.ContainsFunc(list, func(o *op) bool { return o.rides.IsZero() }) {
			at = time.Now()
		}
		if list[0].bulk && at.Before(w.rested) {
			at = w.rested
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return time.Until(first), true
}

// urgent reports whether somebody waits who is not to wait for bulk closures.
func (w *writer) urgent() bool {
	return slices.ContainsFunc(w.queue, func(o *op) bool { return o.rides.IsZero() })
}

// take gives the next group: bulk closures behind all others, and only when nobody waits for the group or they had no turn for long.
func (w *writer) take() []*op {
	hurry := w.urgent()
	if hurry {
		w.hurried = time.Now()
	}
	patient := (!hurry || time.Since(w.served) > bulkStarve) && (w.closing || !time.Now().Before(w.rested))
	n := min(len(w.queue), groupOps)
	if patient && len(w.bulk) > 0 {
		n = min(n, groupOps-1)
	}
	group := append([]*op(nil), w.queue[:n]...)
	w.queue = slices.Delete(w.queue, 0, n)
	if patient {
		b := min(len(w.bulk), groupOps-n)
		group = append(group, w.bulk[:b]...)
		w.bulk = slices.Delete(w.bulk, 0, b)
	}
	return group
}

// enough reports whether the bulk closures of a group have had their turn, the first of which began at begun.
func (w *writer) enough(begun time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	turn := bulkRuns
	if now.Sub(w.hurried) < bulkAlone {
		turn, w.rested = bulkBeside, now.Add(bulkRest)
	}
	if !begun.IsZero() && (w.urgent() || now.Sub(begun) > turn) {
		return true
	}
	w.served = now
	return false
}

// behind is the place in the queue behind those that go ahead.
func (w *writer) behind() int {
	if i := slices.IndexFunc(w.queue, func(o *op) bool { return !o.ahead }); i >= 0 {
		return i
	}
	return len(w.queue)
}

// putBack has the closures of a group that did not get to run wait for their next turn, before all that came later but those
// that go ahead.
func (w *writer) putBack(left []*op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(left, func(o *op) bool { return o.bulk })
	if at < 0 {
		at = len(left)
	}
	w.queue = slices.Insert(w.queue, w.behind(), left[:at]...)
	w.bulk = slices.Insert(w.bulk, 0, left[at:]...)
}
