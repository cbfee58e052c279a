package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/idna"
)

// Check says, without asking a name server, why requests to the URL would be refused, or nil. What a name resolves to
// is judged only when it is dialled.
func (c *Client) Check(rawURL string) *Refusal {
	_, r := c.target(rawURL)
	return r
}

// target reads a URL and applies every rule that needs no name server. The URL's host is lower case ASCII afterwards,
// so that what is logged, dialled and asked for in TLS is the same.
func (c *Client) target(raw string) (*url.URL, *Refusal) {
	no := func(words string) (*url.URL, *Refusal) { return nil, &Refusal{Rule: RuleURL, Message: words} }
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return no("The address cannot be read as a URL; it must look like https://api.example.com/path.")
	case u.Scheme != "https" && u.Scheme != "http":
		return no("Only addresses that start with https:// (or http:// where it is allowed) are called.")
	case u.Opaque != "" || u.Hostname() == "":
		return no("The address has no host name.")
	case u.User != nil:
		return no("The address holds a user name or password; put them into a credential.")
	case !validPort(u):
		return no("The port in the address must be a number between 1 and 65535.")
	}
	u.RawQuery, u.Fragment, u.RawFragment = encodeQuery(u.RawQuery), "", ""
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		return u, c.literal(host, ip)
	}
	name, complaint := hostName(host)
	if complaint != "" {
		return no("The host name " + strconv.Quote(host) + " cannot be called: " + complaint)
	}
	if name != host {
		u.Host = name
		if p := u.Port(); p != "" {
			u.Host = name + ":" + p
		}
	}
	return u, c.named(u, name)
}

func (c *Client) literal(host string, ip netip.Addr) *Refusal {
	if r := c.rules.checkAddress(host, ip, false, false); r != nil {
		return r
	}
	if !c.rules.address(ip) {
		return refuseBare(host)
	}
	return nil
}

func (c *Client) named(u *url.URL, name string) *Refusal {
	name = strings.TrimSuffix(name, ".")
	if c.inside[name] != nil || c.rules.host(name) {
		return nil
	}
	local := name == "localhost" || strings.HasSuffix(name, ".localhost")
	switch {
	case len(c.rules.prefixes) > 0 && c.dial == nil:
		return nil // the address that it resolves to decides
	case local && c.dial == nil:
		return refusePrivate(name, "", "it is this machine itself, not the public internet")
	case u.Scheme == "http":
		return refusePlain(name, "")
	}
	return nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n >= 1 && n <= 65535
}

// hostName gives a host name as lower case ASCII, or a complaint. Names that other software reads as an address
// (127.1, 0x7f.1, 2130706433) are not names.
func hostName(s string) (name, complaint string) {
	name = strings.ToLower(s)
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", "it is not a valid international domain name."
		}
		name = ascii
	}
	if name == "" || len(name) > 254 {
		return "", "a host name has between 1 and 253 characters."
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", "it may hold letters, digits, hyphens and single dots only."
		}
	}
	if numeric(labels[len(labels)-1]) {
		return "", "it is an address in an unusual spelling (rule bare_address); write it as 192.0.2.1, and allow it in WAYBILL_ALLOW_HOSTS."
	}
	return name, ""
}

// numeric is the rule by which browsers take a host for an IPv4 address: its last label is a number (WHATWG URL 3.5).
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// encodeQuery percent-encodes what must not stand raw in a request line and leaves the rest as it is.
func encodeQuery(q string) string {
	bad := func(b byte) bool {
		return b <= ' ' || b >= 0x7f || b == '"' || b == '<' || b == '>' || b == '\\' || b == '`'
	}
	n := 0
	for i := range len(q) {
		if bad(q[i]) {
			n++
		}
	}
	if n == 0 {
		return q
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(q)+2*n)
	for i := range len(q) {
		if b := q[i]; bad(b) {
			out = append(out, '%', hex[b>>4], hex[b&15])
		} else {
			out = append(out, b)
		}
	}
	return string(out)
}

// dialContext opens a connection for the transport and judges every address on the way, after the name server has
// spoken and right before the connect.
func (c *Client) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	start := time.Now()
	if c.dial != nil {
		return c.dial(ctx, network, addr)
	}
	f, _ := ctx.Value(flightKey{}).(*flight)
	if f == nil {
		f = &flight{start: start, plain: true} // nobody asked: the strictest rules
	}
	named := c.rules.host(f.host)
	try := &tries{}
	d := net.Dialer{Timeout: dialTimeout, Resolver: c.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ip, err := parseAddrPort(address)
		if err != nil {
			return err
		}
		if r := c.rules.checkAddress(f.host, ip, f.plain, named); r != nil {
			try.note(address, false)
			return r
		}
		try.note(address, true)
		return nil
	}}
	conn, err := d.DialContext(ctx, network, addr)
	f.open.Store(try.result(start, conn))
	var r *Refusal
	if errors.As(err, &r) && try.permitted() {
		// One of the name's addresses may be called and did not answer: that can change, so it is no refusal.
		err = &net.OpError{Op: "dial", Net: network, Err: errors.New("no permitted address answered")}
	}
	return conn, err
}
