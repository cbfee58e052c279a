package script

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// limitProcess sets the limits that the operating system keeps. RLIMIT_AS would not do: Go reserves more than a
// gigabyte of addresses that it never touches.
func limitProcess() error {
	for _, l := range []struct {
		resource int
		value    uint64
	}{{syscall.RLIMIT_DATA, dataLimit}, {syscall.RLIMIT_NOFILE, 32}, {syscall.RLIMIT_CORE, 0}, {syscall.RLIMIT_FSIZE, 0}} {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit resource %d: %w", l.resource, err)
		}
	}
	return nil
}

// bind makes the child die with this process, even when it hangs. The kernel watches the thread that started it.
func bind(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
