package handlers

import (
	"net/http"
	"slices"
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

// endpointItem is the endpoint of the route with what stands around it.
func (h *Handlers) endpointItem(c echo.Context) (views.InboundItem, error) {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return views.InboundItem{}, err
	}
	return h.inboundItem(c, e)
}

func inboundCrumbs(e views.InboundItem, last string) []ui.Crumb {
	return []ui.Crumb{inboundCrumb, named(e.Name, href.InboundEndpoint(e.ID)), {Label: last}}
}

func waiting(e model.InboundEndpoint, now time.Time) bool { return now.Before(e.SampleUntil) }

func (h *Handlers) listInboundCalls(c echo.Context) error {
	h.o.Jobs.WriteNoted() // so that the counts and the list say the same
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	state := model.CallState(c.QueryParam("status"))
	calls, next, err := h.Store.InboundCalls(c.Request().Context(), item.ID, db.CallFilter{State: state}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	p := views.InboundCallsProps{Item: item, Calls: calls, State: state, CanEdit: h.may(c, model.Inbound.Manage()), Waiting: waiting(item.InboundEndpoint, h.Now()), Now: h.Now(),
		Page: href.With(href.InboundCalls(item.ID), "status", string(state), "cursor", c.QueryParam("cursor"))}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: h.T(c, "Calls of {name}", "name", item.Name), Section: "inbound", Crumbs: inboundCrumbs(item, "Calls")}, views.InboundCalls(p))
}

func (h *Handlers) sampleInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	on := switchedOn(c)
	err = h.write(c, func(tx *db.Tx) error {
		if !on {
			return tx.AwaitSample(e.ID, time.Time{})
		}
		return tx.AwaitSample(e.ID, tx.Now().Add(jobs.SampleWait))
	})
	if err != nil {
		return err
	}
	if !on {
		return h.Done(c, href.InboundCalls(e.ID), "Calls are acted upon again.")
	}
	return h.Done(c, href.InboundCalls(e.ID), "The next call is taken as a sample. It shows here when it comes.")
}

func (h *Handlers) showInboundCall(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	out, err := h.o.Jobs.CallOutcome(c.Request().Context(), item.ID, model.ReceiptID(c.Param("receipt")))
	if err != nil {
		return err
	}
	p := views.InboundCallProps{Item: item, Call: out.Call, CanEdit: h.may(c, model.Inbound.Manage()), Now: h.Now()}
	if h.may(c, model.Events.View()) {
		for _, e := range out.Events {
			p.Events = append(p.Events, model.Event{ID: e.ID, Name: e.Name})
		}
	}
	if h.may(c, model.Deliveries.View()) {
		p.Deliveries = out.Deliveries
	}
	if h.may(c, model.Workflows.View()) {
		p.Runs = out.Runs
	}
	bits := web.Bits{Title: "Call", Section: "inbound", Crumbs: []ui.Crumb{inboundCrumb, named(item.Name, href.InboundEndpoint(item.ID)), crumb("Calls", href.InboundCalls(item.ID)), {Label: "Call"}}}
	return h.Page(c, bits, views.InboundCall(p))
}

func (h *Handlers) replayInboundCall(c echo.Context) error {
	id := web.ID[model.InboundID](c)
	call, err := h.o.Jobs.ReplayCall(c.Request().Context(), h.Actor(c), id, model.ReceiptID(c.Param("receipt")))
	if words, yes := h.inTheWay(c, err); yes {
		h.Flash(c, ui.Bad, words)
		return web.Redirect(c, href.InboundCallPage(id, c.Param("receipt")))
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.InboundCallPage(id, call.ID), "It was done again.")
}

// mappingCalls is how many calls there are to preview with.
const mappingCalls = 20

func (h *Handlers) showMapping(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	f := views.MappingForm{Version: item.Version, Event: item.Event, Subject: item.Subject, Mapping: item.Mapping, Call: c.QueryParam("call")}
	return h.mappingPage(c, http.StatusOK, item, f, views.Problems{})
}

func (h *Handlers) mappingPage(c echo.Context, status int, item views.InboundItem, f views.MappingForm, problems views.Problems) error {
	ctx := c.Request().Context()
	p := views.MappingProps{Item: item, Form: f, Problems: problems, CanEdit: h.may(c, model.Inbound.Manage()), Waiting: waiting(item.InboundEndpoint, h.Now()), Now: h.Now()}
	calls, _, err := h.Store.InboundCalls(ctx, item.ID, db.CallFilter{}, db.Page{Limit: 100})
	if err != nil {
		return err
	}
	for _, x := range calls {
		if x.Size > 0 && x.State != model.CallHandshake && x.State != model.CallDuplicate && len(p.Calls) < mappingCalls {
			p.Calls = append(p.Calls, x)
		}
	}
	if p.Form.Call == "" && len(p.Calls) > 0 && c.QueryParam("call") == "" && c.Request().Method != http.MethodPost {
		p.Form.Call = string(p.Calls[max(0, slices.IndexFunc(p.Calls, func(x model.InboundCall) bool { return x.State != model.CallRefused }))].ID)
	}
	if p.Input, p.Preview, err = h.mapped(c, item.InboundEndpoint, p.Form); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: h.T(c, "Mapping of {name}", "name", item.Name), Section: "inbound", Crumbs: inboundCrumbs(item, "Mapping")}, views.InboundMapping(p))
}

// mapped is the call that a form names, and what would come of it.
func (h *Handlers) mapped(c echo.Context, e model.InboundEndpoint, f views.MappingForm) (model.InboundCall, views.MappingPreview, error) {
	ctx, call := c.Request().Context(), jobs.SampleCall(h.Now())
	if f.Call != "" {
		x, err := h.Store.InboundCall(ctx, e.ID, model.ReceiptID(f.Call))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return call, views.MappingPreview{}, err
		}
		if err == nil {
			call = x
		}
	}
	e.Event, e.Subject, e.Mapping = f.Event, f.Subject, f.Mapping
	p, err := h.o.Jobs.PreviewInbound(ctx, e, call)
	out := views.MappingPreview{Problem: p.Problem, Line: p.Line, Column: p.Column}
	if p.Skipped {
		out.Skipped, out.Problem = p.Problem, ""
	}
	for _, i := range p.Items {
		out.Events = append(out.Events, model.Event{Name: i.Name, Subject: i.Subject, Data: i.Data})
	}
	return call, out, err
}

func (h *Handlers) previewMapping(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.MappingForm](c)
	if err != nil {
		return err
	}
	return h.mappingPage(c, http.StatusOK, item, f, views.Problems{})
}

func (h *Handlers) saveMapping(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.MappingForm](c)
	if err != nil {
		return err
	}
	e := item.InboundEndpoint
	e.Event, e.Subject, e.Mapping, e.Version = f.Event, f.Subject, f.Mapping, f.Version
	if err = h.o.Jobs.CheckInbound(&e, nil); err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateInbound(&e, nil) })
	}
	if p, status, ok := h.wrong(c, err, href.InboundEndpoint(item.ID)); ok {
		if p.Theirs != "" {
			f.Version = item.Version
		}
		return h.mappingPage(c, status, item, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.MapInbound(e.ID), "The mapping is saved; it is used from the next call on.")
}

// streamInbound tells a page that calls came.
func (h *Handlers) streamInbound(c echo.Context) error { return h.stream(c, h.o.Jobs.WatchInbound) }
