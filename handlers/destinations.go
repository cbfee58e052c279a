package handlers

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) destinationRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return append([]web.Route{
		web.Get(view, href.Destinations(href.Pattern), h.listDestinations),
		web.Get(manage, href.NewDestination(href.Pattern), h.newDestination),
		web.Post(manage, href.Destinations(href.Pattern), h.createDestination),
		web.Post(manage, href.PreviewNewDestination(href.Pattern), h.previewNewDestination),
		web.Get(view, href.Destination(href.Pattern), h.showDestination),
		web.Post(manage, href.Destination(href.Pattern), h.updateDestination),
		web.Post(manage, href.PreviewDestination(href.Pattern), h.previewDestination),
		web.Post(manage, href.TestDestination(href.Pattern), h.testDestination),
		web.Post(manage, href.TryDestination(href.Pattern), h.tryDestination),
		web.Get(manage, href.DestinationSecret(href.Pattern), h.showSigningSecret),
		web.Post(manage, href.RotateSecret(href.Pattern), h.rotateSecret),
		web.Post(manage, href.EndSecrets(href.Pattern), h.endSecrets),
		web.Post(manage, href.ToggleDestination(href.Pattern), h.toggleDestination),
		web.Post(manage, href.DropHeld(href.Pattern), h.dropHeld),
	}, deletes(h, manage, href.DeleteDestination(href.Pattern), h.savedEditor, h.destinationDeletion)...)
}

func destinationCrumbs(x model.Connection, more ...ui.Crumb) []ui.Crumb {
	return append([]ui.Crumb{connectionsCrumb, named(x.Name, href.Connection(x.ID)), crumb("Destinations", href.Destinations(x.ID))}, more...)
}

func (h *Handlers) listDestinations(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	if kind, _ := connector.ByType(x.Type); kind.NoDestinations != "" {
		return web.Redirect(c, href.Connection(x.ID))
	}
	head, err := h.connectionHead(c, x, around)
	if err != nil {
		return err
	}
	props := views.DestinationsProps{Connection: head, CanEdit: h.may(c, model.Connections.Manage()), Now: h.Now()}
	props.Connection.SeeActivity, props.Connection.SeeNetwork = h.may(c, model.Deliveries.View()), h.may(c, model.Settings.View())
	for _, d := range destinationsOf(around, x.ID) {
		props.Items = append(props.Items, views.DestinationItem{Destination: d, Actions: len(actionsOf(around, d)), Health: h.o.Jobs.Health(d.Target())})
	}
	crumbs := []ui.Crumb{connectionsCrumb, named(x.Name, href.Connection(x.ID)), {Label: "Destinations"}}
	return h.Page(c, web.Bits{Title: h.T(c, "Destinations of {name}", "name", x.Name), Section: "connections", Crumbs: crumbs}, views.Destinations(props))
}

func (h *Handlers) newDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	e.stored()
	e.sampled(c)
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) showDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	e.stored()
	e.stateOnly = web.Target(c) == views.DestinationState
	if err := h.restored(c, e); err != nil {
		return err
	}
	e.sampled(c)
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) createDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	if err = both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateDestination(&e.draft, scheme.NewSigningSecret()) })
	}
	return h.destinationSaved(c, e, err, texts.ID("{name} is created. An action decides which events go there."))
}

func (h *Handlers) updateDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	if err = both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateDestination(&e.draft) })
	}
	return h.destinationSaved(c, e, err, texts.ID("{name} is saved."))
}

// destinationSaved leads on, or shows the editor again with what was typed.
func (h *Handlers) destinationSaved(c echo.Context, e *editor, err error, words string) error {
	clash := collision{noun: "destination", id: string(e.saved.ID), now: e.saved.Version, diff: db.DestinationDiff(e.saved, e.draft)}
	if p, status, ok := h.wrongOver(c, err, href.Destination(e.saved.ID), &e.Form.Version, clash); ok {
		e.Problems = p
		return h.editorPage(c, status, e)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Destination(e.draft.ID), h.T(c, words, "name", e.draft.Name))
}

func (h *Handlers) previewNewDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	return h.preview(c, e)
}

func (h *Handlers) previewDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	return h.preview(c, e)
}

// preview shows the editor again; htmx takes the preview alone. An error goes above the last good preview, which stays.
func (h *Handlers) preview(c echo.Context, e *editor) error {
	if p, _, ok := h.wrong(c, e.typed(c), ""); ok {
		e.Problems = p
	}
	if !web.Htmx(c) {
		return h.editorPage(c, http.StatusOK, e)
	}
	e.CanEdit, e.Now = true, h.Now()
	if err := h.previewInto(c, e); err != nil {
		return err
	}
	if e.Preview.Error != "" {
		c.Request().Header.Set("HX-Target", "preview-error")
		c.Response().Header().Set("HX-Retarget", "#preview-error")
	}
	return h.Page(c, web.Bits{}, views.Destination(e.DestinationProps))
}

