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

	"waybill/db/model"
)

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
FROM destinations x JOIN connections c ON c.id = x.connection_id ORDER BY 4 DESC LIMIT +$2`

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
	if err := occupy(f, size); err != nil {
		_ = os.Remove(path)
		return false, fmt.Errorf("fill the reserve: %w", err)
	}
	return true, f.Sync()
}

// occupy makes f take so many bytes of the disk: a hole would take none.
func occupy(f *os.File, size int64) error {
	if allocate(f, size) == nil {
		return nil
	}
	zeros := make([]byte, 1<<20)
	for n := int64(0); n < size; n += int64(len(zeros)) {
		if _, err := f.Write(zeros[:min(int64(len(zeros)), size-n)]); err != nil {
			return err
		}
	}
	return nil
}

// GiveUp removes the reserve.
func (s *Store) GiveUp() (bool, error) {
	err := os.Remove(filepath.Join(s.dir, ReserveName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
