package db

import (
	"context"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const exportName = "export"

// storedExport is ExportSettings as JSON.
type storedExport struct {
	Enabled      bool               `json:"enabled"`
	ConnectionID model.ConnectionID `json:"connection_id"`
	Format       model.ExportFormat `json:"format"`
	Datasets     []model.Dataset    `json:"datasets"`
	Data         bool               `json:"data"`
	Pattern      string             `json:"pattern"`
	Since        int64              `json:"since"`
}

// ExportSettings are what is written every hour, and where.
func (s *Store) ExportSettings(ctx context.Context) (model.ExportSettings, error) {
	return exportSettings(s.reader(ctx))
}

func exportSettings(q querier) (model.ExportSettings, error) {
	d := model.DefaultExport()
	got, err := settingOf(q, exportName, storedExport{Format: d.Format, Datasets: d.Datasets, Data: d.Data, Pattern: d.Pattern})
	v := got.value
	out := model.ExportSettings{Enabled: v.Enabled, ConnectionID: v.ConnectionID, Format: v.Format, Datasets: v.Datasets, Data: v.Data, Pattern: v.Pattern, Changed: got.at, Version: got.version}
	if v.Since != 0 {
		out.Since = time.UnixMilli(v.Since).UTC()
	}
	return out, err
}

// UpdateExport stores n, which is clean and checked; versions count as in UpdateConnection. Switched on, it begins with the
// hour that runs now.
func (tx *Tx) UpdateExport(n model.ExportSettings) error {
	old, err := exportSettings(tx)
	if err != nil {
		return err
	}
	if err := tx.wantBucket(n.ConnectionID); err != nil {
		return err
	}
	n.Since = old.Since
	if n.Enabled && !old.Enabled {
		n.Since = tx.now.UTC().Truncate(time.Hour)
	}
	diff := changes("enabled", yes(old.Version > 0, old.Enabled), yes(true, n.Enabled), "connection_id", string(old.ConnectionID), string(n.ConnectionID), "format", string(old.Format), string(n.Format),
		"datasets", encode(old.Datasets), encode(n.Datasets), "data", yes(true, old.Data), yes(true, n.Data), "pattern", old.Pattern, n.Pattern)
	return tx.putSetting(exportName, storedExport{n.Enabled, n.ConnectionID, n.Format, n.Datasets, n.Data, n.Pattern, ms(n.Since)}, old.Version, n.Version, diff)
}

// wantBucket complains about a connection that is none of a bucket; "" is well.
func (tx *Tx) wantBucket(id model.ConnectionID) error {
	if id == "" {
		return nil
	}
	c, err := one(tx, "connection", scanConnection, connectionByID, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return complain("connection_id", "There is no such connection.")
	case err == nil && c.Type != model.ConnectionS3:
		return complain("connection_id", "“%s” is no connection to a bucket.", c.Name)
	}
	return err
}

const exportColumns = `hour, auto, backfill, status, connection_id, manifest, files, records, bytes, attempts, error, next_at, started_at, written_at, uploads`

func scanExport(r row) (model.Export, error) {
	var x model.Export
	err := r.Scan(at{&x.Hour}, &x.Auto, &x.Backfill, &x.Status, &x.ConnectionID, &x.Manifest, decode{&x.Files}, &x.Records, &x.Bytes, &x.Attempts, &x.Error, at{&x.NextAt},
		at{&x.StartedAt}, at{&x.WrittenAt}, decode{&x.Uploads})
	return x, err
}

// ExportFilter narrows a list of hours; zero values do not.
type ExportFilter struct {
	Status   model.ExportStatus
	From, To time.Time // hours that begin in it
}

// Exports lists hours, newest first.
func (s *Store) Exports(ctx context.Context, f ExportFilter, p Page) ([]model.Export, string, error) {
	q := selecting("SELECT " + exportColumns + " FROM exports")
	q.and(f.Status != "", "status = ?", f.Status)
	q.and(!f.From.IsZero(), "hour >= ?", ms(f.From))
	q.and(!f.To.IsZero(), "hour < ?", ms(f.To))
	return page(s.reader(ctx), q, p, keyed{"hour", ""}, scanExport, func(x model.Export) string { return strconv.FormatInt(ms(x.Hour), 10) })
}

const (
	exportByHour = `SELECT ` + exportColumns + ` FROM exports WHERE hour = $1`
	lastExport   = `SELECT coalesce(max(hour), 0) FROM exports WHERE auto = 1`
	dueExports   = `SELECT ` + exportColumns + ` FROM exports WHERE status <> 'written' AND next_at <= $1 AND (auto = 0 OR backfill <> '' OR $2 = 1) ORDER BY auto DESC, hour LIMIT 1`
	nextExport   = `SELECT coalesce(min(next_at), 0) FROM exports WHERE status <> 'written' AND (auto = 0 OR backfill <> '' OR $1 = 1)`
	openExports  = `SELECT count(*) FROM exports WHERE status <> 'written'`
	lastWritten  = `SELECT ` + exportColumns + ` FROM exports WHERE status = 'written' ORDER BY hour DESC LIMIT 1`
	addExport    = `
INSERT INTO exports (hour, auto, backfill, status, connection_id, manifest, files, records, bytes, attempts, error, next_at, started_at, written_at, uploads)
VALUES ($1, 1, '', 'waiting', '', '', '[]', 0, 0, 0, '', 0, 0, 0, '[]')
ON CONFLICT (hour) DO UPDATE SET auto = 1`
	askExport = `
INSERT INTO exports (hour, auto, backfill, status, connection_id, manifest, files, records, bytes, attempts, error, next_at, started_at, written_at, uploads)
VALUES ($1, 0, $2, 'waiting', '', '', '[]', 0, 0, 0, '', 0, 0, 0, '[]')
ON CONFLICT (hour) DO UPDATE SET backfill = excluded.backfill, status = CASE WHEN $3 = 1 OR status <> 'written' THEN 'waiting' ELSE status END, error = '', next_at = 0, attempts = 0`
	beginExport  = `UPDATE exports SET status = 'writing', connection_id = $1, started_at = $2, uploads = '[]' WHERE hour = $3`
	noteUpload   = `UPDATE exports SET uploads = $1 WHERE hour = $2`
	finishExport = `
UPDATE exports SET status = 'written', manifest = $1, files = $2, records = $3, bytes = $4, written_at = $5, attempts = 0, error = '', next_at = 0, uploads = '[]' WHERE hour = $6`
	failExport   = `UPDATE exports SET status = $1, error = $2, next_at = $3, attempts = attempts + ($2 <> '') WHERE hour = $4 AND status = 'writing'`
	retryExports = `UPDATE exports SET next_at = 0 WHERE status <> 'written' AND next_at > 0`
)

// LastExport is the last hour whose turn came by the clock, zero = none.
func (s *Store) LastExport(ctx context.Context) (time.Time, error) {
	return one(s.reader(ctx), "hour", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return t, err }, lastExport)
}

