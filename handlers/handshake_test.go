package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// filled is what a browser without scripts posts for the form of a page: every control that takes part, as it stands.
func (p page) filled() url.Values {
	form := url.Values{}
	p.doc.Find("form#form [name]").Each(func(_ int, in *goquery.Selection) {
		name, _ := in.Attr("name")
		value, _ := in.Attr("value")
		kind, _ := in.Attr("type")
		switch {
		case in.Is("button"):
			return
		case in.Is("textarea"):
			value = strings.TrimPrefix(in.Text(), "\n")
		case in.Is("select"):
			option := in.Find("option[selected]")
			if option.Length() == 0 {
				option = in.Find("option").First()
			}
			value, _ = option.Attr("value")
		case kind == "radio" || kind == "checkbox":
			if _, on := in.Attr("checked"); !on {
				return
			}
		}
		form.Add(name, value)
	})
	return form
}

// selfSigned is a certificate that signs itself, with its key.
func selfSigned(t *testing.T, name string, end time.Time) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	what := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, what, what, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// TestConnectionFormWithoutScripts makes a connection with two credentials in place, a wrong turn included, only by what
// the pages themselves hold.
func TestConnectionFormWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	ca, _ := selfSigned(t, "Northwind internal", time.Now().Add(5*24*time.Hour+time.Hour))
	certificate, key := selfSigned(t, "Waybill client", time.Now().Add(90*24*time.Hour))
	first := b.get("/connections/new/custom_http")
	if _, open := first.doc.Find("details.tls-fields").Attr("open"); open {
		t.Error("what is not used is unfolded")
	}
	form := first.filled()
	for name, value := range map[string]string{"name": "Ledger", "base_url": "https://ledger.example.com", "auth": "new", "credential_type": "oauth2", "new.oauth2.token_url": "https://login.example.com/token",
		"new.oauth2.client_id": "waybill", "new.oauth2.client_secret": secret, "ca": "nonsense", "tls.auth": "new", "tls.new.client_certificate.certificate": certificate,
		"tls.new.client_certificate.private_key": key} {
		if !form.Has(name) && name != "auth" && name != "tls.auth" {
			t.Errorf("the form has no %s", name)
		}
		form.Set(name, value)
	}
	bad := b.do(http.MethodPost, "/connections", form)
	b.shows(bad, 422, "This is no certificate in PEM form")
	if _, open := bad.doc.Find("details.tls-fields").Attr("open"); !open {
		t.Error("what is wrong is folded away")
	}
	if html, _ := bad.doc.Html(); strings.Contains(html, secret) || strings.Contains(html, "PRIVATE KEY-----\n") {
		t.Error("a secret came back")
	}
	again := bad.filled()
	for name, want := range map[string]string{"auth": "new", "credential_type": "oauth2", "new.oauth2.client_id": "waybill", "tls.auth": "new", "tls.credential_type": "client_certificate", "ca": "nonsense"} {
		if got := again.Get(name); got != want {
			t.Errorf("%s is %q after a wrong turn, want %q", name, got, want)
		}
	}
	again.Set("ca", ca)
	again.Set("new.oauth2.client_secret", secret)
	again.Set("tls.new.client_certificate.private_key", key)
	id := b.saved(b.do(http.MethodPost, "/connections", again))
	b.shows(b.get("/connections/"+id), 200, "Authentication Ledger", "Northwind internal", "Ends in 5 days", "Client certificate Ledger certificate", "The private authority “CN=Northwind internal” ends on")
	b.shows(b.get("/connections?state=attention"), 200, "Ledger")
	b.shows(b.get("/"), 200, "Private authority of Ledger: Ends in 5 days")

	edit := b.get("/connections/" + id + "/edit")
	kept := edit.filled()
	if kept.Get("tls.auth") != "pick" || kept.Get("auth") != "pick" || strings.TrimSpace(kept.Get("ca")) != strings.TrimSpace(ca) {
		t.Errorf("the form begins with %s, %s, %.30q", kept.Get("tls.auth"), kept.Get("auth"), kept.Get("ca"))
	}
	shown := kept.Get("tls.credential_id")
	b.shows(b.post("/credentials/"+shown+"/delete"), 409, "in use by connection “Ledger”")
	kept.Set("tls.credential_id", kept.Get("credential_id"))
	b.shows(b.do(http.MethodPost, "/connections/"+id, kept), 422, "name it once")
	kept.Set("tls.auth", "none")
	b.saved(b.do(http.MethodPost, "/connections/"+id, kept))
	b.shows(b.get("/connections/"+id), 200, "None of its own")
	kept.Set("tls.auth", "pick")
	kept.Set("tls.credential_id", shown)
	stale := b.do(http.MethodPost, "/connections/"+id, kept)
	b.shows(stale, 409, "You changed this connection in another window", "Client certificate", "Ledger certificate")

	// Who may not see credentials keeps what there is.
	kept.Set("version", stale.value("version"))
	b.saved(b.do(http.MethodPost, "/connections/"+id, kept))
	role := model.Role{Name: "Wiring", Rights: []model.Right{model.Connections.Manage()}}
	dbtest.Write(t, s.store, func(tx *db.Tx) error { return tx.CreateRole(&role) })
	v := s.as(s.user("vic@example.com", role.Name))
	plain := v.get("/connections/" + id + "/edit").filled()
	if plain.Get("tls.auth") != "keep" {
		t.Errorf("the form begins with %q", plain.Get("tls.auth"))
	}
	plain.Set("description", "by Vic")
	v.saved(v.do(http.MethodPost, "/connections/"+id, plain))
	v.shows(v.get("/connections/"+id), 200, "by Vic", "Client certificate Ledger certificate")
	plain.Set("tls.auth", "pick")
	plain.Set("tls.credential_id", kept.Get("credential_id"))
	v.shows(v.do(http.MethodPost, "/connections/"+id, plain), 403, "View Credentials")
}
