package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"waybill/db/fault"
)

// Look is what the rules say of a URL now. Nothing is called, and nothing of it is used for sending: whatever is sent is
// resolved and judged anew when it is dialled.
type Look struct {
	URL       *url.URL // as it would be called; nil when it cannot be read
	Host      string
	Port      int
	Plain     bool
	Inside    bool         // it is answered in this process and never dialled
	Refused   *Refusal     // before a name server is asked, nil = nothing against it yet
	By        *Entry       // the rule that decided by the name alone, nil = none did
	Unknown   *fault.Words // why there is no address; nil = there are some
	Addresses []Looked
}

// Looked is what the rules say of one address.
type Looked struct {
	Address netip.Addr
	Refused *Refusal // nil = it may be called
	By      *Entry   // the rule of people that decided, nil = none did
	Via     string   // host:port of the proxy that would be asked, "" = none
}

// May reports whether a request would leave.
func (l Look) May() bool {
	return l.Inside || l.Refused == nil && slices.ContainsFunc(l.Addresses, func(a Looked) bool { return a.Refused == nil })
}

// Look resolves the host of a URL and tells what becomes of each address in a scope, nil = only the rules for all.
func (c *Client) Look(ctx context.Context, rawURL string, s *Scope) Look {
	n := c.now.Load()
	p := pool{c: c, rules: n.rules, proxy: n.proxy}
	if s != nil {
		p.rules.list = slices.Concat(n.rules.list, s.Rules.list)
		if s.Direct {
			p.proxy = nil
		}
	}
	u, at, refused := parse(rawURL)
	if refused != nil {
		return Look{Refused: refused}
	}
	out := Look{URL: u, Host: at.host, Port: int(at.port), Plain: at.plain, Refused: p.checkPlace(at)}
	if out.By = p.rules.host(at.host, at.port, true); out.By == nil {
		out.By = p.rules.host(at.host, at.port, false)
	}
	if c.inside[at.host] != nil {
		out.Inside = out.Refused == nil
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	list, err := c.resolve(ctx, at.host)
	if err != nil {
		var dns *net.DNSError
		if !errors.As(err, &dns) {
			dns = &net.DNSError{}
		}
		out.Unknown = dnsWords(dns, at.host)
		return out
	}
	for _, ip := range list {
		a := Looked{Address: ip}
		if a.Refused, a.By = p.rules.judge(at, ip); a.Refused == nil {
			a.Via = p.via(at, ip)
			if _, err := netip.ParseAddr(at.host); err == nil {
				a.Refused = out.Refused
			}
		}
		out.Addresses = append(out.Addresses, a)
	}
	return out
}

// via is the proxy that an address is called through, "" = none.
func (p *pool) via(at place, ip netip.Addr) string {
	if p.proxy == nil || p.proxy.Bypass.host(at.host, at.port, false) != nil || p.proxy.around(ip, at.port) {
		return ""
	}
	return p.proxy.Host
}
