package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) tryRoutes() []web.Route {
	manage := model.Workflows.Manage()
	return []web.Route{
		web.Get(manage, href.TryWorkflow(href.Pattern), h.askTry),
		web.Post(manage, href.TryWorkflow(href.Pattern), h.tryWorkflow),
	}
}

func (h *Handlers) askTry(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	return h.tryPage(c, http.StatusOK, w, views.TryProps{Data: h.sampleData(c, w)})
}

func (h *Handlers) tryPage(c echo.Context, status int, w model.Workflow, p views.TryProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, ""); err != nil {
		return err
	}
	p.Picture = p.Graph
	if p.Run != nil {
		p.Picture = views.RunGraph(h.Reader(c), *p.Run, w.Draft)
	}
	bits := web.Bits{Status: status, Title: h.T(c, "Try {name}", "name", w.Name), Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(w.Name, href.Workflow(w.ID)), {Label: "Try it"}}}
	return h.Page(c, bits, views.Try(p))
}

// tryWorkflow passes the draft through with data; requests are sent only when that was asked for.
func (h *Handlers) tryWorkflow(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	p := views.TryProps{Data: strings.ReplaceAll(typed(c, "data"), "\r\n", "\n"), Send: typed(c, "send") == "true"}
	data, _, err := readJSON(p.Data)
	if problems, status, ok := h.wrong(c, err, ""); ok {
		p.Problems = problems
		return h.tryPage(c, status, w, p)
	}
	out, err := h.o.Jobs.Rehearse(c.Request().Context(), w, data, p.Send)
	if problems, status, ok := h.wrong(c, err, ""); ok {
		p.Problems = problems
		return h.tryPage(c, status, w, p)
	}
	if err != nil {
		return err
	}
	p.Run, p.Stuck, p.Vain = &out.Run, out.Stuck, map[model.StepRunID]string{}
	for id, w := range out.Vain {
		p.Vain[id] = views.Said(h.Reader(c), w)
	}
	return h.tryPage(c, http.StatusOK, w, p)
}
