package db

import (
	"context"
	"database/sql"
	"os"
	"slices"

	"waybill/db/fault"
)

// logFile is the log of writes as the keeper needs it.
type logFile interface {
	Sync() error
	Close() error
}

// openLog opens the log beside the file that the database really is in, which need not be what it is called by.
func openLog(ctx context.Context, conn *sql.Conn) (*os.File, error) {
	var path string
	if err := conn.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path); err != nil {
		return nil, err
	}
	return os.OpenFile(path+"-wal", os.O_RDWR, 0)
}

// keep brings each group to the disk, and tells those who wait for changes and its callers.
func (w *writer) keep() {
	defer close(w.stopped)
	var lost error // for good: after a sync that failed, another one that succeeds proves nothing
	for group := range w.written {
		if lost == nil && slices.ContainsFunc(group, func(o *op) bool { return o.err == nil }) {
			lost = w.sync()
		}
		if lost == nil && slices.ContainsFunc(group, func(o *op) bool { return o.touched }) {
			w.s.notify()
		}
		for _, o := range group {
			if lost != nil {
				o.err = lost // one that failed by itself may have done so for what is lost
			}
			if o.err == nil {
				for _, fn := range o.after {
					fn()
				}
			} else {
				o.giveBack()
			}
			o.done(sorted(o.err))
		}
	}
}

// sync returns when all that was committed is on disk.
func (w *writer) sync() error {
	if w.dead() {
		return errDead
	}
	if err := w.log.Sync(); err != nil {
		w.giveUp(err)
		return errDead
	}
	return nil
}

var errDead = &fault.Fault{Kind: fault.Unavailable, Code: "disk_error", Message: "The database of this server could not be written; whether this is stored is not certain. Send it again when the server is back."}

// dead reports whether judge gave the file up.
func (w *writer) dead() bool {
	select {
	case <-w.failed:
		return true
	default:
		return false
	}
}

// judge stops the store when the file itself can no longer be trusted.
func (w *writer) judge(err error) {
	if broken(err) {
		w.giveUp(err)
	}
}

func (w *writer) giveUp(err error) {
	w.broke.Do(func() {
		w.s.log.Error("the database file cannot be trusted any more; stopping", "error", err)
		close(w.failed)
	})
}
