package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Looking for what is too old reads this many rows at once, without a lock; removing is done in closures of less.
const (
	looked  = 2000
	removed = 200
)

// ---- how much there is ----

const pages = `SELECT page_count, freelist_count, page_size FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`

// DiskUse measures the files of the database and the disk that they are on.
func (s *Store) DiskUse(ctx context.Context) (model.DiskUse, error) {
	out := model.DiskUse{At: s.now()}
	var count, spare, size int64
	if _, err := one(s.reader(ctx), "size", func(r row) (int, error) { return 0, r.Scan(&count, &spare, &size) }, pages); err != nil {
		return out, err
	}
	out.File, out.Spare = count*size, spare*size
	wal, err := os.Stat(filepath.Join(s.dir, FileName+"-wal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("measure the log of writes: %w", err)
	}
	if err == nil {
		out.Log = wal.Size()
	}
	out.Used = out.File - out.Spare + out.Log
	var disk syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &disk); err != nil {
		return out, fmt.Errorf("measure the disk: %w", err)
	}
	block := int64(disk.Bsize) //nolint:unconvert // the types differ between systems
	out.Free, out.Disk = int64(disk.Bavail)*block, int64(disk.Blocks)*block
	return out, nil
}

const (
	noteUse  = `INSERT INTO disk_use (hour, used, free) VALUES ($1, $2, $3) ON CONFLICT (hour) DO UPDATE SET used = excluded.used, free = excluded.free`
	dropUse  = `DELETE FROM disk_use WHERE hour < $1`
	usesFrom = `SELECT hour, used, free FROM disk_use WHERE hour >= $1 ORDER BY hour`
)

// NoteDiskUse keeps a measurement for its hour, and forgets those of 90 days ago.
func (s *Store) NoteDiskUse(ctx context.Context, u model.DiskUse) error {
	hour := u.At.Unix() / 3600
	return s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		if err := tx.exec(noteUse, hour, u.Used, u.Free); err != nil {
			return err
		}
		return tx.exec(dropUse, hour-int64(model.StatsLife.Hours()))
	})
}

// DiskUses lists measurements since t, one an hour, oldest first.
func (s *Store) DiskUses(ctx context.Context, since time.Time) ([]model.DiskUse, error) {
	return all(s.reader(ctx), func(r row) (u model.DiskUse, err error) {
		var hour int64
		err = r.Scan(&hour, &u.Used, &u.Free)
		u.At = time.Unix(hour*3600, 0).UTC()
		return u, err
	}, usesFrom, since.Unix()/3600)
}

const writtenBy = `
SELECT x.id, x.name, c.name, coalesce((SELECT sum(n) FROM stats_all WHERE destination_id = x.id AND what = 'bytes' AND minute >= $1), 0)
FROM destinations x JOIN connections c ON c.id = x.connection_id ORDER BY 4 DESC LIMIT $2`

// Written is how many bytes the attempts of a destination stored.
type Written struct {
	ID         model.DestID
	Name       string
	Connection string
	Bytes      int64
}

// Written lists how much each destination stored since t, most first.
func (s *Store) Written(ctx context.Context, since time.Time, limit int) ([]Written, error) {
	return all(s.reader(ctx), func(r row) (w Written, err error) {
		err = r.Scan(&w.ID, &w.Name, &w.Connection, &w.Bytes)
		return w, err
	},
		writtenBy, model.Minute(since.Truncate(time.Hour)), limit)
}

const expiredSince = `SELECT coalesce(sum(n), 0) FROM stats_all WHERE destination_id = '' AND what = 'expired' AND minute >= $1`

// Expired counts the deliveries that were held too long since t and therefore cancelled.
func (s *Store) Expired(ctx context.Context, since time.Time) (int64, error) {
	return one(s.reader(ctx), "count", number, expiredSince, model.Minute(since))
}

// ---- what goes ----

// Sweep is how far a look at a table has come, in order of its key.
type Sweep struct {
	After  string // key of the last row that was looked at, "" = from the start
	Number int    // of attempts: the second part of the key
	Done   bool   // nothing older is left to look at
	Gone   int64  // rows that were changed or removed by the last step
}

const (
	eventsWithData = `SELECT id, data IS NOT NULL FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3`
	dropData       = `
UPDATE events SET data = NULL WHERE id IN (SELECT value FROM json_each($1)) AND data IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id AND d.settled_at IS NULL)`
)

