package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/views/texts"
)

// A link for another password works once, for an hour, until another one is asked for, and ends all sessions.
func TestPasswordReset(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	in := s.as(ada)
	b := s.browser()
	if got := b.get("/login"); strings.Contains(got.text("main"), "Forgotten") {
		t.Error("without a mail server a link is offered")
	}
	if got := b.get("/login/forgot"); !strings.Contains(got.text("main"), "sends no mail") || got.doc.Find("main form[method=post]").Length() != 0 {
		t.Errorf("without a mail server: %q", got.text("main"))
	}
	ask := func(email, token string) (made bool) {
		dbtest.Write(t, s.store, func(tx *db.Tx) (err error) {
			_, made, err = tx.AskReset(email, db.HashKey(token))
			return err
		})
		return made
	}
	if !ask("Ada@Example.com", "first") || ask("ada@example.com", "second") || ask("nobody@example.com", "third") {
		t.Error("a link was not made, or one for nobody, or two at once")
	}
	s.later(model.ResetPause + time.Second)
	ask("ada@example.com", "fourth")
	for _, dead := range []string{"first", "second", "third", ""} {
		if got := b.get("/login/reset?token=" + dead); got.StatusCode != http.StatusNotFound || !strings.Contains(got.text("main"), "no longer works") {
			t.Errorf("link %q: %d %q", dead, got.StatusCode, got.text("main"))
		}
	}
	if got := b.get("/login/reset?token=fourth"); got.StatusCode != http.StatusOK || !strings.Contains(got.text("main"), "For ada@example.com") {
		t.Errorf("the page: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/login/reset", "token", "fourth", "password", "short"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "15 characters") || got.text(".field-hint") != "" {
		t.Errorf("a weak password: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/login/reset", "token", "fourth", "password", "nine quiet badgers knitting"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/login" {
		t.Errorf("a good one: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/login/reset", "token", "fourth", "password", "ten loud badgers knitting"); got.StatusCode != http.StatusNotFound {
		t.Errorf("the link works twice: %d", got.StatusCode)
	}
	if got := in.get("/account"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a session from before goes on: %d", got.StatusCode)
	}
	if got := b.post("/login", "email", "ada@example.com", "password", passphrase); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("the old password: %d", got.StatusCode)
	}
	if got := b.post("/login", "email", "ada@example.com", "password", "nine quiet badgers knitting"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("the new password: %d %q", got.StatusCode, got.text("main"))
	}
	s.later(time.Hour)
	ask("ada@example.com", "late")
	s.later(model.ResetLife)
	if got := b.get("/login/reset?token=late"); got.StatusCode != http.StatusNotFound {
		t.Errorf("after an hour: %d", got.StatusCode)
	}
	audited := map[string]int{}
	log, _, err := s.store.AuditLog(t.Context(), db.AuditFilter{}, db.Page{})
	for _, a := range log {
		audited[a.Action]++
	}
	if err != nil || audited["user.reset_asked"] != 3 || audited["user.password_reset"] != 1 {
		t.Errorf("audited %v, %v", audited, err)
	}
}

// A letter is in the language of whoever it goes to, where his account has one, else in that of whoever asked for it.
func TestLettersAreInTheReadersLanguage(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	s.user("grace@example.com", model.Viewer)
	dbtest.Write(t, s.store, func(tx *db.Tx) error {
		m, err := tx.Mail()
		if err != nil {
			return err
		}
		m.Host, m.Port, m.Security, m.From = "mail.internal.example", 587, model.MailStartTLS, "waybill@example.com"
		return tx.UpdateMail(m, "")
	})
	b, stranger := s.as(ada), s.browser()
	if got := b.post("/account/format", "locale", "", "zone", "", "language", "de"); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("the language: %d %q", got.StatusCode, got.text("main"))
	}
	b.post("/users/invite", "email", "eve@example.com")
	stranger.post("/login/forgot", "email", "ada@example.com")
	stranger.post("/login/forgot", "email", "grace@example.com")
	german := texts.With(context.Background(), texts.Of("de"))
	want := map[string]string{"eve@example.com": texts.T(german, "Your invitation to Waybill"), "ada@example.com": texts.T(german, "Another password for Waybill"),
		"grace@example.com": "Another password for Waybill"}
	list, _, err := s.store.Mails(context.Background(), db.Page{})
	got := map[string]string{}
	for _, m := range list {
		got[m.To] = m.Subject
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
