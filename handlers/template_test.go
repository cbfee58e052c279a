package handlers_test

import (
	"testing"
	"time"

	"waybill/db"
	"waybill/db/model"
)

func TestTemplateVersions(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	id := b.destination(con, "Orders", "template", "{\"a\": 1}")
	form := func(template string) []string {
		return []string{"name", "Orders", "method", "POST", "path", "/in", "content_type", "application/json", "enabled", "true", "template", template}
	}
	b.saved(b.post("/destinations/"+id, form("{\"a\": 2}")...))
	page := b.get("/destinations/" + id + "/versions")
	b.shows(page, 200, "Version 2 In use ada", "From version 1 to version 2", `{"a": 1}`, `{"a": 2}`)
	link, _ := page.doc.Find(`a:contains("Restore")`).Attr("href")
	restored := b.get(link)
	b.shows(restored, 200, "The template of version 1 stands in the editor. It is not saved yet.")
	if restored.value("template") != "{\"a\": 1}" || restored.doc.Find("form[data-guard=dirty]").Length() != 1 {
		t.Errorf("in the editor: %q", restored.value("template"))
	}
	b.shows(b.get("/destinations/"+id+"/versions?version=2"), 200, "Version 2, in use")
	b.shows(b.get("/destinations/"+id+"/versions?version=9"), 404)
	v := s.as(s.user("vic@example.com", model.Viewer))
	page = v.get("/destinations/" + id + "/versions?version=1")
	v.shows(page, 200, `{"a": 1}`)
	if page.doc.Find(`a:contains("Restore")`).Length() != 0 {
		t.Error("a Viewer may restore")
	}
}

func TestFormat(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	id := b.destination(con, "Orders")
	for _, url := range []string{"/destinations/" + id + "/format", "/connections/" + con + "/destinations/format"} {
		form := []string{"name", "Renamed", "method", "POST", "path", "/in", "content_type", "application/json", "template", `{"a":{{ it.data[0].id }}}`}
		got := b.post(url, form...)
		b.shows(got, 200)
		if got.value("template") != "{\n  \"a\": {{ it.data[0].id }}\n}" || got.value("name") != "Renamed" {
			t.Errorf("%s: %q", url, got.value("template"))
		}
		b.header.Set("Accept", "text/plain")
		if text := b.post(url, form...).doc.Text(); text != "{\n  \"a\": {{ it.data[0].id }}\n}" {
			t.Errorf("%s for scripts: %q", url, text)
		}
		b.header.Del("Accept")
		b.shows(b.post(url, "name", "x", "template", "{{ it.data["), 422, "Line 1, column")
	}
}

func TestCompareOnThePage(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	id := b.destination(con, "Orders", "template", "{{! return it.data[0]; }}")
	b.action("Send", "order.created", id)
	form := func(template string) []string {
		return []string{"name", "Orders", "method", "POST", "path", "/in", "content_type", "application/json", "template", template}
	}
	b.shows(b.post("/destinations/"+id+"/compare", form("x")...), 200, "Nothing was delivered here yet")
	b.saved(b.post("/events", "name", "order.created", "subject", "A-1", "data", `{"id":1}`))
	b.saved(b.post("/events", "name", "order.created", "subject", "A-2", "data", `{"id":2,"odd":{}}`))
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		list, _, err := s.store.Deliveries(t.Context(), db.DeliveryFilter{Status: model.Delivered}, db.Page{})
		if err != nil || time.Now().After(end) {
			t.Fatalf("never delivered: %v", err)
		}
		if len(list) == 2 {
			break
		}
	}
	got := b.post("/destinations/"+id+"/compare", form("{{! if (it.data[0].odd) return it.data[0].odd.a.b; return {ref: it.data[0].id}; }}")...)
	b.shows(got, 200, "Of 2 deliveries 1 would now fail, 1 would change; the same as before: 0.", "Would fail", "A-2", `"ref": 1`)
	if got.doc.Find(".side-old").Length() == 0 || got.value("template") == "" {
		t.Error("no lines are set against each other, or what was typed is lost")
	}
}