// DropData removes the data of events made before t, from w on, but of those with deliveries that are not settled.
func (s *Store) DropData(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	type found struct {
		id   string
		data bool
	}
	list, err := all(s.reader(ctx), func(r row) (f found, err error) { err = r.Scan(&f.id, &f.data); return f, err },
		eventsWithData, w.After, model.FirstEventID(before), looked)
	if err != nil {
		return w, err
	}
	var ids []string
	next := Sweep{After: w.After, Done: len(list) < looked}
	for _, f := range list {
		if len(ids) == removed {
			next.Done = false
			break
		}
		if next.After = f.id; f.data {
			ids = append(ids, f.id)
		}
	}
	next.Gone, err = s.remove(ctx, dropData, ids)
	return next, err
}

// remove runs a statement on keys, behind all realtime writes.
func (s *Store) remove(ctx context.Context, statement string, keys []string) (n int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(statement, encode(keys))
		return err
	})
	return n, err
}

const (
	attemptsWithBodies = `
SELECT delivery_id, number, request_body IS NOT NULL OR response_body IS NOT NULL FROM attempts
WHERE (delivery_id, number) > ($1, $2) AND delivery_id < $3 ORDER BY delivery_id, number LIMIT $4`
	dropBodies = `
UPDATE attempts SET request_body = NULL, response_body = NULL WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery_id AND d.settled_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.batch_id = attempts.delivery_id AND d.batch_id <> '' AND d.settled_at IS NULL)`
	dropPayloads = `
DELETE FROM payloads WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = payloads.delivery_id AND d.settled_at IS NULL)`
)

// Attempts belong to a batch or to a delivery; the ids of batches sort before those of deliveries.
const (
	ofBatches    = "bat_"
	ofDeliveries = "dlv_"
)

// DropBodies removes the bodies of attempts made before t of what is settled, from w on.
func (s *Store) DropBodies(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	type found struct {
		id     string
		number int
		body   bool
	}
	if w.After == "" {
		w.After = ofBatches
	}
	kind := w.After[:len(ofBatches)]
	list, err := all(s.reader(ctx), func(r row) (f found, err error) { err = r.Scan(&f.id, &f.number, &f.body); return f, err },
		attemptsWithBodies, w.After, w.Number, model.FirstID(kind, before), looked)
	if err != nil {
		return w, err
	}
	var ids []string
	next := Sweep{After: w.After, Number: w.Number, Done: len(list) < looked}
	for _, f := range list {
		fresh := f.body && (len(ids) == 0 || ids[len(ids)-1] != f.id)
		if fresh && len(ids) == removed/2 {
			next.Done = false
			break
		}
		if next.After, next.Number = f.id, f.number; fresh {
			ids = append(ids, f.id)
		}
	}
	if next.Done && kind == ofBatches {
		next = Sweep{After: ofDeliveries}
	}
	if next.Gone, err = s.remove(ctx, dropBodies, ids); err != nil {
		return w, err
	}
	_, err = s.remove(ctx, dropPayloads, ids)
	return next, err
}

const (
	oldBatches  = `SELECT DISTINCT delivery_id FROM attempts WHERE delivery_id > $1 AND delivery_id < $2 ORDER BY delivery_id LIMIT $3`
	dropBatches = `
DELETE FROM attempts WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.batch_id = attempts.delivery_id AND d.batch_id <> '')`
)

// DropBatches removes the attempts of batches made before t that no delivery belongs to any more, from w on.
func (s *Store) DropBatches(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	if w.After == "" {
		w.After = ofBatches
	}
	return s.dropAll(ctx, oldBatches, dropBatches, model.FirstID(ofBatches, before), removed/2, w)
}

// dropAll looks at limit keys up to end and runs drop on them.
func (s *Store) dropAll(ctx context.Context, find, drop, end string, limit int, w Sweep) (Sweep, error) {
	ids, err := all(s.reader(ctx), text[string], find, w.After, end, limit)
	if err != nil {
		return w, err
	}
	next := Sweep{After: w.After, Done: len(ids) < limit}
	if len(ids) > 0 {
		next.After = ids[len(ids)-1]
	}
	next.Gone, err = s.remove(ctx, drop, ids)
	return next, err
}

const (
	oldDeliveries = `SELECT id, attempts + 1, settled_at IS NOT NULL FROM deliveries WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3`
	dropAttempts  = `DELETE FROM attempts WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropPayload   = `DELETE FROM payloads WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropFates     = `DELETE FROM fates WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropRows      = `DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each($1)) AND settled_at IS NOT NULL RETURNING id`
)

// DropDeliveries removes settled deliveries made before t, with their attempts, from w on.
func (s *Store) DropDeliveries(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	type found struct {
		id      string
		rows    int
		settled bool
	}
	list, err := all(s.reader(ctx), func(r row) (f found, err error) { err = r.Scan(&f.id, &f.rows, &f.settled); return f, err },
		oldDeliveries, w.After, model.FirstDeliveryID(before), looked)
	if err != nil {
		return w, err
	}
	var ids []string
	next, rows := Sweep{After: w.After, Done: len(list) < looked}, 0
	for _, f := range list {
		if f.settled && len(ids) > 0 && rows+f.rows > 2*removed {
			next.Done = false
			break
		}
		if next.After = f.id; f.settled {
			ids, rows = append(ids, f.id), rows+f.rows+1
		}
	}
	if len(ids) == 0 {
		return next, nil
	}
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		gone, err := all(tx, text[string], dropRows, encode(ids)) // one may have been retried meanwhile
		if err != nil {
			return err
		}
		next.Gone = int64(len(gone))
		for _, drop := range []string{dropAttempts, dropFates, dropPayload} {
			if err := tx.exec(drop, encode(gone)); err != nil {
				return err
			}
		}
		return nil
	})
	return next, err
}

const (
	oldEvents  = `SELECT id FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3`
	dropEvents = `
