// Package flow decides what a run of a workflow does next.
//
// Step is its one door: from a definition, a run and a signal (something that happened) it works out the run as it is
// then and the effects that have to follow: tasks to open, messages to send, timers to set. It is pure: it knows no
// clock, store or network, changes nothing that it was given, and answers the same question with the same words. jobs
// applies what it says, in one transaction. It refuses what people may not do now (a run that is paused, a task that is
// done) with a fault; what comes too late from elsewhere changes nothing.
package flow

import (
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Env is what Step needs from outside.
type Env struct {
	Now   time.Time
	NewID func() model.StepRunID
	// Holds evaluates a condition that is not empty against the run as it stands. note is for people when it could not be evaluated.
	Holds func(condition string, run *model.Run) (ok bool, note string)
}

// What can happen to a run.
type What string

const (
	Start     What = "start"
	Complete  What = "complete"  // a person completed a task
	Approve   What = "approve"   // a person approved
	Reject    What = "reject"    // a person rejected
	Settled   What = "settled"   // the delivery of an outgoing step came to its end
	Scripted  What = "scripted"  // a script returned
	Elapsed   What = "elapsed"   // the time of a wait step, or its time limit, is over
	Happened  What = "happened"  // the event of a wait step arrived
	Pause     What = "pause"     // a person pauses the run
	Resume    What = "resume"    // a person resumes it
	Cancel    What = "cancel"    // a person cancels it
	Expired   What = "expired"   // it took longer than a run may take
	Abandoned What = "abandoned" // its definition cannot be read any more
)

// Signal is one thing that happened.
type Signal struct {
	What        What
	StepRun     model.StepRunID    // which step run; "" for those about the whole run
	Actor       string             // email of the person
	Fields      []model.FieldValue // Complete
	Comment     string             // Approve, Reject
	Status      model.Status       // Settled: of the delivery
	Response    *model.Response    // Settled: nil = nothing was answered
	Output      model.Data         // Scripted, Happened
	Error       string             // Settled, Scripted, Abandoned: why not, in words
	UserMessage string             // Settled
}

// Do says what an Effect asks for.
type Do string

const (
	Ask      Do = "ask"      // open a task for Assignees
	Withdraw Do = "withdraw" // close the open tasks of the step run
	Send     Do = "send"     // queue the request of an outgoing step
	Recall   Do = "recall"   // cancel that request if it is not settled
	Script   Do = "script"   // run the script
	Notify   Do = "notify"   // queue the message of a webhook
	SetTimer Do = "timer"    // tell at At
	Await    Do = "await"    // tell of the event that the step waits for
	Clear    Do = "clear"    // forget timers and awaited events of the step run
)

// Timer says what a timer is for.
type Timer string

const (
	TimerWait   Timer = "wait"   // a wait step's time or time limit: comes back as Elapsed
	TimerDue    Timer = "due"    // a task is due
	TimerRemind Timer = "remind" // people are to be reminded
)

// Effect is one thing that has to follow.
type Effect struct {
	Do        Do
	StepRun   model.StepRunID
	Assignees []string             // Ask: as in the definition, fields resolved to what they hold
	Webhook   model.WebhookID      // Notify
	Trigger   model.WebhookTrigger // Notify
	Timer     Timer                // SetTimer
	At        time.Time            // SetTimer
}

// Step works out what a signal does to a run.
func Step(d model.Definition, run model.Run, sig Signal, env Env) (model.Run, []Effect, error) {
	w := &walk{d: d, run: run, env: env}
	w.run.Steps = slices.Clone(run.Steps)
	w.run.Held = slices.Clone(run.Held)
	if err := w.take(sig); err != nil {
		return run, nil, err
	}
	w.settle()
	return w.run, w.effects, nil
}

// walk is one call of Step.
type walk struct {
	d       model.Definition
	run     model.Run
	env     Env
	effects []Effect
}

func (w *walk) do(e Effect) { w.effects = append(w.effects, e) }

func (w *walk) take(sig Signal) error {
	if w.run.Status.Ended() {
		if sig.byPerson() {
			return fault.Coded(fault.Conflict, "run_ended", "This run has ended (%s).", fault.State(w.run.Status))
		}
		return nil
	}
	switch sig.What {
	case Start:
		if len(w.run.Steps) == 0 && len(w.d.Steps) > 0 {
			w.run.Status = model.RunRunning
			w.open(w.d.Steps[0], nil)
		}
	case Pause:
		return w.pause()
	case Resume:
		return w.resume()
	case Cancel:
		w.end(model.RunCancelled, "")
	case Expired:
		w.end(model.RunFailed, "The run took longer than 60 days.")
	case Abandoned:
		w.end(model.RunFailed, sig.Error)
	case Complete, Approve, Reject:
		return w.person(sig)
	case Settled, Scripted, Elapsed, Happened:
		w.system(sig)
	}
	return nil
}

func (s Signal) byPerson() bool {
	switch s.What {
	case Complete, Approve, Reject, Pause, Resume, Cancel:
		return true
	}
	return false
}

func (w *walk) pause() error {
	if w.run.Status == model.RunPaused {
		return fault.Coded(fault.Conflict, "paused", "This run is paused already.")
	}
	w.run.Before, w.run.Status = w.run.Status, model.RunPaused
	return nil
}

func (w *walk) resume() error {
	if w.run.Status != model.RunPaused {
		return fault.Coded(fault.Conflict, "not_paused", "This run is not paused.")
	}
	w.run.Status, w.run.Before = model.RunRunning, ""
	held := w.run.Held
	w.run.Held = nil
	for _, id := range held {
		w.follow(id)
	}
	return nil
}

// person takes what somebody did with a task.
func (w *walk) person(sig Signal) error {
	s := w.run.Step(sig.StepRun)
	switch {
	case s == nil:
		return fault.Absent("step of this run")
	case s.Status != model.StepOpen:
		return fault.Coded(fault.Conflict, "task_closed", "“%s” is already %s.", s.Name, fault.State(s.Status))
	case w.run.Status == model.RunPaused:
		return fault.Coded(fault.Conflict, "paused", "This run is paused; resume it first.")
	case sig.What == Complete && s.Kind != model.StepTask:
		return fault.Coded(fault.Conflict, "wrong_kind", "“%s” is an approval: approve or reject it.", s.Name)
	case sig.What != Complete && !s.Kind.Approves():
		return fault.Coded(fault.Conflict, "wrong_kind", "“%s” is a task: complete it.", s.Name)
	case sig.What == Reject && strings.TrimSpace(sig.Comment) == "":
		var c fault.Check
		c.Add("comment", "Say why you reject it.")
		return c.Err()
	}
	switch sig.What {
	case Complete:
		s.Fields, s.Actor = sig.Fields, sig.Actor
		w.finish(s, model.StepCompleted)
	case Approve:
		w.approve(s, sig)
	case Reject:
		w.reject(s, sig)
	}
	return nil
}

func (w *walk) decide(s *model.StepRun, sig Signal, decision string) {
	s.Decisions = append(slices.Clone(s.Decisions), model.Decision{Actor: sig.Actor, Decision: decision, Comment: strings.TrimSpace(sig.Comment), At: w.env.Now})
	s.Actor = sig.Actor
}

func (w *walk) approve(s *model.StepRun, sig Signal) {
	w.decide(s, sig, model.Approved)
	switch s.Kind {
	case model.StepParallel:
		if len(s.Decisions) < len(s.Approvers) {
			return
		}
	case model.StepSequential:
		if s.Slot++; s.Slot < len(s.Approvers) {
			w.do(Effect{Do: Ask, StepRun: s.ID, Assignees: s.Approvers[s.Slot : s.Slot+1]})
			return
		}
	}
	w.finish(s, model.StepCompleted)
}

// reject ends the step and whatever else is open, then goes back or ends the run.
func (w *walk) reject(s *model.StepRun, sig Signal) {
	w.decide(s, sig, model.Rejected)
	id, def := s.ID, w.definition(s.Key)
	w.close(s, model.StepRejected)
	w.abandon()
	if r := def.OnReject; r != nil && r.To != "" {
		if to, ok := w.d.Step(r.To); ok {
			w.arrive(to, id)
			return
		}
	}
	w.end(model.RunRejected, "")
}

// system takes what a step run waited for; one that does not wait for it leaves everything as it is.
func (w *walk) system(sig Signal) {
	s := w.run.Step(sig.StepRun)
	if s == nil || s.Status != model.StepWaiting || s.Joining || !fits(s.Kind, sig.What) {
		return
	}
	switch sig.What {
	case Settled:
		s.Response, s.Error, s.UserMessage = sig.Response, sig.Error, sig.UserMessage
	case Scripted:
		s.Output, s.Error = sig.Output, sig.Error
	case Happened:
		s.Output = sig.Output
	case Elapsed:
		if def := w.definition(s.Key); def.Wait != nil && def.Wait.Event != "" {
			s.Note = "The event did not come in time."
		}
	}
	switch {
	case sig.What == Settled && sig.Status == model.Skipped:
		w.finish(s, model.StepSkipped)
	case sig.What == Settled && sig.Status != model.Delivered, sig.What == Scripted && sig.Error != "":
		w.failed(s)
	default:
		w.finish(s, model.StepCompleted)
	}
}

func fits(k model.StepKind, what What) bool {
	switch k {
	case model.StepOutgoing:
		return what == Settled
	case model.StepScript:
		return what == Scripted
	case model.StepWait:
		return what == Elapsed || what == Happened
	}
	return false
}

// failed is the end of a step that could not do its work. A script ends the run unless it says otherwise, an outgoing
// step only when it says so.
func (w *walk) failed(s *model.StepRun) {
	on := w.definition(s.Key).OnFailure
	if on == model.FailContinue || (on == "" && s.Kind == model.StepOutgoing) {
		w.finish(s, model.StepFailed)
		return
	}
	words := "“" + s.Name + "” failed: " + s.Error
	w.close(s, model.StepFailed)
	w.end(model.RunFailed, words)
}

// definition is the step's definition; it is always there, since a run keeps its version.
func (w *walk) definition(key string) model.Step {
	s, _ := w.d.Step(key)
	return s
}
