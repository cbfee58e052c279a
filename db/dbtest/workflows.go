package dbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// Purchase is a workflow with a task, an approval and a message, as a draft that can be stored and published.
func Purchase(t testing.TB) model.Workflow {
	t.Helper()
	w := model.Workflow{Name: "Purchase", Enabled: true}
	err := json.Unmarshal([]byte(`{"trigger":{"kind":"manual"},"steps":[
	 {"key":"ask","kind":"task","assignees":["ada@example.com","role:Operator"],"fields":[{"key":"item","type":"text"}],"next":[{"to":"tell"}],
	  "webhooks":[{"name":"Secret","url":"https://a.example/s","auth":{"type":"client_secret","secret":"canary-one"}},
	    {"name":"Plain","url":"https://a.example/p","trigger":"created"}]},
	 {"key":"tell","kind":"outgoing","request":{"name":"Tell","url":"https://a.example/t"},"next":[{"to":"end"}]},
	 {"key":"end","kind":"end"}]}`), &w.Draft)
	if err != nil {
		t.Fatal(err)
	}
	w.Clean()
	return w
}

// workflowChanges are the changes of workflows and of what their runs are made of.
func workflowChanges() []change {
	var w model.Workflow
	var run model.Run
	var task model.Task
	var file db.File
	return []change{
		{"CreateWorkflow", "workflow.created", true, func(tx *db.Tx, x *Setup) error {
			w = Purchase(noT{})
			return tx.CreateWorkflow(&w, Signing)
		}},
		{"UpdateWorkflow", "workflow.disabled", true, func(tx *db.Tx, x *Setup) error {
			w.Enabled = false
			return tx.UpdateWorkflow(&w)
		}},
		{"PublishWorkflow", "workflow.published", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.PublishWorkflow(w.ID, 0, "first", "ada@example.com")
			return err
		}},
		{"RenewForm", "workflow.form_renewed", false, func(tx *db.Tx, x *Setup) error { _, err := tx.RenewForm(w.ID); return err }},
		{"NextRunNumber", "", false, func(tx *db.Tx, x *Setup) error { _, err := tx.NextRunNumber(w.ID); return err }},
		{"InsertRun", "", false, func(tx *db.Tx, x *Setup) error {
			run = model.Run{ID: "run_1", WorkflowID: w.ID, Workflow: w.Name, Number: 1, Definition: 1, Status: model.RunWaiting, Lane: model.Realtime, Trigger: model.TriggerManual}
			return tx.InsertRun(&run)
		}},
		{"SaveRun", "", false, func(tx *db.Tx, x *Setup) error { return tx.SaveRun(&run) }},
		{"RecordRun", "run.paused", false, func(tx *db.Tx, x *Setup) error { return tx.RecordRun(run, "paused") }},
		{"InsertTask", "", false, func(tx *db.Tx, x *Setup) error {
			task = model.Task{RunID: run.ID, WorkflowID: w.ID, StepRunID: "srn_1", Step: "ask", StepName: "Ask", Kind: model.StepTask, Assignees: []model.Assignee{{UserID: x.User.ID}}}
			return tx.InsertTask(&task)
		}},
		{"RemindTasks", "", false, func(tx *db.Tx, x *Setup) error { return tx.RemindTasks(run.ID, "srn_1") }},
		{"FinishTask", "task.completed", false, func(tx *db.Tx, x *Setup) error {
			return tx.FinishTask(task, model.TaskCompleted, "ada@example.com", nil)
		}},
		{"WithdrawTasks", "", false, func(tx *db.Tx, x *Setup) error { return tx.WithdrawTasks(run.ID, "srn_1") }},
		{"SetTimer", "", false, func(tx *db.Tx, x *Setup) error {
			return tx.SetTimer(db.Timer{Due: tx.Now(), Kind: "wait", Ref: "srn_1"})
		}},
		{"MoveTimer", "", false, func(tx *db.Tx, x *Setup) error { return tx.MoveTimer("tmr_1", tx.Now(), "") }},
		{"DropTimer", "", false, func(tx *db.Tx, x *Setup) error { _, err := tx.DropTimer("tmr_1"); return err }},
		{"ClearTimers", "", false, func(tx *db.Tx, x *Setup) error { return tx.ClearTimers("srn_1") }},
		{"Await", "", false, func(tx *db.Tx, x *Setup) error { return tx.Await(run.ID, "srn_1", "order.*") }},
		{"Unawait", "", false, func(tx *db.Tx, x *Setup) error { return tx.Unawait("srn_1") }},
		{"InsertFile", "file.created", false, func(tx *db.Tx, x *Setup) error {
			file = db.File{FileValue: model.FileValue{ID: "fil_1", Name: "a.pdf", Size: 3, ContentType: "application/pdf"}, CreatedBy: x.User.ID}
			return tx.InsertFile(&file)
		}},
		{"AttachFile", "", false, func(tx *db.Tx, x *Setup) error { return tx.AttachFile(file.ID, run.ID) }},
		{"DeleteWorkflow", "workflow.deleted", true, func(tx *db.Tx, x *Setup) error {
			run.Status, run.EndedAt = model.RunCancelled, tx.Now()
			if err := tx.SaveRun(&run); err != nil {
				return err
			}
			return tx.DeleteWorkflow(w.ID, false)
		}},
	}
}

