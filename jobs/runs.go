package jobs

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/filter"
	"waybill/jobs/flow"
)

// program is a published version with its conditions compiled.
type program struct {
	model.WorkflowVersion
	conditions map[string]condition
}

type condition struct {
	*filter.Program
	broken string // why it cannot be used; "" = it can
}

func newProgram(v model.WorkflowVersion) *program {
	p := &program{WorkflowVersion: v, conditions: map[string]condition{}}
	add := func(source string) {
		if _, known := p.conditions[source]; source == "" || known {
			return
		}
		c, problem := filter.CompileCondition(source)
		p.conditions[source] = condition{Program: c}
		if problem != nil {
			p.conditions[source] = condition{broken: problem.Message}
		}
	}
	for _, s := range v.Definition.Steps {
		for _, n := range s.Next {
			add(n.When)
		}
		if s.Wait != nil {
			add(s.Wait.Filter)
		}
	}
	return p
}

// holds evaluates a condition against a run; event is what it sees as event, zero = what started the run.
func (p *program) holds(source string, run *model.Run, event model.Event) (bool, string) {
	c := p.conditions[source]
	if c.broken != "" {
		return false, c.broken
	}
	if c.Program == nil {
		return source == "", ""
	}
	if event.ID == "" {
		event = model.Event{ID: run.Event.ID, Name: run.Event.Name, Subject: run.Event.Subject, Time: run.Event.Time, Data: run.Data}
	}
	env, err := filter.NewEnv(event), error(nil)
	if c.SeesRun() {
		env, err = filter.NewRunEnv(event, flow.Run(run), flow.Steps(p.Definition, run))
	}
	if err != nil {
		return false, "The run's data is not JSON."
	}
	ok, _, err := c.Eval(env)
	if err != nil {
		return false, err.Error()
	}
	return ok, ""
}

// programs keeps published versions, which never change.
type programs struct {
	mu   sync.Mutex
	kept map[programKey]*program
}

type programKey struct {
	workflow model.WorkflowID
	number   int64
}

// mostPrograms is how many versions are kept; beyond it all are forgotten, and read again as they are needed.
const mostPrograms = 500

func (ps *programs) of(id model.WorkflowID, number int64, read func(model.WorkflowID, int64) (model.WorkflowVersion, error)) (*program, error) {
	key := programKey{id, number}
	ps.mu.Lock()
	p := ps.kept[key]
	ps.mu.Unlock()
	if p != nil {
		return p, nil
	}
	v, err := read(id, number)
	if err != nil {
		return nil, err
	}
	p = newProgram(v)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.kept == nil || len(ps.kept) >= mostPrograms {
		ps.kept = map[programKey]*program{}
	}
	ps.kept[key] = p
	return p, nil
}

// NewRun is a run as somebody or something starts it.
type NewRun struct {
	WorkflowID model.WorkflowID
	Trigger    model.TriggerKind
	Subject    string
	Data       json.RawMessage    // nil = {}
	Form       []model.FieldValue // what a form was filled in with
	Event      model.RunEvent
	AudienceID model.AudienceID
	Lane       model.Lane // "" = realtime
	Initiator  string     // email of the person, "" = none
	Actor      model.UserID
	Depth      int   // of the event that started it
	Number     int64 // of the version; 0 = the published one
}

// StartIn starts a run in an open transaction; its first task, message or timer is stored with it. The dispatcher and
// the timers hear of it after the commit. A workflow that is not published is a conflict ("not_published"), one that is
// switched off too ("workflow_off").
func (s *Service) StartIn(tx *db.Tx, n NewRun) (model.Run, error) {
	snap, err := s.routing.within(tx)
	if err != nil {
		return model.Run{}, err
	}
	w, published := snap.Workflows[n.WorkflowID]
	switch {
	case !published:
		return model.Run{}, fault.Coded(fault.Conflict, "not_published", "This workflow is not published yet; publish it first.")
	case !w.Enabled:
		return model.Run{}, fault.Coded(fault.Conflict, "workflow_off", "The workflow “%s” is switched off; switch it on first.", w.Name)
	}
	if n.Number == 0 {
		n.Number = w.Number
	}
	p, err := s.programs.of(n.WorkflowID, n.Number, tx.WorkflowVersion)
	if err != nil {
		return model.Run{}, err
	}
	run := model.Run{ID: model.NewRunID(tx.Now()), WorkflowID: n.WorkflowID, Workflow: w.Name, Definition: n.Number, Subject: n.Subject, Status: model.RunRunning,
		Lane: n.Lane, Trigger: n.Trigger, AudienceID: n.AudienceID, Event: n.Event, Initiator: n.Initiator, Actor: n.Actor, Data: n.Data, Form: n.Form, Depth: n.Depth}
	if run.Lane == "" {
		run.Lane = model.Realtime
	}
	if len(run.Data) == 0 {
		run.Data = json.RawMessage(`{}`)
	}
	if run.Number, err = tx.NextRunNumber(n.WorkflowID); err != nil {
		return run, err
	}
	run, effects, err := flow.Step(p.Definition, run, flow.Signal{What: flow.Start}, s.env(tx, p))
	if err != nil {
		return run, err
	}
	s.traceRun(tx, model.Run{}, &run)
	return run, s.apply(tx, p, &run, effects, tx.InsertRun)
}

