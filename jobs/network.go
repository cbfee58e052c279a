package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// What may be called, and how requests leave: what the environment says, under what people set.

// FixedRules are the patterns that the environment allows.
func (s *Service) FixedRules() []string {
	out := []string{}
	for _, e := range s.o.Rules.Entries() {
		out = append(out, e.Pattern)
	}
	return out
}

// Network is how requests leave now. fixed says that the environment decides it, so that people cannot.
func (s *Service) Network(ctx context.Context) (n model.Network, fixed bool, err error) {
	p := s.o.Proxy
	if p == nil {
		n, err = s.o.Store.Network(ctx)
		return n, false, err
	}
	n = model.Network{ProxyURL: "http://" + p.Host, ProxyUser: p.User, HasPassword: p.Password != ""}
	if p.TLS {
		n.ProxyURL = "https://" + p.Host
	}
	for _, e := range p.Bypass.Entries() {
		n.ProxyBypass = append(n.ProxyBypass, e.Pattern)
	}
	return n, true, nil
}

// useNetwork puts in force what holds for all, as of a snapshot. What cannot be read is an error, so that nothing is sent
// under rules that are not whole.
func (s *Service) useNetwork(ctx context.Context, rows db.Routing) error {
	own, err := egress.Compile(entries(rows.Network, "", ""))
	if err != nil {
		return fmt.Errorf("the network rules: %w", err)
	}
	proxy := s.o.Proxy
	if proxy == nil && rows.Proxy.ProxyURL != "" {
		if proxy, err = s.proxy(ctx, rows.Proxy); err != nil {
			return err
		}
	}
	s.egress.Use(s.o.Rules.With(own), proxy)
	return nil
}

func (s *Service) proxy(ctx context.Context, n model.Network) (*egress.Proxy, error) {
	p, err := egress.ParseProxy(n.ProxyURL)
	if err != nil {
		return nil, fmt.Errorf("the proxy: %w", err)
	}
	if p.Bypass, err = egress.Compile(bypass(n.ProxyBypass)); err != nil {
		return nil, fmt.Errorf("what is called without the proxy: %w", err)
	}
	p.User = n.ProxyUser
	if n.HasPassword {
		// Without it the proxy refuses, and says so; the pages go on working.
		if p.Password, err = s.o.Store.ProxyPassword(ctx); err != nil {
			s.o.Log.Error("the password of the proxy does not open", "error", err)
		}
	}
	return &p, nil
}

func bypass(patterns []string) (out []egress.Entry) {
	for _, p := range patterns {
		out = append(out, egress.Entry{Pattern: p, From: egress.FromInstance})
	}
	return out
}

// entries are the rules of one connection and one destination; without either those for all.
func entries(rules []model.NetworkRule, c model.ConnectionID, d model.DestID) (out []egress.Entry) {
	for _, r := range rules {
		e := egress.Entry{Pattern: r.Pattern, Deny: r.Effect == model.NetworkDeny, ID: string(r.ID), From: egress.FromInstance}
		switch {
		case r.ConnectionID != "" && r.ConnectionID == c:
			e.From = egress.FromConnection
		case r.DestinationID != "" && r.DestinationID == d:
			e.From = egress.FromDestination
		case r.ConnectionID != "" || r.DestinationID != "" || c != "" || d != "":
			continue
		}
		out = append(out, e)
	}
	return out
}

// scope is what holds for a destination beside what holds for all, nil = nothing does.
func (s *snapshot) scope(c model.Connection, d model.DestID) (*egress.Scope, error) {
	list := entries(s.Network, c.ID, d)
	if c.ID == "" || len(list) == 0 && !c.Direct {
		return nil, nil
	}
	r, err := egress.Compile(list)
	if err != nil {
		return nil, fmt.Errorf("the network rules: %w", err)
	}
	return &egress.Scope{Rules: r, Direct: c.Direct}, nil
}

// sameScope reports whether a destination's rules are those that u was prepared with.
func (s *snapshot) sameScope(x *egress.Scope, c model.Connection, d model.DestID) bool {
	now, err := s.scope(c, d)
	if err != nil || x == nil || now == nil {
		return err == nil && x == now
	}
	return x.Direct == now.Direct && x.Rules.Key() == now.Rules.Key()
}

// CheckNetworkRule cleans and checks a rule.
func (s *Service) CheckNetworkRule(r *model.NetworkRule) error {
	r.Clean()
	var bad fault.Check
	bad.Join("", r.Check())
	if r.Pattern != "" {
		pattern, err := egress.Pattern(r.Pattern)
		if err != nil {
			bad.Add("pattern", "This %s.", fault.WordsOf(err))
		} else {
			r.Pattern = pattern
		}
		if egress.Metadata(pattern) && r.Effect == model.NetworkAllow {
			bad.Add("pattern", "This is a metadata address of a cloud; no rule opens it.")
		}
	}
	return bad.Err()
}

