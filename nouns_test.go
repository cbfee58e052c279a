package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// noun is a kind of thing that people make, change and remove by forms.
type noun struct {
	name       string            // as pages call it
	api        string            // its list
	fresh      string            // path of the form for a new one
	create     string            // button
	wrong      map[string]string // what is typed first
	complaint  string
	right      map[string]string // what is typed then
	pick       map[string]string // options of selects, by their text
	edit       string            // path of the form of one, %s is its id
	meanwhile  map[string]any    // what another one changes behind the form's back
	theirs     string            // what the comparison says of that
	remove     string            // path of the question before it is removed, "" = there is none
	removeWord string            // button

	field string // in which everybody types what it is called, "" = name
	mine  string // what is typed there, "" = My and what it is
	save  string // button, "" = Save changes
	saved string // what is said then, "" = is saved.
}

func nouns(connection string) []noun {
	elsewhere := map[string]any{"description": "From elsewhere"}
	return []noun{
		{name: "credential", api: "credentials", fresh: "/credentials/new/bearer", create: "Save",
			right: map[string]string{"name": "Token", "config.token": "a-long-token"}, edit: "/credentials/%s/edit", meanwhile: elsewhere,
			theirs: "They changed it", remove: "/credentials/%s/delete", removeWord: "Delete credential"},
		{name: "connection", api: "connections", fresh: "/connections/new/webhook", create: "Save and continue",
			wrong: map[string]string{"name": "Shop floor", "base_url": "ftp://x"}, complaint: "starts with https://",
			right: map[string]string{"base_url": "http://receiver.waybill.internal"}, edit: "/connections/%s/edit",
			meanwhile: map[string]any{"timeout_seconds": 77}, theirs: "Timeout seconds", remove: "/connections/%s/delete", removeWord: "Delete connection"},
		{name: "destination", api: "connections/" + connection + "/destinations", fresh: "/connections/" + connection + "/destinations/new",
			create: "Create destination", wrong: map[string]string{"name": "Orders", "template": "{{ it.data[0].id"}, complaint: "Line 1, column",
			right: map[string]string{"template": "{\"id\": {{ it.data[0].id }}}"}, edit: "/destinations/%s", meanwhile: map[string]any{"path": "/elsewhere"},
			theirs: "/elsewhere", remove: "/destinations/%s/delete", removeWord: "Delete destination"},
		{name: "action", api: "actions", fresh: "/actions/new", create: "Create action", wrong: map[string]string{"name": "Send", "event": "order.x*"},
			complaint: "stands for one whole segment", right: map[string]string{"event": "order.*"}, pick: map[string]string{"destination_id": "Kept"},
			edit: "/actions/%s/edit", meanwhile: map[string]any{"event": "order.paid"}, theirs: "order.paid", remove: "/actions/%s/delete",
			removeWord: "Delete action"},
		{name: "role", api: "roles", fresh: "/roles/new", create: "Create role",
			wrong: map[string]string{"name": "Viewer", "description": "Looks after nights"}, complaint: "There is a built-in role of this name",
			right: map[string]string{"name": "Night watch"}, edit: "/roles/%s", meanwhile: elsewhere, theirs: "They changed it", remove: "/roles/%s/delete",
			removeWord: "Delete role"},
		{name: "definition", api: "event-definitions", fresh: "/events/definitions/new", create: "Create definition",
			wrong: map[string]string{"name": "order..paid", "description": "An order is paid"}, complaint: "Segments between dots must not be empty",
			right: map[string]string{"name": "order.paid"}, edit: "/events/definitions/%s/edit", meanwhile: elsewhere, theirs: "They changed it",
			remove: "/events/definitions/%s/delete", removeWord: "Delete definition", mine: "order.mine"},
		{name: "workflow", api: "workflows", fresh: "/workflows/new", create: "Create workflow", right: map[string]string{"name": "Returns"},
			edit: "/workflows/%s/edit", meanwhile: elsewhere, theirs: "They changed it", remove: "/workflows/%s/delete", removeWord: "Delete workflow"},
		{name: "audience", api: "audiences", fresh: "/audiences/new", create: "Create audience", right: map[string]string{"name": "Readers"},
			edit: "/audiences/%s/edit", meanwhile: elsewhere, theirs: "They changed it", remove: "/audiences/%s/delete", removeWord: "Delete audience"},
	}
}

