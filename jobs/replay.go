package jobs

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// Bounds of replays. A replay never has more than replayWindow deliveries that were not tried yet, so what it makes does
// not pile up when its destinations are slow.
const (
	replayLook   = 500    // deliveries that one step looks at
	replayMake   = 150    // … and makes at most
	replayWindow = 1000   // deliveries made and not tried yet
	replayCount  = 100000 // deliveries that are looked at to count
	replayCheck  = 200    // settled ones that one write counts
	replayPause  = 500 * time.Millisecond
	replayRest   = 30 * time.Second // between looks while nothing is heard
)

// ReplayEstimate is what a replay would do.
type ReplayEstimate struct {
	Count      int64
	Exact      bool  // else there are more: counting stopped
	PassedOver int64 // fit, but cannot be replayed
	Seconds    int64 // how long it takes at the pace of the last day
	By         []ReplayShare
}

// ReplayShare is the part of one destination.
type ReplayShare struct {
	ID         model.DestID
	Name       string
	Connection string
	Count      int64
	Off        string // why it would be held, "" = it would not
}

// replays runs those that are open, one step each in turn.
type replays struct {
	wake
	moved bool // the turn changed something; of the goroutine that runs replays
}

// EstimateReplay counts what a replay would make and how long that would take.
func (s *Service) EstimateReplay(ctx context.Context, f model.ReplayFilter) (ReplayEstimate, error) {
	e, _, err := s.estimateReplay(ctx, f)
	return e, err
}

// checkReplay is what is wrong with a filter.
func checkReplay(f model.ReplayFilter) error {
	var bad fault.Check
	bad.Join("", f.Check())
	return bad.Err()
}

func (s *Service) estimateReplay(ctx context.Context, f model.ReplayFilter) (ReplayEstimate, model.DeliveryID, error) {
	out := ReplayEstimate{Exact: true}
	if err := checkReplay(f); err != nil {
		return out, "", err
	}
	snap, err := s.routing.current(ctx)
	if err != nil {
		return out, "", err
	}
	before := model.DeliveryID(model.NewDeliveryID(s.o.Now()))
	by, after, looked := map[model.DestID]int64{}, model.DeliveryID(""), 0
	for {
		list, err := s.o.Store.ReplayCandidates(ctx, f, after, before, 4*replayLook)
		if err != nil {
			return out, "", err
		}
		for _, c := range list {
			if wanted, possible := f.Fits(c); !wanted {
				continue
			} else if _, there := snap.Destinations[c.DestinationID]; possible && there {
				out.Count++
				by[c.DestinationID]++
			} else {
				out.PassedOver++
			}
		}
		if looked += len(list); len(list) < 4*replayLook {
			break
		}
		if after = list[len(list)-1].ID; looked >= replayCount {
			out.Exact = false
			break
		}
	}
	return out, before, s.weigh(ctx, snap, &out, by)
}

// pace is how many new deliveries a second a replay makes at most, about.
const pace = 1500

// weigh adds what each destination gets and how long that takes: its places but one, each as long as half of the answers
// of the last day took.
func (s *Service) weigh(ctx context.Context, snap *snapshot, out *ReplayEstimate, by map[model.DestID]int64) error {
	slowest := float64(out.Count) / pace
	for id, n := range by {
		d := snap.Destinations[id]
		out.By = append(out.By, ReplayShare{ID: id, Name: d.Name, Connection: snap.Connections[d.ConnectionID].Name, Count: n, Off: snap.off(id)})
		took, err := s.o.Store.Took(ctx, id, s.o.Now().Add(-24*time.Hour), 0.5)
		if err != nil {
			return err
		}
		took = cmp.Or(took, 200*time.Millisecond)
		slowest = max(slowest, float64(n)*took.Seconds()/float64(max(1, d.MaxInFlight-1)))
	}
	slices.SortFunc(out.By, func(a, b ReplayShare) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID)) })
	if out.Count > 0 {
		out.Seconds = max(1, int64(math.Ceil(slowest)))
	}
	return nil
}

