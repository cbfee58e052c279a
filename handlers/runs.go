package handlers

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

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

func (h *Handlers) runRoutes() []web.Route {
	view, run, id := model.Workflows.View(), model.RunWorkflows, href.Pattern
	return []web.Route{
		web.Get(view, href.Runs(), h.listRuns),
		web.Get(view, href.Run(id), h.showRun),
		web.Get(run, href.PauseRun(id), h.askPauseRun),
		web.Post(run, href.PauseRun(id), h.pauseRun),
		web.Post(run, href.ResumeRun(id), h.resumeRun),
		web.Get(run, href.CancelRun(id), h.askCancelRun),
		web.Post(run, href.CancelRun(id), h.cancelRun),
		web.Get(run, href.StartWorkflow(id), h.askStartRun),
		web.Post(run, href.StartWorkflow(id), h.startRun).Up(mostUpload),
		web.Get(model.SignedIn, href.LiveRuns(), h.streamDeliveries),
	}
}

var runsCrumb = crumb("Runs", href.Runs())

func (h *Handlers) listRuns(c echo.Context) error {
	ctx := c.Request().Context()
	p := views.RunsProps{WorkflowID: model.WorkflowID(c.QueryParam("workflow_id")), Status: model.RunStatus(c.QueryParam("status")), Query: strings.TrimSpace(c.QueryParam("q")),
		URL: c.Request().URL.RequestURI(), Live: true, Now: h.Now()}
	if strings.HasPrefix(p.Query, "run_") {
		return web.Redirect(c, href.Run(p.Query))
	}
	if !slices.Contains(model.RunStatuses(), p.Status) {
		p.Status = ""
	}
	list, next, err := h.Store.Runs(ctx, db.RunFilter{WorkflowID: p.WorkflowID, Status: p.Status, Query: p.Query}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	p.Items = list
	if p.Workflows, _, err = h.Store.Workflows(ctx, db.WorkflowFilter{}, many); err != nil {
		return err
	}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Runs", Section: "runs"}, views.RunList(p))
}

func (h *Handlers) run(c echo.Context) (model.Run, error) {
	return h.Store.Run(c.Request().Context(), web.ID[model.RunID](c))
}

func (h *Handlers) showRun(c echo.Context) error {
	r, err := h.run(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	p := views.RunProps{Run: r, Event: h.may(c, model.Events.View()), SeeHooks: h.may(c, model.Deliveries.View()), CanResend: h.may(c, model.Deliveries.Manage()),
		CanRun: h.may(c, model.RunWorkflows), CanSeeFlow: true, CanManage: h.may(c, model.Workflows.Manage()), Now: h.Now()}
	v, err := h.Store.WorkflowVersion(ctx, r.WorkflowID, r.Definition)
	switch {
	case fault.Is(err, fault.NotFound): // the workflow is gone; what the run did is still known
		p.CanSeeFlow = false
	case err != nil:
		return err
	}
	p.Definition, p.Graph = v.Definition, views.RunGraph(h.Reader(c), r, v.Definition)
	if p.Tasks, p.Asked, err = h.tasksOf(c, r.ID); err != nil {
		return err
	}
	if p.Lost, err = h.lostTasks(c, r.ID); err != nil {
		return err
	}
	if p.Until, err = h.Store.WaitsUntil(ctx, r); err != nil {
		return err
	}
	bits := web.Bits{Title: r.Workflow + " #" + itoa(r.Number), Section: "runs", Crumbs: underNamed(runsCrumb, r.Workflow+" #"+itoa(r.Number))}
	return h.Page(c, bits, views.Run(p))
}

// tasksOf are the open tasks of a run that whoever asks is named for, and whom each step asks.
func (h *Handlers) tasksOf(c echo.Context, id model.RunID) (mine []model.Task, asked map[model.StepRunID][]model.Assignee, err error) {
	list, _, err := h.Store.Tasks(c.Request().Context(), db.TaskFilter{RunID: id, Open: true}, many)
	if err != nil {
		return nil, nil, err
	}
	asked = map[model.StepRunID][]model.Assignee{}
	for _, t := range list {
		asked[t.StepRunID] = t.Assignees
	}
	me, err := h.me(c)
	return slices.DeleteFunc(list, func(t model.Task) bool { return !jobs.Assigned(t, me.ID, me.Roles) }), asked, err
}

// mostLost bounds how many tasks are named of which nobody knows.
const mostLost = 20

// lostTasks are the open tasks that reach nobody, of one run or, for "", of any.
func (h *Handlers) lostTasks(c echo.Context, id model.RunID) ([]model.Task, error) {
	list, _, err := h.Store.Tasks(c.Request().Context(), db.TaskFilter{RunID: id, Lost: true}, db.Page{Limit: mostLost})
	return list, err
}

// me is whoever asks.
func (h *Handlers) me(c echo.Context) (model.User, error) {
	return h.Store.User(c.Request().Context(), h.Actor(c).UserID)
}

func (h *Handlers) askPauseRun(c echo.Context) error  { return h.askRun(c, true) }
func (h *Handlers) askCancelRun(c echo.Context) error { return h.askRun(c, false) }

func (h *Handlers) askRun(c echo.Context, pause bool) error {
	r, err := h.run(c)
	if err != nil {
		return err
	}
	name := r.Workflow + " #" + itoa(r.Number)
	word, title := "Cancel", h.T(c, "Cancel {name}", "name", name)
	if pause {
		word, title = "Pause", h.T(c, "Pause {name}", "name", name)
	}
	return h.Page(c, web.Bits{Title: title, Section: "runs", Crumbs: []ui.Crumb{runsCrumb, named(name, href.Run(r.ID)), {Label: word}}}, views.AskRun(r, pause))
}

// moved answers after a person paused, resumed or cancelled a run; that it had ended meanwhile is said, and shown.
func (h *Handlers) moved(c echo.Context, id model.RunID, err error, words string) error {
	if err != nil {
		return h.notNow(c, href.Run(id), err)
	}
	return h.Done(c, href.Run(id), words)
}

func (h *Handlers) pauseRun(c echo.Context) error {
	id := web.ID[model.RunID](c)
	_, err := h.o.Jobs.PauseRun(c.Request().Context(), h.Actor(c), id)
	return h.moved(c, id, err, h.T(c, "The run is paused."))
}

func (h *Handlers) resumeRun(c echo.Context) error {
	id := web.ID[model.RunID](c)
	_, err := h.o.Jobs.ResumeRun(c.Request().Context(), h.Actor(c), id)
	return h.moved(c, id, err, h.T(c, "The run goes on."))
}

func (h *Handlers) cancelRun(c echo.Context) error {
	id := web.ID[model.RunID](c)
	_, err := h.o.Jobs.CancelRun(c.Request().Context(), h.Actor(c), id)
	return h.moved(c, id, err, h.T(c, "The run is cancelled."))
}

// published is a workflow with what new runs get of it.
func (h *Handlers) published(c echo.Context) (model.Workflow, model.Definition, error) {
	w, err := h.workflow(c)
	if err != nil {
		return w, model.Definition{}, err
	}
	if w.Published == 0 {
		return w, model.Definition{}, fault.Coded(fault.Conflict, "not_published", "This workflow is not published yet; publish it first.")
	}
	v, err := h.Store.WorkflowVersion(c.Request().Context(), w.ID, w.Published)
	return w, v.Definition, err
}

func (h *Handlers) askStartRun(c echo.Context) error {
	w, d, err := h.published(c)
	if err != nil {
		return err
	}
	return h.startPage(c, http.StatusOK, views.StartProps{Workflow: w, Trigger: d.Trigger, Data: h.sampleData(c, w)})
}

func (h *Handlers) startPage(c echo.Context, status int, p views.StartProps) error {
	p.Back = href.Workflow(p.Workflow.ID)
	bits := web.Bits{Status: status, Title: h.T(c, "Start {name}", "name", p.Workflow.Name), Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, named(p.Workflow.Name, href.Workflow(p.Workflow.ID)), {Label: "Start a run"}}}
	if !h.may(c, model.Workflows.View()) {
		p.Back = href.Tasks()
		bits.Section, bits.Crumbs = "tasks", underNamed(tasksCrumb, p.Workflow.Name)
	}
	return h.Page(c, bits, views.StartRun(p))
}

// startRun starts a run with a form that was filled in, or with data.
func (h *Handlers) startRun(c echo.Context) error {
	w, d, err := h.published(c)
	if err != nil {
		return err
	}
	ctx, p := c.Request().Context(), views.StartProps{Workflow: w, Trigger: d.Trigger, Subject: typed(c, "subject")}
	var run model.Run
	if len(d.Trigger.Fields) > 0 {
		if p.Fill, err = h.filled(c, h.Actor(c), d.Trigger.Fields); err == nil {
			run, err = h.startFilled(c, w, d.Trigger, p)
		}
	} else {
		p.Data = strings.ReplaceAll(typed(c, "data"), "\r\n", "\n")
		var data json.RawMessage
		if data, _, err = readJSON(p.Data); err == nil {
			if string(data) == "null" {
				data = nil
			}
			run, err = h.o.Jobs.StartRun(ctx, h.Actor(c), jobs.NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual, Subject: strings.TrimSpace(p.Subject), Data: data})
		}
	}
	if problems, status, ok := h.wrong(c, dataFields(err), ""); ok {
		p.Problems = problems
		return h.startPage(c, status, p)
	}
	if err != nil {
		return err
	}
	words := h.T(c, "Run #{n} has begun.", "n", itoa(run.Number))
	if d.Trigger.Thanks != "" && d.Trigger.Kind == model.TriggerForm {
		words = d.Trigger.Thanks
	}
	return h.Done(c, h.afterStart(c, run.ID), words)
}

