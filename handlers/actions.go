package handlers

import (
	"cmp"
	"maps"
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

func (h *Handlers) actionRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return append([]web.Route{
		web.Get(view, href.Actions(), h.listActions),
		web.Get(manage, href.NewAction(), h.newAction),
		web.Post(manage, href.Actions(), h.createAction),
		web.Get(view, href.Action(href.Pattern), h.showAction),
		web.Get(manage, href.EditAction(href.Pattern), h.editAction),
		web.Post(manage, href.Action(href.Pattern), h.updateAction),
		web.Post(manage, href.ToggleAction(href.Pattern), h.toggleAction),
	}, deletes(h, manage, href.DeleteAction(href.Pattern), h.action, h.actionDeletion)...)
}

var actionsCrumb = crumb("Actions", href.Actions())

// choice is a destination as pickers show it.
func choice(around db.Routing, d model.Destination) views.DestinationChoice {
	out := views.DestinationChoice{ID: d.ID, Name: d.Name, Connection: around.Connections[d.ConnectionID].Name}
	switch {
	case !d.Enabled:
		out.Off = "destination is off"
	case !around.Connections[d.ConnectionID].Enabled:
		out.Off = "connection is off"
	}
	return out
}

// choices are all destinations, by connection and name.
func choices(around db.Routing) []views.DestinationChoice {
	var out []views.DestinationChoice
	for d := range maps.Values(around.Destinations) {
		out = append(out, choice(around, d))
	}
	slices.SortFunc(out, func(a, b views.DestinationChoice) int {
		return cmp.Or(strings.Compare(a.Connection, b.Connection), strings.Compare(a.Name, b.Name), strings.Compare(string(a.ID), string(b.ID)))
	})
	return out
}

func actionItem(around db.Routing, a model.Action) views.ActionItem {
	return views.ActionItem{Action: a, To: choice(around, around.Destinations[a.DestinationID])}
}

