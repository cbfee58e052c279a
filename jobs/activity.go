package jobs

import (
	"maps"
	"slices"
	"sync"
	"time"

	"waybill/db/model"
)

// writeStatsAfter is how long outcomes are only counted in memory: what a crash may lose of the statistics, and of
// nothing else.
const writeStatsAfter = 2 * time.Second

// statsRows is how many rows one write takes.
const statsRows = 500

// activity counts outcomes that were stored, by minute.
type activity struct {
	mu    sync.Mutex
	rows  map[rollupKey]*model.Rollup
	dirty chan struct{} // has room for one: there is something to write
	sums  sums          // since the start, for metrics
}

type rollupKey struct {
	destination model.DestID
	what        string
	minute      int64
}

// outcome counts one outcome of d, as d was when it was taken on. It is called from the keeper's goroutine.
func (a *activity) outcome(d model.Delivery, o model.Outcome, now time.Time) {
	what, wrong := string(o.Status), ""
	before := d.Attempts // attempts that failed
	if o.Told != nil {
		o.Attempt = o.Told
		before--
	}
	switch {
	case o.Attempt == nil:
		return
	case o.Status == model.Delivered && before > 0:
		what = model.Recovered
	case o.Status == model.Failed || o.Status == model.Retrying:
		wrong = o.Error
	}
	a.mu.Lock()
	if o.Held != model.HeldOutcome { // what becomes of it is counted when it is told
		a.came(d, what, wrong, now)
	}
	a.stored(d, o, now)
	a.sums.add(d.DestinationID, what, o)
	if o.Attempt.StatusCode != 0 {
		step, at := model.TookStep(time.Duration(o.Attempt.Timings.Total)*time.Microsecond), model.Minute(now.Truncate(model.TookMinutes*time.Minute))
		a.add("", step, at, now)
		if d.DestinationID != "" {
			a.add(d.DestinationID, step, at, now)
		}
	}
	a.mu.Unlock()
	select {
	case a.dirty <- struct{}{}:
	default:
	}
}

// came counts what became of a delivery.
func (a *activity) came(d model.Delivery, what, wrong string, now time.Time) {
	a.add("", what, model.Minute(now), now)
	if d.DestinationID == "" {
		return
	}
	r := a.add(d.DestinationID, what, model.Minute(now), now)
	if wrong != "" {
		r.Error, r.Delivery = wrong, d.ID
	}
}

// rowBytes is about what an attempt takes besides its bodies.
const rowBytes = 900

// stored counts the bytes that an outcome put into the store, by hour.
func (a *activity) stored(d model.Delivery, o model.Outcome, now time.Time) {
	n := int64(rowBytes + len(o.Attempt.Response.Body))
	if !o.BodyIsData {
		n += int64(len(o.Attempt.Request.Body))
	}
	for _, of := range []model.DestID{"", d.DestinationID} {
		a.add(of, model.StoredBytes, model.Minute(now.Truncate(time.Hour)), now).N += n - 1
		if d.DestinationID == "" {
			return
		}
	}
}

func (a *activity) add(destination model.DestID, what string, minute int64, now time.Time) *model.Rollup {
	key := rollupKey{destination, what, minute}
	r := a.rows[key]
	if r == nil {
		r = &model.Rollup{Destination: destination, What: what, Minute: minute}
		a.rows[key] = r
	}
	r.N, r.Last = r.N+1, now.UnixMilli()
	return r
}

// take empties the counters.
func (a *activity) take() []model.Rollup {
	a.mu.Lock()
	rows := a.rows
	a.rows = map[rollupKey]*model.Rollup{}
	a.mu.Unlock()
	out := make([]model.Rollup, 0, len(rows))
	for r := range maps.Values(rows) {
		out = append(out, *r)
	}
	return out
}

// keepStats writes what was counted, a little after something was.
func (s *Service) keepStats() {
	for {
		select {
		case <-s.stopped:
			return
		case <-s.activity.dirty:
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(writeStatsAfter):
		}
		s.writeStats()
	}
}

// writeStats writes what was counted. What cannot be written (full disk) is forgotten: it is statistics.
func (s *Service) writeStats() {
	for rows := range slices.Chunk(s.activity.take(), statsRows) {
		if err := s.o.Store.AddStats(rows); err != nil {
			s.o.Log.Warn("statistics could not be written", "error", err)
			return
		}
	}
	s.writeLives(false)
	s.watchers.tell()
}

// watchers are those who want to know that deliveries changed, not what.
type watchers struct {
	mu   sync.Mutex
	list map[chan struct{}]struct{}
	last time.Time // when they were told, or would have been
}

// tell never blocks; who has not yet looked after the last time is not told twice.
func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	for ch := range w.list {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Watch gives a channel that says, at most once until it is read, that deliveries changed, at once when they did within
// unheard before; stop ends it.
func (s *Service) Watch(unheard time.Duration) (changed <-chan struct{}, stop func()) {
	return s.watchers.watch(unheard)
}

func (w *watchers) watch(unheard time.Duration) (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.last) < unheard {
		ch <- struct{}{}
	}
	w.list[ch] = struct{}{}
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.list, ch)
	}
}