// StartReplay counts and begins a replay.
func (s *Service) StartReplay(ctx context.Context, actor model.Actor, f model.ReplayFilter) (model.Replay, error) {
	if err := s.accepting(ctx); err != nil {
		return model.Replay{}, err
	}
	e, before, err := s.estimateReplay(ctx, f)
	if err != nil {
		return model.Replay{}, err
	}
	if e.Count == 0 {
		var bad fault.Check
		bad.Add("filter", "No settled delivery fits that could be replayed.")
		return model.Replay{}, bad.Err()
	}
	r := model.Replay{Filter: f, Total: e.Count, Counted: e.Exact, Before: before}
	if err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.CreateReplay(&r) }); err != nil {
		return r, err
	}
	s.replays.poke()
	return r, nil
}

// CancelReplay stops a replay; what it made and did not settle is cancelled in the background.
func (s *Service) CancelReplay(ctx context.Context, actor model.Actor, id model.ReplayID) (r model.Replay, err error) {
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		r, err = tx.CancelReplay(id)
		return err
	})
	s.replays.poke()
	return r, err
}

// keepReplays works until the service stops. With no replay open it sleeps until one is started.
func (s *Service) keepReplays() {
	heard, deaf := s.Watch(0)
	defer deaf()
	seen := map[model.ReplayID]model.DeliveryID{} // where the look at tried ones goes on
	for {
		open, more, err := s.turnReplays(context.Background(), seen)
		if err != nil {
			s.o.Log.Warn("a replay could not go on; trying again", "error", err)
		}
		var rest <-chan time.Time
		changed := heard
		switch {
		case more && err == nil:
			continue
		case open || err != nil:
			select {
			case <-s.stopped:
				return
			case <-s.replays.wake:
			case <-time.After(replayPause):
			}
			rest = time.After(replayRest)
		default:
			changed = nil
		}
		select {
		case <-s.stopped:
			return
		case <-s.replays.wake:
		case <-changed:
		case <-rest:
		}
	}
}

// turnReplays does one step of each open replay. more: some have more to do at once.
func (s *Service) turnReplays(ctx context.Context, seen map[model.ReplayID]model.DeliveryID) (open, more bool, err error) {
	list, err := s.o.Store.OpenReplays(ctx)
	for _, r := range list {
		select {
		case <-s.stopped:
			return true, false, nil
		default:
		}
		again, err := s.stepReplay(ctx, r, seen)
		if err != nil {
			return true, false, err
		}
		more = more || again
	}
	if s.replays.moved {
		s.replays.moved = false
		s.watchers.tell()
	}
	return len(list) > 0, more, err
}

// stepReplay counts what settled, and makes a few more. It reports whether there is more to do at once.
func (s *Service) stepReplay(ctx context.Context, r model.Replay, seen map[model.ReplayID]model.DeliveryID) (bool, error) {
	if r.Status == model.ReplayCancelled {
		return s.stopReplay(ctx, r)
	}
	waiting, err := s.countTried(ctx, r)
	if err != nil {
		return false, err
	}
	if err := s.countSettled(ctx, r, seen); err != nil || waiting >= replayWindow {
		return false, err
	}
	list, err := s.o.Store.ReplayCandidates(ctx, r.Filter, r.After, r.Before, replayLook)
	if err != nil {
		return false, err
	}
	if len(list) == 0 {
		return false, s.endReplay(ctx, r)
	}
	made, passed, after, err := s.remake(ctx, r, list)
	if err != nil {
		return false, err
	}
	ok, err := s.o.Store.AdvanceReplay(ctx, r.ID, made, passed, after)
	if err != nil || !ok {
		return ok, err
	}
	s.replays.moved = true
	for _, d := range made {
		if d.Status == model.Pending {
			s.dispatch.Spill(d.TargetID, d.Lane, d.NextAttemptAt)
		}
	}
	return true, nil
}

// remake builds new deliveries of candidates, up to replayMake, and says up to which one it looked.
func (s *Service) remake(ctx context.Context, r model.Replay, list []model.ReplayCandidate) (made []model.Delivery, passed int, after model.DeliveryID, err error) {
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil, 0, "", err
	}
	now := s.o.Now()
	for _, c := range list {
		if len(made) == replayMake {
			break
		}
		after = c.ID
		wanted, possible := r.Filter.Fits(c)
		d, there := snap.Destinations[c.DestinationID]
		switch {
		case !wanted:
			continue
		case !possible || !there:
			passed++
			continue
		}
		n := s.newDelivery(snap, model.Action{ID: c.ActionID, DestinationID: d.ID}, model.Event{ID: c.EventID, Name: c.Event, Subject: c.Subject}, now)
		n.Lane, n.ReplayOf = model.Bulk, c.ID
		made = append(made, n)
	}
	return made, passed, after, nil
}

