package handlers_test

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"waybill/db/model"
)

// id is what a form made: the last part of the page that it leads to, unless that is a tab.
func (p page) id() string {
	to := strings.TrimSuffix(p.Header.Get("Location"), "/destinations")
	return path.Base(to)
}

// saved checks that a form was taken and gives the id that it leads to.
func (b *browser) saved(p page) string {
	b.s.t.Helper()
	if p.StatusCode != http.StatusSeeOther {
		b.s.t.Fatalf("not saved: %d %s", p.StatusCode, p.text("main"))
	}
	return p.id()
}

// shows checks status and text of a page, whatever the white space.
func (b *browser) shows(p page, status int, texts ...string) {
	b.s.t.Helper()
	got := p.text("main")
	if p.StatusCode != status {
		b.s.t.Errorf("status %d, want %d: %.300s", p.StatusCode, status, got)
	}
	for _, want := range texts {
		if !strings.Contains(dense(got), dense(want)) {
			b.s.t.Errorf("page does not say %q: %.900s", want, got)
		}
	}
}

func dense(s string) string { return strings.Join(strings.Fields(s), "") }

// over is a form of name and value pairs, where later values of a name replace earlier ones.
func over(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// value is what an input of the page holds.
func (p page) value(name string) string {
	in := p.doc.Find(`[name="` + name + `"]`).First()
	if in.Is("textarea") {
		return strings.TrimPrefix(in.Text(), "\n")
	}
	if in.Is("select") {
		in = in.Find("option[selected]")
	}
	v, _ := in.Attr("value")
	return v
}

const receiver = "http://receiver.waybill.internal/hook"

func (b *browser) connection(name string) string {
	b.s.t.Helper()
	return b.saved(b.post("/connections", "type", "webhook", "name", name, "base_url", receiver, "auth", "none", "timeout_seconds", "30", "enabled", "true"))
}

func TestConnections(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/connections"), 200, "No connections yet")
	if n := b.get("/connections/new").doc.Find(".type-card").Length(); n < 3 {
		t.Errorf("%d type cards, want at least 3", n)
	}
	b.shows(b.get("/connections/new/pigeon"), 404)
	made := b.post("/connections", "type", "webhook", "name", " Northwind  ERP ", "base_url", receiver, "port", "", "auth", "none", "timeout_seconds", "12",
		"timeout_message", "Slow today", "enabled", "true", "go", "on")
	if to := made.Header.Get("Location"); !strings.HasSuffix(to, "/destinations") {
		t.Errorf("save and continue leads to %q, want the destinations", to)
	}
	id := b.saved(made)
	b.shows(b.get("/connections/"+id), 200, "Northwind ERP", receiver, "12 seconds", "Slow today")
	card := b.get("/connections?q=northWIND").doc.Find("#" + id)
	if card.Length() != 1 || !strings.Contains(card.Text(), "No destinations yet") || card.Find(".badge-ok").Length() != 1 {
		t.Errorf("card: %q", card.Text())
	}
	b.shows(b.get("/connections?q=zzz"), 200, "No connection has “zzz”")

	bad := b.post("/connections", "type", "webhook", "name", "Northwind ERP", "base_url", "ftp://x", "port", "eighty", "timeout_seconds", "900", "auth", "none")
	b.shows(bad, 422, "A whole number", "Between 1 and 300 seconds", "An address that starts with")
	if bad.value("port") != "eighty" || bad.value("base_url") != "ftp://x" {
		t.Error("what was typed is not kept")
	}
	b.shows(b.post("/connections", "type", "webhook", "name", "Northwind ERP", "base_url", receiver, "auth", "none"), 422, "Another connection has the name")

	edit := b.get("/connections/" + id + "/edit")
	version := edit.value("version")
	b.saved(b.post("/connections/"+id, "name", "ERP", "base_url", receiver, "auth", "none", "timeout_seconds", "30", "enabled", "true", "version", version))
	stale := b.post("/connections/"+id, "name", "My ERP", "base_url", receiver, "auth", "none", "timeout_seconds", "30", "version", version)
	b.shows(stale, 409, "You changed this connection in another window")
	if stale.value("name") != "My ERP" {
		t.Error("a stale form loses what was typed")
	}
	b.saved(b.post("/connections/"+id, "name", "My ERP", "base_url", receiver, "auth", "none", "timeout_seconds", "30", "version", stale.value("version")))

	b.saved(b.post("/connections/"+id+"/enabled", "value", "off"))
	b.shows(b.get("/connections/"+id), 200, "This connection is switched off", "Switch on")
	b.shows(b.get("/connections/"+id+"/delete"), 200, "Delete “My ERP”?", "Nothing uses it")
	b.saved(b.post("/connections/" + id + "/delete"))
	b.shows(b.get("/connections/"+id), 404)
}

func TestConnectionToRefusedAddressIsSavedWithAWarning(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	made := b.post("/connections", "type", "webhook", "name", "Plain", "base_url", "http://erp.example.com", "auth", "none", "timeout_seconds", "30", "enabled", "true")
	id := b.saved(made)
	b.shows(b.get("/connections/"+id), 200, "Requests to this address are refused", "WAYBILL_ALLOW_HOSTS")
	card := func(want string) {
		t.Helper()
		if got := b.get("/connections").doc.Find("#" + id).Text(); (want == "" && strings.Contains(got, "efused")) || !strings.Contains(got, want) {
			t.Errorf("the card does not say %q: %q", want, got)
		}
	}
	card("Address refused")
	var places []string
	for _, name := range []string{"Orders", "Stock"} {
		places = append(places, b.saved(b.post("/connections/"+id+"/destinations", "name", name, "method", "POST", "content_type", "application/json", "path", "/x", "enabled", "true")))
	}
	card("Address refused")
	// What one destination may do is no matter of the connection's other destinations.
	b.saved(b.post("/settings/network/rules", "effect", "allow", "pattern", "erp.example.com", "for", places[0]))
	card("Refused in part")
	b.shows(b.get("/connections/"+id), 200, "Some requests to this address are refused", "This holds for Stock; its other destinations may be called.", "allow it")
	allowed := b.post("/settings/network/rules", "effect", "allow", "pattern", "erp.example.com", "for", places[1], "back", "http://erp.example.com/x", "from", "/connections/"+id)
	b.shows(b.get(allowed.Header.Get("Location")), 200, "erp.example.com is allowed now.", "Back to the connection")
	b.shows(b.get("/settings/network?url=http://10.0.0.1/&for="+places[1]+"&from=//evil.example/"), 200, "Allow 10.0.0.1 for this destination only")
	if b.get("/settings/network?url=http://10.0.0.1/&from=//evil.example/").doc.Find(`a[href*="evil"]`).Length() != 0 {
		t.Error("the way back leads to another site")
	}
	card("")
	b.shows(b.post("/events", "name", "order.*", "data", "{"), 422, "No spaces, control characters or *", "Line 1, column")
}

func TestConnectionWithItsCredential(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	form := []string{"type", "custom_http", "name", "Shop", "base_url", receiver, "timeout_seconds", "30", "auth", "new", "credential_type", "basic",
		"new.basic.username", "shop", "new.basic.password", secret, "new.header.header_value", "ignored"}
	bad := b.do(http.MethodPost, "/connections", over(append(form, "base_url", "nonsense")...))
	b.shows(bad, 422)
	if bad.value("new.basic.username") != "shop" || bad.doc.Find(`[name="auth"][value="new"][checked]`).Length() != 1 {
		t.Error("the credential that is being made is lost")
	}
	if html, _ := bad.doc.Html(); strings.Contains(html, secret) {
		t.Error("the secret came back")
	}
	b.shows(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", receiver, "auth", "new", "credential_type", "basic", "new.basic.username", ""), 422,
		"User name is needed", "Password is needed")
	if got := b.get("/connections"); !strings.Contains(got.text("main"), "No connections yet") {
		t.Error("a connection was stored without its credential")
	}
	id := b.saved(b.post("/connections", form...))
	got := b.get("/connections/" + id)
	b.shows(got, 200, "Authentication Shop")
	link, _ := got.doc.Find(`main .facts a[href^="/credentials/"]`).Attr("href")
	b.shows(b.get(link), 200, "User name shop", "Stored, never shown", "Shop")
	b.shows(b.get(link+"/delete"), 200, "cannot be deleted yet")
	b.shows(b.post(link+"/delete"), 409, "in use by connection “Shop”")

	other := b.saved(b.post("/connections", "type", "webhook", "name", "Other", "base_url", receiver, "auth", "pick", "credential_id", path.Base(link)))
	b.shows(b.get("/connections/"+other), 200, "Authentication Shop")
	b.shows(b.post("/connections", "type", "webhook", "name", "Third", "base_url", receiver, "auth", "pick"), 422, "Choose a credential")
}

func TestConnectionInUseIsDeletedOnlyWhenAskedTwice(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	dst := b.destination(con, "Orders")
	act := b.action("Send", "order.created", dst)
	ask := b.get("/connections/" + con + "/delete")
	b.shows(ask, 200, "Destination Orders", "Action Send")
	if ask.doc.Find(`a[href="/actions/`+act+`"]`).Length() == 0 || ask.doc.Find(`[name=force][checked]`).Length() != 0 {
		t.Error("the page does not link what is in the way, or forces by itself")
	}
	b.shows(b.post("/connections/"+con+"/delete"), 409, "in use by destination “Orders”, action “Send”")
	b.shows(b.post("/destinations/"+dst+"/delete"), 409, "in use by action “Send”")
	b.saved(b.post("/connections/"+con+"/delete", "force", "true"))
	b.shows(b.get("/actions/"+act), 404)
}

func TestViewerSeesNoControl(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	dst := b.destination(con, "Orders")
	act := b.action("Send", "order.created", dst)
	crd := b.saved(b.post("/credentials", "type", "bearer", "name", "Token", "config.token", secret))
	evt := b.saved(b.post("/events", "name", "order.created", "data", `{"id":1}`))
	list := b.get("/deliveries")
	dlv, _ := list.doc.Find("#deliveries tbody tr").Attr("id")
	if dlv == "" {
		t.Fatalf("no delivery: %s", list.text("main"))
	}
	v := s.as(s.user("vic@example.com", model.Viewer))
	for _, p := range []string{"/connections", "/connections/" + con, "/connections/" + con + "/destinations", "/destinations/" + dst, "/credentials", "/credentials/" + crd,
		"/actions", "/actions/" + act, "/events", "/events/" + evt, "/deliveries", "/deliveries/" + dlv} {
		got := v.get(p)
		v.shows(got, 200)
		got.doc.Find("main form, main .btn-primary, main dialog, main a[href$='/edit'], main a[href$='/delete'], main a[href$='/new'], main a[href$='/secret']").Each(func(_ int, x *goquerySelection) {
			if method, _ := x.Attr("method"); method != "get" && x.Closest("[data-own]").Length() == 0 {
				html, _ := x.Html()
				t.Errorf("%s shows a control: %.200s", p, html)
			}
		})
	}
	v.shows(v.get("/destinations/"+dst+"/secret"), 403, "Manage Connections")
	v.shows(v.post("/destinations/"+dst+"/preview", "template", "x"), 403, "Manage Connections")
	v.shows(v.post("/deliveries/"+dlv+"/retry"), 403, "Manage Deliveries")
	v.shows(v.post("/events", "name", "a"), 403, "Manage Events")
}
