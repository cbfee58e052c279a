package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
	"waybill/jobs/script"
)

// Kinds of timers besides those of flow.
const (
	timerScript   = "script"   // a script step is to be run; ref is the step run
	timerEvent    = "event"    // an event came for which runs wait; ref is the event, part how far its runs were told
	timerSchedule = "schedule" // a workflow's schedule is due; ref is the workflow
)

// timers is the one goroutine that waits for times. It sleeps until the first timer of the database is due, or until
// somebody says that an earlier one was stored.
type timers struct {
	wake
	busy chan struct{} // places for scripts

	mu   sync.Mutex
	work map[model.TimerID]bool // scripts under way
}

const (
	scriptsAtOnce = 8
	timersAtOnce  = 100
	awaitRound    = 100 // runs that are told of an event in one transaction
)

func newTimers() *timers {
	return &timers{wake: newWake(), busy: make(chan struct{}, scriptsAtOnce), work: map[model.TimerID]bool{}}
}

// set stores a timer and tells the goroutine after the commit.
func (t *timers) set(tx *db.Tx, timer db.Timer) error {
	tx.After(t.poke)
	return tx.SetTimer(timer)
}

// goOff does everything that is due and says when the next thing will be, zero for nothing.
func (s *Service) goOff(ctx context.Context) (next time.Time, err error) {
	for {
		due, err := s.o.Store.DueTimers(ctx, s.o.Now(), timersAtOnce)
		if err != nil {
			return next, err
		}
		did := 0
		for _, t := range due {
			done, err := s.off(ctx, t)
			if err != nil {
				return next, err
			}
			if done {
				did++
			}
		}
		if did == 0 { // scripts under way stay in the list until they are done; each pokes then
			break
		}
	}
	return s.nextTime(ctx)
}

// nextTime is when something is due again: the first timer that is not under way, or a run that is too old.
func (s *Service) nextTime(ctx context.Context) (time.Time, error) {
	next, err := s.o.Store.NextTimer(ctx)
	if err != nil {
		return next, err
	}
	if !next.IsZero() && !next.After(s.o.Now()) { // a script under way, or one that waits for a place: both poke
		next = time.Time{}
	}
	oldest, err := s.o.Store.OldestRun(ctx)
	if err != nil || oldest.IsZero() {
		return next, err
	}
	end := oldest.Add(model.MaxRunLife)
	if !end.After(s.o.Now()) {
		if err := s.expireRuns(ctx); err != nil {
			return next, err
		}
		return s.o.Now().Add(restAfterError), nil
	}
	if next.IsZero() || end.Before(next) {
		next = end
	}
	return next, nil
}

