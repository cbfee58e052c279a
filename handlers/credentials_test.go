package handlers_test

import (
	"strings"
	"testing"

	"waybill/db/model"
	"waybill/jobs/scheme"
)

const secret = "canary-0d9f8a7b"

func TestCredentials(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/credentials"), 200, "No credentials yet")
	if n, want := b.get("/credentials/new").doc.Find(".type-card").Length(), len(scheme.Kinds()); n != want {
		t.Errorf("%d kinds, want %d", n, want)
	}
	b.shows(b.get("/credentials/new/basic"), 200, "The weaker choice")
	b.shows(b.get("/credentials/new/pigeon"), 404)

	bad := b.post("/credentials", "type", "basic", "name", "", "config.username", "a:b", "config.password", secret)
	b.shows(bad, 422, "Give it a name.")
	if bad.value("config.username") != "a:b" {
		t.Error("what was typed is not kept")
	}
	noSecret(t, "bad form", bad)
	id := b.saved(b.post("/credentials", "type", "basic", "name", "ERP", "config.username", "erp", "config.password", secret))
	b.shows(b.post("/credentials", "type", "bearer", "name", "ERP", "config.token", secret), 422, "Another credential has the name")

	edit := b.get("/credentials/" + id + "/edit")
	b.shows(edit, 200, "stored, never shown")
	for name, p := range map[string]page{"list": b.get("/credentials"), "page": b.get("/credentials/" + id), "edit": edit, "audit": b.get("/audit")} {
		noSecret(t, name, p)
	}
	b.saved(b.post("/credentials/"+id, "name", "ERP account", "config.username", "erp2", "config.password", "", "version", edit.value("version")))
	kept, err := s.store.OpenCredential(t.Context(), model.CredentialID(id))
	if err != nil || kept["password"].Reveal() != secret {
		t.Errorf("an empty secret replaced the stored one: %v", err)
	}
	stale := b.post("/credentials/"+id, "name", "Mine", "config.username", "erp", "config.password", secret, "version", edit.value("version"))
	b.shows(stale, 409, "You changed this credential in another window")
	noSecret(t, "stale form", stale)
	b.shows(b.get("/credentials?q=account"), 200, "Nothing yet", "User name and password")
	b.shows(b.get("/credentials/"+id+"/delete"), 200, "Nothing uses it")
	b.saved(b.post("/credentials/" + id + "/delete"))
	b.shows(b.get("/credentials/"+id), 404)
}

func noSecret(t *testing.T, where string, p page) {
	t.Helper()
	html, err := p.doc.Html()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html, secret) {
		t.Errorf("%s shows the secret", where)
	}
}
