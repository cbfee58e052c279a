package dispatch

import "time"

// rest is how long a worker waits for more to do.
const rest = 10 * time.Second

// crew runs functions in goroutines that are used again: attempts need deep stacks, and to grow one anew for each costs as
// much as a good part of the attempt. There are never more than run at once, and none when nothing does.
type crew struct {
	idle chan func()
	end  <-chan struct{} // closed when nothing is to be done any more
}

// do runs fn at once; it never blocks.
func (c crew) do(fn func()) {
	select {
	case c.idle <- fn:
	default:
		go c.work(fn)
	}
}

func (c crew) work(fn func()) {
	t := time.NewTimer(rest)
	defer t.Stop()
	for {
		fn()
		t.Reset(rest)
		select {
		case fn = <-c.idle:
		case <-t.C:
			return
		case <-c.end:
			return
		}
	}
}
