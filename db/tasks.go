package db

import (
	"context"

	"waybill/db/model"
)

const taskColumns = `t.id, t.run_id, coalesce(r.number, 0), coalesce(r.subject, ''), t.workflow_id, coalesce(w.name, ''), coalesce(r.definition, 0),
  t.step_run_id, t.step, t.step_name, t.kind, t.status, t.assignees, t.due_at, t.reminded_at, t.completed_at, t.completed_by,
  t.created_at, t.updated_at, t.version`

const taskTables = ` FROM tasks t LEFT JOIN runs r ON r.id = t.run_id LEFT JOIN workflows w ON w.id = t.workflow_id`

func scanTask(r row) (model.Task, error) {
	var t model.Task
	err := r.Scan(&t.ID, &t.RunID, &t.RunNumber, &t.Subject, &t.WorkflowID, &t.Workflow, &t.Definition, &t.StepRunID, &t.Step, &t.StepName, &t.Kind,
		&t.Status, decode{&t.Assignees}, at{&t.DueAt}, at{&t.RemindedAt}, at{&t.CompletedAt}, &t.CompletedBy, at{&t.CreatedAt}, at{&t.UpdatedAt}, &t.Version)
	return t, err
}

const taskByID = `SELECT ` + taskColumns + taskTables + ` WHERE t.id = $1`

// Task is one task.
func (s *Store) Task(ctx context.Context, id model.TaskID) (model.Task, error) {
	return one(s.reader(ctx), "task", scanTask, taskByID, id)
}

// TaskFilter says which tasks are listed; zero values do not narrow.
type TaskFilter struct {
	// Of lists open tasks that this person may do, by name or by one of the roles.
	Of    model.UserID
	Roles []string
	// DoneBy lists what the person with this email did.
	DoneBy string
	Open   bool
	RunID  model.RunID
	// Lost lists open tasks that reach nobody: no assignee is an active account, or a role that one has.
	Lost bool
}

const reachesNobody = `NOT EXISTS (SELECT 1 FROM task_assignees a WHERE a.task_id = t.id AND a.assignee IN
  (SELECT 'user:' || id FROM users WHERE disabled = 0 UNION SELECT 'role:' || value FROM users, json_each(roles) WHERE disabled = 0))`

// Tasks lists tasks, newest first.
func (s *Store) Tasks(ctx context.Context, f TaskFilter, p Page) ([]model.Task, string, error) {
	q := selecting("SELECT " + taskColumns + taskTables)
	if f.Of != "" {
		who := []string{"user:" + string(f.Of)}
		for _, r := range f.Roles {
			who = append(who, "role:"+r)
		}
		q.and(true, `t.id IN (SELECT task_id FROM task_assignees WHERE assignee IN (SELECT value FROM json_each(?)))`, encode(who))
	}
	q.and(f.Lost, reachesNobody)
	q.and(f.Open || f.Lost || f.Of != "", "t.status = 'open'")
	q.and(f.DoneBy != "", "t.completed_by = ? AND t.completed_by <> ''", f.DoneBy)
	q.and(f.RunID != "", "t.run_id = ?", f.RunID)
	return page(s.reader(ctx), q, p, keyed{"t.id", "tsk_"}, scanTask, func(t model.Task) string { return string(t.ID) })
}
