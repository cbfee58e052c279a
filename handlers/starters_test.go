package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/db/model"
)

// TestWhoOnlyStartsAndDecides: somebody who starts runs and is asked, and may see no workflow, is led to no page that refuses him.
func TestWhoOnlyStartsAndDecides(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	b.post("/roles", "name", "Starters", "others", "Run Workflows")
	b.post("/roles", "name", "Deciders", "area-events", "View Events")
	moe := s.user("moe@example.com", "Starters")
	mo := s.as(moe)
	id, _ := s.published(ada, `{"name":"Purchase","trigger":{"kind":"form","fields":[{"key":"total","name":"Total","type":"number"},{"key":"day","name":"Day","type":"date"}]},
	 "steps":[{"key":"done","name":"Done","kind":"approval","assignees":["moe@example.com","role:Deciders"]}]}`)
	start := "/workflows/" + id + "/start"

	if got := mo.get("/"); got.doc.Find(".first-steps").Length() != 0 || !strings.Contains(got.text("main"), "No task waits for you") {
		t.Errorf("the overview: %q", got.text("main"))
	}
	if got := mo.get("/tasks"); got.doc.Find(`main a[href="`+start+`"]`).Length() != 1 {
		t.Errorf("my tasks do not name the form: %q", got.text("main"))
	}
	if got := mo.get(start); got.doc.Find(`a[href="/workflows"], a[href="/workflows/`+id+`"]`).Length() != 0 {
		t.Error("the form leads to pages that refuse")
	}
	if got := mo.post(start, "field_total", "1,000"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "such as 1200 or 20.5") {
		t.Errorf("what can be read in two ways: %d %q", got.StatusCode, got.text(".field-error"))
	}
	if got := mo.post(start, "field_total", "20,5", "field_day", "2026-12-01"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/tasks" {
		t.Fatalf("starting: %d to %q: %s", got.StatusCode, got.Header.Get("Location"), got.text("main"))
	}
	s.becomes(mo, "/", "Done")
	task, _ := mo.get("/").doc.Find(`main a[href^="/tasks/"]`).Attr("href")
	mo.header.Set("Accept-Language", "de-DE,de")
	got := mo.get(task)
	if text := got.text("main"); !strings.Contains(text, "20.5") || !strings.Contains(text, "01.12.2026") || !strings.Contains(text, "Total") {
		t.Errorf("what was answered: %q", text)
	}
	if crumbs := got.text(".crumbs"); !strings.Contains(crumbs, "Done") || !strings.HasPrefix(got.text("title"), "Done ") {
		t.Errorf("the name of a step is translated: %q", crumbs)
	}
	if got.doc.Find("#form").Length() != 1 {
		t.Error("there is nothing to decide with")
	}
	mo.header.Del("Accept-Language")

	for _, page := range []string{"", "/disable"} {
		if text := b.get("/users/" + string(moe.ID) + page).text("main"); !strings.Contains(text, "1 open task –") || !strings.Contains(text, "1 workflow –") {
			t.Errorf("who disables is not told that work waits: %q", text)
		}
	}
	role, _ := b.get("/roles").doc.Find(`#roles a:contains("Deciders")`).Attr("href")
	if text := b.post(role + "/delete").text("main"); !strings.Contains(text, "Purchase") {
		t.Errorf("a role that a workflow asks is deleted: %q", text)
	}
	run, _ := b.get("/runs").doc.Find(`main a[href^="/runs/run_"]`).Attr("href")
	b.post(run + "/pause")
	if got := mo.get(task); got.doc.Find("#form").Length() != 0 || !strings.Contains(got.text("main"), "Nothing can be done until") {
		t.Errorf("while the run is paused: %q", got.text("main"))
	}
	if got := mo.post(task + "/approve"); got.StatusCode != http.StatusConflict || strings.Contains(got.text("main"), "resume it first") {
		t.Errorf("approving while the run is paused: %d %q", got.StatusCode, got.text("main"))
	}
}
