package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/filter"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
)

// CheckWorkflow cleans and checks a workflow's draft; whole: also whether it can be published. Complaints about steps
// name them.
func (s *Service) CheckWorkflow(w *model.Workflow, whole bool) error {
	w.Clean()
	var bad fault.Check
	bad.Join("", w.Check())
	if whole {
		bad.Join("", w.Draft.CheckWhole())
	}
	t := w.Draft.Trigger
	if p := compiled(t.Filter, filter.Compile); p != nil {
		bad.Add("trigger.filter", "%s", p)
	}
	if t.Cron != "" && !gronx.New().IsValid(t.Cron) {
		bad.Add("trigger.cron", "Five fields: minute, hour, day of the month, month, day of the week, for instance 0 9 * * 1-5.")
	} else if _, err := NextTime(t, s.o.Now()); t.Cron != "" && err != nil && t.Kind == model.TriggerSchedule {
		bad.Add("trigger.cron", "This never comes due.")
	}
	var scripts []script.Part
	for i, st := range w.Draft.Steps {
		bad.Join("", inStep(i, st, s.checkStep(t, st)))
		if whole {
			bad.Join("", inStep(i, st, s.checkInputs(st)))
		}
		if st.Script != "" {
			p := scriptPart(st.Script)
			p.Name = strconv.Itoa(i)
			scripts = append(scripts, p)
		}
	}
	for _, p := range s.checkParts(scripts) {
		if i, err := strconv.Atoi(p.Part); err == nil {
			bad.Join("", inStep(i, w.Draft.Steps[i], []fault.Field{fault.Complaint("script", "Line %d: %s", p.Line, fault.Text(p.Message))}))
		}
	}
	return bad.Err()
}

// inStep puts the place of a step before complaints and its name into their words.
func inStep(i int, st model.Step, fields []fault.Field) []fault.Field {
	out := make([]fault.Field, len(fields))
	for j, f := range fields {
		out[j] = fault.Complaint(fmt.Sprintf("steps[%d].%s", i, f.Name), "Step “%s”: %s", st.Name, f.Words())
	}
	return out
}

func compiled(source string, compile func(string) (*filter.Program, *filter.Problem)) *fault.Words {
	if source == "" {
		return nil
	}
	if _, p := compile(source); p != nil {
		return fault.Say("Line %d, column %d: %s", p.Line, p.Column, p.Words)
	}
	return nil
}

// meant adds to a complaint about a condition what a name stands for that is a field of the trigger's form.
func meant(t model.Trigger, condition string, w *fault.Words) *fault.Words {
	fields, known := fieldsOf(t)
	if w == nil || !known {
		return w
	}
	if _, p := filter.CompileCondition(condition); p != nil && slices.Contains(fields, p.Unknown) {
		return fault.Say("%s Did you mean run.data.%s?", w, p.Unknown)
	}
	return w
}

// checkStep lists what engines find wrong with a step: conditions, templates, headers, addresses.
func (s *Service) checkStep(t model.Trigger, st model.Step) []fault.Field {
	var bad fault.Check
	for i, n := range st.Next {
		if w := meant(t, n.When, compiled(n.When, filter.CompileCondition)); w != nil {
			bad.Add(fmt.Sprintf("next[%d].when", i), "%s", w)
		}
	}
	if st.Wait != nil {
		if w := meant(t, st.Wait.Filter, compiled(st.Wait.Filter, filter.CompileCondition)); w != nil {
			bad.Add("wait.filter", "%s", w)
		}
	}
	if r := st.Request; r != nil {
		bad.Join("request.", s.CheckRequest(*r))
		if base, _ := model.SplitURL(r.URL); r.URL != "" && model.CheckRequestURL(r.URL) == "" {
			if refusal := s.egress.Check(base, nil); refusal != nil {
				bad.Add("request.url", "%s", refusal.Words)
			}
		}
	}
	for i, h := range st.Webhooks {
		for name, secret := range h.Auth.Typed {
			if name == h.Auth.Wants() && bytes.ContainsAny([]byte(secret.Reveal()), "\r\n\x00") && h.Auth.Type == model.AuthBasic {
				bad.Add(fmt.Sprintf("webhooks[%d].auth.%s", i, name), "No control characters (RFC 7617).")
			}
		}
	}
	return bad.Fields()
}

