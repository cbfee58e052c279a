package mail_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
	"waybill/jobs/mail"
	"waybill/jobs/mail/mailtest"
)

// Each way to a server that works, and each that must not.
func TestSend(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{User: "bot", Password: "s3cret pass"})
	direct := mailtest.Start(t, mailtest.Options{User: "bot", Password: "s3cret pass", TLS: true})
	open := mailtest.Start(t, mailtest.Options{NoTLS: true})
	refusing := mailtest.Start(t, mailtest.Options{NoTLS: true, Refuse: "550 5.1.1 No such person"})
	busy := mailtest.Start(t, mailtest.Options{NoTLS: true, Refuse: "451 4.7.1 Come back later"})
	nobody := &mailtest.Server{Port: 1, Options: mailtest.Options{NoTLS: true}}
	settings := func(s *mailtest.Server, security string) model.MailSettings {
		m := model.MailSettings{Host: "localhost", Port: s.Port, Security: security, From: "waybill@example.com", FromName: "Way, bill"}
		if s.Options.User != "" {
			m.Username = s.Options.User
		}
		return m
	}
	for _, c := range []struct {
		name     string
		to       *mailtest.Server
		security string
		password string
		roots    bool
		words    string // of the error, "" = it goes out
		final    bool
	}{
		{"STARTTLS", server, model.MailStartTLS, "s3cret pass", true, "", false},
		{"TLS", direct, model.MailTLS, "s3cret pass", true, "", false},
		{"in the clear", open, model.MailPlain, "", false, "", false},
		{"a wrong password", server, model.MailStartTLS, "wrong one", true, "535", false},
		{"a certificate that nobody signed", server, model.MailStartTLS, "s3cret pass", false, "certificate", false},
		{"STARTTLS where there is none", open, model.MailStartTLS, "", true, "STARTTLS", false},
		{"a refusal for good", refusing, model.MailPlain, "", false, "No such person", true},
		{"where nothing listens", nobody, model.MailPlain, "", false, "Nothing listens at localhost:1: the connection to the mail server was refused.", false},
		{"a refusal for now", busy, model.MailPlain, "", false, "Come back later", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(c.to.Letters())
			s := mail.Sender{Now: time.Now, Dial: func(ctx context.Context, host string, port int, plain bool) (net.Conn, error) {
				if plain != (c.security == model.MailPlain) {
					t.Errorf("dialled as plain %v", plain)
				}
				return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			}}
			if c.roots {
				s.Roots = mailtest.Roots()
			} else {
				s.Roots = x509.NewCertPool()
			}
			err := s.Send(context.Background(), settings(c.to, c.security), model.Secret(c.password), mail.Letter{ID: "mal_1", To: "ada@example.com", Subject: "Grüße\r\nBcc: eve@example.com", Text: "Line one\n.\nLine three\n"})
			var e *mail.Error
			if c.words == "" {
				if err != nil {
					t.Fatal(err)
				}
				got := c.to.Letters()
				if len(got) != before+1 {
					t.Fatalf("%d letters arrived, want one more than %d", len(got), before)
				}
				l := got[before]
				if l.From != "waybill@example.com" || strings.Join(l.To, ",") != "ada@example.com" || strings.Contains(l.Text, "\nBcc:") ||
					!strings.Contains(l.Text, "Message-ID: <mal_1@example.com>") || !strings.Contains(l.Text, "Line three") || !strings.Contains(l.Text, "Auto-Submitted: auto-generated") {
					t.Errorf("the letter is %+v", l)
				}
				return
			}
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.words) || e.Final != c.final {
				t.Errorf("error %#v %v, want %q, final %v", e, err, c.words, c.final)
			}
			if len(c.to.Letters()) != before {
				t.Error("a letter arrived all the same")
			}
			if c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}
