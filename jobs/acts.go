package jobs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// Act is what a person does with a task.
type Act struct {
	Task    model.TaskID
	What    flow.What                  // flow.Complete, flow.Approve, flow.Reject
	Fields  map[string]json.RawMessage // Complete
	Comment string                     // Approve, Reject
	Loose   bool                       // Fields that the form does not have are passed over
}

// Act does a task: its fields are checked, and the run goes on, in one transaction. Who is no assignee needs the right
// to manage workflows.
func (s *Service) Act(ctx context.Context, actor model.Actor, a Act) (t model.Task, err error) {
	if err := s.accepting(ctx); err != nil {
		return t, err
	}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if t, err = tx.Task(a.Task); err != nil {
			return err
		}
		if err := s.mayDo(tx, actor, t); err != nil {
			return err
		}
		return s.act(tx, actor, t, a)
	})
	if err != nil {
		return t, err
	}
	return s.o.Store.Task(ctx, a.Task)
}

// Complete completes a task with what its form was filled in with, by key.
func (s *Service) Complete(ctx context.Context, actor model.Actor, id model.TaskID, fields map[string]json.RawMessage) (model.Task, error) {
	return s.Act(ctx, actor, Act{Task: id, What: flow.Complete, Fields: fields})
}

// Approve approves; a comment is optional.
func (s *Service) Approve(ctx context.Context, actor model.Actor, id model.TaskID, comment string) (model.Task, error) {
	return s.Act(ctx, actor, Act{Task: id, What: flow.Approve, Comment: comment})
}

// Reject rejects; the comment is needed.
func (s *Service) Reject(ctx context.Context, actor model.Actor, id model.TaskID, comment string) (model.Task, error) {
	return s.Act(ctx, actor, Act{Task: id, What: flow.Reject, Comment: comment})
}

// TaskFor is a task for somebody who may see it: an assignee, who did it, and those who may see workflows.
func (s *Service) TaskFor(ctx context.Context, actor model.Actor, id model.TaskID) (model.Task, error) {
	t, err := s.o.Store.Task(ctx, id)
	if err != nil || actor.Rights.Has(model.Workflows.View()) {
		return t, err
	}
	if err := actor.Stands(model.Workflows.View()); err != nil {
		return model.Task{}, err
	}
	u, err := s.o.Store.User(ctx, actor.UserID)
	if err != nil {
		return t, err
	}
	if t.CompletedBy == u.Email || Assigned(t, u.ID, u.Roles) {
		return t, nil
	}
	return model.Task{}, fault.Absent("task")
}

// FormOf is the form of a task, nil for an approval.
func (s *Service) FormOf(ctx context.Context, t model.Task) []model.FormField {
	p, err := s.programs.of(t.WorkflowID, t.Definition, s.readVersion(ctx))
	if err != nil {
		return nil
	}
	def, _ := p.Definition.Step(t.Step)
	return def.Fields
}

// Unreached are the steps that a run which has ended did not come to, in the order of its definition.
func (s *Service) Unreached(ctx context.Context, r model.Run) []model.Step {
	if !r.Status.Ended() {
		return nil
	}
	p, err := s.programs.of(r.WorkflowID, r.Definition, s.readVersion(ctx))
	if err != nil {
		return nil
	}
	var out []model.Step
	for _, def := range p.Definition.Steps {
		if !slices.ContainsFunc(r.Steps, func(st model.StepRun) bool { return st.Key == def.Key }) {
			out = append(out, def)
		}
	}
	return out
}

func (s *Service) act(tx *db.Tx, actor model.Actor, t model.Task, a Act) error {
	if t.Status != model.TaskOpen {
		return fault.Coded(fault.Conflict, "task_closed", "This task is already %s.", fault.State(t.Status))
	}
	run, err := tx.Run(t.RunID)
	if err != nil {
		return err
	}
	p, err := s.programs.of(run.WorkflowID, run.Definition, tx.WorkflowVersion)
	if err != nil {
		return err
	}
	sig := flow.Signal{What: a.What, StepRun: t.StepRunID, Comment: strings.TrimSpace(a.Comment)}
	if sig.Actor, err = tx.EmailOf(actor.UserID); err != nil {
		return err
	}
	if sig.Actor == "" {
		sig.Actor = actor.Name
	}
	if len([]rune(sig.Comment)) > model.MaxComment {
		var bad fault.Check
		bad.Add("comment", "At most %d characters.", model.MaxComment)
		return bad.Err()
	}
	if a.What == flow.Complete && t.Kind == model.StepTask {
		def, _ := p.Definition.Step(t.Step)
		if a.Loose {
			maps.DeleteFunc(a.Fields, func(key string, _ json.RawMessage) bool {
				return !slices.ContainsFunc(def.Fields, func(f model.FormField) bool { return f.Key == key })
			})
		}
		if sig.Fields, err = readForm(tx, actor, run.ID, def.Fields, a.Fields); err != nil {
			return err
		}
	}
	// Before the run goes on: that withdraws the step's other open tasks.
	if err := tx.FinishTask(t, taskStatus(a.What), sig.Actor, told(sig)); err != nil {
		return err
	}
	_, err = s.advance(tx, p, run, sig)
	return err
}

