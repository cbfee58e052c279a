package db

import (
	"context"

	"waybill/db/model"
)

const runColumns = `r.id, r.workflow_id, coalesce(w.name, ''), r.number, r.definition, r.status, r.lane, r.trigger, r.audience_id, r.subject, r.initiator,
  r.actor_id, r.depth, r.error, r.created_at, r.updated_at, r.ended_at, r.version, r.paused, r.event, r.form, r.steps, r.data`

const runTables = ` FROM runs r LEFT JOIN workflows w ON w.id = r.workflow_id`

// pause is what a run remembers while it is paused.
type pause struct {
	Before model.RunStatus   `json:"before"`
	Held   []model.StepRunID `json:"held,omitempty"`
}

func scanRun(r row) (model.Run, error) {
	var x model.Run
	var p pause
	err := r.Scan(&x.ID, &x.WorkflowID, &x.Workflow, &x.Number, &x.Definition, &x.Status, &x.Lane, &x.Trigger, &x.AudienceID, &x.Subject, &x.Initiator,
		&x.Actor, &x.Depth, &x.Error, at{&x.CreatedAt}, at{&x.UpdatedAt}, at{&x.EndedAt}, &x.Version, decode{&p}, decode{&x.Event}, decode{&x.Form},
		decode{&x.Steps}, (*[]byte)(&x.Data))
	x.Before, x.Held = p.Before, p.Held
	return x, err
}

const runByID = `SELECT ` + runColumns + runTables + ` WHERE r.id = $1`

// Run is one run with its steps. The webhooks of its steps say how their deliveries stand.
func (s *Store) Run(ctx context.Context, id model.RunID) (model.Run, error) {
	x, err := one(s.reader(ctx), "run", scanRun, runByID, id)
	if err != nil {
		return x, err
	}
	return x, nil
}

// RunFilter narrows a list of runs; zero values do not.
type RunFilter struct {
	WorkflowID model.WorkflowID
	AudienceID model.AudienceID
	Status     model.RunStatus
	Query      string // a part of the subject
}

// Runs lists runs, newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter, p Page) ([]model.Run, string, error) {
	q := selecting("SELECT " + runColumns + runTables)
	q.and(f.WorkflowID != "", "r.workflow_id = ?", f.WorkflowID)
	q.and(f.AudienceID != "", "r.audience_id = ? AND r.audience_id <> ''", f.AudienceID)
	switch f.Status {
	case "":
	case model.RunCompleted:
		q.and(true, "r.status = 'completed'")
	default: // literals, so that the partial index fits
		q.and(isRunStatus(f.Status), "r.status = '"+string(f.Status)+"' AND r.status <> 'completed'")
		q.and(!isRunStatus(f.Status), "r.id = ''")
	}
	q.and(f.Query != "", `r.subject LIKE ? ESCAPE '\'`, like(f.Query))
	return page(s.reader(ctx), q, p, "r.id", scanRun, func(x model.Run) string { return string(x.ID) })
}

func isRunStatus(s model.RunStatus) bool {
	for _, x := range model.RunStatuses() {
		if x == s {
			return true
		}
	}
	return false
}