// WorkflowWarnings are what will go wrong although a workflow is stored all the same: addresses that are refused when
// something is sent, people, roles and audiences that are not there (yet), and conditions over fields that no form has. Their places are named as by CheckWorkflow.
func (s *Service) WorkflowWarnings(ctx context.Context, d model.Definition) ([]fault.Field, error) {
	var bad fault.Check
	for i, st := range d.Steps {
		for j, h := range st.Webhooks {
			if r := s.egress.Check(h.URL, nil); r != nil {
				bad.Add(fmt.Sprintf("steps[%d].webhooks[%d].url", i, j), "Step “%s”, webhook “%s”: %s", st.Name, h.Name, r.Words)
			}
		}
		for j, n := range st.Next {
			if w := missingField(d.Trigger, n.When); w != nil {
				bad.Add(fmt.Sprintf("steps[%d].next[%d].when", i, j), "Step “%s”: %s", st.Name, w)
			}
		}
		for j, who := range st.Assignees {
			w, err := s.absent(ctx, who)
			if err != nil {
				return nil, err
			}
			if w != nil {
				bad.Add(fmt.Sprintf("steps[%d].assignees[%d]", i, j), "Step “%s”: %s", st.Name, w)
			}
		}
	}
	if id := d.Trigger.AudienceID; id != "" && d.Trigger.Kind == model.TriggerAudience {
		_, err := s.o.Store.Audience(ctx, model.AudienceID(id))
		if fault.Is(err, fault.NotFound) {
			bad.Add("trigger.audience_id", "The audience that starts it is not there any more.")
		} else if err != nil {
			return nil, err
		}
	}
	return bad.Fields(), nil
}

// fieldsOf are the keys of what runs have as data, false when that is not known: only forms say it.
func fieldsOf(t model.Trigger) ([]string, bool) {
	form := t.Kind == model.TriggerForm || t.Kind == model.TriggerPublicForm || t.Kind == model.TriggerManual
	var out []string
	for _, f := range t.Fields {
		if f.Type != model.TypeInstruction {
			out = append(out, f.Key)
		}
	}
	return out, form && len(t.Fields) > 0
}

// missingField says that a condition looks at a field that the form of the trigger does not have, nil when it does not.
func missingField(t model.Trigger, condition string) *fault.Words {
	fields, known := fieldsOf(t)
	if p, _ := filter.CompileCondition(condition); known && p != nil {
		for _, name := range p.Members("run", "data") {
			if !slices.Contains(fields, name) {
				return fault.Say("The form has no field “%s”, so the condition “%s” finds nothing there. Its fields: %s.", name, condition, strings.Join(fields, ", "))
			}
		}
	}
	return nil
}

// absent says that an assignee is nobody now, nil when there is somebody, or that only shows when a run gets there.
func (s *Service) absent(ctx context.Context, who string) (*fault.Words, error) {
	if name, is := strings.CutPrefix(who, "role:"); is {
		roles, err := s.o.Store.EveryRole(ctx)
		if err != nil || slices.ContainsFunc(roles, func(r model.Role) bool { return r.Name == name }) {
			return nil, err
		}
		return fault.Say("There is no role “%s”, so nobody will be asked.", name), nil
	}
	if !strings.Contains(who, "@") {
		return nil, nil
	}
	u, _, err := s.o.Store.UserByEmail(ctx, who)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.Say("Nobody signs in as %s, so nobody will be asked.", who), nil
	case err != nil:
		return nil, err
	case u.Disabled:
		return fault.Say("The account %s is disabled, so nobody will be asked.", who), nil
	}
	return nil, nil
}

// CreateWorkflow stores a draft that CheckWorkflow has passed.
func (s *Service) CreateWorkflow(ctx context.Context, actor model.Actor, w *model.Workflow) error {
	signing := scheme.NewSigningSecret()
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.CreateWorkflow(w, signing) })
}

// PublishWorkflow makes the draft what new runs get: it must be whole. What Waybill had switched off of it is on again.
// saw is the draft's version that the caller has seen, 0 for any.
func (s *Service) PublishWorkflow(ctx context.Context, actor model.Actor, id model.WorkflowID, saw int64, note string) (model.Workflow, error) {
	if n := len([]rune(note)); n > model.MaxNote {
		var bad fault.Check
		bad.Add("note", "At most %d characters; these are %d.", model.MaxNote, n)
		return model.Workflow{}, bad.Err()
	}
	w, err := s.o.Store.Workflow(ctx, id)
	if err != nil {
		return w, err
	}
	if saw != 0 && saw != w.Version {
		return w, fault.New(fault.Stale, "Somebody changed this workflow meanwhile: you have version %d, it is at version %d. Load it again and repeat your change.", saw, w.Version)
	}
	if err := s.CheckWorkflow(&w, true); err != nil {
		return w, err
	}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		by, err := tx.EmailOf(actor.UserID)
		if err != nil {
			return err
		}
		if by == "" {
			by = actor.Name
		}
		v, err := tx.PublishWorkflow(id, w.Version, note, by)
		if err != nil {
			return err
		}
		if err := s.schedule(tx, id, v.Definition.Trigger); err != nil {
			return err
		}
		return switchOnSteps(tx, id, v.Definition)
	})
	if err != nil {
		return w, err
	}
	return s.o.Store.Workflow(ctx, id)
}

