package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

func TestUsers(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	if got := b.post("/users", "email", "not an address", "name", ""); got.StatusCode != http.StatusUnprocessableEntity || got.doc.Find(".field-error").Length() != 2 {
		t.Errorf("bad input: %d %q", got.StatusCode, got.text(".field-error"))
	}
	if got := b.post("/users", "email", "Grace@example.com", "name", "Grace <b>", "roles", model.Operator, "roles", model.Viewer, "password", passphrase); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("create: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/users", "email", "grace@example.com", "name", "Twin"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".note"), "already a user") {
		t.Errorf("same address: %d %q", got.StatusCode, got.text("main"))
	}
	list := b.get("/users?q=grace")
	row := list.doc.Find("#users tbody tr")
	if row.Length() != 1 || !strings.Contains(row.Text(), "Grace <b>") || !strings.Contains(row.Text(), "Operator, Viewer") {
		t.Errorf("list: %q", row.Text())
	}
	if got := b.get("/users?q=zzz"); !strings.Contains(got.text("main"), "Nothing matches") {
		t.Errorf("no match: %q", got.text("main"))
	}
	b.header.Set("HX-Request", "true")
	b.header.Set("HX-Target", "div#users-list")
	if got := b.get("/users?q=grace"); got.doc.Find(".sidebar").Length() != 0 || got.doc.Find("#users tbody tr").Length() != 1 {
		t.Error("htmx did not get the fragment alone")
	}
	b.header = http.Header{}
	link, _ := row.Find("a").Attr("href")
	if got := b.post(link, "name", "Grace", "email", "grace@example.com", "roles", model.Integrator, "version", "1"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("update: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post(link, "name", "Grace", "email", "grace@example.com", "version", "1"); got.StatusCode != http.StatusConflict {
		t.Errorf("old version: %d", got.StatusCode)
	}
	grace := s.browser()
	grace.login("grace@example.com", passphrase)
	if got := grace.get("/users"); got.StatusCode != http.StatusForbidden {
		t.Errorf("an integrator sees users: %d", got.StatusCode)
	}
	if grace.get("/").doc.Find(`.nav a[href="/users"], .nav a[href="/audit"]`).Length() != 0 {
		t.Error("the navigation shows what may not be opened")
	}
}

func TestAdministratorsCannotLockEverybodyOut(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	if got := b.post("/users/" + string(ada.ID) + "/disable"); got.StatusCode != http.StatusConflict {
		t.Errorf("disabling oneself: %d, want 409", got.StatusCode)
	}
	got := b.post("/users/"+string(ada.ID), "name", "Ada", "email", ada.Email, "roles", model.Viewer, "version", "1")
	if got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text(".note"), "last active Administrator") {
		t.Errorf("giving up the last Administrator: %d %q", got.StatusCode, got.text("main"))
	}
}

func TestAPIKeys(t *testing.T) {
	s := newSite(t)
	ada, vi := s.user("ada@example.com", model.Administrator), s.user("vi@example.com", model.Viewer)
	b := s.as(ada)
	if got := s.as(vi).get("/api-keys").text("main"); !strings.Contains(got, "No key acts as you") {
		t.Errorf("a viewer without a key reads %q", got)
	}
	at := b.post("/api-keys", "name", "Shop", "user_id", string(vi.ID)).Header.Get("Location")
	made := b.get(at)
	key, _ := made.doc.Find(".copyable input").Attr("value")
	if !db.WellFormed(key) {
		t.Fatalf("create: %d key %q", made.StatusCode, key)
	}
	if again := b.get(at); strings.Contains(again.text("body"), key) || again.doc.Find(".copyable").Length() != 0 {
		t.Error("a reload shows the key again")
	}
	if again := b.get("/api-keys"); strings.Contains(again.text("body"), key) || again.doc.Find("#keys tbody tr").Length() != 1 {
		t.Error("the key is shown twice, or not listed")
	}
	program := s.browser()
	program.header.Set("Authorization", "Bearer "+key)
	if got := program.get("/api/v1/deliveries"); got.StatusCode != http.StatusOK {
		t.Errorf("the key does not work: %d", got.StatusCode)
	}
	if got := program.get("/api/v1/users"); got.StatusCode != http.StatusForbidden {
		t.Errorf("the key has more rights than its user: %d", got.StatusCode)
	}
	if got := program.get("/users"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a key opens pages: %d", got.StatusCode)
	}
	mine := s.as(vi)
	revoke, _ := mine.get("/api-keys").doc.Find("#keys form").Attr("action")
	if revoke != "" {
		t.Error("somebody without the right is offered to revoke")
	}
	_, foreign := s.key(ada)
	if n := mine.get("/api-keys").doc.Find("#keys tbody tr").Length(); n != 1 {
		t.Errorf("a viewer sees %d keys, want his own one", n)
	}
	keys, _, err := s.store.APIKeys(context.Background(), db.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		want := http.StatusSeeOther
		if k.UserID == ada.ID {
			want = http.StatusNotFound
		}
		if got := mine.post("/api-keys/" + string(k.ID) + "/revoke"); got.StatusCode != want {
			t.Errorf("a viewer revokes the key of %s: %d, want %d", k.UserName, got.StatusCode, want)
		}
	}
	if got := program.get("/api/v1/deliveries"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked key: %d, want 401", got.StatusCode)
	}
	program.header.Set("Authorization", "Bearer "+foreign)
	if got := program.get("/metrics"); got.StatusCode != http.StatusOK {
		t.Errorf("metrics with an Administrator's key: %d", got.StatusCode)
	}
}

