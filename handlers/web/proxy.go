package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose X-Forwarded headers are believed; none by default.
type Proxies []netip.Prefix

func (p Proxies) trust(a netip.Addr) bool {
	for _, net := range p {
		if net.Contains(a) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// client is the caller's address: the peer, or the nearest hop in X-Forwarded-For that is not one of the proxies.
func (p Proxies) client(r *http.Request) netip.Addr {
	at := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trust(at); i-- {
		next, ok := hop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		at = next.Unmap().WithZone("")
	}
	return at
}

// hop reads one entry of X-Forwarded-For; some proxies write the port behind the address.
func hop(text string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr(), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil
}

var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Url-Scheme", "X-Real-Ip"}

// settle makes r say what the caller asked for: from a proxy, the host it names; from anybody else, none of the headers
// that only a proxy may set.
func (p Proxies) settle(r *http.Request) {
	if !p.trust(peer(r)) {
		for _, h := range forwarded {
			delete(r.Header, h)
		}
		return
	}
	if host := nearest(r.Header.Values("X-Forwarded-Host")); host != "" {
		r.Host = host
	}
}

// nearest is what the nearest proxy said, "" when none did.
func nearest(values []string) string {
	if len(values) == 0 {
		return ""
	}
	last := values[len(values)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// OverHTTPS reports whether the caller of a request that Prepare has settled speaks HTTPS with the proxy in front.
func OverHTTPS(r *http.Request) bool {
	return strings.EqualFold(nearest(r.Header.Values("X-Forwarded-Proto")), "https")
}
