package jobs

import (
	"context"
	"sync/atomic"
	"time"

	"waybill/db/model"
)

// Measured is how much is not settled, by target, as of At.
type Measured struct {
	At      time.Time // zero = not measured yet
	Targets map[model.TargetID]model.Backlog
	All     model.Backlog
}

// Of is the backlog of some targets together.
func (m Measured) Of(targets ...model.TargetID) (out model.Backlog) {
	for _, id := range targets {
		out = out.With(m.Targets[id])
	}
	return out
}

// observation is what the watching goroutine knows.
type observation struct {
	measured atomic.Pointer[Measured]
	next     time.Time // when to measure again
	kept     time.Time // when a measurement was last put into the statistics
	rolled   time.Time
	judged   time.Time
}

// How often what is done. Measuring reads an entry for each delivery that is not settled, so a large backlog is measured
// less often: it may take a hundredth of the time.
const (
	watchEvery    = 5 * time.Second
	measureEvery  = 10 * time.Second
	measureRarest = 10 * time.Minute
	measureShare  = 100
	keepEvery     = time.Minute
	rollEvery     = time.Minute
)

// Backlog is the last measurement of what is not settled.
func (s *Service) Backlog() Measured {
	if m := s.observed.measured.Load(); m != nil {
		return *m
	}
	return Measured{}
}

// Open is what is not settled of a target, or of all (""): counted now where that is little, else as it was last measured.
func (s *Service) Open(ctx context.Context, target model.TargetID) (model.Open, error) {
	some, err := s.o.Store.OpenSome(ctx, s.o.Node, target)
	if err != nil || !some.More {
		return some, err
	}
	m := s.Backlog()
	measured := m.All
	if target != "" {
		measured = m.Of(target)
	}
	if measured.N < some.N { // it became so much since
		some.Oldest = measured.Oldest
		return some, nil
	}
	return model.Open{Backlog: measured, At: m.At}, nil
}

// keepWatch works until the service stops.
func (s *Service) keepWatch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		err := s.look(context.Background())
		if err != nil {
			s.o.Log.Warn("what goes on could not be watched; trying again", "error", err)
		}
		s.Job("statistics", err)
		select {
		case <-s.stopped:
			return
		case <-tick.C:
		}
	}
}

// look does what is due of watching.
func (s *Service) look(ctx context.Context) error {
	start, o := time.Now(), &s.observed
	if !start.Before(o.next) {
		if err := s.measure(ctx); err != nil {
			return err
		}
		o.next = start.Add(min(measureRarest, max(measureEvery, measureShare*time.Since(start))))
	}
	if start.Sub(o.rolled) >= rollEvery {
		o.rolled = start
		for {
			n, err := s.o.Store.RollStats(ctx, s.o.Now())
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	if start.Sub(o.judged) >= judgeEvery {
		o.judged = start
		return s.judge(ctx, s.o.Now())
	}
	return nil
}

// measure counts what is not settled, and once a minute keeps the figures for charts.
func (s *Service) measure(ctx context.Context) error {
	targets, err := s.o.Store.Backlogs(ctx)
	if err != nil {
		return err
	}
	now := s.o.Now()
	m := &Measured{At: now, Targets: targets}
	for _, b := range targets {
		m.All = m.All.With(b)
	}
	s.observed.measured.Store(m)
	if time.Since(s.observed.kept) >= keepEvery {
		s.observed.kept = time.Now()
		s.activity.measured(m, now)
	}
	return nil
}

// measured puts a measurement into the statistics; of places where nothing waits nothing is written.
func (a *activity) measured(m *Measured, now time.Time) {
	at := model.Minute(now)
	a.mu.Lock()
	a.add("", model.Samples, at, now)
	for id, b := range m.Targets {
		if _, _, _, step := id.Step(); !step {
			a.add(model.DestID(id), model.Backlogged, at, now).N += b.N - 1
		}
	}
	if m.All.N > 0 {
		a.add("", model.Backlogged, at, now).N += m.All.N - 1
	}
	a.mu.Unlock()
	select {
	case a.dirty <- struct{}{}:
	default:
	}
}
