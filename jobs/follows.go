package jobs

import (
	"context"
	"sync"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// Bounds of following messages whose receivers tell later what became of them.
const (
	followsAtOnce  = 16          // questions under way
	followsATarget = 4           // … to one target, so that one that hangs leaves places for others
	followAgain    = time.Second // after the store did not answer
)

// follows is the one goroutine that has messages asked for, and what it knows. It sleeps until the first is due, or until
// somebody says that there is another one.
type follows struct {
	*followState
}

type followState struct {
	wake
	ctx context.Context // ends with the service
	end context.CancelFunc
	wg  sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // messages that are asked for
	at   map[model.TargetID]int
}

func newFollows() follows {
	f := &followState{wake: newWake(), busy: map[string]bool{}, at: map[model.TargetID]int{}}
	f.ctx, f.end = context.WithCancel(context.Background())
	return follows{f}
}

// stop cuts what is under way, which is asked for again at the next start, and waits for its end.
func (f follows) stop() {
	f.mu.Lock()
	f.end()
	f.mu.Unlock()
	f.wg.Wait()
}

// take reserves a place for a question; false when there is none, or it is asked already.
func (f follows) take(u model.FollowUp) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil || f.busy[u.MessageID] || len(f.busy) >= followsAtOnce || f.at[u.TargetID] >= followsATarget {
		return false
	}
	f.busy[u.MessageID] = true
	f.at[u.TargetID]++
	f.wg.Add(1)
	return true
}

func (f follows) leave(u model.FollowUp) {
	f.mu.Lock()
	delete(f.busy, u.MessageID)
	if f.at[u.TargetID]--; f.at[u.TargetID] == 0 {
		delete(f.at, u.TargetID)
	}
	f.mu.Unlock()
	f.wg.Done()
	f.poke()
}

// followDue asks for what is due, as far as there are places, and says when more is; what waits for a place is woken by those
// that end.
func (s *Service) followDue(ctx context.Context) (next time.Time, err error) {
	targets, err := s.o.Store.Following(ctx)
	if err != nil {
		return next, err
	}
	now := s.o.Now()
	for _, t := range targets {
		if t.Due.After(now) {
			if next.IsZero() || t.Due.Before(next) {
				next = t.Due
			}
			continue
		}
		// Those under way are still due: so many more than may be are looked at.
		list, err := s.o.Store.DueFollowUps(ctx, t.Target, now, 2*followsATarget)
		if err != nil {
			return next, err
		}
		for _, f := range list {
			if s.follows.take(f) {
				go s.pursue(ctx, f)
			}
		}
		// Behind those that are due more may become so, which nobody pokes for.
		if again := now.Add(followAgain); next.IsZero() || again.Before(next) {
			next = again
		}
	}
	return next, nil
}

// pursue asks once for the outcome of a message. It is stored when this returns, or asked for again later.
func (s *Service) pursue(ctx context.Context, f model.FollowUp) {
	done := make(chan error, 1)
	defer s.follows.leave(f)
	w, at, err := s.o.Store.AwaitingOutcome(ctx, f)
	switch {
	case err != nil:
		done <- err
	case len(at) == 0: // cancelled, or sent again by hand
		done <- s.o.Store.DropFollowUp(ctx, f)
	default:
		s.hear(ctx, w, at, f, done)
	}
	if err := <-done; err != nil && ctx.Err() == nil {
		s.o.Log.Warn("the outcome of a message could not be stored; it is asked for again", "message", f.MessageID, "error", err)
		select { // not at once again
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
	s.watchers.tell()
}

// hear asks, and stores what it hears.
func (s *Service) hear(ctx context.Context, w model.Work, at []int, f model.FollowUp, done chan<- error) {
	var h deliver.Heard
	u, err := s.setup(ctx, &w)
	switch {
	case fault.Is(err, fault.NotFound):
		h = deliver.Heard{Result: deliver.Result{Kind: deliver.Final, Error: "It was taken, but its destination no longer exists, so what became of it cannot be asked for."}}
	case err != nil:
		done <- err
		return
	default:
		h = s.sender.Follow(ctx, u, &w, at, f)
	}
	switch {
	case ctx.Err() != nil:
		done <- ctx.Err()
	case h.Wait > 0:
		done <- s.o.Store.AskAgain(ctx, f, s.o.Now().Add(h.Wait), h.Words)
	default:
		if h.Result.Kind == deliver.Sent {
			s.counts.delivered.Add(1)
		} else if h.Result.Kind == deliver.Final {
			s.counts.failed.Add(1)
		}
		s.dispatch.Told(w, f, h.Result, func(err error) { done <- err })
	}
}

// Following tells how the message of a delivery is followed, false when it is not.
func (s *Service) Following(ctx context.Context, d model.Delivery) (model.FollowUp, bool, error) {
	if d.Held != model.HeldOutcome {
		return model.FollowUp{}, false, nil
	}
	f, err := s.o.Store.FollowUp(ctx, model.Work{Delivery: d}.MessageID())
	if fault.Is(err, fault.NotFound) { // told just now
		return model.FollowUp{}, false, nil
	}
	return f, err == nil, err
}
