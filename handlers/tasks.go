package handlers

import (
	"io"
	"mime"
	"net/http"
	"strconv"
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

// mostUpload bounds a form with files, in bytes.
const mostUpload = 32 << 20

func (h *Handlers) taskRoutes() []web.Route {
	in, id := model.SignedIn, href.Pattern
	return []web.Route{
		web.Get(in, href.Tasks(), h.listTasks),
		web.Get(in, href.Task(id), h.showTask),
		web.Post(in, href.CompleteTask(id), h.completeTask).Up(mostUpload),
		web.Post(in, href.ApproveTask(id), h.approveTask),
		web.Post(in, href.RejectTask(id), h.rejectTask),
		web.Get(in, href.File(id), h.showFile),
	}
}

var tasksCrumb = crumb("My tasks", href.Tasks())

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func (h *Handlers) listTasks(c echo.Context) error {
	me, err := h.me(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	p := views.TasksProps{Done: c.QueryParam("done") == "yes", Live: true, Now: h.Now()}
	open, next, err := h.Store.Tasks(ctx, db.TaskFilter{Of: me.ID, Roles: me.Roles}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	p.Items, p.Open = open, len(open)
	if p.Done {
		if p.Items, next, err = h.Store.Tasks(ctx, db.TaskFilter{DoneBy: me.Email}, db.Page{Cursor: c.QueryParam("cursor")}); err != nil {
			return err
		}
	}
	if h.may(c, model.RunWorkflows) {
		forms, err := h.Store.StartForms(ctx)
		if err != nil {
			return err
		}
		for _, f := range forms {
			p.Forms = append(p.Forms, views.Need{Name: f.Name, URL: href.StartWorkflow(model.WorkflowID(f.ID))})
		}
	}
	if h.may(c, model.Workflows.Manage()) && !p.Done && c.QueryParam("cursor") == "" {
		if p.Lost, err = h.lostTasks(c, ""); err != nil {
			return err
		}
	}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "My tasks", Section: "tasks"}, views.Tasks(p))
}

// task is a task with what stands around it. Those may see it who are named for it or did it, or who may see workflows.
func (h *Handlers) task(c echo.Context) (p views.TaskProps, err error) {
	ctx := c.Request().Context()
	p.Now = h.Now()
	if p.Task, err = h.Store.Task(ctx, web.ID[model.TaskID](c)); err != nil {
		return p, err
	}
	me, err := h.me(c)
	if err != nil {
		return p, err
	}
	mine := jobs.Assigned(p.Task, me.ID, me.Roles) || p.Task.CompletedBy == me.Email
	p.SeeRun = h.may(c, model.Workflows.View())
	if !mine && !p.SeeRun {
		return p, fault.Missing(string(model.Workflows.View()))
	}
	p.CanDo = jobs.Assigned(p.Task, me.ID, me.Roles) || h.may(c, model.Workflows.Manage())
	if p.Run, err = h.Store.Run(ctx, p.Task.RunID); err != nil {
		return p, err
	}
	p.StepRun = p.Run.Step(p.Task.StepRunID)
	v, err := h.Store.WorkflowVersion(ctx, p.Run.WorkflowID, p.Run.Definition)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return p, err
	}
	p.Definition = v.Definition
	p.Step, _ = v.Definition.Step(p.Task.Step)
	switch {
	case p.Task.Status == model.TaskAbandoned:
		p.Closed = h.T(c, "This task is no longer needed.")
	case p.Task.Status != model.TaskOpen:
		p.Closed = h.T(c, "This task was done by {name}.", "name", p.Task.CompletedBy)
	case p.Run.Status == model.RunPaused:
		p.Closed = h.T(c, "The run is paused. Nothing can be done until somebody who manages workflows resumes it.")
	}
	return p, nil
}

func (h *Handlers) showTask(c echo.Context) error {
	p, err := h.task(c)
	if err != nil {
		return err
	}
	return h.taskPage(c, http.StatusOK, p)
}

func (h *Handlers) taskPage(c echo.Context, status int, p views.TaskProps) error {
	return h.Page(c, web.Bits{Status: status, Title: p.Task.StepName, Section: "tasks", Crumbs: underNamed(tasksCrumb, p.Task.StepName)}, views.Task(p))
}

func (h *Handlers) completeTask(c echo.Context) error {
	p, err := h.task(c)
	if err != nil {
		return err
	}
	if p.Fill, err = h.filled(c, h.Actor(c), p.Step.Fields); err == nil {
		_, err = h.o.Jobs.Act(c.Request().Context(), h.Actor(c), jobs.Act{Task: p.Task.ID, What: jobs.Complete, Fields: p.Fill.JSON(p.Step.Fields)})
	}
	return h.taskDone(c, p, err, h.T(c, "“{step}” is done.", "step", p.Task.StepName))
}

