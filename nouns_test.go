package main

import (
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
	remove     string            // path of the question before it is removed
	removeWord string            // button
}

func nouns(connection string) []noun {
	elsewhere := map[string]any{"description": "From elsewhere"}
	return []noun{
		{"credential", "credentials", "/credentials/new/bearer", "Save", map[string]string{"name": ""}, "", map[string]string{"name": "Token", "config.token": "a-long-token"}, nil,
			"/credentials/%s/edit", elsewhere, "They changed it", "/credentials/%s/delete", "Delete credential"},
		{"connection", "connections", "/connections/new/webhook", "Save and continue", map[string]string{"name": "Shop floor", "base_url": "ftp://x"}, "starts with https://",
			map[string]string{"base_url": "http://receiver.waybill.internal"}, nil,
			"/connections/%s/edit", map[string]any{"timeout_seconds": 77}, "Timeout seconds", "/connections/%s/delete", "Delete connection"},
		{"destination", "connections/" + connection + "/destinations", "/connections/" + connection + "/destinations/new", "Create destination",
			map[string]string{"name": "Orders", "template": "{{ it.data[0].id"}, "Line 1, column", map[string]string{"template": "{\"id\": {{ it.data[0].id }}}"}, nil,
			"/destinations/%s", map[string]any{"path": "/elsewhere"}, "/elsewhere", "/destinations/%s/delete", "Delete destination"},
		{"action", "actions", "/actions/new", "Create action", map[string]string{"name": "Send", "event": "order.x*"}, "stands for one whole segment", map[string]string{"event": "order.*"},
			map[string]string{"destination_id": "Kept"},
			"/actions/%s/edit", map[string]any{"event": "order.paid"}, "order.paid", "/actions/%s/delete", "Delete action"},
		{"role", "roles", "/roles/new", "Create role", map[string]string{"name": "Viewer", "description": "Looks after nights"}, "There is a built-in role of this name", map[string]string{"name": "Night watch"}, nil,
			"/roles/%s", elsewhere, "They changed it", "/roles/%s/delete", "Delete role"},
		{"definition", "event-definitions", "/events/definitions/new", "Create definition", map[string]string{"name": "order..paid", "description": "An order is paid"}, "Segments between dots must not be empty",
			map[string]string{"name": "order.paid"}, nil,
			"/events/definitions/%s/edit", elsewhere, "They changed it", "/events/definitions/%s/delete", "Delete definition"},
		{"workflow", "workflows", "/workflows/new", "Create workflow", map[string]string{"name": ""}, "", map[string]string{"name": "Returns"}, nil,
			"/workflows/%s/edit", elsewhere, "They changed it", "/workflows/%s/delete", "Delete workflow"},
		{"audience", "audiences", "/audiences/new", "Create audience", map[string]string{"name": ""}, "", map[string]string{"name": "Readers"}, nil,
			"/audiences/%s/edit", elsewhere, "They changed it", "/audiences/%s/delete", "Delete audience"},
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
	var made map[string]any
	for _, one := range p.must(200, "GET", n.api, nil).items() { // built-in ones come first
		if want := n.right["name"]; made == nil || one["name"] == want {
			made = one
		}
	}
	id := made["id"].(string)
	b.sees(made["name"].(string))

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
	mine := "My " + n.name
	if n.name == "definition" { // the name of an event is no sentence
		mine = "order.mine"
	}
	b.fill("name", mine)
	b.press("Save changes")
	b.sees("Somebody else changed this " + n.name + " meanwhile")
	b.sees(n.theirs)
	b.sees(mine)
	if n.name == "destination" { // the others look alike
		b.inspect()
	}
	b.press("Save mine")
	b.sees("is saved.")
	if got := p.must(200, "GET", path+id, nil).str("name"); got != mine {
		b.Errorf("%s of %s: stored name %q", n.name, single, got)
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
	b.click("An expression")
	b.sees("Over event: id, name")
	for range 200 {
		if eval[string](b, "document.querySelector('[name=filter]').value") == "event.data.total > 50" {
			break
		}
		b.still()
	}
	if got := eval[string](b, "document.querySelector('[name=filter]').value"); got != "event.data.total > 50" {
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
	b.sees("Of 3 deliveries 1 would now fail, 2 would change; 0 stay the same.")
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
