package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) definitionRoutes() []web.Route {
	view, manage := model.Events.View(), model.Events.Manage()
	return append([]web.Route{
		web.Get(view, href.EventDefinitions(), h.listEventDefinitions),
		web.Get(manage, href.NewEventDefinition(), h.newEventDefinition),
		web.Post(manage, href.EventDefinitions(), h.createEventDefinition),
		web.Get(view, href.EventDefinition(href.Pattern), h.showEventDefinition),
		web.Get(manage, href.EditEventDefinition(href.Pattern), h.editEventDefinition),
		web.Post(manage, href.EventDefinition(href.Pattern), h.updateEventDefinition),
	}, deletes(h, manage, href.DeleteEventDefinition(href.Pattern), h.eventDefinition, eventDefinitionDeletion)...)
}

var definitionsCrumb = crumb("Definitions", href.EventDefinitions())

func (h *Handlers) listEventDefinitions(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.EventDefinitions(ctx, db.EventDefinitionFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	defined, err := h.Store.DefinedEventNames(ctx)
	if err != nil {
		return err
	}
	seen, err := h.Store.EventNames(ctx)
	if err != nil {
		return err
	}
	props := views.EventDefinitionsProps{Items: list, Query: q, CanEdit: h.may(c, model.Events.Manage()), Now: h.Now(),
		Undefined: slices.DeleteFunc(seen, func(name string) bool { return slices.Contains(defined, name) })}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Event definitions", Section: "events"}, views.EventDefinitions(props))
}

func (h *Handlers) newEventDefinition(c echo.Context) error {
	return h.eventDefinitionForm(c, http.StatusOK, views.EventDefinitionFormProps{Form: views.EventDefinitionForm{Name: c.QueryParam("name")}})
}

func (h *Handlers) eventDefinitionForm(c echo.Context, status int, p views.EventDefinitionFormProps) (err error) {
	if p.Names, err = h.Store.EventNames(c.Request().Context()); err != nil {
		return err
	}
	bits := web.Bits{Status: status, Title: "New event definition", Section: "events", Crumbs: []ui.Crumb{eventsCrumb, definitionsCrumb, {Label: "New"}}}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{eventsCrumb, definitionsCrumb, named(p.Saved, href.EventDefinition(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditEventDefinition(p))
}

// eventDefinitionTyped is the posted form and the definition that it describes over old.
func (h *Handlers) eventDefinitionTyped(c echo.Context, old model.EventDefinition) (views.EventDefinitionForm, model.EventDefinition, error) {
	f, err := web.Bind[views.EventDefinitionForm](c)
	if err != nil {
		return f, old, err
	}
	f.Schema = strings.ReplaceAll(f.Schema, "\r\n", "\n")
	d := old
	d.Version, d.Name, d.Description, d.Schema = f.Version, f.Name, f.Description, json.RawMessage(f.Schema)
	return f, d, h.o.Jobs.CheckEventDefinition(&d)
}

func (h *Handlers) createEventDefinition(c echo.Context) error {
	f, d, err := h.eventDefinitionTyped(c, model.EventDefinition{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateEventDefinition(&d) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.eventDefinitionForm(c, status, views.EventDefinitionFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.EventDefinition(d.ID), h.T(c, "{name} is created.", "name", d.Name))
}

func (h *Handlers) eventDefinition(c echo.Context) (model.EventDefinition, error) {
	return h.Store.EventDefinition(c.Request().Context(), web.ID[model.EventDefID](c))
}

// shownSamples is how many stored events the page of a definition shows.
const shownSamples = 10

func (h *Handlers) showEventDefinition(c echo.Context) error {
	d, err := h.eventDefinition(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, _, err := h.Store.Events(ctx, db.EventFilter{Name: d.Name}, db.Page{Limit: shownSamples})
	if err != nil {
		return err
	}
	props := views.EventDefinitionProps{Definition: d, Delete: eventDefinitionDeletion(c, d).DeleteProps, CanEdit: h.may(c, model.Events.Manage()), Now: h.Now()}
	for _, row := range rows {
		e, err := h.Store.Event(ctx, row.ID)
		if err != nil {
			return err
		}
		s := views.EventSample{Event: e}
		if e.Data != nil {
			s.Misfits = h.o.Jobs.Misfits(d, e.Data)
		}
		props.Samples = append(props.Samples, s)
	}
	if h.may(c, model.Connections.View()) {
		around, err := h.Store.Routing(ctx)
		if err != nil {
			return err
		}
		for _, a := range around.Actions {
			if model.Matches(a.Event, d.Name) {
				props.Actions = append(props.Actions, views.Need{Kind: a.Event, Name: a.Name, URL: href.Action(a.ID)})
			}
		}
	}
	return h.Page(c, web.Bits{Title: d.Name, Section: "events", Crumbs: []ui.Crumb{eventsCrumb, definitionsCrumb, named(d.Name, "")}}, views.EventDefinition(props))
}

func (h *Handlers) editEventDefinition(c echo.Context) error {
	d, err := h.eventDefinition(c)
	if err != nil {
		return err
	}
	f := views.EventDefinitionForm{Version: d.Version, Name: d.Name, Description: d.Description, Schema: indented(d.Schema)}
	return h.eventDefinitionForm(c, http.StatusOK, views.EventDefinitionFormProps{ID: d.ID, Saved: d.Name, Form: f})
}

// indented is JSON as people edit it. What they laid out themselves stays.
func indented(text json.RawMessage) string {
	var b bytes.Buffer
	if bytes.ContainsRune(text, '\n') || json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}

func (h *Handlers) updateEventDefinition(c echo.Context) error {
	old, err := h.eventDefinition(c)
	if err != nil {
		return err
	}
	f, d, err := h.eventDefinitionTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateEventDefinition(&d) })
	}
	clash := collision{noun: "definition", id: string(old.ID), now: old.Version, diff: db.EventDefinitionDiff(old, d)}
	if p, status, ok := h.wrongOver(c, err, href.EditEventDefinition(old.ID), &f.Version, clash); ok {
		return h.eventDefinitionForm(c, status, views.EventDefinitionFormProps{ID: old.ID, Saved: old.Name, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.EventDefinition(d.ID), h.T(c, "{name} is saved.", "name", d.Name))
}

func eventDefinitionDeletion(_ echo.Context, d model.EventDefinition) deletion {
	return deletion{section: "events", above: []ui.Crumb{eventsCrumb, definitionsCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteEventDefinition(d.ID) },
		DeleteProps: views.DeleteProps{Noun: "definition", Name: d.Name, Action: href.DeleteEventDefinition(d.ID), Cancel: href.EventDefinition(d.ID),
			Consequence: "Events of this name stay, and go on being accepted. Only what is said about them is deleted."}}
}