// others are nouns whose forms differ more: they go through in one kind of browser.
func others() []noun {
	elsewhere := map[string]any{"description": "From elsewhere"}
	return []noun{
		{name: "user", api: "users", fresh: "/users/new", create: "Create user", wrong: map[string]string{"name": "Grace", "email": "ada@example.com"}, complaint: "There is already a user with the address",
			right: map[string]string{"email": "grace@example.com"}, edit: "/users/%s", meanwhile: map[string]any{"email": "hopper@example.com"}, theirs: "hopper@example.com"},
		{name: "integration", api: "integrations", fresh: "/integrations/new", create: "Create integration", wrong: map[string]string{"name": "Ticket", "request_url": "ftp://x"}, complaint: "starts with https://",
			right: map[string]string{"request_url": "http://receiver.waybill.internal/tickets"}, edit: "/integrations/%s", save: "Save draft", meanwhile: elsewhere, theirs: "They changed it",
			remove: "/integrations/%s/delete", removeWord: "Delete integration"},
		{name: "inbound URL", api: "inbound-endpoints", fresh: "/inbound/new/none", create: "Save and show the URL", wrong: map[string]string{"name": "Parcels", "event": "parcel..came"}, complaint: "Segments between dots",
			pick: map[string]string{"service_user_id": "Ada"}, right: map[string]string{"event": "parcel.came"}, edit: "/inbound/%s/edit", meanwhile: elsewhere, theirs: "They changed it",
			remove: "/inbound/%s/delete", removeWord: "Delete inbound URL"},
		{name: "alert", api: "alert-rules", fresh: "/settings/alerts/new?kind=failure_rate", create: "Create alert", wrong: map[string]string{"name": "Too many fail", "emails": "nobody"}, complaint: "is not an email address",
			pick: map[string]string{"destination_id": "Kept"}, right: map[string]string{"emails": ""}, edit: "/settings/alerts/%s", meanwhile: map[string]any{"threshold": 77}, theirs: "77",
			remove: "/settings/alerts/%s/delete", removeWord: "Delete alert"},
		{name: "rule", api: "network-rules", fresh: "/settings/network/rules/new", create: "Create rule", wrong: map[string]string{"pattern": "10.0.0.0/99"}, complaint: "This is not a network such as",
			right: map[string]string{"pattern": "erp.example.com"}, edit: "/settings/network/rules/%s", field: "pattern", mine: "*.example.com", saved: "holds from the next request on.",
			meanwhile: map[string]any{"note": "From elsewhere"}, theirs: "From elsewhere", remove: "/settings/network/rules/%s/delete", removeWord: "Delete rule"},
	}
}

// TestNouns makes, changes and removes each noun by its forms, with what is wrong and what somebody else changed in between, in a
// browser with everything and without scripts; without the fetched files the one with the longest form.
func TestNouns(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name            string
		scripts, assets bool
	}{{"everything", true, true}, {"without assets", true, false}, {"scripts off", false, true}} {
		t.Run(mode.name, func(t *testing.T) {
			p := newProgram(t, "")
			if !mode.assets {
				bin, err := withoutAssets()
				if err != nil {
					t.Fatal(err)
				}
				p.bin = bin
			}
			p.start()
			b := newBrowser(t, p.url(""), mode.scripts)
			b.expected = regexp.MustCompile(`status of 409`) // a form that met a newer version
			b.open("/login")
			b.fill("email", "ada@example.com")
			b.fill("password", password)
			b.press("Sign in")
			destination := p.route("http://receiver.waybill.internal", "order.kept", map[string]any{"name": "Kept system"}, map[string]any{"name": "Kept"})
			connection := p.must(200, "GET", "destinations/"+destination, nil).str("connection_id")
			for i := range 3 {
				p.settled(p.must(202, "POST", "events", fmt.Sprintf(`{"name":"order.kept","subject":"A-%d","data":{"id":%d,"total":%d,"lines":[{"sku":"LAMP"}]}}`, i, i, 100*i)).str("id"), "delivered")
			}
			b.thorough = mode.scripts && mode.assets
			for _, n := range nouns(connection) {
				if mode.assets || n.name == "destination" {
					b.noun(p, n)
				}
			}
			if b.thorough {
				for _, n := range others() {
					b.noun(p, n)
				}
			}
			b.filters()
			b.template(p, destination)
			if b.thorough {
				b.suggestions(destination)
				b.open("/dev/components")
				b.sees("Everything that pages are made of")
				b.inspect()
				b.open("/events/" + p.must(200, "GET", "events", nil).items()[0]["id"].(string))
				b.sees("lines")
				b.inspect()
			}
			b.saved()
		})
	}
}

