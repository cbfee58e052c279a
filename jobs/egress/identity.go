package egress

import (
	"crypto/tls"
	"crypto/x509"
)

// Identity is a client certificate, authorities that are trusted, or both. It has connections of its own, so that none
// is ever shared with requests that have another: keep one for as long as it is used, then Close it.
type Identity struct {
	c       *Client
	cert    tls.Certificate
	roots   *x509.CertPool
	shows   bool // a certificate
	private bool // it trusts authorities of its own
}

// NewIdentity makes an identity; a zero cert is none, roots = nil trusts what the client trusts. All rules of the client
// hold as ever.
func (c *Client) NewIdentity(cert tls.Certificate, roots *x509.CertPool) *Identity {
	return &Identity{c: c, cert: cert, roots: roots, shows: len(cert.Certificate) > 0, private: roots != nil}
}

// presenting shows cert to whoever asks for one, zero = none, and notes that somebody did. Like other HTTP clients it
// does not look whether the other side names the authority: a refusal in the other side's words says more than silence.
func presenting(cert tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if f, _ := asked.Context().Value(flightKey{}).(*flight); f != nil {
			f.wanted = true
		}
		return &cert, nil
	}
}

// Close drops the connections that are open and idle.
func (i *Identity) Close() { i.c.now.Load().forget(i) }
