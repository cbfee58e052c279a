package handlers_test

import (
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/pquerna/otp/totp"

	"waybill/db/model"
)

// factor is somebody's app.
type factor struct {
	s      *site
	secret string
	codes  []string
}

// code is the one that the app shows now.
func (f *factor) code() string {
	f.s.t.Helper()
	code, err := totp.GenerateCode(f.secret, f.s.now())
	if err != nil {
		f.s.t.Fatal(err)
	}
	return code
}

// enrol adds a second factor through the pages.
func (b *browser) enrol(password string) *factor {
	t := b.s.t
	t.Helper()
	if got := b.post("/account/second-factor", "current", password); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("begin: %d %q", got.StatusCode, got.text("main"))
	}
	text, _ := b.get("/account/second-factor").doc.Find(".copyable input").Attr("value")
	f := &factor{s: b.s, secret: strings.ReplaceAll(text, " ", "")}
	done := b.post("/account/second-factor/confirm", "code", f.code())
	done.doc.Find(".codes li").Each(func(_ int, li *goquery.Selection) { f.codes = append(f.codes, li.Text()) })
	if done.StatusCode != http.StatusCreated || len(f.codes) != model.RecoveryCodes {
		t.Fatalf("confirm: %d %q", done.StatusCode, done.text("main"))
	}
	return f
}

func TestSecondFactor(t *testing.T) {
	s := newSite(t)
	u := s.user("ada@example.com", model.Administrator)
	b := s.as(u)
	if got := b.post("/account/second-factor", "current", "wrong"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "not your current password") {
		t.Errorf("begin without the password: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.get("/account/second-factor/qr"); got.StatusCode != http.StatusNotFound {
		t.Errorf("a QR code of nothing: %d", got.StatusCode)
	}
	b.post("/account/second-factor", "current", passphrase)
	qr, err := b.client.Get(s.srv.URL + "/account/second-factor/qr")
	if err != nil {
		t.Fatal(err)
	}
	defer qr.Body.Close()
	if img, err := png.Decode(qr.Body); err != nil || img.Bounds().Dx() != 232 || qr.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("QR code: %v %v", err, qr.Header)
	}
	if got := b.post("/account/second-factor/confirm", "code", "000000"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "wrong") {
		t.Errorf("a wrong code: %d %q", got.StatusCode, got.text("main"))
	}
	if got := s.browser().login("ada@example.com", passphrase); got.Header.Get("Location") != "/" {
		t.Errorf("asked for before it is confirmed: %s", got.Header.Get("Location"))
	}
	f := b.enrol(passphrase)
	if page := b.get("/account/second-factor"); strings.Contains(page.text("body"), f.codes[0]) || page.doc.Find(".qr, .copyable").Length() != 0 {
		t.Error("codes or secret are shown twice")
	}
	if got := b.get("/account/second-factor/qr"); got.StatusCode != http.StatusNotFound {
		t.Errorf("the QR code of an active one: %d", got.StatusCode)
	}

	n := s.browser()
	used := f.code()
	got := n.post("/login", "email", "ada@example.com", "password", passphrase, "next", "/users")
	if got.Header.Get("Location") != "/login/code?next=%2Fusers" || n.signedIn() {
		t.Fatalf("after the password: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := s.browser().post("/login/code", "code", f.code()); got.StatusCode != http.StatusUnprocessableEntity || got.doc.Find("input[name=password]").Length() != 1 {
		t.Errorf("a code without a password: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := n.post("/login/code", "code", used); got.StatusCode != http.StatusUnprocessableEntity || n.signedIn() {
		t.Errorf("the code that confirmed works again: %d", got.StatusCode)
	}
	s.later(31 * time.Second)
	if got := n.post("/login/code", "code", f.code()[:3]+" "+f.code()[3:], "next", "/users"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/users" || !n.signedIn() {
		t.Errorf("the code: %d %s %q", got.StatusCode, got.Header.Get("Location"), got.text("main"))
	}
	again := s.browser()
	again.login("ada@example.com", passphrase)
	if got := again.post("/login/code", "code", f.code()); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a code worked twice: %d", got.StatusCode)
	}
	if got := again.post("/login/code", "code", strings.ToUpper(f.codes[3])); got.StatusCode != http.StatusSeeOther || !again.signedIn() {
		t.Errorf("a recovery code: %d %q", got.StatusCode, got.text("main"))
	}
	third := s.browser()
	third.login("ada@example.com", passphrase)
	if got := third.post("/login/code", "code", f.codes[3]); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a recovery code worked twice: %d", got.StatusCode)
	}
	if page := b.get("/account/second-factor"); !strings.Contains(page.text("main"), "9 of 10") {
		t.Errorf("codes left: %q", page.text("main"))
	}
}

