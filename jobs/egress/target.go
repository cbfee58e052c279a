package egress

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"waybill/db/fault"
)

// Check says, without asking a name server, why requests to the URL in a scope (nil = only the rules for all) would be
// refused, or nil. What a name resolves to is judged only when it is dialled.
func (c *Client) Check(rawURL string, s *Scope) *Refusal {
	n := c.now.Load()
	p := pool{c: c, rules: n.rules}
	if s != nil {
		p.rules.list = slices.Concat(n.rules.list, s.Rules.list)
	}
	_, r := p.target(rawURL)
	return r
}

// target reads a URL and applies every rule that needs no name server. The URL's host is lower case ASCII afterwards,
// so that what is logged, dialled and asked for in TLS is the same.
func (p *pool) target(raw string) (*url.URL, *Refusal) {
	u, at, r := parse(raw)
	if r == nil {
		r = p.checkPlace(at)
	}
	return u, r
}

// parse reads a URL as far as it needs no rules.
func parse(raw string) (*url.URL, place, *Refusal) {
	no := func(words *fault.Words) (*url.URL, place, *Refusal) {
		return nil, place{}, &Refusal{Rule: RuleURL, Why: words, Words: words, Message: words.String()}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return no(fault.Say("The address cannot be read as a URL; it must look like https://api.example.com/path."))
	case u.Scheme != "https" && u.Scheme != "http":
		return no(fault.Say("Only addresses that start with https:// (or http:// where it is allowed) are called."))
	case u.Opaque != "" || u.Hostname() == "":
		return no(fault.Say("The address has no host name."))
	case u.User != nil:
		return no(fault.Say("The address holds a user name or password; put them into a credential."))
	case !validPort(u):
		return no(fault.Say("The port in the address must be a number between 1 and 65535."))
	}
	u.RawQuery, u.Fragment, u.RawFragment = encodeQuery(u.RawQuery), "", ""
	at := place{host: u.Hostname(), port: portOf(u), plain: u.Scheme == "http"}
	if _, err := netip.ParseAddr(at.host); err == nil {
		return u, at, nil
	}
	name, complaint := hostName(at.host)
	if complaint != nil {
		return no(fault.Say("The host name %q cannot be called: %s.", at.host, complaint))
	}
	if name != at.host {
		u.Host = name
		if p := u.Port(); p != "" {
			u.Host = name + ":" + p
		}
	}
	at.host = strings.TrimSuffix(name, ".")
	return u, at, nil
}

// checkPlace applies the rules that need no name server.
func (p *pool) checkPlace(at place) *Refusal {
	if ip, err := netip.ParseAddr(at.host); err == nil {
		return p.literal(at, ip)
	}
	if by := p.rules.host(at.host, at.port, true); by != nil {
		return refuseDenied(at.host, "", by)
	}
	if p.c.inside[at.host] != nil || p.rules.host(at.host, at.port, false) != nil {
		return nil
	}
	local := at.host == "localhost" || strings.HasSuffix(at.host, ".localhost")
	switch {
	case p.rules.allowsNetworks() && p.c.dial == nil:
		return nil // the address that it resolves to decides
	case local && p.c.dial == nil:
		return refusePrivate(at.host, "", fault.Say("it is this machine itself, not the public internet"))
	case at.plain:
		return refusePlain(at.host, "")
	}
	return nil
}

// literal judges an address that stands in the URL: even a public one has to be allowed.
func (p *pool) literal(at place, ip netip.Addr) *Refusal {
	at.plain = false
	r, by := p.rules.judge(at, ip)
	if r == nil && by == nil {
		return refuseBare(at.host)
	}
	return r
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
func hostName(s string) (name string, complaint *fault.Words) {
	name = strings.ToLower(s)
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", fault.Say("it is not a valid international domain name")
		}
		name = ascii
	}
	if name == "" || len(name) > 254 {
		return "", fault.Say("a host name has between 1 and 253 characters")
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", fault.Say("it may hold letters, digits, hyphens and single dots only")
		}
	}
	if numeric(labels[len(labels)-1]) {
		return "", fault.Say("it is an address in an unusual spelling (rule bare_address); write it as 192.0.2.1, and allow it under Settings, Network, or in WAYBILL_ALLOW_HOSTS")
	}
	return name, nil
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