DELETE FROM events WHERE id IN (SELECT value FROM json_each($1)) AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id)`
)

// DropEvents removes events made before t that no delivery belongs to any more, from w on.
func (s *Store) DropEvents(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	return s.dropAll(ctx, oldEvents, dropEvents, string(model.FirstEventID(before)), 2*removed, w)
}

const (
	heldBefore = `SELECT ` + deliveryColumns + deliveryTables + `
WHERE d.status = 'held' AND d.status <> 'delivered' AND d.status <> 'pending' AND d.id < $1 AND d.updated_at < $2 LIMIT $3`
	expire = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, last_error = $1, updated_at = $2, settled_at = $2, version = version + 1
WHERE id = $3 AND status = 'held'`
	countExpired = `
INSERT INTO stats (destination_id, what, minute, n, last_at, last_error, delivery_id) VALUES ($1, 'expired', $2, 1, $3, '', '')
ON CONFLICT (destination_id, what, minute) DO UPDATE SET n = n + 1, last_at = excluded.last_at`
)

// ExpireHeld cancels up to 100 deliveries that were held since before t, counts them, and says how many.
func (s *Store) ExpireHeld(ctx context.Context, before time.Time, why string) (n int, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		list, err := all(tx, scanDelivery, heldBefore, model.FirstDeliveryID(before), ms(before), removed/2)
		if err != nil {
			return err
		}
		n = len(list)
		for _, d := range list {
			if err := tx.exec(expire, why, ms(tx.now), d.ID); err != nil {
				return err
			}
			for _, of := range []model.DestID{"", d.DestinationID} {
				if err := tx.exec(countExpired, of, model.Minute(tx.now), ms(tx.now)); err != nil {
					return err
				}
				if d.DestinationID == "" {
					break
				}
			}
			d.Status, d.SettledAt = model.Cancelled, tx.stamp()
			if err := tx.cancelled(d); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

const hasData = `SELECT EXISTS (SELECT 1 FROM events e JOIN deliveries d ON d.event_id = e.id WHERE d.id = $1 AND e.data IS NULL)`

// WantData refuses what needs the data of a delivery's event when retention has taken it.
func (tx *Tx) WantData(id model.DeliveryID) error {
	gone, err := tx.has(hasData, id)
	if err == nil && gone {
		err = fault.Coded(fault.Conflict, "data_removed", "The data of this event was removed by retention; there is nothing left to send.")
	}
	return err
}

// GiveBackPages returns up to n pages that hold nothing to the disk.
func (s *Store) GiveBackPages(ctx context.Context, n int) error {
	return s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		_, err := all(tx, func(row) (int, error) { return 0, nil }, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", n))
		return err
	})
}

// Checkpoint brings the log of writes into the file as far as no reader is in the way; only then a file that gave back pages is shorter.
func (s *Store) Checkpoint() error {
	done := make(chan error, 1)
	s.writer.submit(&op{alone: func(ctx context.Context, c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		return err
	}, done: func(err error) { done <- err }}, true)
	return <-done
}

// ReserveName is the file that is given up when the disk is full, so that there is room for deleting.
const ReserveName = "reserve"

// Reserve makes the reserve of size bytes, when it is not there; GiveUp takes it away. Either says whether it did something.
func (s *Store) Reserve(size int64) (bool, error) {
	path := filepath.Join(s.dir, ReserveName)
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("make the reserve: %w", err)
	}
	defer f.Close()
	zeros := make([]byte, 1<<20)
	for n := int64(0); n < size; n += int64(len(zeros)) { // written, not just sized: a hole takes no room
		if _, err := f.Write(zeros[:min(int64(len(zeros)), size-n)]); err != nil {
			_ = os.Remove(path)
			return false, fmt.Errorf("fill the reserve: %w", err)
		}
	}
	return true, f.Sync()
}

// GiveUp removes the reserve.
func (s *Store) GiveUp() (bool, error) {
	err := os.Remove(filepath.Join(s.dir, ReserveName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
