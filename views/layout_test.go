package views_test

import (
	"context"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"

	"waybill/views"
	"waybill/views/ui"
)

type files map[string]string

func (f files) URL(name string) string { return f[name] }
func (f files) Has(name string) bool   { return f[name] != "" }

func shell() views.Shell {
	return views.Shell{
		Title: "Connections", Section: "connections", Path: "/connections?q=a",
		Assets: files{"app.css": "/static/app.1.css", "app.js": "/static/app.1.js"},
		User:   "Mia van Larsen", Email: "mia@example.com",
		Nav: []views.NavGroup{
			{Items: []views.NavItem{{Key: "home", Label: "Overview", URL: "/"}}},
			{Label: "Connect", Items: []views.NavItem{{Key: "connections", Label: "Connections", URL: "/connections", Count: "8"}}},
			{Label: "Admin"},
		},
	}
}

func page(t *testing.T, layout templ.Component) *goquery.Document {
	t.Helper()
	var b strings.Builder
	ctx := templ.WithChildren(context.Background(), templ.Raw("<h1>Content</h1>"))
	if err := layout.Render(ctx, &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestLayoutMarksTheCurrentPageAndHidesEmptyGroups(t *testing.T) {
	doc := page(t, views.Layout(shell()))
	if got := doc.Find("nav [aria-current=page]").AttrOr("href", ""); got != "/connections" {
		t.Errorf("current page %q", got)
	}
	if got := doc.Find(".nav-label").Text(); got != "Connect" {
		t.Errorf("groups %q, want only Connect", got)
	}
	if got := doc.Find("title").Text(); got != "Connections · Waybill" {
		t.Errorf("title %q", got)
	}
	if got := doc.Find("main#main h1").Text(); got != "Content" {
		t.Errorf("content %q", got)
	}
	if got := doc.Find(".avatar").Text(); got != "Mv" {
		t.Errorf("initials %q", got)
	}
	doc.Find("form[action='/theme'] [name=next]").Each(func(_ int, s *goquery.Selection) {
		if got := s.AttrOr("value", ""); got != "/connections?q=a" {
			t.Errorf("theme form returns to %q", got)
		}
	})
}

func TestLayoutLoadsOnlyWhatIsThere(t *testing.T) {
	scripts := func(assets views.AssetURLs) []string {
		s := shell()
		s.Assets = assets
		return page(t, views.Layout(s)).Find("script[defer]").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("src", "") })
	}
	if diff := cmp.Diff([]string{"/static/app.1.js"}, scripts(shell().Assets)); diff != "" {
		t.Errorf("without fetched assets (-want +got)\n%s", diff)
	}
	full := files{"app.js": "a.js", "htmx.js": "h.js"}
	if diff := cmp.Diff([]string{"h.js", "a.js"}, scripts(full)); diff != "" {
		t.Errorf("with fetched assets (-want +got)\n%s", diff)
	}
}

func TestFlashIsAToastOrAnAlert(t *testing.T) {
	for tone, want := range map[ui.Tone]string{ui.OK: "[role=status].toast", ui.Bad: "main [role=alert].note"} {
		s := shell()
		s.Flash = &ui.Flash{Tone: tone, Text: "Saved <b>"}
		for name, doc := range map[string]*goquery.Document{"layout": page(t, views.Layout(s)), "blank": page(t, views.Blank(s))} {
			if got := strings.TrimSpace(doc.Find(want).Text()); got != "Saved <b>" {
				t.Errorf("%s, %s: %q", name, tone, got)
			}
		}
	}
}

func TestThemeIsOnTheRoot(t *testing.T) {
	for theme, want := range map[string]string{"": "", "light": "light", "dark": "dark", `x" onload="`: ""} {
		s := shell()
		s.Theme = theme
		if got := page(t, views.Blank(s)).Find("html").AttrOr("data-theme", ""); got != want {
			t.Errorf("theme %q: data-theme %q, want %q", theme, got, want)
		}
	}
}
