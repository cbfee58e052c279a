// Package egress is the only door to other machines: Waybill's HTTP client is here, and there is no other.
//
// It refuses addresses by the network rules (checked on the address that is really dialled, so that no spelling and no
// name server gets around them; connections that one scope's rules allowed are never another's), follows no redirect,
// obeys no proxy variable but goes through a proxy that is set on purpose, speaks HTTP/1.1
// with TLS 1.2 or later, and bounds the time and the size of every answer. Failures are sentences for operators.
// It knows nothing of connections or credentials: jobs/connector builds the requests, jobs/scheme authenticates them.
package egress

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Bounds of every exchange.
const (
	DefaultTimeout = model.DefaultTimeout * time.Second
	DefaultMaxBody = model.MaxStoredResponse
	maxHeaderBytes = 64 << 10  // all headers of an answer, 1xx answers included
	maxDrain       = 192 << 10 // read beyond MaxBody to keep the connection usable
	drainTime      = 250 * time.Millisecond
	dialTimeout    = 10 * time.Second
	idlePerHost    = 1024 // as many as may be in flight in all
	idleTimeout    = 60 * time.Second
)

// Options of a Client; the zero value reaches public HTTPS hosts and nothing else.
type Options struct {
	Rules     Rules  // until Use
	UserAgent string // sent unless the request has its own; "" = Waybill
	// Inside answers these host names (lower case, no port) in this process; they are never dialled and no address
	// rule applies to them.
	Inside map[string]http.Handler
	// Dial replaces dialling, for tests on pipes. Only the rules that need no address apply then.
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	Resolver *net.Resolver  // nil = Go's own resolver with the system's configuration
	RootCAs  *x509.CertPool // nil = the system's
}

// Client makes exchanges; it is safe for use by many goroutines and meant to exist once.
type Client struct {
	agent    []string
	inside   map[string]http.Handler
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	resolver *net.Resolver
	roots    *x509.CertPool
	tls      *tls.Config // what those of the pools are made of
	now      atomic.Pointer[ruling]
	using    sync.Mutex
}

// New builds the client; most of what it does shares one pool of connections.
func New(o Options) *Client {
	c := &Client{agent: []string{cmp.Or(o.UserAgent, "Waybill")}, inside: o.Inside, dial: o.Dial, resolver: o.Resolver, roots: o.RootCAs}
	if c.resolver == nil {
		c.resolver = &net.Resolver{PreferGo: true}
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs, ClientSessionCache: tls.NewLRUClientSessionCache(512), GetClientCertificate: presenting(tls.Certificate{})}
	c.Use(o.Rules, nil)
	return c
}

// Close drops the connections that are open and idle.
func (c *Client) Close() { c.now.Load().close() }

// Request is one request to make.
type Request struct {
	Method string
	URL    string
	Header http.Header // names in canonical form; Do takes the map over
	Body   []byte      // sent with Content-Length, never chunked
	// Source gives the body in place of Body, each time from its beginning: for what is too long to hold. Size is its length.
	Source  func() (io.ReadCloser, error)
	Size    int64
	Timeout time.Duration
	MaxBody int64 // bytes of the answer's body that are kept; 0 = 64 KiB
	// Sink takes the body of an answer of 200 to 299 as it comes, however long; nothing of it is kept then. nil = MaxBody holds.
	Sink func(io.Reader) error
	// Identity is what is shown and trusted in TLS, nil = nothing of its own.
	Identity *Identity
	// Scope are the rules of its own, nil = only those for all hold.
	Scope *Scope
}

// length is that of the body.
func (r Request) length() int64 {
	if r.Source != nil {
		return r.Size
	}
	return int64(len(r.Body))
}

// Exchange is what came back. After an error it holds as much as was known by then.
type Exchange struct {
	Added     []model.Header // sent besides those of the request: Host, User-Agent, Content-Length; none when it was refused
	Status    int            // 0 = no answer
	Header    http.Header
	Body      []byte // at most MaxBody bytes, as they came (never decompressed)
	Size      int64  // bytes of the whole body as far as known
	Truncated bool   // Body was cut
	Address   string // ip:port that was spoken to or tried last; "" = none
	Timings   model.Timings
}