func (h *Handlers) listActions(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.Actions(ctx, db.ActionFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	props := views.ActionsProps{Query: q, CanEdit: h.may(c, model.Connections.Manage()), Ready: len(around.Destinations) > 0, Now: h.Now()}
	for _, a := range list {
		props.Items = append(props.Items, actionItem(around, a))
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Actions", Section: "actions"}, views.Actions(props))
}

func (h *Handlers) newAction(c echo.Context) error {
	f := views.ActionForm{DestinationID: c.QueryParam("destination_id"), Enabled: true}
	if f.DestinationID != "" { // on the way from a new destination
		f.Event, f.Name = "order.*", h.T(c, "Orders")
	}
	return h.actionForm(c, http.StatusOK, views.ActionFormProps{Form: f, Filter: storedFilter("")})
}

// actionForm shows the form of an action, as it is typed in p.
func (h *Handlers) actionForm(c echo.Context, status int, p views.ActionFormProps) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p.Destinations = choices(around)
	if err := h.filterAround(c, &p.Filter, p.ID); err != nil {
		return err
	}
	if h.may(c, model.Events.View()) {
		if p.Names, err = h.Store.EventNames(c.Request().Context()); err != nil {
			return err
		}
	}
	bits := web.Bits{Status: status, Title: "New action", Section: "actions", Crumbs: under(actionsCrumb, "New")}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{actionsCrumb, named(p.Saved, href.Action(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditAction(p))
}

// actionTyped is the posted form and the action that it describes over old.
func (h *Handlers) actionTyped(c echo.Context, old model.Action) (views.ActionForm, model.Action, views.FilterProps, error) {
	f, err := web.Bind[views.ActionForm](c)
	if err != nil {
		return f, old, views.FilterProps{}, err
	}
	a := old
	a.Version, a.Name, a.Description, a.Event, a.Enabled = f.Version, f.Name, f.Description, f.Event, f.Enabled
	a.DestinationID = model.DestID(f.DestinationID)
	p, text, err := typedFilter(f)
	a.Filter = text
	return f, a, p, both(h.o.Jobs.CheckAction(&a), err)
}

func (h *Handlers) createAction(c echo.Context) error {
	f, a, filter, err := h.actionTyped(c, model.Action{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateAction(&a) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.actionForm(c, status, views.ActionFormProps{Form: f, Filter: withProblem(filter, p), Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Action(a.ID), h.T(c, "{name} is created.", "name", a.Name))
}

func (h *Handlers) action(c echo.Context) (model.Action, error) {
	return h.Store.Action(c.Request().Context(), web.ID[model.ActionID](c))
}

func (h *Handlers) showAction(c echo.Context) error {
	a, err := h.action(c)
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	props := views.ActionProps{Item: actionItem(around, a), Delete: h.actionDeletion(c, a).DeleteProps, CanEdit: h.may(c, model.Connections.Manage()),
		SeeDeliveries: h.may(c, model.Deliveries.View()), Now: h.Now()}
	if props.SeeDeliveries {
		if props.Lately, _, err = h.deliveries(c, around, db.DeliveryFilter{DestinationID: a.DestinationID}, db.Page{Limit: 5}); err != nil {
			return err
		}
	}
	return h.Page(c, web.Bits{Title: a.Name, Section: "actions", Crumbs: underNamed(actionsCrumb, a.Name)}, views.Action(props))
}

func (h *Handlers) editAction(c echo.Context) error {
	a, err := h.action(c)
	if err != nil {
		return err
	}
	f := views.ActionForm{Version: a.Version, Name: a.Name, Description: a.Description, Event: a.Event, Filter: a.Filter, DestinationID: string(a.DestinationID), Enabled: a.Enabled}
	p := storedFilter(a.Filter)
	if err := h.try(c, &p, a.Event, a.Filter); err != nil {
		return err
	}
	return h.actionForm(c, http.StatusOK, views.ActionFormProps{ID: a.ID, Saved: a.Name, Form: f, Filter: p})
}

func (h *Handlers) updateAction(c echo.Context) error {
	old, err := h.action(c)
	if err != nil {
		return err
	}
	f, a, filter, err := h.actionTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateAction(&a) })
	}
	clash := collision{noun: "action", id: string(old.ID), now: old.Version, diff: db.ActionDiff(old, a), names: h.destinationNames}
	if p, status, ok := h.wrongOver(c, err, href.EditAction(old.ID), &f.Version, clash); ok {
		return h.actionForm(c, status, views.ActionFormProps{ID: old.ID, Saved: old.Name, Form: f, Filter: withProblem(filter, p), Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Action(a.ID), h.T(c, "{name} is saved.", "name", a.Name))
}

func (h *Handlers) destinationNames(c echo.Context) map[string]string {
	names := map[string]string{}
	if around, err := h.Store.Routing(c.Request().Context()); err == nil { // else ids stand there
		for id, d := range around.Destinations {
			names[string(id)] = around.Connections[d.ConnectionID].Name + " → " + d.Name
		}
	}
	return names
}

func (h *Handlers) toggleAction(c echo.Context) error {
	a, err := h.action(c)
	if err != nil {
		return err
	}
	a.Enabled = switchedOn(c)
	if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateAction(&a) }); err != nil {
		return err
	}
	words := h.T(c, "{name} is on.", "name", a.Name)
	if !a.Enabled {
		words = h.T(c, "{name} is off. Events pass it by.", "name", a.Name)
	}
	return h.Done(c, href.Action(a.ID), words)
}

func (h *Handlers) actionDeletion(c echo.Context, a model.Action) deletion {
	words := h.T(c, "Events named “{event}” are no longer sent by it. Deliveries that it has caused go on. This cannot be undone.", "event", a.Event)
	return deletion{section: "actions", above: []ui.Crumb{actionsCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteAction(a.ID) },
		DeleteProps: views.DeleteProps{Noun: "action", Name: a.Name, Action: href.DeleteAction(a.ID), Cancel: href.Action(a.ID), Consequence: words}}
}