// UpdateNetwork checks and stores how requests leave. A password that is "" keeps the one that is stored.
func (s *Service) UpdateNetwork(ctx context.Context, actor model.Actor, n model.Network, password model.Secret) error {
	if s.o.Proxy != nil {
		return fault.Coded(fault.Conflict, "fixed", "The proxy is set by the environment of the server (WAYBILL_PROXY); change it there.")
	}
	n.Clean()
	var bad fault.Check
	if n.ProxyURL == "" {
		n.ProxyUser, n.ProxyBypass, password = "", nil, ""
	} else if _, err := egress.ParseProxy(n.ProxyURL); err != nil {
		bad.Add("proxy_url", "This %s.", fault.WordsOf(err))
	}
	if n.ProxyUser == "" && password != "" {
		bad.Add("proxy_user", "A password needs its user name.")
	}
	if strings.ContainsAny(n.ProxyUser, ":\r\n\x00") || len(n.ProxyUser) > 200 {
		bad.Add("proxy_user", "At most 200 characters, without colons and line breaks (RFC 7617).")
	}
	for i, p := range n.ProxyBypass {
		pattern, err := egress.Pattern(p)
		if err != nil {
			bad.Add("proxy_bypass", "“%s” %s.", p, fault.WordsOf(err))
		}
		n.ProxyBypass[i] = pattern
	}
	if len(n.ProxyBypass) > 100 {
		bad.Add("proxy_bypass", "At most 100.")
	}
	if err := bad.Err(); err != nil {
		return err
	}
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateNetwork(n, password) })
}

// scopeOf is the scope of a stored connection or destination, as it now is; both "" = what holds for all.
func (s *Service) scopeOf(ctx context.Context, c model.ConnectionID, d model.DestID) (*egress.Scope, error) {
	snap, err := s.routing.current(ctx)
	if err != nil || c == "" && d == "" {
		return nil, err
	}
	if d != "" {
		dest, ok := snap.Destinations[d]
		if !ok {
			return nil, fault.Absent("destination")
		}
		c = dest.ConnectionID
	}
	conn, ok := snap.Connections[c]
	if !ok {
		return nil, fault.Absent("connection")
	}
	return snap.scope(conn, d)
}

// Simulate tells what the rules say of a URL for a connection or a destination, both "" = for all. It asks the name server and
// calls nothing.
func (s *Service) Simulate(ctx context.Context, url string, c model.ConnectionID, d model.DestID) (model.Simulated, error) {
	scope, err := s.scopeOf(ctx, c, d)
	if err != nil {
		return model.Simulated{}, err
	}
	l := s.egress.Look(ctx, strings.TrimSpace(url), scope)
	out := model.Simulated{Host: l.Host, Port: l.Port, Plain: l.Plain, May: l.May(), Inside: l.Inside, Why: l.Unknown,
		Redirects: "Redirects are never followed. An answer of 301, 302, 303, 307 or 308 is a failed attempt that shows where it points; from a token endpoint too, since the secret would go along."}
	if l.URL != nil {
		out.URL = l.URL.String()
	}
	if l.Refused != nil {
		out.Why, out.Rule = l.Refused.Why, string(l.Refused.Rule)
	}
	for _, a := range l.Addresses {
		out.Addresses = append(out.Addresses, simulatedAddress(l, a))
	}
	return out, nil
}

func simulatedAddress(l egress.Look, a egress.Looked) model.SimulatedAddress {
	out := model.SimulatedAddress{Address: a.Address.String(), May: a.Refused == nil, Via: a.Via, Why: fault.Say("It is a public address, called over HTTPS: no rule is needed.")}
	if a.By != nil {
		out.By = &model.SimulatedRule{ID: model.NetworkRuleID(a.By.ID), Pattern: a.By.Pattern, Deny: a.By.Deny, From: string(a.By.From)}
	}
	switch {
	case a.Refused != nil:
		out.Why, out.Rule = a.Refused.Why, string(a.Refused.Rule)
	case a.By != nil && a.By.From == egress.FromEnvironment:
		out.Why = fault.Say("Allowed by the environment of the server: WAYBILL_ALLOW_HOSTS names %s.", a.By.Pattern)
	case a.By != nil:
		out.Why = fault.Say("Allowed by the rule “%s”, %s.", a.By.Pattern, a.By.From.Words())
	}
	return out
}

// DestinationWarnings are what will be refused when something is sent to a destination; it is stored all the same.
func (s *Service) DestinationWarnings(ctx context.Context, c model.Connection, d model.DestID) []*fault.Words {
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil
	}
	scope, err := snap.scope(c, d)
	if err != nil {
		return nil
	}
	if r := s.egress.Check(c.EffectiveURL(), scope); r != nil {
		return []*fault.Words{r.Words}
	}
	return nil
}

// Refusal is what will be refused of what a connection sends. Its zero value: nothing.
type Refusal struct {
	Why *fault.Words
	Of  []string // names of the destinations that it holds for, when others may be called; empty = for all
}

// Refusal judges a connection by what is sent through it: each of its destinations can have rules of its own. Without any,
// the connection's rules decide.
func (s *Service) Refusal(ctx context.Context, c model.Connection) Refusal {
	var out Refusal
	if w := s.DestinationWarnings(ctx, c, ""); len(w) > 0 {
		out.Why = w[0]
	}
	snap, err := s.routing.current(ctx)
	if err != nil || c.ID == "" {
		return out
	}
	all := 0
	for _, d := range snap.Destinations {
		if d.ConnectionID != c.ID {
			continue
		}
		all++
		if w := s.DestinationWarnings(ctx, c, d.ID); len(w) > 0 {
			out.Why, out.Of = w[0], append(out.Of, d.Name)
		}
	}
	switch {
	case all > 0 && len(out.Of) == 0:
		return Refusal{}
	case len(out.Of) == all:
		out.Of = nil
	}
	slices.Sort(out.Of)
	return out
}