// afterStart is where whoever started a run is led: to the run, or to his tasks where he may not see it.
func (h *Handlers) afterStart(c echo.Context, id model.RunID) string {
	if h.may(c, model.Workflows.View()) {
		return href.Run(id)
	}
	return href.Tasks()
}

// startFilled starts a run by its form: as the trigger's where it is one, else by hand with the same fields.
func (h *Handlers) startFilled(c echo.Context, w model.Workflow, t model.Trigger, p views.StartProps) (model.Run, error) {
	ctx, values := c.Request().Context(), p.Fill.JSON(t.Fields)
	if t.Kind == model.TriggerForm {
		return h.o.Jobs.StartForm(ctx, h.Actor(c), w.ID, strings.TrimSpace(p.Subject), values)
	}
	data, err := json.Marshal(values)
	if err != nil {
		return model.Run{}, err
	}
	return h.o.Jobs.StartRun(ctx, h.Actor(c), jobs.NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual, Subject: strings.TrimSpace(p.Subject), Data: data})
}

// dataFields gives complaints about data that stands for a form the names of the form's fields.
func dataFields(err error) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	for _, x := range f.Fields {
		if rest, ok := strings.CutPrefix(x.Name, "data."); ok {
			x.Name = "fields." + rest
		}
		bad.Add(x.Name, "%s", x.Words())
	}
	return bad.Err()
}
