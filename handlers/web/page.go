package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// Bits are what a page says to its layout.
type Bits struct {
	Status  int // 0 = 200
	Title   string
	Section string // key of the navigation item that is current
	Crumbs  []ui.Crumb
}

// Page answers with body in the layout: that of the app when somebody is signed in, else a card. When htmx asks for one
// element and body has a fragment of that id, the fragment alone is the answer.
func (w *Web) Page(c echo.Context, b Bits, body templ.Component) error {
	var out part
	_, chosen := w.format(c)
	ctx := w.Reader(c)
	if id := Target(c); id != "" {
		if err := templ.RenderFragments(ctx, &out, body, id); err != nil {
			return err
		}
	}
	if out.Len() == 0 && !out.met {
		shell := w.shell(c, b)
		shell.Locale, shell.Zone = chosen.Locale, chosen.Zone
		layout := views.Layout(shell)
		if shell.User == "" {
			layout = views.Blank(shell)
		}
		if err := layout.Render(templ.WithChildren(ctx, body), &out); err != nil {
			return err
		}
	}
	c.Response().Header().Set("Cache-Control", "no-store") // also where no route was found
	status := b.Status
	if status == 0 {
		status = http.StatusOK
	}
	return c.Blob(status, "text/html; charset=utf-8", out.Bytes())
}

// part takes a fragment. One that was met is flushed when it ends, also where nothing is in it.
type part struct {
	bytes.Buffer
	met bool
}

// Flush is http.Flusher, which templ calls.
func (p *part) Flush() { p.met = true }

// chosenFormat is what somebody set in his account, "" = as the browser says.
type chosenFormat struct{ Locale, Zone string }

// Language is that of whoever asks: as his account says, else the first that the browser accepts and there is.
func (w *Web) Language(c echo.Context) *texts.Language {
	if v, err := w.visitor(c); err == nil && v != nil {
		if l := texts.Of(v.user.Language); l != nil {
			return l
		}
	}
	return texts.Accepted(c.Request().Header.Get("Accept-Language"))
}

// Reader is the context in which pages are written: with the language, and the way of writing dates and numbers, of whoever asks.
func (w *Web) Reader(c echo.Context) context.Context {
	format, _ := w.format(c)
	return texts.With(ui.WithFormat(c.Request().Context(), format), w.Language(c))
}

// T is a text in the language of whoever asks (views/texts).
func (w *Web) T(c echo.Context, id string, pairs ...string) string {
	return texts.T(w.Reader(c), id, pairs...)
}

// format is how dates and numbers are written for whoever asks: as his account says, else as the browser accepts; the
// browser's own time zone is known to scripts alone, so without a choice it is UTC here.
func (w *Web) format(c echo.Context) (f ui.Format, chosen chosenFormat) {
	if v, err := w.visitor(c); err == nil && v != nil {
		chosen = chosenFormat{v.user.Locale, v.user.Zone}
	}
	if f.Locale = chosen.Locale; f.Locale == "" {
		f.Locale = ui.Accepted(c.Request().Header.Get("Accept-Language"))
	}
	if zone, err := time.LoadLocation(chosen.Zone); err == nil && chosen.Zone != "" {
		f.Zone = zone
	}
	return f, chosen
}

// PageOutside is Page in the plain card, whoever asks: for those who come from outside. Nothing of the app stands around it.
func (w *Web) PageOutside(c echo.Context, b Bits, body templ.Component) error {
	var out bytes.Buffer
	shell := views.Shell{Title: b.Title, Path: c.Request().URL.RequestURI(), Assets: w.Assets, Theme: Theme(c), Version: w.Version}
	if m := c.Request().Method; m != http.MethodGet && m != http.MethodHead {
		shell.Path = "/"
	}
	if err := views.Blank(shell).Render(templ.WithChildren(w.Reader(c), body), &out); err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	status := b.Status
	if status == 0 {
		status = http.StatusOK
	}
	return c.Blob(status, "text/html; charset=utf-8", out.Bytes())
}

// Seal signs a text that a browser carries and gives back, so that Unseal knows it as ours. It is not hidden, and this
// process alone knows it again.
func (w *Web) Seal(purpose, text string) string {
	value, err := w.clocks.Encode(purpose, []byte(text))
	if err != nil {
		w.Log.Warn("text not sealed", "err", err)
		return ""
	}
	return value
}

// Unseal is the text that Seal was given; false: it is not one of ours.
func (w *Web) Unseal(purpose, value string) (string, bool) {
	var text []byte
	if w.clocks.Decode(purpose, value, &text) != nil {
		return "", false
	}
	return string(text), true
}

// changed are the paths of things whose changes are audited.
var changed = regexp.MustCompile(`^/(?:actions|api-keys|audiences|connections|credentials|destinations|events/definitions|inbound|integrations|roles|runs|settings/alerts|users|workflows)/([a-z]{3}_[0-9a-z]{26})(?:/[a-z]+)?$`)

// historyOf leads from the page of an object to its changes, "" when the page is of none.
func historyOf(path string) string {
	if m := changed.FindStringSubmatch(path); m != nil {
		return href.AuditOf(m[1])
	}
	return ""
}

