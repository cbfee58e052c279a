// Package mail hands one letter to a mail server (SMTP, RFC 5321), over STARTTLS, TLS or in the clear.
//
// It dials by what it is given, so that the address rules of jobs/egress hold; it never falls back from a secured connection
// to an open one, and shows no password to a server without TLS. When letters go out, and again, is jobs' business.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	gomail "github.com/wneessen/go-mail"

	"waybill/db/model"
)

// timeout bounds one letter from the first byte to the last.
const timeout = 30 * time.Second

// Sender sends letters; Dial is required.
type Sender struct {
	// Dial opens a connection to a host by the address rules; plain says that it will not be secured.
	Dial  func(ctx context.Context, host string, port int, plain bool) (net.Conn, error)
	Roots *x509.CertPool // nil = the system's
	Now   func() time.Time
}

// Letter is a text for one person.
type Letter struct {
	ID, To, Subject, Text string
}

// Error is why a letter did not go out, in words without secrets. Final: another try would not help.
type Error struct {
	Words string
	Final bool
	Cause error
}

func (e *Error) Error() string { return e.Words }
func (e *Error) Unwrap() error { return e.Cause }

// Send sends one letter. The error is always an *Error.
func (s *Sender) Send(ctx context.Context, m model.MailSettings, password model.Secret, l Letter) error {
	if m.Host == "" {
		return &Error{Words: "No mail server is set."}
	}
	msg, err := s.message(m, l)
	if err != nil {
		return &Error{Words: "The letter could not be written: " + err.Error(), Final: true, Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := gomail.NewClient(m.Host, s.options(m, password)...)
	if err != nil {
		return &Error{Words: "The mail settings cannot be used: " + err.Error(), Final: true, Cause: err}
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return explain(ctx, err, m, password)
	}
	return nil
}

func (s *Sender) message(m model.MailSettings, l Letter) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.FromFormat(m.FromName, m.From); err != nil {
		return nil, err
	}
	if err := msg.To(l.To); err != nil {
		return nil, err
	}
	msg.Subject(strings.Join(strings.Fields(l.Subject), " "))
	_, host, _ := strings.Cut(m.From, "@")
	msg.SetMessageIDWithValue(l.ID + "@" + host) // the same on every try, so that a letter that came twice can be told
	msg.SetDateWithValue(s.Now())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday notice answers
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)
	return msg, nil
}

func (s *Sender) options(m model.MailSettings, password model.Secret) []gomail.Option {
	config := &tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12, RootCAs: s.Roots}
	out := []gomail.Option{gomail.WithPort(m.Port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(config), gomail.WithoutNoop(),
		gomail.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := s.Dial(ctx, m.Host, m.Port, m.Security == model.MailPlain)
			if err != nil || m.Security != model.MailTLS {
				return conn, err
			}
			secured := tls.Client(conn, config)
			if err := secured.HandshakeContext(ctx); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return secured, nil
		})}
	switch m.Security {
	case model.MailTLS:
		out = append(out, gomail.WithSSL())
	case model.MailPlain:
		out = append(out, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		out = append(out, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.Username != "" {
		kind := gomail.SMTPAuthAutoDiscover
		if m.Security == model.MailTLS { // discovering takes a connection that we secured for an open one
			kind = gomail.SMTPAuthPlain
		}
		out = append(out, gomail.WithSMTPAuth(kind), gomail.WithUsername(m.Username), gomail.WithPassword(password.Reveal()))
	}
	return out
}

// explain puts a failure into words; what the server said is quoted, as far as it holds no secret.
func explain(ctx context.Context, err error, m model.MailSettings, password model.Secret) *Error {
	out := &Error{Cause: err}
	var refused *gomail.SendError
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	var op *net.OpError
	text := err.Error()
	if p := password.Reveal(); p != "" {
		text = strings.ReplaceAll(text, p, model.Mask)
	}
	at := fmt.Sprintf("%s:%d", m.Host, m.Port)
	switch {
	case ctx.Err() != nil:
		out.Words = "The mail server " + at + " did not answer in time."
	case errors.As(err, &certificate):
		out.Words = "The certificate of the mail server " + at + " was not accepted: " + certificate.Err.Error()
	case errors.As(err, &refused):
		code := refused.ErrorCode()
		out.Final = code >= 500 && code < 600 && !refused.IsTemp()
		out.Words = "The mail server did not take the letter: " + text
	case errors.As(err, &dns):
		out.Words = "The name of the mail server, " + m.Host + ", could not be looked up."
	case errors.Is(err, syscall.ECONNREFUSED):
		out.Words = "Nothing listens at " + at + ": the connection to the mail server was refused."
	case errors.As(err, &op) && op.Op == "dial":
		out.Words = "No connection to the mail server " + at + "."
	default:
		out.Words = "The letter did not go out by " + at + ": " + text
	}
	return out
}
