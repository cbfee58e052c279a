package db

import (
	"context"
	"strconv"
	"time"

	"waybill/db/model"
)

const auditColumns = `seq, id, at, actor_kind, actor_id, actor_name, via, address, request_id, action, kind, object_id, object, changes, hash`

// auditRow is a line with its place in the chain.
type auditRow struct {
	seq int64
	model.Audit
}

func scanAudit(r row) (auditRow, error) {
	var a auditRow
	err := r.Scan(&a.seq, &a.ID, at{&a.At}, &a.ActorKind, &a.ActorID, &a.ActorName, &a.Via, &a.Address, &a.RequestID, &a.Action, &a.Kind,
		&a.ObjectID, &a.Object, decode{&a.Changes}, &a.Hash)
	return a, err
}

// AuditFilter narrows the audit log; zero values do not.
type AuditFilter struct {
	ObjectID string
	ActorID  string
	Kind     string
	Who      string    // a part of the actor's name
	Address  string    // the beginning of where it came from
	Query    string    // a part of the action, the object's or the actor's name
	From     time.Time // at or after
	To       time.Time // before
}

// AuditLog lists who changed what, newest first.
func (s *Store) AuditLog(ctx context.Context, f AuditFilter, p Page) ([]model.Audit, string, error) {
	q := selecting("SELECT " + auditColumns + " FROM audit")
	q.and(f.ObjectID != "", "object_id = ?", f.ObjectID)
	q.and(f.ActorID != "", "actor_id = ?", f.ActorID)
	q.and(f.Kind != "", "kind = ?", f.Kind)
	q.and(f.Query != "", `(action LIKE '%' || ? || '%' ESCAPE '\' OR object LIKE '%' || ? || '%' ESCAPE '\' OR actor_name LIKE '%' || ? || '%' ESCAPE '\')`, like(f.Query), like(f.Query), like(f.Query))
	q.and(f.Who != "", `actor_name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Who))
	q.and(f.Address != "", `address LIKE ? || '%' ESCAPE '\'`, like(f.Address))
	q.and(!f.From.IsZero(), "at >= ?", ms(f.From))
	q.and(!f.To.IsZero(), "at < ?", ms(f.To))
	rows, next, err := page(s.reader(ctx), q, p, keyed{"seq", ""}, scanAudit, func(a auditRow) string { return strconv.FormatInt(a.seq, 10) })
	out := make([]model.Audit, len(rows))
	for i, a := range rows {
		out[i] = a.Audit
	}
	return out, next, err
}

const auditAfter = `SELECT ` + auditColumns + ` FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1000`

// VerifyAudit walks the chain of hashes from its start. broken is the number of the first row that was changed, or that
// stands behind one that was removed or slipped in; 0 = the log is whole. What was cut off at its end does not show.
func (s *Store) VerifyAudit(ctx context.Context) (broken int64, err error) {
	for seq, hash := int64(0), ""; ; {
		rows, err := all(s.reader(ctx), scanAudit, auditAfter, seq)
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		for _, a := range rows {
			if a.Hash != chain(hash, a.Audit) {
				return a.seq, nil
			}
			seq, hash = a.seq, a.Hash
		}
	}
}
