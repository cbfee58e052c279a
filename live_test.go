package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// unsteady is a receiver that answers as it is told.
type unsteady struct {
	*httptest.Server
	status atomic.Int64
}

func newUnsteady(t *testing.T, status int) *unsteady {
	u := &unsteady{}
	u.status.Store(int64(status))
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(u.status.Load())) }))
	t.Cleanup(u.Close)
	return u
}

// login signs Ada in.
func (b *browser) login() {
	b.Helper()
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
}

// TestLive looks at the list while a receiver fails and recovers, without loading the page again; pauses it; and stops the
// server while the page listens.
func TestLive(t *testing.T) {
	t.Parallel()
	rx := newUnsteady(t, http.StatusServiceUnavailable)
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "orders.live", nil, map[string]any{"retry_schedule": []int{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}})
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.login()
	b.open("/deliveries")
	b.sees("No deliveries yet")
	b.sees("Live")
	eval[bool](b, "window.sameDocument = true")
	first := p.must(202, "POST", "events", `{"name":"orders.live","data":{"n":1}}`).str("id")
	b.sees("Retrying")
	b.sees("503 Service Unavailable")
	rx.status.Store(http.StatusOK)
	p.settled(first, "delivered")
	b.sees("200 OK")
	b.misses("503 Service")
	b.sees("Delivered after retry")
	// The figures come with the next write of the statistics.
	p.eventually("the figures are there", func() bool { return eval[string](b, "document.querySelector('.stat-value').innerText") == "1" })
	if bars := eval[int](b, "document.querySelectorAll('#deliveries .attempt-bad').length"); bars < 1 {
		t.Error("no attempt bar is red")
	}
	if !eval[bool](b, "window.sameDocument === true") {
		t.Error("the page was loaded again")
	}
	b.inspect()

	b.open("/deliveries?status=delivered")
	b.sees("Live")
	b.click("Pause live updates")
	b.sees("Updates paused")
	second := p.must(202, "POST", "events", `{"name":"orders.live","data":{"n":2}}`).str("id")
	p.settled(second, "delivered")
	if rows := eval[int](b, "document.querySelectorAll('#deliveries tbody tr').length"); rows != 1 {
		t.Errorf("%d rows while paused, want 1", rows)
	}
	b.click("Pause live updates")
	b.sees("2 deliveries")

	b.open("/deliveries?event=bills.*")
	b.sees("No delivery belongs to an event “bills.*”")
	b.open("/deliveries?event=orders.*&status=delivered")
	b.sees("Live")
	b.sees("2 deliveries")

	b.open("/")
	b.sees("Live")
	b.sees("2 deliveries arrived")
	rx.status.Store(http.StatusNotFound)
	third := p.must(202, "POST", "events", `{"name":"orders.live","data":{"n":3}}`).str("id")
	p.settled(third, "failed")
	b.sees("Not delivered to Destination of orders.live")
	b.sees("What fails")
	b.inspect()

	rx.status.Store(http.StatusServiceUnavailable)
	fourth := p.must(202, "POST", "events", `{"name":"orders.live","data":{"note":"it's"}}`).str("id")
	b.open("/deliveries/" + p.settled(fourth, "retrying")["id"].(string))
	b.sees("Attempt 1")
	eval[bool](b, "window.sameDocument = true, [...document.querySelectorAll('.timeline details')].at(-1).open = true")
	rx.status.Store(http.StatusOK)
	b.sees("Delivered")
	b.sees("Send again")
	if !eval[bool](b, "window.sameDocument === true && [...document.querySelectorAll('.timeline details')].at(-1).open") {
		t.Error("the page was loaded again, or an attempt that was open is closed")
	}
	if command := eval[string](b, "[...document.querySelectorAll('[data-copy]')].find(e => e.innerText.includes('curl')).dataset.copy"); !strings.Contains(command, `it'\''s`) {
		t.Errorf("as curl: %s", command)
	}
	b.inspect()

	b.mu.Lock()
	b.expected = regexp.MustCompile("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE")
	b.mu.Unlock()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if log := p.log.String(); strings.Contains(log, "cut off") {
		t.Errorf("the stream delayed the stop:\n%s", tail(log, 1000))
	}
	b.sees("Reconnecting…")
	p.start()
	b.sees("Live")
}

// TestLiveNeedsScripts: without scripts, and without the fetched ones, the list is what it is, and nothing speaks of live.
func TestLiveNeedsScripts(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	p.route("http://receiver.waybill.internal", "orders.still", nil, nil)
	p.settled(p.must(202, "POST", "events", `{"name":"orders.still","data":{}}`).str("id"), "delivered")
	b := newBrowser(t, p.url(""), false)
	b.login()
	b.open("/deliveries")
	b.sees("orders.still")
	b.fill("event", "orders.*")
	b.press("Filter")
	b.sees("orders.still")
	b.fill("event", "bills.**")
	b.press("Filter")
	b.sees("No delivery belongs to an event “bills.**”")
	if text := b.text(); strings.Contains(text, "Live") || strings.Contains(text, "Pause") {
		t.Errorf("the page speaks of live updates:\n%s", tail(text, 1000))
	}
}
