package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

func TestSetupLinkWorksOnce(t *testing.T) {
	s := newSite(t)
	link, err := s.h.Start(context.Background())
	if err != nil || !strings.HasPrefix(link, "/setup?token=") {
		t.Fatalf("link %q, %v", link, err)
	}
	b := s.browser()
	for _, wrong := range []string{"/setup", "/setup?token=", "/setup?token=WRONG"} {
		if got := b.get(wrong); got.StatusCode != http.StatusNotFound || got.doc.Find("form").Length() != 0 {
			t.Errorf("%s: %d, want 404 without a form", wrong, got.StatusCode)
		}
	}
	form := b.get(link)
	token, _ := form.doc.Find("input[name=token]").Attr("value")
	if form.StatusCode != http.StatusOK || token == "" {
		t.Fatalf("setup page: %d", form.StatusCode)
	}
	weak := b.post("/setup", "token", token, "name", "Ada", "email", "ada@example.com", "password", "short")
	if weak.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(weak.text(".field-error"), "15 characters") {
		t.Errorf("weak password: %d %q", weak.StatusCode, weak.text(".field-error"))
	}
	if v, _ := weak.doc.Find("input[name=email]").Attr("value"); v != "ada@example.com" {
		t.Errorf("what was typed is lost: email %q", v)
	}
	if v, set := weak.doc.Find("input[name=password]").Attr("value"); set && v != "" {
		t.Errorf("the password came back: %q", v)
	}
	done := b.post("/setup", "token", token, "name", "Ada", "email", "Ada@Example.com", "password", passphrase)
	if done.StatusCode != http.StatusSeeOther || done.Header.Get("Location") != "/" {
		t.Fatalf("setup: %d %s %q", done.StatusCode, done.Header.Get("Location"), done.text("main"))
	}
	if home := b.get("/"); home.StatusCode != http.StatusOK || !strings.Contains(home.text(".toast"), "ready") || home.text(".user-name") != "Ada" {
		t.Errorf("after setup: %d %q", home.StatusCode, home.text("main"))
	}
	if again := s.browser().post("/setup", "token", token, "name", "Eve", "email", "eve@example.com", "password", passphrase); again.StatusCode != http.StatusNotFound {
		t.Errorf("the link worked twice: %d", again.StatusCode)
	}
	if link, err := s.h.Start(context.Background()); err != nil || link != "" {
		t.Errorf("a link %q, %v although somebody can sign in", link, err)
	}
	u, _, err := s.store.UserByEmail(context.Background(), "ada@example.com")
	if err != nil || !u.Rights().Has(model.Users.Manage()) {
		t.Errorf("the first user: %+v, %v", u, err)
	}
}

func TestSignIn(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.com", model.Administrator)
	b := s.browser()
	if got := b.get("/users?q=a"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/login?next=%2Fusers%3Fq%3Da" {
		t.Errorf("signed out: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	for _, try := range [][2]string{{"ada@example.com", "wrong"}, {"nobody@example.com", passphrase}, {"", ""}} {
		got := b.login(try[0], try[1])
		if got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".note"), "Email or password is wrong.") {
			t.Errorf("%v: %d %q", try, got.StatusCode, got.text("main"))
		}
	}
	got := b.post("/login", "email", " ADA@example.com ", "password", passphrase, "next", "/users?q=a")
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/users?q=a" {
		t.Fatalf("sign-in: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	set := got.Header.Get("Set-Cookie")
	for _, part := range []string{"waybill=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, part) {
			t.Errorf("cookie %q lacks %s", set, part)
		}
	}
	if b.get("/users").StatusCode != http.StatusOK {
		t.Error("not signed in")
	}
	if got := b.get("/login?next=/account"); got.Header.Get("Location") != "/account" {
		t.Errorf("the sign-in page for somebody who is signed in leads to %q", got.Header.Get("Location"))
	}
}

func TestSignInRotatesTheSession(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.com", model.Administrator)
	b := s.browser()
	b.setCookie("waybill", "chosen-by-somebody-else")
	b.login("ada@example.com", passphrase)
	first := b.cookie("waybill")
	if first == "chosen-by-somebody-else" || first == "" {
		t.Fatalf("the session kept the token %q", first)
	}
	b.login("ada@example.com", passphrase)
	old := s.browser()
	old.setCookie("waybill", first)
	if b.cookie("waybill") == first || old.signedIn() {
		t.Error("signing in again kept the old session")
	}
}

