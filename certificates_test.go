package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is a certificate with this serial number, and its key.
func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, is, is, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})
}

// TestCertificatesAreRenewed exchanges the files under the server's feet, one after the other, and with rubbish in between.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	dir, said, now := t.TempDir(), &bytes.Buffer{}, time.Now()
	c := serveConfig{TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem")}
	log := slog.New(slog.NewTextHandler(said, nil))
	if _, err := c.certificates(log); err == nil || !strings.Contains(err.Error(), "WAYBILL_TLS_CERT") {
		t.Errorf("without files: %v, want no start", err)
	}
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair(t, 1)
	write(c.TLSCert, cert)
	write(c.TLSKey, key)
	x, err := c.certificates(log)
	if err != nil {
		t.Fatal(err)
	}
	x.now = func() time.Time { return now }
	serves := func(when string, want int64) {
		t.Helper()
		got, err := x.choose(&tls.ClientHelloInfo{})
		if err != nil || got.Leaf.SerialNumber.Int64() != want {
			t.Errorf("%s: certificate %v, %v; want %d", when, got.Leaf.SerialNumber, err, want)
		}
	}
	serves("at first", 1)
	now = now.Add(time.Minute)
	cert, key = pair(t, 2)
	write(c.TLSCert, cert)
	serves("with a certificate that the key does not fit yet", 1)
	serves("the same again", 1)
	if n := strings.Count(said.String(), "cannot be used"); n != 1 {
		t.Errorf("%d warnings, want one: %s", n, said)
	}
	write(c.TLSKey, key)
	serves("a moment later, before anybody looks", 1)
	now = now.Add(lookEvery)
	serves("when both are there", 2)
	now = now.Add(time.Minute)
	write(c.TLSCert, []byte("rubbish"))
	serves("with rubbish", 2)
	cert, key = pair(t, 3)
	write(c.TLSCert, cert)
	write(c.TLSKey, key)
	x.again()
	serves("at once, when asked", 3)
}

func TestNumbersBelowZeroAreRefused(t *testing.T) {
	for name, c := range map[string]serveConfig{
		"WAYBILL_RETENTION_DAYS": {RetentionDays: -5}, "WAYBILL_BODY_DAYS": {BodyDays: -1}, "WAYBILL_DISK_BUDGET_MIB": {DiskBudgetMiB: -1}, "WAYBILL_MIN_FREE_MIB": {MinFreeMiB: -3},
	} {
		c.Addr = "127.0.0.1:0"
		if _, err := c.read(); err == nil || !strings.HasPrefix(err.Error(), name+": -") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
