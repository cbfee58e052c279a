package db

import (
	"context"
	"strings"

	"waybill/db/model"
)

const (
	auditByID    = `SELECT ` + auditColumns + ` FROM audit WHERE id = $1`
	auditBefore  = `SELECT ` + auditColumns + ` FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT 1`
	auditNext    = `SELECT ` + auditColumns + ` FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1`
	objectBefore = `SELECT ` + auditColumns + ` FROM audit WHERE object_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1`
	objectNext   = `SELECT ` + auditColumns + ` FROM audit WHERE object_id = $1 AND seq > $2 ORDER BY seq LIMIT 1`
	objectLast   = `SELECT ` + auditColumns + ` FROM audit WHERE object_id = $1 ORDER BY seq DESC LIMIT 1`
)

// AuditEntry is one row of the audit log with its place in the chain, and its neighbours in the log and in the history of
// its object.
func (s *Store) AuditEntry(ctx context.Context, id model.AuditID) (model.AuditEntry, error) {
	q := s.reader(ctx)
	row, err := one(q, "change", scanAudit, auditByID, id)
	if err != nil {
		return model.AuditEntry{}, err
	}
	e := model.AuditEntry{Audit: row.Audit, Number: row.seq}
	before, err := perhaps(q, auditBefore, row.seq)
	if err != nil {
		return e, err
	}
	e.Before, e.Older = before.Hash, before.ID
	e.Whole = row.Hash == chain(before.Hash, row.Audit)
	after, err := perhaps(q, auditNext, row.seq)
	if e.Newer = after.ID; err != nil || row.ObjectID == "" {
		return e, err
	}
	if before, err = perhaps(q, objectBefore, row.ObjectID, row.seq); err != nil {
		return e, err
	}
	if after, err = perhaps(q, objectNext, row.ObjectID, row.seq); err != nil {
		return e, err
	}
	last, err := perhaps(q, objectLast, row.ObjectID)
	e.OlderOfObject, e.NewerOfObject, e.Gone = before.ID, after.ID, strings.HasSuffix(last.Action, ".deleted")
	return e, err
}

// perhaps is the row that a query finds, the zero value when there is none.
func perhaps(q querier, query string, args ...any) (auditRow, error) {
	rows, err := all(q, scanAudit, query, args...)
	if err != nil || len(rows) == 0 {
		return auditRow{}, err
	}
	return rows[0], nil
}