// switchOnSteps switches the targets of a workflow's steps on again.
func switchOnSteps(tx *db.Tx, id model.WorkflowID, d model.Definition) error {
	for _, st := range d.Steps {
		if err := tx.SwitchOnTarget(model.StepTarget(id, st.Key, ""), st.Name); err != nil {
			return err
		}
		for _, h := range st.Webhooks {
			if err := tx.SwitchOnTarget(model.StepTarget(id, st.Key, h.ID), st.Name+": "+h.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillForm checks the data of a run against the form of its trigger; without a form anything goes.
func (s *Service) fillForm(ctx context.Context, n *NewRun, t model.Trigger) error {
	if len(t.Fields) == 0 || n.Form != nil || n.Event.ID != "" {
		return nil
	}
	given := map[string]json.RawMessage{}
	if len(n.Data) > 0 && string(bytes.TrimSpace(n.Data)) != "null" {
		if err := json.Unmarshal(n.Data, &given); err != nil {
			var bad fault.Check
			bad.Add("data", "The fields of the form, as an object.")
			return bad.Err()
		}
	}
	values, fields := model.Read(t.Fields, given)
	if len(fields) > 0 {
		return asData(&fault.Fault{Kind: fault.Invalid, Message: "Some fields need attention.", Fields: fields})
	}
	n.Form = values
	return nil
}

// asData names complaints about the fields of a form as those about the data that stands for it.
func asData(err error) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	n := *f
	n.Fields = slices.Clone(f.Fields)
	for i := range n.Fields {
		if rest, ok := strings.CutPrefix(n.Fields[i].Name, "fields."); ok {
			n.Fields[i].Name = "data." + rest
		}
	}
	return &n
}

// startFilled starts a run whose form was filled in: files become part of it, and what was filled in is its data.
func (s *Service) startFilled(tx *db.Tx, n NewRun) (model.Run, error) {
	if n.Form == nil {
		return s.StartIn(tx, n)
	}
	var bad fault.Check
	values := slices.Clone(n.Form)
	if err := takeFiles(tx, &bad, n.Actor, "", values); err != nil {
		return model.Run{}, err
	}
	if err := bad.Err(); err != nil {
		return model.Run{}, err
	}
	n.Form, n.Data = values, formData(values)
	run, err := s.StartIn(tx, n)
	for _, v := range values {
		if f, is := v.Value.(model.FileValue); is && err == nil {
			err = tx.AttachFile(f.ID, run.ID)
		}
	}
	return run, err
}

// StartForm starts a run by its form, filled in by somebody who is signed in (trigger form), or by anybody at its public
// address (trigger public_form; actor is nobody then). subject is what the run is about, "" = nothing; fields are by key.
func (s *Service) StartForm(ctx context.Context, actor model.Actor, id model.WorkflowID, subject string, fields map[string]json.RawMessage) (run model.Run, err error) {
	if err := s.accepting(ctx); err != nil {
		return run, err
	}
	w, err := s.o.Store.Workflow(ctx, id)
	if err != nil {
		return run, err
	}
	if w.Published == 0 || !w.Enabled {
		return run, fault.Coded(fault.Conflict, "not_published", "This form takes nothing at the moment.")
	}
	v, err := s.o.Store.WorkflowVersion(ctx, w.ID, w.Published)
	if err != nil {
		return run, err
	}
	t := v.Definition.Trigger
	if t.Kind != model.TriggerForm && t.Kind != model.TriggerPublicForm {
		return run, fault.Coded(fault.Conflict, "no_form", "This workflow is not started by a form.")
	}
	values, wrong := model.Read(t.Fields, fields)
	if len(wrong) > 0 {
		return run, &fault.Fault{Kind: fault.Invalid, Message: "Some fields need attention.", Fields: wrong}
	}
	n := NewRun{WorkflowID: id, Number: v.Number, Trigger: t.Kind, Subject: subject, Form: values, Actor: actor.UserID}
	if err := checkRun(n); err != nil {
		return run, err
	}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		if n.Initiator, err = tx.EmailOf(actor.UserID); err != nil {
			return err
		}
		if run, err = s.startFilled(tx, n); err != nil {
			return err
		}
		return tx.RecordRun(run, "started")
	})
	return run, err
}

// formData is what a form was filled in with as run.data.
func formData(values []model.FieldValue) json.RawMessage {
	b := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, plainJSON(v.Key)...), ':'), plainJSON(v.Value)...)
	}
	return append(b, '}')
}

// StepSample is what templates of a step see in a test: a run that has begun with this data.
func StepSample(w model.Workflow, data json.RawMessage, now time.Time) model.Run {
	if len(data) == 0 {
		data = json.RawMessage(`{}`)
	}
	return model.Run{ID: "run_sample", WorkflowID: w.ID, Workflow: w.Name, Number: 1, Subject: "Sample", Status: model.RunRunning, Data: data, CreatedAt: now}
}