// TestSecondFactorIsThrottled: somebody with the password guesses codes, and shows the password anew in between.
func TestSecondFactorIsThrottled(t *testing.T) {
	s := newSite(t)
	u := s.user("ada@example.com", model.Administrator)
	f := s.as(u).enrol(passphrase)
	s.later(31 * time.Second)
	eve := s.browser()
	for range 8 {
		eve.login("ada@example.com", passphrase)
		got := eve.post("/login/code", "code", "000001")
		if got.StatusCode == http.StatusTooManyRequests {
			if got.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			s.later(20 * time.Minute)
			eve.login("ada@example.com", passphrase)
			if got := eve.post("/login/code", "code", f.code()); got.StatusCode != http.StatusSeeOther {
				t.Errorf("after the wait: %d %q", got.StatusCode, got.text("main"))
			}
			return
		}
	}
	t.Error("eight guesses were not slowed down")
}

func TestPasswordsWithASecondFactor(t *testing.T) {
	s := newSite(t)
	u := s.user("ada@example.com", model.Administrator)
	s.user("root@example.com", model.Administrator)
	b := s.as(u)
	const short = "nine-lamp7"
	if got := b.post("/account/password", "current", passphrase, "password", short); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a short one without a second factor: %d", got.StatusCode)
	}
	f := b.enrol(passphrase)
	b.login("ada@example.com", passphrase) // keeps the session it has
	if got := b.post("/account/password", "current", passphrase, "password", "seven77"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "8 characters") {
		t.Errorf("seven characters: %d %q", got.StatusCode, got.text(".field-error"))
	}
	if got := b.post("/account/password", "current", passphrase, "password", short); got.StatusCode != http.StatusSeeOther || !b.signedIn() {
		t.Fatalf("a short one with it: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/account/second-factor/remove", "current", "wrong"); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("removing it without the password: %d", got.StatusCode)
	}
	got := b.post("/account/second-factor/remove", "current", short)
	if got.StatusCode != http.StatusUnprocessableEntity || got.doc.Find("input[name=password]").Length() != 1 || !strings.Contains(got.text(".field-error"), "too short") {
		t.Errorf("removing it with a short password: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/account/second-factor/remove", "current", short, "password", "another nine silver lamps"); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("removing it: %d %q", got.StatusCode, got.text("main"))
	}
	if got := s.browser().login("ada@example.com", "another nine silver lamps"); got.Header.Get("Location") != "/" {
		t.Errorf("afterwards: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	_ = f

	b = s.as(u)
	b.enrol("another nine silver lamps")
	root := s.browser()
	root.login("root@example.com", passphrase)
	at := "/users/" + string(u.ID)
	if page := root.get(at); page.doc.Find("input[name=drop_factor]").Length() != 1 {
		t.Error("an administrator is not offered to remove it")
	}
	if got := root.post(at+"/password", "password", passphrase, "drop_factor", "true"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("removing it for somebody: %d %q", got.StatusCode, got.text("main"))
	}
	if got := s.browser().login("ada@example.com", passphrase); got.Header.Get("Location") != "/" {
		t.Errorf("afterwards: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
}
