package egress

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// Rules is a parsed WAYBILL_ALLOW_HOSTS: what may be reached although it is private, plain HTTP or a bare address.
// The zero value allows none of that.
type Rules struct {
	hosts    map[string]bool // exact names, lower case, ASCII
	suffixes []string        // ".example.com" from "*.example.com"
	prefixes []netip.Prefix
}

// ParseRules reads a list of host names (with a leading "*." for all names below), addresses and CIDRs, separated by
// commas or white space.
func ParseRules(text string) (Rules, error) {
	r := Rules{hosts: map[string]bool{}}
	for _, entry := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || unicode.IsSpace(c) }) {
		if err := r.add(entry); err != nil {
			return Rules{}, fmt.Errorf("WAYBILL_ALLOW_HOSTS: %q %w", entry, err)
		}
	}
	return r, nil
}

func (r *Rules) add(entry string) error {
	bare := strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil {
		return r.addPrefix(netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), ip)
	}
	if strings.Contains(entry, "://") {
		return fmt.Errorf("is a URL; write only its host name, such as erp.example.com")
	}
	if strings.Contains(entry, "/") {
		p, err := netip.ParsePrefix(entry)
		if err != nil {
			return fmt.Errorf("is not a network such as 10.0.0.0/8")
		}
		if p.Addr().Is4In6() {
			return fmt.Errorf("is an IPv4 network written as IPv6; write it as IPv4")
		}
		return r.addPrefix(p.Masked(), p.Addr())
	}
	if strings.Contains(entry, ":") {
		return fmt.Errorf("has a port; write only the host, all its ports are meant")
	}
	rest, below := strings.CutPrefix(entry, "*.")
	name, complaint := hostName(rest)
	if complaint != "" {
		return fmt.Errorf("is no host name, address or CIDR: %s", complaint)
	}
	if below {
		r.suffixes = append(r.suffixes, "."+name)
	} else {
		r.hosts[name] = true
	}
	return nil
}

func (r *Rules) addPrefix(p netip.Prefix, ip netip.Addr) error {
	if ip.Zone() != "" {
		return fmt.Errorf("has a zone, which cannot be allowed")
	}
	r.prefixes = append(r.prefixes, p)
	return nil
}

// host reports whether a name (lower case, no final dot) is allowed by itself.
func (r Rules) host(name string) bool {
	if r.hosts[name] {
		return true
	}
	for _, s := range r.suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

func (r Rules) address(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range r.prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Rule names what refused a request.
type Rule string

const (
	RuleURL      Rule = "url"              // not an http(s) address, or one with a user name
	RulePlain    Rule = "plain_http"       // HTTPS is required
	RuleBare     Rule = "bare_address"     // a domain name is required
	RulePrivate  Rule = "private_address"  // not the public internet
	RuleMetadata Rule = "metadata_address" // never, whatever is allowed
	RuleHeader   Rule = "header"           // headers that Waybill sets itself, or broken ones
)

// Refusal says which rule stopped a request and where it can be changed.
type Refusal struct {
	Rule    Rule
	Host    string // as in the URL
	Address string // the address that was refused, "" when the name alone decided
	Message string // a whole sentence that names the rule and where to change it
}

func (r *Refusal) Error() string { return r.Message }

func refusePlain(host, ip string) *Refusal {
	return &Refusal{Rule: RulePlain, Host: host, Address: ip, Message: fmt.Sprintf(
		"Plain HTTP to %s is refused: HTTPS is required (rule plain_http). %s", host, opens(cmp.Or(ip, host)))}
}

func refuseBare(host string) *Refusal {
	return &Refusal{Rule: RuleBare, Host: host, Address: host, Message: fmt.Sprintf(
		"The bare address %s is refused: a domain name is required (rule bare_address). %s", host, opens(host))}
}

func refusePrivate(host, ip, kind string) *Refusal {
	return &Refusal{Rule: RulePrivate, Host: host, Address: ip, Message: fmt.Sprintf(
		"%s is refused: %s (rule private_address). %s", leadsTo(host, ip), kind, opens(cmp.Or(ip, host)))}
}

func refuseMetadata(host, ip string) *Refusal {
	return &Refusal{Rule: RuleMetadata, Host: host, Address: ip, Message: fmt.Sprintf(
		"%s is refused: it is a metadata address of a cloud (rule metadata_address). No setting opens it, WAYBILL_ALLOW_HOSTS neither.", leadsTo(host, ip))}
}

func leadsTo(host, ip string) string {
	if host == ip || ip == "" {
		return host
	}
	return fmt.Sprintf("%s (address %s)", host, ip)
}

// opens says where the rule is changed.
func opens(what string) string {
	return fmt.Sprintf("Whoever runs this server can allow it: add %s to WAYBILL_ALLOW_HOSTS and restart.", what)
}
