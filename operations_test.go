package main

import "testing"

// TestOperations is the way of an operator: what was delivered is sent again, and the settings are looked at.
func TestOperations(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	p.route("http://receiver.waybill.internal", "order.created", map[string]any{"name": "Northwind ERP"}, map[string]any{"name": "Orders"})
	for range 3 {
		p.must(202, "POST", "events", map[string]any{"name": "order.created", "data": map[string]any{"id": "A-1"}})
	}
	p.eventually("all are delivered", func() bool { return len(p.must(200, "GET", "deliveries?status=delivered", nil).items()) == 3 })
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")

	b.open("/deliveries?status=delivered")
	eval[bool](b, `document.querySelector(".pick input").click(), true`) // in one go: the list is live
	b.sees("1 selected")
	b.inspect()
	b.press("Replay all of these…")
	b.sees("Northwind ERP → Orders")
	b.inspect()
	b.press("Replay 3 deliveries")
	b.sees("Done: all of it is settled.")
	b.inspect()
	b.open("/replays")
	b.sees("3 of 3")
	b.inspect()
	b.open("/deliveries/replay")
	b.inspect()

	p.must(201, "POST", "actions", map[string]any{"name": "Large ones", "event": "order.created", "filter": "event.data.total > 100", "destination_id": p.must(200, "GET", "deliveries?limit=1", nil).items()[0]["destination_id"]})
	p.must(201, "POST", "actions", map[string]any{"name": "Invoices", "event": "invoice.*", "destination_id": p.must(200, "GET", "deliveries?limit=1", nil).items()[0]["destination_id"]})
	small := p.must(202, "POST", "events", map[string]any{"name": "order.created", "data": map[string]any{"total": 99}})
	b.open("/events/" + small.str("id"))
	b.sees("event.data.total > 100")
	b.sees("1 action for other events")
	b.inspect()
	b.open("/deliveries/" + p.must(200, "GET", "deliveries?status=delivered", nil).items()[0]["id"].(string))
	b.inspect()

	b.open("/destinations/" + p.must(200, "GET", "deliveries?limit=1", nil).items()[0]["destination_id"].(string) + "/secret")
	b.press("Replace")
	b.sees("signs for another 24 h")
	b.inspect()

	b.open("/settings")
	b.inspect()
	b.press("Storage")
	b.fill("body_days", "40")
	b.press("Save changes")
	b.sees("Contents cannot be kept longer")
	b.fill("body_days", "3")
	b.press("Save changes")
	b.sees("Saved. What is too old now goes within minutes.")
	b.inspect()

	b.open("/settings/receiver")
	b.press("Play")
	b.sees("Attempt 4")
	b.inspect()
}
