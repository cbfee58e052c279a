package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) stepRoutes() []web.Route {
	view, manage, id := model.Workflows.View(), model.Workflows.Manage(), href.Pattern
	return []web.Route{
		web.Get(view, href.TriggerOf(id), h.showTrigger),
		web.Post(manage, href.TriggerOf(id), h.updateTrigger),
		web.Get(manage, href.NewStep(id), h.newStep),
		web.Post(manage, href.WorkflowSteps(id), h.createStep),
		web.Get(view, href.WorkflowStep(id, ":key"), h.showStep),
		web.Post(manage, href.WorkflowStep(id, ":key"), h.updateStep),
		web.Post(manage, href.TestStep(id, ":key"), h.testStep),
		web.Get(manage, href.DeleteStep(id, ":key"), h.askDeleteStep),
		web.Post(manage, href.DeleteStep(id, ":key"), h.deleteStep),
		web.Post(manage, href.CopyStep(id, ":key"), h.copyStep),
		web.Post(manage, href.MoveStep(id, ":key"), h.moveStep),
		web.Get(manage, href.NewWebhook(id, ":key"), h.newWebhook),
		web.Post(manage, href.NewWebhook(id, ":key"), h.saveWebhook),
		web.Get(view, href.StepWebhook(id, ":key", ":webhook"), h.showWebhook),
		web.Post(manage, href.StepWebhook(id, ":key", ":webhook"), h.saveWebhook),
		web.Post(manage, href.DeleteWebhook(id, ":key", ":webhook"), h.deleteWebhook),
	}
}

// stepAt finds the step that a page is about, and its place.
func (h *Handlers) stepAt(c echo.Context) (w model.Workflow, at int, err error) {
	if w, err = h.workflow(c); err != nil {
		return w, 0, err
	}
	at = slices.IndexFunc(w.Draft.Steps, func(s model.Step) bool { return s.Key == c.Param("key") })
	if at < 0 {
		return w, 0, fault.Absent("step in the draft of this workflow")
	}
	w.Draft = copyOf(w.Draft)
	return w, at, nil
}

func stepBits(status int, w model.Workflow, name string) web.Bits {
	return web.Bits{Status: status, Title: name + " · " + w.Name, Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(w.Name, href.Workflow(w.ID)), named(name, "")}}
}

func (h *Handlers) showStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	s := w.Draft.Steps[at]
	p := views.StepProps{Step: s, Form: views.NewStepForm(h.Reader(c), w, s, h.may(c, model.Credentials.View()))}
	return h.stepPage(c, http.StatusOK, w, p)
}

// stepPage shows the page of a step as it is typed in p.
func (h *Handlers) stepPage(c echo.Context, status int, w model.Workflow, p views.StepProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, p.Step.Key); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if p.Request, err = h.requestProps(c, p.Form.Request, p.Problems); err != nil {
		return err
	}
	p.Request.Input = false
	switch {
	case p.Step.Kind == model.StepOutgoing:
		if p.Integrations, _, err = h.Store.Integrations(ctx, db.IntegrationFilter{Published: true}, many); err != nil {
			return err
		}
		if h.may(c, model.Connections.View()) {
			around, err := h.Store.Routing(ctx)
			if err != nil {
				return err
			}
			p.Destinations = choices(around)
		}
	case p.Step.Kind.Human():
		if p.People, err = h.people(c); err != nil {
			return err
		}
	}
	if p.Sample == "" {
		p.Sample = h.sampleData(c, w)
	}
	return h.Page(c, stepBits(status, w, p.Step.Name), views.Step(p))
}

// people are those that can be named as assignees: roles, and the emails of active users.
func (h *Handlers) people(c echo.Context) ([]string, error) {
	users, _, err := h.Store.Users(c.Request().Context(), "", many)
	var out []string
	for _, r := range model.BuiltinRoles() {
		out = append(out, "role:"+r.Name)
	}
	for _, u := range users {
		for _, r := range u.Roles {
			if !slices.Contains(out, "role:"+r) {
				out = append(out, "role:"+r)
			}
		}
		if !u.Disabled {
			out = append(out, u.Email)
		}
	}
	return out, err
}

// sampleData is what a run of w could begin with: the newest event that fits, else its form filled in, else an example.
func (h *Handlers) sampleData(c echo.Context, w model.Workflow) string {
	ctx, t := c.Request().Context(), w.Draft.Trigger
	if t.Kind == model.TriggerEvent && !strings.Contains(t.Event, "*") && h.may(c, model.Events.View()) {
		if list, _, err := h.Store.Events(ctx, db.EventFilter{Name: t.Event}, db.Page{Limit: 1}); err == nil && len(list) == 1 {
			if e, err := h.Store.Event(ctx, list[0].ID); err == nil && e.Data != nil {
				return indented(e.Data)
			}
		}
	}
	return views.SampleOf(t.Fields)
}

