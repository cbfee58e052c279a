package main

import (
	"testing"
)

// TestPeople is the journey of people in a browser: an administrator makes a role.
func TestPeople(t *testing.T) {
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
	b.sees("Night shift")
	b.inspect()
	b.press("Night shift")
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
