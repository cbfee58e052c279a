package scheme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// clientCertificate is mutual TLS: the certificate is shown in the handshake, nothing is added to the request.
func clientCertificate() Kind {
	return Kind{
		Type: model.CredentialCertificate, Title: "Client certificate",
		Summary: "Shows a certificate when the connection is made (mutual TLS), and can trust a private authority.",
		Glyph:   "M5 4h14v11H5zM9 8h6M9 11h3m2 4v6l2-1.5 2 1.5v-6",
		Fields: []model.Field{
			{Name: "certificate", Label: "Certificate", Kind: model.FieldArea, Required: true, Max: 65536, Lines: true, Placeholder: "-----BEGIN CERTIFICATE-----",
				Help: "In PEM form, followed by the certificates between it and its authority."},
			{Name: "private_key", Label: "Private key", Kind: model.FieldSecret, Required: true, Max: 16384, Lines: true, Help: "In PEM form, without passphrase."},
			{Name: "ca", Label: "Private authority", Kind: model.FieldArea, Max: 65536, Lines: true, Placeholder: "-----BEGIN CERTIFICATE-----",
				Help: "Certificates in PEM form that the other side's is checked against, in place of the public ones. Empty = the public ones."},
		},
		check: checkCertificate,
		apply: func(_ context.Context, k *Keeper, req *egress.Request, m Material) (Applied, error) {
			return Applied{}, k.Handshake(req, Handshake{Certificate: m})
		},
	}
}

// certificate reads the pair and the authorities, nil = the public ones, or says what is wrong.
func (m Material) certificate() (tls.Certificate, *x509.CertPool, string) {
	cert, err := tls.X509KeyPair([]byte(unfolded(m.Config.Text("certificate"))), []byte(unfolded(m.Secrets["private_key"].Reveal())))
	if err != nil {
		return cert, nil, "certificate and private key are not both in PEM form, or do not belong together."
	}
	var roots *x509.CertPool
	if ca := m.Config.Text("ca"); ca != "" {
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM([]byte(unfolded(ca))) {
			return cert, nil, "the private authority holds no certificate in PEM form."
		}
	}
	return cert, roots, ""
}

func checkCertificate(in typed, bad *fault.Check) {
	const start = "-----BEGIN CERTIFICATE-----"
	readable := func(name string) bool {
		return x509.NewCertPool().AppendCertsFromPEM([]byte(unfolded(in.config.Text(name))))
	}
	if !readable("certificate") {
		bad.Add("certificate", "This is no certificate in PEM form; it begins with %s.", start)
	}
	if in.config.Text("ca") != "" && !readable("ca") {
		bad.Add("ca", "This is no certificate in PEM form; it begins with %s.", start)
	}
	key := in.secrets["private_key"]
	if key == "" || len(bad.Fields()) > 0 {
		return
	}
	if strings.Contains(key.Reveal(), "ENCRYPTED") {
		bad.Add("private_key", "The key is protected by a passphrase; store it without one (openssl pkey -in key.pem -out plain.pem).")
	} else if _, _, words := (Material{Config: in.config, Secrets: in.secrets}).certificate(); words != "" {
		bad.Add("private_key", "This is no private key in PEM form, or not that of the certificate.")
	}
}
