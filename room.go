package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"waybill/db"
	"waybill/db/fault"
)

// startRoom is what must be free on the disk for a start, in bytes: for the log of writes and its index.
const startRoom = 4 << 20

// free is how much of the disk under a folder anybody may take; false when it cannot be known.
func free(dir string) (int64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true
}

// makeRoom gives up the reserve when the disk is too full to start.
func makeRoom(dir string, log *slog.Logger) {
	if n, ok := free(dir); !ok || n >= startRoom {
		return
	}
	if os.Remove(filepath.Join(dir, db.ReserveName)) == nil {
		log.Warn("the disk is full; the reserve was given up, so that this can start and remove old data")
	}
}

// noRoom is what to say when a start failed: on a full disk that, and what to do.
func noRoom(dir string, err error) error {
	n, ok := free(dir)
	f := fault.Of(err)
	full := f != nil && f.Code == "disk_full" // what was given back since may look like room
	if !ok || n >= startRoom && !full {
		return err
	}
	return roomError(fmt.Sprintf("the disk of the data folder %s is full: %d KiB are free, a start needs %d MiB and more for what it writes. Make room there, then start Waybill again", dir, n>>10, startRoom>>20))
}

// roomError is the one thing to be said of a start on a full disk, whatever else fails after it.
type roomError string

func (e roomError) Error() string { return string(e) }
