package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"waybill/db/model"
)

func (b *browser) destination(connection, name string, more ...string) string {
	b.s.t.Helper()
	form := over(append([]string{"name", name, "method", "POST", "path", "/in", "content_type", "application/json", "enabled", "true", "sign", "true",
		"retry_schedule", "0 s, 1 m", "max_in_flight", "4"}, more...)...)
	return b.saved(b.do(http.MethodPost, "/connections/"+connection+"/destinations", form))
}

func TestDestinations(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	list := "/connections/" + con + "/destinations"
	b.shows(b.get(list), 200, "No destinations yet")
	fresh := b.get(list + "/new")
	b.shows(fresh, 200, "The wait before each attempt", `"currency":"EUR"`)
	usual, _ := fresh.doc.Find("#f-retry_schedule").Attr("placeholder")
	if fresh.value("retry_schedule") != "" || usual != "0 s, 5 s, 1 m, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h" {
		t.Errorf("schedule: %q, usual %q", fresh.value("retry_schedule"), usual)
	}
	bad := b.post(list, "name", "", "method", "BREW", "path", "/x", "headers_name", "", "headers_value", "", "headers_name", "Content-Length", "headers_value", "3",
		"template", "{{ it.data[0].id", "retry_schedule", "soon", "max_in_flight", "many")
	b.shows(bad, 422, "Give it a name.", "“soon” is no wait", "Line 1, column")
	if bad.value("template") != "{{ it.data[0].id" || bad.value("retry_schedule") != "soon" || bad.value("headers_name") != "Content-Length" {
		t.Error("what was typed is not kept")
	}
	if n := bad.doc.Find(".kv-row .field-error").Length(); n != 1 {
		t.Errorf("%d complaints at the headers, want 1", n)
	}
	id := b.destination(con, "Orders", "template", "{{! return JSON.stringify(it.data[0]); }}", "headers_name", "X-From", "headers_value", "{{ it.events[0].name }}")
	b.shows(b.get(list), 200, "Orders", "/in", "Template", "No action")
	edit := b.get("/destinations/" + id)
	b.shows(edit, 200, "POST "+receiver+"/in", "X-From order.created", "Webhook-Signature", "valid JSON", "rendered in")
	b.shows(b.get("/destinations/"+id+"/secret"), 200, "Standard Webhooks")
	if v, _ := b.get("/destinations/" + id + "/secret").doc.Find(".copyable input").Attr("value"); !strings.HasPrefix(v, "whsec_") {
		t.Errorf("signing secret: %q", v)
	}
	form := []string{"name", "Orders", "method", "PUT", "path", "/put", "content_type", "application/json", "retry_schedule", "1, 2 m; 3h", "max_in_flight", "1", "version", edit.value("version")}
	b.saved(b.post("/destinations/"+id, form...))
	d, err := s.store.Destination(t.Context(), model.DestID(id))
	if err != nil || d.Enabled || d.Sign || len(d.Headers) != 0 || len(d.RetrySchedule) != 3 || d.RetrySchedule[2] != 3*3600 || d.Template != "" {
		t.Errorf("stored: %+v %v", d, err)
	}
	b.shows(b.post("/destinations/"+id, form...), 409, "You changed this destination in another window")
	b.saved(b.post("/destinations/"+id+"/enabled", "value", "on"))
	b.shows(b.get("/destinations/"+id+"/delete"), 200, "No action sends to it")
	b.saved(b.post("/destinations/" + id + "/delete"))
	b.shows(b.get("/destinations/"+id), 404)
}

