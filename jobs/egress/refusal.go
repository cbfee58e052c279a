package egress

import (
	"cmp"
	"fmt"
)

// Rule names what refused a request.
type Rule string

const (
	RuleURL      Rule = "url"              // not an http(s) address, or one with a user name
	RulePlain    Rule = "plain_http"       // HTTPS is required
	RuleBare     Rule = "bare_address"     // a domain name is required
	RulePrivate  Rule = "private_address"  // not the public internet
	RuleMetadata Rule = "metadata_address" // never, whatever is allowed
	RuleDenied   Rule = "denied"           // a rule of people denies it, whatever else allows it
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

func refuseDenied(host, ip string, by *Entry) *Refusal {
	return &Refusal{Rule: RuleDenied, Host: host, Address: ip, Message: fmt.Sprintf(
		"%s is refused: the rule that denies %s %s stands against it (rule denied), whatever else allows it. Change it under Settings, Network.", leadsTo(host, ip), by.Pattern, by.From.words())}
}

func (f From) words() string {
	switch f {
	case FromConnection:
		return "for this connection"
	case FromDestination:
		return "for this destination"
	}
	return "for all of this Waybill"
}

func leadsTo(host, ip string) string {
	if host == ip || ip == "" {
		return host
	}
	return fmt.Sprintf("%s (address %s)", host, ip)
}

// opens says where the rule is changed.
func opens(what string) string {
	return fmt.Sprintf("An administrator can allow it under Settings, Network, for one destination or for all, or whoever runs this server by adding %s to WAYBILL_ALLOW_HOSTS.", what)
}
