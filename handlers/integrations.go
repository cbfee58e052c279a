package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	return append([]web.Route{
		web.Get(view, href.Integrations(), h.listIntegrations),
		web.Get(manage, href.NewIntegration(), h.newIntegration),
		web.Post(manage, href.Integrations(), h.createIntegration),
		web.Get(view, href.Integration(id), h.showIntegration),
		web.Post(manage, href.Integration(id), h.updateIntegration),
		web.Post(manage, href.TestIntegration(id), h.testIntegration),
		web.Get(manage, href.PublishIntegration(id), h.askPublishIntegration),
		web.Post(manage, href.PublishIntegration(id), h.publishIntegration),
	}, deletes(h, manage, href.DeleteIntegration(href.Pattern), h.integration, h.integrationDeletion)...)
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
	if p.Sample == "" {
		p.Sample = views.SampleOf(nil)
	}
	bits := web.Bits{Status: status, Title: "New integration", Section: "integrations", Crumbs: under(integrationsCrumb, "New")}
	if p.Saved.ID != "" {
		if p.Delete, err = h.integrationDeletion(c, p.Saved).question(); err != nil {
			return err
		}
		p.Uses = p.Delete.Needs
		bits.Title, bits.Crumbs = p.Saved.Name, underNamed(integrationsCrumb, p.Saved.Name)
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
	in, f, n, made, err := h.integrationTyped(c, old)
	if f == nil {
		return err
	}
	if in.Get("more") != "" {
		return h.integrationPage(c, http.StatusOK, views.IntegrationProps{Saved: old, Form: *f})
	}
	if err = both(err, h.o.Jobs.CheckIntegration(&n, false)); err == nil {
		err = h.storeIntegration(c, &n, made, in.Get("define_event") == "true")
	}
	clash := collision{noun: "integration", id: string(old.ID), now: old.Version, diff: db.IntegrationDiff(old, n)}
	if p, status, ok := h.wrongOver(c, err, href.Integration(old.ID), &f.Version, clash); ok {
		return h.integrationPage(c, status, views.IntegrationProps{Saved: old, Form: *f, Problems: p})
	}
	if err != nil {
		return err
	}
	words := h.T(c, "{name} is saved. Steps use it as it is published.", "name", n.Name)
	if old.ID == "" {
		words = h.T(c, "{name} is created. Steps can use it once it is published.", "name", n.Name)
	}
	return h.Done(c, href.Integration(n.ID), words)
}

// integrationTyped is old with what is typed, and the credential that is to be made with it. Without a form the request could
// not be read; with one, err is what is wrong in it.
func (h *Handlers) integrationTyped(c echo.Context, old model.Integration) (in url.Values, f *views.IntegrationForm, n model.Integration, made chosen, err error) {
	if in, err = c.FormParams(); err != nil {
		return in, nil, old, made, err
	}
	var bad fault.Check
	f = &views.IntegrationForm{Name: in.Get("name"), Description: in.Get("description"), Fields: readFields(in, model.InputTypes())}
	f.Version, _ = strconv.ParseInt(in.Get("version"), 10, 64) // anything else is no version
	n = old
	if f.Request, n.Draft.Request, made, err = h.requestTyped(c, in, old.Draft.Request.CredentialID, &bad); err != nil {
		return in, nil, old, made, err
	}
	n.Version, n.Name, n.Description, n.Draft.Fields = f.Version, f.Name, f.Description, f.Fields.Fields()
	return in, f, n, made, bad.Err()
}

