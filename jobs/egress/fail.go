package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Error is why an exchange failed.
type Error struct {
	Class   model.ErrorClass
	Message string   // a sentence for operators, without secrets
	Refusal *Refusal // set when a rule of ours stopped it; trying again is pointless
	Cause   error    // may be nil; context.Canceled when the caller gave up
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Cause }

func refused(r *Refusal) *Error {
	return &Error{Class: model.ClassRefused, Message: r.Message, Refusal: r}
}

// explain turns what went wrong into a class and a sentence. status is that of an answer whose body broke off.
func explain(err error, f *flight, timeout time.Duration, status int) *Error {
	say := func(class model.ErrorClass, format string, args ...any) *Error {
		return &Error{Class: class, Message: fmt.Sprintf(format, args...), Cause: err}
	}
	var r *Refusal
	if errors.As(err, &r) {
		return refused(r)
	}
	host := f.host
	if d := f.open; d != nil && d.addr != "" {
		host = leadsTo(f.host, d.addr).String()
	}
	var dns *net.DNSError
	var op *net.OpError
	var proxy *proxyError
	switch {
	case errors.Is(err, context.Canceled):
		return say(model.ClassBroken, "The request was stopped before an answer came.")
	case errors.As(err, &proxy) && proxy.timeout:
		return say(model.ClassTimeout, "%s", proxy.Error())
	case errors.As(err, &proxy):
		return say(model.ClassConnect, "%s", proxy.Error())
	case errors.As(err, &dns):
		return say(model.ClassDNS, "%s", dnsWords(dns, f.host))
	case errors.As(err, &op) && op.Op == "dial": // first: a dial that ran into its own limit is also "deadline exceeded"
		return dialWords(op, host, err)
	case errors.Is(err, context.DeadlineExceeded):
		return say(model.ClassTimeout, "%s", timeoutWords(f, host, timeout, status))
	}
	if words := tlsWords(err, f); words != "" {
		return say(model.ClassTLS, "%s", words)
	}
	if errors.As(err, &op) && op.Timeout() {
		return say(model.ClassTimeout, "%s stopped answering.", host)
	}
	if words := f.unwelcome(err, host); words != "" && status == 0 {
		return say(model.ClassTLS, "%s", words)
	}
	return say(model.ClassBroken, "%s", brokenWords(err, host, status))
}

func dnsWords(d *net.DNSError, host string) *fault.Words {
	switch {
	case d.IsNotFound:
		return fault.Say("The name %s does not resolve.", host)
	case d.IsTimeout:
		return fault.Say("The name server did not answer in time when asked for %s.", host)
	}
	return fault.Say("The name %s could not be looked up: the name server failed.", host)
}

func timeoutWords(f *flight, host string, timeout time.Duration, status int) string {
	switch {
	case status != 0:
		return fmt.Sprintf("The answer of %s began (status %d) but was not complete within %s.", host, status, seconds(timeout))
	case f.got == 0:
		return fmt.Sprintf("No connection to %s within %s.", host, seconds(timeout))
	}
	return fmt.Sprintf("No answer within %s.", seconds(timeout))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

func dialWords(op *net.OpError, host string, err error) *Error {
	e := &Error{Class: model.ClassConnect, Cause: err}
	switch {
	case op.Timeout():
		e.Class, e.Message = model.ClassTimeout, fmt.Sprintf("No connection to %s within %s.", host, seconds(dialTimeout))
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = fmt.Sprintf("Nothing listens at %s: the connection was refused.", host)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Message = fmt.Sprintf("There is no way to %s from this machine.", host)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Message = "This machine has no more open files left for connections; raise the limit (ulimit -n)."
	default:
		e.Message = fmt.Sprintf("No connection to %s.", host)
	}
	return e
}

// refusal is what a server says of a client certificate, or of there being none, in the words of crypto/tls for its alert
// (RFC 8446 6.2); "" when err is no such alert.
func refusal(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	switch text := strings.TrimPrefix(op.Err.Error(), "tls: "); text {
	case "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate", "unknown certificate authority",
		"access denied", "certificate required", "handshake failure":
		return text
	}
	return ""
}

func tlsWords(err error, f *flight) string {
	host := f.host
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		alert   tls.AlertError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown) && f.identity != nil && f.identity.private:
		return fmt.Sprintf("The certificate of %s is not signed by an authority that this connection trusts: a private one is set, which takes the place of the public ones.", host)
	case errors.As(err, &unknown):
		return fmt.Sprintf("The certificate of %s is not signed by an authority that this machine trusts.", host)
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate that %s shows is made out to another name.", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("The certificate of %s has expired or is not valid yet.", host)
	case errors.As(err, &invalid), errors.As(err, &verify):
		return fmt.Sprintf("The certificate of %s is not valid.", host)
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS at this port; perhaps it is a plain HTTP port.", host)
	case f.wanted && refusal(err) != "":
		if !f.shows() {
			return fmt.Sprintf("%s asks for a client certificate, and the request has none to show.", host)
		}
		return fmt.Sprintf("%s does not accept the client certificate: %s.", host, refusal(err))
	case errors.As(err, &alert):
		return fmt.Sprintf("%s ended the TLS handshake: %s.", host, strings.TrimPrefix(alert.Error(), "tls: "))
	case errors.Is(err, slowHandshake{}):
		return fmt.Sprintf("%s did not finish the TLS handshake within %s.", host, seconds(dialTimeout))
	case strings.HasPrefix(err.Error(), "tls: "), strings.HasPrefix(err.Error(), "remote error: tls"):
		return fmt.Sprintf("No TLS connection with %s could be agreed on.", host)
	}
	return ""
}

func (f *flight) shows() bool { return f.identity != nil && f.identity.shows }

// unwelcome says that a new connection was closed after a client certificate was asked for, "" when it was not: in TLS 1.3
// a server that does not like what it is shown may close before its alert is read.
func (f *flight) unwelcome(err error, host string) string {
	if !f.wanted || f.reuse || !cutOff(err) {
		return ""
	}
	if !f.shows() {
		return fmt.Sprintf("%s asked for a client certificate, was shown none, and closed the connection.", host)
	}
	return fmt.Sprintf("%s closed the connection after it was shown the client certificate; perhaps it does not accept it.", host)
}

func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func brokenWords(err error, host string, status int) string {
	switch {
	case status != 0:
		return fmt.Sprintf("The answer of %s began (status %d) and broke off.", host, status)
	case cutOff(err):
		return fmt.Sprintf("%s closed the connection without an answer.", host)
	case errors.Is(err, errHead):
		return fmt.Sprintf("The headers of the answer of %s exceed %d KiB.", host, maxHeaderBytes>>10)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Sprintf("What %s answered is not HTTP.", host)
	}
	return fmt.Sprintf("The exchange with %s failed: the connection broke.", host)
}