func (w *Web) shell(c echo.Context, b Bits) views.Shell {
	s := views.Shell{Title: b.Title, Section: b.Section, Crumbs: b.Crumbs, Path: c.Request().URL.RequestURI(), Assets: w.Assets, Theme: Theme(c), KeysOff: KeysOff(c),
		Flash: w.takeFlash(c), Version: w.Version, Instance: w.BaseURL.Host}
	if m := c.Request().Method; m != http.MethodGet && m != http.MethodHead {
		s.Path = "/"
	}
	if v, err := w.visitor(c); err == nil && v != nil {
		s.User, s.Email, s.Nav = v.user.Name, v.user.Email, w.Nav(v.rights)
		s.Banners = w.banners(c)
		if w.Counts != nil {
			s.Count(w.Reader(c), w.Counts(w.Reader(c), v.rights))
		}
		if v.rights.Has(model.ViewAuditLog) {
			s.History = historyOf(c.Request().URL.Path)
		}
		if w.Tasks != nil {
			s.Count(w.Reader(c), map[string]views.NavCount{"tasks": w.Tasks(w.Reader(c), v.user)})
		}
	}
	return s
}

// Htmx reports whether htmx asks, and not the browser itself.
func Htmx(c echo.Context) bool { return c.Request().Header.Get("HX-Request") == "true" }

// Target is the id of the element that htmx will replace, "" when there is none. Version 4 sends tag#id.
func Target(c echo.Context) string {
	if !Htmx(c) {
		return ""
	}
	h := c.Request().Header.Get("HX-Target")
	return h[strings.LastIndexByte(h, '#')+1:]
}

// Done answers a change that was made: with text as a flash on the page at url.
func (w *Web) Done(c echo.Context, url, text string) error {
	w.Flash(c, ui.OK, text)
	return Redirect(c, url)
}

// Redirect leads the browser on with a GET.
func Redirect(c echo.Context, url string) error {
	if Htmx(c) {
		c.Response().Header().Set("HX-Redirect", url)
		return c.NoContent(http.StatusOK)
	}
	return c.Redirect(http.StatusSeeOther, url)
}

// SafeNext is a path on this server that a form or link asked to go on to, or "/" when it would lead elsewhere.
func SafeNext(next string) string {
	bad := strings.ContainsFunc(next, func(r rune) bool { return unicode.IsControl(r) || r == '\\' || r == unicode.ReplacementChar })
	u, err := url.Parse(next)
	if err != nil || bad || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return next
}

const (
	flashCookie = "waybill_flash"
	themeCookie = "waybill_theme"
	keysCookie  = "waybill_keys"
)

// Flash keeps a message for the next page that is shown.
func (w *Web) Flash(c echo.Context, tone ui.Tone, text string) {
	plain, err := json.Marshal(ui.Flash{Tone: tone, Text: text})
	if err != nil {
		return // two strings, always encodable
	}
	value, err := w.flashes.Encode(flashCookie, plain)
	if err != nil {
		w.Log.Warn("flash message not kept", "err", err)
		return
	}
	w.cookie(c, flashCookie, value, 60)
}

func (w *Web) takeFlash(c echo.Context) *ui.Flash {
	cookie, err := c.Cookie(flashCookie)
	if err != nil || cookie.Value == "" {
		return nil
	}
	w.cookie(c, flashCookie, "", -1)
	var plain []byte
	var f ui.Flash
	if w.flashes.Decode(flashCookie, cookie.Value, &plain) != nil || json.Unmarshal(plain, &f) != nil {
		return nil // kept by another process, or made up
	}
	return &f
}

func (w *Web) cookie(c echo.Context, name, value string, seconds int) {
	http.SetCookie(c.Response(), &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: w.secure || OverHTTPS(c.Request()), SameSite: http.SameSiteLaxMode})
}

// Theme is what the person chose, "" = as the system says.
func Theme(c echo.Context) string {
	cookie, err := c.Cookie(themeCookie)
	if err != nil || cookie.Value != "light" && cookie.Value != "dark" {
		return ""
	}
	return cookie.Value
}

// SetTheme is POST /theme.
func (w *Web) SetTheme(c echo.Context) error {
	switch t := c.FormValue("theme"); t {
	case "light", "dark":
		w.cookie(c, themeCookie, t, 365*24*3600)
	default:
		w.cookie(c, themeCookie, "", -1)
	}
	return Redirect(c, SafeNext(c.FormValue("next")))
}

// KeysOff reports whether the person switched off shortcuts of a single letter (WCAG 2.1.4).
func KeysOff(c echo.Context) bool {
	cookie, err := c.Cookie(keysCookie)
	return err == nil && cookie.Value == "off"
}

// SetShortcuts is POST /account/shortcuts.
func (w *Web) SetShortcuts(c echo.Context) error {
	if c.FormValue("shortcuts") == "off" {
		w.cookie(c, keysCookie, "off", 365*24*3600)
	} else {
		w.cookie(c, keysCookie, "", -1)
	}
	return Redirect(c, SafeNext(c.FormValue("next")))
}
