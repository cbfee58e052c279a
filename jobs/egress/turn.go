package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	atOnce   = 32 << 10              // a body up to this is written before the answer is read
	lastLook = 50 * time.Millisecond // how long an answer may take that came although not all could be written
)

// turn is one exchange on a link, from the request to the end of the answer's body.
type turn struct {
	*link
	ctx    context.Context
	until  time.Time
	watch  func() bool    // ends the watch over ctx; false = it has interrupted the turn
	wrote  chan error     // how a long body was written, beside the reading; nil = it was no long one
	unsent error          // why the request could not be written
	heard  bool           // something of an answer came
	resp   *http.Response // its Body is read by body
	whole  bool           // … to its end
}

// ask sends a request and reads the head of the answer. Should a link that was kept turn out to be closed before anything of
// an answer came, that is no failure of the other side, and another one is made: all that is sent may arrive twice.
func (p *pool) ask(ctx context.Context, f *flight, u *url.URL, r Request) (*turn, error) {
	until := f.start.Add(r.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	for l := p.kept(door{u.Host, f.plain}); l != nil; l = p.kept(l.to) {
		if _ = l.SetDeadline(until); !l.alive() {
			l.part()
			continue
		}
		t, err := l.ask(ctx, f, until, u, r)
		if err == nil || t.heard || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return t, err
		}
		break
	}
	l, err := p.open(ctx, f, u, until)
	if err != nil {
		return nil, err
	}
	return l.ask(ctx, f, until, u, r)
}

func (l *link) ask(ctx context.Context, f *flight, until time.Time, u *url.URL, r Request) (*turn, error) {
	f.got, f.reuse, f.addr = f.since(time.Now()), l.used, l.addr
	l.used = true
	_ = l.SetDeadline(until)
	t := &turn{link: l, ctx: ctx, until: until}
	t.watch = context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	err := t.send(u, r)
	if err == nil {
		err = t.answer(f, r.Method)
	}
	if err != nil {
		t.watch()
		l.part()
		err = t.cause(err)
	}
	return t, err
}

// cause is why a turn failed: the caller gave up, its time was over, or what broke.
func (t *turn) cause(err error) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	select {
	case t.unsent = <-t.wrote:
	default:
	}
	if t.unsent != nil && time.Now().Before(t.until) {
		return t.unsent
	}
	return context.DeadlineExceeded
}

// send writes the request; a long body beside what follows, since the other side may answer before it has read all.
func (t *turn) send(u *url.URL, r Request) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	size := r.length()
	head, err := appendHead((*b)[:0], u, r, size)
	if err != nil {
		return err
	}
	if *b = head; size > atOnce || r.Source != nil && size > 0 {
		t.wrote = make(chan error, 1)
		go t.sendLong(append([]byte(nil), head...), r)
		return nil
	}
	*b = append(head, r.Body...)
	if _, err := t.Write(*b); err != nil {
		t.broken(err)
	}
	return nil
}

// broken notes that not all could be written. The other side may have said why before it closed.
func (t *turn) broken(err error) {
	t.unsent = err
	if look := time.Now().Add(lastLook); look.Before(t.until) && t.ctx.Err() == nil {
		_ = t.SetReadDeadline(look)
	}
}

func (t *turn) sendLong(head []byte, r Request) {
	err := func() error {
		if r.Source == nil {
			_, err := (&net.Buffers{head, r.Body}).WriteTo(t.Conn)
			return err
		}
		if _, err := t.Write(head); err != nil {
			return err
		}
		return pass(t.Conn, r)
	}()
	if err != nil { // else the answer would be waited for in vain
		_ = t.SetReadDeadline(time.Now().Add(lastLook))
	}
	t.wrote <- err
}

// pass copies what a source gives, which is as long as announced.
func pass(to io.Writer, r Request) error {
	from, err := r.Source()
	if err != nil {
		return err
	}
	defer from.Close()
	if n, err := io.CopyN(to, from, r.Size); err != nil {
		return fmt.Errorf("a body of %d bytes ended after %d: %w", r.Size, n, err)
	}
	if n, _ := io.ReadFull(from, make([]byte, 1)); n > 0 {
		return fmt.Errorf("a body is longer than %d bytes", r.Size)
	}
	return nil
}

// answer reads the head of the answer, and those that come before it (1xx).
func (t *turn) answer(f *flight, method string) error {
	t.room = maxHeaderBytes
	if _, err := t.in.Peek(1); err != nil {
		return err
	}
	t.heard, f.first = true, f.since(time.Now())
	for {
		resp, err := http.ReadResponse(t.in, &http.Request{Method: method}) //nolint:bodyclose // it is the link's
		if err != nil {
			return err
		}
		if resp.StatusCode < http.StatusContinue {
			return fmt.Errorf("malformed HTTP status code %d", resp.StatusCode)
		}
		if resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			t.resp, t.room, t.whole = resp, unbounded, resp.Body == http.NoBody
			return nil
		}
	}
}

// body reads the answer's body.
func (t *turn) body() io.Reader { return (*rest)(t) }

type rest turn

func (b *rest) Read(p []byte) (int, error) {
	n, err := b.resp.Body.Read(p)
	b.whole = b.whole || errors.Is(err, io.EOF)
	return n, err
}

// hurry bounds what is still to come of the answer.
func (t *turn) hurry(d time.Duration) {
	if soon := time.Now().Add(d); soon.Before(t.until) && t.ctx.Err() == nil {
		_ = t.SetReadDeadline(soon)
	}
}

// end gives the link back if it can be used again, and closes it otherwise.
func (t *turn) end(p *pool) {
	if t.watch() && t.whole && !t.resp.Close && t.resp.StatusCode >= http.StatusOK && t.in.Buffered() == 0 && t.sent() {
		p.keep(t.link)
		return
	}
	t.part()
}

// sent reports whether all of the request was written.
func (t *turn) sent() bool {
	if t.wrote == nil {
		return t.unsent == nil
	}
	select {
	case err := <-t.wrote:
		return err == nil
	case <-time.After(lastLook):
		return false
	}
}
