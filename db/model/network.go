package model

import (
	"strings"
	"time"

	"waybill/db/fault"
)

// NetworkRule lets something be called although it is private, plain HTTP or a bare address, or keeps something from being
// called, for all of this Waybill or for one connection or destination. What is denied is denied whatever else allows it.
type NetworkRule struct {
	ID            NetworkRuleID
	Effect        NetworkEffect
	Pattern       string       // host, *.host, address or network; a host or address may have a port
	ConnectionID  ConnectionID // "" and no DestinationID = for all
	DestinationID DestID       // at most one of the two
	Note          string       // why, for people
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
}

// NetworkEffect is what a rule does.
type NetworkEffect string

const (
	NetworkAllow NetworkEffect = "allow"
	NetworkDeny  NetworkEffect = "deny"
)

// MostNetworkRules bounds how many there are: each is compared with everything that is called.
const MostNetworkRules = 500

// Clean puts what was typed into its stored form; the pattern is jobs.CheckNetworkRule's word.
func (r *NetworkRule) Clean() {
	r.Pattern, r.Note = strings.TrimSpace(r.Pattern), strings.TrimSpace(r.Note)
	if r.Effect == "" {
		r.Effect = NetworkAllow
	}
}

// Check lists what is wrong with the rule by itself; the pattern is jobs.CheckNetworkRule's word.
func (r NetworkRule) Check() []fault.Field {
	var bad fault.Check
	if r.Effect != NetworkAllow && r.Effect != NetworkDeny {
		bad.Add("effect", "One of allow, deny.")
	}
	if r.Pattern == "" {
		bad.Add("pattern", "A host such as erp.example.com, a host with a port, an address, or a network such as 10.0.0.0/8.")
	}
	if r.ConnectionID != "" && r.DestinationID != "" {
		bad.Add("destination_id", "A rule is for a connection or for a destination, not for both.")
	}
	checkText(&bad, "note", r.Note, 500)
	return bad.Fields()
}

// Network is how requests leave, for all of this Waybill. The proxy's password is sealed in the store and not part of it.
type Network struct {
	ProxyURL    string   // "" = none
	ProxyUser   string   // "" = it asks for none
	ProxyBypass []string // patterns, as in NetworkRule, that are called without it
	HasPassword bool     // one is stored
	Changed     time.Time
	Version     int64
}

// Clean puts what was typed into its stored form.
func (n *Network) Clean() {
	n.ProxyURL, n.ProxyUser = strings.TrimSpace(n.ProxyURL), strings.TrimSpace(n.ProxyUser)
	var list []string
	for _, p := range n.ProxyBypass {
		list = append(list, strings.FieldsFunc(p, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })...)
	}
	n.ProxyBypass = list
}

// Simulated is what the network rules say of a URL at a moment. Nothing was called, and nothing of it is used for sending.
type Simulated struct {
	URL       string // as it would be called, "" = it cannot be read
	Host      string
	Port      int
	Plain     bool
	May       bool         // a request would leave
	Inside    bool         // Waybill answers it itself
	Why       *fault.Words // what stands against the URL whatever its addresses, or why it has none; nil = nothing does
	Rule      string       // that refused, "" = none
	Redirects string       // what becomes of them, in words
	Addresses []SimulatedAddress
}

// SimulatedAddress is one address that the host of a URL leads to.
type SimulatedAddress struct {
	Address string
	May     bool
	Rule    string       // that refused, "" = none
	Why     *fault.Words // the deciding rule, in words
	By      *SimulatedRule
	Via     string // the proxy that would be asked, "" = none
}

// SimulatedRule is the rule of people that decided.
type SimulatedRule struct {
	ID      NetworkRuleID // "" = of the environment
	Pattern string
	Deny    bool
	From    string // environment, instance, connection, destination
}

// Effect is what the rule does.
func (r SimulatedRule) Effect() NetworkEffect {
	if r.Deny {
		return NetworkDeny
	}
	return NetworkAllow
}
