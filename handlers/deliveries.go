package handlers

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) deliveryRoutes() []web.Route {
	view, manage := model.Deliveries.View(), model.Deliveries.Manage()
	return append(h.replayRoutes(),
		web.Get(view, href.Deliveries(), h.listDeliveries),
		web.Get(view, href.Delivery(href.Pattern), h.showDelivery),
		web.Post(manage, href.RetryDelivery(href.Pattern), h.retryDelivery),
		web.Post(manage, href.CancelDelivery(href.Pattern), h.cancelDelivery),
	)
}

var deliveriesCrumb = crumb("Deliveries", href.Deliveries())

func (h *Handlers) listDeliveries(c echo.Context) error {
	ctx, id := c.Request().Context(), strings.TrimSpace(c.QueryParam("event_id"))
	if strings.HasPrefix(id, "dlv_") {
		return web.Redirect(c, href.Delivery(id))
	}
	p := views.DeliveriesProps{Event: strings.TrimSpace(c.QueryParam("event")), Status: model.Status(c.QueryParam("status")), EventID: id, Destination: model.DestID(c.QueryParam("destination_id")),
		Run: model.RunID(c.QueryParam("run_id")), Lane: c.QueryParam("lane"), Interrupted: c.QueryParam("interrupted") == "true", From: moment(c.QueryParam("from")), To: moment(c.QueryParam("to")), Cursor: c.QueryParam("cursor")}
	if !slices.Contains(model.Statuses(), p.Status) {
		p.Status = ""
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	filter := db.DeliveryFilter{EventID: model.EventID(id), Event: p.Event, DestinationID: p.Destination, RunID: p.Run, Status: p.Status, Lane: model.Lane(p.Lane), Interrupted: p.Interrupted, From: p.From, To: p.To}
	var next string
	if p.List, next, err = h.deliveries(c, around, filter, db.Page{Cursor: p.Cursor}); err != nil {
		return err
	}
	if p.Event == "" { // what no index counts is not counted
		if p.Counts, err = h.Store.Tally(ctx, filter, h.o.Jobs.Sending()); err != nil {
			return err
		}
	}
	if p.Activity, err = h.activity(c, p.Destination, p.Page()); err != nil {
		return err
	}
	p.Destinations, p.CanReplay = choices(around), h.may(c, model.Deliveries.Manage())
	p.List.Selectable = p.CanReplay
	if p.Saved, err = h.savedFilters(c); err != nil {
		return err
	}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Deliveries", Section: "deliveries"}, views.Deliveries(p))
}

// moment is a time in a URL; zero for none, and for what is not one.
func moment(text string) time.Time {
	t, _ := model.ParseTime(text)
	return t
}

// deliveries reads a list; what is just being sent only the dispatcher knows, and what that changed from the status that is asked
// for is left out.
func (h *Handlers) deliveries(c echo.Context, around db.Routing, f db.DeliveryFilter, page db.Page) (l views.DeliveryList, next string, err error) {
	ctx, want := c.Request().Context(), f.Status
	if f.Status == model.Sending {
		f.Status, f.IDs = "", append([]model.DeliveryID{}, h.o.Jobs.Sending()...)
	}
	l.Planned, l.Now = planned(around), h.Now()
	if l.Items, next, err = h.Store.Deliveries(ctx, f, page); err != nil {
		return l, "", err
	}
	for i := range l.Items {
		h.o.Jobs.Now(&l.Items[i])
	}
	l.Items = slices.DeleteFunc(l.Items, func(d model.Delivery) bool { return want != "" && d.Status != want })
	ids := make([]model.DeliveryID, len(l.Items))
	for i, d := range l.Items {
		ids[i] = d.ID
	}
	if err := h.Store.NameSteps(ctx, l.Items); err != nil {
		return l, "", err
	}
	l.Tries, err = h.Store.Tries(ctx, ids)
	return l, next, err
}

// planned is how many attempts the schedule of each destination has.
func planned(around db.Routing) map[model.DestID]int {
	out := make(map[model.DestID]int, len(around.Destinations))
	for id, d := range around.Destinations {
		out[id] = len(d.Schedule(around.Connections[d.ConnectionID]))
	}
	return out
}

func (h *Handlers) showDelivery(c echo.Context) error {
	ctx := c.Request().Context()
	d, err := h.Store.Delivery(ctx, web.ID[model.DeliveryID](c))
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	one := []model.Delivery{d}
	if err := h.Store.NameSteps(ctx, one); err != nil {
		return err
	}
	d = one[0]
	h.o.Jobs.Now(&d)
	p := views.DeliveryProps{Delivery: d, Planned: planned(around)[d.DestinationID], CanManage: h.may(c, model.Deliveries.Manage()),
		SeeSetup: h.may(c, model.Connections.View()), SeeRun: h.may(c, model.Workflows.View()), SeeEvent: h.may(c, model.Events.View()), SeeNetwork: h.may(c, model.Settings.View()), Now: h.Now()}
	if p.Rate = around.Destinations[d.DestinationID].Rate; d.WaitingFor == jobs.WaitsRate && p.Rate > 0 {
		n, err := h.o.Jobs.WaitFor(ctx, d.TargetID)
		if err != nil {
			return err
		}
		p.Others = max(0, n-1)
	}
	for _, a := range around.Actions {
		if a.ID == d.ActionID {
			p.Action = a.Name
		}
	}
	p.Off = h.o.Jobs.Off(d.TargetID) != nil
	if d.WaitingFor == "order" {
		if p.Ahead, p.AheadNext, err = h.Store.AheadOf(ctx, d); err != nil {
			return err
		}
	}
	if p.Attempts, err = h.Store.Attempts(ctx, d.ID); err != nil {
		return err
	}
	if f, is, err := h.o.Jobs.Following(ctx, d); err != nil {
		return err
	} else if is {
		p.Follow = &f
	}
	return h.Page(c, web.Bits{Title: h.T(c, "Delivery of {event}", "event", views.DeliveryName(ctx, d)), Section: "deliveries", Crumbs: under(deliveriesCrumb, string(d.ID))}, views.Delivery(p))
}

func (h *Handlers) retryDelivery(c echo.Context) error {
	id := web.ID[model.DeliveryID](c)
	url := href.Delivery(id)
	if back := c.QueryParam("back"); back != "" {
		url = web.SafeNext(back)
	}
	d, err := h.o.Jobs.Retry(c.Request().Context(), h.Actor(c), id)
	if err != nil {
		return h.notNow(c, url, err)
	}
	words := h.T(c, "It goes out again, with the same id.")
	if d.Batched() {
		words = h.T(c, "Its whole message goes out again, with the same id.")
	}
	if d.Seq > 0 {
		words += " It does not wait for its turn: that breaks the order of its subject."
	}
	return h.Done(c, url, words)
}

// notNow says that something does not go together with how things are now, where that is to be seen.
func (h *Handlers) notNow(c echo.Context, url string, err error) error {
	if f := h.Said(c, err); f != nil && f.Kind == fault.Conflict {
		h.Flash(c, ui.Warn, f.Message)
		return web.Redirect(c, url)
	}
	return err
}

func (h *Handlers) cancelDelivery(c echo.Context) error {
	id := web.ID[model.DeliveryID](c)
	d, err := h.o.Jobs.Cancel(c.Request().Context(), h.Actor(c), id)
	if err != nil {
		return h.notNow(c, href.Delivery(id), err)
	}
	return h.Done(c, href.Delivery(d.ID), "The delivery is cancelled.")
}
