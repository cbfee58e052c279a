package egress

import (
	"bufio"
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"
)

// link is a connection that speaks HTTP/1.1 (RFC 9112), for one exchange at a time. Who has it writes and reads in one
// goroutine: net/http's transport passes each request through three, which costs more than all the rest of an exchange.
type link struct {
	net.Conn
	to    door
	in    *bufio.Reader
	room  int64           // bytes that may still come before the body of an answer
	below syscall.RawConn // the socket, nil where there is none (pipes)
	tls   bool            // the socket does not show all that came
	addr  string          // of the other side
	place *list.Element   // among the idle ones, nil = it is in use
	since time.Time       // when it became idle
	used  bool            // there was an exchange on it
}

// door is where a link leads to.
type door struct {
	host  string // with a port, unless that is the usual one
	plain bool
}

// errHead ends an answer with too much before its body.
var errHead = fmt.Errorf("the headers of the answer exceed %d bytes", maxHeaderBytes)

// unbounded is the room of a body: who reads it counts for himself.
const unbounded = 1 << 62

// Read is what l.in reads from.
func (l *link) Read(p []byte) (int, error) {
	if l.room <= 0 {
		return 0, errHead
	}
	n, err := l.Conn.Read(p[:min(int64(len(p)), l.room)])
	l.room -= int64(n)
	return n, err
}

// open makes a link; dial judges where it leads.
func (p *pool) open(ctx context.Context, f *flight, u *url.URL, until time.Time) (*link, error) {
	ctx, cancel := context.WithDeadline(context.WithValue(ctx, flightKey{}, f), until)
	defer cancel()
	port := cmp.Or(u.Port(), map[bool]string{true: "80", false: "443"}[f.plain])
	conn, err := p.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err == nil && !f.plain {
		conn, err = p.secure(ctx, conn, u.Hostname())
	}
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	l := &link{Conn: conn, to: door{u.Host, f.plain}, addr: conn.RemoteAddr().String()}
	l.below, l.tls = socket(conn)
	l.in = bufio.NewReader(l)
	return l, nil
}

// slowHandshake is when the other side does not finish the TLS handshake in time.
type slowHandshake struct{}

func (slowHandshake) Error() string { return "no end of the TLS handshake" }

// secure makes the TLS handshake on conn, or closes it.
func (p *pool) secure(ctx context.Context, conn net.Conn, name string) (net.Conn, error) {
	limited, cancel := context.WithTimeoutCause(ctx, dialTimeout, slowHandshake{})
	defer cancel()
	config := p.tls.Clone()
	config.ServerName = name
	c := tls.Client(conn, config)
	if err := c.HandshakeContext(limited); err != nil {
		_ = conn.Close()
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return nil, err
	}
	return c, nil
}

// socket is what is beneath a connection, and whether TLS is between.
func socket(c net.Conn) (raw syscall.RawConn, secure bool) {
	for {
		switch x := c.(type) {
		case *tls.Conn:
			secure, c = true, x.NetConn()
		case *tunnelled:
			c = x.Conn
		case syscall.Conn:
			raw, _ = x.SyscallConn()
			return raw, secure
		default:
			return nil, secure
		}
	}
}

// alive reports whether an idle link can be used: it is not closed, and nobody said anything on it unasked, which would be
// taken for the next answer. Its deadline must not be over.
func (l *link) alive() bool {
	if l.tls { // what was read with the last answer: no waiting, so nothing is read from the socket
		_ = l.SetReadDeadline(time.Unix(1, 0))
		l.room = unbounded
		_, err := l.in.Peek(1)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		_ = l.SetReadDeadline(time.Time{})
	}
	if l.below == nil {
		return true
	}
	quiet := false
	err := l.below.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return quiet && err == nil
}

// keep lets others use a link, unless there are enough.
func (p *pool) keep(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[l.to]) >= idlePerHost {
		l.part()
		return
	}
	if p.order.Len() >= p.most {
		p.drop(p.order.Front().Value.(*link))
	}
	l.since, l.place = time.Now(), p.order.PushBack(l)
	p.idle[l.to] = append(p.idle[l.to], l)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(idleTimeout, p.tidy)
	}
}

// kept is an idle link, the one that was used last, or nil.
func (p *pool) kept(to door) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle[to])
	if n == 0 {
		return nil
	}
	l := p.idle[to][n-1]
	p.forget(l, n-1)
	return l
}

// forget takes the link at i of its door out of the idle ones. p.mu is held.
func (p *pool) forget(l *link, i int) {
	p.order.Remove(l.place)
	l.place = nil
	list := p.idle[l.to]
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	if p.idle[l.to] = list[:len(list)-1]; len(list) == 1 {
		delete(p.idle, l.to)
	}
}

// drop closes an idle link. p.mu is held.
func (p *pool) drop(l *link) {
	for i, x := range p.idle[l.to] {
		if x == l {
			p.forget(l, i)
			break
		}
	}
	l.part()
}

// part closes a link that there is no use for. The goodbye of TLS can take seconds when the other side reads nothing: nobody waits
// for it.
func (l *link) part() {
	if l.tls {
		go func() { _ = l.Close() }()
		return
	}
	_ = l.Close()
}

// tidy closes what was idle for too long, and comes again for the rest.
func (p *pool) tidy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep = nil
	for e := p.order.Front(); e != nil; e = p.order.Front() {
		l := e.Value.(*link)
		if wait := idleTimeout - time.Since(l.since); wait > 0 {
			p.sweep = time.AfterFunc(wait, p.tidy)
			return
		}
		p.drop(l)
	}
}

// close drops the links that are idle, and keeps none from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for e := p.order.Front(); e != nil; e = p.order.Front() {
		p.drop(e.Value.(*link))
	}
}
