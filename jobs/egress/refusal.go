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
	Why     string // a sentence: what is refused and why
	Message string // Why, the name of the rule, and where to change it
}

func (r *Refusal) Error() string { return r.Message }

// refuse makes a refusal of why, the rule and what can be done.
func refuse(rule Rule, host, ip, why, advice string) *Refusal {
	return &Refusal{Rule: rule, Host: host, Address: ip, Why: why + ".", Message: fmt.Sprintf("%s (rule %s). %s", why, rule, advice)}
}

func refusePlain(host, ip string) *Refusal {
	return refuse(RulePlain, host, ip, fmt.Sprintf("Plain HTTP to %s is refused: HTTPS is required", host), opens(cmp.Or(ip, host)))
}

func refuseBare(host string) *Refusal {
	return refuse(RuleBare, host, host, fmt.Sprintf("The bare address %s is refused: a domain name is required", host), opens(host))
}

func refusePrivate(host, ip, kind string) *Refusal {
	return refuse(RulePrivate, host, ip, fmt.Sprintf("%s is refused: %s", leadsTo(host, ip), kind), opens(cmp.Or(ip, host)))
}

func refuseMetadata(host, ip string) *Refusal {
	return refuse(RuleMetadata, host, ip, fmt.Sprintf("%s is refused: it is a metadata address of a cloud", leadsTo(host, ip)), "No setting opens it, WAYBILL_ALLOW_HOSTS neither.")
}

func refuseDenied(host, ip string, by *Entry) *Refusal {
	return refuse(RuleDenied, host, ip, fmt.Sprintf("%s is refused: the rule that denies %s %s stands against it, whatever else allows it", leadsTo(host, ip), by.Pattern, by.From.Words()),
		"It is changed under Settings, Network.")
}

// Words say for whom a rule holds.
func (f From) Words() string {
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
