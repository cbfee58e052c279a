package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"waybill/db/fault"
)

// Dial opens a connection to a host that does not speak HTTP, such as a mail server, by the rules that hold for all; a proxy for
// HTTP is of no use to it. plain says that it will not be secured by TLS. A refusal is a *Refusal.
func (c *Client) Dial(ctx context.Context, host string, port int, plain bool) (net.Conn, error) {
	to := place{host: host, port: uint16(port), plain: plain}
	if _, err := netip.ParseAddr(host); err != nil {
		name, complaint := hostName(host)
		if complaint != nil {
			return nil, fmt.Errorf("the host name %q cannot be called: %w.", host, complaint)
		}
		to.host = name
	}
	p := c.now.Load().main
	if r := p.checkPlace(to); r != nil {
		return nil, spoken(r)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	try := &tries{}
	conn, err := p.direct(ctx, "tcp", net.JoinHostPort(to.host, strconv.Itoa(port)), to, try)
	var r *Refusal
	if errors.As(err, &r) && try.permitted() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no permitted address answered")}
	}
	if errors.As(err, &r) {
		return nil, spoken(r)
	}
	return conn, err
}

// spoken is a refusal in words that suit what is no HTTP.
func spoken(r *Refusal) *Refusal {
	if r.Rule != RulePlain {
		return r
	}
	return refuse(RulePlain, r.Host, r.Address, fault.Say("A connection to %s without TLS is refused", r.Host), opens(r.Host))
}