// TestSessionsEnd replays an old cookie after each thing that ends a session.
func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(s *site, b *browser, u model.User){
		"signing out": func(s *site, b *browser, u model.User) { b.post("/logout") },
		"changing the password": func(s *site, b *browser, u model.User) {
			got := b.post("/account/password", "current", passphrase, "password", "another nine silver lamps")
			if got.StatusCode != http.StatusSeeOther || !b.signedIn() {
				t.Errorf("the browser that changed the password is signed out: %d %q", got.StatusCode, got.text("main"))
			}
		},
		"disabling": func(s *site, b *browser, u model.User) {
			if got := s.as(s.user("root@example.com", model.Administrator)).post("/users/" + string(u.ID) + "/disable"); got.StatusCode != http.StatusSeeOther {
				t.Errorf("disable: %d", got.StatusCode)
			}
		},
		"somebody else's new password for it": func(s *site, b *browser, u model.User) {
			s.as(s.user("root@example.com", model.Administrator)).post("/users/"+string(u.ID)+"/password", "password", "another nine silver lamps")
		},
		"idleness":   func(s *site, b *browser, u model.User) { s.later(model.SessionIdle + time.Minute) },
		"revocation": func(s *site, b *browser, u model.User) { s.as(u).post("/account/sessions/revoke-others") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			u := s.user("ada@example.com", model.Viewer)
			b := s.browser()
			b.login("ada@example.com", passphrase)
			old := s.browser()
			old.setCookie("waybill", b.cookie("waybill"))
			if !old.signedIn() {
				t.Fatal("the session does not work at all")
			}
			end(s, b, u)
			if old.signedIn() {
				t.Error("the old cookie still works")
			}
		})
	}
}

func TestSessionEndsByAgeAlthoughUsed(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Viewer))
	for range 16 {
		s.later(10 * time.Hour)
		if !b.signedIn() {
			t.Fatalf("signed out %v after signing in", time.Duration(s.ahead.Load()))
		}
	}
	s.later(10 * time.Hour)
	if b.signedIn() {
		t.Error("a session lives longer than its absolute end")
	}
}

func TestThrottleIsKeptOverRestarts(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.com", model.Administrator)
	b := s.browser()
	for range 5 {
		if got := b.login("ada@example.com", "wrong"); got.StatusCode != http.StatusUnprocessableEntity {
			t.Fatalf("a try: %d", got.StatusCode)
		}
	}
	check := func(s *site) {
		t.Helper()
		got := s.browser().login("ada@example.com", passphrase)
		if got.StatusCode != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || !strings.Contains(got.text(".note"), "Wait") {
			t.Errorf("after five failures: %d %q", got.StatusCode, got.text("main"))
		}
	}
	dbtest.Write(t, s.store, func(tx *db.Tx) error { return tx.Failed(repeat(db.SignInKeys("ada@example.com", "127.0.0.1"), 8)...) })
	check(s)
	check(openSite(t, s.dir))
	s.later(20 * time.Minute)
	if got := b.login("ada@example.com", passphrase); got.StatusCode != http.StatusSeeOther {
		t.Errorf("after the wait: %d %q", got.StatusCode, got.text("main"))
	}
}

// TestMistakesOfOthers: neither the typos of an office nor somebody who tries an account from elsewhere lock out who knows the
// password; who guesses one account from one place is slowed down after a few tries, and all of a place after very many.
func TestMistakesOfOthers(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.com", model.Administrator)
	fails := func(n int, email, address string) {
		dbtest.Write(t, s.store, func(tx *db.Tx) error { return tx.Failed(repeat(db.SignInKeys(email, address), n)...) })
	}
	enters := func(after string, want int) {
		t.Helper()
		if got := s.browser().login("ada@example.com", passphrase); got.StatusCode != want {
			t.Errorf("after %s: %d %q, want %d", after, got.StatusCode, got.text(".note"), want)
		}
	}
	for i := range 13 {
		fails(4, strings.Repeat("x", i)+"@example.com", "127.0.0.9")
	}
	enters("typos of thirteen colleagues", http.StatusSeeOther)
	fails(60, "ada@example.com", "198.51.100.1")
	enters("sixty tries from elsewhere", http.StatusSeeOther)
	fails(9, "ada@example.com", "127.0.0.9")
	enters("nine tries from the same network", http.StatusTooManyRequests)
	s.later(16 * time.Minute)
	enters("the wait", http.StatusSeeOther)
	fails(130, "bob@example.com", "127.0.0.9")
	enters("very many from the same network", http.StatusTooManyRequests)
	s.later(16 * time.Minute)
	enters("a while", http.StatusSeeOther)
	fails(1, "eve@example.com", "127.0.0.9")
	enters("one more", http.StatusTooManyRequests)
	s.later(90 * time.Minute)
	fails(1, "eve@example.com", "127.0.0.9")
	enters("one more, when the others are long past", http.StatusSeeOther)
}

