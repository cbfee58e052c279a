package db

import (
	"context"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const audienceRunColumns = `r.id, r.audience_id, coalesce(a.name, ''), r.workflow_id, coalesce(w.name, ''), r.workflow_version, r.generation, r.total, r.next, r.rate, r.status, r.reason,
  r.started_by, r.created_at, r.updated_at, r.finished_at, r.version`

const audienceRunTables = ` FROM audience_runs r LEFT JOIN audiences a ON a.id = r.audience_id LEFT JOIN workflows w ON w.id = r.workflow_id`

func scanAudienceRun(r row) (model.AudienceRun, error) {
	var x model.AudienceRun
	err := r.Scan(&x.ID, &x.AudienceID, &x.Audience, &x.WorkflowID, &x.Workflow, &x.WorkflowVersion, &x.Generation, &x.Total, &x.Next, &x.Rate, &x.Status, &x.Reason,
		decode{&x.StartedBy}, at{&x.CreatedAt}, at{&x.UpdatedAt}, at{&x.FinishedAt}, &x.Version)
	return x, err
}

const audienceRunByID = `SELECT ` + audienceRunColumns + audienceRunTables + ` WHERE r.id = $1`

// AudienceRun is one start of a workflow over an audience.
func (s *Store) AudienceRun(ctx context.Context, id model.AudienceRunID) (model.AudienceRun, error) {
	return one(s.reader(ctx), "audience run", scanAudienceRun, audienceRunByID, id)
}

// AudienceRunFilter narrows a list of audience runs; zero values do not.
type AudienceRunFilter struct {
	AudienceID model.AudienceID
	Running    bool
}

// AudienceRuns lists them, newest first.
func (s *Store) AudienceRuns(ctx context.Context, f AudienceRunFilter, p Page) ([]model.AudienceRun, string, error) {
	q := selecting("SELECT " + audienceRunColumns + audienceRunTables)
	q.and(f.AudienceID != "", "r.audience_id = ?", f.AudienceID)
	q.and(f.Running, "r.status = 'running'")
	return page(s.reader(ctx), q, p, keyed{"r.id", "aru_"}, scanAudienceRun, func(x model.AudienceRun) string { return string(x.ID) })
}

const insertAudienceRun = `
INSERT INTO audience_runs (id, audience_id, workflow_id, workflow_version, generation, total, next, rate, status, reason, started_by, created_at, updated_at, finished_at, version)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 'running', '', $8, $9, $9, 0, 1)`

// StartAudienceRun begins to start a workflow over the records that an audience holds now, and fills in the rest of x.
func (tx *Tx) StartAudienceRun(x *model.AudienceRun) error {
	a, err := one(tx, "audience", scanAudience, audienceByID, x.AudienceID)
	if err != nil {
		return err
	}
	if a.Count == 0 {
		return complain("audience_id", "This audience holds no records.")
	}
	n := *x
	n.ID, n.Audience, n.Generation, n.Total, n.Status = model.NewAudienceRunID(tx.now), a.Name, a.Generation, a.Count, model.AudienceRunning
	n.CreatedAt, n.UpdatedAt, n.Version, n.StartedBy = tx.stamp(), tx.stamp(), 1, tx.actor
	n.StartedBy.Rights = nil
	if err := tx.exec(insertAudienceRun, n.ID, n.AudienceID, n.WorkflowID, n.WorkflowVersion, n.Generation, n.Total, n.Rate, encode(n.StartedBy), ms(tx.now)); err != nil {
		return err
	}
	fill(tx, x, n)
	return tx.audit("audience_run", "started", string(n.ID), n.Workflow+" over "+a.Name, changes("workflow_id", "", string(n.WorkflowID), "records", "", strconv.FormatInt(n.Total, 10)))
}

// AudienceRun is one as it stands in this transaction.
func (tx *Tx) AudienceRun(id model.AudienceRunID) (model.AudienceRun, error) {
	return one(tx, "audience run", scanAudienceRun, audienceRunByID, id)
}

// Members are records as they stand in this transaction.
func (tx *Tx) Members(id model.AudienceID, generation, first, end int64) ([]model.Member, error) {
	return all(tx, scanMember, membersOf, id, generation, first, end)
}

const moveAudienceRun = `
UPDATE audience_runs SET next = $1, status = $2, reason = $3, updated_at = $4, finished_at = $5, version = version + 1
WHERE id = $6 AND status = 'running'`

// MoveAudienceRun notes how far it is; the last record completes it. The runs that it started are in the same transaction.
func (tx *Tx) MoveAudienceRun(x model.AudienceRun, next int64) error {
	status, ended := model.AudienceRunning, time.Time{}
	if next >= x.Total {
		status, ended = model.AudienceCompleted, tx.now
	}
	return tx.exec(moveAudienceRun, next, status, "", ms(tx.now), ms(ended), x.ID)
}

// EndAudienceRun stops one that goes on, or marks it as failed with a reason. The runs that it has started go on.
func (tx *Tx) EndAudienceRun(id model.AudienceRunID, status model.AudienceRunStatus, reason string) (model.AudienceRun, error) {
	x, err := tx.AudienceRun(id)
	if err != nil {
		return x, err
	}
	n, err := tx.count(moveAudienceRun, x.Next, status, reason, ms(tx.now), ms(tx.now), id)
	if err != nil {
		return x, err
	}
	if n == 0 {
		return x, fault.Coded(fault.Conflict, "ended", "It has ended already (%s).", fault.State(x.Status))
	}
	if err := tx.audit("audience_run", string(status), string(id), x.Workflow+" over "+x.Audience, changes("started", "", strconv.FormatInt(x.Next, 10), "reason", "", reason)); err != nil {
		return x, err
	}
	return tx.AudienceRun(id)
}
