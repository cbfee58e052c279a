package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates holds the pair that HTTPS is served with, and reads it again when its files have changed. A new pair that cannot
// be read leaves the old one in use.
type certificates struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate
	read   string    // state of the files when they were last read
	looked time.Time // when that was last compared
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = 3 * time.Second

// certificates reads the pair that is configured; nil when none is.
func (c serveConfig) certificates(log *slog.Logger) (*certificates, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	x := &certificates{cert: c.TLSCert, key: c.TLSKey, log: log, now: time.Now}
	return x, x.load()
}

// load reads the pair, whatever it was read from before.
func (x *certificates) load() error {
	x.read, x.looked = x.state(), x.now()
	pair, err := tls.LoadX509KeyPair(x.cert, x.key)
	if err != nil {
		return fmt.Errorf("WAYBILL_TLS_CERT, WAYBILL_TLS_KEY: %w", err)
	}
	x.pair = &pair
	return nil
}

// state tells one content of the files from another.
func (x *certificates) state() string {
	out := ""
	for _, path := range []string{x.cert, x.key} {
		info, err := os.Stat(path) // through links: renewals often move one
		if err != nil {
			out += err.Error() + ";"
			continue
		}
		out += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
	}
	return out
}

// choose is tls.Config.GetCertificate.
func (x *certificates) choose(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := x.now(); now.Sub(x.looked) >= lookEvery || now.Before(x.looked) {
		if x.looked = now; x.state() != x.read {
			x.renew()
		}
	}
	return x.pair, nil
}

// again reads the pair now.
func (x *certificates) again() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.renew()
}

func (x *certificates) renew() {
	if err := x.load(); err != nil {
		x.log.Warn("the new certificate cannot be used; the one before stays in use", "err", err)
		return
	}
	x.log.Info("the certificate was read again", "valid_until", x.pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
}

// rereads reads the certificate again at every hangup, until over is closed.
func (s *server) rereads(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-s.hangups:
		}
		if s.certs != nil {
			s.certs.again()
			continue
		}
		s.log.Info("SIGHUP: nothing is read again, for no certificate is configured; SIGTERM ends the server")
	}
}
