package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// stock is a connection, a destination, an action and a credential.
func (s *site) stock(base string) (model.Connection, model.Destination) {
	s.t.Helper()
	con := model.Connection{Name: "Northwind <ERP>", Type: "webhook", BaseURL: base, TimeoutSeconds: 30, Enabled: true}
	crd := model.Credential{Name: "Northwind key", Type: "bearer"}
	dst := model.Destination{Name: "Orders to ERP", Method: "POST", ContentType: "application/json", Enabled: true, RetrySchedule: []int{0}, MaxInFlight: 1}
	act := model.Action{Name: "Send orders", Event: "order.*", Enabled: true}
	dbtest.Write(s.t, s.store, func(tx *db.Tx) error {
		if err := tx.CreateCredential(&crd, model.Secrets{"token": "hush"}); err != nil {
			return err
		}
		if err := tx.CreateConnection(&con); err != nil {
			return err
		}
		dst.ConnectionID = con.ID
		if err := tx.CreateDestination(&dst, "whsec_test"); err != nil {
			return err
		}
		act.DestinationID = dst.ID
		return tx.CreateAction(&act)
	})
	return con, dst
}

func hits(p page) []string {
	return p.doc.Find("[role=option] .hit-label").Map(func(_ int, s *goquery.Selection) string { return strings.TrimSpace(s.Text()) })
}

func TestPaletteShowsOnlyWhatOneMayUse(t *testing.T) {
	s := newSite(t)
	s.stock("https://erp.example.com")
	ada := s.user("ada@example.com", model.Administrator)
	for role, want := range map[string]map[string]bool{
		model.Administrator: {"New connection": true, "Publish event": true, "New user": true, "Users": true, "Sign out": true},
		model.Viewer:        {"New connection": false, "Publish event": false, "New user": false, "Users": false, "Connections": true, "Sign out": true},
	} {
		u := ada
		if role != model.Administrator {
			u = s.user(strings.ToLower(role)+"@example.com", role)
		}
		got := hits(s.as(u).get("/palette"))
		for label, shown := range want {
			if slices.Contains(got, label) != shown {
				t.Errorf("%s: %q shown %v, want %v: %q", role, label, !shown, shown, got)
			}
		}
	}
	nobody := s.user("nobody@example.com")
	if got := hits(s.as(nobody).get("/palette?q=northwind")); len(got) != 0 {
		t.Errorf("without rights found %q", got)
	}
	if got := hits(s.as(ada).get("/palette?q=ada@")); !slices.Contains(got, "ada") {
		t.Errorf("a user by his address: %q", got)
	}
}

func TestPaletteFindsAndMarks(t *testing.T) {
	s := newSite(t)
	con, dst := s.stock("https://erp.example.com")
	b := s.as(s.user("ada@example.com", model.Administrator))
	for q, first := range map[string]string{
		"NORTH":        "Northwind <ERP>",
		"erp north":    "Northwind <ERP>",
		"erp.example":  "Northwind <ERP>",
		"order.*":      "Send orders",
		string(dst.ID): "Orders to ERP",
		string(con.ID): "Northwind <ERP>",
		"audit":        "Audit log",
		"docs":         "API reference",
	} {
		got := hits(b.get("/palette?q=" + url.QueryEscape(q)))
		if len(got) == 0 || got[0] != first {
			t.Errorf("%q finds %q, want %q first", q, got, first)
		}
	}
	got := b.get("/palette?q=to+er")
	label, _ := got.doc.Find("[href='/destinations/" + string(dst.ID) + "'] .hit-label").Html()
	if strings.TrimSpace(label) != "Orders <mark>to</mark> <mark>ER</mark>P" {
		t.Errorf("marked as %q", label)
	}
	if got := b.get("/palette?q=" + url.QueryEscape(`"><script>`)); got.doc.Find("script").Length() != 0 || !strings.Contains(got.text("body"), `“"><script>”`) {
		t.Errorf("hostile query: %s", got.text("body"))
	}
	if got := b.get("/palette?q=" + strings.Repeat("x", 5000)); got.StatusCode != http.StatusOK {
		t.Errorf("long query: %d", got.StatusCode)
	}
}

// What the browser remembers are paths; names come from the store, for those who may see them.
func TestPaletteRecallsByRights(t *testing.T) {
	s := newSite(t)
	con, dst := s.stock("https://erp.example.com")
	ada := s.user("ada@example.com", model.Administrator)
	ask := "/palette?recent=/users/" + string(ada.ID) + "&recent=/connections/" + string(con.ID) + "&recent=/destinations/" + string(dst.ID) +
		"&recent=/connections/con_gone&recent=//evil.example/" + string(con.ID) + "&recent=/users/" + string(con.ID)
	for role, want := range map[string][]string{
		model.Administrator: {"ada", "Northwind <ERP>", "Orders to ERP"},
		model.Viewer:        {"Northwind <ERP>", "Orders to ERP"},
	} {
		u := ada
		if role == model.Viewer {
			u = s.user("vi@example.com", role)
		}
		got := hits(s.as(u).get(ask))
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) || slices.Contains(got[len(want):], "Northwind <ERP>") {
			t.Errorf("%s: %q, want %q first", role, got, want)
		}
	}
}

func TestSearchPageWorksWithoutScripts(t *testing.T) {
	s := newSite(t)
	con, _ := s.stock("https://erp.example.com")
	b := s.as(s.user("ada@example.com", model.Administrator))
	got := b.get("/search?q=northwind")
	if got.doc.Find("main a[href='/connections/"+string(con.ID)+"']").Length() != 1 {
		t.Errorf("not found: %s", got.text("main"))
	}
	if href, _ := got.doc.Find(".sidebar a[data-palette]").Attr("href"); href != "/search" {
		t.Errorf("the button leads to %q", href)
	}
	all := b.get("/search")
	if all.doc.Find("main form[action='/logout'] button").Length() != 1 {
		t.Error("the page offers no sign-out")
	}
	if got := b.get("/search?q=zzz"); !strings.Contains(got.text("main"), "Nothing matches") {
		t.Errorf("no match: %s", got.text("main"))
	}
}

func TestKeysAreSwitchedOff(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	if got := b.post("/account/shortcuts", "shortcuts", "off", "next", "/events"); got.Header.Get("Location") != "/events" {
		t.Errorf("leads to %q", got.Header.Get("Location"))
	}
	if got, _ := b.get("/").doc.Find("body").Attr("data-keys"); got != "off" {
		t.Errorf("data-keys = %q, want off", got)
	}
	b.post("/account/shortcuts", "shortcuts", "on", "next", "https://evil.example")
	if _, off := b.get("/account").doc.Find("body").Attr("data-keys"); off {
		t.Error("letters stay off")
	}
}
