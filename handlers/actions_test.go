package handlers_test

import (
	"testing"

	"waybill/db/model"
)

func (b *browser) action(name, event, destination string, more ...string) string {
	b.s.t.Helper()
	return b.saved(b.post("/actions", append([]string{"name", name, "event", event, "destination_id", destination, "enabled", "true"}, more...)...))
}

func TestActions(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/actions"), 200, "No actions yet", "Make a connection first")
	con := b.connection("Shop")
	on, off := b.destination(con, "Orders"), b.destination(con, "Old")
	b.saved(b.post("/destinations/"+off+"/enabled", "value", "off"))
	b.saved(b.post("/events", "name", "order.paid", "data", ""))

	form := b.get("/actions/new")
	if form.doc.Find(`option[value="`+off+`"][disabled]`).Length() != 1 || form.doc.Find(`option[value="`+on+`"]:not([disabled])`).Length() != 1 {
		t.Error("what is off can be chosen, or what is on cannot")
	}
	if form.doc.Find(`#event-names option[value="order.paid"]`).Length() != 1 {
		t.Error("names that were seen are not suggested")
	}
	bad := b.post("/actions", "name", "", "event", "order..x", "filter", "event.data.total >", "destination_id", "")
	b.shows(bad, 422, "4 fields need attention", "Line 1, column")
	if bad.value("event") != "order..x" || bad.value("filter") != "event.data.total >" {
		t.Error("what was typed is not kept")
	}
	id := b.action("Large orders", "order.*", on, "filter", "event.data.total > 100")
	b.shows(b.post("/actions", "name", "Large orders", "event", "a", "destination_id", on), 422, "Another action has the name")
	b.shows(b.get("/actions?q=large"), 200, "order.*", "Orders", "event.data.total > 100", "Enabled")
	b.shows(b.get("/actions?q=zzz"), 200, "No action has “zzz”")
	b.shows(b.get("/actions/"+id), 200, "Shop → Orders")

	version := b.get("/actions/" + id + "/edit").value("version")
	b.saved(b.post("/actions/"+id, "name", "All orders", "event", "order.**", "destination_id", on, "enabled", "true", "version", version))
	b.shows(b.post("/actions/"+id, "name", "Mine", "event", "x", "destination_id", on, "version", version), 409, "You changed this action in another window")
	b.saved(b.post("/destinations/"+on+"/enabled", "value", "off"))
	b.shows(b.get("/actions/"+id), 200, "destination is off")
	b.saved(b.post("/actions/"+id+"/enabled", "value", "off"))
	b.shows(b.get("/actions/"+id), 200, "This action is switched off")
	b.shows(b.get("/actions/"+id+"/delete"), 200, "Delete “All orders”?")
	b.saved(b.post("/actions/" + id + "/delete"))
	b.shows(b.get("/actions/"+id), 404)
}
