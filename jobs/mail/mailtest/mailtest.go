// Package mailtest is a real mail server on loopback for tests: SMTP with STARTTLS, TLS or neither, and signing in.
// It keeps what arrives in memory and is no part of the program.
package mailtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options of a server; the zero value offers STARTTLS and wants nobody to sign in.
type Options struct {
	User, Password string
	TLS            bool   // from the first byte
	NoTLS          bool   // no STARTTLS
	Refuse         string // the answer to RCPT, "" = anybody is known
}

// Letter is one that arrived.
type Letter struct {
	From string
	To   []string
	Text string // with its head
}

// Server is a mail server that ends with its test.
type Server struct {
	Options Options
	Port    int

	mu      sync.Mutex
	letters []Letter
}

var identity = sync.OnceValues(func() (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
})

// PEM is the certificate that every server shows.
func PEM() []byte { _, text := identity(); return text }

// Roots trust it.
func Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(PEM())
	return pool
}

// Start starts a server on a port of its own.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Options: o, Port: l.Addr().(*net.TCPAddr).Port}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// Letters are those that arrived so far.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
}

// session is one connection (RFC 5321, as far as clients need it).
type session struct {
	s       *Server
	conn    net.Conn
	in      *bufio.Reader
	secured bool
	known   bool
	letter  Letter
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	x := &session{s: s, conn: conn}
	if s.Options.TLS {
		x.secure()
	}
	x.in = bufio.NewReader(x.conn)
	x.say("220 localhost ready")
	for {
		line, err := x.in.ReadString('\n')
		if err != nil || !x.answer(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (x *session) say(line string) { _, _ = x.conn.Write([]byte(line + "\r\n")) }

func (x *session) secure() {
	certificate, _ := identity()
	x.conn = tls.Server(x.conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
	x.in, x.secured = bufio.NewReader(x.conn), true
}

// answer reports whether the connection goes on.
func (x *session) answer(line string) bool {
	o := x.s.Options
	word, rest, _ := strings.Cut(line, " ")
	switch word = strings.ToUpper(word); {
	case word == "EHLO":
		x.say("250-localhost")
		if !o.TLS && !o.NoTLS && !x.secured {
			x.say("250-STARTTLS")
		}
		if o.User != "" && x.secured {
			x.say("250-AUTH PLAIN LOGIN")
		}
		x.say("250 8BITMIME")
	case word == "STARTTLS" && !o.NoTLS:
		x.say("220 go")
		x.secure()
	case word == "AUTH":
		return x.auth(rest)
	case word == "MAIL" && (o.User == "" || x.known):
		x.letter = Letter{From: between(rest)}
		x.say("250 ok")
	case word == "RCPT" && o.Refuse != "":
		x.say(o.Refuse)
	case word == "RCPT":
		x.letter.To = append(x.letter.To, between(rest))
		x.say("250 ok")
	case word == "DATA":
		return x.data()
	case word == "RSET" || word == "NOOP":
		x.say("250 ok")
	case word == "QUIT":
		x.say("221 bye")
		return false
	default:
		x.say("502 not here")
	}
	return true
}

func (x *session) auth(rest string) bool {
	kind, text, _ := strings.Cut(rest, " ")
	if !strings.EqualFold(kind, "PLAIN") {
		x.say("504 only PLAIN")
		return true
	}
	raw, _ := base64.StdEncoding.DecodeString(text)
	if x.known = string(raw) == "\x00"+x.s.Options.User+"\x00"+x.s.Options.Password; x.known {
		x.say("235 welcome")
	} else {
		x.say("535 5.7.8 not accepted")
	}
	return true
}

func (x *session) data() bool {
	x.say("354 go on")
	var text strings.Builder
	for {
		line, err := x.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	x.letter.Text = text.String()
	x.s.mu.Lock()
	x.s.letters = append(x.s.letters, x.letter)
	x.s.mu.Unlock()
	x.say("250 taken")
	return true
}

// between is what stands in angle brackets.
func between(text string) string {
	_, text, _ = strings.Cut(text, "<")
	text, _, _ = strings.Cut(text, ">")
	return text
}
