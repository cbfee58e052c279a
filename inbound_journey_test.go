package main

import (
	"strings"
	"testing"
)

// An administrator makes an inbound URL, sees a call come in, maps it, and looks at what a partner sees.
func TestInboundJourney(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	b := newBrowser(t, p.url(""), true)
	b.thorough = true
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	b.open("/inbound")
	b.sees("Nobody can call yet")
	b.inspect()
	b.press("New inbound URL")
	b.sees("Standard Webhooks")
	b.inspect()
	b.press("GitHub")
	b.fill("name", "Parcel service")
	b.press("Save and show the URL")
	b.sees("Pick the user as whom calls act.")
	b.inspect()
	b.fill("name", "Parcel service")
	b.choose("service_user_id", "Ada")
	b.fill("v.github.secret", "journey-secret")
	b.fill("event", "parcel.moved")
	b.press("Save and show the URL")
	b.sees("Parcel service is created")
	e := p.must(200, "GET", "inbound-endpoints", nil).items()[0]
	url, id := e["url"].(string), e["id"].(string)

	b.press("Calls")
	b.sees("Nobody has called yet")
	body := `{"parcel":"PX-20418","status":"delivered","signed_by":"Ada Lovelace"}`
	p.accepted(url, "application/json", body, "X-Hub-Signature-256", signedWith("journey-secret", body), "X-GitHub-Delivery", "j-1")
	b.sees("Accepted") // live
	if c := p.call("POST", url, "application/json", body, "X-Hub-Signature-256", signedWith("other", body)); c.status != 401 {
		t.Fatalf("answered %d", c.status)
	}
	b.sees("No signature in X-Hub-Signature-256 fits")
	b.inspect()
	b.press("Take a sample")
	b.sees("Waiting for a sample")
	b.inspect()
	sample := `{"parcel":"PX-7","status":"lost"}`
	p.accepted(url, "application/json", sample, "X-Hub-Signature-256", signedWith("journey-secret", sample), "X-GitHub-Delivery", "j-0")
	b.misses("Waiting for a sample") // live
	b.sees("Sample")
	if n := len(p.must(200, "GET", "events?name=parcel.moved", nil).items()); n != 1 {
		t.Errorf("a sample raised an event: %d", n)
	}
	b.open("/inbound/" + id)
	b.inspect()
	b.open("/inbound/" + id + "/mapping")
	b.sees("PX-7")
	b.fill("subject", "{{ it.data[0].parcel }}")
	b.fill("mapping", `{"parcel": {{ it.data[0].parcel }}, "done": {{ it.data[0].status == "delivered" }}}`)
	b.sees(`"done": false`)
	b.inspect()
	b.press("Save mapping")
	b.sees("The mapping is saved")
	b.open("/inbound/" + id + "/check")
	b.fill("headers", "X-Hub-Signature-256: "+signedWith("other", body))
	b.fill("body", body)
	b.press("Check this request")
	b.sees("This request would be refused")
	b.inspect()
	receipt := p.accepted(url, "application/json", body, "X-Hub-Signature-256", signedWith("journey-secret", body), "X-GitHub-Delivery", "j-2")
	b.open("/inbound/" + id + "/calls/" + receipt)
	b.sees("parcel.moved")
	b.inspect()
	b.open("/inbound/" + id + "/rotate")
	b.press("Rotate")
	b.sees("There is a new URL")
	w := p.must(201, "POST", "workflows", `{"name":"Check a parcel","trigger":{"kind":"inbound"},"steps":[{"key":"check","kind":"approval","assignees":["ada@example.com"]}]}`)
	p.must(200, "POST", "workflows/"+w.str("id")+"/publish", `{}`)
	b.open("/inbound/" + id + "/edit")
	b.inspect()
	b.choose("starts_workflow_id", "Check a parcel")
	b.press("Save changes")
	b.sees("Parcel service is saved")
	b.sees("Check a parcel")
	b.inspect()
	url = p.must(200, "GET", "inbound-endpoints/"+id, nil).str("url")
	receipt = p.accepted(url, "application/json", body, "X-Hub-Signature-256", signedWith("journey-secret", body), "X-GitHub-Delivery", "j-3")
	b.open("/inbound/" + id + "/calls/" + receipt)
	b.sees("No. 1 about PX-20418")
	b.inspect()
	p.eventually("the calls are counted", func() bool {
		b.open("/inbound")
		return strings.Contains(b.text(), "5 calls today, 1 refused")
	})
	b.sees("5 calls today, 1 refused")
	b.inspect()

	guest := newBrowser(t, p.url(""), true)
	guest.thorough = true
	guest.open("/partner/" + id)
	guest.inspect()
	guest.fill("key", "wbi_00000000000000000000000000000000000000")
	guest.press("Open")
	guest.sees("does not open this page")
	guest.fill("key", url)
	guest.press("Open")
	guest.open("/partner/" + id + "?last=1")
	guest.sees("Your last calls")
	guest.sees("No signature in X-Hub-Signature-256 fits")
	guest.inspect()
	if text := guest.text(); strings.Contains(text, "journey-secret") || strings.Contains(text, "Ada\n") {
		t.Errorf("the partner sees too much: %s", text)
	}
	p.must(200, "POST", "inbound-endpoints/"+id+"/rotate", map[string]any{"overlap_seconds": 0})
	guest.open("/partner/" + id)
	guest.sees("no longer valid")
}
