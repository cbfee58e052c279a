package main

import (
	"context"
	"net/http"
	"sync"
)

// drain knows the requests that began before the stop. While they run the server goes on listening, so that /readyz can
// say that it stops and others are turned away with words.
type drain struct {
	mu       sync.Mutex
	open     int
	stopping bool
	done     chan struct{}
}

func newDrain() *drain { return &drain{done: make(chan struct{})} }

func (d *drain) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.enter() {
			defer d.leave()
		}
		next.ServeHTTP(w, r)
	})
}

func (d *drain) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopping {
		d.open++
	}
	return !d.stopping
}

func (d *drain) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open--; d.open == 0 && d.stopping {
		close(d.done)
	}
}

// stop counts no further requests.
func (d *drain) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping = true; d.open == 0 {
		close(d.done)
	}
}

// wait blocks until the requests that were counted are done, or ctx is.
func (d *drain) wait(ctx context.Context) {
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}
