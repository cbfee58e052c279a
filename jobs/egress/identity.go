package egress

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// Identity is a client certificate and the authorities that are trusted with it. It has connections of its own, so that
// none is ever shared with requests that do not show it: keep one for as long as the certificate is used, then Close it.
type Identity struct{ transport *http.Transport }

// NewIdentity makes an identity; roots = nil trusts what the client trusts. All rules of the client hold as ever.
func (c *Client) NewIdentity(cert tls.Certificate, roots *x509.CertPool) *Identity {
	t := c.transport.Clone()
	t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	if roots != nil {
		t.TLSClientConfig.RootCAs = roots
	}
	return &Identity{t}
}

// Close drops the connections that are open and idle.
func (i *Identity) Close() { i.transport.CloseIdleConnections() }

func (c *Client) pool(i *Identity) *http.Transport {
	if i == nil {
		return c.transport
	}
	return i.transport
}