func taskStatus(what flow.What) model.TaskStatus {
	return map[flow.What]model.TaskStatus{flow.Complete: model.TaskCompleted, flow.Approve: model.TaskApproved, flow.Reject: model.TaskRejected}[what]
}

// told is what the audit log says of a task that was done.
func told(sig flow.Signal) []model.Change {
	var out []model.Change
	for _, f := range sig.Fields {
		b, err := json.Marshal(f.Value)
		if err == nil && f.Value != nil {
			out = append(out, model.Change{Field: "fields." + f.Key, After: string(b)})
		}
	}
	if sig.Comment != "" {
		out = append(out, model.Change{Field: "comment", After: sig.Comment})
	}
	return out
}

// mayDo is nil when actor may do the task.
func (s *Service) mayDo(tx *db.Tx, actor model.Actor, t model.Task) error {
	if actor.Rights.Has(model.Workflows.Manage()) {
		return nil
	}
	if err := actor.Stands(model.Workflows.Manage()); err != nil {
		return err
	}
	roles, err := tx.RolesOf(actor.UserID)
	if err != nil {
		return err
	}
	if Assigned(t, actor.UserID, roles) {
		return nil
	}
	right := model.Workflows.Manage()
	f := fault.New(fault.Forbidden, "This task is not yours. Whoever is no assignee of it needs the right “%s”.", fault.Right(right))
	f.Right = string(right)
	return f
}

// Assigned reports whether a task is for a person, by name or by one of the roles.
func Assigned(t model.Task, id model.UserID, roles []string) bool {
	return id != "" && slices.ContainsFunc(t.Assignees, func(a model.Assignee) bool {
		return a.UserID == id || (a.Role != "" && slices.Contains(roles, a.Role))
	})
}

// assignee is whom one text of a definition, or what a field held, names.
func assignee(tx *db.Tx, text string) (model.Assignee, error) {
	if role, is := strings.CutPrefix(text, "role:"); is {
		return model.Assignee{Role: role, Label: role}, nil
	}
	a := model.Assignee{Label: text}
	if !strings.Contains(text, "@") {
		return a, nil
	}
	var err error
	a.UserID, err = tx.Person(strings.ToLower(text))
	return a, err
}

// readForm checks what a form was filled in with. Files become part of the run.
func readForm(tx *db.Tx, actor model.Actor, run model.RunID, form []model.FormField, given map[string]json.RawMessage) ([]model.FieldValue, error) {
	values, fields := model.Read(form, given)
	var bad fault.Check
	bad.Join("", fields)
	if err := takeFiles(tx, &bad, actor.UserID, run, values); err != nil {
		return nil, err
	}
	return values, bad.Err()
}

// takeFiles puts what is known of the files in place of their ids, and makes them part of a run ("" = later). A file
// can be used by who gave it, once.
func takeFiles(tx *db.Tx, bad *fault.Check, by model.UserID, run model.RunID, values []model.FieldValue) error {
	for i, v := range values {
		id, is := v.Value.(string)
		if v.Type != model.TypeFile || !is {
			continue
		}
		f, err := tx.File(model.FileID(id))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err != nil || f.CreatedBy != by || f.RunID != "" && f.RunID != run || f.RunID == "" && tx.Now().Sub(f.CreatedAt) > fileLife {
			bad.Add("fields."+v.Key, "Upload the file again; this one is not there.")
			continue
		}
		values[i].Value = f.FileValue
		if run != "" {
			if err := tx.AttachFile(f.ID, run); err != nil {
				return err
			}
		}
	}
	return nil
}
