package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"waybill/db/fault"
)

// Entry is one network rule: what may be reached although it is private, plain HTTP or a bare address, or what must not be.
type Entry struct {
	// Pattern is a host name (with a leading "*." all names below it), an address or a network. A name and an address may have
	// a port; without one every port is meant.
	Pattern string
	Deny    bool
	From    From   // where the rule stands
	ID      string // of the rule there, "" = it has none
}

// From says where a rule stands, hence for whom it holds.
type From string

const (
	FromEnvironment From = "environment" // WAYBILL_ALLOW_HOSTS
	FromInstance    From = "instance"    // all of this Waybill
	FromConnection  From = "connection"
	FromDestination From = "destination"
)

// Rules are network rules, ready to judge. They never change; the zero value allows nothing that is refused by itself, and
// denies nothing that is not.
type Rules struct {
	list []matcher
	key  string // the same for the same rules
}

// matcher is an Entry, read: either a name or a network.
type matcher struct {
	Entry
	name   string // lower case ASCII, without a final dot
	below  bool   // the names below name, not name itself
	net    netip.Prefix
	port   uint16 // 0 = all
	prefix bool
}

// ParseRules reads a list of patterns to allow, separated by commas or white space, as the environment has them.
func ParseRules(text string) (Rules, error) {
	var list []Entry
	for _, p := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || unicode.IsSpace(c) }) {
		list = append(list, Entry{Pattern: p, From: FromEnvironment})
	}
	r, err := Compile(list)
	if err != nil {
		return Rules{}, err
	}
	return r, nil
}

// Compile makes rules of entries; an error names the pattern that cannot be read.
func Compile(list []Entry) (Rules, error) {
	var r Rules
	for _, e := range list {
		m, err := read(e.Pattern)
		if err != nil {
			return Rules{}, fmt.Errorf("%q %w", e.Pattern, err)
		}
		e.Pattern = m.Pattern
		m.Entry = e
		r.list = append(r.list, m)
	}
	return r.keyed(), nil
}

// With is both together.
func (r Rules) With(more Rules) Rules {
	if len(more.list) == 0 {
		return r
	}
	return Rules{list: append(slices.Clone(r.list), more.list...)}.keyed()
}

// Entries lists the rules in their order, their patterns as they are understood.
func (r Rules) Entries() []Entry {
	out := make([]Entry, len(r.list))
	for i, m := range r.list {
		out[i] = m.Entry
	}
	return out
}

// Empty reports whether there is no rule.
func (r Rules) Empty() bool { return len(r.list) == 0 }

// Key is the same for the same rules, from the same places.
func (r Rules) Key() string { return r.key }

func (r Rules) keyed() Rules {
	words := make([]string, len(r.list))
	for i, m := range r.list {
		words[i] = fmt.Sprintf("%s %s %v %s", m.From, m.ID, m.Deny, m.Pattern)
	}
	slices.Sort(words)
	r.key = strings.Join(slices.Compact(words), ",")
	return r
}

// Pattern gives a pattern as it is understood and shown, or an error that continues "… is/has …".
func Pattern(text string) (string, error) {
	m, err := read(text)
	return m.Pattern, err
}

// Metadata reports whether a pattern is nothing but a metadata address of a cloud, which no rule opens.
func Metadata(pattern string) bool {
	m, err := read(pattern)
	return err == nil && m.prefix && m.net.IsSingleIP() && metadata[m.net.Addr()]
}

// read understands a pattern; Pattern of what it returns is its canonical form.
func read(text string) (matcher, error) {
	var m matcher
	if strings.Contains(text, "://") {
		return m, fault.Say("is a URL; write only its host name, such as erp.example.com")
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return within(netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), ip, 0)
	}
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return m, fault.Say("is not a network such as 10.0.0.0/8")
		}
		if p.Addr().Is4In6() {
			return m, fault.Say("is an IPv4 network written as IPv6; write it as IPv4")
		}
		return within(p.Masked(), p.Addr(), 0)
	}
	host, port, err := cutPort(text)
	if err != nil {
		return m, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return within(netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), ip, port)
	}
	rest, below := strings.CutPrefix(host, "*.")
	name, complaint := hostName(rest)
	if complaint != nil {
		return m, fault.Say("is no host name, address or network: %s", complaint)
	}
	m.name, m.below, m.port = strings.TrimSuffix(name, "."), below, port
	m.Pattern = m.name
	if below {
		m.Pattern = "*." + m.name
	}
	if port != 0 {
		m.Pattern += ":" + strconv.Itoa(int(port))
	}
	return m, nil
}

// cutPort takes a port off a host; 0 = there is none.
func cutPort(text string) (host string, port uint16, err error) {
	if !strings.Contains(text, ":") {
		return text, 0, nil
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", 0, fault.Say("is no host with a port, such as erp.example.com:8443 or [fd12::1]:8443")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fault.Say("has no port between 1 and 65535")
	}
	return host, uint16(n), nil
}

func within(p netip.Prefix, ip netip.Addr, port uint16) (matcher, error) {
	m := matcher{net: p, port: port, prefix: true}
	if ip.Zone() != "" {
		return m, fault.Say("has a zone, which cannot be allowed")
	}
	switch {
	case !p.IsSingleIP():
		m.Pattern = p.String()
	case port != 0:
		m.Pattern = netip.AddrPortFrom(p.Addr(), port).String()
	default:
		m.Pattern = p.Addr().String()
	}
	return m, nil
}

// covers reports whether a name (lower case, no final dot) is meant.
func (m *matcher) covers(name string, port uint16) bool {
	if m.prefix || m.port != 0 && m.port != port {
		return false
	}
	if m.below {
		return len(name) > len(m.name)+1 && strings.HasSuffix(name, m.name) && name[len(name)-len(m.name)-1] == '.'
	}
	return name == m.name
}

// contains reports whether an address is meant.
func (m *matcher) contains(ip netip.Addr, port uint16) bool {
	return m.prefix && (m.port == 0 || m.port == port) && m.net.Contains(ip)
}

// host is the rule of that kind that names a host, nil = none does.
func (r Rules) host(name string, port uint16, deny bool) *Entry {
	for i := range r.list {
		if m := &r.list[i]; m.Deny == deny && m.covers(name, port) {
			return &m.Entry
		}
	}
	return nil
}

// address is the rule of that kind that an address is in, nil = it is in none.
func (r Rules) address(ip netip.Addr, port uint16, deny bool) *Entry {
	ip = ip.Unmap().WithZone("")
	for i := range r.list {
		if m := &r.list[i]; m.Deny == deny && m.contains(ip, port) {
			return &m.Entry
		}
	}
	return nil
}

// allowsNetworks reports whether some address may be reached that is refused by itself.
func (r Rules) allowsNetworks() bool {
	return slices.ContainsFunc(r.list, func(m matcher) bool { return m.prefix && !m.Deny })
}
