package handlers

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) audienceRunRoutes() []web.Route {
	return []web.Route{
		web.Post(model.RunWorkflows, href.StartAudience(href.Pattern), h.startAudience),
		web.Post(model.RunWorkflows, href.StopAudienceRun(href.Pattern), h.stopAudience),
	}
}

// overAudience is what was started over an audience, and the form that starts more; nil where there is nothing.
func (h *Handlers) overAudience(c echo.Context, a model.Audience, start views.AudienceStartProps) (runs, form templ.Component, err error) {
	ctx, may := c.Request().Context(), h.may(c, model.RunWorkflows)
	list, _, err := h.Store.AudienceRuns(ctx, db.AudienceRunFilter{AudienceID: a.ID}, db.Page{Limit: 10})
	if err != nil {
		return nil, nil, err
	}
	if len(list) > 0 {
		runs = views.AudienceRuns(views.AudienceRunsProps{Audience: a, Items: list, CanRun: may, Now: h.Now()})
	}
	if !may || a.Count == 0 {
		return runs, nil, nil
	}
	all, _, err := h.Store.Workflows(ctx, db.WorkflowFilter{}, many)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range all {
		t := w.Draft.Trigger
		if w.Published > 0 && w.Enabled && t.Kind == model.TriggerAudience && (t.AudienceID == "" || model.AudienceID(t.AudienceID) == a.ID) {
			start.Workflows = append(start.Workflows, w)
		}
	}
	start.Audience = a
	return runs, views.AudienceStart(start), nil
}

func (h *Handlers) startAudience(c echo.Context) error {
	a, err := h.audience(c)
	if err != nil {
		return err
	}
	var bad fault.Check
	rate := number(&bad, "rate", typed(c, "rate"))
	var x model.AudienceRun
	if err = bad.Err(); err == nil {
		x, err = h.o.Jobs.StartAudience(c.Request().Context(), h.Actor(c), a.ID, model.WorkflowID(typed(c, "workflow_id")), rate)
	}
	if p, _, ok := h.wrong(c, err, ""); ok {
		return h.audiencePage(c, http.StatusUnprocessableEntity, a, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Audience(a.ID), h.T(c, "{workflow} is being started for {records}.", "workflow", x.Workflow, "records", ui.Many(h.Reader(c), x.Total, "record")))
}

func (h *Handlers) stopAudience(c echo.Context) error {
	x, err := h.o.Jobs.StopAudience(c.Request().Context(), h.Actor(c), web.ID[model.AudienceRunID](c))
	if f := h.Said(c, err); f != nil && f.Kind == fault.Conflict {
		h.Flash(c, ui.Warn, f.Message)
		return web.Redirect(c, href.Audience(x.AudienceID))
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Audience(x.AudienceID), h.T(c, "No more runs are started; {n} have begun and go on.", "n", ui.Number(h.Reader(c), x.Next)))
}
