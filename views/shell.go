// Package views holds the pages: one file per noun with its props, its form
// struct and its templates, and here the layout around them. Views know plain
// data only: never the store, jobs or echo; what a user may see or do is decided
// by the handler and arrives as values. Components come from views/ui, URLs
// from views/href.
package views

import (
	"context"

	"github.com/a-h/templ"

	"waybill/db/model"
	"waybill/views/ui"
)

// AssetURLs is what the layout needs of the asset server: the hashed URL of a
// file, and whether a fetched file (htmx, a font) is there at all.
type AssetURLs interface {
	URL(name string) string
	Has(name string) bool
}

// Shell is everything around the content of a page.
type Shell struct {
	Title     string // of the document and, for Blank, of the card
	Section   string // Key of the nav item that is current
	Path      string // of this request, so that the theme form comes back here
	Assets    AssetURLs
	User      string // name; empty when signed out
	Email     string
	Nav       []NavGroup // only what the user may see
	Flash     *ui.Flash  // nil = none
	Theme     string     // "", "light", "dark"
	Locale    string     // of dates and numbers, chosen; "" = the browser's
	Zone      string     // time zone, chosen; "" = the browser's
	KeysOff   bool       // single letters are no shortcuts
	Banners   []ui.Banner
	Crumbs    []ui.Crumb
	History   string // URL of what was changed about the object of this page, "" = none
	RequestID string
	Version   string
	Instance  string // small line under the brand: host of the public URL
}

// NavGroup is a titled part of the navigation; an empty label draws no title.
type NavGroup struct {
	Label string
	Items []NavItem
}

// NavItem is one page of the navigation. Alert paints the count as a warning.
type NavItem struct {
	Key, Label, Icon, URL string
	Count                 string // "" = none
	Alert                 bool
	Words                 string // what the count is, for those who hear it
}

// NavCount is a figure beside a page of the navigation. Words say what it counts where it asks for attention; "" = it is how
// many things the page lists.
type NavCount struct {
	N     int64
	Words string
}

// Count puts figures beside the pages with these keys.
func (s Shell) Count(ctx context.Context, counts map[string]NavCount) {
	for _, g := range s.Nav {
		for i, it := range g.Items {
			if c, ok := counts[it.Key]; ok && c.N > 0 {
				g.Items[i].Count, g.Items[i].Alert, g.Items[i].Words = atLeast(ctx, int(min(c.N, model.MostCounted)), c.N > model.MostCounted), c.Words != "", c.Words
			}
		}
	}
}

// Initials are one or two letters for the user's mark.
func (s Shell) Initials() string {
	out, word := "", true
	for _, r := range s.User {
		if r == ' ' {
			word = true
			continue
		}
		if word && len([]rune(out)) < 2 {
			out += string(r)
		}
		word = false
	}
	return out
}

func (s Shell) title(ctx context.Context) string {
	if s.Title == "" {
		return "Waybill"
	}
	if n := len(s.Crumbs); n > 0 && s.Crumbs[n-1].Own && s.Crumbs[n-1].Label == s.Title { // the page of something that people named
		return s.Title + " · Waybill"
	}
	return say(ctx, s.Title) + " · Waybill"
}

// has is true when a fetched asset is there; a shell without assets has none.
func (s Shell) has(name string) bool { return s.Assets != nil && s.Assets.Has(name) }

func (s Shell) url(name string) string {
	if s.Assets == nil {
		return ""
	}
	return s.Assets.URL(name)
}

func themeAttrs(theme string) templ.Attributes {
	if theme != "light" && theme != "dark" {
		return nil
	}
	return templ.Attributes{"data-theme": theme}
}

// formatAttrs tell scripts how the reader wants dates written.
func formatAttrs(locale, zone string) templ.Attributes {
	a := templ.Attributes{}
	if locale != "" {
		a["data-locale"] = locale
	}
	if zone != "" {
		a["data-time-zone"] = zone
	}
	return a
}

func colorScheme(theme string) string {
	if theme == "light" || theme == "dark" {
		return theme
	}
	return "light dark"
}

func labelledBy(label string) templ.Attributes {
	if label == "" {
		return nil
	}
	return templ.Attributes{"aria-labelledby": "nav-" + label}
}

func currentNav(is bool) templ.Attributes {
	if !is {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

func pressed(is bool) string {
	if is {
		return "true"
	}
	return "false"
}
