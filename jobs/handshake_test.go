package jobs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
)

// authority signs certificates.
type authority struct {
	testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB, name string) *authority {
	a := &authority{TB: t}
	a.cert, a.key, a.pem = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(240 * time.Hour)})
	return a
}

// sign gives a certificate with its key; the first one signs itself.
func (a *authority) sign(what *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, string) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	what.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	what.NotBefore = time.Now().Add(-48 * time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = what, key
	}
	der, err := x509.CreateCertificate(rand.Reader, what, parent, &key.PublicKey, by)
	if err != nil {
		a.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// issue makes a certificate for 127.0.0.1 and its private key.
func (a *authority) issue(name string, end time.Time) (certificate string, private model.Secret) {
	a.Helper()
	_, key, certificate := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	return certificate, model.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// server is one that a signed, and that wants certificates of a.
func (a *authority) server(version uint16) *httptest.Server {
	cert, key := a.issue("server", time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key.Reveal()))
	if err != nil {
		a.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s with %s", r.TLS.PeerCertificates[0].Subject.CommonName, r.Header.Get("Authorization"))
	}))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: version}
	srv.StartTLS()
	a.Cleanup(srv.Close)
	return srv
}

// TestHandshake talks to systems behind mutual TLS and a private authority that want a token as well.
func TestHandshake(t *testing.T) {
	d := newDesk(t)
	ours, theirs := newAuthority(t, "Northwind internal"), newAuthority(t, "Somebody else")
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"granted-token-4711","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	token := model.Credential{Name: "Token", Type: "oauth2", Config: model.Config{"grant": "client_credentials", "token_url": tokens.URL, "client_id": "waybill"}}
	shows := func(name string, by *authority, end time.Time) *model.Credential {
		cert, key := by.issue(name, end)
		x := &model.Credential{Name: name, Type: model.CredentialCertificate, Config: model.Config{"certificate": cert}}
		if err := d.CheckCredential(x, model.Secrets{"private_key": key}); err != nil {
			t.Fatal(err)
		}
		d.write(func(tx *db.Tx) error { return tx.CreateCredential(x, model.Secrets{"private_key": key}) })
		return x
	}
	d.write(func(tx *db.Tx) error {
		return tx.CreateCredential(&token, model.Secrets{"client_secret": "secret-4711"})
	})
	soon := time.Now().Add(time.Hour)
	ada, over, foreign := shows("ada", ours, soon), shows("over", ours, time.Now().Add(-24*time.Hour)), shows("foreign", theirs, soon)
	for version, srv := range map[string]*httptest.Server{"TLS 1.2": ours.server(tls.VersionTLS12), "TLS 1.3": ours.server(tls.VersionTLS13)} {
		for _, c := range []struct {
			name, ca string
			carries  model.CredentialID
			shows    model.CredentialID
			class    model.ErrorClass
			says     []string // any of them
		}{
			{"token, certificate and authority", ours.pem, token.ID, ada.ID, "", nil},
			{"two authorities", theirs.pem + ours.pem, token.ID, ada.ID, "", nil},
			{"the certificate is the credential", ours.pem, ada.ID, "", "", nil},
			{"no authority", "", token.ID, ada.ID, model.ClassTLS, []string{"not signed by an authority that this machine trusts"}},
			{"another authority", theirs.pem, token.ID, ada.ID, model.ClassTLS, []string{"not signed by an authority that this connection trusts"}},
			{"no certificate", ours.pem, token.ID, "", model.ClassTLS, []string{"asks for a client certificate, and the request has none", "was shown none, and closed"}},
			{"a certificate of another authority", ours.pem, token.ID, foreign.ID, model.ClassTLS, []string{"does not accept the client certificate", "after it was shown the client certificate"}},
			{"a certificate that ended", ours.pem, token.ID, over.ID, model.ClassTLS, []string{"The client certificate ended on "}},
		} {
			t.Run(version+" "+c.name, func(t *testing.T) {
				x, dest := d.conn, d.dest
				x.BaseURL, x.CA, x.CredentialID, x.ClientCertificateID, x.Version, x.TimeoutSeconds = srv.URL, c.ca, c.carries, c.shows, 0, 30
				if err := d.CheckConnection(&x); err != nil {
					t.Fatal(err)
				}
				d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&x) })
				a, err := d.Test(context.Background(), dest, SampleEvent(time.Now()))
				if err != nil {
					t.Fatal(err)
				}
				if len(c.says) == 0 {
					want := "ada with "
					if c.carries == token.ID {
						want += "Bearer •••"
					}
					if a.StatusCode != 200 || string(a.Response.Body) != want {
						t.Errorf("%d %s %q", a.StatusCode, a.Error, a.Response.Body)
					}
					return
				}
				said := false
				for _, words := range c.says {
					said = said || strings.Contains(a.Error, words)
				}
				if a.StatusCode != 0 || a.Class != c.class || !said {
					t.Errorf("%s %q", a.Class, a.Error)
				}
			})
		}
	}

	// A delivery goes the same way, and what is shown and trusted is not the token endpoint's.
	srv := ours.server(tls.VersionTLS13)
	x := d.conn
	x.BaseURL, x.CA, x.CredentialID, x.ClientCertificateID, x.Version = srv.URL, ours.pem, token.ID, ada.ID, 0
	d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&x) })
	d.settled(d.publish("order.created", order).ID, model.Delivered)
	token.Config = model.Config{"grant": "client_credentials", "token_url": srv.URL, "client_id": "waybill"}
	token.Version = 0
	d.write(func(tx *db.Tx) error { return tx.UpdateCredential(&token, nil) })
	got := d.settled(d.publish("order.created", order).ID, model.Retrying)
	if !strings.Contains(got.LastError, "not signed by an authority that this machine trusts") {
		t.Error(got.LastError)
	}
	dbtest.Write(t, d.store, func(tx *db.Tx) error {
		if err := tx.DeleteCredential(ada.ID); err == nil || !strings.Contains(err.Error(), "connection “Shop”") {
			t.Errorf("delete what is shown: %v", err)
		}
		return nil
	})
}

func TestHandshakeOfConnections(t *testing.T) {
	d := newDesk(t)
	ours := newAuthority(t, "Northwind internal")
	for _, c := range []struct{ ca, says string }{
		{ours.pem + "\r\n" + ours.pem, ""},
		{"nonsense", "no certificate in PEM form"},
		{ours.pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"},
		{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "holds a private key"},
	} {
		x := d.conn
		x.CA = c.ca
		err := d.CheckConnection(&x)
		if (c.says == "") != (err == nil) || (err != nil && !strings.Contains(fmt.Sprint(err), c.says)) {
			t.Errorf("%.30q: %v", c.ca, err)
		}
	}
	x := d.conn
	x.ClientCertificateID = d.cred.ID
	if err := d.CheckConnection(&x); err == nil {
		t.Error("the same credential twice")
	}
	now := time.Now()
	shown := model.Credential{ID: "crd_1", Name: "Ada", EndsAt: now.Add(-time.Hour)}
	x.CA, x.BaseURL = ours.pem, "http://shop.example.com"
	if got := strings.Join(fault.Texts(HandshakeWarnings(x, shown, now)), " "); !strings.Contains(got, "over HTTPS only") || !strings.Contains(got, "“Ada” ended on") || !strings.Contains(got, "“CN=Northwind internal” ends on") {
		t.Error(got)
	}
	if got := HandshakeWarnings(d.conn, model.Credential{}, now); len(got) != 0 {
		t.Error(got)
	}
}