// testIntegration makes one real exchange with the integration as it is typed; nothing is saved.
func (h *Handlers) testIntegration(c echo.Context) error {
	old, err := h.integration(c)
	if err != nil {
		return err
	}
	in, f, n, made, err := h.integrationTyped(c, old)
	if f == nil {
		return err
	}
	p := views.IntegrationProps{Saved: old, Form: *f, TestAsked: true, Sample: strings.ReplaceAll(in.Get("sample"), "\r\n", "\n"), Input: map[string]string{}}
	input := map[string]any{}
	for _, x := range n.Draft.Fields {
		if v := in.Get(views.InputName(x.Key)); in.Has(views.InputName(x.Key)) {
			p.Input[x.Key], input[x.Key] = v, v
		}
	}
	data, _, bad := readJSON(p.Sample)
	err = both(both(err, h.o.Jobs.CheckIntegration(&n, false)), atField("sample", bad))
	if err == nil && made.made != nil {
		var own fault.Check
		own.Add("auth", "Save the integration first: a test uses stored credentials.")
		err = own.Err()
	}
	if err == nil {
		var a model.Attempt
		if a, err = h.o.Jobs.TestIntegration(c.Request().Context(), n, input, data); err == nil {
			p.Test = &a
			return h.integrationPage(c, http.StatusOK, p)
		}
	}
	problems, status, ok := h.wrong(c, err, "")
	if !ok {
		return err
	}
	p.Problems = problems
	return h.integrationPage(c, status, p)
}

// atField gives what is wrong with one typed text the name of its field.
func atField(name string, err error) error {
	f := fault.Of(err)
	if f == nil || len(f.Fields) == 0 {
		return err
	}
	var own fault.Check
	own.Add(name, "%s", f.Fields[0].Words())
	return own.Err()
}

func (h *Handlers) storeIntegration(c echo.Context, n *model.Integration, made chosen, define bool) error {
	return h.write(c, func(tx *db.Tx) error {
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

func (h *Handlers) askPublishIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	return h.publishIntegrationPage(c, http.StatusOK, n, views.Problems{})
}

// publishIntegrationPage compares the draft with what is published.
func (h *Handlers) publishIntegrationPage(c echo.Context, status int, n model.Integration, p views.Problems) error {
	props := views.PublishIntegrationProps{Saved: n, Problems: p, Changes: views.IntegrationChanges(n)}
	whole := n
	if f := h.Said(c, h.o.Jobs.CheckIntegration(&whole, true)); f != nil && f.Kind == fault.Invalid {
		for _, x := range f.Fields {
			props.Troubles = append(props.Troubles, x.Message)
		}
	}
	d, err := h.integrationDeletion(c, n).question()
	if err != nil {
		return err
	}
	props.Uses = d.Needs
	bits := web.Bits{Status: status, Title: h.T(c, "Publish {name}", "name", n.Name), Section: "integrations", Crumbs: []ui.Crumb{integrationsCrumb, named(n.Name, href.Integration(n.ID)), {Label: "Publish"}}}
	return h.Page(c, bits, views.PublishIntegration(props))
}

func (h *Handlers) publishIntegration(c echo.Context) error {
	n, err := h.integration(c)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(typed(c, "version"), 10, 64) // anything else is no version
	draft := n
	if err = h.o.Jobs.CheckIntegration(&draft, true); err == nil {
		err = h.write(c, func(tx *db.Tx) (err error) {
			_, err = tx.PublishIntegration(n.ID, version)
			return err
		})
	}
	if p, status, ok := h.wrong(c, err, href.PublishIntegration(n.ID)); ok {
		if p.Theirs == "" {
			p.Fields = nil // they stand above as what is in the way
		}
		return h.publishIntegrationPage(c, status, n, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Integration(n.ID), h.T(c, "{name} is published.", "name", n.Name))
}

func (h *Handlers) integrationDeletion(c echo.Context, n model.Integration) deletion {
	return deletion{section: "integrations", above: []ui.Crumb{integrationsCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteIntegration(n.ID) },
		needs: func(p *views.DeleteProps) error {
			users, err := h.Store.IntegrationUsage(c.Request().Context(), n.ID)
			p.Needs = needsOf(users)
			return err
		},
		DeleteProps: views.DeleteProps{Noun: "integration", Name: n.Name, Action: href.DeleteIntegration(n.ID), Cancel: href.Integration(n.ID),
			Consequence: "No workflow uses it. This cannot be undone."}}
}