// TestKeysStopAtOnce uses a key until the cache knows it, and then takes away what it rests on.
func TestKeysStopAtOnce(t *testing.T) {
	for name, stop := range map[string]func(tx *db.Tx, k model.APIKey, u model.User) error{
		"the key is revoked":    func(tx *db.Tx, k model.APIKey, u model.User) error { return tx.RevokeAPIKey(k.ID) },
		"the user is disabled":  func(tx *db.Tx, k model.APIKey, u model.User) error { u.Disabled = true; return tx.UpdateUser(&u) },
		"the user's roles went": func(tx *db.Tx, k model.APIKey, u model.User) error { u.Roles = nil; return tx.UpdateUser(&u) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			u := s.user("vi@example.com", model.Viewer)
			k, text := s.key(u)
			program := s.browser()
			program.header.Set("Authorization", "bearer "+text)
			for range 3 {
				if got := program.get("/api/v1/deliveries"); got.StatusCode != http.StatusOK {
					t.Fatalf("before: %d", got.StatusCode)
				}
			}
			dbtest.Write(t, s.store, func(tx *db.Tx) error { return stop(tx, k, u) })
			if got := program.get("/api/v1/deliveries"); got.StatusCode != http.StatusUnauthorized && got.StatusCode != http.StatusForbidden {
				t.Errorf("after: %d", got.StatusCode)
			}
		})
	}
}

func TestAuditLog(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.post("/users", "email", "grace@example.com", "name", "Grace", "roles", model.Viewer, "password", passphrase)
	page := b.get("/audit?kind=user&q=grace")
	rows := page.doc.Find("#audit tbody tr")
	if rows.Length() != 1 {
		t.Fatalf("%d rows, want 1: %q", rows.Length(), page.text("main"))
	}
	for _, want := range []string{"ada", "User created", "grace@example.com", "127.0.0.1", "Viewer"} {
		if !strings.Contains(rows.Text(), want) {
			t.Errorf("the row does not say %q: %q", want, rows.Text())
		}
	}
	if strings.Contains(page.text("body"), passphrase) {
		t.Error("the audit log shows a password")
	}
	if !strings.Contains(page.text(".page-head"), "Chain verified") {
		t.Errorf("head: %q", page.text(".page-head"))
	}
	if got := b.get("/audit?q=zzz"); !strings.Contains(got.text("main"), "Nothing matches") {
		t.Errorf("no match: %q", got.text("main"))
	}
}

// The page of one change tells all of it, and leads to its neighbours, its author and its object; the page of the object
// leads back.
func TestAuditEntry(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	b.post("/roles", "name", "Night shift", "area-deliveries", "Manage Deliveries")
	role := b.get("/roles").doc.Find(`main a:contains("Night shift")`).AttrOr("href", "")
	b.post(role, "name", "Day shift", "area-deliveries", "Manage Deliveries", "version", "1")
	history := b.get(role).doc.Find("a.history").AttrOr("href", "")
	rows := b.get(history).doc.Find("#audit tbody .cell-main a")
	if rows.Length() != 2 {
		t.Fatalf("%s lists %d changes, want 2", history, rows.Length())
	}
	page := b.get(rows.First().AttrOr("href", ""))
	for _, want := range []string{"Role updated", "BeforeNight shiftAfterDay shift", "ada", "127.0.0.1", "Hash verified", "This is its last so far."} {
		if got := page.text("main"); !strings.Contains(got, want) {
			t.Errorf("the page does not say %q: %q", want, got)
		}
	}
	for _, to := range []string{role, "/users/" + string(ada.ID), history, rows.Last().AttrOr("href", "")} {
		if page.doc.Find(`main a[href="`+to+`"]`).Length() == 0 {
			t.Errorf("the page does not lead to %s", to)
		}
	}
	b.post(role+"/delete", "name", "Day shift")
	if got := b.get(page.Request.URL.Path); got.doc.Find(`main a[href="`+role+`"]`).Length() != 0 {
		t.Error("the page leads to what is deleted")
	}
	if got := b.get("/audit/aud_none"); got.StatusCode != http.StatusNotFound {
		t.Errorf("no such change: %d", got.StatusCode)
	}
	if got := s.as(s.user("vi@example.com", model.Viewer)).get("/connections"); got.doc.Find("a.history").Length() != 0 {
		t.Error("who may not see the audit log is led there")
	}
}

func TestOverviewCountsSteps(t *testing.T) {
	s := newSite(t)
	root := s.user("root@example.com", model.Administrator)
	b := s.as(root)
	if got := b.get("/"); got.doc.Find(".first-steps li").Length() != 5 || got.doc.Find(".first-steps .done").Length() != 0 || !strings.Contains(got.text("main"), "0 of 5") {
		t.Errorf("at first: %q", got.text("main"))
	}
	if vi := s.as(s.user("vi@example.com", model.Viewer)); vi.get("/").doc.Find(`.first-steps a[href$="/new"]`).Length() != 0 {
		t.Error("a viewer is offered to make things")
	}
	dbtest.Fill(t, s.store)
	if got := b.get("/"); !strings.Contains(got.text("main"), "3 of 5") {
		t.Errorf("with a set-up: %q", got.text("main"))
	}
}
