package jobs

import (
	"context"
	"errors"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// A workflow over an audience is started in many small closures, each of which starts some runs and notes how far it is:
// after a kill at any point no record is left out and none started twice. The closures wait behind all realtime writes,
// and the runs' messages go in the bulk lane.

// recordsAtOnce is how many runs one closure starts: a run writes several rows, and what is urgent waits for one closure at most.
const recordsAtOnce = 8

// audiences starts what is running, one piece after another.
type audiences struct{ wake }

// StartAudience begins to start a published workflow once for every record that an audience holds now. rate bounds the
// runs a second, 0 = as fast as it goes.
func (s *Service) StartAudience(ctx context.Context, actor model.Actor, id model.AudienceID, workflow model.WorkflowID, rate int) (model.AudienceRun, error) {
	if err := s.accepting(ctx); err != nil {
		return model.AudienceRun{}, err
	}
	var bad fault.Check
	if rate < 0 || rate > 1000 {
		bad.Add("rate", "Between 1 and 1000 a second, or empty for as fast as it goes.")
	}
	if workflow == "" {
		bad.Add("workflow_id", "Choose a workflow.")
	}
	if err := bad.Err(); err != nil {
		return model.AudienceRun{}, err
	}
	w, err := s.o.Store.Workflow(ctx, workflow)
	switch {
	case fault.Is(err, fault.NotFound):
		bad.Add("workflow_id", "There is no such workflow.")
	case err != nil:
		return model.AudienceRun{}, err
	case w.Published == 0 || !w.Enabled:
		bad.Add("workflow_id", "This workflow is not published, or switched off.")
	}
	if err := bad.Err(); err != nil {
		return model.AudienceRun{}, err
	}
	x := model.AudienceRun{AudienceID: id, WorkflowID: w.ID, Workflow: w.Name, WorkflowVersion: w.Published, Rate: rate}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.StartAudienceRun(&x) })
	if err == nil {
		s.audience.poke()
	}
	return x, err
}

// StopAudience stops starting more runs; those that have begun go on.
func (s *Service) StopAudience(ctx context.Context, actor model.Actor, id model.AudienceRunID) (x model.AudienceRun, err error) {
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		x, err = tx.EndAudienceRun(id, model.AudienceStopped, "")
		return err
	})
	return x, err
}

// keepAudiences starts runs until the service stops.
func (s *Service) keepAudiences() {
	for {
		wait, err := s.startSome(context.Background())
		if err != nil {
			s.o.Log.Warn("runs over an audience could not be started; trying again", "error", err)
			wait = time.Second
		}
		var due <-chan time.Time
		if wait >= 0 {
			due = time.After(wait)
		}
		select {
		case <-s.stopped:
			return
		case <-s.audience.wake:
		case <-due:
		}
	}
}

// startSome starts a piece of every audience run that goes on, and tells when to come again; < 0: when one is started.
func (s *Service) startSome(ctx context.Context) (time.Duration, error) {
	list, _, err := s.o.Store.AudienceRuns(ctx, db.AudienceRunFilter{Running: true}, db.Page{Limit: db.MaxPage})
	if err != nil || len(list) == 0 {
		return -1, err
	}
	wait := time.Minute
	for _, x := range list {
		n, pause := due(x, s.o.Now())
		wait = min(wait, pause)
		if n == 0 {
			continue
		}
		began := time.Now()
		if err := s.startPiece(ctx, x.ID, n); err != nil {
			return 0, err
		}
		if x.Rate == 0 {
			wait = max(wait, min(restFor*time.Since(began), time.Second))
		}
	}
	return wait, nil
}

// restFor is how much longer than a piece took nothing is started, where no rate is set: the messages of the runs are to be
// sent and their outcomes stored in the meantime, and the more others write, the longer a piece takes.
const restFor = 2

// due is how many runs may be started now, and when to look again.
func due(x model.AudienceRun, now time.Time) (int64, time.Duration) {
	if x.Rate == 0 {
		return recordsAtOnce, 0
	}
	allowed := int64(now.Sub(x.CreatedAt).Seconds()*float64(x.Rate)) + 1
	n := min(allowed-x.Next, recordsAtOnce)
	if n <= 0 {
		return 0, max(time.Second/time.Duration(x.Rate), 10*time.Millisecond)
	}
	return n, 0
}

var errPieceFails = errors.New("a run could not be started")

// startPiece starts the next n runs in one transaction. What no later try would mend ends the audience run, with the
// reason.
func (s *Service) startPiece(ctx context.Context, id model.AudienceRunID, n int64) error {
	var why *fault.Fault
	err := s.o.Store.WriteBulk(ctx, model.System("audience"), func(tx *db.Tx) error {
		x, err := tx.AudienceRun(id)
		if err != nil || x.Status != model.AudienceRunning {
			return err
		}
		a, err := tx.Audience(x.AudienceID)
		if err != nil {
			return err
		}
		end := min(x.Next+n, x.Total)
		list, err := tx.Members(x.AudienceID, x.Generation, x.Next, end)
		if err != nil {
			return err
		}
		for _, m := range list {
			_, err := s.StartIn(tx, NewRun{WorkflowID: x.WorkflowID, Number: x.WorkflowVersion, Trigger: model.TriggerAudience, AudienceID: x.AudienceID, Subject: m.Subject(a.SubjectField),
				Data: m.Data, Lane: model.Bulk, Actor: x.StartedBy.UserID})
			if why = fault.Of(err); why != nil && why.Kind != fault.Unavailable {
				return errPieceFails
			}
			if err != nil {
				return err
			}
		}
		return tx.MoveAudienceRun(x, end)
	})
	if !errors.Is(err, errPieceFails) {
		return err
	}
	return s.o.Store.WriteBulk(ctx, model.System("audience"), func(tx *db.Tx) error {
		_, err := tx.EndAudienceRun(id, model.AudienceFailed, why.Message)
		return err
	})
}