// requestProps are the fields of a request with what can be picked.
func (h *Handlers) requestProps(c echo.Context, f views.RequestForm, bad views.Problems) (views.RequestProps, error) {
	p := views.RequestProps{Form: f, Problems: bad, CanDefine: h.may(c, model.Events.Manage()), Input: true}
	var err error
	if h.may(c, model.Events.View()) {
		if p.Events, err = h.eventNames(c); err != nil {
			return p, err
		}
	}
	p.Auth = views.ChooseCredentialProps{Legend: "Authentication", NoneLabel: "No authentication", NoneHint: texts.ID("Nothing proves who sends it."), Choice: f.Auth, Problems: views.Problems{Fields: map[string]string{}}}
	for name, words := range bad.Fields {
		p.Auth.Problems.Fields[strings.TrimPrefix(name, "request.")] = words
	}
	if err := h.credentialChoices(c, &p.Auth, false); err != nil {
		return p, err
	}
	return p, nil
}

// eventNames are those that are defined, and those that were seen.
func (h *Handlers) eventNames(c echo.Context) ([]string, error) {
	defined, err := h.Store.DefinedEventNames(c.Request().Context())
	if err != nil {
		return nil, err
	}
	seen, err := h.Store.EventNames(c.Request().Context())
	out := append(defined, seen...)
	slices.Sort(out)
	return slices.Compact(out), err
}

func (h *Handlers) updateStep(c echo.Context) error {
	t, err := h.readStep(c)
	if t == nil {
		return err
	}
	old, oldErr := h.workflow(c)
	if oldErr != nil {
		return oldErr
	}
	s := old.Draft.Steps[t.at]
	if t.input.Get("more") != "" {
		p, _, _ := h.wrong(c, err, "")
		return h.stepPage(c, http.StatusOK, old, views.StepProps{Step: s, Form: t.form, Problems: views.Problems{Fields: p.Fields}})
	}
	err = both(err, stepProblems(h.o.Jobs.CheckWorkflow(&t.w, false), t.at))
	if err == nil {
		err = stepProblems(h.writeStep(c, t), t.at)
	}
	clash := h.draftCollision(old, "step", "steps."+s.Key, s, t.w.Draft.Steps[t.at], wholePart)
	if p, status, ok := h.wrongOver(c, err, href.WorkflowStep(old.ID, s.Key), &t.form.Version, clash); ok {
		return h.stepPage(c, status, old, views.StepProps{Step: s, Form: t.form, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(t.w.ID, t.w.Draft.Steps[t.at].Key), h.T(c, "{name} is saved.", "name", t.w.Draft.Steps[t.at].Name))
}

// writeStep stores the draft with the credential and the event definition that were made with it.
func (h *Handlers) writeStep(c echo.Context, t *stepTyped) error {
	define := ""
	if r := t.w.Draft.Steps[t.at].Request; r != nil && t.input.Get("define_event") == "true" && h.may(c, model.Events.Manage()) {
		define = r.Event
	}
	return h.write(c, func(tx *db.Tx) error {
		w := t.w
		w.Draft = copyOf(t.w.Draft)
		if t.made.made != nil {
			id, err := t.made.store(tx)
			if err != nil {
				return err
			}
			w.Draft.Steps[t.at].Request.CredentialID = id
		}
		if err := defineEvent(tx, define); err != nil {
			return err
		}
		return tx.UpdateWorkflow(&w)
	})
}

// defineEvent makes a definition for events of that name unless there is one.
func defineEvent(tx *db.Tx, name string) error {
	if name == "" {
		return nil
	}
	err := tx.CreateEventDefinition(&model.EventDefinition{Name: name, Description: "The answer to a request of a workflow."})
	if f := fault.Of(err); f != nil && f.Code == "duplicate_name" {
		return nil
	}
	return err
}

// testStep makes one real exchange with the request as it is typed; nothing is saved.
func (h *Handlers) testStep(c echo.Context) error {
	t, err := h.readStep(c)
	if t == nil {
		return err
	}
	old, oldErr := h.workflow(c)
	if oldErr != nil {
		return oldErr
	}
	p := views.StepProps{Step: old.Draft.Steps[t.at], Form: t.form, TestAsked: true, Sample: strings.ReplaceAll(t.input.Get("sample"), "\r\n", "\n")}
	data, _, bad := readJSON(p.Sample)
	err = both(err, both(stepProblems(h.o.Jobs.CheckWorkflow(&t.w, false), t.at), atField("sample", bad)))
	if err == nil && t.made.made != nil {
		var own fault.Check
		own.Add("auth", "Save the step first: a test uses stored credentials.")
		err = own.Err()
	}
	if err == nil {
		var a model.Attempt
		if a, err = h.o.Jobs.TestStep(c.Request().Context(), t.w, t.w.Draft.Steps[t.at].Key, data); err == nil {
			p.Test = &a
			return h.stepPage(c, http.StatusOK, old, p)
		}
	}
	problems, status, ok := h.wrong(c, err, "")
	if !ok {
		return err
	}
	p.Problems = problems
	return h.stepPage(c, status, old, p)
}
