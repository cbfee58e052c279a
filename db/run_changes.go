package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Runs are written by the workflow engine in the transaction of what moved them; what people do is in the audit log
// (RecordRun, FinishTask), what happens by itself is in the run.

const nextNumber = `UPDATE run_numbers SET value = value + 1 WHERE workflow_id = $1 RETURNING value`

// NextRunNumber counts one more run of a workflow; without such a workflow it is NotFound.
func (tx *Tx) NextRunNumber(id model.WorkflowID) (int64, error) {
	return one(tx, "workflow", number, nextNumber, id)
}

const insertRun = `
INSERT INTO runs (id, workflow_id, number, definition, status, lane, trigger, audience_id, subject, initiator, actor_id, depth, error, created_at,
  updated_at, ended_at, version, paused, event, form, steps, data, event_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, 1, '', $16, $17, $18, $19, $20)`

// InsertRun stores a run that has just begun and fills in times and Version.
func (tx *Tx) InsertRun(x *model.Run) error {
	n := *x
	n.CreatedAt, n.UpdatedAt, n.Version = tx.stamp(), tx.stamp(), 1
	event, form := "", ""
	if n.Event != (model.RunEvent{}) {
		event = encode(n.Event)
	}
	if len(n.Form) > 0 {
		form = encode(n.Form)
	}
	err := tx.exec(insertRun, n.ID, n.WorkflowID, n.Number, n.Definition, n.Status, n.Lane, n.Trigger, n.AudienceID, n.Subject, n.Initiator, n.Actor, n.Depth,
		n.Error, ms(tx.now), ms(n.EndedAt), event, form, encode(n.Steps), []byte(n.Data), n.Event.ID)
	if err != nil {
		return err
	}
	fill(tx, x, n)
	return nil
}

const saveRun = `
UPDATE runs SET status = $1, error = $2, updated_at = $3, ended_at = $4, version = version + 1, paused = $5, steps = $6
WHERE id = $7`

// SaveRun stores what a signal made of a run that was read in this transaction.
func (tx *Tx) SaveRun(x *model.Run) error {
	n := *x
	n.UpdatedAt, n.Version = tx.stamp(), n.Version+1
	paused := ""
	if n.Status == model.RunPaused {
		paused = encode(pause{n.Before, n.Held})
	}
	if err := tx.exec(saveRun, n.Status, n.Error, ms(tx.now), ms(n.EndedAt), paused, encode(n.Steps), n.ID); err != nil {
		return err
	}
	fill(tx, x, n)
	return nil
}

// Run is a run as it stands in this transaction.
func (tx *Tx) Run(id model.RunID) (model.Run, error) { return one(tx, "run", scanRun, runByID, id) }

// WorkflowVersion is a published version as it stands in this transaction; it never changes.
func (tx *Tx) WorkflowVersion(id model.WorkflowID, number int64) (model.WorkflowVersion, error) {
	return one(tx, "version of this workflow", scanVersion, versionByNumber, id, number)
}

// RecordRun writes the audit row for what a person did to a run: word is "started", "paused", "resumed", "cancelled".
func (tx *Tx) RecordRun(x model.Run, word string, diff ...model.Change) error {
	return tx.audit("run", word, string(x.ID), runName(x), diff)
}

func runName(x model.Run) string {
	name := x.Workflow + " #" + positive(int(x.Number))
	if x.Subject != "" {
		name += " · " + x.Subject
	}
	return name
}

const insertTask = `
INSERT INTO tasks (id, run_id, workflow_id, step_run_id, step, step_name, kind, status, assignees, due_at, reminded_at, completed_at, completed_by,
  created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9, 0, 0, '', $10, $10, 1)`

