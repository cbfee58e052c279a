package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/db/model"
)

// TestRefusalsAreInTheReadersLanguage posts forms that are refused with values in the complaint, and reads it in German,
// with numbers as Germans write them; a program is told in English.
func TestRefusalsAreInTheReadersLanguage(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	con := b.connection("Shop")
	dst := b.destination(con, "Orders")
	b.action("Send", "order.created", dst)
	viewer := s.as(s.user("bob@example.com", model.Viewer))
	b.header.Set("Accept-Language", "de-DE,de")
	viewer.header.Set("Accept-Language", "de-DE,de")
	action := func(name string, more ...string) []string {
		return append([]string{"name", name, "event", "order.created", "destination_id", dst, "enabled", "true"}, more...)
	}
	long := strings.Repeat("x", 2100)
	for name, x := range map[string]struct {
		got    page
		status int
		says   string
	}{
		"a length":            {b.post("/actions", action("Long", "description", long)...), http.StatusUnprocessableEntity, "Höchstens 2.000 Zeichen; das sind 2.100."},
		"a kind and a name":   {b.post("/actions", action("Send")...), http.StatusUnprocessableEntity, "Der Name „Send“ ist schon vergeben (Aktion)."},
		"a place":             {b.post("/actions", action("Odd", "filter", "event.data.total > (", "filter_mode", "text")...), http.StatusUnprocessableEntity, "Zeile 1, Spalte 20: Der Ausdruck endet zu früh."},
		"a sentence inside":   {b.post("/actions", action("Text", "filter", `"a"`, "filter_mode", "text")...), http.StatusUnprocessableEntity, "Zeile 1, Spalte 1: Der Ausdruck ergibt Text, nicht true oder false; vergleichen Sie ihn mit etwas."},
		"bounds":              {b.post("/connections", "type", "webhook", "name", "Other", "base_url", receiver, "auth", "none", "timeout_seconds", "9999"), http.StatusUnprocessableEntity, "Zwischen 1 und 300 Sekunden."},
		"a text that is read": {b.post("/destinations/"+dst, "name", "Orders", "method", "POST", "retry_schedule", "soon"), http.StatusUnprocessableEntity, "„soon“ ist keine Wartezeit."},
		"a thing in use":      {b.post("/connections/"+con+"/delete", "version", "1"), http.StatusConflict, "Verbindung wird noch genutzt: Ziel „Orders“, Aktion „Send“."},
		"a right":             {viewer.get("/users"), http.StatusForbidden, "Dafür ist das Recht „Personen ansehen“ nötig."},
		"what there is not":   {b.get("/actions/act_0000000000000000"), http.StatusNotFound, "Diese Aktion gibt es nicht."},
	} {
		if text := strings.Join(strings.Fields(x.got.doc.Text()), " "); x.got.StatusCode != x.status || !strings.Contains(text, x.says) {
			t.Errorf("%s: status %d, want %d and %q; it says: %s", name, x.got.StatusCode, x.status, x.says, x.got.text(".field-error, [role=alert]"))
		}
	}
	program := s.browser()
	_, key := s.key(ada)
	program.header.Set("Authorization", "Bearer "+key)
	program.header.Set("Accept-Language", "de-DE,de")
	if got := program.get("/api/v1/actions/act_0000000000000000"); got.StatusCode != http.StatusNotFound || !strings.Contains(got.doc.Text(), "There is no such action.") {
		t.Errorf("a program was told %d %s", got.StatusCode, got.doc.Text())
	}
}