// expireRuns ends runs that are too old.
func (s *Service) expireRuns(ctx context.Context) error {
	ids, err := s.o.Store.RunsSince(ctx, s.o.Now().Add(-model.MaxRunLife))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.o.Store.WriteBulk(ctx, model.System("timers"), func(tx *db.Tx) error {
			_, err := s.signal(tx, id, flow.Signal{What: flow.Expired})
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// off does what one timer is for. done is false when it stays for now.
func (s *Service) off(ctx context.Context, t db.Timer) (done bool, err error) {
	switch t.Kind {
	case timerScript:
		return false, s.beginScript(t)
	case timerEvent:
		return true, s.tellAwaiting(ctx, t)
	}
	return true, s.o.Store.Write(ctx, model.System("timers"), func(tx *db.Tx) error {
		there, err := tx.DropTimer(t.ID)
		if err != nil || !there {
			return err
		}
		switch t.Kind {
		case string(flow.TimerWait):
			_, err = s.signal(tx, t.RunID, flow.Signal{What: flow.Elapsed, StepRun: model.StepRunID(t.Ref)})
		case string(flow.TimerDue), string(flow.TimerRemind):
			err = s.remind(tx, t)
		case timerSchedule:
			err = s.onSchedule(tx, t)
		}
		if fault.Of(err) != nil { // it will not get better: the run or the workflow is gone, or refuses
			s.o.Log.Warn("a timer found nothing to do", "kind", t.Kind, "ref", t.Ref, "error", err)
			err = nil
		}
		return err
	})
}

// Events of tasks, for actions that tell people.
const (
	EventTaskReminder = "workflow.task_reminder"
	EventTaskOverdue  = "workflow.task_overdue"
)

// remind raises the event that a task is due, or that people are to be reminded.
func (s *Service) remind(tx *db.Tx, t db.Timer) error {
	run, err := tx.Run(t.RunID)
	if err != nil {
		return err
	}
	st := run.Step(model.StepRunID(t.Ref))
	if st == nil || st.Status != model.StepOpen {
		return nil
	}
	tasks, err := tx.OpenTasks(run.ID, st.ID)
	if err != nil {
		return err
	}
	name := EventTaskOverdue
	if t.Kind == string(flow.TimerRemind) {
		name = EventTaskReminder
		if err := tx.RemindTasks(run.ID, st.ID); err != nil {
			return err
		}
	}
	for _, task := range tasks {
		var who []string
		for _, a := range task.Assignees {
			who = append(who, a.Label)
		}
		data, err := json.Marshal(map[string]any{"task.id": task.ID, "run.id": run.ID, "run.number": run.Number, "workflow.id": run.WorkflowID, "workflow.name": run.Workflow,
			"step.key": st.Key, "step.name": st.Name, "assignees": who, "due_at": model.Stamp(task.DueAt)})
		if err != nil {
			return err
		}
		if _, err := s.raise(tx, NewEvent{Name: name, Subject: run.Subject, Data: data, Depth: run.Depth + 1, Traceparent: s.tracer.Step(&run, st.ID)}); err != nil {
			return err
		}
	}
	return nil
}

// onSchedule starts the run that is due and sets the next time. Times that were missed while the server was down count
// as one.
func (s *Service) onSchedule(tx *db.Tx, t db.Timer) error {
	id := model.WorkflowID(t.Ref)
	snap, err := s.routing.within(tx)
	if err != nil {
		return err
	}
	w, ok := snap.Workflows[id]
	if !ok || w.Trigger.Kind != model.TriggerSchedule {
		return nil
	}
	if err := s.schedule(tx, id, w.Trigger); err != nil {
		return err
	}
	if !w.Enabled {
		return nil
	}
	_, err = s.StartIn(tx, NewRun{WorkflowID: id, Trigger: model.TriggerSchedule})
	return err
}

// schedule sets the timer of a workflow's next time, in place of any other; a trigger of another kind has none.
func (s *Service) schedule(tx *db.Tx, id model.WorkflowID, tr model.Trigger) error {
	if err := tx.ClearTimers(string(id)); err != nil || tr.Kind != model.TriggerSchedule {
		return err
	}
	next, err := NextTime(tr, tx.Now())
	if err != nil {
		return err
	}
	return s.timers.set(tx, db.Timer{Due: next, Kind: timerSchedule, Ref: string(id)})
}

// tellAwaiting tells a round of the runs that waited for an event when it came.
func (s *Service) tellAwaiting(ctx context.Context, t db.Timer) error {
	e, err := s.o.Store.Event(ctx, model.EventID(t.Ref))
	if fault.Is(err, fault.NotFound) {
		return s.o.Store.Write(ctx, model.System("timers"), func(tx *db.Tx) error { _, err := tx.DropTimer(t.ID); return err })
	}
	if err != nil {
		return err
	}
	part := awaitPart{}
	if t.Part != "" {
		if err := json.Unmarshal([]byte(t.Part), &part); err != nil {
			return err
		}
	}
	list, last, err := s.o.Store.Awaiting(ctx, e.Name, part.Patterns, e.CreatedAt, part.After, awaitRound)
	if err != nil {
		return err
	}
	return s.o.Store.Write(ctx, model.System("timers"), func(tx *db.Tx) error {
		for _, a := range list {
			if err := s.happened(tx, a, e); err != nil {
				return err
			}
		}
		switch {
		case last != "":
			part.After = last
		case !part.Patterns:
			part = awaitPart{Patterns: true}
		default:
			_, err := tx.DropTimer(t.ID)
			return err
		}
		b, err := json.Marshal(part)
		if err != nil {
			return err
		}
		tx.After(s.timers.poke)
		return tx.MoveTimer(t.ID, t.Due, string(b))
	})
}

// awaitPart is how far those who wait for an event were told: first by name, then by pattern.
type awaitPart struct {
	Patterns bool            `json:"patterns"`
	After    model.StepRunID `json:"after"`
}

// happened tells one run of the event that it waits for, if its filter holds.
func (s *Service) happened(tx *db.Tx, a db.Awaiting, e model.Event) error {
	run, err := tx.Run(a.RunID)
	if fault.Is(err, fault.NotFound) {
		return tx.Unawait(a.StepRunID)
	}
	if err != nil {
		return err
	}
	p, err := s.programs.of(run.WorkflowID, run.Definition, tx.WorkflowVersion)
	if fault.Is(err, fault.NotFound) {
		return tx.Unawait(a.StepRunID)
	}
	if err != nil {
		return err
	}
	st := run.Step(a.StepRunID)
	if st == nil {
		return tx.Unawait(a.StepRunID)
	}
	if def, _ := p.Definition.Step(st.Key); def.Wait != nil && def.Wait.Filter != "" {
		if ok, _ := p.holds(def.Wait.Filter, &run, e); !ok {
			return nil
		}
	}
	_, err = s.advance(tx, p, run, flow.Signal{What: flow.Happened, StepRun: a.StepRunID, Output: flow.Event(e)})
	return err
}

// beginScript runs a script step in the background; its timer stays until the result is stored.
func (s *Service) beginScript(t db.Timer) error {
	s.timers.mu.Lock()
	defer s.timers.mu.Unlock()
	if s.timers.work[t.ID] {
		return nil
	}
	select {
	case s.timers.busy <- struct{}{}:
	default:
		return nil // whoever ends pokes
	}
	s.timers.work[t.ID] = true
	go func() {
		err := s.runScript(context.Background(), t)
		if err != nil {
			s.o.Log.Warn("the result of a script could not be stored; trying again", "run", t.RunID, "error", err)
			s.rest(restAfterError)
		}
		s.timers.mu.Lock()
		delete(s.timers.work, t.ID)
		s.timers.mu.Unlock()
		<-s.timers.busy
		s.timers.poke()
	}()
	return nil
}

// rest waits, but not beyond the end of the service.
func (s *Service) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.stopped:
	case <-t.C:
	}
}

// runScript runs one script step and tells the run of its result.
func (s *Service) runScript(ctx context.Context, t db.Timer) error {
	sig := flow.Signal{What: flow.Scripted, StepRun: model.StepRunID(t.Ref)}
	run, err := s.o.Store.Run(ctx, t.RunID)
	if err == nil {
		var p *program
		if p, err = s.programs.of(run.WorkflowID, run.Definition, s.readVersion(ctx)); err == nil {
			sig.Output, sig.Error, err = s.evaluate(ctx, p, &run, sig.StepRun, s.o.Now())
		}
	}
	if err != nil && fault.Of(err) == nil {
		return err
	}
	return s.o.Store.Write(ctx, model.System("script"), func(tx *db.Tx) error {
		there, err := tx.DropTimer(t.ID)
		if err != nil || !there {
			return err
		}
		_, err = s.signal(tx, t.RunID, sig)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
}

func (s *Service) readVersion(ctx context.Context) func(model.WorkflowID, int64) (model.WorkflowVersion, error) {
	return func(id model.WorkflowID, n int64) (model.WorkflowVersion, error) {
		return s.o.Store.WorkflowVersion(ctx, id, n)
	}
}

// mostOutput is how long the result of a script may be, in bytes: it stays with its run.
const mostOutput = 256 << 10

// evaluate runs the script of a step. What is wrong with it is in words; err is what another try may mend.
func (s *Service) evaluate(ctx context.Context, p *program, run *model.Run, id model.StepRunID, now time.Time) (out model.Data, words string, err error) {
	st := run.Step(id)
	if st == nil || st.Status != model.StepWaiting {
		return nil, "", nil
	}
	def, _ := p.Definition.Step(st.Key)
	job := script.Job{Template: &script.Template{Version: string(p.WorkflowID) + "/" + st.Key + "@" + strconv.FormatInt(p.Number, 10), Parts: []script.Part{scriptPart(def.Script)}},
		Input: flow.Input(p.Definition, run, st), Now: now, Seed: string(id)}
	r, err := s.pool.Render(ctx, job)
	var problem *script.Problem
	var lost *script.Lost
	switch {
	case errors.As(err, &problem):
		return nil, problem.Error(), nil
	case errors.As(err, &lost):
		return nil, lost.Error(), nil
	case err != nil:
		return nil, "", err
	case r.Skip || len(r.Parts) == 0:
		return nil, "", nil
	case len(r.Parts[0]) > mostOutput:
		return nil, "The script returned more than 256 KiB.", nil
	case !json.Valid([]byte(r.Parts[0])):
		return nil, "The script returned something that is no JSON.", nil
	}
	return model.Data(r.Parts[0]), "", nil
}

// scriptPart is a script as a template that writes what it returns as JSON.
func scriptPart(source string) script.Part {
	return script.Part{Name: "script", Place: script.JSONBody, Source: "{{ (function(){" + source + "\n})() }}"}
}