func repeat(list []string, n int) []string {
	var out []string
	for range n {
		out = append(out, list...)
	}
	return out
}

func TestAccount(t *testing.T) {
	s := newSite(t)
	u := s.user("ada@example.com", model.Viewer)
	b, other := s.as(u), s.as(u)
	stranger := s.as(s.user("bob@example.com", model.Viewer))
	page := b.get("/account")
	if n := page.doc.Find("#sessions tbody tr").Length(); n != 2 {
		t.Errorf("%d sessions are listed, want 2", n)
	}
	version, _ := page.doc.Find("input[name=version]").Attr("value")
	if got := b.post("/account", "name", "Countess", "version", version); got.StatusCode != http.StatusSeeOther {
		t.Errorf("name: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.get("/account"); got.text(".user-name") != "Countess" {
		t.Errorf("name is %q", got.text(".user-name"))
	}
	if got := b.post("/account", "name", "Again", "version", version); got.StatusCode != http.StatusConflict {
		t.Errorf("an old version: %d, want 409", got.StatusCode)
	}
	if got := b.post("/account", "name", "Eve", "version", "2", "roles", model.Administrator, "email", "eve@example.com", "disabled", "true"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("extra fields: %d", got.StatusCode)
	}
	if now, err := s.store.User(context.Background(), u.ID); err != nil || now.Email != u.Email || len(now.Roles) != 1 || now.Roles[0] != model.Viewer || now.Disabled {
		t.Errorf("fields that the form does not have were set: %+v, %v", now, err)
	}
	for password, word := range map[string]string{"": "15 characters", "passwordpassword": "easy to guess", "ada@example.com!": "easy to guess"} {
		got := b.post("/account/password", "current", passphrase, "password", password)
		if got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), word) {
			t.Errorf("password %q: %d %q", password, got.StatusCode, got.text(".field-error"))
		}
	}
	if got := b.post("/account/password", "current", "wrong", "password", "another nine silver lamps"); !strings.Contains(got.text(".field-error"), "not your current password") {
		t.Errorf("wrong current password: %d %q", got.StatusCode, got.text(".field-error"))
	}
	revoke, _ := page.doc.Find("#sessions form").Attr("action")
	if got := stranger.post(revoke); got.StatusCode != http.StatusNotFound || !other.signedIn() {
		t.Errorf("somebody else's session: %d, want 404", got.StatusCode)
	}
	if got := b.post(revoke); got.StatusCode != http.StatusSeeOther || other.signedIn() || !b.signedIn() {
		t.Errorf("revoking one session: %d", got.StatusCode)
	}
}

func TestDatesAndNumbers(t *testing.T) {
	s := newSite(t)
	u := s.user("ada@example.com", model.Viewer)
	b := s.as(u)
	if got := b.post("/account/format", "locale", "xx-XX", "zone", "Mars/Olympus"); got.StatusCode != http.StatusUnprocessableEntity || got.doc.Find(".field-error").Length() != 2 {
		t.Errorf("what is not known: %d %q", got.StatusCode, got.text(".field-error"))
	} else if v, _ := got.doc.Find("input[name=zone]").Attr("value"); v != "Mars/Olympus" {
		t.Errorf("what was typed is lost: %q", v)
	}
	b.header.Set("Accept-Language", "fr-CA, en;q=0.5")
	title := func() string { v, _ := b.get("/account").doc.Find("#sessions time").First().Attr("title"); return v }
	made := func() time.Time {
		v, _ := b.get("/account").doc.Find("#sessions time").First().Attr("datetime")
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}()
	if got, want := title(), made.UTC().Format("02/01/2006 15:04:05")+" UTC"; got != want {
		t.Errorf("as the browser says: %q, want %q", got, want)
	}
	if got := b.post("/account/format", "locale", "de-DE", "zone", "Asia/Kolkata"); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("save: %d %q", got.StatusCode, got.text("main"))
	}
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := title(), made.In(zone).Format("02.01.2006, 15:04:05"); got != want {
		t.Errorf("as the account says: %q, want %q", got, want)
	}
	html := b.get("/account").doc.Find("html")
	if l, _ := html.Attr("data-locale"); l != "de-DE" {
		t.Errorf("scripts are told %q", l)
	}
	if z, _ := html.Attr("data-time-zone"); z != "Asia/Kolkata" {
		t.Errorf("scripts are told %q", z)
	}
	if page := b.get("/account"); page.doc.Find("option[value='de-DE'][selected]").Length() != 1 {
		t.Error("the form does not say what is set")
	}
}

