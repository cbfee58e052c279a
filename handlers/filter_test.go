package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/db/model"
)

// TestFilterBuilder writes filters as rows and as expressions, both ways, and tries them on stored events.
func TestFilterBuilder(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	dst := b.destination(b.connection("Shop"), "Orders")
	for _, data := range []string{`{"total":50,"customer":{"vip":true}}`, `{"total":150}`, `{"total":250}`} {
		b.saved(b.post("/events", "name", "order.created", "subject", "A-1", "data", data))
	}
	b.saved(b.post("/events", "name", "stock.low", "data", `{"total":999}`))
	rows := func(mode string, more ...string) []string {
		return append([]string{"name", "Send", "event", "order.*", "destination_id", dst, "enabled", "true", "filter_mode", mode}, more...)
	}
	form := b.get("/actions/new")
	if form.doc.Find(`#filter-fields option[value="event.data.customer.vip"]`).Length() != 1 || form.doc.Find(`[name=filter_mode][value=all][checked]`).Length() != 1 {
		t.Errorf("fields of events are not offered, or the filter does not begin with all: %s", form.text("#filter-builder"))
	}
	got := b.post("/actions/try", rows("rows", "filter_was", "all", "filter_field", "total", "filter_op", "gt", "filter_value", "100", "filter_field", "", "filter_op", "eq", "filter_value", "")...)
	b.shows(got, 200, "Written as an expression: event.data.total > 100", "Of the last 3 events named order.*, 2 would be sent.", "event.data.total = 50")
	if got.value("filter") != "event.data.total > 100" || got.value("name") != "Send" || got.doc.Find("form[data-guard=dirty]").Length() != 1 {
		t.Errorf("the expression does not follow, or what was typed is lost: %q", got.value("filter"))
	}
	id := b.saved(b.post("/actions", rows("rows", "filter_join", "or", "filter_field", "event.data.total", "filter_op", "ge", "filter_value", "250", "filter_field", "data.customer.vip", "filter_op", "eq", "filter_value", "true")...))
	a, err := s.store.Action(t.Context(), model.ActionID(id))
	if want := "event.data.total >= 250 || event.data.customer.vip == true"; err != nil || a.Filter != want {
		t.Errorf("stored %q, want %q: %v", a.Filter, want, err)
	}
	edit := b.get("/actions/" + id + "/edit")
	if edit.doc.Find(`[name=filter_mode][value=rows][checked]`).Length() != 1 || edit.doc.Find(`[name=filter_join][value=or][checked]`).Length() != 1 || edit.doc.Find(`[name=filter_field][value="event.data.customer.vip"]`).Length() != 1 {
		t.Errorf("rows are not shown: %s", edit.text("#filter-builder"))
	}
	// From rows to the expression and back: what was touched leads.
	sync := []string{"filter_sync", a.Filter, "filter", a.Filter}
	got = b.post("/actions/"+id+"/try", rows("expression", append(sync, "filter_was", "rows", "filter_field", "total", "filter_op", "lt", "filter_value", "9")...)...)
	if got.value("filter") != "event.data.total < 9" {
		t.Errorf("the expression does not follow the rows: %q", got.value("filter"))
	}
	got = b.post("/actions/"+id+"/try", rows("rows", "filter_was", "expression", "filter_sync", "true", "filter", `event.data.zip == "007"`)...)
	if got.value("filter_field") != "event.data.zip" || got.value("filter_value") != `"007"` && got.value("filter_value") != "007" {
		t.Errorf("the rows do not follow the expression: %q %q", got.value("filter_field"), got.value("filter_value"))
	}
	got = b.post("/actions/"+id+"/try", rows("rows", "filter_was", "expression", "filter", `any(event.data.items, .sku == "x")`)...)
	b.shows(got, 200, "says more than rows can show")
	if got.value("filter") != `any(event.data.items, .sku == "x")` {
		t.Error("an expression that rows cannot say is lost")
	}
	b.shows(b.post("/actions/"+id, rows("rows", "filter_was", "expression", "filter", `any(event.data.items, .sku == "x")`)...), 422, "Add a condition")
	b.shows(b.post("/actions/"+id, rows("rows", "filter_field", "a b", "filter_op", "eq", "filter_value", "1")...), 422, "Name a field of the event")
	b.shows(b.post("/actions/try", rows("expression", "filter", "event.data.total >")...), 200, "Line 1, column")
	b.saved(b.post("/actions/"+id, rows("all", "filter", "event.data.total > 1")...))
	if a, _ = s.store.Action(t.Context(), model.ActionID(id)); a.Filter != "" {
		t.Errorf("every event means no filter; stored %q", a.Filter)
	}
	b.shows(b.post("/actions/try", "event", "nothing.such"), 200, "No stored event is named nothing.such yet.")
	v := s.as(s.user("vic@example.com", model.Viewer))
	v.shows(v.post("/actions/try", "event", "x"), 403, "Manage Connections")
	if text := b.get("/actions/" + id + "/edit").text("#filter-builder"); !strings.Contains(text, "Every such event") {
		t.Error(text)
	}
}

// TestConditionsToCome chooses conditions before there is one: no page stands in for a part that is empty, and nothing complains yet.
func TestConditionsToCome(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.header.Set("HX-Request", "true")
	for _, id := range []string{"filter-result", "filter-builder"} {
		b.header.Set("HX-Target", "div#"+id)
		got := b.post("/actions/try", "event", "order.*", "filter_mode", "rows", "filter_was", "all")
		if got.StatusCode != http.StatusOK || got.doc.Find("title, .sidebar, .field-error").Length() != 0 {
			t.Errorf("%s: status %d, %s", id, got.StatusCode, got.text("body"))
		}
	}
	b.header = http.Header{}
	b.shows(b.post("/actions/try", "event", "order.*", "filter_mode", "rows"), 200, "Add a condition, or choose “Every such event”.")
}