func TestPreview(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", receiver, "timeout_seconds", "30", "enabled", "true",
		"auth", "new", "credential_type", "header", "new.header.header_name", "X-Key", "new.header.header_value", secret))
	id := b.destination(con, "Orders")
	evt := b.saved(b.post("/events", "name", "stock.low", "subject", "LAMP", "data", "{\r\n \"left\": 3}"))
	form := func(template string, more ...string) []string {
		return append([]string{"name", "Renamed", "method", "POST", "path", "/in", "content_type", "application/json", "retry_schedule", "0 s", "max_in_flight", "1", "template", template}, more...)
	}
	plain := b.post("/destinations/"+id+"/preview", form("{\r\n\"left\": {{ it.data[0].left }}\r\n}", "event_id", evt)...)
	b.shows(plain, 200, `"left": 3`, "X-Key •••")
	if plain.value("name") != "Renamed" || plain.value("template") != "{\n\"left\": {{ it.data[0].left }}\n}" || plain.value("event_id") != evt {
		t.Errorf("a plain preview loses what was typed: %q", plain.value("template"))
	}
	noSecret(t, "preview", plain)
	b.shows(b.post("/destinations/"+id+"/preview", form("{{! return null; }}")...), 200, "Skipped")
	b.shows(b.post("/destinations/"+id+"/preview", form("nonsense")...), 200, "but the body is not: line 1")
	wrong := b.post("/destinations/"+id+"/preview", form("one\n{{ missing.x }}")...)
	b.shows(wrong, 200, "Line 2, column", "missing")
	if line, _ := wrong.doc.Find("code-editor").Attr("data-error-line"); line != "2" {
		t.Errorf("marked line %q, want 2", line)
	}
	b.shows(b.post("/connections/"+con+"/destinations/preview", form("{{! return 'new'; }}")...), 200, "new")

	b.header.Set("HX-Request", "true")
	b.header.Set("HX-Target", "div#preview")
	live := b.post("/destinations/"+id+"/preview", form("{{! return 'live'; }}")...)
	if live.doc.Find("form, .sidebar").Length() != 0 || !strings.Contains(live.text("#preview-body"), "live") {
		t.Errorf("htmx gets more than the preview: %s", live.text("body"))
	}
	failed := b.post("/destinations/"+id+"/preview", form("{{ missing.x }}")...)
	if failed.Header.Get("HX-Retarget") != "#preview-error" || failed.doc.Find("#preview-body").Length() != 0 || failed.doc.Find(`[data-editor-for="f-template"][data-line="1"]`).Length() != 1 {
		t.Errorf("an error replaces the last good preview: %s", failed.text("body"))
	}
	if d, err := s.store.Destination(t.Context(), model.DestID(id)); err != nil || d.Name != "Orders" {
		t.Errorf("a preview saved something: %+v %v", d, err)
	}
}

func TestSendTest(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	id := b.destination(b.connection("Shop"), "Orders")
	form := []string{"name", "Orders", "method", "POST", "path", "/in", "content_type", "application/json", "retry_schedule", "0 s", "max_in_flight", "1"}
	got := b.post("/destinations/"+id+"/test", append(form, "template", `{{! return {typed: true}; }}`)...)
	b.shows(got, 200, "One real exchange", "Delivered", `{"typed":true}`, "Response 200 OK", `"received":true`)
	b.shows(b.post("/destinations/"+id+"/test", append(form[:4:4], "path", "/../status/503", "max_in_flight", "x")...), http.StatusUnprocessableEntity)
	b.header.Set("HX-Request", "true")
	b.header.Set("HX-Target", "div#test-result")
	if got := b.post("/destinations/"+id+"/test", "name", "", "method", "POST", "retry_schedule", "0 s", "max_in_flight", "1"); !strings.Contains(dense(got.text("body")), dense("Nothing was sent Give it a name.")) {
		t.Errorf("htmx is not told why there was no test: %s", got.text("body"))
	}
	b.header = http.Header{}
	bad := b.post("/destinations/"+id+"/test", append(form, "template", "{{ missing.x }}")...)
	b.shows(bad, 200, "Failed", "missing is not defined")
	if list := b.get("/deliveries"); !strings.Contains(list.text("main"), "No deliveries yet") {
		t.Error("a test was queued")
	}
}

func TestGoneReceiverIsShownAndSwitchedOnAgain(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", "http://receiver.waybill.internal", "auth", "none", "timeout_seconds", "30", "enabled", "true"))
	id := b.destination(con, "Gone", "path", "/status/410")
	b.action("Send", "a.b", id)
	b.saved(b.post("/events", "name", "a.b", "data", "1"))
	s.settled(1)
	b.shows(b.get("/destinations/"+id), 200, "Waybill switched this destination off", "410", "Switch on")
	b.shows(b.get("/connections/"+con+"/destinations"), 200, "Switched off")
	b.saved(b.post("/destinations/"+id+"/enabled", "value", "on"))
	if got := b.get("/destinations/" + id).text("main"); strings.Contains(got, "Waybill switched") {
		t.Errorf("it still says why it was off: %s", got)
	}
}

// A template is tried with what its destination was sent, before anything else.
func TestPreviewOffersItsOwnEventsFirst(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	dst := b.destination(b.connection("Shop"), "Orders")
	b.action("A", "order.created", dst)
	own := b.saved(b.post("/events", "name", "order.created", "data", "1"))
	for range 20 {
		b.saved(b.post("/events", "name", "t.rate", "data", "1"))
	}
	var offered []string
	b.get("/destinations/" + dst).doc.Find("select[name=event_id] option").Each(func(_ int, o *goquery.Selection) {
		if v, _ := o.Attr("value"); v != "" {
			offered = append(offered, v)
		}
	})
	if len(offered) != 20 || offered[0] != own || strings.Count(strings.Join(offered, " "), own) != 1 {
		t.Errorf("offered %v, want %s first and once among 20", offered, own)
	}
}
