package egress

import (
	"net"
	"sync"
	"time"
)

// tries notes what one dial went through; two address families may be tried at once.
type tries struct {
	mu    sync.Mutex
	first time.Time // when the name was resolved and the first address tried
	addr  string    // the last address tried, a permitted one if there was any
	any   bool      // an address was permitted
}

func (t *tries) note(addr string, permitted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() {
		t.first = time.Now()
	}
	if permitted || !t.any {
		t.addr = addr
	}
	t.any = t.any || permitted
}

func (t *tries) permitted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.any
}

func (t *tries) result(start time.Time, conn net.Conn) *dialled {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := &dialled{addr: t.addr, done: time.Now()}
	if t.first.IsZero() {
		d.dns = max(1, d.done.Sub(start).Microseconds())
		return d
	}
	d.dns, d.connect = t.first.Sub(start).Microseconds(), max(1, d.done.Sub(t.first).Microseconds())
	if conn != nil {
		d.addr = conn.RemoteAddr().String()
	}
	return d
}
