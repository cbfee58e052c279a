package ui_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"

	"waybill/views/ui"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func render(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var b strings.Builder
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func attr(t *testing.T, doc *goquery.Document, selector, name string) string {
	t.Helper()
	el := doc.Find(selector)
	if el.Length() != 1 {
		t.Fatalf("%s: %d elements, want 1", selector, el.Length())
	}
	return el.AttrOr(name, "")
}

func TestFieldTiesLabelHintAndErrorToItsControl(t *testing.T) {
	p := ui.FieldProps{Name: "base_url", Label: "Base URL", Hint: "With https.", Error: "Needs a host.", Required: true, Value: `a"b<c`}
	controls := map[string]templ.Component{
		"input":    ui.Input(p),
		"textarea": ui.Textarea(p),
		"select":   ui.Select(p, []ui.Option{{Value: `a"b<c`, Label: "One"}}),
	}
	for tag, c := range controls {
		doc := render(t, c)
		if got := attr(t, doc, "label", "for"); got != "f-base_url" {
			t.Errorf("%s: label for %q", tag, got)
		}
		want := map[string]string{"id": "f-base_url", "name": "base_url", "aria-invalid": "true", "aria-describedby": "f-base_url-error f-base_url-hint"}
		for name, value := range want {
			if got := attr(t, doc, tag, name); got != value {
				t.Errorf("%s: %s = %q, want %q", tag, name, got, value)
			}
		}
		if _, required := doc.Find(tag).Attr("required"); !required {
			t.Errorf("%s: not required", tag)
		}
		if got := strings.TrimSpace(doc.Find("#f-base_url-error").Text()); got != p.Error {
			t.Errorf("%s: error %q, want %q", tag, got, p.Error)
		}
	}
	if got := attr(t, render(t, controls["input"]), "input", "value"); got != p.Value {
		t.Errorf("value %q, want %q", got, p.Value)
	}
	if got := render(t, controls["textarea"]).Find("textarea").Text(); got != p.Value {
		t.Errorf("text %q, want %q", got, p.Value)
	}
}

func TestFieldWithoutErrorIsNotMarked(t *testing.T) {
	doc := render(t, ui.Input(ui.FieldProps{Name: "name", Label: "Name"}))
	for _, name := range []string{"aria-invalid", "aria-describedby", "required"} {
		if _, found := doc.Find("input").Attr(name); found {
			t.Errorf("has %s", name)
		}
	}
}

func TestSecretNeverShowsAValue(t *testing.T) {
	p := ui.FieldProps{Name: "password", Label: "Password", Value: "hunter2hunter2", Required: true}
	for _, stored := range []ui.Stored{{}, {Set: true}, {Set: true, Hint: "ends in 4f2a"}} {
		for _, multi := range []bool{false, true} {
			p.Multiline = multi
			doc := render(t, ui.Secret(p, stored))
			if out, _ := doc.Html(); strings.Contains(out, "hunter2") {
				t.Errorf("%+v shows the secret", stored)
			}
			_, required := doc.Find("[name=password]").Attr("required")
			if required == stored.Set {
				t.Errorf("%+v: required %v", stored, required)
			}
			if got := doc.Find("details").Length() == 1; got != stored.Set {
				t.Errorf("%+v: behind a disclosure %v", stored, got)
			}
		}
	}
}

func TestSecretWithErrorIsOpen(t *testing.T) {
	doc := render(t, ui.Secret(ui.FieldProps{Name: "token", Label: "Token", Error: "Too short."}, ui.Stored{Set: true}))
	if _, open := doc.Find("details").Attr("open"); !open {
		t.Error("the field that is wrong is hidden")
	}
	if got := attr(t, doc, "input[type=password]", "aria-describedby"); got != "f-token-error f-token-hint" {
		t.Errorf("described by %q", got)
	}
}

func TestErrorSummaryLinksToFieldsFromFourOn(t *testing.T) {
	errs := []ui.FieldError{{Name: "a", Message: "A"}, {Name: "b[0]", Message: "B"}, {ID: "own", Message: "C"}}
	if n := render(t, ui.ErrorSummary(errs)).Find("[role=alert]").Length(); n != 0 {
		t.Errorf("three errors drew %d summaries", n)
	}
	doc := render(t, ui.ErrorSummary(append(errs, ui.FieldError{Name: "d", Message: "D"})))
	got := doc.Find("a").Map(func(_ int, a *goquery.Selection) string { return a.AttrOr("href", "") })
	if diff := cmp.Diff([]string{"#f-a", "#f-b-0-", "#own", "#f-d"}, got); diff != "" {
		t.Errorf("links (-want +got)\n%s", diff)
	}
}

func TestKeyValueRowsKeepWhatWasTypedAndOfferSpareRows(t *testing.T) {
	doc := render(t, ui.KeyValueRows(ui.KeyValueProps{Legend: "Headers", Name: "headers", Rows: []ui.Pair{{Name: "X-A", Value: "1"}, {Name: "bad name", Error: "No spaces."}}}))
	values := func(name string) []string {
		return doc.Find("[name=" + name + "]").Map(func(_ int, i *goquery.Selection) string { return i.AttrOr("value", "") })
	}
	if diff := cmp.Diff([]string{"X-A", "bad name", "", "", ""}, values("headers_name")); diff != "" {
		t.Errorf("names (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1", "", "", "", ""}, values("headers_value")); diff != "" {
		t.Errorf("values (-want +got)\n%s", diff)
	}
	id := attr(t, doc, "[aria-invalid=true]", "aria-describedby")
	if got := strings.TrimSpace(doc.Find("#" + id).Text()); got != "No spaces." {
		t.Errorf("error of the row %q", got)
	}
}

func TestConfirmWorksWithoutScripts(t *testing.T) {
	p := ui.ConfirmProps{ID: "del", Action: "/x/delete", Page: "/x/delete", Label: "Delete", Title: "Delete X?", Hidden: []ui.Pair{{Name: "version", Value: "3"}}}
	doc := render(t, ui.Confirm(p))
	if got := attr(t, doc, "a[data-dialog=del]", "href"); got != p.Page {
		t.Errorf("leads to %q, want %q", got, p.Page)
	}
	if got := attr(t, doc, "dialog form [name=version]", "value"); got != "3" {
		t.Errorf("hidden field %q", got)
	}
	if got := attr(t, doc, "dialog", "aria-labelledby"); doc.Find("#"+got).Text() != p.Title {
		t.Errorf("dialog is named by %q", got)
	}
	p.Page = ""
	doc = render(t, ui.Confirm(p))
	if got := attr(t, doc, "form.inline-form", "action"); got != p.Action {
		t.Errorf("posts to %q, want %q", got, p.Action)
	}
}

func TestHostileURLsAreDefused(t *testing.T) {
	doc := render(t, ui.LinkButton(ui.ButtonProps{Label: "x", URL: "javascript:alert(1)"}))
	if got := attr(t, doc, "a", "href"); strings.HasPrefix(got, "javascript") {
		t.Errorf("href %q", got)
	}
}

func TestCodeBlockEscapesEverything(t *testing.T) {
	hostile := `{"a<b>": "<script>\"</script>", "n": -1.5e3, "u": "€", bad é & "open`
	for _, lang := range []string{"json", "headers", "http", "text", "other"} {
		doc := render(t, ui.CodeBlock(ui.CodeProps{Lang: lang, Text: hostile}))
		if n := doc.Find("script").Length(); n != 0 {
			t.Errorf("%s: %d scripts", lang, n)
		}
		if got := strings.TrimSpace(doc.Find("pre").Text()); got != hostile {
			t.Errorf("%s: text %q, want %q", lang, got, hostile)
		}
	}
	doc := render(t, ui.CodeBlock(ui.CodeProps{Lang: "json", Text: hostile}))
	if got := doc.Find(".t-key").First().Text(); got != `"a<b>"` {
		t.Errorf("first key %s", got)
	}
	if got := doc.Find(".t-num").Text(); got != "-1.5e3" {
		t.Errorf("number %s", got)
	}
}

func FuzzCodeBlock(f *testing.F) {
	f.Add("json", `{"a": [1, "x\"", null]}`)
	f.Add("http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n{}")
	f.Add("json", "é\x80\xff\"")
	f.Fuzz(func(t *testing.T, lang, text string) {
		var b strings.Builder
		if err := ui.CodeBlock(ui.CodeProps{Lang: lang, Text: text}).Render(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "<script") {
			t.Fatal("markup passes through")
		}
	})
}

func TestDiffLines(t *testing.T) {
	got := ui.DiffLines("a\nb\nc\n", "a\nx\nc\nd")
	want := []ui.DiffLine{{Kind: ' ', Text: "a"}, {Kind: '-', Text: "b"}, {Kind: '+', Text: "x"}, {Kind: ' ', Text: "c"}, {Kind: '+', Text: "d"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := ui.DiffLines("", ""); len(got) != 0 {
		t.Errorf("two empty texts differ: %v", got)
	}
}

func TestTextForPeople(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ got, want string }{
		{ui.AgoIn(ctx, time.Time{}, now), "never"},
		{ui.AgoIn(ctx, now.Add(-2*time.Second), now), "just now"},
		{ui.AgoIn(ctx, now.Add(-90*time.Second), now), "1 min ago"},
		{ui.AgoIn(ctx, now.Add(40*time.Second), now), "in 40 s"},
		{ui.AgoIn(ctx, now.Add(7*24*time.Hour-time.Second), now), "in 7 d"},
		{ui.AgoIn(ctx, now.Add(time.Hour-time.Second), now), "in 1 h"},
		{ui.AgoIn(ctx, now.Add(-47*time.Hour), now), "47 h ago"},
		{ui.AgoIn(ctx, now.Add(-50*time.Hour), now), "2 d ago"},
		{ui.Lasted(ctx, 870*time.Microsecond), "870 µs"},
		{ui.Lasted(ctx, 247*time.Millisecond), "247 ms"},
		{ui.Lasted(ctx, 3100*time.Millisecond), "3.1 s"},
		{ui.Number(ctx, 2481), "2,481"},
		{ui.Number(ctx, -1234567), "-1,234,567"},
		{ui.Number(ctx, 999), "999"},
		{ui.Size(ctx, 196), "196 B"},
		{ui.Size(ctx, 1536), "1.5 KiB"},
		{ui.Many(ctx, 1, "delivery"), "1 delivery"},
		{ui.Many(ctx, 3, "delivery"), "3 deliveries"},
		{ui.Many(ctx, 1200, "key"), "1,200 keys"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// The gallery holds every component: what must be true of all is checked there.
func TestGalleryIsSound(t *testing.T) {
	doc := render(t, ui.Gallery(now))
	seen := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if seen[id] {
			t.Errorf("id %q twice", id)
		}
		seen[id] = true
	})
	for _, name := range []string{"aria-describedby", "aria-labelledby", "for", "popovertarget", "data-dialog", "data-reveal"} {
		doc.Find("[" + name + "]").Each(func(_ int, s *goquery.Selection) {
			for _, id := range strings.Fields(s.AttrOr(name, "")) {
				if !seen[id] {
					t.Errorf("%s names %q, which is not there", name, id)
				}
			}
		})
	}
	doc.Find("[style], script, style").Each(func(_ int, s *goquery.Selection) {
		t.Errorf("the policy forbids <%s style=%q>", goquery.NodeName(s), s.AttrOr("style", ""))
	})
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("inline handler %s on <%s>", a.Key, goquery.NodeName(s))
			}
		}
	})
	doc.Find("button, a").Each(func(_ int, s *goquery.Selection) {
		if strings.TrimSpace(s.Text()) == "" && s.AttrOr("aria-label", "") == "" && s.Closest("svg").Length() == 0 {
			out, _ := goquery.OuterHtml(s)
			t.Errorf("no name: %s", out)
		}
	})
}

