package handlers

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) workflowRoutes() []web.Route {
	view, manage, id := model.Workflows.View(), model.Workflows.Manage(), href.Pattern
	return append([]web.Route{
		web.Get(view, href.Workflows(), h.listWorkflows),
		web.Get(manage, href.NewWorkflow(), h.newWorkflow),
		web.Post(manage, href.Workflows(), h.createWorkflow),
		web.Get(view, href.Workflow(id), h.showWorkflow),
		web.Get(manage, href.EditWorkflow(id), h.editWorkflow),
		web.Post(manage, href.EditWorkflow(id), h.updateWorkflow),
		web.Post(manage, href.ToggleWorkflow(id), h.toggleWorkflow),
		web.Get(manage, href.PublishWorkflow(id), h.askPublish),
		web.Post(manage, href.PublishWorkflow(id), h.publishWorkflow),
		web.Get(view, href.WorkflowVersions(id), h.listVersions),
		web.Get(view, href.WorkflowVersion(id, ":number"), h.showVersion),
		web.Post(manage, href.RestoreVersion(id, ":number"), h.restoreVersion),
		web.Post(manage, href.EnableTarget(id, ":target"), h.enableTarget),
	}, deletes(h, manage, href.DeleteWorkflow(href.Pattern), h.workflow, h.workflowDeletion)...)
}

var workflowsCrumb = crumb("Workflows", href.Workflows())

