package handlers_test

import (
	"strings"
	"testing"

	"waybill/db/model"
)

// TestFirstEvent makes all that an event needs by one form, twice, with what is wrong in between, and only for those who may
// make each part.
func TestFirstEvent(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	form := b.get("/start")
	if got := form.doc.Find("[name=base_url]").AttrOr("value", ""); got != "http://receiver.waybill.internal/" {
		t.Errorf("the address begins as %q", got)
	}
	bad := b.post("/start", "name", "", "base_url", "ftp://x", "event", "order.*", "data", `{"id":`)
	for _, want := range []string{"starts with https://", "Line 1, column"} {
		if !strings.Contains(bad.text("main"), want) {
			t.Errorf("%d: the form does not say %q: %q", bad.StatusCode, want, bad.text("main"))
		}
	}
	if got := b.post("/start", "name", "ERP", "base_url", "http://receiver.waybill.internal", "event", "order.*", "data", "{}"); !strings.Contains(got.text("main"), "No spaces, control characters or *") {
		t.Errorf("%d %q", got.StatusCode, got.text("main"))
	}
	for _, name := range []string{"ERP", "ERP 2"} {
		sent := b.post("/start", "name", name, "base_url", "http://receiver.waybill.internal", "event", "order.created", "data", `{"id":1}`)
		if at := sent.Header.Get("Location"); !strings.HasPrefix(at, "/deliveries/dlv_") {
			t.Fatalf("%s: %d to %q: %q", name, sent.StatusCode, at, sent.text("main"))
		} else if facts := b.get(at).text(".facts"); !strings.Contains(facts, "Connection"+name+"Action") {
			t.Errorf("what is shown went elsewhere: %q", facts)
		}
	}
	if got := b.post("/start", "name", "erp", "base_url", "http://receiver.waybill.internal", "event", "order.created", "data", "{}"); got.StatusCode != 422 {
		t.Errorf("a name that is taken: %d", got.StatusCode)
	}
	if got := b.get("/actions").text("#actions"); !strings.Contains(got, "Send order.created 2") {
		t.Errorf("actions: %q", got)
	}
	if got := b.get("/deliveries").doc.Find("#deliveries tbody tr").Length(); got != 3 { // the second event goes both ways
		t.Errorf("%d deliveries, want 3", got)
	}
	partly := s.as(s.user("op@example.com", model.Operator))
	if partly.get("/start").StatusCode != 403 || partly.get("/").doc.Find(`a[href="/start"]`).Length() != 0 {
		t.Error("who may not make these things is offered to")
	}
}
