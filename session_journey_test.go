package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"
)

// TestSessionEndsInAForm ends the session of somebody who is typing: nothing of it is lost, with scripts and without.
func TestSessionEndsInAForm(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	dest := p.route("http://receiver.waybill.internal", "orders.typed", nil, nil)
	ends := func() {
		t.Helper()
		resp, err := p.signIn("ada@example.com", password).PostForm(p.url("/account/sessions/revoke-others"), url.Values{})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("ending the other sessions answered %d", resp.StatusCode)
		}
	}
	back := func(b *browser) {
		b.Helper()
		if !eval[bool](b, fmt.Sprintf("fetch('/login', {method: 'POST', body: new URLSearchParams({email: 'ada@example.com', password: %q})}).then(r => r.ok)", password)) {
			t.Fatal("the sign-in of another tab failed")
		}
	}

	b := newBrowser(t, p.url(""), true)
	b.thorough, b.expected = true, regexp.MustCompile("status of 401")
	b.signIn("ada@example.com", password)
	b.open("/destinations/" + dest)
	ends()
	b.fill("description", "Typed for an hour")
	b.sees("Your session has ended. What you typed stays here")
	b.inspect()
	b.click("Save changes")
	b.until("the form is there again to be sent", "!document.querySelector('main [aria-busy=true]')")
	b.shoot()
	back(b)
	b.press("Save changes")
	if got := p.must(200, "GET", "destinations/"+dest, nil).str("description"); got != "Typed for an hour" {
		t.Errorf("saved is %q", got)
	}

	b = newBrowser(t, p.url(""), false)
	b.expected = regexp.MustCompile("status of 401")
	b.signIn("ada@example.com", password)
	b.open("/destinations/" + dest)
	ends()
	b.fill("description", "Typed without scripts")
	b.press("Save changes")
	b.sees("Nothing was saved")
	b.inspect()
	b.shoot()
	back(b)
	b.press("Send it again")
	if got := p.must(200, "GET", "destinations/"+dest, nil).str("description"); got != "Typed without scripts" {
		t.Errorf("saved is %q", got)
	}
	b.open("/login/again")
	b.inspect()
}