// live tells whether the pages have htmx.
func (b *browser) live() bool { return b.scripts && eval[bool](b, "!!window.htmx") }

func (b *browser) noun(p *program, n noun) {
	b.Helper()
	b.open(n.fresh)
	for name, text := range n.pick {
		b.choose(name, text)
	}
	if n.complaint != "" {
		for name, value := range n.wrong {
			b.fill(name, value)
		}
		b.press(n.create)
		b.sees(n.complaint)
		for name, value := range n.wrong {
			if kept := eval[string](b, "document.querySelector('[name=\""+name+"\"]').value"); kept != value {
				b.Errorf("%s: after an error %s is %q, want %q", n.name, name, kept, value)
			}
		}
	}
	for name, value := range n.right {
		b.fill(name, value)
	}
	b.press(n.create)
	field := cmp.Or(n.field, "name")
	var made map[string]any
	for _, one := range p.must(200, "GET", n.api, nil).items() { // built-in ones come first
		if want := cmp.Or(n.right[field], n.wrong[field]); made == nil || one[field] == want {
			made = one
		}
	}
	if made == nil {
		b.Fatalf("no %s was made:\n%s", n.name, tail(b.text(), 2000))
	}
	id := made["id"].(string)
	b.sees(made[field].(string) + " is created")

	b.open(fmt.Sprintf(n.edit, id))
	single := n.api[:len(n.api)-len("s")]
	path := map[string]string{"destination": "destinations/"}[n.name]
	if path == "" {
		path = n.api + "/"
	}
	now := p.must(200, "GET", path+id, nil).json
	for k, v := range n.meanwhile {
		now[k] = v
	}
	p.must(200, "PUT", path+id, now)
	mine := cmp.Or(n.mine, "My "+n.name)
	b.fill(field, mine)
	b.press(cmp.Or(n.save, "Save changes"))
	b.sees("Somebody else changed this " + n.name + " meanwhile")
	b.sees(n.theirs)
	b.sees(mine)
	if n.name == "destination" { // the others look alike
		b.inspect()
	}
	b.press("Save mine")
	b.sees(cmp.Or(n.saved, "is saved."))
	if got := p.must(200, "GET", path+id, nil).str(field); got != mine {
		b.Errorf("%s of %s: stored name %q", n.name, single, got)
	}
	if n.remove == "" {
		return
	}
	b.open(fmt.Sprintf(n.remove, id))
	b.press(n.removeWord)
	b.sees("is deleted.")
	if a, err := p.api("GET", path+id, nil); err != nil || a.status != 404 {
		b.Errorf("%s is still there: %d %v", n.name, a.status, err)
	}
}

