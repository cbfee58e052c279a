package main

import "testing"

// TestSettingsPages opens what an administrator watches and sets, with something in it.
func TestSettingsPages(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	dst := p.route("http://receiver.waybill.internal", "order.created", map[string]any{"name": "Northwind ERP"}, map[string]any{"name": "Orders"})
	event := p.must(202, "POST", "events", map[string]any{"name": "order.created", "subject": "A-1", "data": map[string]any{"id": "A-1"}}).str("id")
	p.settled(event, "delivered")
	p.must(201, "POST", "network-rules", map[string]any{"pattern": "erp.example.com"})
	p.must(201, "POST", "alert-rules", map[string]any{"name": "Orders fail", "kind": "failure_rate", "destination_id": dst})
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	for _, page := range []struct{ path, says string }{
		{"/settings", "Alerts"}, {"/settings/alerts", "Orders fail"}, {"/settings/mail", "Mail"}, {"/settings/network", "erp.example.com"}, {"/settings/features", "Slack"},
		{"/settings/export", "Hourly export"}, {"/settings/files", "Files"}, {"/exports", "Download"}, {"/destinations/" + dst + "/activity", "Orders"},
		{"/connections/new", "Microsoft Teams"}, {"/docs/connections/slack", "Slack"}, {"/docs/connections/marketo", "Marketo"},
	} {
		b.open(page.path)
		b.sees(page.says)
		b.inspect()
	}
}
