package handlers

import (
	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) activityRoutes() []web.Route {
	return []web.Route{
		web.Get(model.Connections.View(), href.DestinationActivity(href.Pattern), h.showDestinationActivity),
		web.Get(model.Connections.View(), href.ConnectionActivity(href.Pattern), h.showConnectionActivity),
	}
}

// activity is what went to one destination, or to all (""), over the span that the address names.
func (h *Handlers) activity(c echo.Context, destination model.DestID, base string) (p views.ActivityProps, err error) {
	ctx := c.Request().Context()
	p.Destination, p.Base, p.Now = destination, base, h.Now()
	if p.Series, err = h.Store.Series(ctx, []model.DestID{destination}, p.Now, model.SpanOf(c.QueryParam("span"))); err != nil {
		return p, err
	}
	if p.Open, err = h.o.Jobs.Open(ctx, model.TargetID(destination)); err != nil {
		return p, err
	}
	if p.Failed, err = h.Store.FailedNow(ctx, destination, p.Series.All.At); err != nil {
		return p, err
	}
	p.Waits, err = h.o.Jobs.Waits(ctx, destination)
	return p, err
}

func (h *Handlers) showDestinationActivity(c echo.Context) error {
	if err := h.want(c, model.Deliveries.View()); err != nil {
		return err
	}
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p := views.ActivityPageProps{Connection: h.connectionItem(h.Reader(c), e.connection, around), Destination: e.saved, Health: h.o.Jobs.Health(e.saved.Target())}
	if p.Activity, err = h.activity(c, e.saved.ID, href.DestinationActivity(e.saved.ID)); err != nil {
		return err
	}
	p.Activity.Detailed = true
	crumbs := destinationCrumbs(e.connection, named(e.saved.Name, href.Destination(e.saved.ID)), ui.Crumb{Label: "Activity"})
	return h.Page(c, web.Bits{Title: h.T(c, "Activity of {name}", "name", e.saved.Name), Section: "connections", Crumbs: crumbs}, views.ActivityPage(p))
}

func (h *Handlers) showConnectionActivity(c echo.Context) error {
	if err := h.want(c, model.Deliveries.View()); err != nil {
		return err
	}
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	head, err := h.connectionHead(c, x, around)
	if err != nil {
		return err
	}
	p := views.ActivityPageProps{Connection: head}
	p.Connection.SeeActivity = true
	if err := h.connectionActivity(c, &p, destinationsOf(around, x.ID)); err != nil {
		return err
	}
	crumbs := []ui.Crumb{connectionsCrumb, named(x.Name, href.Connection(x.ID)), {Label: "Activity"}}
	return h.Page(c, web.Bits{Title: h.T(c, "Activity of {name}", "name", x.Name), Section: "connections", Crumbs: crumbs}, views.ActivityPage(p))
}

// connectionActivity is what went to all destinations of a connection, and to each.
func (h *Handlers) connectionActivity(c echo.Context, p *views.ActivityPageProps, of []model.Destination) (err error) {
	ctx, span := c.Request().Context(), model.SpanOf(c.QueryParam("span"))
	a := &p.Activity
	a.Base, a.Now, a.Detailed, a.Scoped = href.ConnectionActivity(p.Connection.ID), h.Now(), true, true
	ids := make([]model.DestID, len(of))
	for i, d := range of {
		ids[i] = d.ID
		w, err := h.o.Jobs.Waits(ctx, d.ID)
		if err != nil {
			return err
		}
		f, err := h.Store.FailedNow(ctx, d.ID, span.Since(a.Now))
		if err != nil {
			return err
		}
		a.Failed.Add(f)
		a.Waits.N, a.Waits.More, a.Waits.Paused = a.Waits.N+w.N, a.Waits.More || w.More, a.Waits.Paused+w.Paused
		if !w.Next.IsZero() && (a.Waits.Next.IsZero() || w.Next.Before(a.Waits.Next)) {
			a.Waits.Next = w.Next
		}
		open, err := h.o.Jobs.Open(ctx, d.Target())
		if err != nil {
			return err
		}
		a.Open.Add(open)
		one, err := h.Store.Series(ctx, ids[i:i+1], a.Now, span)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, views.ActivityRow{Destination: d, All: one.All, Failed: f, Open: open})
	}
	a.Series, err = h.Store.Series(ctx, ids, a.Now, span)
	return err
}

// want refuses who lacks a right that a page needs beside the one of its route.
func (h *Handlers) want(c echo.Context, right model.Right) error {
	if !h.may(c, right) {
		return fault.Missing(string(right))
	}
	return nil
}