func (h *Handlers) listWorkflows(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.Workflows(ctx, db.WorkflowFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.WorkflowsProps{Query: q, CanEdit: h.may(c, model.Workflows.Manage()), Now: h.Now()}
	for _, w := range list {
		item := views.WorkflowItem{Workflow: w}
		runs, _, err := h.Store.Runs(ctx, db.RunFilter{WorkflowID: w.ID}, db.Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			item.LastRun = &runs[0]
		}
		props.Items = append(props.Items, item)
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Workflows", Section: "workflows"}, views.Workflows(props))
}

func (h *Handlers) newWorkflow(c echo.Context) error {
	return h.workflowForm(c, http.StatusOK, views.NewWorkflowProps{Form: views.NewWorkflowForm{Template: "empty"}})
}

func (h *Handlers) workflowForm(c echo.Context, status int, p views.NewWorkflowProps) error {
	for _, t := range examples() {
		p.Templates = append(p.Templates, t.Template)
	}
	return h.Page(c, web.Bits{Status: status, Title: "New workflow", Section: "workflows", Crumbs: under(workflowsCrumb, "New")}, views.NewWorkflow(p))
}

func (h *Handlers) createWorkflow(c echo.Context) error {
	f, err := web.Bind[views.NewWorkflowForm](c)
	if err != nil {
		return err
	}
	w := model.Workflow{Name: f.Name, Description: f.Description, Enabled: true}
	for _, t := range examples() {
		if t.Key == f.Template {
			w.Draft = t.draft(h.Actor(c), h.myEmail(c))
		}
	}
	err = h.o.Jobs.CheckWorkflow(&w, false)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateWorkflow(&w, scheme.NewSigningSecret()) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.workflowForm(c, status, views.NewWorkflowProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Workflow(w.ID), h.T(c, "{name} is created. Nothing runs before you publish it.", "name", w.Name))
}

// myEmail is that of whoever asks, "" when it is not known.
func (h *Handlers) myEmail(c echo.Context) string {
	u, err := h.Store.User(c.Request().Context(), h.Actor(c).UserID)
	if err != nil {
		return ""
	}
	return u.Email
}

func (h *Handlers) workflow(c echo.Context) (model.Workflow, error) {
	return h.Store.Workflow(c.Request().Context(), web.ID[model.WorkflowID](c))
}

// stepURL leads to the page of a step of a draft, or of the trigger.
func stepURL(id model.WorkflowID) func(key string) string {
	return func(key string) string {
		if key == model.TriggerKey {
			return href.TriggerOf(id) + href.Beside
		}
		return href.WorkflowStep(id, key) + href.Beside
	}
}

// designer is what all pages of a draft share; current is the key of the box that is edited.
func (h *Handlers) designer(c echo.Context, w model.Workflow, current string) (views.DesignerProps, error) {
	p := views.DesignerProps{Workflow: w, CanEdit: h.may(c, model.Workflows.Manage()), CanRun: h.may(c, model.RunWorkflows), Now: h.Now()}
	p.Graph = views.Graph(h.Reader(c), h.T(c, "Steps of {name}", "name", w.Name), w.Draft, stepURL(w.ID))
	whole := w
	whole.Draft = copyOf(w.Draft)
	f := fault.Of(h.o.Jobs.CheckWorkflow(&whole, true))
	if f != nil {
		for _, x := range f.Fields {
			key := boxOf(w.Draft, x.Name)
			p.Troubles = append(p.Troubles, views.Trouble{Words: views.Said(h.Reader(c), x.Words()), URL: troubleURL(w, key)})
			for i := range p.Graph.Nodes {
				if n := &p.Graph.Nodes[i]; n.Key == key && n.Bad == "" {
					n.Bad = views.Said(h.Reader(c), withoutStep(x))
				}
			}
		}
	}
	warnings, err := h.o.Jobs.WorkflowWarnings(c.Request().Context(), w.Draft)
	if err != nil {
		return p, err
	}
	for _, x := range warnings {
		t := views.Trouble{Words: views.Said(h.Reader(c), x.Words()), URL: troubleURL(w, boxOf(w.Draft, x.Name)), Short: views.Said(h.Reader(c), withoutStep(x))}
		p.Warnings = append(p.Warnings, t)
	}
	for i := range p.Graph.Nodes {
		p.Graph.Nodes[i].Current = p.Graph.Nodes[i].Key == current
	}
	p.Delete = h.workflowDeletion(c, w).DeleteProps
	return p, nil
}

// copyOf is a definition that can be cleaned without harm to the one it was made from.
func copyOf(d model.Definition) model.Definition {
	d.Trigger.Fields = slices.Clone(d.Trigger.Fields)
	d.Steps = slices.Clone(d.Steps)
	for i := range d.Steps {
		s := &d.Steps[i]
		s.Next, s.Webhooks, s.Fields, s.Assignees = slices.Clone(s.Next), slices.Clone(s.Webhooks), slices.Clone(s.Fields), slices.Clone(s.Assignees)
		if s.Request != nil {
			s.Request = new(*s.Request)
		}
		if s.Wait != nil {
			s.Wait = new(*s.Wait)
		}
	}
	return d
}

func troubleURL(w model.Workflow, key string) string {
	if key == "" {
		return href.NewStep(w.ID) + href.Beside
	}
	return stepURL(w.ID)(key)
}

var stepPlace = regexp.MustCompile(`^(?:draft\.)?steps\[(\d+)\]\.?`)

// boxOf is the key of the step, or of the trigger, that a complaint is about; "" when it is about neither.
func boxOf(d model.Definition, name string) string {
	if strings.HasPrefix(name, "trigger") {
		return model.TriggerKey
	}
	if m := stepPlace.FindStringSubmatch(name); m != nil {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(d.Steps) {
			return d.Steps[i].Key
		}
	}
	return ""
}

// withoutStep leaves the name of the step out of a complaint that stands on its page.
func withoutStep(x fault.Field) *fault.Words {
	w := x.Words()
	if w.Format == "Step “%s”: %s" {
		if rest, ok := w.Args[1].(*fault.Words); ok {
			return rest
		}
	}
	return w
}

func (h *Handlers) showWorkflow(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	p, err := h.designer(c, w, "")
	if err != nil {
		return err
	}
	list, err := h.o.Jobs.StepTargets(c.Request().Context(), w)
	if err != nil {
		return err
	}
	for _, t := range list {
		p.Targets = append(p.Targets, views.StepTarget{Health: t.Health, Step: t.Step, StepName: t.StepName, Name: t.Name, Webhook: t.Webhook, Held: t.Held})
	}
	return h.Page(c, web.Bits{Title: w.Name, Section: "workflows", Crumbs: underNamed(workflowsCrumb, w.Name)}, views.Designer(p))
}

// enableTarget switches the receiver of a step's message on again, and sends or drops what was held for it.
func (h *Handlers) enableTarget(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	step, hook, _ := strings.Cut(c.Param("target"), ":")
	if hook == "request" {
		hook = ""
	}
	drop := typed(c, "held") == "drop"
	n, err := h.o.Jobs.EnableTarget(c.Request().Context(), h.Actor(c), w, step, model.WebhookID(hook), drop)
	if err != nil {
		return err
	}
	words := h.T(c, "It is on again.")
	switch {
	case n > 0 && drop:
		words = h.T(c, "{deliveries} are dropped. It is on again.", "deliveries", ui.Many(h.Reader(c), n, "delivery"))
		if n == 1 {
			words = h.T(c, "One delivery is dropped. It is on again.")
		}
	case n > 0:
		words = h.T(c, "It is on again. {deliveries} that waited go out now.", "deliveries", ui.Many(h.Reader(c), n, "delivery"))
		if n == 1 {
			words = h.T(c, "It is on again. The delivery that waited goes out now.")
		}
	}
	return h.Done(c, href.Workflow(w.ID), words)
}

func (h *Handlers) editWorkflow(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	f := views.WorkflowForm{Version: w.Version, Name: w.Name, Description: w.Description}
	return h.workflowNameForm(c, http.StatusOK, views.WorkflowFormProps{Workflow: w, Form: f})
}

func (h *Handlers) workflowNameForm(c echo.Context, status int, p views.WorkflowFormProps) error {
	bits := web.Bits{Status: status, Title: h.T(c, "Edit {name}", "name", p.Workflow.Name), Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(p.Workflow.Name, href.Workflow(p.Workflow.ID)), {Label: "Edit"}}}
	return h.Page(c, bits, views.EditWorkflow(p))
}

func (h *Handlers) updateWorkflow(c echo.Context) error {
	old, err := h.workflow(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.WorkflowForm](c)
	if err != nil {
		return err
	}
	w := old
	w.Name, w.Description, w.Version = f.Name, f.Description, f.Version
	if err = h.o.Jobs.CheckWorkflow(&w, false); err == nil {
		err = h.saveWorkflow(c, &w)
	}
	clash := collision{noun: "workflow", id: string(old.ID), now: old.Version, diff: db.WorkflowDiff(old, w)}
	if p, status, ok := h.wrongOver(c, err, href.EditWorkflow(old.ID), &f.Version, clash); ok {
		return h.workflowNameForm(c, status, views.WorkflowFormProps{Workflow: old, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Workflow(w.ID), h.T(c, "{name} is saved.", "name", w.Name))
}

func (h *Handlers) saveWorkflow(c echo.Context, w *model.Workflow) error {
	return h.write(c, func(tx *db.Tx) error { return tx.UpdateWorkflow(w) })
}

func (h *Handlers) toggleWorkflow(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	w.Enabled = switchedOn(c)
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	words := h.T(c, "{name} is on.", "name", w.Name)
	if !w.Enabled {
		words = h.T(c, "{name} is off. Nothing starts a run; runs that have begun go on.", "name", w.Name)
	}
	return h.Done(c, href.Workflow(w.ID), words)
}

func (h *Handlers) workflowDeletion(c echo.Context, w model.Workflow) deletion {
	return deletion{section: "workflows", above: []ui.Crumb{workflowsCrumb},
		needs: func(p *views.DeleteProps) error { return h.workflowNeeds(c, w.ID, p) },
		by:    func(force bool) error { return h.o.Jobs.DeleteWorkflow(c.Request().Context(), h.Actor(c), w.ID, force) },
		DeleteProps: views.DeleteProps{Noun: "workflow", Name: w.Name, Action: href.DeleteWorkflow(w.ID), Cancel: href.Workflow(w.ID), Force: true,
			Lead:        "This is what becomes of what needs the workflow:",
			Consequence: "Its versions and the secrets of its webhooks are deleted. Runs that have ended stay as a record. This cannot be undone."}}
}

// workflowNeeds adds what loses a workflow, and its runs that go on.
func (h *Handlers) workflowNeeds(c echo.Context, id model.WorkflowID, p *views.DeleteProps) (err error) {
	if h.may(c, model.Inbound.View()) {
		if p.Needs, err = h.inboundNeeds(c, id); err != nil {
			return err
		}
		for i := range p.Needs {
			p.Needs[i].Kind, p.Needs[i].Name = "Inbound URL", h.T(c, "{name}; its calls no longer reach the workflow", "name", p.Needs[i].Name)
		}
	}
	n, err := h.goingOn(c.Request().Context(), id)
	if n > 0 {
		p.Needs = append(p.Needs, views.Need{Kind: "Runs", Name: h.T(c, "{n} in progress, to be cancelled", "n", ui.Number(h.Reader(c), n)), URL: href.RunsOf(id)})
	}
	return err
}

// goingOn counts the runs of a workflow that have not ended, up to a page of each kind.
func (h *Handlers) goingOn(ctx context.Context, id model.WorkflowID) (n int, err error) {
	for _, status := range []model.RunStatus{model.RunRunning, model.RunWaiting, model.RunPaused} {
		list, _, err := h.Store.Runs(ctx, db.RunFilter{WorkflowID: id, Status: status}, db.Page{Limit: db.MaxPage})
		if err != nil {
			return 0, err
		}
		n += len(list)
	}
	return n, nil
}
