package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/model"
)

func TestAKeysPage(t *testing.T) {
	s := newSite(t)
	ada, vi := s.user("ada@example.com", model.Administrator), s.user("vi@example.com", model.Viewer)
	b := s.as(ada)
	if got := b.post("/api-keys", "name", "Shop", "user_id", string(vi.ID), "scope", "some"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".field-error"), "at least one right") {
		t.Errorf("limited to nothing: %d %q", got.StatusCode, got.text("main"))
	}
	made := b.get(b.post("/api-keys", "name", "Shop", "user_id", string(vi.ID), "scope", "some", "rights", "View Events", "rights", "Manage Settings").Header.Get("Location"))
	key, _ := made.doc.Find(".copyable input").Attr("value")
	program := func(key string) *browser { p := s.browser(); p.header.Set("Authorization", "Bearer "+key); return p }
	for path, want := range map[string]int{"events": http.StatusOK, "connections": http.StatusForbidden, "users": http.StatusForbidden} {
		if got := program(key).get("/api/v1/" + path); got.StatusCode != want {
			t.Errorf("%s with the limited key: %d, want %d", path, got.StatusCode, want)
		}
	}
	link, _ := b.get("/api-keys").doc.Find("#keys tbody a").Attr("href")
	shown := b.get(link)
	if !strings.Contains(shown.text("main"), "View Events, Manage Settings") || shown.doc.Find("input[name=rights]:checked").Length() != 2 {
		t.Errorf("the page: %q", shown.text("main"))
	}
	if got := b.post(link, "name", "Shop floor", "days", "90", "scope", "all", "version", "1"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("update: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post(link, "name", "Late", "days", "keep", "version", "1"); got.StatusCode != http.StatusConflict || !strings.Contains(got.text(".note"), "Somebody else changed") {
		t.Errorf("an old version: %d", got.StatusCode)
	}
	if got := program(key).get("/api/v1/connections"); got.StatusCode != http.StatusOK {
		t.Errorf("no longer limited: %d", got.StatusCode)
	}
	if got := b.post(link+"/rotate", "overlap", "1h"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != link {
		t.Errorf("rotate: %d %q", got.StatusCode, got.Header)
	}
	if other := s.as(ada).get(link); other.doc.Find("#new-key").Length() != 0 {
		t.Error("another session is shown the key")
	}
	rotated := b.get(link)
	next, _ := rotated.doc.Find("#new-key input").Attr("value")
	if rotated.StatusCode != http.StatusOK || !db.WellFormed(next) || next == key || !strings.Contains(rotated.text(".facts"), "The key before") {
		t.Fatalf("rotate: %d %q", rotated.StatusCode, rotated.text("main"))
	}
	for name, k := range map[string]string{"before": key, "after": next} {
		if got := program(k).get("/api/v1/events"); got.StatusCode != http.StatusOK {
			t.Errorf("the key %s: %d", name, got.StatusCode)
		}
	}
	if got := b.get(link); strings.Contains(got.text("body"), next) || got.doc.Find("#new-key").Length() != 0 {
		t.Error("the key is shown twice")
	}
	s.later(61 * 60e9)
	if got := program(key).get("/api/v1/events"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("the key before, after its overlap: %d", got.StatusCode)
	}
	if got := program(next).get("/api/v1/events"); got.StatusCode != http.StatusOK {
		t.Errorf("the key after: %d", got.StatusCode)
	}
	mine := s.as(vi)
	if got := mine.get(link); got.StatusCode != http.StatusOK || got.doc.Find("main form[action$='/rotate']").Length() != 0 || got.doc.Find("main form[action$='/revoke']").Length() != 1 {
		t.Errorf("its own user: %d %q", got.StatusCode, got.text("main"))
	}
	if got := s.as(s.user("op@example.com", model.Operator)).get(link); got.StatusCode != http.StatusNotFound {
		t.Errorf("somebody else: %d", got.StatusCode)
	}
}
