package handlers

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) replayRoutes() []web.Route {
	view, manage := model.Deliveries.View(), model.Deliveries.Manage()
	return []web.Route{
		web.Get(manage, href.NewReplay(), h.newReplay),
		web.Post(manage, href.NewReplay(), h.createReplay),
		web.Get(view, href.Replays(), h.listReplays),
		web.Get(view, href.Replay(href.Pattern), h.showReplay),
		web.Post(manage, href.CancelReplay(href.Pattern), h.cancelReplay),
	}
}

var replaysCrumb = crumb("Replays", href.Replays())

// newReplay counts what the filter in the URL finds, before anything is made.
func (h *Handlers) newReplay(c echo.Context) error {
	f, err := readReplay(c.QueryParams())
	return h.replayForm(c, http.StatusOK, f, err)
}

// readReplay reads the filter of a replay from a query or a form.
func readReplay(q map[string][]string) (model.ReplayFilter, error) {
	first := func(name string) string {
		if len(q[name]) == 0 {
			return ""
		}
		return strings.TrimSpace(q[name][0])
	}
	var bad fault.Check
	f := model.ReplayFilter{DestinationID: model.DestID(first("destination_id")), EventID: model.EventID(first("event_id")), Status: model.Status(first("status")),
		Lane: model.Lane(first("lane")), Event: first("event"), From: typedTime(&bad, "from", first("from")), To: typedTime(&bad, "to", first("to"))}
	for _, id := range q["id"] {
		f.IDs = append(f.IDs, model.DeliveryID(id))
	}
	return f, bad.Err()
}

// typedTime reads a time of a URL (RFC 3339) or of a date and time field, which is meant as UTC.
func typedTime(bad *fault.Check, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	if t, wrong := model.ParseTime(text); wrong == nil {
		return t.UTC()
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	bad.Add(field, "A date and a time, such as 2030-01-31 12:00.")
	return time.Time{}
}

func (h *Handlers) replayForm(c echo.Context, status int, f model.ReplayFilter, problem error) error {
	ctx := c.Request().Context()
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	p := views.NewReplayProps{Filter: f, Destinations: choices(around), Blank: len(c.QueryParams()) == 0 && status == http.StatusOK}
	if p.Events, err = h.Store.EventNames(ctx); err != nil {
		return err
	}
	if problem == nil && !p.Blank {
		p.Estimate.Count = 0
		e, err := h.o.Jobs.EstimateReplay(ctx, f)
		if problem = err; err == nil {
			p.Estimate = views.ReplayEstimate{Count: e.Count, Exact: e.Exact, PassedOver: e.PassedOver, Took: time.Duration(e.Seconds) * time.Second}
			for _, x := range e.By {
				p.Estimate.By = append(p.Estimate.By, views.ReplayShare{DestinationChoice: views.DestinationChoice{ID: x.ID, Name: x.Name, Connection: x.Connection, Off: x.Off}, Count: x.Count})
			}
		}
	}
	if problem != nil {
		words, bad, ok := h.wrong(c, problem, "")
		if !ok {
			return problem
		}
		if p.Problems = words; status == http.StatusOK && c.Request().Method == http.MethodPost {
			status = bad
		}
	}
	return h.Page(c, web.Bits{Status: status, Title: "Replay deliveries", Section: "deliveries", Crumbs: under(deliveriesCrumb, "Replay")}, views.NewReplay(p))
}

func (h *Handlers) createReplay(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return &fault.Fault{Kind: fault.Malformed, Message: "The form could not be read.", Cause: err}
	}
	f, err := readReplay(form)
	var r model.Replay
	if err == nil {
		r, err = h.o.Jobs.StartReplay(c.Request().Context(), h.Actor(c), f)
	}
	var bad *fault.Fault
	if errors.As(err, &bad) && bad.Kind == fault.Invalid {
		return h.replayForm(c, http.StatusUnprocessableEntity, f, err)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Replay(r.ID), "The replay has begun.")
}

func (h *Handlers) listReplays(c echo.Context) error {
	list, next, err := h.Store.Replays(c.Request().Context(), db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p := views.ReplaysProps{Items: list, Destinations: choices(around), CanManage: h.may(c, model.Deliveries.Manage()), Now: h.Now()}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Replays", Section: "deliveries", Crumbs: under(deliveriesCrumb, "Replays")}, views.Replays(p))
}

func (h *Handlers) showReplay(c echo.Context) error {
	r, err := h.Store.Replay(c.Request().Context(), web.ID[model.ReplayID](c))
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p := views.ReplayProps{Replay: r, Destinations: choices(around), CanManage: h.may(c, model.Deliveries.Manage()), Now: h.Now()}
	if r.Open() > 0 {
		if p.Held, p.MoreHeld, err = h.Store.ReplayHeld(c.Request().Context(), r.ID); err != nil {
			return err
		}
	}
	return h.Page(c, web.Bits{Title: "Replay", Section: "deliveries", Crumbs: append(under(deliveriesCrumb, "")[:1], under(replaysCrumb, string(r.ID))...)}, views.Replay(p))
}

func (h *Handlers) cancelReplay(c echo.Context) error {
	r, err := h.o.Jobs.CancelReplay(c.Request().Context(), h.Actor(c), web.ID[model.ReplayID](c))
	if err != nil {
		return err
	}
	return h.Done(c, href.Replay(r.ID), "The replay is cancelled. What is not settled is being cancelled too.")
}