// DueExport is the hour to be written next, those of the clock first (none of them with auto off, unless somebody asked for
// it); NotFound when none is due.
func (s *Store) DueExport(ctx context.Context, now time.Time, auto bool) (model.Export, error) {
	return one(s.reader(ctx), "hour", scanExport, dueExports, ms(now), auto)
}

// LastWritten is the newest hour that is written; NotFound when none is.
func (s *Store) LastWritten(ctx context.Context) (model.Export, error) {
	return one(s.reader(ctx), "hour", scanExport, lastWritten)
}

// NextExport is when the first hour that waits may be written, zero = at once or never; open is how many wait.
func (s *Store) NextExport(ctx context.Context, auto bool) (next time.Time, open int64, err error) {
	if open, err = one(s.reader(ctx), "hour", number, openExports); err != nil || open == 0 {
		return next, open, err
	}
	next, err = one(s.reader(ctx), "hour", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return t, err }, nextExport, auto)
	return next, open, err
}

var exporter = model.System("export")

// AddExports notes hours whose turn has come; at most 500.
func (s *Store) AddExports(ctx context.Context, hours []time.Time) error {
	return s.WriteBulk(ctx, exporter, func(tx *Tx) error {
		for _, h := range hours {
			if err := tx.exec(addExport, ms(h)); err != nil {
				return err
			}
		}
		return nil
	})
}

// BeginExport notes that an hour is being written. It waits behind all writes that were asked for before, so that what
// belongs to the hour is on disk when it returns.
func (s *Store) BeginExport(ctx context.Context, hour time.Time, to model.ConnectionID) error {
	return s.WriteBulk(ctx, exporter, func(tx *Tx) error { return tx.exec(beginExport, to, ms(tx.now), ms(hour)) })
}

// NoteUploads keeps what was begun in parts for an hour.
func (s *Store) NoteUploads(ctx context.Context, hour time.Time, list []model.ExportUpload) error {
	return s.WriteBulk(ctx, exporter, func(tx *Tx) error { return tx.exec(noteUpload, encode(list), ms(hour)) })
}

// FinishExport notes what was written of an hour. The last one ends its backfill.
func (s *Store) FinishExport(ctx context.Context, x model.Export) error {
	return s.WriteBulk(ctx, exporter, func(tx *Tx) error {
		if err := tx.exec(finishExport, x.Manifest, encode(x.Files), x.Records, x.Bytes, ms(tx.now), ms(x.Hour)); err != nil {
			return err
		}
		return tx.exec(endBackfills, ms(tx.now))
	})
}

// FailExport notes why an hour could not be written, and when it is tried again. With "" it was interrupted: it waits.
func (s *Store) FailExport(ctx context.Context, hour time.Time, why string, next time.Time) error {
	status := model.ExportFailed
	if why == "" {
		status = model.ExportWaiting
	}
	return s.WriteBulk(ctx, exporter, func(tx *Tx) error { return tx.exec(failExport, status, why, ms(next), ms(hour)) })
}

// RetryExports lets hours that failed be written at once.
func (tx *Tx) RetryExports() error {
	n, err := tx.count(retryExports)
	if err != nil || n == 0 {
		return err
	}
	return tx.audit("export", "retried", exportName, "hourly export", changes("hours", "", strconv.FormatInt(n, 10)))
}

