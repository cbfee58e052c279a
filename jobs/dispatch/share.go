package dispatch

import (
	"slices"
	"time"
)

// Share is a limit that several targets keep together, such as the one that a system sets for all of its clients. The zero
// value is none.
type Share struct {
	Key         string  // targets with the same one share
	Rate        float64 // starts a second, 0 = unbounded
	MaxInFlight int     // requests at once, 0 = unbounded
}

// pool is what a Share has given out. It is the dispatcher's goroutine's own.
type pool struct {
	pace     [2]pace // of all, of bulk
	inflight int
	bulk     int          // of inflight
	waiting  [2][]*target // by lane, in the order in which they came
	serving  bool
	alarm    *time.Timer // when it may give out more by its rate; nil = not set
	alarmAt  time.Time
}

// pool is the one of a share, nil when there is none.
func (d *Dispatcher) pool(s Share) *pool {
	if s.Key == "" {
		return nil
	}
	p := d.pools[s.Key]
	if p == nil {
		p = &pool{}
		d.pools[s.Key] = p
	}
	return p
}

// shared says why nothing of a lane of t may start under the limit that it shares; those that came before it come first.
// Who has to wait is served when there is room, so no alarm of the target's own is needed.
func (d *Dispatcher) shared(t *target, lane int, s Share, now time.Time) Shown {
	p := d.pool(s)
	if p == nil {
		return Shown{}
	}
	at, full := p.pace[0].ready(now, s.Rate), s.MaxInFlight > 0 && p.inflight >= s.MaxInFlight
	if lane == 1 {
		if bulk := p.pace[1].ready(now, s.Rate*bulkRate); bulk.After(at) {
			at = bulk
		}
		full = full || s.MaxInFlight > 1 && p.bulk >= s.MaxInFlight-1 || s.MaxInFlight == 1 && len(p.waiting[0]) > 0
	}
	before := len(p.waiting[0]) > 0 || lane == 1 && len(p.waiting[1]) > 0
	if !full && !at.After(now) && (p.serving || !before) {
		return Shown{}
	}
	if !slices.Contains(p.waiting[lane], t) {
		p.waiting[lane] = append(p.waiting[lane], t)
	}
	if at.After(now) {
		d.serveAt(p, s, at)
		return Shown{Waits: WaitsRate, Until: at, shared: true}
	}
	return Shown{Waits: WaitsPlace, shared: true}
}

// take notes that one starts.
func (p *pool) take(lane int, s Share, now time.Time) {
	if p == nil {
		return
	}
	p.inflight++
	p.pace[0].take(now, s.Rate)
	if lane == 1 {
		p.bulk++
		p.pace[1].take(now, s.Rate*bulkRate)
	}
}

// left gives a place back and lets those go on that waited for one.
func (d *Dispatcher) leftShared(x run) {
	if x.pool == nil {
		return
	}
	x.pool.inflight--
	if x.lane == 1 {
		x.pool.bulk--
	}
	d.serve(x.pool)
}

// serveAt serves at a time, or before it.
func (d *Dispatcher) serveAt(p *pool, s Share, at time.Time) {
	if p.alarm != nil && !at.Before(p.alarmAt) {
		return
	}
	if p.alarm != nil {
		p.alarm.Stop()
	}
	p.alarmAt = at
	p.alarm = time.AfterFunc(max(at.Sub(d.o.Now()), time.Millisecond), func() {
		d.post(func() {
			if p.alarmAt.Equal(at) {
				p.alarm = nil
			}
			d.serve(p)
		})
	})
}

// serve lets the targets that wait go on in turn, realtime first.
func (d *Dispatcher) serve(p *pool) {
	if p.serving {
		return
	}
	p.serving = true
	for lane := range p.waiting {
		for idle := 0; idle < len(p.waiting[lane]); {
			t, before := p.waiting[lane][0], p.inflight
			p.waiting[lane] = slices.Delete(p.waiting[lane], 0, 1)
			d.pump(t)
			switch {
			case p.inflight > before:
				idle = 0
			case slices.Contains(p.waiting[lane], t):
				idle++
			}
		}
	}
	p.serving = false
}
