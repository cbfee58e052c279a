package egress

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Proxy is an HTTP proxy that requests go through: https ones and plain ones alike by CONNECT (RFC 9110 9.3.6).
//
// Names are resolved and judged here, and the proxy is told the address that was found permissible, never the name: so all rules
// hold as they do without it, whatever the proxy's own name server says. This machine itself (loopback, link-local) is never
// asked of the proxy, where it would be another machine.
type Proxy struct {
	Host     string // host:port
	TLS      bool   // the proxy itself is spoken to in TLS
	User     string
	Password model.Secret
	Bypass   Rules // what is called without the proxy: those that these allow
}

// ParseProxy reads a proxy's URL, such as http://proxy.example.com:3128.
func ParseProxy(text string) (Proxy, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return Proxy{}, fault.Say("is no address of a proxy such as http://proxy.example.com:3128")
	case u.User != nil:
		return Proxy{}, fault.Say("holds a user name or password; they have places of their own")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return Proxy{}, fault.Say("has more than a host and a port")
	case !validPort(u):
		return Proxy{}, fault.Say("has no port between 1 and 65535")
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		if r, _ := (Rules{}).judge(place{host: host}, ip); r != nil && r.Rule == RuleMetadata {
			return Proxy{}, fault.Say("is a metadata address of a cloud")
		}
	} else if name, complaint := hostName(host); complaint != nil {
		return Proxy{}, fault.Say("cannot be called: %s", complaint)
	} else {
		host = name
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return Proxy{Host: net.JoinHostPort(host, port), TLS: u.Scheme == "https"}, nil
}

func (x *Proxy) same(y *Proxy) bool {
	if x == nil || y == nil {
		return x == y
	}
	return x.Host == y.Host && x.TLS == y.TLS && x.User == y.User && x.Password == y.Password && x.Bypass.key == y.Bypass.key
}

// around reports whether an address is called without the proxy.
func (x *Proxy) around(ip netip.Addr, port uint16) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || x.Bypass.address(ip, port, false) != nil
}

// mostAddresses is how many of a name's addresses are tried through a proxy.
const mostAddresses = 4

// proxied resolves a name, judges its addresses and has the proxy connect to the first permitted one that it can.
func (p *pool) proxied(ctx context.Context, addr string, to place, try *tries) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	list, err := p.c.resolve(ctx, to.host)
	if err != nil {
		return nil, err
	}
	var first error
	for n, ip := range list {
		if n == mostAddresses {
			break
		}
		at := netip.AddrPortFrom(ip, to.port).String()
		if r, _ := p.rules.judge(to, ip); r != nil {
			try.note(at, false)
			if first == nil {
				first = r
			}
			continue
		}
		var conn net.Conn
		if p.proxy.around(ip, to.port) {
			conn, err = p.direct(ctx, "tcp", at, to, try)
		} else {
			try.note(at, true)
			conn, err = p.tunnel(ctx, at)
		}
		if err == nil {
			return conn, nil
		}
		var refused *Refusal
		if first == nil || errors.As(first, &refused) {
			first = err
		}
	}
	return nil, first
}

// resolve gives the addresses of a host, an address being its own.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	list, err := c.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return list, nil
}

// proxyError is what went wrong with the proxy itself, as the end of a sentence.
type proxyError struct {
	proxy, words string
	timeout      bool
	cause        error
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("The proxy %s %s", e.proxy, e.words)
}
func (e *proxyError) Unwrap() error { return e.cause }

var errMetadata = errors.New("a metadata address")

// tunnel has the proxy connect to an address.
func (p *pool) tunnel(ctx context.Context, at string) (net.Conn, error) {
	x := p.proxy
	fail := func(err error, words string) error {
		var late net.Error
		return &proxyError{proxy: x.Host, words: words, timeout: errors.As(err, &late) && late.Timeout() || errors.Is(err, context.DeadlineExceeded), cause: err}
	}
	conn, err := p.toProxy(ctx)
	if err != nil {
		return nil, fail(err, reachWords(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // also when the caller gives up
	status, rest, err := x.connect(conn, at, p.c.agent[0])
	stopped := !stop()
	switch {
	case err == nil && !stopped && status/100 == 2 && rest == 0:
		return &tunnelled{Conn: conn, to: at, via: x.Host}, nil
	case err != nil || stopped:
		err = errors.Join(err, ctx.Err())
		err = fail(err, "did not answer when it was asked to connect to "+at+".")
	default:
		err = fail(nil, answerWords(status, rest, at))
	}
	_ = conn.Close()
	return nil, err
}

func reachWords(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "cannot be reached: nothing listens there."
	case errors.As(err, new(*net.DNSError)):
		return "cannot be reached: its name does not resolve."
	case errors.Is(err, errMetadata):
		return "is not called: it is a metadata address of a cloud."
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "shows a certificate that is not trusted."
	}
	return "cannot be reached."
}

func answerWords(status, rest int, at string) string {
	switch {
	case status == http.StatusProxyAuthRequired:
		return "does not accept the user name and password that are set for it (407)."
	case status == http.StatusForbidden:
		return "does not let connections to " + at + " through (403)."
	case status/100 == 2 && rest > 0:
		return "sent data before anybody asked for it."
	}
	return fmt.Sprintf("could not connect to %s: it answered %d.", at, status)
}

// toProxy connects to the proxy itself, wherever it is; only metadata addresses are refused.
func (p *pool) toProxy(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Resolver: p.c.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := parseAddrPort(address)
		if err != nil {
			return err
		}
		if r, _ := (Rules{}).judge(place{host: address}, ap.Addr()); r != nil && r.Rule == RuleMetadata {
			return errMetadata
		}
		return nil
	}}
	conn, err := d.DialContext(ctx, "tcp", p.proxy.Host)
	if err != nil || !p.proxy.TLS {
		return conn, err
	}
	host, _, _ := net.SplitHostPort(p.proxy.Host)
	secure := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: p.c.roots})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// connect asks the proxy for a connection. rest is how much came after the head of its answer.
func (x *Proxy) connect(conn net.Conn, at, agent string) (status, rest int, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", at, at, agent)
	if x.User != "" || x.Password != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(x.User+":"+x.Password.Reveal())))
	}
	if _, err := io.WriteString(conn, b.String()+"\r\n"); err != nil {
		return 0, 0, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxHeaderBytes))
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // what follows is the connection
	if err != nil {
		return 0, 0, err
	}
	return resp.StatusCode, r.Buffered(), nil
}

// tunnelled is a connection through a proxy; its other side is who is spoken to.
type tunnelled struct {
	net.Conn
	to, via string
}

type throughProxy string

func (a throughProxy) Network() string { return "tcp" }
func (a throughProxy) String() string  { return string(a) }

// RemoteAddr names the address that is spoken to, and the proxy.
func (t *tunnelled) RemoteAddr() net.Addr { return throughProxy(t.to + " via " + t.via) }

func portOf(u *url.URL) uint16 {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case err == nil:
		return uint16(n)
	case u.Scheme == "http":
		return 80
	}
	return 443
}