// filters writes a filter as rows and sees what it would do, and what it says as an expression.
func (b *browser) filters() {
	b.Helper()
	b.open("/actions/new")
	b.fill("event", "order.kept")
	b.click("Those that meet conditions")
	b.fill("filter_field", "event.data.total")
	b.do("choose gt", chromedp.SetValue(chromedp.CSS("select[name=filter_op]"), "gt"))
	b.fill("filter_value", "50")
	if !b.live() {
		b.press("Check the filter")
	}
	b.sees("event.data.total > 50")
	b.sees("Of the last 3 events named order.kept, 2 would be sent.")
	b.inspect()
	if !b.live() {
		return
	}
	b.fill("filter_value", "70")
	b.do("add a condition right after typing", chromedp.Click(chromedp.CSS("[data-rows-add]")))
	b.sees("event.data.total > 70")
	b.until("the new row is there and has the focus", "document.querySelectorAll('[data-row]').length === 2 && document.activeElement === document.querySelectorAll('[name=filter_field]')[1]")
	b.click("An expression")
	b.sees("Over event: id, name")
	for range 200 {
		if eval[string](b, "document.querySelector('[name=filter]').value") == "event.data.total > 70" {
			break
		}
		b.still()
	}
	if got := eval[string](b, "document.querySelector('[name=filter]').value"); got != "event.data.total > 70" {
		b.Errorf("the expression does not follow the rows: %q", got)
	}
	b.forget()
}

// template compares an edited template with real deliveries, formats it, and puts an old version back.
func (b *browser) template(p *program, destination string) {
	b.Helper()
	b.forget() // what was tried on the filter
	b.open("/destinations/" + destination)
	b.fill("template", `{"id":{{ it.data[0].total > 150 ? it.none.x : it.data[0].id }}}`)
	if b.scripts {
		b.click("Format")
	} else {
		b.press("Format")
	}
	for range 400 {
		if strings.HasPrefix(eval[string](b, "document.querySelector('[name=template]').value"), "{\n  \"id\": {{") {
			break
		}
		b.still()
	}
	if got := eval[string](b, "document.querySelector('[name=template]').value"); !strings.HasPrefix(got, "{\n  \"id\": {{") {
		b.Errorf("formatted: %q", got)
	}
	if b.live() {
		b.click("Compare")
	} else {
		b.press("Compare")
	}
	b.sees("Of 3 deliveries 1 would now fail, 2 would change; the same as before: 0.")
	b.inspect()
	b.press("Save changes")
	b.sees("is saved.")
	b.open("/destinations/" + destination + "/versions")
	b.sees("From version 1 to version 2")
	b.inspect()
	b.press("Restore")
	b.sees("The template of version 1 stands in the editor")
	b.press("Save changes")
	b.sees("is saved.")
	if got := p.must(200, "GET", "destinations/"+destination, nil).str("template"); got != "" {
		b.Errorf("restored: %q", got)
	}
}

// suggestions are taken by the keyboard alone.
func (b *browser) suggestions(destination string) {
	b.Helper()
	b.open("/destinations/" + destination)
	b.fill("template", "{{ it.data[0].cu")
	for range 200 {
		if eval[bool](b, "!!document.getElementById('f-template').getAttribute('aria-activedescendant')") {
			break
		}
		b.still()
	}
	b.inspect()
	b.do("take", chromedp.SendKeys(chromedp.CSS("[name=template]"), "s")) // narrows the list to one
	b.do("take", chromedp.KeyEvent("\r"))
	// The key that the test sends types a line break even where the page has dealt with it.
	if got := strings.TrimSpace(eval[string](b, "document.getElementById('f-template').value")); got != "{{ it.data[0].customer" {
		b.Errorf("after Enter: %q", got)
	}
	b.forget()
}

// forget leaves a form with what was typed in it, as a link does that throws it away on purpose.
func (b *browser) forget() {
	b.Helper()
	eval[bool](b, "(() => { const a = document.createElement('a'); a.dataset.leave = ''; document.body.append(a); a.click(); a.remove(); return true; })()")
}

// saved keeps a filter of the list of deliveries and uses it.
func (b *browser) saved() {
	b.Helper()
	b.open("/deliveries?status=delivered")
	b.click("Saved filters")
	b.fill("name", "Went well")
	b.press("Keep filter")
	b.sees("Went well")
	b.open("/deliveries")
	b.click("Saved filters")
	b.press("Went well")
	if !strings.Contains(b.where(), "status=delivered") {
		b.Errorf("the kept filter leads to %s", b.where())
	}
	b.inspect()
}