const backfillColumns = `b.id, b.from_at, b.to_at, b.hours, b.by_name, b.created_at, b.cancelled_at, b.finished_at,
  (SELECT count(*) FROM exports x WHERE x.backfill = b.id AND x.backfill <> '' AND x.status = 'written'),
  (SELECT count(*) FROM exports x WHERE x.backfill = b.id AND x.backfill <> '' AND x.status = 'failed')`

func scanBackfill(r row) (model.Backfill, error) {
	var b model.Backfill
	err := r.Scan(&b.ID, at{&b.From}, at{&b.To}, &b.Hours, &b.By, at{&b.CreatedAt}, at{&b.CancelledAt}, at{&b.FinishedAt}, &b.Written, &b.Failed)
	return b, err
}

const (
	backfillByID   = `SELECT ` + backfillColumns + ` FROM backfills b WHERE b.id = $1`
	insertBackfill = `INSERT INTO backfills (id, from_at, to_at, hours, by_name, created_at, cancelled_at, finished_at) VALUES ($1, $2, $3, 0, $4, $5, NULL, NULL)`
	growBackfill   = `UPDATE backfills SET hours = hours + $1 WHERE id = $2`
	openBackfill   = `SELECT ` + backfillColumns + ` FROM backfills b WHERE b.finished_at IS NULL ORDER BY b.id LIMIT 1`
	endBackfills   = `
UPDATE backfills SET finished_at = $1
WHERE finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM exports x WHERE x.backfill = backfills.id AND x.backfill <> '' AND x.status <> 'written')`
	cancelBackfill = `UPDATE backfills SET cancelled_at = $1, finished_at = $1 WHERE id = $2 AND finished_at IS NULL`
	leaveHours     = `UPDATE exports SET backfill = '', status = CASE WHEN written_at > 0 AND auto = 0 THEN 'written' ELSE status END WHERE backfill = $1 AND backfill <> '' AND status <> 'written' AND (auto = 1 OR written_at > 0)`
	dropHours      = `DELETE FROM exports WHERE backfill = $1 AND backfill <> '' AND status <> 'written' AND auto = 0 AND written_at = 0`
)

// Backfills lists ranges that were asked for, newest first.
func (s *Store) Backfills(ctx context.Context, p Page) ([]model.Backfill, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+backfillColumns+" FROM backfills b"), p, keyed{"b.id", "bkf_"}, scanBackfill, func(b model.Backfill) string { return string(b.ID) })
}

// Backfill is one range that was asked for.
func (s *Store) Backfill(ctx context.Context, id model.BackfillID) (model.Backfill, error) {
	return one(s.reader(ctx), "backfill", scanBackfill, backfillByID, id)
}

// StartBackfill begins one for whole hours from b.From to b.To and fills in the rest; AskHours adds its hours.
func (tx *Tx) StartBackfill(b *model.Backfill) error {
	open, err := all(tx, scanBackfill, openBackfill)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fault.Coded(fault.Conflict, "running", "A backfill is under way already (%d of %d hours); cancel it, or wait until it is done.", open[0].Written, open[0].Hours)
	}
	n := *b
	n.ID, n.By, n.CreatedAt = model.NewBackfillID(tx.now), plain(tx.actor.Name), tx.stamp()
	if err := tx.exec(insertBackfill, n.ID, ms(n.From), ms(n.To), n.By, ms(tx.now)); err != nil {
		return err
	}
	fill(tx, b, n)
	return tx.audit("backfill", "started", string(n.ID), "hours of the export", changes("from", "", model.Stamp(n.From), "to", "", model.Stamp(n.To)))
}

// AskHours adds up to 500 hours to a backfill. Those that are written already stay as they are unless again is set.
func (tx *Tx) AskHours(id model.BackfillID, hours []time.Time, again bool) error {
	for _, h := range hours {
		if err := tx.exec(askExport, ms(h), id, again); err != nil {
			return err
		}
	}
	return tx.exec(growBackfill, len(hours), id)
}

// EndBackfills ends those that have nothing left to do.
func (tx *Tx) EndBackfills() error { return tx.exec(endBackfills, ms(tx.now)) }

// CancelBackfill takes back what a backfill has not written yet. Hours whose turn came by the clock are written all the same.
func (tx *Tx) CancelBackfill(id model.BackfillID) (model.Backfill, error) {
	b, err := one(tx, "backfill", scanBackfill, backfillByID, id)
	if err != nil {
		return b, err
	}
	n, err := tx.count(cancelBackfill, ms(tx.now), id)
	if err == nil && n == 0 {
		err = fault.Coded(fault.Conflict, "ended", "It has ended already.")
	}
	for _, q := range []string{dropHours, leaveHours} {
		if err == nil {
			err = tx.exec(q, id)
		}
	}
	if err != nil {
		return b, err
	}
	b.CancelledAt, b.FinishedAt = tx.stamp(), tx.stamp()
	return b, tx.audit("backfill", "cancelled", string(id), "hours of the export", changes("written", "", strconv.Itoa(b.Written), "hours", "", strconv.Itoa(b.Hours)))
}