// noT lets Purchase be used where there is no test at hand.
type noT struct{ testing.TB }

func (noT) Helper()           {}
func (noT) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func workflows(t *testing.T, s *db.Store) {
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	w := Purchase(t)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateWorkflow(&w, Signing) })
	hook := w.Draft.Steps[0].Webhooks[0]
	if hook.ID == "" || w.Draft.Steps[0].Webhooks[1].ID == hook.ID || !slices.Equal(hook.Auth.Stored, []string{"secret"}) || w.FormToken == "" {
		t.Errorf("made: %+v", w)
	}
	got, err := s.Workflow(ctx, w.ID)
	ok(t, "read", err)
	equal(t, "stored", shown(w.Draft), shown(got.Draft))
	secrets, err := s.WebhookSecrets(ctx, hook.ID)
	ok(t, "open", err)
	equal(t, "secret", "canary-one", secrets["secret"].Reveal())
	signing, err := s.WorkflowSecret(ctx, w.ID)
	ok(t, "open", err)
	equal(t, "signing secret", Signing.Reveal(), signing.Reveal())

	v, err := publishWorkflow(s, w.ID, 0, "first")
	ok(t, "publish", err)
	equal(t, "first version", 1, v.Number)
	again, err := publishWorkflow(s, w.ID, 0, "again")
	ok(t, "publish what is published", err)
	equal(t, "no new version", 1, again.Number)

	// A secret alone: at once, without publishing.
	got, _ = s.Workflow(ctx, w.ID)
	stale := got
	got.Draft.Steps[0].Webhooks[0].Auth.Typed = model.Secrets{"secret": "canary-two"}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateWorkflow(&got) })
	secrets, _ = s.WebhookSecrets(ctx, hook.ID)
	equal(t, "new secret", "canary-two", secrets["secret"].Reveal())
	equal(t, "changed", false, got.Changed)
	equal(t, "kept id", hook.ID, got.Draft.Steps[0].Webhooks[0].ID)

	stale.Name = "Old page"
	wantFault(t, "old version", write(func(tx *db.Tx) error { return tx.UpdateWorkflow(&stale) }), fault.Stale, "")
	other := got
	other.Draft = clone(got.Draft)
	other.Draft.Steps[0].Webhooks[1].Auth = model.Auth{Type: model.AuthBasic, Username: "u"}
	wantFault(t, "secret missing", write(func(tx *db.Tx) error { return tx.UpdateWorkflow(&other) }), fault.Invalid, "")
	other.Draft.Steps[0].Webhooks[1] = model.Webhook{ID: "whk_strange", Name: "x", Auth: model.Auth{Type: model.AuthNone}}
	wantFault(t, "a webhook of another workflow", write(func(tx *db.Tx) error { return tx.UpdateWorkflow(&other) }), fault.Invalid, "")
	other.Draft.Steps[0].Webhooks[1] = model.Webhook{Name: "x", Auth: model.Auth{Type: model.AuthCredential, CredentialID: "crd_none"}}
	wantFault(t, "no such credential", write(func(tx *db.Tx) error { return tx.UpdateWorkflow(&other) }), fault.Invalid, "")
	twin := Purchase(t)
	wantFault(t, "taken name", write(func(tx *db.Tx) error { return tx.CreateWorkflow(&twin, Signing) }), fault.Conflict, "duplicate_name")

	got.Draft.Steps[0].Name = "Ask for it"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateWorkflow(&got) })
	equal(t, "changed", true, got.Changed)
	wantFault(t, "publish what was not checked", func() error { _, err := publishWorkflow(s, w.ID, got.Version-1, ""); return err }(), fault.Stale, "")
	v, err = publishWorkflow(s, w.ID, got.Version, "second")
	ok(t, "publish", err)
	equal(t, "second version", 2, v.Number)
	list, err := s.WorkflowVersions(ctx, w.ID)
	ok(t, "versions", err)
	equal(t, "names of versions", "Ask for it, ask", list[0].Definition.Steps[0].Name+", "+list[1].Definition.Steps[0].Name)
	found, err := s.WorkflowByForm(ctx, w.FormToken)
	ok(t, "by form", err)
	equal(t, "by form", w.ID, found.ID)
	log, _, err := s.AuditLog(ctx, db.AuditFilter{ObjectID: string(w.ID)}, db.Page{})
	ok(t, "audit", err)
	if text := fmt.Sprint(log); strings.Contains(text, "canary") || !strings.Contains(text, model.Mask) {
		t.Errorf("the audit log: %s", text)
	}
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteWorkflow(w.ID, false) })
	if secrets, _ := s.WebhookSecrets(ctx, hook.ID); len(secrets) > 0 {
		t.Error("secrets are left")
	}
}

