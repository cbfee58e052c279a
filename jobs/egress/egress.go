// Package egress is the only door to other machines: every HTTP client of Waybill is built here.
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
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db/model"
)

// Bounds of every exchange.
const (
	DefaultTimeout  = model.DefaultTimeout * time.Second
	DefaultMaxBody  = model.MaxStoredResponse
	maxHeaderBytes  = 64 << 10  // all headers of an answer, 1xx answers included
	maxDrain        = 192 << 10 // read beyond MaxBody to keep the connection usable
	drainTime       = 250 * time.Millisecond
	dialTimeout     = 10 * time.Second
	idlePerHost     = 1024 // as many as may be in flight in all
	idleTimeout     = 60 * time.Second
	replayKeyHeader = "X-Idempotency-Key"
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
	agent     []string
	inside    map[string]http.Handler
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	resolver  *net.Resolver
	roots     *x509.CertPool
	transport *http.Transport // what those of the pools are made of; never used itself
	now       atomic.Pointer[ruling]
	using     sync.Mutex
}

// New builds the client; most of what it does shares one pool of connections.
func New(o Options) *Client {
	c := &Client{agent: []string{cmp.Or(o.UserAgent, "Waybill")}, inside: o.Inside, dial: o.Dial, resolver: o.Resolver, roots: o.RootCAs}
	if c.resolver == nil {
		c.resolver = &net.Resolver{PreferGo: true}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c.transport = &http.Transport{
		Proxy:                  nil, // a proxy from the environment would be the only address that is checked; see Proxy
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs, ClientSessionCache: tls.NewLRUClientSessionCache(512), GetClientCertificate: presenting(tls.Certificate{})},
		TLSHandshakeTimeout:    dialTimeout,
		DisableCompression:     true,
		MaxIdleConns:           4 * idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              protocols,
	}
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

// Exchange is what came back. After an error it holds as much as was known by then.
type Exchange struct {
	Status    int // 0 = no answer
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
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req := c.request(ctx, f, u, r)
	var resp *http.Response
	if h := c.inside[f.host]; h != nil {
		resp, err = answerInside(req, h, r)
	} else {
		resp, err = at.transport.RoundTrip(req)
	}
	if err != nil {
		return x, explain(err, f, r.Timeout, 0)
	}
	defer resp.Body.Close()
	x.Status, x.Header = resp.StatusCode, resp.Header
	if r.Sink != nil && x.Status/100 == 2 {
		err = pour(&x, resp.Body, r, f)
		return x, err
	}
	if err := x.read(resp, r.MaxBody, cancel); err != nil {
		return x, explain(err, f, r.Timeout, x.Status)
	}
	return x, nil
}

// pour hands the body on. What fails in the sink is not the other side's doing.
func pour(x *Exchange, body io.Reader, r Request, f *flight) error {
	from := &counted{Reader: body}
	err := r.Sink(from)
	x.Size = from.n
	switch {
	case from.err != nil:
		return explain(from.err, f, r.Timeout, x.Status)
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

func (c *Client) request(ctx context.Context, f *flight, u *url.URL, r Request) *http.Request {
	f.trace = httptrace.ClientTrace{GotConn: f.gotConn, GotFirstResponseByte: f.firstByte}
	ctx = context.WithValue(ctx, flightKey{}, f)
	h := r.Header
	if h == nil {
		h = http.Header{}
	}
	if _, own := h["User-Agent"]; !own {
		h["User-Agent"] = c.agent
	}
	req := (&http.Request{Method: r.Method, URL: u, Host: u.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).
		WithContext(httptrace.WithClientTrace(ctx, &f.trace))
	if r.Source != nil && r.Size > 0 {
		// Its reader is opened when the first byte is asked for, and closed by the transport.
		req.ContentLength, req.GetBody = r.Size, r.Source
		req.Body = &lazy{open: r.Source}
	} else if len(r.Body) > 0 {
		req.ContentLength = int64(len(r.Body))
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
	}
	// An idle connection that the other side closes at the same moment is no failure of the other side: with this
	// mark, which is not sent, the transport repeats the request at once on a new connection.
	if h["Idempotency-Key"] == nil && h[replayKeyHeader] == nil {
		h[replayKeyHeader] = []string{}
	}
	return req
}

// lazy opens what it reads when it is read first: a request that is refused opens nothing.
type lazy struct {
	open   func() (io.ReadCloser, error)
	mu     sync.Mutex // the transport may close while it reads
	from   io.ReadCloser
	closed bool
}

func (l *lazy) Read(p []byte) (int, error) {
	from, err := l.opened()
	if err != nil {
		return 0, err
	}
	return from.Read(p)
}

func (l *lazy) opened() (_ io.ReadCloser, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fs.ErrClosed
	}
	if l.from == nil {
		l.from, err = l.open()
	}
	return l.from, err
}

func (l *lazy) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.from == nil {
		return nil
	}
	return l.from.Close()
}

// read takes the body as far as it is kept, and a little beyond so that the connection can be used again.
func (x *Exchange) read(resp *http.Response, limit int64, cancel func()) error {
	known := resp.ContentLength
	if known == 0 {
		return nil
	}
	var buf bytes.Buffer
	if known > 0 {
		buf.Grow(int(min(known, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit))
	x.Body, x.Size = buf.Bytes(), max(n, known)
	if err != nil {
		x.Truncated = true
		return err
	}
	if n < limit || n == known {
		return nil
	}
	if known < limit+maxDrain { // includes unknown
		stop := time.AfterFunc(drainTime, cancel)
		more, _ := io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain))
		stop.Stop()
		x.Size = max(n+more, known)
	}
	x.Truncated = x.Size > n
	return nil
}

// flight is what is learnt about one exchange while it is under way. The transport may go on dialling after the
// exchange is over, hence the atomics.
type flight struct {
	start time.Time
	plain bool
	host  string
	trace httptrace.ClientTrace
	open  atomic.Pointer[dialled]
	first atomic.Int64 // µs from start to the first byte
	got   int64        // µs from start until a connection was there; 0 = never
	reuse bool
	addr  string

	identity *Identity
	wanted   atomic.Bool // the other side asked for a client certificate
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

func (f *flight) gotConn(i httptrace.GotConnInfo) {
	f.got, f.reuse, f.addr = f.since(time.Now()), i.Reused || i.WasIdle, i.Conn.RemoteAddr().String()
}

func (f *flight) firstByte() { f.first.Store(f.since(time.Now())) }

func (f *flight) fill(x *Exchange) {
	t := &x.Timings
	t.Total, t.FirstByte, t.Reused, x.Address = f.since(time.Now()), f.first.Load(), f.reuse, f.addr
	if i := f.identity; i != nil && !f.plain {
		t.Certificate, t.Authority = i.shows, i.private
	}
	if d := f.open.Load(); d != nil && !f.reuse {
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
			return &Refusal{Rule: RuleHeader, Message: fmt.Sprintf("The header name %q is not valid.", name)}
		}
		for _, v := range values {
			if bad := CheckHeader(name, v); bad != "" {
				return &Refusal{Rule: RuleHeader, Message: fmt.Sprintf("Header %q: %s", name, bad)}
			}
		}
	}
	return nil
}