func TestTheme(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	if got := b.post("/theme", "theme", "dark", "next", "/login"); got.Header.Get("Location") != "/login" {
		t.Errorf("theme leads to %q", got.Header.Get("Location"))
	}
	if theme, _ := b.get("/login").doc.Find("html").Attr("data-theme"); theme != "dark" {
		t.Errorf("theme is %q", theme)
	}
	if got := b.post("/theme", "theme", "system", "next", "//evil.example"); got.Header.Get("Location") != "/" {
		t.Errorf("theme leads to %q", got.Header.Get("Location"))
	}
	if _, set := b.get("/login").doc.Find("html").Attr("data-theme"); set {
		t.Error("the theme did not go")
	}
}

// TestSignedOutForms sends forms without a session: nothing is done, what was typed comes back, secrets do not.
func TestSignedOutForms(t *testing.T) {
	s := newSite(t)
	if got := s.browser().get("/login"); !strings.Contains(got.text("main"), "Nobody can sign in yet") {
		t.Errorf("before there is a user: %q", got.text("main"))
	}
	ada := s.user("ada@example.com", model.Administrator)
	b := s.browser()
	if got := b.get("/login"); strings.Contains(got.text("main"), "Nobody can") || strings.Contains(got.text("main"), "session") {
		t.Errorf("nobody was signed in here: %q", got.text("main"))
	}
	sent := b.post("/actions?from=1", "name", "Send <it>", "filter", "a\nb", "filter", "c", "secret-fields", "key")
	form := sent.doc.Find(`form[action="/actions?from=1"]`)
	if sent.StatusCode != http.StatusUnauthorized || form.Length() != 1 || form.Find("[name=name]").Text() != "Send <it>" || form.Find("[name=filter]").Length() != 2 {
		t.Errorf("%d %s", sent.StatusCode, sent.text("main"))
	}
	secret := b.post("/credentials", "name", "ERP", "config.token", "sesame", "secret-fields", "config.token")
	if html, _ := secret.doc.Html(); secret.StatusCode != http.StatusUnauthorized || strings.Contains(html, "sesame") || secret.doc.Find("form").Length() != 0 || !strings.Contains(secret.text("main"), "Back button") {
		t.Errorf("with a secret: %d %s", secret.StatusCode, html)
	}
	if got := b.post("/logout"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/login" {
		t.Errorf("signing out twice: %d %q", got.StatusCode, got.Header)
	}
	if got := b.get("/login/session"); got.StatusCode != http.StatusOK {
		t.Errorf("signed out: %d", got.StatusCode)
	}
	in := s.as(ada)
	if got := in.get("/login/session"); got.StatusCode != http.StatusNoContent {
		t.Errorf("signed in: %d", got.StatusCode)
	}
	for _, name := range []string{"/users/new", "/credentials/new/basic", "/account"} {
		page := in.get(name)
		page.doc.Find("input[type=password]").Each(func(_ int, x *goquery.Selection) {
			if field := x.AttrOr("name", ""); page.doc.Find(`[name=secret-fields][value="`+field+`"]`).Length() == 0 {
				t.Errorf("%s does not say that %q is a secret", name, field)
			}
		})
	}
	b.header.Set("HX-Request", "true")
	live := b.post("/actions", "name", "x")
	if live.StatusCode != http.StatusUnauthorized || live.Header.Get("HX-Redirect") != "" || live.Header.Get("HX-Reswap") != "none" || !strings.Contains(live.Header.Get("HX-Trigger"), "/login/again") {
		t.Errorf("htmx: %d %v", live.StatusCode, live.Header)
	}
}