func TestNotesThatInterrupt(t *testing.T) {
	for name, c := range map[string]templ.Component{"alert": ui.Note(ui.Bad, "It failed."), "": ui.Standing(ui.Bad, "It failed.")} {
		if got := render(t, c).Find(".note-bad").AttrOr("role", ""); got != name {
			t.Errorf("role %q, want %q", got, name)
		}
	}
	if render(t, ui.Refusal("Too quick.")).Find(".note-bad[role=alert][tabindex='-1'][data-focus]").Length() != 1 {
		t.Error("a refusal takes no focus")
	}
}

// A chart whose bars lead somewhere is one stop of the Tab key, and its links have names.
func TestBarsThatLeadSomewhere(t *testing.T) {
	p := ui.ChartProps{Title: "Deliveries", Series: []ui.Series{{Label: "Delivered", Tone: ui.OK}}}
	for _, label := range []string{"13:00", "14:00", "15:00"} {
		p.Bars = append(p.Bars, ui.Bar{Label: label, URL: "/deliveries", Values: []float64{3}})
	}
	p.Bars[2].URL = "" // nothing to see there
	doc := render(t, ui.BarChart(p))
	if n := doc.Find("svg:not([aria-hidden]) a[aria-label] .bar-slot").Length(); n != 2 {
		t.Errorf("%d links with a name that fill their slot, want 2", n)
	}
	if got := doc.Find("svg a:not([tabindex])").AttrOr("aria-label", ""); got != "14:00: 3 delivered" {
		t.Errorf("the Tab key stops at %q", got)
	}
	p.Bars[0].URL, p.Bars[1].URL = "", ""
	if render(t, ui.BarChart(p)).Find("svg[aria-hidden=true]").Length() != 1 {
		t.Error("a drawing without links is read beside its table")
	}
}

func TestCopyButtonsAreNamed(t *testing.T) {
	if got := render(t, ui.Copyable("Form address", "/f/x")).Find("button").AttrOr("aria-label", ""); got != "Copy Form address" {
		t.Errorf("named %q", got)
	}
}