func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func publishWorkflow(s *db.Store, id model.WorkflowID, saw int64, note string) (v model.WorkflowVersion, err error) {
	err = s.Write(ctx, Admin(), func(tx *db.Tx) (err error) {
		v, err = tx.PublishWorkflow(id, saw, note, "ada@example.com")
		return err
	})
	return v, err
}

func clone(d model.Definition) (out model.Definition) {
	b, err := json.Marshal(d)
	if err = errors.Join(err, json.Unmarshal(b, &out)); err != nil {
		panic(err)
	}
	return out
}

func runs(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	w := Purchase(t)
	var ids []model.RunID
	var tasks []model.Task
	Write(t, s, func(tx *db.Tx) error {
		if err := tx.CreateWorkflow(&w, Signing); err != nil {
			return err
		}
		ids, tasks = nil, nil
		for i, status := range []model.RunStatus{model.RunWaiting, model.RunRunning, model.RunCompleted} {
			n, err := tx.NextRunNumber(w.ID)
			if err != nil {
				return err
			}
			if n != int64(i+1) {
				return fmt.Errorf("number %d", n)
			}
			r := model.Run{ID: model.NewRunID(tx.Now().Add(time.Duration(i) * time.Millisecond)), WorkflowID: w.ID, Number: n, Definition: 1, Status: status, Lane: model.Bulk, Trigger: model.TriggerEvent, Subject: fmt.Sprint("S", n),
				Event: model.RunEvent{ID: "evt_1", Name: "order.created", Time: tx.Now().Truncate(time.Millisecond).UTC()}, Data: []byte(`{"n":1}`), Steps: []model.StepRun{{ID: "srn_1", Key: "ask"}}}
			if status.Ended() {
				r.EndedAt = tx.Now().Truncate(time.Millisecond).UTC()
			}
			if err := tx.InsertRun(&r); err != nil {
				return err
			}
			ids = append(ids, r.ID)
			task := model.Task{RunID: r.ID, WorkflowID: w.ID, StepRunID: "srn_1", Step: "ask", StepName: "Ask", Kind: model.StepTask,
				Assignees: [][]model.Assignee{{{UserID: x.User.ID, Label: "ada"}}, {{Role: "Operator"}}, {{Label: "nobody"}}}[i]}
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
			tasks = append(tasks, task)
		}
		return nil
	})
	Write(t, s, func(tx *db.Tx) error {
		r, err := tx.Run(ids[0])
		if err != nil {
			return err
		}
		r.Before, r.Status, r.Held = r.Status, model.RunPaused, []model.StepRunID{"srn_1"}
		return tx.SaveRun(&r)
	})
	r, err := s.Run(ctx, ids[0])
	ok(t, "read", err)
	equal(t, "run", "Purchase S1 paused waiting [srn_1] order.created {\"n\":1} 2", fmt.Sprint(r.Workflow, " ", r.Subject, " ", r.Status, " ", r.Before, " ", r.Held, " ", r.Event.Name, " ", string(r.Data), " ", r.Version))
	for _, c := range []struct {
		f    db.RunFilter
		want int
	}{{db.RunFilter{}, 3}, {db.RunFilter{WorkflowID: w.ID}, 3}, {db.RunFilter{WorkflowID: "wfl_x"}, 0}, {db.RunFilter{Status: model.RunPaused}, 1},
		{db.RunFilter{Status: model.RunCompleted}, 1}, {db.RunFilter{Status: "x"}, 0}, {db.RunFilter{Query: "s2"}, 1}} {
		list, _, err := s.Runs(ctx, c.f, db.Page{})
		ok(t, "list", err)
		equal(t, fmt.Sprintf("runs by %+v", c.f), c.want, len(list))
	}
	for _, c := range []struct {
		f    db.TaskFilter
		want int
	}{{db.TaskFilter{}, 3}, {db.TaskFilter{Of: x.User.ID}, 1}, {db.TaskFilter{Of: x.User.ID, Roles: []string{"Operator"}}, 2}, {db.TaskFilter{Of: "usr_x"}, 0},
		{db.TaskFilter{RunID: ids[1]}, 1}, {db.TaskFilter{Lost: true}, 2}, {db.TaskFilter{DoneBy: "ada@example.com"}, 0}} {
		list, _, err := s.Tasks(ctx, c.f, db.Page{})
		ok(t, "list", err)
		equal(t, fmt.Sprintf("tasks by %+v", c.f), c.want, len(list))
	}
	wantFault(t, "runs go on", s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.DeleteWorkflow(w.ID, false) }), fault.Conflict, "in_use")
	going, err := s.GoingRuns(ctx, w.ID, 10)
	ok(t, "going on", err)
	equal(t, "going on", 2, len(going))
	oldest, err := s.OldestRun(ctx)
	ok(t, "oldest", err)
	equal(t, "oldest", r.CreatedAt, oldest)
	since, err := s.RunsSince(ctx, oldest.Add(time.Hour))
	ok(t, "since", err)
	equal(t, "since", 2, len(since))
	since, _ = s.RunsSince(ctx, oldest.Add(-time.Hour))
	equal(t, "none that old", 0, len(since))

	Write(t, s, func(tx *db.Tx) error {
		task, err := tx.Task(tasks[0].ID)
		if err != nil {
			return err
		}
		return tx.FinishTask(task, model.TaskCompleted, "ada@example.com", nil)
	})
	wantFault(t, "done twice", s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.FinishTask(tasks[0], model.TaskCompleted, "x", nil) }), fault.Conflict, "task_closed")
	Write(t, s, func(tx *db.Tx) error { return tx.WithdrawTasks(ids[1], "srn_1") })
	mine, _, _ := s.Tasks(ctx, db.TaskFilter{Of: x.User.ID, Roles: []string{"Operator"}}, db.Page{})
	done, _, _ := s.Tasks(ctx, db.TaskFilter{DoneBy: "ada@example.com"}, db.Page{})
	equal(t, "open and done", "0 1", fmt.Sprint(len(mine), " ", len(done)))
	timers(t, s)
}

