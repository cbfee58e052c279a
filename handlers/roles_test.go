package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/db/model"
)

func TestRoles(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	list := b.get("/roles")
	if got := list.text("#roles tr:contains(Settings) td"); got != "Manage–None–None–None" {
		t.Errorf("settings: %q", got)
	}
	if got := b.post("/roles", "name", "viewer", "area-events", "View Events"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "built-in") {
		t.Errorf("a built-in name: %d %q", got.StatusCode, got.text("main"))
	} else if v, _ := got.doc.Find(`input[name=area-events]:checked`).Attr("value"); v != "View Events" {
		t.Errorf("what was chosen is lost: %q", v)
	}
	if got := b.post("/roles", "name", "People desk", "area-users", "Manage Users", "area-events", "Manage Everything", "others", "View Audit Log", "others", "View Settings"); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("create: %d %q", got.StatusCode, got.text("main"))
	}
	link, _ := b.get("/roles").doc.Find(`#roles a:contains("People desk")`).Attr("href")
	shown := b.get(link)
	if on := shown.doc.Find("input:checked").Length(); on != 10 || shown.doc.Find(`input[value="Manage Users"]:checked, input[value="View Audit Log"]:checked`).Length() != 2 {
		t.Errorf("%d are checked, want one an area and one more: %s", on, shown.text("main"))
	}
	if got := b.post(link, "name", "People desk", "area-users", "Manage Users", "area-deliveries", "View Deliveries", "version", "1"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("update: %d", got.StatusCode)
	}
	if got := b.post(link, "name", "Mine", "version", "1"); got.StatusCode != http.StatusConflict || !strings.Contains(got.text(".conflict"), "You changed this role in another window") {
		t.Errorf("an old version: %d %q", got.StatusCode, got.text("main"))
	}
	for _, path := range []string{"/roles/rol_viewer", "/roles/rol_viewer/delete"} {
		if got := b.post(path, "name", "Mine"); got.StatusCode != http.StatusConflict {
			t.Errorf("changing a built-in role at %s: %d", path, got.StatusCode)
		}
	}
	if copied := b.get("/roles/new?like=rol_operator"); copied.doc.Find(`input[value="Manage Deliveries"]:checked`).Length() != 1 {
		t.Error("a copy begins without the rights")
	}

	s.user("mo@example.com", "People desk")
	if got := b.post(link + "/delete"); got.StatusCode != http.StatusConflict || !strings.Contains(got.text("main"), "mo@example.com") {
		t.Errorf("deleting a role in use: %d %q", got.StatusCode, got.text("main"))
	}
	mo := s.browser()
	mo.login("mo@example.com", passphrase)
	form := mo.get("/roles/new")
	if form.doc.Find(`input[value="Manage Users"][disabled], input[value="View Deliveries"][disabled]`).Length() != 0 || form.doc.Find(`input[value="Manage Deliveries"][disabled]`).Length() != 1 {
		t.Error("the form offers other rights than those that one holds")
	}
	for name, got := range map[string]page{
		"a role":                mo.post("/roles", "name", "More", "area-settings", "View Settings"),
		"a user":                mo.post("/users", "name", "Eve", "email", "eve@example.com", "roles", model.Viewer),
		"one's own role":        mo.post(link, "name", "People desk", "area-users", "Manage Users", "area-settings", "Manage Settings"),
		"somebody with more":    mo.post("/roles", "name", "X", "area-api-keys", "Manage API Keys"),
		"what others hold too":  mo.post("/roles", "name", "Y", "area-inbound", "View Inbound"),
		"a right of the others": mo.post("/roles", "name", "Z", "others", "Run Workflows"),
	} {
		if got.StatusCode != http.StatusForbidden || !strings.Contains(got.text("main"), "nobody hands out") {
			t.Errorf("handing out %s: %d %q", name, got.StatusCode, got.text("main"))
		}
	}
	if got := mo.post("/roles", "name", "Watch", "area-deliveries", "View Deliveries"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("handing out what one holds: %d %q", got.StatusCode, got.text("main"))
	}
}
