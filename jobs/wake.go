package jobs

import (
	"context"
	"time"
)

// wake rouses the one goroutine that waits on it. Pokes while it works count once, when it waits again.
type wake chan struct{}

func newWake() wake { return make(wake, 1) }

// poke never blocks.
func (w wake) poke() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Rests of goroutines that wait for times.
const (
	restAfterError = time.Second // after the store did not answer
	longestRest    = time.Minute // how often wall time is compared, so that a clock that was set forward is noticed
)

// keepUp does work when it is poked and whenever work says that more is due (zero = nothing is), until the service stops.
func (s *Service) keepUp(ctx context.Context, w wake, trouble string, work func(context.Context) (due time.Time, err error)) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-s.stopped:
			return
		case <-w:
		case <-rest.C:
		}
		due, err := work(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Log.Warn(trouble+"; trying again", "error", err)
			due = s.o.Now().Add(restAfterError)
		}
		wait := longestRest
		if !due.IsZero() {
			wait = min(wait, max(due.Sub(s.o.Now()), time.Millisecond))
		}
		rest.Reset(wait)
	}
}
