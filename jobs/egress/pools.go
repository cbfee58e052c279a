package egress

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Scope is what holds for one destination beside what holds for all.
type Scope struct {
	Rules  Rules // beside those of the client
	Direct bool  // never through the proxy
}

// mostPools bounds how many pools there are beside the main one. Who has a pool is who has rules, a certificate or an authority
// of its own.
const mostPools = 256

// ruling is what holds for all at a time, and every connection that was opened under it. A new one begins with none, so that no
// connection outlives the rules that allowed it.
type ruling struct {
	c     *Client
	rules Rules
	proxy *Proxy
	main  *pool

	mu     sync.Mutex
	others map[poolKey]*pool
	clock  uint64
}

// poolKey is whose connections are in a pool: those of the same rules, the same way and the same identity.
type poolKey struct {
	rules    string
	direct   bool
	identity *Identity
}

// pool is a set of connections that were opened under the same rules, and are used by those alone whom the rules hold for.
type pool struct {
	c     *Client
	rules Rules
	proxy *Proxy // nil = none
	tls   *tls.Config
	used  uint64

	mu     sync.Mutex
	idle   map[door][]*link // the one that was used last at the end
	order  *list.List       // of all of them, the one that was idle for longest first
	most   int
	closed bool        // none is kept any more
	sweep  *time.Timer // closes those that are idle for too long; nil = there are none
}

// Use puts other rules and another proxy (nil = none) in force for all that is sent from now on. Connections that are open are
// used no more.
func (c *Client) Use(rules Rules, proxy *Proxy) {
	c.using.Lock()
	defer c.using.Unlock()
	old := c.now.Load()
	if old != nil && old.rules.key == rules.key && old.proxy.same(proxy) {
		return
	}
	n := &ruling{c: c, rules: rules, proxy: proxy, others: map[poolKey]*pool{}}
	n.main = n.pool(rules, proxy, nil)
	c.now.Store(n)
	if old != nil {
		old.close()
	}
}

// Rules are those that hold for all.
func (c *Client) Rules() Rules { return c.now.Load().rules }

func (n *ruling) pool(rules Rules, proxy *Proxy, i *Identity) *pool {
	p := &pool{c: n.c, rules: rules, proxy: proxy, tls: n.c.tls.Clone(), idle: map[door][]*link{}, order: list.New(), most: 4 * idlePerHost}
	if i != nil {
		p.tls.GetClientCertificate = presenting(i.cert)
		p.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
		if i.private {
			p.tls.RootCAs = i.roots
		}
	}
	return p
}

// of is the pool of a scope and an identity, nil = nothing of their own.
func (n *ruling) of(s *Scope, i *Identity) *pool {
	key := poolKey{identity: i}
	if s != nil {
		key.rules, key.direct = s.Rules.key, s.Direct && n.proxy != nil
	}
	if key == (poolKey{}) {
		return n.main
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clock++
	if p := n.others[key]; p != nil {
		p.used = n.clock
		return p
	}
	rules, proxy := n.rules, n.proxy
	if key.rules != "" {
		rules = rules.With(s.Rules)
	}
	if key.direct {
		proxy = nil
	}
	p := n.pool(rules, proxy, i)
	p.most = idlePerHost
	p.used = n.clock
	n.others[key] = p
	n.evict(key)
	return p
}

// evict drops the pool that was not used for longest, when there are too many.
func (n *ruling) evict(but poolKey) {
	if len(n.others) <= mostPools {
		return
	}
	var oldest poolKey
	var at *pool
	for k, p := range n.others {
		if k != but && (at == nil || p.used < at.used) {
			oldest, at = k, p
		}
	}
	delete(n.others, oldest)
	at.close()
}

func (n *ruling) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.main.close()
	for _, p := range n.others {
		p.close()
	}
}

// forget drops the connections of an identity.
func (n *ruling) forget(i *Identity) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, p := range n.others {
		if k.identity == i {
			p.close()
			delete(n.others, k)
		}
	}
}

// dial opens a connection and judges every address on the way, after the name server has spoken and right
// before the connect. The rules are those of the pool that the connection becomes part of.
func (p *pool) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	start := time.Now()
	if p.c.dial != nil {
		return p.c.dial(ctx, network, addr)
	}
	f, _ := ctx.Value(flightKey{}).(*flight)
	if f == nil {
		f = &flight{start: start, plain: true} // nobody asked: the strictest rules
	}
	to, err := f.to(addr)
	if err != nil {
		return nil, err
	}
	try := &tries{}
	var conn net.Conn
	if p.proxy == nil || p.proxy.Bypass.host(to.host, to.port, false) != nil {
		conn, err = p.direct(ctx, network, addr, to, try)
	} else {
		conn, err = p.proxied(ctx, addr, to, try)
	}
	f.open = try.result(start, conn)
	var r *Refusal
	if errors.As(err, &r) && try.permitted() {
		// One of the name's addresses may be called and did not answer: that can change, so it is no refusal.
		err = &net.OpError{Op: "dial", Net: network, Err: errors.New("no permitted address answered")}
	}
	return conn, err
}

// direct connects to an address of addr that the rules permit.
func (p *pool) direct(ctx context.Context, network, addr string, to place, try *tries) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Resolver: p.c.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := parseAddrPort(address)
		if err != nil {
			return err
		}
		at := to
		at.port = ap.Port()
		if r, _ := p.rules.judge(at, ap.Addr()); r != nil {
			try.note(address, false)
			return r
		}
		try.note(address, true)
		return nil
	}}
	return d.DialContext(ctx, network, addr)
}
