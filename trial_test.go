package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// How long a person takes, for an estimate that does not depend on the machine: words a second of what is read (titles, leads,
// notes, the next step) and of what is only looked over, once each; characters typed a second; seconds to press a button.
const (
	readASecond  = 4.0
	lookASecond  = 15.0
	typedASecond = 3.0
	toPress      = 2.0
)

// TestNewUser is somebody who knows nothing of the product: on an empty data folder he follows the setup link, does what the
// page marks as its next step, fills in what a form requires and leaves the rest, until an event is delivered. How long a
// person would read and type on the way is logged.
func TestNewUser(t *testing.T) {
	t.Parallel()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, bin: bin, dir: t.TempDir(), log: &logs{}, addr: freeAddr(t)}
	t.Cleanup(func() { p.kill() })
	begun := time.Now()
	p.start()
	b := newBrowser(t, p.url(""), true)
	u := &newcomer{browser: b, read: map[string]bool{}}
	b.open(strings.TrimPrefix(regexp.MustCompile(`http://[^"\s]+/setup[^"\s]*`).FindString(p.log.String()), b.base))
	b.thorough = true
	for range 20 {
		if b.where() == "/start" {
			b.inspect()
		}
		u.look()
		if u.delivered() {
			break
		}
		if !u.act() {
			b.open("/")
			u.seconds += toPress
		}
	}
	if !u.delivered() {
		t.Fatalf("the pages do not lead to a delivery; at %s after %v\n%s", b.where(), u.steps, tail(b.text(), 2000))
	}
	t.Logf("%d steps, %.0f s for a person, %.1f s here: %s", len(u.steps), u.seconds, time.Since(begun).Seconds(), strings.Join(u.steps, " · "))
}

// newcomer reads pages and does what they ask for.
type newcomer struct {
	*browser
	read    map[string]bool // lines that were read before
	seconds float64
	steps   []string
}

// look reads what is new on the page.
func (u *newcomer) look() {
	for _, part := range []struct {
		selector string
		speed    float64
	}{{"main :is(h1, .lead, .note, .card-title, li.next)", readASecond}, {"main", lookASecond}} {
		text := eval[string](u.browser, "[...document.querySelectorAll('"+part.selector+"')].map(e => e.innerText).join('\\n')")
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); !u.read[line] {
				u.read[line] = true
				u.seconds += float64(len(strings.Fields(line))) / part.speed
			}
		}
	}
}

// delivered reports whether the list of steps is done and a delivery can be seen.
func (u *newcomer) delivered() bool {
	return u.where() == "/" && strings.Contains(u.text(), "Latest deliveries") && strings.Contains(u.text(), "Delivered") && !strings.Contains(u.text(), "steps done")
}

// act fills in the fields that a form requires and presses the one button that the page puts first; false: there is none.
func (u *newcomer) act() bool {
	u.Helper()
	if u.where() != "/" {
		for _, name := range strings.Fields(eval[string](u.browser, "[...document.querySelectorAll('main form [required]')].filter(e => e.checkVisibility() && !e.value).map(e => e.name).join(' ')")) {
			value := "Trial"
			switch name {
			case "email":
				value = "ada@example.com"
			case "password":
				value = password
			}
			u.fill(name, value)
			u.seconds += float64(len(value)) / typedASecond
		}
	}
	// What is made already is left alone, but for what its page offers next.
	if at := u.where(); at != "/" && at != "/start" && !strings.Contains(at, "/new") && !strings.HasPrefix(at, "/setup") {
		next := eval[string](u.browser, "document.querySelector('main .note a.btn')?.innerText.trim() ?? ''")
		if next == "" {
			return false
		}
		u.steps = append(u.steps, next+" at "+at)
		u.press(next)
		u.seconds += toPress
		return true
	}
	label := eval[string](u.browser, "([...document.querySelectorAll('main .btn-primary')].find(e => e.checkVisibility()) || document.querySelector('main .type-card strong'))?.innerText.trim() ?? ''")
	if label == "" || len(u.steps) > 0 && u.steps[len(u.steps)-1] == label+" at "+u.where() {
		return false
	}
	u.steps = append(u.steps, label+" at "+u.where())
	u.press(label)
	u.seconds += toPress
	return true
}
