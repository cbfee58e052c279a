package main

import (
	"fmt"
	"testing"
)

// A desk as a team has it after a while: systems that answer, one that is down, one that refuses, one that is switched off.
var systems = []struct {
	name, kind, path, event, template string
	off                               bool
}{
	{"Northwind ERP", "custom_http", "/api/v2/orders", "order.created", `{{! const o = it.data[0];
return {
  ref: o.id,
  customer: o.customer.email.toLowerCase(),
  lines: o.items.map(i => ({ sku: i.sku, qty: i.quantity })),
  total: o.total,
  placedAt: it.events[0].time,
}; }}`, false},
	{"Customer records", "custom_http", "/v59.0/contacts/{{ it.data[0].customer.email }}", "order.*", "", false},
	{"Team chat alerts", "webhook", "/status/503", "stock.low", `{"text": "Stock of {{ it.data[0].id }} is low"}`, false},
	{"Invoice archive", "webhook", "/invoices", "invoice.ready", "", false},
	{"Warehouse staging", "custom_http", "/status/404", "order.cancelled", "", false},
	{"Loyalty points", "webhook", "/points", "order.paid", `{{! if (it.data[0].total < 20) return null; return it.data[0]; }}`, true},
}

// furnish fills a program with the systems above and a few dozen events; it gives the id of the first destination.
func furnish(p *program) string {
	p.t.Helper()
	for name, config := range map[string]map[string]any{
		"ERP integration account": {"type": "basic", "config": map[string]any{"username": "waybill", "password": "a long one, kept sealed"}},
		"Records token":           {"type": "bearer", "config": map[string]any{"token": "a-token-that-is-kept-sealed"}},
	} {
		config["name"] = name
		p.must(201, "POST", "credentials", config)
	}
	erp := p.must(200, "GET", "credentials", nil).items()[0]["id"]
	first := ""
	for i, s := range systems {
		c := map[string]any{"name": s.name, "type": s.kind}
		if i < 2 {
			c["credential_id"] = erp
		}
		d := map[string]any{"name": s.name + " · " + s.event, "path": s.path, "template": s.template, "retry_schedule": []int{0, 1, 600, 3600, 36000}}
		if s.kind == "custom_http" && i == 1 {
			d["method"] = "PUT"
		}
		id := p.route("http://receiver.waybill.internal", s.event, c, d)
		if first == "" {
			first = id
		}
		if s.off {
			dest := p.must(200, "GET", "destinations/"+id, nil).json
			dest["enabled"] = false
			p.must(200, "PUT", "destinations/"+id, dest)
		}
	}
	names := []string{"order.created", "order.paid", "invoice.ready", "order.created", "stock.low", "order.cancelled", "order.shipped"}
	for n := range 42 {
		p.must(202, "POST", "events", map[string]any{"name": names[n%len(names)], "subject": fmt.Sprintf("A-%d", 10400+n), "data": map[string]any{
			"id": fmt.Sprintf("A-%d", 10400+n), "total": 12.5 + float64(n*17%300), "currency": "EUR",
			"customer": map[string]any{"name": "Mia Larsen", "email": fmt.Sprintf("Mia.Larsen+%d@example.com", n)},
			"items":    []any{map[string]any{"sku": "LAMP-02", "quantity": 1 + n%3}, map[string]any{"sku": "CABLE-1M", "quantity": 5}}}})
	}
	return first
}

// TestPictures looks at the main pages with realistic data; `make pictures` keeps two of them for the README.
func TestPictures(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	destination := furnish(p)
	p.eventually("most deliveries are settled", func() bool {
		return len(p.must(200, "GET", "deliveries?status=delivered&limit=200", nil).items()) > 30 && len(p.must(200, "GET", "deliveries?status=pending", nil).items()) == 0
	})
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	for _, path := range []string{"/", "/connections", "/deliveries", "/deliveries?status=retrying", "/destinations/" + destination} {
		b.open(path)
		switch path {
		case "/deliveries":
			b.picture("deliveries", "light")
		case "/destinations/" + destination:
			b.sees("LAMP-02") // the preview is there
			b.picture("destination", "dark")
		}
		b.inspect()
	}
	failed := p.must(200, "GET", "deliveries?status=retrying", nil).items()
	if len(failed) == 0 {
		t.Fatal("nothing waits to be retried: the pictures show no failure")
	}
	b.open("/deliveries/" + failed[0]["id"].(string))
	b.inspect()
}
