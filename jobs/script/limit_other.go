//go:build !linux

package script

import "os/exec"

// limitProcess leaves the bounds to Go's own limits, the interrupt and the kill by the pool: memory may peak higher
// here until the worker is killed.
func limitProcess() error { return nil }

func bind(*exec.Cmd) {}