func (h *Handlers) approveTask(c echo.Context) error {
	return h.decide(c, jobs.Approve, h.T(c, "Approved."))
}
func (h *Handlers) rejectTask(c echo.Context) error {
	return h.decide(c, jobs.Reject, h.T(c, "Rejected."))
}

func (h *Handlers) decide(c echo.Context, what jobs.What, words string) error {
	p, err := h.task(c)
	if err != nil {
		return err
	}
	p.Comment = strings.ReplaceAll(typed(c, "comment"), "\r\n", "\n")
	_, err = h.o.Jobs.Act(c.Request().Context(), h.Actor(c), jobs.Act{Task: p.Task.ID, What: what, Comment: p.Comment})
	return h.taskDone(c, p, err, words)
}

// taskDone leads on after a task was done, or shows it again with what was typed.
func (h *Handlers) taskDone(c echo.Context, p views.TaskProps, err error, words string) error {
	if f := h.Said(c, err); f != nil && f.Kind == fault.Conflict { // somebody else was faster, or the run is paused
		again, readErr := h.task(c)
		if readErr != nil {
			return readErr
		}
		if again.Run.Status != model.RunPaused { // of that, the page itself tells
			again.Problems = views.Problems{Fields: map[string]string{"": f.Message}}
		}
		return h.taskPage(c, http.StatusConflict, again)
	}
	if problems, status, ok := h.wrong(c, err, ""); ok {
		p.Problems = problems
		return h.taskPage(c, status, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Tasks(), words)
}

// written reads what was typed into a form, without its files.
func written(c echo.Context, form []model.FormField) (views.Fill, error) {
	in, err := c.FormParams()
	if err != nil {
		return views.Fill{}, err
	}
	out := views.Fill{Typed: map[string][]string{}, Files: map[string]model.FileValue{}}
	for _, f := range form {
		for _, v := range in[views.FillInput(f.Key)] {
			out.Typed[f.Key] = append(out.Typed[f.Key], strings.ReplaceAll(v, "\r\n", "\n"))
		}
	}
	return out, nil
}

// filled reads a form that was filled in, and stores the files that came with it as by's. When one is refused, all else that is
// wrong is said with it.
func (h *Handlers) filled(c echo.Context, by model.Actor, form []model.FormField) (views.Fill, error) {
	out, err := written(c, form)
	if err != nil {
		return out, err
	}
	var bad fault.Check
	for _, f := range form {
		if f.Type != model.TypeFile {
			continue
		}
		if err := h.takeFile(c, by, f, typed(c, views.FillInput(f.Key)+"_file"), &out, &bad); err != nil {
			return out, err
		}
	}
	if bad.Err() != nil {
		_, others := model.Read(form, out.JSON(form))
		bad.Join("", others)
	}
	return out, bad.Err()
}

// takeFile stores the file of one field; without one, that which was uploaded before counts.
func (h *Handlers) takeFile(c echo.Context, by model.Actor, f model.FormField, before string, out *views.Fill, bad *fault.Check) error {
	file, ok := h.File(c, views.FillInput(f.Key))
	if !ok {
		if before == "" {
			return nil
		}
		kept, err := h.Store.File(c.Request().Context(), model.FileID(before))
		if err == nil && kept.CreatedBy == by.UserID {
			out.Files[f.Key] = kept.FileValue
		}
		return nil
	}
	if f.Max != nil && float64(file.Size()) > *f.Max {
		ctx := h.Reader(c)
		bad.Add("fields."+f.Key, "The file is too large: it has %s, and may have %s at most.", ui.Size(ctx, file.Size()), ui.Size(ctx, int64(*f.Max)))
		return nil
	}
	v, err := h.o.Jobs.SaveFile(c.Request().Context(), by, file.Name, file.ContentType, file)
	switch x := fault.Of(err); {
	case err == nil:
		out.Files[f.Key] = v
	case x != nil && x.Kind == fault.TooLarge:
		bad.Add("fields."+f.Key, "%s", x.Words())
		return nil
	}
	return err
}

// showFile gives a file that was given in a form, to those who may see the run that it belongs to.
func (h *Handlers) showFile(c echo.Context) error {
	ctx := c.Request().Context()
	f, err := h.o.Jobs.FileFor(ctx, h.Actor(c), web.ID[model.FileID](c))
	if err != nil {
		return err
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": f.Name})
	link, err := h.o.Jobs.FileLink(ctx, f, disposition)
	if err != nil {
		return err
	}
	w := c.Response()
	if link != "" {
		w.Header().Set("Referrer-Policy", "no-referrer")
		return c.Redirect(http.StatusSeeOther, link)
	}
	body, err := h.o.Jobs.OpenFile(ctx, f.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream") // never shown in the page's own origin
	w.Header().Set("Content-Disposition", disposition)
	w.Header().Set("Content-Length", itoa(f.Size))
	w.WriteHeader(http.StatusOK)
	_, err = io.Copy(w, body)
	return err
}
