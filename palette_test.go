package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keys sends keys to whatever has the focus.
func (b *browser) keys(what string, keys ...string) {
	b.Helper()
	for _, k := range keys {
		b.do(what, chromedp.KeyEvent(k))
	}
}

// chord sends one key with Ctrl held.
func (b *browser) chord(key string) {
	b.Helper()
	b.do("Ctrl-"+key, chromedp.KeyEvent(key, chromedp.KeyModifiers(2)))
}

func (b *browser) at(path string) {
	b.Helper()
	b.until("at "+path, fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete'", path))
}

// focused is what the focus is on, in words.
func (b *browser) focused() string {
	return eval[string](b, "(document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName).trim()")
}

// newDesk is a program with a few things in it, signed in to.
func newDesk(t *testing.T) (*program, *browser) {
	p := newProgram(t, "")
	p.start()
	p.route("http://receiver.waybill.internal/", "orders.in", map[string]any{"name": "Northwind ERP"}, map[string]any{"name": "Order events to ERP"})
	p.must(201, "POST", "connections", map[string]any{"name": "Orders archive", "base_url": "https://archive.example.com"})
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	return p, b
}

// TestPalette finds, goes and does by keyboard alone.
func TestPalette(t *testing.T) {
	t.Parallel()
	p, b := newDesk(t)
	first := regexp.MustCompile(`con_[0-9a-z]+`).FindString(p.must(200, "GET", "connections?q=Northwind", nil).text)
	list := "document.querySelector('#palette-list')"
	opened := "document.querySelector('#palette').open && !!" + list
	b.open("/connections")
	b.chord("k")
	b.until("the palette is open", opened)
	b.inspect()
	b.keys("type", "or")
	b.until("things are found", list+".innerText.includes('Order events to ERP')")
	if got := eval[string](b, list+".querySelector('a[href*=\"/destinations/\"] .hit-label').innerHTML"); got != "<mark>Or</mark>der events to ERP" {
		t.Errorf("the label is marked as %q", got)
	}
	b.inspect()
	b.keys("down and up", kb.ArrowDown, kb.ArrowDown, kb.ArrowUp)
	active := eval[string](b, "document.getElementById(document.querySelector('#palette-input').getAttribute('aria-activedescendant')).innerText")
	if second := eval[string](b, list+".querySelectorAll('[role=option]')[1].innerText"); active != second {
		t.Errorf("active is %q, want %q", active, second)
	}
	b.keys("close", kb.Escape)
	b.until("the palette is closed", "!document.querySelector('#palette').open")

	b.do("focus", chromedp.Focus(chromedp.CSS(".jump")))
	b.keys("open", kb.Enter)
	b.until("the palette is open", opened)
	b.keys("close", kb.Escape)
	b.until("the focus is back", "document.activeElement.matches('.jump')")

	b.chord("k")
	b.until("the palette is open", opened)
	b.keys("find", "northwind")
	b.until("one thing is found", list+".innerText.includes('Connections') && !"+list+".innerText.includes('Publish')")
	b.keys("go", kb.Enter)
	b.until("at the connection", fmt.Sprintf("location.pathname.startsWith('/connections/%s')", first))

	b.open("/connections")
	b.chord("k")
	b.until("the palette is open", opened)
	b.keys("find and go at once", "orders arch", kb.Enter)
	b.until("at what was typed, not at what was listed", "document.querySelector('h1').innerText.includes('Orders archive')")
	b.open(fmt.Sprintf("/connections/%s", first))

	b.open("/")
	b.chord("k")
	b.until("what was looked at is offered", opened+" && "+list+".innerText.startsWith('Recent\\nNorthwind ERP')")
	b.keys("nothing", "zzzz")
	b.until("nothing is found", "document.querySelector('#palette').innerText.includes('Nothing is called')")
	b.inspect()
	b.keys("erase", kb.Backspace, kb.Backspace, kb.Backspace, kb.Backspace)
	b.keys("dark", "dark")
	b.until("the theme is found", list+".innerText.includes('Dark theme')")
	b.keys("do", kb.Enter)
	b.until("the theme is dark", "document.documentElement.dataset.theme === 'dark' && document.readyState === 'complete'")
	b.chord("k")
	b.until("the palette is open", opened)
	b.keys("sign out", "sign out")
	b.until("found", list+".innerText.includes('Sign out') && !"+list+".innerText.includes('Dark')")
	b.keys("do", kb.Enter)
	b.until("signed out", "location.pathname === '/login'")
	if left := eval[string](b, "localStorage.getItem('waybill.recent') ?? ''"); left != "" {
		t.Errorf("after signing out the browser remembers %q", left)
	}
}

// TestKeys walks by single letters, and switches them off.
func TestKeys(t *testing.T) {
	t.Parallel()
	_, b := newDesk(t)
	for keys, path := range map[string]string{"h": "/", "a": "/actions", "e": "/events", "c": "/connections", "k": "/credentials", "d": "/deliveries", "u": "/users"} {
		b.open("/account")
		for tries := 0; tries < 10 && b.where() != path; tries++ { // the second letter counts for 1.5 s: a busy machine may be late with it
			b.keys("go", "g", keys)
			for end := time.Now().Add(2 * time.Second); b.where() != path && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond)
			}
		}
		b.at(path)
	}
	b.open("/connections")
	b.keys("down", "j")
	if got := b.focused(); got != "Orders archive" {
		t.Errorf("after j the focus is on %q", got)
	}
	b.keys("down, up, down", "j", "k", "j")
	if got := b.focused(); got != "Northwind ERP" {
		t.Errorf("after j, k, j the focus is on %q", got)
	}
	b.keys("open", kb.Enter)
	b.until("the connection is open", "location.pathname.startsWith('/connections/con_')")
	b.open("/connections")
	b.keys("search", "/")
	b.until("the focus is on the search", "document.activeElement.matches('main input[type=search]')")
	b.keys("type", "jcg?/")
	if got := eval[string](b, "document.querySelector('main input[type=search]').value"); !strings.HasSuffix(got, "jcg?/") {
		t.Errorf("the field holds %q: letters in fields are no shortcuts", got)
	}
	b.open("/connections")
	b.keys("create", "c")
	b.at("/connections/new")
	b.keys("help", "?")
	b.until("help is open", "document.querySelector('#shortcuts').open")
	b.inspect()
	b.keys("letters do nothing in a dialog", "g", "d")
	b.keys("close", kb.Escape)
	b.until("help is closed", "!document.querySelector('#shortcuts').open")

	b.open("/connections")
	b.fill("q", "archive")
	b.until("what the filter leaves is said", "document.querySelector('[data-tells]').textContent === '1 listed'")

	b.open("/account")
	b.fill("name", "Ada Byron")
	b.chord("s")
	b.sees("Your name is saved.")

	b.open("/account")
	b.press("Turn single letters off")
	b.sees("Shortcuts of single letters are off")
	b.inspect()
	b.keys("nothing", "?", "c", "g", "d")
	if eval[bool](b, "!!document.querySelector('dialog[open]')") || b.where() != "/account" {
		t.Errorf("letters work although they are off: at %s", b.where())
	}
	b.chord("k")
	b.until("Ctrl-K still works", "document.querySelector('#palette').open")
}

// TestSearchPage is the palette without scripts: a link, a form, links and buttons.
func TestSearchPage(t *testing.T) {
	t.Parallel()
	p, _ := newDesk(t)
	b := newBrowser(t, p.url(""), false)
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	b.open("/") // and no transition that would swallow a click
	b.press("Search or jump to")
	b.sees("Publish event")
	b.inspect()
	b.fill("q", "order")
	b.keys("search", kb.Enter)
	b.sees("Order events to ERP")
	b.inspect()
	if strings.Contains(b.text(), "Publish event") {
		t.Error("the search finds what does not match")
	}
	b.do("focus", chromedp.Focus(chromedp.CSS("main a[href^='/connections/con_']")))
	b.keys("open", kb.Enter)
	b.sees("Destinations")
	if !regexp.MustCompile(`^/connections/con_`).MatchString(b.where()) {
		t.Errorf("a hit leads to %s", b.where())
	}
}