// countTried looks at the deliveries that were not tried yet, counts those that are settled and notes those that were
// tried. It says how many are still waiting for their first attempt.
func (s *Service) countTried(ctx context.Context, r model.Replay) (waiting int, err error) {
	list, err := s.o.Store.ReplayItems(ctx, r.ID, false, "", replayWindow+replayMake)
	if err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(list, replayCheck) {
		p, left := sortItems(chunk, true)
		if waiting += left; left == len(chunk) {
			continue
		}
		if err := s.countReplay(ctx, r.ID, p); err != nil {
			return waiting, err
		}
	}
	return waiting, nil
}

// countSettled looks at the next few of the deliveries that were tried and not settled.
func (s *Service) countSettled(ctx context.Context, r model.Replay, seen map[model.ReplayID]model.DeliveryID) error {
	list, err := s.o.Store.ReplayItems(ctx, r.ID, true, seen[r.ID], replayCheck)
	if err != nil {
		return err
	}
	if seen[r.ID] = ""; len(list) == replayCheck {
		seen[r.ID] = list[len(list)-1].ID
	}
	p, left := sortItems(list, false)
	if left == len(list) {
		return nil
	}
	return s.countReplay(ctx, r.ID, p)
}

func (s *Service) countReplay(ctx context.Context, id model.ReplayID, p model.ReplayProgress) error {
	s.replays.moved = true
	return s.o.Store.CountReplay(ctx, id, p)
}

// sortItems says what became of deliveries, and how many are as they were. fresh: those that were tried meanwhile are noted.
func sortItems(list []db.ReplayItem, fresh bool) (p model.ReplayProgress, left int) {
	for _, i := range list {
		switch {
		case i.Status == model.Delivered:
			p.Delivered++
		case i.Status == model.Failed:
			p.Failed++
		case i.Status == "" || i.Status.Settled():
			p.Dropped++
		case fresh && (i.Attempts > 0 || i.Status == model.Held):
			p.Tried = append(p.Tried, i.ID)
			continue
		default:
			left++
			continue
		}
		p.Settled = append(p.Settled, i.ID)
	}
	return p, left
}

// endReplay finishes a replay that has made everything, when all of it is settled.
func (s *Service) endReplay(ctx context.Context, r model.Replay) error {
	for _, tried := range []bool{false, true} {
		if left, err := s.o.Store.ReplayItems(ctx, r.ID, tried, "", 1); err != nil || len(left) > 0 {
			return err
		}
	}
	s.replays.moved = true
	return s.o.Store.FinishReplay(ctx, r.ID)
}

// stopReplay cancels a few of what a cancelled replay made.
func (s *Service) stopReplay(ctx context.Context, r model.Replay) (more bool, err error) {
	for _, tried := range []bool{false, true} {
		list, err := s.o.Store.ReplayItems(ctx, r.ID, tried, "", replayCheck)
		if err != nil {
			return false, err
		}
		if len(list) == 0 {
			continue
		}
		p, left := sortItems(list, false)
		if left < len(list) {
			return true, s.countReplay(ctx, r.ID, p)
		}
		ids := make([]model.DeliveryID, len(list))
		for i, x := range list {
			ids[i] = x.ID
		}
		if err := s.o.Store.CancelReplayItems(ctx, r.ID, ids); err != nil {
			return false, err
		}
		s.replays.moved = true
		return true, s.forget(ctx, ids)
	}
	s.replays.moved = true
	return false, s.o.Store.FinishReplay(ctx, r.ID)
}

// forget drops cancelled deliveries from the queues.
func (s *Service) forget(ctx context.Context, ids []model.DeliveryID) error {
	list, _, err := s.o.Store.Deliveries(ctx, db.DeliveryFilter{IDs: ids}, db.Page{Limit: db.MaxPage})
	for _, d := range list {
		s.dispatch.Forget(d.TargetID, d.ID)
	}
	s.traceEnds(ids...)
	return err
}