// testDestination makes one real exchange with what is typed; nothing is saved.
func (h *Handlers) testDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	e.TestAsked = true
	if err := both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err != nil {
		return h.destinationSaved(c, e, err, "")
	}
	event, err := h.chosenEvent(c, e)
	if err != nil {
		return err
	}
	if err := h.o.Jobs.MayAct(c.Request().Context(), h.Actor(c).Rights, e.connection.ID); err != nil {
		return err
	}
	a, err := h.o.Jobs.Test(c.Request().Context(), e.draft, event)
	if err != nil {
		return err
	}
	e.Test = &a
	e.TestNote = a.UserMessage
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) showSigningSecret(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	x, err := h.o.Jobs.Signing(c.Request().Context(), e.saved.ID)
	if err != nil {
		return err
	}
	bits := web.Bits{Title: h.T(c, "Signing secret of {name}", "name", e.saved.Name), Section: "connections",
		Crumbs: destinationCrumbs(e.connection, named(e.saved.Name, href.Destination(e.saved.ID)), ui.Crumb{Label: "Signing secret"})}
	return h.Page(c, bits, views.SigningSecret(signingProps(e.saved, x, h.Now())))
}

func (h *Handlers) toggleDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	d := e.saved
	d.Enabled = switchedOn(c)
	if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateDestination(&d) }); err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	return h.switched(c, href.Destination(d.ID), d.Name, d.Enabled, len(actionsOf(around, d)))
}

// tryDestination sends one message to a destination that is left alone since it fails.
func (h *Handlers) tryDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	url := href.Destination(e.saved.ID)
	x, over, err := h.o.Jobs.TryNow(c.Request().Context(), h.Actor(c), e.saved.ID)
	switch {
	case err != nil:
		return h.notNow(c, url, err)
	case !over:
		return h.Done(c, url, "One message is on its way; what comes of it shows here.")
	case x.Breaker == model.BreakerOpen:
		h.Flash(c, ui.Warn, h.T(c, "It failed again, and the pause is as long as it was. {error}", "error", x.LastError))
		return web.Redirect(c, url)
	}
	return h.Done(c, url, "It works again. What waits goes out, few at a time at first.")
}

// dropHeld cancels what is held for a destination that is off, and switches it on when that was asked for.
func (h *Handlers) dropHeld(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	n, err := h.o.Jobs.DropHeld(c.Request().Context(), h.Actor(c), e.saved.ID)
	if err != nil {
		return err
	}
	words := h.T(c, "{deliveries} dropped.", "deliveries", ui.Many(h.Reader(c), int(n), "delivery"))
	if d := e.saved; switchedOn(c) {
		d.Enabled = true
		if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateDestination(&d) }); err != nil {
			return err
		}
		words += " " + h.T(c, "{name} is on.", "name", d.Name)
	}
	return h.Done(c, href.Destination(e.saved.ID), words)
}

func (h *Handlers) destinationDeletion(c echo.Context, e *editor) deletion {
	d := e.saved
	return deletion{section: "connections", above: destinationCrumbs(e.connection), drop: func(tx *db.Tx, force bool) error { return tx.DeleteDestination(d.ID, force) },
		needs: func(p *views.DeleteProps) error {
			around, err := h.Store.Routing(c.Request().Context())
			if err != nil {
				return err
			}
			return h.destinationNeeds(c, d.ID, actionsOf(around, d), p)
		},
		DeleteProps: views.DeleteProps{Noun: "destination", Name: d.Name, Action: href.DeleteDestination(d.ID), Cancel: href.Destination(d.ID),
			OpenURL: href.DeliveriesOfDestination(d.ID), Force: true, Consequence: "No action sends to it. This cannot be undone."}}
}

// destinationNeeds adds what goes with a destination: users are the actions that send to it.
func (h *Handlers) destinationNeeds(c echo.Context, id model.DestID, users []model.Action, p *views.DeleteProps) (err error) {
	p.Needs = actionNeeds(users)
	if p.Stay, err = h.alertNeeds(c, id); err != nil {
		return err
	}
	p.Open, err = h.open(c.Request().Context(), id)
	return err
}

// alertNeeds are the alert rules that tell any of these destinations.
func (h *Handlers) alertNeeds(c echo.Context, destinations ...model.DestID) (out []views.Need, err error) {
	rules, err := h.Store.EveryAlertRule(c.Request().Context())
	for _, r := range rules {
		if r.DestinationID == "" || !slices.Contains(destinations, r.DestinationID) {
			continue
		}
		n := views.Need{Kind: "Alert rule", Name: r.Name}
		if h.may(c, model.Settings.View()) {
			n.URL = href.AlertRule(r.ID)
		}
		out = append(out, n)
	}
	return out, err
}