const insertAssignee = `INSERT INTO task_assignees (assignee, task_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// InsertTask opens a task and fills in ID and times.
func (tx *Tx) InsertTask(t *model.Task) error {
	n := *t
	n.ID, n.Status, n.CreatedAt, n.UpdatedAt, n.Version = model.NewTaskID(tx.now), model.TaskOpen, tx.stamp(), tx.stamp(), 1
	if err := tx.exec(insertTask, n.ID, n.RunID, n.WorkflowID, n.StepRunID, n.Step, n.StepName, n.Kind, encode(n.Assignees), ms(n.DueAt), ms(tx.now)); err != nil {
		return err
	}
	for _, a := range n.Assignees {
		who := ""
		switch {
		case a.UserID != "":
			who = "user:" + string(a.UserID)
		case a.Role != "":
			who = "role:" + a.Role
		default:
			continue
		}
		if err := tx.exec(insertAssignee, who, n.ID); err != nil {
			return err
		}
	}
	fill(tx, t, n)
	return nil
}

// Task is a task as it stands in this transaction.
func (tx *Tx) Task(id model.TaskID) (model.Task, error) {
	return one(tx, "task", scanTask, taskByID, id)
}

const (
	finishTask = `
UPDATE tasks SET status = $1, completed_at = $2, completed_by = $3, updated_at = $2, version = version + 1
WHERE id = $4 AND status = 'open'`
	freeTask    = `DELETE FROM task_assignees WHERE task_id = $1`
	openTasksOf = `SELECT t.id FROM tasks t WHERE t.run_id = $1 AND t.step_run_id = $2 AND t.status = 'open'`
)

// FinishTask closes an open task because a person did it; diff is what the audit log says of it. One that is closed is
// a conflict.
func (tx *Tx) FinishTask(t model.Task, status model.TaskStatus, by string, diff []model.Change) error {
	n, err := tx.count(finishTask, status, ms(tx.now), by, t.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.Coded(fault.Conflict, "task_closed", "This task is already closed.")
	}
	if err := tx.exec(freeTask, t.ID); err != nil {
		return err
	}
	return tx.audit("task", string(status), string(t.ID), t.StepName+" ("+t.Workflow+" #"+positive(int(t.RunNumber))+")", diff)
}

// WithdrawTasks closes the open tasks of a step run that are no longer needed.
func (tx *Tx) WithdrawTasks(run model.RunID, step model.StepRunID) error {
	ids, err := all(tx, text[model.TaskID], openTasksOf, run, step)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := tx.exec(finishTask, model.TaskAbandoned, ms(tx.now), "", id); err != nil {
			return err
		}
		if err := tx.exec(freeTask, id); err != nil {
			return err
		}
	}
	return nil
}

const openTasks = `SELECT ` + taskColumns + taskTables + ` WHERE t.run_id = $1 AND t.step_run_id = $2 AND t.status = 'open' ORDER BY t.id`

// OpenTasks are the open tasks of a step run.
func (tx *Tx) OpenTasks(run model.RunID, step model.StepRunID) ([]model.Task, error) {
	return all(tx, scanTask, openTasks, run, step)
}

const remindTasks = `UPDATE tasks SET reminded_at = $1 WHERE run_id = $2 AND step_run_id = $3 AND status = 'open'`

// RemindTasks notes that people were reminded of the open tasks of a step run.
func (tx *Tx) RemindTasks(run model.RunID, step model.StepRunID) error {
	return tx.exec(remindTasks, ms(tx.now), run, step)
}

// Person is what an assignee's email stands for: an active user, or "" when there is none.
func (tx *Tx) Person(email string) (model.UserID, error) {
	ids, err := all(tx, text[model.UserID], activeByEmail, email)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

const activeByEmail = `SELECT id FROM users WHERE email = $1 AND disabled = 0`

const emailByID = `SELECT email FROM users WHERE id = $1`

// EmailOf is the address of a user, "" when there is none.
func (tx *Tx) EmailOf(id model.UserID) (string, error) {
	found, err := all(tx, text[string], emailByID, id)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

const rolesByID = `SELECT j.value FROM users u, json_each(u.roles) j WHERE u.id = $1`

// RolesOf are the names of a user's roles.
func (tx *Tx) RolesOf(id model.UserID) ([]string, error) { return all(tx, text[string], rolesByID, id) }

// User is a user as it stands in this transaction.
func (tx *Tx) User(id model.UserID) (model.User, error) {
	return one(tx, "user", scanUser, userByID, id)
}

const runsAbout = `
SELECT id FROM runs INDEXED BY runs_status
WHERE status IN ('running', 'waiting', 'paused') AND status <> 'completed' AND workflow_id = $1 AND subject = $2 LIMIT +$3`

// RunsAbout lists up to limit runs of a workflow that go on and have this subject.
func (tx *Tx) RunsAbout(id model.WorkflowID, subject string, limit int) ([]model.RunID, error) {
	return all(tx, text[model.RunID], runsAbout, id, subject, limit)
}

// oldestGoing jumps to the oldest run of each status that goes on.
const oldestGoing = `
SELECT min(created_at) FROM (
  SELECT * FROM (SELECT created_at FROM runs WHERE status = 'running' AND status <> 'completed' ORDER BY id LIMIT 1)
  UNION ALL SELECT * FROM (SELECT created_at FROM runs WHERE status = 'waiting' AND status <> 'completed' ORDER BY id LIMIT 1)
  UNION ALL SELECT * FROM (SELECT created_at FROM runs WHERE status = 'paused' AND status <> 'completed' ORDER BY id LIMIT 1))`

// OldestRun is when the oldest run that goes on began, zero when none does.
func (s *Store) OldestRun(ctx context.Context) (time.Time, error) {
	return one(s.reader(ctx), "run", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, oldestGoing)
}

const overdueRuns = `
SELECT id FROM (
  SELECT * FROM (SELECT id, created_at FROM runs WHERE status = 'running' AND status <> 'completed' ORDER BY id LIMIT 100)
  UNION ALL SELECT * FROM (SELECT id, created_at FROM runs WHERE status = 'waiting' AND status <> 'completed' ORDER BY id LIMIT 100)
  UNION ALL SELECT * FROM (SELECT id, created_at FROM runs WHERE status = 'paused' AND status <> 'completed' ORDER BY id LIMIT 100))
