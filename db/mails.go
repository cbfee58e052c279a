package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const (
	mailName     = "mail"
	settingKind  = "setting"
	passwordName = "password"
	letterKind   = "mail"
	letterBody   = "body"
	hasPassword  = `SELECT EXISTS (SELECT 1 FROM sealed WHERE kind = $1 AND row_id = $2 AND name = $3)`
)

// Mail is how letters go out, as it was set by people.
func (s *Store) Mail(ctx context.Context) (model.MailSettings, error) { return mailOf(s.reader(ctx)) }

// Mail is Store.Mail in this transaction.
func (tx *Tx) Mail() (model.MailSettings, error) { return mailOf(tx) }

func mailOf(q querier) (model.MailSettings, error) {
	got, err := settingOf(q, mailName, model.MailSettings{Security: model.MailStartTLS})
	if err != nil {
		return got.value, err
	}
	out := got.value
	out.Changed, out.Version = got.at, got.version
	n, err := one(q, "secret", number, hasPassword, settingKind, mailName, passwordName)
	out.Password = n == 1
	return out, err
}

// OpenMailPassword opens the password of the mail server. Only jobs calls it, to sign in there.
func (s *Store) OpenMailPassword(ctx context.Context) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), settingKind, mailName)
	return secrets[passwordName], err
}

// UpdateMail stores n, which is clean and checked; versions count as in UpdateConnection. A password that is empty is kept,
// but not for another host or without a user name: it goes nowhere else than where it was typed for.
func (tx *Tx) UpdateMail(n model.MailSettings, password model.Secret) error {
	old, err := mailOf(tx)
	if err != nil {
		return err
	}
	diff := changes("host", old.Host, n.Host, "port", positive(old.Port), positive(n.Port), "security", old.Security, n.Security, "username", old.Username, n.Username,
		"from", old.From, n.From, "from_name", old.FromName, n.FromName)
	if right := tx.actor.Rights.Lacks(model.NewRights(model.AllRights()...)); right != "" && len(diff) > 0 {
		f := fault.New(fault.Forbidden, "The links by which people get a new password go out by mail, so only who holds every right can change this; the right “%s” is missing.", fault.Right(right))
		f.Right = string(right)
		return f
	}
	switch {
	case password != "":
		c := model.Change{Field: passwordName, After: model.Mask}
		if old.Password {
			c.Before = model.Mask
		}
		diff = append(diff, c)
	case old.Password && (n.Username == "" || n.Host != old.Host):
		if n.Username != "" && n.Host != "" {
			return complain("password", "Type the password again: the stored one was for %s.", old.Host)
		}
		diff = append(diff, model.Change{Field: passwordName, Before: model.Mask})
	}
	if err := tx.putSetting(mailName, n, old.Version, n.Version, diff); err != nil || len(diff) == 0 {
		return err
	}
	switch {
	case password != "":
		return tx.seal(settingKind, mailName, passwordName, password)
	case n.Username == "" || n.Host != old.Host:
		return tx.exec(dropSealed, settingKind, mailName)
	}
	return nil
}

// ---- letters: bookkeeping ----

const mailColumns = `id, to_address, subject, why, attempts, due_at, sent_at, last_error, created_at`

func scanMail(r row) (model.Mail, error) {
	var m model.Mail
	err := r.Scan(&m.ID, &m.To, &m.Subject, &m.Why, &m.Attempts, at{&m.DueAt}, at{&m.SentAt}, &m.LastError, at{&m.CreatedAt})
	return m, err
}

const (
	insertMail = `INSERT INTO mails (id, to_address, subject, why, due_at, attempts, sent_at, last_error, created_at) VALUES ($1, $2, $3, $4, $5, 0, 0, '', $5)`
	dueMails   = `SELECT ` + mailColumns + ` FROM mails WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, id LIMIT +$2`
	stuckMails = `SELECT ` + mailColumns + ` FROM mails
WHERE id > $1 AND sent_at = 0 AND attempts > 0 AND (due_at IS NOT NULL OR id > (SELECT coalesce(max(id), '') FROM mails WHERE id > $1 AND sent_at > 0))
ORDER BY id LIMIT 500`
	nextMail = `SELECT min(due_at) FROM mails WHERE due_at IS NOT NULL`
	markMail = `UPDATE mails SET attempts = attempts + 1, due_at = $1, sent_at = $2, last_error = $3 WHERE id = $4`
	oldMails = `DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE id < $1 AND due_at IS NULL ORDER BY id LIMIT 500)`
)

// QueueMail stores a letter with its text, due now; it fills in the id.
func (tx *Tx) QueueMail(to, subject, why string, body model.Secret) error {
	id := model.NewMailID(tx.now)
	if err := tx.seal(letterKind, string(id), letterBody, body); err != nil {
		return err
	}
	return tx.exec(insertMail, id, to, subject, why, ms(tx.now))
}

// DueMails lists up to limit letters that are due at now.
func (s *Store) DueMails(ctx context.Context, now time.Time, limit int) ([]model.Mail, error) {
	return all(s.reader(ctx), scanMail, dueMails, ms(now), limit)
}

// NextMail is when the next letter is due, zero when there is none.
func (s *Store) NextMail(ctx context.Context) (time.Time, error) {
	return one(s.reader(ctx), "mail", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, nextMail)
}

// Mails lists letters, newest first.
func (s *Store) Mails(ctx context.Context, p Page) ([]model.Mail, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+mailColumns+" FROM mails"), p, keyed{"id", "mal_"}, scanMail, func(m model.Mail) string { return string(m.ID) })
}

// StuckMails lists up to 500 letters of the last day that did not go out when they were tried, oldest first; of those that were
// given up, the ones since which none went out.
func (s *Store) StuckMails(ctx context.Context, now time.Time) ([]model.Mail, error) {
	return all(s.reader(ctx), scanMail, stuckMails, model.FirstID("mal_", now.Add(-24*time.Hour)))
}

// OpenMail opens the text of a letter. Only jobs calls it, to send it.
func (s *Store) OpenMail(ctx context.Context, id model.MailID) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), letterKind, string(id))
	return secrets[letterBody], err
}

// MarkMail notes what became of an attempt: sent ("" words), to be tried again at next, or given up (next zero). The text of one
// that is done with goes.
func (tx *Tx) MarkMail(id model.MailID, next time.Time, words string) error {
	sent := int64(0)
	if words == "" {
		sent = ms(tx.now)
	}
	if err := tx.exec(markMail, null(next), sent, words, id); err != nil || !next.IsZero() {
		return err
	}
	return tx.exec(dropSealed, letterKind, id)
}

// ForgetMails removes up to 500 letters that were done with long before now. It returns how many.
func (s *Store) ForgetMails(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(oldMails, model.FirstID("mal_", now.Add(-model.MailLife)))
		return err
	})
	return n, err
}
