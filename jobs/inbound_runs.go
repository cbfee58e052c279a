package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// effect is what the call does besides raising events, inside the commit; nil = nothing.
func (x *reception) effect(made outcome) func(*db.Tx, *model.InboundCall) error {
	e := x.a.route.InboundEndpoint
	acts := made.state == model.CallAccepted && (e.Effects.StartsWorkflowID != "" || e.Effects.Completes != nil)
	if x.again.Kind == "" && !acts {
		return nil
	}
	return func(tx *db.Tx, c *model.InboundCall) error {
		if x.again.Kind != "" {
			if err := tx.AuditReplay(e, c.ID); err != nil {
				return err
			}
		}
		if !acts {
			return nil
		}
		c.Runs = nil
		for i, v := range made.values {
			if err := x.moves(tx, c, e, v); err != nil {
				return undoing(err, i, len(made.values))
			}
		}
		return nil
	}
}

// undone says why a call cannot do what it is for. It rolls its commit back; the call is then stored as failed.
type undone struct{ reason string }

func (u *undone) Error() string { return u.reason }

// undoing is err as undone when it is about the call or what it is for, err itself when it is about this server.
func undoing(err error, i, of int) error {
	f := fault.Of(err)
	if f == nil || f.Kind == fault.Unavailable || f.Kind == fault.Throttled {
		return err
	}
	reason := f.Message
	for _, x := range f.Fields {
		reason += " " + strings.TrimPrefix(x.Name+": ", ": ") + x.Message
	}
	if of > 1 {
		reason = fmt.Sprintf("Event %d of the batch: %s", i+1, reason)
	}
	return &undone{strings.TrimSpace(reason)}
}

// moves starts a run, or settles what runs wait for, with one item of the call.
func (x *reception) moves(tx *db.Tx, c *model.InboundCall, e model.InboundEndpoint, v mapped) error {
	user, err := tx.User(e.UserID)
	if err != nil {
		return err
	}
	if user.Disabled {
		return fault.New(fault.Forbidden, "The user as whom calls act is disabled.")
	}
	if id := e.Effects.StartsWorkflowID; id != "" {
		snap, err := x.s.routing.within(tx)
		if err != nil {
			return err
		}
		if w, ok := snap.Workflows[model.WorkflowID(id)]; ok && w.Trigger.Kind != model.TriggerInbound {
			return fault.Coded(fault.Conflict, "other_trigger", "The workflow “%s”, as it is published, is not started by inbound calls.", w.Name)
		}
		run, err := x.s.StartIn(tx, NewRun{WorkflowID: model.WorkflowID(id), Trigger: model.TriggerInbound, Subject: v.event.Subject, Data: v.event.Data, Event: model.RunEvent{Traceparent: x.trace()}, Initiator: user.Email, Actor: user.ID})
		if err != nil {
			return err
		}
		c.Runs = append(c.Runs, string(run.ID))
	}
	if done := e.Effects.Completes; done != nil {
		return x.completes(tx, c, *done, v, user)
	}
	return nil
}

// mostCompleted is how many runs one item may move.
const mostCompleted = 20

// completes settles the open task or waiting step of the runs that have the correlation value as their subject, with the
// rights of the service user.
func (x *reception) completes(tx *db.Tx, c *model.InboundCall, done model.InboundComplete, v mapped, user model.User) error {
	if v.values.correlation == "" {
		return fault.New(fault.Conflict, "The call has no correlation value, so no run can be found.")
	}
	ids, err := tx.RunsAbout(model.WorkflowID(done.WorkflowID), v.values.correlation, mostCompleted)
	if err != nil {
		return err
	}
	actor := model.Actor{Kind: model.ActorPartner, UserID: user.ID, Name: user.Email + " through " + x.a.route.Name, Address: x.call.Address, Rights: user.Rights()}
	moved := false
	for _, id := range ids {
		yes, err := x.complete(tx, id, done, v, actor)
		if err != nil {
			return err
		}
		if moved = moved || yes; yes {
			c.Runs = append(c.Runs, string(id))
		}
	}
	if !moved {
		return fault.New(fault.Conflict, "No run about “%s” waits at the step “%s”.", cut(v.values.correlation, 100), done.Step)
	}
	return nil
}

// complete moves one run; moved is false when it does not wait at the step.
func (x *reception) complete(tx *db.Tx, id model.RunID, done model.InboundComplete, v mapped, actor model.Actor) (moved bool, err error) {
	run, err := tx.Run(id)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(run.Steps, func(st model.StepRun) bool { return st.Key == done.Step && st.Status.Active() && !st.Joining })
	if i < 0 {
		return false, nil
	}
	st := run.Steps[i]
	if st.Kind == model.StepWait {
		if !actor.Rights.Has(model.RunWorkflows) {
			return false, fault.Missing(string(model.RunWorkflows))
		}
		_, err := x.s.signal(tx, id, flow.Signal{What: flow.Happened, StepRun: st.ID, Output: v.event.Data})
		return true, err
	}
	tasks, err := tx.OpenTasks(id, st.ID)
	if err != nil || len(tasks) == 0 {
		return false, err
	}
	for _, t := range tasks {
		if err = x.s.mayDo(tx, actor, t); err == nil {
			return true, tx.As(actor, func() error { return x.s.act(tx, actor, t, x.actOf(t, v)) })
		}
	}
	return false, err
}

// actOf is what a call does with a task: its data fills in the form, as far as it has such fields.
func (x *reception) actOf(t model.Task, v mapped) Act {
	a := Act{Task: t.ID, What: flow.Complete}
	data := map[string]json.RawMessage{}
	_ = json.Unmarshal(v.event.Data, &data) // data that is no object fills in nothing
	if t.Kind.Approves() {
		if a.What = flow.Approve; strings.EqualFold(v.values.decision, "reject") {
			a.What, a.Comment = flow.Reject, "Rejected by an inbound call."
		}
		var comment string
		if json.Unmarshal(data["comment"], &comment) == nil && comment != "" {
			a.Comment = comment
		}
		return a
	}
	a.Fields, a.Loose = data, true
	return a
}

// checkInboundEffects says what is wrong with what a call does besides raising an event.
func (s *Service) checkInboundEffects(bad *fault.Check, e model.InboundEndpoint) error {
	starts, completes := e.Effects.StartsWorkflowID, e.Effects.Completes
	if e.Response.Mode == model.ResponseRun && starts == "" && completes == nil {
		bad.Add("response.mode", "There is no run to wait for: calls neither start one nor move one on.")
	}
	if starts == "" && completes == nil {
		return nil
	}
	snap, err := s.routing.current(context.Background())
	if err != nil {
		return err
	}
	if starts != "" {
		w, published := snap.Workflows[model.WorkflowID(starts)]
		switch {
		case !published:
			bad.Add("starts_workflow_id", "Pick a workflow that is published.")
		case w.Trigger.Kind != model.TriggerInbound:
			bad.Add("starts_workflow_id", "“%s” is not started by inbound calls. Choose that as its trigger and publish it, or pick another one.", w.Name)
		}
	}
	if completes != nil && completes.WorkflowID != "" {
		if _, published := snap.Workflows[model.WorkflowID(completes.WorkflowID)]; !published {
			bad.Add("completes.workflow_id", "Pick a workflow that is published.")
		}
	}
	return nil
}