WHERE created_at <= $1`

// RunsSince lists up to 300 runs that go on and began at or before t.
func (s *Store) RunsSince(ctx context.Context, t time.Time) ([]model.RunID, error) {
	return all(s.reader(ctx), text[model.RunID], overdueRuns, ms(t))
}

const goingRunsOf = `
SELECT id FROM runs INDEXED BY runs_status
WHERE status IN ('running', 'waiting', 'paused') AND status <> 'completed' AND workflow_id = $1 LIMIT +$2`

// GoingRuns lists up to limit runs of a workflow that go on.
func (s *Store) GoingRuns(ctx context.Context, id model.WorkflowID, limit int) ([]model.RunID, error) {
	return all(s.reader(ctx), text[model.RunID], goingRunsOf, id, limit)
}

const insertFile = `
INSERT INTO files (id, name, content_type, size, hash, created_by, run_id, created_at, connection_id, object_key)
VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9)`

// InsertFile stores what is known of a file whose bytes are stored; f.ID is set by the caller.
func (tx *Tx) InsertFile(f *File) error {
	n := *f
	n.CreatedAt, n.RunID = tx.stamp(), ""
	if err := tx.exec(insertFile, n.ID, n.Name, n.ContentType, n.Size, n.Hash, n.CreatedBy, ms(tx.now), n.ConnectionID, n.Key); err != nil {
		return err
	}
	fill(tx, f, n)
	return tx.audit("file", "created", string(n.ID), n.Name, nil)
}

// File is a file as it stands in this transaction.
func (tx *Tx) File(id model.FileID) (File, error) { return one(tx, "file", scanFile, fileByID, id) }

const attachFile = `UPDATE files SET run_id = $1 WHERE id = $2 AND run_id = ''`

// AttachFile makes a file part of a run.
func (tx *Tx) AttachFile(id model.FileID, run model.RunID) error { return tx.exec(attachFile, run, id) }
