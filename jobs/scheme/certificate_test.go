package scheme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// authority signs certificates for servers and clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: ecKey(t, elliptic.P256())}
	a.cert, a.pem = issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "private authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, a.key, a.key)
	return a
}

func issue(t *testing.T, what, parent *x509.Certificate, key, by *ecdsa.PrivateKey) (*x509.Certificate, string) {
	t.Helper()
	what.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	what.NotBefore = time.Now().Add(-time.Hour)
	if what.NotAfter.IsZero() {
		what.NotAfter = time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent = what
	}
	der, err := x509.CreateCertificate(rand.Reader, what, parent, &key.PublicKey, by)
	text := pemText(t, "CERTIFICATE", der, err)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, text.Reveal()
}

// issue makes a certificate for 127.0.0.1 and its private key.
func (a *authority) issue(t *testing.T, name string, end time.Time) (certificate string, private model.Secret) {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	_, certificate = issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, a.cert, key, a.key)
	return certificate, pkcs8(t, key)
}

// demanding answers with the name in the client's certificate, which a must have signed.
func (a *authority) demanding(t *testing.T) string {
	t.Helper()
	cert, key := a.issue(t, "server", time.Time{})
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestClientCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	address := ours.demanding(t)
	e := local(t)
	k := NewKeeper(e, time.Now)
	ask := func(m Material) (string, error) {
		req := egress.Request{Method: "GET", URL: address}
		if m.Type != "" {
			if _, err := k.Apply(context.Background(), &req, m); err != nil {
				return "", err
			}
		}
		x, err := e.Do(context.Background(), req)
		return string(x.Body), err
	}
	material := func(id model.CredentialID, version int64, by *authority, name, ca string) Material {
		cert, key := by.issue(t, name, time.Time{})
		return Material{Type: "client_certificate", ID: id, Version: version, Config: model.Config{"certificate": cert, "ca": ca}, Secrets: model.Secrets{"private_key": key}}
	}
	for _, tc := range []struct {
		what, want, words string // in TLS 1.3 the refusal may come as an alert or as a connection that broke
		m                 Material
	}{
		{"ada", "ada", "", material("crd_1", 1, ours, "ada", ours.pem)},
		{"another credential", "bob", "", material("crd_2", 1, ours, "bob", ours.pem)},
		{"edited", "eve", "", material("crd_1", 2, ours, "eve", ours.pem)},
		{"not kept", "tim", "", material("", 0, ours, "tim", ours.pem)},
		{"without the authority", "", "not signed by an authority that this machine trusts", material("crd_3", 1, ours, "ada", "")},
		{"with another authority", "", "not signed by an authority", material("crd_4", 1, ours, "ada", theirs.pem)},
		{"signed by another authority", "", "127.0.0.1", material("crd_5", 1, theirs, "ada", ours.pem)},
		{"none", "", "not signed by an authority", Material{}},
	} {
		for range 2 { // the second time over a connection that is open
			if got, err := ask(tc.m); got != tc.want || (err == nil) != (tc.words == "") || (err != nil && !strings.Contains(err.Error(), tc.words)) {
				t.Errorf("%s: %q %v", tc.what, got, err)
			}
		}
	}
	m := material("crd_9", 1, ours, "ada", ours.pem)
	one, err := k.identity(Handshake{Certificate: m})
	two, _ := k.identity(Handshake{Certificate: m})
	if err != nil || one.Identity != two.Identity {
		t.Error("connections are not kept")
	}
}

func TestCertificatesThatCannotBeShown(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "ada", time.Now().Add(time.Minute))
	_, other := a.issue(t, "bob", time.Time{})
	k := NewKeeper(local(t), func() time.Time { return time.Now().Add(time.Hour) })
	for name, tc := range map[string]struct {
		url   string
		key   model.Secret
		words string
	}{
		"over":        {"https://api.example.com", key, "The client certificate ended on "},
		"another key": {"https://api.example.com", other, "do not belong together"},
		"plain":       {"http://127.0.0.1:1", key, "HTTPS only"},
	} {
		_, err := k.Apply(context.Background(), &egress.Request{URL: tc.url}, Material{Type: "client_certificate", Config: model.Config{"certificate": cert}, Secrets: model.Secrets{"private_key": tc.key}})
		var e *egress.Error
		if !errors.As(err, &e) || e.Class != model.ClassAuth || !strings.Contains(e.Message, tc.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckCertificate(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "ada", time.Time{})
	_, other := a.issue(t, "bob", time.Time{})
	for name, tc := range map[string]struct {
		config model.Config
		key    model.Secret
		stored []string
		want   []string
	}{
		"whole":              {model.Config{"certificate": strings.ReplaceAll(cert+a.pem, "\n", "\r\n"), "ca": a.pem}, key, nil, nil},
		"key kept":           {model.Config{"certificate": cert}, "", []string{"private_key"}, nil},
		"nothing":            {nil, "", nil, []string{"certificate", "private_key"}},
		"nonsense":           {model.Config{"certificate": "x", "ca": "y"}, key, nil, []string{"certificate", "ca"}},
		"key as certificate": {model.Config{"certificate": key.Reveal()}, key, nil, []string{"certificate"}},
		"certificate as key": {model.Config{"certificate": cert}, model.Secret(cert), nil, []string{"private_key"}},
		"another key":        {model.Config{"certificate": cert}, other, nil, []string{"private_key"}},
		"locked key":         {model.Config{"certificate": cert}, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----", nil, []string{"private_key"}},
	} {
		var got []string
		for _, f := range Check("client_certificate", Clean("client_certificate", tc.config), model.Secrets{"private_key": tc.key}, tc.stored) {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
