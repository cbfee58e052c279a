package jobs

import (
	"context"
	"errors"
	"strings"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/mail"
)

// post is the goroutine that sends letters. It sleeps until the first one is due, or until somebody queued one.
type post struct {
	wake
	sender mail.Sender
}

// lettersAtOnce is how many letters are sent in a row.
const lettersAtOnce = 20

// sendLetters sends what is due and says when the next letter is, zero for none.
func (s *Service) sendLetters(ctx context.Context) (time.Time, error) {
	for {
		due, err := s.o.Store.DueMails(ctx, s.o.Now(), lettersAtOnce)
		if err != nil {
			return time.Time{}, err
		}
		if len(due) > 0 {
			if err := s.o.Store.Durable(ctx); err != nil { // what a link leads to is there for good
				return time.Time{}, err
			}
		}
		for _, m := range due {
			select {
			case <-s.stopped:
				return time.Time{}, nil
			default:
			}
			if err := s.sendLetter(ctx, m); err != nil {
				return time.Time{}, err
			}
		}
		if len(due) < lettersAtOnce {
			return s.o.Store.NextMail(ctx)
		}
	}
}

// sendLetter makes one attempt and notes what became of it. A process that dies in between sends the letter again, with the
// same Message-ID.
func (s *Service) sendLetter(ctx context.Context, m model.Mail) error {
	err := s.post(ctx, m)
	if err == nil || m.Why != "test" { // a test says by itself how it went
		s.Job("mail", err)
	}
	next, words := time.Time{}, ""
	if err != nil {
		words = err.Error()
		var final *mail.Error
		if waits := model.MailAttempts(); !(errors.As(err, &final) && final.Final) && m.Attempts+1 < len(waits) {
			next = s.o.Now().Add(waits[m.Attempts+1])
		}
		s.o.Log.Warn("a letter did not go out", "mail", m.ID, "why", m.Why, "attempt", m.Attempts+1, "again", !next.IsZero(), "error", words)
	}
	return s.o.Store.Write(ctx, model.System("mail"), func(tx *db.Tx) error { return tx.MarkMail(m.ID, next, words) })
}

func (s *Service) post(ctx context.Context, m model.Mail) error {
	settings, err := s.o.Store.Mail(ctx)
	if err != nil {
		return err
	}
	text, err := s.o.Store.OpenMail(ctx, m.ID)
	if err != nil {
		return err
	}
	password, err := s.o.Store.OpenMailPassword(ctx)
	if err != nil {
		return err
	}
	return s.mail.sender.Send(ctx, settings, password, mail.Letter{ID: string(m.ID), To: m.To, Subject: m.Subject, Text: text.Reveal()})
}

// UpdateMail checks and stores how letters go out; a password that is empty is kept.
func (s *Service) UpdateMail(ctx context.Context, actor model.Actor, n model.MailSettings, password model.Secret) error {
	n.Clean()
	var bad fault.Check
	bad.Join("", n.Check())
	if n.Host != "" && n.Username != "" && n.Security == model.MailPlain {
		bad.Add("security", "A password is not sent without TLS: choose STARTTLS or TLS, or leave the user name empty.")
	}
	if err := bad.Err(); err != nil {
		return err
	}
	err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateMail(n, password) })
	if err == nil {
		s.mail.poke()
	}
	return err
}

// Say writes a sentence of a letter in the language with this tag; "" is that of whoever asked for the letter.
type Say func(language string, w *fault.Words) string

// TestMail sends a letter at once, with the settings that are stored, and says what went wrong. Nothing is queued.
func (s *Service) TestMail(ctx context.Context, to string, say Say) error {
	var bad fault.Check
	if w := model.CheckEmail(strings.TrimSpace(to)); w != "" {
		bad.Add("to", "%s", w)
		return bad.Err()
	}
	settings, err := s.o.Store.Mail(ctx)
	if err != nil {
		return err
	}
	password, err := s.o.Store.OpenMailPassword(ctx)
	if err != nil {
		return err
	}
	letter := mail.Letter{ID: string(model.NewMailID(s.o.Now())), To: strings.TrimSpace(to), Subject: say("", fault.Say("Waybill: a test")),
		Text: say("", fault.Say("This letter was sent to try the mail settings of the Waybill at %s.\nIt arrived, so they work.\n", s.o.BaseURL))}
	if err = s.mail.sender.Send(ctx, settings, password, letter); err != nil {
		bad.Add("to", "%s", err)
		return bad.Err()
	}
	return nil
}

// MailInvitation queues the letter of an invitation in the write that makes it, when there is a mail server; it reports whether.
// Whoever is invited has no language yet: the letter has that of whoever invites.
func (s *Service) MailInvitation(tx *db.Tx, i model.Invitation, link string, say Say) (bool, error) {
	settings, err := tx.Mail()
	if err != nil || settings.Host == "" {
		return false, err
	}
	by := any(i.InvitedByName)
	if by == "" {
		by = fault.Noun("Somebody")
	}
	text := fault.Say("%s invites you to the Waybill at %s.\n\nChoose your name and password here; the link works once, until %s:\n%s\n\nIf you do not expect this, leave it.\n",
		by, s.o.BaseURL, clockOf(i.ExpiresAt), link)
	tx.After(s.mail.poke)
	return true, tx.QueueMail(i.Email, say("", fault.Say("Your invitation to Waybill")), "invitation", model.Secret(say("", text)))
}

// MailReset makes a link for another password and queues its letter, in one write and in the language of the account, where it
// has one; where nobody has the address, or there is no mail server, it does nothing.
func (s *Service) MailReset(tx *db.Tx, email string, tokenHash []byte, link string, say Say) error {
	settings, err := tx.Mail()
	if err != nil || settings.Host == "" {
		return err
	}
	u, made, err := tx.AskReset(email, tokenHash)
	if err != nil || !made {
		return err
	}
	text := fault.Say("Somebody, hopefully you, forgot the password of %s at the Waybill at %s.\n\nChoose another one here; the link works once, until %s:\n%s\n\n"+
		"If it was not you, leave it: the password stays as it is.\n", u.Email, s.o.BaseURL, clockOf(tx.Now().Add(model.ResetLife)), link)
	tx.After(s.mail.poke)
	return tx.QueueMail(u.Email, say(u.Language, fault.Say("Another password for Waybill")), "password", model.Secret(say(u.Language, text)))
}
