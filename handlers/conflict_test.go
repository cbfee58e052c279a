package handlers_test

import (
	"strings"
	"testing"

	"waybill/db/model"
)

// TestConflicts saves each noun over a version that its form had not seen, and reads the comparison field by field.
func TestConflicts(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.connection("Shop")
	dst := b.destination(con, "Orders")
	act := b.action("Send", "order.created", dst)
	usr := string(s.user("bob@example.com", model.Viewer).ID)
	b.saved(b.post("/roles", "name", "Desk", "area-events", "View Events"))
	link, _ := b.get("/roles").doc.Find(`#roles a:contains("Desk")`).Attr("href")
	def := b.saved(b.post("/events/definitions", "name", "order.created"))
	crd := b.saved(b.post("/credentials", "type", "basic", "name", "Account", "config.username", "shop", "config.password", secret))
	flow := "/workflows/" + b.saved(b.post("/workflows", "name", "Purchases", "template", "purchase"))
	hook := b.get(flow + "/steps/team").doc.Find(`a[href*="/webhooks/"]:not([href$="/new"])`)
	if hook.Length() == 0 {
		b.saved(b.post(flow+"/steps/team/webhooks/new", "version", b.get(flow+"/steps/team").value("version"), "name", "Desk", "url", "https://desk.example.com/hook", "trigger", "completed", "auth", "none", "enabled", "true"))
		hook = b.get(flow + "/steps/team").doc.Find(`a[href*="/webhooks/"]:not([href$="/new"])`)
	}
	webhook, _ := hook.Attr("href")
	b.post("/settings/network/rules", "effect", "allow", "pattern", "erp.example.com", "note", "Ours")
	rule, _ := b.get("/settings/network").doc.Find(`a[href*="/settings/network/rules/nru_"]`).First().Attr("href")
	for name, x := range map[string]struct {
		form, save   string
		base         []string // as it was opened
		theirs, mine []string // over the base
		both         string   // label of the field that both changed
		says         []string
	}{
		"connection": {"/connections/" + con + "/edit", "/connections/" + con,
			[]string{"name", "Shop", "base_url", receiver, "auth", "none", "timeout_seconds", "30", "enabled", "true"},
			[]string{"name", "Their shop", "timeout_seconds", "60"}, []string{"name", "My shop", "timeout_message", "Slow"}, "Name", []string{"Before Shop Stored now Their shop You typed My shop", "Timeout seconds Changed in the other", "Timeout message Changed here"}},
		"destination": {"/destinations/" + dst, "/destinations/" + dst,
			[]string{"name", "Orders", "method", "POST", "path", "/in", "content_type", "application/json", "max_in_flight", "32", "enabled", "true", "template", "{}"},
			[]string{"template", "{\"a\": 1}"}, []string{"template", "{\"b\": 2}"}, "Template", []string{"- {\"a\": 1}", "+ {\"b\": 2}"}},
		"action": {"/actions/" + act + "/edit", "/actions/" + act,
			[]string{"name", "Send", "event", "order.created", "destination_id", dst, "enabled", "true"},
			[]string{"filter", "event.data.total > 1"}, []string{"filter", "event.data.total > 2"}, "Filter", []string{"Stored now event.data.total > 1"}},
		"credential": {"/credentials/" + crd + "/edit", "/credentials/" + crd,
			[]string{"name", "Account", "config.username", "shop"},
			[]string{"config.username", "theirs"}, []string{"config.username", "mine", "config.password", secret}, "Username", []string{"Before shop Stored now theirs You typed mine"}},
		"user": {"/users/" + usr, "/users/" + usr,
			[]string{"email", "bob@example.com", "name", "Bob", "roles", model.Viewer},
			[]string{"name", "Robert"}, []string{"name", "Bobby", "roles", model.Operator}, "Name", []string{"Stored now Robert You typed Bobby", "Roles Changed here"}},
		"role": {link, link,
			[]string{"name", "Desk", "area-events", "View Events"},
			[]string{"area-events", "Manage Events"}, []string{"area-deliveries", "View Deliveries"}, "Rights", []string{"Stored now Manage Events"}},
		"definition": {"/events/definitions/" + def + "/edit", "/events/definitions/" + def,
			[]string{"name", "order.created"},
			[]string{"description", "Theirs"}, []string{"description", "Mine"}, "Description", []string{"Stored now Theirs You typed Mine"}},
		"rule": {rule, rule,
			[]string{"effect", "allow", "pattern", "erp.example.com", "note", "Ours"},
			[]string{"note", "Theirs"}, []string{"note", "Mine", "effect", "deny"}, "Note", []string{"Before Ours Stored now Theirs You typed Mine", "Effect Changed here"}},
		"step": {flow + "/steps/team", flow + "/steps/team",
			[]string{"name", "Team approves", "key", "team", "assignees", "ada@example.com", "due", "3 days", "remind", "1 day", "reject_to", "revise"},
			[]string{"name", "The team", "due", "2 days"}, []string{"name", "Everybody", "assignees", "role:Operator"}, "Name",
			[]string{"Before Team approves Stored now The team You typed Everybody", "Due seconds Changed in the other Stored now 2 days You typed 3 days", "Assignees Changed here"}},
		"trigger": {flow + "/trigger", flow + "/trigger",
			[]string{"kind", "event", "event", "order.created"},
			[]string{"filter", "event.data.total > 1"}, []string{"filter", "event.data.total > 2", "event", "order.paid"}, "Filter",
			[]string{"Stored now event.data.total > 1 You typed event.data.total > 2", "Event Changed in both"}},
		"webhook": {webhook, webhook,
			[]string{"name", "Desk", "url", "https://desk.example.com/hook", "trigger", "completed", "auth", "none", "enabled", "true"},
			[]string{"url", "https://desk.example.com/theirs", "auth", "basic", "username", "wb", "password", secret}, []string{"url", "https://desk.example.com/mine"}, "Url",
			[]string{"Before https://desk.example.com/hook Stored now https://desk.example.com/theirs", "Auth type Changed in the other"}},
	} {
		t.Run(name, func(t *testing.T) {
			form := b.get(x.form)
			version := form.value("version")
			b.saved(b.do("POST", x.save, over(append(append([]string{"version", version}, x.base...), x.theirs...)...)))
			got := b.do("POST", x.save, over(append(append([]string{"version", version}, x.base...), x.mine...)...))
			b.shows(got, 409, append(x.says, "You changed this "+name+" in another window", "You saved it there", x.both+" Changed in both")...)
			if html, _ := got.doc.Html(); name == "credential" && strings.Contains(html, secret) {
				t.Error("the comparison shows a secret")
			}
			if got.doc.Find(`.conflict a[href="`+x.form+`"]`).Length() != 1 || got.doc.Find(`.conflict button[form="form"]`).Length() != 1 || got.doc.Find("form#form").Length() != 1 {
				t.Errorf("the ways out are missing: %s", got.text(".conflict"))
			}
			if got.doc.Find("form[data-guard=dirty]").Length() != 1 {
				t.Error("what was typed is not guarded")
			}
			mine := append(append([]string{"version", got.value("version")}, x.base...), x.mine...)
			b.saved(b.do("POST", x.save, over(mine...)))
		})
	}
	// Who may not read the audit log is not told whose change it was.
	i := s.as(s.user("ines@example.com", model.Integrator))
	version := i.get("/actions/" + act + "/edit").value("version")
	b.saved(b.post("/actions/"+act, "name", "Again", "event", "order.created", "destination_id", dst, "version", version))
	got := i.post("/actions/"+act, "name", "Mine", "event", "order.created", "destination_id", dst, "version", version)
	i.shows(got, 409, "Somebody else changed this action", "It was saved", "You both changed it")
	if strings.Contains(got.text(".conflict"), "ada") {
		t.Error("the author is named to somebody without View Audit Log")
	}
}