func (s *Service) env(tx *db.Tx, p *program) flow.Env {
	return flow.Env{
		Now:   tx.Now().Truncate(time.Millisecond).UTC(),
		NewID: func() model.StepRunID { return model.NewStepRunID(tx.Now()) },
		Holds: func(c string, run *model.Run) (bool, string) { return p.holds(c, run, model.Event{}) },
	}
}

// signal tells a run what happened, in an open transaction, and returns it as it is then. What comes too late changes
// nothing; what people may not do is a fault.
func (s *Service) signal(tx *db.Tx, id model.RunID, sig flow.Signal) (model.Run, error) {
	run, err := tx.Run(id)
	if err != nil {
		return run, err
	}
	p, err := s.programs.of(run.WorkflowID, run.Definition, tx.WorkflowVersion)
	if fault.Is(err, fault.NotFound) {
		p, sig = newProgram(model.WorkflowVersion{}), flow.Signal{What: flow.Abandoned, Error: "The workflow was deleted."}
	} else if err != nil {
		return run, err
	}
	return s.advance(tx, p, run, sig)
}

func (s *Service) advance(tx *db.Tx, p *program, run model.Run, sig flow.Signal) (model.Run, error) {
	if tooLate(run, sig) {
		return run, nil
	}
	next, effects, err := flow.Step(p.Definition, run, sig, s.env(tx, p))
	if err != nil {
		return run, err
	}
	s.traceRun(tx, run, &next)
	return next, s.apply(tx, p, &next, effects, tx.SaveRun)
}

// traceRun tells after the commit which steps, and whether the run, ended.
func (s *Service) traceRun(tx *db.Tx, before model.Run, after *model.Run) {
	if s.tracer == nil {
		return
	}
	now := tx.Now()
	tx.After(func() { s.tracer.Moved(&before, after, now) })
}

// tooLate reports whether a signal from the machine finds nobody who waits for it, so that the run need not be written.
func tooLate(run model.Run, sig flow.Signal) bool {
	switch sig.What {
	case flow.Settled, flow.Scripted, flow.Elapsed, flow.Happened:
		st := run.Step(sig.StepRun)
		return st == nil || st.Status != model.StepWaiting
	case flow.Expired, flow.Abandoned:
		return run.Status.Ended()
	}
	return false
}

// apply stores a run with everything that follows, in one transaction.
func (s *Service) apply(tx *db.Tx, p *program, run *model.Run, effects []flow.Effect, store func(*model.Run) error) error {
	work := s.messages(tx, p, run, effects)
	if err := store(run); err != nil {
		return err
	}
	if len(work) > 0 {
		if err := s.enqueue(tx, work); err != nil {
			return err
		}
	}
	for _, e := range effects {
		if err := s.effect(tx, p, run, e); err != nil {
			return err
		}
	}
	tx.After(s.watchers.tell)
	return nil
}

// effect stores what one effect asks for, but for messages.
func (s *Service) effect(tx *db.Tx, p *program, run *model.Run, e flow.Effect) error {
	st := run.Step(e.StepRun)
	switch e.Do {
	case flow.Ask:
		return s.ask(tx, run, st, e.Assignees)
	case flow.Withdraw:
		return tx.WithdrawTasks(run.ID, st.ID)
	case flow.SetTimer:
		return s.timers.set(tx, db.Timer{Due: e.At, Kind: string(e.Timer), Ref: string(st.ID), RunID: run.ID})
	case flow.Script:
		return s.timers.set(tx, db.Timer{Due: tx.Now(), Kind: timerScript, Ref: string(st.ID), RunID: run.ID})
	case flow.Await:
		def, _ := p.Definition.Step(st.Key)
		return tx.Await(run.ID, st.ID, def.Wait.Event)
	case flow.Clear:
		if st.Kind == model.StepWait {
			if err := tx.Unawait(st.ID); err != nil {
				return err
			}
		}
		return tx.ClearTimers(string(st.ID))
	case flow.Recall:
		return s.recall(tx, st.DeliveryID)
	}
	return nil
}

// recall cancels the message of a step that is no longer needed; one that is settled stays as it is.
func (s *Service) recall(tx *db.Tx, id model.DeliveryID) error {
	d, err := tx.CancelDelivery(id)
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		tx.After(func() {
			s.dispatch.Forget(d.TargetID, d.ID)
			s.traceEnds(d.ID)
		})
	}
	return err
}

