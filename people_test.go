package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// TestPeople is the journey of people in a browser: an administrator makes a role and invites
// somebody, who accepts, adds a second factor, signs in with it and sees less.
func TestPeople(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name    string
		scripts bool
	}{{"everything", true}, {"scripts off", false}} {
		t.Run(mode.name, func(t *testing.T) {
			p := newProgram(t, "")
			p.start()
			b := newBrowser(t, p.url(""), mode.scripts)
			b.thorough = mode.scripts
			b.signIn("ada@example.com", password)
			b.role()
			if mode.scripts { // what these look at is the same without
				b.rotate()
			}
			link := b.invite("grace@example.com", "Night shift")
			b.signOut()
			b.accept(link, "Grace Hopper")
			b.secondFactor("grace@example.com")
			if mode.scripts {
				b.limited()
			}
		})
	}
}

func (b *browser) signIn(email, password string) {
	b.Helper()
	b.open("/login")
	b.fill("email", email)
	b.fill("password", password)
	b.press("Sign in")
}

// role makes one of the administrator's own, from a built-in one.
func (b *browser) role() {
	b.Helper()
	b.open("/roles")
	b.sees("Integrator")
	b.inspect()
	b.press("Viewer")
	b.sees("Built in")
	b.inspect()
	b.press("Duplicate")
	b.inspect()
	b.fill("name", "Night shift")
	b.fill("description", "Retries what failed overnight.")
	b.tick("area-deliveries", "Manage Deliveries")
	b.tick("area-credentials", "")
	b.press("Create role")
	b.sees("Night shift is created.")
	b.sees("Nobody yet")
	b.inspect()
}

// tick chooses the radio or check box of this name and value.
func (b *browser) tick(name, value string) {
	b.Helper()
	if !eval[bool](b, `(() => { const e = document.querySelector('[name="`+name+`"][value="`+value+`"]'); e?.click(); return !!e && e.checked; })()`) {
		b.Fatalf("there is no choice %s=%s at %s", name, value, b.where())
	}
}

// rotate puts another key in the place of one, and looks at what the audit log says of it.
func (b *browser) rotate() {
	b.Helper()
	b.open("/api-keys")
	b.press("tests")
	b.sees("Acts as")
	b.inspect()
	b.press("Rotate the key")
	b.sees("Copy the new key now")
	b.sees("The key before")
	b.open("/audit?kind=api_key")
	b.sees("API key rotated")
	b.click("2 fields")
	b.sees("Previous until")
	b.inspect()
	b.press("API key rotated")
	b.sees("Hash verified")
	b.sees("All its changes")
	b.inspect()
}

func (b *browser) signOut() {
	b.Helper()
	b.open("/account")
	b.do("sign out", chromedp.Click(chromedp.CSS(".user-btn")))
	b.press("Sign out")
	b.sees("You are signed out")
}

// invite makes an invitation and gives the path of its link.
func (b *browser) invite(email, role string) string {
	b.Helper()
	b.open("/users/invite")
	b.inspect()
	b.fill("email", "nobody")
	eval[bool](b, "document.querySelector('[name=email]').type = 'text', true")
	b.press("Make the link")
	b.sees("An email address")
	b.inspect()
	b.fill("email", email)
	b.tick("roles", role)
	b.press("Make the link")
	b.sees("It is not shown again")
	b.inspect()
	u, err := url.Parse(eval[string](b, "document.querySelector('.copyable input').value"))
	if err != nil {
		b.Fatal(err)
	}
	b.open("/users")
	b.sees(email)
	b.inspect()
	return u.RequestURI()
}

func (b *browser) accept(link, name string) {
	b.Helper()
	b.open(link)
	b.sees("invites you")
	b.inspect()
	b.fill("name", name)
	b.fill("password", password)
	b.press("Create account")
	b.sees(name)
}

// secondFactor adds one, and signs in with it.
func (b *browser) secondFactor(email string) {
	b.Helper()
	b.open("/account")
	b.inspect()
	b.press("Add a second factor")
	b.inspect()
	b.fill("current", password)
	b.press("Begin")
	b.sees("Turn it on")
	b.inspect()
	secret := strings.ReplaceAll(eval[string](b, "document.querySelector('.copyable input').value"), " ", "")
	code := func() string {
		b.Helper()
		c, err := totp.GenerateCode(secret, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	b.fill("code", code())
	b.press("Turn it on")
	b.sees("Keep these recovery codes")
	b.inspect()
	recovery := eval[string](b, "document.querySelector('.codes li').innerText")
	b.open("/account/second-factor")
	b.inspect()
	b.signOut()
	b.fill("email", email)
	b.fill("password", password)
	b.press("Sign in")
	b.sees("Enter your code")
	b.inspect()
	b.fill("code", "000000")
	b.press("Sign in")
	b.sees("This code is wrong")
	b.inspect()
	b.fill("code", recovery)
	b.press("Sign in")
	b.sees("Grace Hopper")
}

// limited looks around as somebody who may see little.
func (b *browser) limited() {
	b.Helper()
	nav := eval[string](b, "[...document.querySelectorAll('.nav-item')].map(a => a.getAttribute('href')).join(' ')")
	for _, not := range []string{"/users", "/audit", "/credentials"} {
		if strings.Contains(nav, not) {
			b.Errorf("the navigation of somebody without rights leads to %s: %s", not, nav)
		}
	}
	for _, path := range []string{"/connections", "/actions", "/events", "/workflows", "/inbound", "/"} {
		b.open(path)
		for _, control := range []string{"New ", "Add a connection", "Publish event", "Delete", "Edit", "Send a first event"} {
			if eval[bool](b, `[...document.querySelectorAll("main a, main button")].some(e => e.innerText.trim().startsWith("`+control+`"))`) {
				b.Errorf("somebody who may only look is offered %q at %s", control, path)
			}
		}
		b.inspect()
	}
}
