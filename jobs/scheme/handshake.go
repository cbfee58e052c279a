package scheme

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// Handshake is what holds in TLS with one system: whose certificate is shown, and whose is trusted.
type Handshake struct {
	Certificate Material // of type client_certificate; zero = none is shown
	// CA are the authorities that are trusted, in PEM form. "" = those of the certificate's credential, else the public ones.
	CA string
	// For and Version name what CA belongs to, so that its connections can be kept; without For and Certificate.ID none are.
	For     model.ConnectionID
	Version int64
}

// Handshake makes a request show and trust what h says; an h that says nothing leaves it as it is. The error is an
// *egress.Error of class auth.
func (k *Keeper) Handshake(req *egress.Request, h Handshake) error {
	shows := h.Certificate.Type != ""
	if !shows && h.CA == "" {
		return nil
	}
	if !strings.HasPrefix(strings.ToLower(req.URL), "https://") {
		if shows {
			return unusable("A client certificate can be shown over HTTPS only.")
		}
		return nil
	}
	i, err := k.identity(h)
	if err != nil {
		return err
	}
	if !i.end.IsZero() && k.now().After(i.end) {
		return unusable("The client certificate ended on " + model.Stamp(i.end) + ".")
	}
	req.Identity = i.Identity
	return nil
}

// identity is what is shown and trusted, opened, with its connections.
type identity struct {
	certificate, version int64
	end                  time.Time // of the certificate, zero = none is shown
	*egress.Identity
}

// identityKey is whose an identity is: a credential's by itself, or as one connection uses it.
type identityKey struct {
	credential model.CredentialID
	connection model.ConnectionID
}

// identities keeps the last identity of each; its zero value is ready.
type identities struct {
	mu   sync.Mutex
	kept map[identityKey]identity
}

// identity is the one that is kept for h, or a new one in place of an earlier version's.
func (k *Keeper) identity(h Handshake) (identity, error) {
	k.identities.mu.Lock()
	defer k.identities.mu.Unlock()
	key := identityKey{h.Certificate.ID, h.For}
	old, kept := k.identities.kept[key]
	if kept && old.certificate == h.Certificate.Version && old.version == h.Version {
		return old, nil
	}
	n, err := k.newIdentity(h)
	if err != nil || key == (identityKey{}) || (h.Certificate.Type != "" && h.Certificate.ID == "") {
		return n, err
	}
	if kept {
		old.Close()
	}
	if k.identities.kept == nil {
		k.identities.kept = map[identityKey]identity{}
	}
	k.identities.kept[key] = n
	return n, nil
}

func (k *Keeper) newIdentity(h Handshake) (identity, error) {
	n := identity{certificate: h.Certificate.Version, version: h.Version}
	var cert tls.Certificate
	var roots *x509.CertPool
	if h.Certificate.Type != "" {
		var words string
		if cert, roots, words = h.Certificate.certificate(); words != "" {
			return n, unusable("The client certificate cannot be used: " + words)
		}
		n.end = cert.Leaf.NotAfter
	}
	if h.CA != "" {
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM([]byte(unfolded(h.CA))) {
			return n, unusable("The private authority of the connection holds no certificate in PEM form.")
		}
	}
	n.Identity = k.egress.NewIdentity(cert, roots)
	return n, nil
}

// Authorities are the certificates of a private authority, as people read them; what cannot be read is left out.
func Authorities(ca string) (out []Certificate) {
	for _, x := range read(ca) {
		out = append(out, described("Private authority", x))
	}
	return out
}

// CheckCA says what is wrong with the certificates of a private authority, "" when they can be trusted.
func CheckCA(ca string) string {
	switch list := read(ca); {
	case strings.Contains(ca, "PRIVATE KEY"):
		return "This holds a private key. Only certificates belong here; they are not kept secret."
	case len(list) == 0:
		return "This is no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----."
	case strings.Count(unfolded(ca), "-----BEGIN CERTIFICATE-----") != len(list):
		return "One of these certificates cannot be read; paste each whole, from -----BEGIN to -----END."
	}
	return ""
}