func timers(t *testing.T, s *db.Store) {
	now := time.Now().Truncate(time.Millisecond).UTC()
	Write(t, s, func(tx *db.Tx) error {
		for i, ref := range []string{"a", "b", "a"} {
			if err := tx.SetTimer(db.Timer{Due: now.Add(time.Duration(i) * time.Minute), Kind: "wait", Ref: ref, RunID: "run_1"}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Await("run_1", "srn_1", "order.created"), tx.Await("run_2", "srn_2", "order.*"), tx.Await("run_3", "srn_3", "*.paid"))
	})
	next, err := s.NextTimer(ctx)
	ok(t, "next", err)
	equal(t, "next", now, next)
	due, err := s.DueTimers(ctx, now.Add(90*time.Second), 10)
	ok(t, "due", err)
	equal(t, "due", 2, len(due))
	Write(t, s, func(tx *db.Tx) error {
		there, err := tx.DropTimer(due[0].ID)
		if !there {
			t.Error("it was not there")
		}
		gone, err2 := tx.DropTimer(due[0].ID)
		if gone {
			t.Error("it was there twice")
		}
		return errors.Join(err, err2, tx.MoveTimer(due[1].ID, now.Add(time.Hour), "half"), tx.ClearTimers("a"))
	})
	left, err := s.DueTimers(ctx, now.Add(2*time.Hour), 10)
	ok(t, "left", err)
	if len(left) != 1 || left[0].Part != "half" || !left[0].Due.Equal(now.Add(time.Hour)) || left[0].RunID != "run_1" {
		t.Errorf("left: %+v", left)
	}
	exact, _, err := s.Awaiting(ctx, "order.created", false, time.Now().Add(time.Second), "", 10)
	ok(t, "awaiting", err)
	wild, _, err := s.Awaiting(ctx, "order.created", true, time.Now().Add(time.Second), "", 10)
	ok(t, "awaiting", err)
	early, _, _ := s.Awaiting(ctx, "order.created", false, now.Add(-time.Hour), "", 10)
	_, more, _ := s.Awaiting(ctx, "order.created", true, time.Now().Add(time.Second), "", 1)
	equal(t, "who waits", "[{srn_1 run_1}] [{srn_2 run_2}] [] srn_2", fmt.Sprint(exact, wild, early, " ", more))
	Write(t, s, func(tx *db.Tx) error {
		for name, want := range map[string]bool{"order.created": true, "x": true} {
			if got, err := tx.Awaited(name); err != nil || got != want {
				t.Errorf("awaited %s: %v %v", name, got, err)
			}
		}
		return errors.Join(tx.Unawait("srn_2"), tx.Unawait("srn_3"))
	})
	Write(t, s, func(tx *db.Tx) error {
		if got, err := tx.Awaited("x"); err != nil || got {
			t.Errorf("awaited: %v %v", got, err)
		}
		return nil
	})
}
