package handlers

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) integrationRoutes() []web.Route {
	view, manage, id := model.Workflows.View(), model.Workflows.Manage(), href.Pattern
	return []web.Route{
		web.Get(view, href.Integrations(), h.listIntegrations),
		web.Get(manage, href.NewIntegration(), h.newIntegration),
		web.Post(manage, href.Integrations(), h.createIntegration),
		web.Get(view, href.Integration(id), h.showIntegration),
		web.Post(manage, href.Integration(id), h.updateIntegration),
		web.Post(manage, href.PublishIntegration(id), h.publishIntegration),
		web.Get(manage, href.DeleteIntegration(id), h.askDeleteIntegration),
		web.Post(manage, href.DeleteIntegration(id), h.deleteIntegration),
	}
}

var integrationsCrumb = crumb("Integrations", href.Integrations())

func (h *Handlers) listIntegrations(c echo.Context) error {
	q := c.QueryParam("q")
	list, next, err := h.Store.Integrations(c.Request().Context(), db.IntegrationFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.IntegrationsProps{Items: list, Query: q, CanEdit: h.may(c, model.Workflows.Manage()), Now: h.Now()}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Integrations", Section: "integrations"}, views.Integrations(props))
}

func (h *Handlers) newIntegration(c echo.Context) error {
	f := views.IntegrationForm{Fields: views.NewFieldsForm(nil, model.InputTypes()),
		Request: views.NewRequestForm(model.Request{Method: "POST", ContentType: model.DefaultContentType}, true)}
	return h.integrationPage(c, http.StatusOK, views.IntegrationProps{Form: f})
}

func (h *Handlers) integrationPage(c echo.Context, status int, p views.IntegrationProps) (err error) {
	if p.Request, err = h.requestProps(c, p.Form.Request, p.Problems); err != nil {
		return err
	}
	p.CanEdit, p.Now = h.may(c, model.Workflows.Manage()), h.Now()
	bits := web.Bits{Status: status, Title: "New integration", Section: "integrations", Crumbs: under(integrationsCrumb, "New")}
	if p.Saved.ID != "" {
		if p.Delete, err = h.integrationDeletion(c, p.Saved); err != nil {
			return err
		}
		p.Uses = p.Delete.Needs
		bits.Title, bits.Crumbs = p.Saved.Name, under(integrationsCrumb, p.Saved.Name)
	}
	return h.Page(c, bits, views.Integration(p))
}

func (h *Handlers) integration(c echo.Context) (model.Integration, error) {
	return h.Store.Integration(c.Request().Context(), web.ID[model.IntegrationID](c))
}

func (h *Handlers) integrationForm(c echo.Context, n model.Integration) views.IntegrationForm {
	return views.IntegrationForm{Version: n.Version, Name: n.Name, Description: n.Description, Fields: views.NewFieldsForm(n.Draft.Fields, model.InputTypes()),
		Request: views.NewRequestForm(n.Draft.Request, h.may(c, model.Credentials.View()))}
}

func (h *Handlers) showIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	return h.integrationPage(c, http.StatusOK, views.IntegrationProps{Saved: n, Form: h.integrationForm(c, n)})
}

func (h *Handlers) createIntegration(c echo.Context) error {
	return h.saveIntegration(c, model.Integration{})
}

func (h *Handlers) updateIntegration(c echo.Context) error {
	old, err := h.integration(c)
	if err != nil {
		return err
	}
	return h.saveIntegration(c, old)
}

// saveIntegration stores the posted form over old, with the credential and the event definition that are made with it.
func (h *Handlers) saveIntegration(c echo.Context, old model.Integration) error {
	in, err := c.FormParams()
	if err != nil {
		return err
	}
	var bad fault.Check
	f := views.IntegrationForm{Name: in.Get("name"), Description: in.Get("description"), Fields: readFields(in, model.InputTypes())}
	f.Version, _ = strconv.ParseInt(in.Get("version"), 10, 64) // anything else is no version
	n := old
	var made chosen
	if f.Request, n.Draft.Request, made, err = h.requestTyped(c, in, old.Draft.Request.CredentialID, &bad); err != nil {
		return err
	}
	n.Version, n.Name, n.Description, n.Draft.Fields = f.Version, f.Name, f.Description, f.Fields.Fields()
	if in.Get("more") != "" {
		f.Fields.Blank = 2
		return h.integrationPage(c, http.StatusOK, views.IntegrationProps{Saved: old, Form: f})
	}
	err = both(bad.Err(), h.o.Jobs.CheckIntegration(&n, false))
	if err == nil {
		err = h.storeIntegration(c, &n, made, in.Get("define_event") == "true")
	}
	if p, status, ok := wrong(err, href.Integration(old.ID)); ok {
		if p.Theirs != "" {
			clash := collision{noun: "integration", id: string(old.ID), saw: f.Version, now: old.Version, diff: db.IntegrationDiff(old, n)}
			if err := h.conflict(c, &p, clash); err != nil {
				return err
			}
			f.Version = old.Version
		}
		return h.integrationPage(c, status, views.IntegrationProps{Saved: old, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Integration(n.ID), n.Name+" is saved. Steps use it as it is published.")
}

func (h *Handlers) storeIntegration(c echo.Context, n *model.Integration, made chosen, define bool) error {
	return h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error {
		if made.made != nil {
			id, err := made.store(tx)
			if err != nil {
				return err
			}
			n.Draft.Request.CredentialID = id
		}
		if define && h.may(c, model.Events.Manage()) {
			if err := defineEvent(tx, n.Draft.Request.Event); err != nil {
				return err
			}
		}
		if n.ID == "" {
			return tx.CreateIntegration(n)
		}
		return tx.UpdateIntegration(n)
	})
}

func (h *Handlers) publishIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(typed(c, "version"), 10, 64) // anything else is no version
	form := h.integrationForm(c, n)
	if err = h.o.Jobs.CheckIntegration(&n, true); err == nil {
		err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) (err error) {
			n, err = tx.PublishIntegration(n.ID, version)
			return err
		})
	}
	if p, status, ok := wrong(err, href.Integration(n.ID)); ok {
		return h.integrationPage(c, status, views.IntegrationProps{Saved: n, Form: form, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Integration(n.ID), n.Name+" is published.")
}

func (h *Handlers) integrationDeletion(c echo.Context, n model.Integration) (views.DeleteProps, error) {
	p := views.DeleteProps{Noun: "integration", Name: n.Name, Action: href.DeleteIntegration(n.ID), Cancel: href.Integration(n.ID),
		Consequence: "No workflow uses it. This cannot be undone."}
	users, err := h.Store.IntegrationUsage(c.Request().Context(), n.ID)
	for _, u := range users {
		p.Needs = append(p.Needs, useNeed(u))
	}
	return p, err
}

func (h *Handlers) askDeleteIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	return h.askIntegration(c, http.StatusOK, n, "")
}

func (h *Handlers) askIntegration(c echo.Context, status int, n model.Integration, conflict string) error {
	p, err := h.integrationDeletion(c, n)
	if err != nil {
		return err
	}
	p.Conflict = conflict
	bits := web.Bits{Status: status, Title: "Delete " + n.Name, Section: "integrations", Crumbs: []ui.Crumb{integrationsCrumb, crumb(n.Name, href.Integration(n.ID)), {Label: "Delete"}}}
	return h.Page(c, bits, views.Delete(p))
}

func (h *Handlers) deleteIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.DeleteIntegration(n.ID) })
	if words, yes := inTheWay(err); yes {
		return h.askIntegration(c, http.StatusConflict, n, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Integrations(), n.Name+" is deleted.")
}
