package jobs

import (
	"testing"
	"testing/synctest"
	"time"
)

// What waits to try again does not hold up the end.
func TestRestHeedsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Service{stopped: make(chan struct{})}
		time.AfterFunc(time.Second, func() { close(s.stopped) })
		start := time.Now()
		s.rest(time.Hour)
		if took := time.Since(start); took != time.Second {
			t.Errorf("rested for %s", took)
		}
	})
}
