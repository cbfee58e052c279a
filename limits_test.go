package main

import (
	"testing"
)

// TestLimitsJourney sets what a destination bears, sees why nothing goes to one that fails, and drops what is held for it.
func TestLimitsJourney(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	dst := p.route("http://receiver.waybill.internal", "order.created", map[string]any{"name": "Northwind ERP"},
		map[string]any{"name": "Orders", "path": "/status/503", "retry_schedule": []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}})
	p.must(202, "POST", "events", map[string]any{"name": "order.created", "subject": "A-1", "data": map[string]any{"id": "A-1"}})
	p.eventually("the breaker is open", func() bool {
		health, _ := p.must(200, "GET", "destinations/"+dst, nil).json["health"].(map[string]any)
		return health["breaker"] == "open"
	})
	p.must(202, "POST", "events", map[string]any{"name": "order.created", "subject": "A-2", "data": map[string]any{"id": "A-2"}})
	var waits map[string]any
	p.eventually("a delivery waits for the breaker", func() bool {
		waits = p.must(200, "GET", "deliveries", nil).items()[0]
		return waits["waiting_for"] == "breaker" && waits["waiting_until"] != nil
	})
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	b.open("/")
	b.sees("Nothing goes to Northwind ERP → Orders for now")
	b.open("/deliveries")
	b.sees("paused: keeps failing")
	b.open("/deliveries/" + waits["id"].(string))
	b.sees("Nothing is sent there for now")
	b.picture("limits-delivery", "light")
	b.inspect()
	b.open("/destinations/" + dst)
	b.sees("Nothing is sent for now: it failed too often")
	b.fill("rate_per_second", "90")
	b.choose("rate_unit", "a minute")
	b.fill("batch_size", "900")
	b.fill("retry_on", "500-599, !501, 409")
	b.press("Save changes")
	b.sees("Between 1 and 500 events in one message.")
	b.fill("batch_size", "20")
	b.press("Save changes")
	b.sees("Orders is saved.")
	b.picture("limits-destination", "light")
	b.inspect()
	saved := p.must(200, "GET", "destinations/"+dst, nil).json
	if saved["rate_per_second"] != 1.5 || saved["batch_size"] != 20.0 || saved["batch_wait_ms"] != 1000.0 || saved["retry_on"] != "500-599, !501, 409" {
		t.Errorf("saved %v", saved)
	}
	b.press("Switch off")
	p.eventually("what waits is held", func() bool { return len(p.must(200, "GET", "deliveries?status=held", nil).items()) == 2 })
	b.open("/destinations/" + dst)
	b.sees("2 deliveries are held.")
	b.picture("limits-held", "dark")
	b.inspect()
	b.click("Switch on and drop them")
	b.press("Drop and switch on")
	b.sees("2 deliveries dropped. Orders is on.")
	if n := len(p.must(200, "GET", "deliveries?status=cancelled", nil).items()); n != 2 {
		t.Errorf("%d deliveries are cancelled, want 2", n)
	}
}
