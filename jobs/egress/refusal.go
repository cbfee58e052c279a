package egress

import (
	"cmp"

	"waybill/db/fault"
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
	Host    string       // as in the URL
	Address string       // the address that was refused, "" when the name alone decided
	Why     *fault.Words // a sentence: what is refused and why
	Words   *fault.Words // Why, the name of the rule, and where to change it
	Message string       // Words in English
}

func (r *Refusal) Error() string { return r.Message }

// refuse makes a refusal of why (a sentence without its dot), the rule and what can be done.
func refuse(rule Rule, host, ip string, why, advice *fault.Words) *Refusal {
	all := fault.Say("%s (rule %s). %s", why, rule, advice)
	return &Refusal{Rule: rule, Host: host, Address: ip, Why: fault.Say("%s.", why), Words: all, Message: all.String()}
}

// refusing is a refusal that no setting changes.
func refusing(rule Rule, words *fault.Words) *Refusal {
	return &Refusal{Rule: rule, Words: words, Message: words.String()}
}

func refusePlain(host, ip string) *Refusal {
	return refuse(RulePlain, host, ip, fault.Say("Plain HTTP to %s is refused: HTTPS is required", host), opens(cmp.Or(ip, host)))
}

func refuseBare(host string) *Refusal {
	return refuse(RuleBare, host, host, fault.Say("The bare address %s is refused: a domain name is required", host), opens(host))
}

func refusePrivate(host, ip string, kind *fault.Words) *Refusal {
	return refuse(RulePrivate, host, ip, fault.Say("%s is refused: %s", leadsTo(host, ip), kind), opens(cmp.Or(ip, host)))
}

func refuseMetadata(host, ip string) *Refusal {
	return refuse(RuleMetadata, host, ip, fault.Say("%s is refused: it is a metadata address of a cloud", leadsTo(host, ip)), fault.Say("No setting opens it, WAYBILL_ALLOW_HOSTS neither."))
}

func refuseDenied(host, ip string, by *Entry) *Refusal {
	return refuse(RuleDenied, host, ip, fault.Say("%s is refused: the rule that denies %s %s stands against it, whatever else allows it", leadsTo(host, ip), by.Pattern, by.From.Words()),
		fault.Say("It is changed under Settings, Network."))
}

// Words say for whom a rule holds.
func (f From) Words() *fault.Words {
	switch f {
	case FromConnection:
		return fault.Say("for this connection")
	case FromDestination:
		return fault.Say("for this destination")
	}
	return fault.Say("for all of this Waybill")
}

func leadsTo(host, ip string) *fault.Words {
	if host == ip || ip == "" {
		return &fault.Words{Format: "%s", Args: []any{host}}
	}
	return fault.Say("%s (address %s)", host, ip)
}

// opens says where the rule is changed.
func opens(what string) *fault.Words {
	return fault.Say("An administrator can allow it under Settings, Network, for one destination or for all, or whoever runs this server by adding %s to WAYBILL_ALLOW_HOSTS.", what)
}