// Do performs one exchange: no retry, no redirect. The error is always an *Error. Timeout (0 = 30 s) covers everything
// from the look-up to the last byte of the body.
func (c *Client) Do(ctx context.Context, r Request) (x Exchange, err error) {
	f := &flight{start: time.Now(), identity: r.Identity}
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Class: model.ClassBroken, Message: "The request could not be made because of a defect in Waybill.", Cause: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
		}
		f.fill(&x)
	}()
	r.Timeout, r.MaxBody = cmp.Or(r.Timeout, DefaultTimeout), cmp.Or(r.MaxBody, DefaultMaxBody)
	at := c.now.Load().of(r.Scope, r.Identity)
	u, refusal := at.target(r.URL)
	if refusal == nil {
		refusal = checkHeaders(r.Header)
	}
	if refusal != nil {
		return x, refused(refusal)
	}
	f.plain, f.host = u.Scheme == "http", strings.TrimSuffix(u.Hostname(), ".")
	if r.Header == nil {
		r.Header = http.Header{}
	}
	x.Added = c.added(u, r, r.length())
	if _, own := r.Header["User-Agent"]; !own {
		r.Header["User-Agent"] = c.agent
	}
	if h := c.inside[f.host]; h != nil {
		resp, err := answerInside(ctx, u, h, r)
		if err != nil {
			return x, explain(err, f, r.Timeout, 0)
		}
		defer resp.Body.Close()
		return x, x.take(resp, resp.Body, r, f, func(time.Duration) {}, func(err error) error { return err })
	}
	t, err := at.ask(ctx, f, u, r)
	if err != nil {
		return x, explain(err, f, r.Timeout, 0)
	}
	defer t.end(at)
	return x, x.take(t.resp, t.body(), r, f, t.hurry, t.cause)
}

// take reads an answer whose head is there. hurry bounds what is still to come of it, cause says why reading failed.
func (x *Exchange) take(resp *http.Response, body io.Reader, r Request, f *flight, hurry func(time.Duration), cause func(error) error) error {
	x.Status, x.Header = resp.StatusCode, resp.Header
	if r.Sink != nil && x.Status/100 == 2 {
		return pour(x, body, r, f, cause)
	}
	if err := x.read(resp.ContentLength, body, r.MaxBody, hurry); err != nil {
		return explain(cause(err), f, r.Timeout, x.Status)
	}
	return nil
}

// pour hands the body on. What fails in the sink is not the other side's doing.
func pour(x *Exchange, body io.Reader, r Request, f *flight, cause func(error) error) error {
	from := &counted{Reader: body}
	err := r.Sink(from)
	x.Size = from.n
	switch {
	case from.err != nil:
		return explain(cause(from.err), f, r.Timeout, x.Status)
	case err != nil:
		return &Error{Class: model.ClassBroken, Message: "What the other side answered could not be taken.", Cause: err}
	}
	return nil
}

// counted notes how much was read, and what ended it too early.
type counted struct {
	io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// read takes the body as far as it is kept, and a little beyond so that the connection can be used again.
func (x *Exchange) read(known int64, body io.Reader, limit int64, hurry func(time.Duration)) error {
	if known == 0 {
		return nil
	}
	var buf bytes.Buffer
	if known > 0 {
		buf.Grow(int(min(known, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, limit))
	x.Body, x.Size = buf.Bytes(), max(n, known)
	if err != nil {
		x.Truncated = true
		return err
	}
	if n < limit || n == known {
		return nil
	}
	if known < limit+maxDrain { // includes unknown
		hurry(drainTime)
		more, _ := io.Copy(io.Discard, io.LimitReader(body, maxDrain))
		x.Size = max(n+more, known)
	}
	x.Truncated = x.Size > n
	return nil
}

// flight is what is learnt about one exchange while it is under way.
type flight struct {
	start time.Time
	plain bool
	host  string
	open  *dialled
	first int64 // µs from start to the first byte
	got   int64 // µs from start until a connection was there; 0 = never
	reuse bool
	addr  string

	identity *Identity
	wanted   bool // the other side asked for a client certificate
}

// to is the place that is dialled as addr.
func (f *flight) to(addr string) (place, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return place{}, fmt.Errorf("the address %q: %w", addr, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return place{}, fmt.Errorf("the port of %q: %w", addr, err)
	}
	return place{host: f.host, port: uint16(n), plain: f.plain}, nil
}

type flightKey struct{}

// dialled is one try to open a connection.
type dialled struct {
	addr         string
	dns, connect int64 // µs
	done         time.Time
}

func (f *flight) since(t time.Time) int64 { return max(1, t.Sub(f.start).Microseconds()) }

func (f *flight) fill(x *Exchange) {
	t := &x.Timings
	t.Total, t.FirstByte, t.Reused, x.Address = f.since(time.Now()), f.first, f.reuse, f.addr
	if i := f.identity; i != nil && !f.plain {
		t.Certificate, t.Authority = i.shows, i.private
	}
	if d := f.open; d != nil && !f.reuse {
		t.DNS, t.Connect, x.Address = d.dns, d.connect, cmp.Or(x.Address, d.addr)
		if f.got > 0 && !f.plain {
			t.TLS = max(1, f.got-f.since(d.done))
		}
	}
}

// checkHeaders is the last look at the headers before they leave.
func checkHeaders(h http.Header) *Refusal {
	for name, values := range h {
		if textproto.CanonicalMIMEHeaderKey(name) != name {
			return refusing(RuleHeader, fault.Say("The header name %q is not valid.", name))
		}
		for _, v := range values {
			if bad := CheckHeader(name, v); bad != nil {
				return refusing(RuleHeader, fault.Say("Header %q: %s", name, bad))
			}
		}
	}
	return nil
}
