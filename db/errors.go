package db

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"waybill/db/fault"
)

// sorted turns what SQLite says into a fault where a caller can act on it, and leaves the rest as it is.
func sorted(err error) error {
	if err == nil || fault.Of(err) != nil || errors.Is(err, context.Canceled) {
		return err
	}
	switch code(err) {
	case lib.SQLITE_FULL:
		return &fault.Fault{Kind: fault.Unavailable, Code: "disk_full", RetryAfter: 5, Cause: err,
			Message: "The disk of this server is full; nothing was stored. It goes on by itself when there is room."}
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY:
		return &fault.Fault{Kind: fault.Unavailable, Code: "disk_error", RetryAfter: 5, Cause: err,
			Message: "The database of this server could not be written; nothing was stored."}
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return &fault.Fault{Kind: fault.Unavailable, Code: "busy", RetryAfter: 1, Cause: err,
			Message: "The database is busy; nothing was stored. Try again."}
	}
	return err
}

// code is SQLite's primary result code in err's chain, 0 when there is none.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// taken reports whether err is a violated UNIQUE or PRIMARY KEY rule.
func taken(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// broken reports whether the database file can no longer be trusted in this process.
func broken(err error) bool {
	c := code(err)
	return c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB || c == lib.SQLITE_IOERR
}
