package handlers

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) askPublish(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	return h.publishPage(c, http.StatusOK, w, views.PublishProps{})
}

func (h *Handlers) publishPage(c echo.Context, status int, w model.Workflow, p views.PublishProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, ""); err != nil {
		return err
	}
	if p.Open, err = h.goingOn(c.Request().Context(), w.ID); err != nil {
		return err
	}
	var before model.Definition
	if w.Published > 0 {
		v, err := h.Store.WorkflowVersion(c.Request().Context(), w.ID, w.Published)
		if err != nil {
			return err
		}
		before = v.Definition
	}
	p.Changes = views.Changes(h.Reader(c), before, w.Draft)
	bits := web.Bits{Status: status, Title: h.T(c, "Publish {name}", "name", w.Name), Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(w.Name, href.Workflow(w.ID)), {Label: "Publish"}}}
	return h.Page(c, bits, views.Publish(p))
}

func (h *Handlers) publishWorkflow(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.PublishForm](c)
	if err != nil {
		return err
	}
	v, err := h.o.Jobs.PublishWorkflow(c.Request().Context(), h.Actor(c), w.ID, f.Version, f.Note)
	if p, status, ok := h.wrong(c, err, href.Workflow(w.ID)); ok {
		if p.Theirs == "" {
			p.Fields = map[string]string{"note": p.Of("note"), "": cmp.Or(p.Of(""), h.T(c, "It is not complete yet."))}
		}
		return h.publishPage(c, status, w, views.PublishProps{Problems: p, Note: f.Note})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Workflow(w.ID), h.T(c, "Version {n} of {name} is published.", "n", itoa(v.Published), "name", w.Name))
}

func (h *Handlers) listVersions(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	list, err := h.Store.WorkflowVersions(c.Request().Context(), w.ID)
	if err != nil {
		return err
	}
	p, err := h.designer(c, w, "")
	if err != nil {
		return err
	}
	bits := web.Bits{Title: h.T(c, "Versions of {name}", "name", w.Name), Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(w.Name, href.Workflow(w.ID)), {Label: "Versions"}}}
	return h.Page(c, bits, views.Versions(views.VersionsProps{DesignerProps: p, Items: list}))
}

func (h *Handlers) version(c echo.Context, w model.Workflow) (model.WorkflowVersion, error) {
	n, err := strconv.ParseInt(c.Param("number"), 10, 64)
	if err != nil {
		return model.WorkflowVersion{}, fault.Absent("version of this workflow")
	}
	return h.Store.WorkflowVersion(c.Request().Context(), w.ID, n)
}

func (h *Handlers) showVersion(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	v, err := h.version(c, w)
	if err != nil {
		return err
	}
	p, err := h.designer(c, w, "")
	if err != nil {
		return err
	}
	name := h.T(c, "Version {n}", "n", strconv.FormatInt(v.Number, 10))
	props := views.VersionProps{DesignerProps: p, Version: v, Picture: views.Graph(h.Reader(c), h.T(c, "Steps of {name}", "name", name), v.Definition, func(string) string { return "" })}
	bits := web.Bits{Title: name + " · " + w.Name, Section: "workflows",
		Crumbs: []ui.Crumb{workflowsCrumb, named(w.Name, href.Workflow(w.ID)), crumb("Versions", href.WorkflowVersions(w.ID)), {Label: name}}}
	return h.Page(c, bits, views.Version(props))
}

// restoreVersion makes a published version the draft again. Webhooks that the draft no longer has come back as new ones.
func (h *Handlers) restoreVersion(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	v, err := h.version(c, w)
	if err != nil {
		return err
	}
	known := map[model.WebhookID]bool{}
	for _, s := range w.Draft.Steps {
		for _, x := range s.Webhooks {
			known[x.ID] = true
		}
	}
	w.Draft = copyOf(v.Definition)
	lost := 0
	for i := range w.Draft.Steps {
		for j := range w.Draft.Steps[i].Webhooks {
			x := &w.Draft.Steps[i].Webhooks[j]
			if known[x.ID] {
				continue
			}
			if x.ID = ""; x.Auth.Wants() != "" { // its secret went with it
				x.Auth, x.Enabled = model.Auth{Type: model.AuthNone}, false
				lost++
			}
		}
	}
	w.Version, _ = strconv.ParseInt(typed(c, "version"), 10, 64) // anything else overwrites, as without a version
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	if lost > 0 {
		h.Flash(c, ui.Warn, h.T(c, "{webhooks} came back without their secrets and switched off; type the secrets in again.", "webhooks", ui.Many(h.Reader(c), lost, "webhook")))
		return web.Redirect(c, href.Workflow(w.ID))
	}
	return h.Done(c, href.Workflow(w.ID), h.T(c, "The draft is version {n} again.", "n", strconv.FormatInt(v.Number, 10)))
}
