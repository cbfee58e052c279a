package web

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
)

// strangers bounds what callers may send whom nobody knows yet: how many bytes of their bodies are under way in this process,
// how many of them from one place, and how long a body may take.
type strangers struct {
	most, ofOne int64         // bytes at once, in all and of one place
	patience    time.Duration // for the first bytes
	pace        int64         // bytes a second that prolong it
	longest     time.Duration

	mu   sync.Mutex
	held int64
	from map[netip.Prefix]int64
}

// strangerBody is how large a body may be on a page that everybody may call, unless its route says more.
const strangerBody = 64 << 10

// uncounted is how much of a body nobody counts: enough for a sign-in, so that none is refused because of what others send.
const uncounted = 4 << 10

func newStrangers() *strangers {
	return &strangers{most: 64 << 20, ofOne: 32 << 20, patience: 30 * time.Second, pace: 64 << 10, longest: 5 * time.Minute, from: map[netip.Prefix]int64{}}
}

// take counts n more bytes from a place; false when that is too much.
func (s *strangers) take(place netip.Prefix, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+n > s.most || s.from[place]+n > s.ofOne {
		return false
	}
	s.held += n
	s.from[place] += n
	return true
}

func (s *strangers) give(place netip.Prefix, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	if s.from[place] -= n; s.from[place] <= 0 {
		delete(s.from, place)
	}
}

// mind is the middleware of pages that everybody may call.
func (s *strangers) mind(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Body == nil || r.Body == http.NoBody {
			return next(c)
		}
		b := &strangeBody{ReadCloser: r.Body, all: s, place: place(c), control: http.NewResponseController(c.Response()), begun: time.Now()}
		defer func() { s.give(b.place, b.held) }()
		b.hurry()
		r.Body = b
		return next(c)
	}
}

// strangeBody is the body of a stranger's request. What was read of it counts until the request is over: it is in memory, or in
// a file that ends with the request.
type strangeBody struct {
	io.ReadCloser
	all     *strangers
	place   netip.Prefix
	control *http.ResponseController
	begun   time.Time
	until   time.Time
	read    int64
	held    int64
	err     error
}

// hurry sets until when the next bytes must come.
func (b *strangeBody) hurry() {
	until := b.begun.Add(min(b.all.patience+time.Duration(b.read)*time.Second/time.Duration(b.all.pace), b.all.longest))
	if until.Sub(b.until) < time.Second/10 {
		return
	}
	b.until = until
	_ = b.control.SetReadDeadline(until) // without a connection beneath, nobody is kept waiting
}

func (b *strangeBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if more := max(0, b.read-uncounted) - b.held; more > 0 {
		if !b.all.take(b.place, more) {
			b.err = &fault.Fault{Kind: fault.Unavailable, Code: "busy", RetryAfter: 10, Message: "This server takes as much as it can from others just now; nothing was accepted. Try again in a while."}
			return 0, b.err
		}
		b.held += more
	}
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{}) // else it would cut off what is made of it
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = &fault.Fault{Kind: fault.Malformed, Code: "incomplete", Message: "What was sent did not arrive in time; nothing was accepted. Try again.", Cause: err}
		return n, b.err
	case err == nil:
		b.hurry()
	}
	return n, err
}
