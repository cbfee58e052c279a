//go:build !linux

package script

import (
	"os/exec"
	"time"
)

// limitProcess leaves the bounds to Go's own limits, the interrupt and the kill by the pool: memory may peak higher
// here until the worker is killed.
func limitProcess() error { return nil }

func bind(*exec.Cmd) {}

var born = time.Now()

// processorTime is the time since the start: what others take of the processors counts too.
func processorTime() time.Duration { return time.Since(born) }
