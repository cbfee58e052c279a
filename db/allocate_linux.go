package db

import (
	"os"
	"syscall"
)

// allocate reserves size bytes of the disk for f without writing them; not every file system can.
func allocate(f *os.File, size int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) }