// ask opens a task.
func (s *Service) ask(tx *db.Tx, run *model.Run, st *model.StepRun, who []string) error {
	t := model.Task{RunID: run.ID, WorkflowID: run.WorkflowID, StepRunID: st.ID, Step: st.Key, StepName: st.Name, Kind: st.Kind}
	if st.DueAt != nil {
		t.DueAt = *st.DueAt
	}
	for _, w := range who {
		a, err := assignee(tx, w)
		if err != nil {
			return err
		}
		t.Assignees = append(t.Assignees, a)
	}
	return tx.InsertTask(&t)
}

// StartRun starts a run on behalf of a person or a program. Where the trigger has a form, data is checked against it.
// It answers when the first task is there, if one comes without waiting for others.
func (s *Service) StartRun(ctx context.Context, actor model.Actor, n NewRun) (run model.Run, err error) {
	if err := s.accepting(ctx); err != nil {
		return run, err
	}
	w, err := s.o.Store.Workflow(ctx, n.WorkflowID)
	if err != nil {
		return run, err
	}
	if w.Published > 0 {
		v, err := s.o.Store.WorkflowVersion(ctx, w.ID, w.Published)
		if err != nil {
			return run, err
		}
		if n.Number == 0 {
			n.Number = v.Number
		}
		if err := s.fillForm(ctx, &n, v.Definition.Trigger); err != nil {
			return run, err
		}
	}
	if bad := checkRun(n); bad != nil {
		return run, bad
	}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		if n.Initiator, err = tx.EmailOf(actor.UserID); err != nil {
			return err
		}
		n.Actor, n.Depth = actor.UserID, max(n.Depth, actor.Depth)
		if run, err = s.startFilled(tx, n); err != nil {
			return asData(err)
		}
		return tx.RecordRun(run, "started")
	})
	if err != nil {
		return run, err
	}
	return s.awaitTask(ctx, run)
}

// maxSubject is the longest subject of a run, in characters.
const maxSubject = 500

func checkRun(n NewRun) error {
	var bad fault.Check
	if len([]rune(n.Subject)) > maxSubject {
		bad.Add("subject", "At most %d characters.", maxSubject)
	}
	if len(n.Data) > model.MaxEvent {
		return fault.New(fault.TooLarge, "The data of a run may have 1 MiB (%d bytes); this has %d.", model.MaxEvent, len(n.Data))
	}
	return bad.Err()
}

// taskWait is how long StartRun waits for a task behind a script.
const taskWait = 2 * time.Second

// awaitTask waits while scripts stand between the start and the first task.
func (s *Service) awaitTask(ctx context.Context, run model.Run) (model.Run, error) {
	changed, stop := s.Watch(0)
	defer stop()
	end := time.NewTimer(taskWait)
	defer end.Stop()
	for scripted(run) {
		select {
		case <-changed:
		case <-end.C:
			return run, nil
		case <-ctx.Done():
			return run, nil
		}
		now, err := s.o.Store.Run(ctx, run.ID)
		if err != nil {
			return run, nil //nolint:nilerr // the run was started; how far it is can be asked again
		}
		run = now
	}
	return run, nil
}

// scripted reports whether a run has done nothing yet but wait for a script.
func scripted(run model.Run) bool {
	waits := false
	for _, st := range run.Steps {
		if st.Kind != model.StepScript {
			return false
		}
		waits = waits || st.Status == model.StepWaiting
	}
	return waits && run.Status == model.RunRunning
}

// PauseRun freezes a run: what is on its way goes on, nothing new begins.
func (s *Service) PauseRun(ctx context.Context, actor model.Actor, id model.RunID) (model.Run, error) {
	return s.moveRun(ctx, actor, id, flow.Pause, "paused")
}

// ResumeRun lets a paused run go on.
func (s *Service) ResumeRun(ctx context.Context, actor model.Actor, id model.RunID) (model.Run, error) {
	return s.moveRun(ctx, actor, id, flow.Resume, "resumed")
}

// CancelRun ends a run; what is open is abandoned, messages of its outgoing steps that are not settled are cancelled.
func (s *Service) CancelRun(ctx context.Context, actor model.Actor, id model.RunID) (model.Run, error) {
	return s.moveRun(ctx, actor, id, flow.Cancel, "cancelled")
}

func (s *Service) moveRun(ctx context.Context, actor model.Actor, id model.RunID, what flow.What, word string) (run model.Run, err error) {
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		if run, err = s.signal(tx, id, flow.Signal{What: what}); err != nil {
			return err
		}
		return tx.RecordRun(run, word)
	})
	return run, err
}

// DeleteWorkflow removes a workflow; force cancels the runs that go on first, and takes it out of inbound endpoints.
func (s *Service) DeleteWorkflow(ctx context.Context, actor model.Actor, id model.WorkflowID, force bool) error {
	for force {
		ids, err := s.o.Store.GoingRuns(ctx, id, 50)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		for _, run := range ids {
			if _, err := s.CancelRun(ctx, actor, run); err != nil && !fault.Is(err, fault.Conflict) {
				return err
			}
		}
	}
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.DeleteWorkflow(id, force) })
}
