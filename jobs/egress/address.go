package egress

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"code.dny.dev/ssrf"

	"waybill/db/fault"
)

// table holds the IANA special-purpose registries; ports and networks are not its business here.
var table = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())

// metadata are the addresses at which clouds hand out the machine's own credentials. They are refused even inside an
// allowed network.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // most clouds
	netip.MustParseAddr("169.254.169.253"): true, // AWS name server
	netip.MustParseAddr("169.254.170.2"):   true, // AWS container credentials
	netip.MustParseAddr("169.254.170.23"):  true, // AWS pod identity
	netip.MustParseAddr("169.254.42.42"):   true, // Scaleway
	netip.MustParseAddr("169.254.0.23"):    true, // Tencent
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("168.63.129.16"):   true, // Azure, in public space
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd00:ec2::23"):    true, // AWS pod identity
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("fd00:42::42"):     true, // Scaleway
}

// place is what is about to be called: a host (lower case, no final dot) and a port. plain says that it is without TLS.
type place struct {
	host  string
	port  uint16
	plain bool
}

// judge judges an address that a place leads to. by is the rule of people that decided, nil when none did.
func (r Rules) judge(p place, ip netip.Addr) (no *Refusal, by *Entry) {
	ip = ip.Unmap()
	text, bare := ip.String(), ip.WithZone("")
	inner := embedded(bare)
	if metadata[bare] || metadata[inner] {
		return refuseMetadata(p.host, text), nil
	}
	if by = r.denies(p, bare, inner); by != nil {
		return refuseDenied(p.host, text, by), by
	}
	if by = r.allows(p, bare); by != nil {
		return nil, by
	}
	if ip.Zone() != "" || table.SafeAddr(bare) != nil {
		return refusePrivate(p.host, text, kindOf(bare)), nil
	}
	if p.plain {
		return refusePlain(p.host, text), nil
	}
	return nil, nil
}

// denies is the rule that keeps an address, or the IPv4 address inside it, from being called.
func (r Rules) denies(p place, ip, inner netip.Addr) *Entry {
	if by := r.host(p.host, p.port, true); by != nil {
		return by
	}
	if by := r.address(ip, p.port, true); by != nil || !inner.IsValid() {
		return by
	}
	return r.address(inner, p.port, true)
}

func (r Rules) allows(p place, ip netip.Addr) *Entry {
	if by := r.host(p.host, p.port, false); by != nil {
		return by
	}
	return r.address(ip, p.port, false)
}

// kindOf says in words what sort of address is refused.
func kindOf(ip netip.Addr) *fault.Words {
	switch {
	case ip.IsLoopback():
		return fault.Say("it is this machine itself, not the public internet")
	case ip.IsUnspecified():
		return fault.Say("it is the unspecified address, which means this machine")
	case ip.IsPrivate():
		return fault.Say("it is in a private network, not on the public internet")
	case ip.IsLinkLocalUnicast():
		return fault.Say("it is a link-local address, not on the public internet")
	case ip.IsMulticast():
		return fault.Say("it is a multicast address")
	case shared.Contains(ip):
		return fault.Say("it is in a provider's shared network, not on the public internet")
	}
	return fault.Say("it is in a reserved range, not on the public internet")
}

var (
	shared = netip.MustParsePrefix("100.64.0.0/10")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	compat = netip.MustParsePrefix("::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
	teredo = netip.MustParsePrefix("2001::/32")
)

// embedded is the IPv4 address inside an IPv6 one (RFC 6052, 4291, 3056, 4380), or the zero Addr.
func embedded(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return netip.Addr{}
	}
	b := ip.As16()
	v4 := func(at int, flip uint32) netip.Addr {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(b[at:])^flip)
		return netip.AddrFrom4(a)
	}
	switch {
	case nat64.Contains(ip), compat.Contains(ip):
		return v4(12, 0)
	case sixTo4.Contains(ip):
		return v4(2, 0)
	case teredo.Contains(ip):
		return v4(12, ^uint32(0))
	}
	return netip.Addr{}
}

func parseAddrPort(address string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("the dialled address %q: %w", address, err)
	}
	return ap, nil
}
