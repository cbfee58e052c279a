package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
)

// link is the path of the invitation link that a page shows.
func (p page) link(t *testing.T) string {
	t.Helper()
	text, _ := p.doc.Find(".copyable input").Attr("value")
	u, err := url.Parse(text)
	if err != nil || u.Path != "/invitation" || len(u.Query().Get("token")) < 40 {
		t.Fatalf("link %q, %v: %s", text, err, p.text("main"))
	}
	return u.RequestURI()
}

func TestInvitations(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	if got := b.post("/users/invite", "email", "nobody"); got.StatusCode != http.StatusUnprocessableEntity || got.doc.Find("#f-email-error").Length() != 1 {
		t.Errorf("no address: %d %q", got.StatusCode, got.text("main"))
	}
	if got := b.post("/users/invite", "email", "ada@example.com"); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.text("#f-email-error"), "already a user") {
		t.Errorf("somebody who is here: %d %q", got.StatusCode, got.text("main"))
	}
	made := b.post("/users/invite", "email", "Grace@example.com", "roles", model.Viewer)
	first := made.link(t)
	waiting := b.get("/users").doc.Find("#invitations tbody tr")
	if waiting.Length() != 1 || !strings.Contains(waiting.Text(), "grace@example.com") || strings.Contains(b.get("/users").text("body"), "token=") {
		t.Errorf("the list: %q", waiting.Text())
	}
	id, _ := waiting.Attr("id")
	second := b.post("/users/invitations/" + id + "/renew").link(t)

	g := s.browser()
	for _, dead := range []string{first, "/invitation", "/invitation?token=x"} {
		if got := g.get(dead); got.StatusCode != http.StatusNotFound || got.doc.Find("main form[action='/invitation']").Length() != 0 {
			t.Errorf("%s: %d", dead, got.StatusCode)
		}
	}
	if got := b.get(second); got.StatusCode != http.StatusConflict || !strings.Contains(got.text("main"), "ada@example.com") {
		t.Errorf("somebody who is signed in: %d %q", got.StatusCode, got.text("main"))
	}
	form := g.get(second)
	token, _ := form.doc.Find("input[name=token]").Attr("value")
	if form.StatusCode != http.StatusOK || !strings.Contains(form.text("main"), "ada invites you as grace@example.com") {
		t.Errorf("the page: %d %q", form.StatusCode, form.text("main"))
	}
	weak := g.post("/invitation", "token", token, "name", "Grace Hopper", "password", "short")
	if v, _ := weak.doc.Find("input[name=name]").Attr("value"); weak.StatusCode != http.StatusUnprocessableEntity || v != "Grace Hopper" || !strings.Contains(weak.text(".field-error"), "15 characters") {
		t.Errorf("a weak password: %d %q", weak.StatusCode, weak.text("main"))
	}
	if got := g.post("/invitation", "token", token, "name", "Grace Hopper", "password", passphrase, "roles", model.Administrator, "email", "eve@example.com"); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("accept: %d %q", got.StatusCode, got.text("main"))
	}
	if home := g.get("/account"); home.text(".user-name") != "Grace Hopper" || !strings.Contains(home.text("main"), "Viewer") || strings.Contains(home.text("main"), "Administrator") {
		t.Errorf("signed in as %q", home.text("main"))
	}
	if got := s.browser().post("/invitation", "token", token, "name", "Eve", "password", passphrase); got.StatusCode != http.StatusNotFound {
		t.Errorf("the link worked twice: %d", got.StatusCode)
	}

	late := b.post("/users/invite", "email", "late@example.com").link(t)
	gone := b.post("/users/invite", "email", "gone@example.com").link(t)
	id, _ = b.get("/users").doc.Find("#invitations tr:contains(gone)").Attr("id")
	if got := b.post("/users/invitations/" + id + "/revoke"); got.StatusCode != http.StatusSeeOther || s.browser().get(gone).StatusCode != http.StatusNotFound {
		t.Errorf("revoked: %d", got.StatusCode)
	}
	s.later(model.InvitationLife + time.Minute)
	if got := s.browser().get(late); got.StatusCode != http.StatusNotFound {
		t.Errorf("expired: %d", got.StatusCode)
	}
	log := s.as(s.user("root@example.com", model.Administrator)).get("/audit?kind=invitation").text("#audit")
	for _, want := range []string{"Invited", "Invitation renewed", "Invitation accepted", "Invitation revoked"} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log does not say %q: %s", want, log)
		}
	}
}

func TestDisablingSaysWhatStops(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	vi := s.user("vi@example.com", model.Viewer)
	at := "/users/" + string(vi.ID)
	if got := b.get(at + "/disable").text("main"); !strings.Contains(got, "Nothing else acts under this account") {
		t.Errorf("without anything: %q", got)
	}
	s.as(vi)
	s.key(vi)
	s.key(vi)
	for _, page := range []string{at, at + "/disable"} {
		if got := b.get(page).text("main"); !strings.Contains(got, "1 session – Signed out at once.") || !strings.Contains(got, "2 API keys – Programs") {
			t.Errorf("%s: %q", page, got)
		}
	}
	if got := b.post(at + "/disable"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("disable: %d", got.StatusCode)
	}
	if got := b.post(at + "/enable"); got.StatusCode != http.StatusSeeOther || strings.Contains(b.get(at+"/disable").text("main"), "1 session") {
		t.Errorf("enable: %d; sessions came back", got.StatusCode)
	}
}
