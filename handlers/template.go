package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// templateRoutes are what one does with the template of a destination, or with a filter, besides saving it.
func (h *Handlers) templateRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return append(append(h.filterRoutes(), h.savedRoutes()...),
		web.Post(manage, href.CompareDestination(href.Pattern), h.compareDestination),
		web.Post(manage, href.FormatDestination(href.Pattern), h.formatDestination),
		web.Post(manage, href.FormatNewDestination(href.Pattern), h.formatNewDestination),
		web.Get(view, href.TemplateVersions(href.Pattern), h.listTemplateVersions),
	)
}

// Bounds of what a comparison shows.
const (
	shownCompared = 20
	shownLines    = 300 // of one request
)

// compareDestination renders the newest deliveries with what is typed; nothing is saved.
func (h *Handlers) compareDestination(c echo.Context) error {
	if !h.may(c, model.Deliveries.View()) {
		return fault.Missing(string(model.Deliveries.View()))
	}
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	e.CompareAsked = true
	if p, status, ok := h.wrong(c, e.typed(c), ""); ok {
		e.Problems = p
		return h.editorPage(c, status, e)
	}
	e.draft.Clean()
	found, err := h.o.Jobs.Compare(c.Request().Context(), e.draft)
	if err != nil {
		return err
	}
	e.Comparison = comparisonShown(h.Reader(c), found)
	return h.editorPage(c, http.StatusOK, e)
}

func comparisonShown(ctx context.Context, x jobs.Comparison) *views.Comparison {
	out := &views.Comparison{Gone: x.Gone, Cut: x.Cut, Count: map[string]int{}}
	for _, effect := range jobs.Effects() {
		for _, item := range x.Items {
			switch {
			case item.Effect != effect:
			case effect == jobs.EffectSame:
				out.Same++
			case len(out.Items) == shownCompared:
				out.Count[string(effect)]++
				out.More++
			default:
				out.Count[string(effect)]++
				out.Items = append(out.Items, comparedShown(ctx, item))
			}
		}
	}
	return out
}

func comparedShown(ctx context.Context, x jobs.Compared) views.ComparedItem {
	out := views.ComparedItem{ID: x.Delivery.ID, Event: x.Delivery.EventName, Subject: x.Subject, At: x.Delivery.CreatedAt, Effect: string(x.Effect), Before: draftText(x.Before), After: draftText(x.After)}
	switch x.Effect {
	case jobs.EffectFails:
		out.Note = x.After.Error
	case jobs.EffectSkipped:
		out.Note = x.After.Skipped
	case jobs.EffectSent:
		out.Note = texts.T(ctx, "As stored: {error}", "error", x.Before.Error+x.Before.Skipped)
	}
	return out
}

// draftText is a request as text for people, "" when there is none: JSON is laid out.
func draftText(d jobs.Draft) string {
	if d.Error != "" || d.Skipped != "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(d.Method + " " + d.URL + "\n")
	for _, x := range d.Headers {
		b.WriteString(x.Name + ": " + x.Value + "\n")
	}
	var laid bytes.Buffer
	if json.Indent(&laid, d.Body, "", "  ") != nil {
		laid.Reset()
		laid.Write(d.Body)
	}
	b.WriteString("\n" + laid.String())
	lines := strings.SplitN(b.String(), "\n", shownLines+1)
	if len(lines) > shownLines {
		lines[shownLines] = "…"
	}
	return strings.Join(lines, "\n")
}

func (h *Handlers) formatDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	return h.format(c, e)
}

func (h *Handlers) formatNewDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	return h.format(c, e)
}

// format lays the template out and shows the editor again; scripts ask for the text alone.
func (h *Handlers) format(c echo.Context, e *editor) error {
	var p views.Problems
	if typed, _, ok := h.wrong(c, e.typed(c), ""); ok {
		p = typed
	}
	text, err := jobs.FormatTemplate(e.draft)
	alone := strings.Contains(c.Request().Header.Get("Accept"), "text/plain")
	if bad, status, ok := h.wrong(c, err, ""); ok {
		if alone {
			return c.String(status, bad.Of("template"))
		}
		e.Problems = bad
		return h.editorPage(c, status, e)
	}
	if err != nil {
		return err
	}
	if alone {
		return c.String(http.StatusOK, text)
	}
	e.Form.Template, e.draft.Template, e.Problems = text, text, p
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) listTemplateVersions(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	list, err := h.Store.TemplateVersions(c.Request().Context(), e.saved.ID)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.Absent("version of this template")
	}
	p := views.TemplateVersionsProps{Destination: e.saved, List: list, Against: list[0], Shown: list[min(1, len(list)-1)], CanEdit: h.may(c, model.Connections.Manage()), Now: h.Now()}
	if asked := c.QueryParam("version"); asked != "" {
		i := slices.IndexFunc(list, func(v model.TemplateVersion) bool { return strconv.FormatInt(v.Version, 10) == asked })
		if i < 0 {
			return fault.Absent("version of this template")
		}
		p.Shown = list[i]
	}
	bits := web.Bits{Title: h.T(c, "Template versions of {name}", "name", e.saved.Name), Section: "connections",
		Crumbs: destinationCrumbs(e.connection, named(e.saved.Name, href.Destination(e.saved.ID)), ui.Crumb{Label: "Template versions"})}
	return h.Page(c, bits, views.TemplateVersions(p))
}

// restored puts the template of a version into the form, when the address asks for one: as if it had been typed.
func (h *Handlers) restored(c echo.Context, e *editor) error {
	asked := c.QueryParam("template")
	if asked == "" || !h.may(c, model.Connections.Manage()) {
		return nil
	}
	list, err := h.Store.TemplateVersions(c.Request().Context(), e.saved.ID)
	for _, v := range list {
		if strconv.FormatInt(v.Version, 10) == asked {
			e.draft.Template, e.Form.Template, e.Typed, e.Restored = v.Template, v.Template, true, v.Version
		}
	}
	return err
}
