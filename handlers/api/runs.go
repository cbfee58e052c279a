package api

import (
	"context"
	"encoding/json"
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// run is a run as it is answered.
type run struct {
	Meta
	Number          int64           `json:"number" doc:"Within its workflow"`
	WorkflowID      string          `json:"workflow_id"`
	WorkflowName    string          `json:"workflow_name"`
	WorkflowVersion int64           `json:"workflow_version" doc:"The published version that it keeps"`
	Subject         string          `json:"subject"`
	Status          string          `json:"status" enum:"running,waiting,completed,rejected,failed,cancelled,paused"`
	Lane            string          `json:"lane" enum:"realtime,bulk"`
	Trigger         string          `json:"trigger" doc:"What started it"`
	EventID         string          `json:"event_id"`
	AudienceID      string          `json:"audience_id"`
	Initiator       string          `json:"initiator" doc:"Email of the person who started it, empty when nobody did"`
	Data            json.RawMessage `json:"data"`
	Error           string          `json:"error" doc:"Why it failed, in words"`
	EndedAt         *string         `json:"ended_at" format:"date-time"`
	Steps           []stepRun       `json:"steps" doc:"In the order in which they were opened; one that is done again is there again"`
}

// stepRun is one passage through a step.
type stepRun struct {
	ID          string             `json:"id" doc:"Empty for steps that no way led to"`
	Key         string             `json:"key"`
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	Status      string             `json:"status" enum:"open,waiting,completed,rejected,failed,abandoned,skipped"`
	Actor       string             `json:"actor" doc:"Email of who completed it"`
	Fields      []model.FieldValue `json:"fields"`
	Decisions   []decision         `json:"decisions"`
	Output      json.RawMessage    `json:"output"`
	Response    *stepAnswer        `json:"response" doc:"What the other side answered"`
	Error       string             `json:"error"`
	UserMessage string             `json:"user_message"`
	Note        string             `json:"note" doc:"What a person should know of what followed"`
	DeliveryID  string             `json:"delivery_id" doc:"Of an outgoing step's message"`
	DueAt       *string            `json:"due_at" format:"date-time"`
	OpenedAt    *string            `json:"opened_at" format:"date-time"`
	CompletedAt *string            `json:"completed_at" format:"date-time"`
	Webhooks    []stepMessage      `json:"webhooks"`
}

// stepAnswer is what the other side answered to an outgoing step.
type stepAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body" doc:"Parsed when it is JSON, else a text"`
}

type decision struct {
	Actor    string  `json:"actor"`
	Decision string  `json:"decision" enum:"approved,rejected"`
	Comment  string  `json:"comment"`
	At       *string `json:"at" format:"date-time"`
}

// stepMessage is one message of a step's webhook.
type stepMessage struct {
	ID         string `json:"id" doc:"Of the webhook"`
	Name       string `json:"name"`
	Trigger    string `json:"trigger" enum:"created,completed"`
	Status     string `json:"status" enum:"pending,sending,retrying,delivered,failed,skipped,held,cancelled"`
	DeliveryID string `json:"delivery_id"`
}

// showRun tells of a run; of one that has ended also the steps that it did not come to.
func (a *API) showRun(ctx context.Context, r model.Run) run {
	out := run{Meta: newMeta(r.ID, r.CreatedAt, r.UpdatedAt, r.Version), Number: r.Number, WorkflowID: string(r.WorkflowID), WorkflowName: r.Workflow, WorkflowVersion: r.Definition,
		Subject: r.Subject, Status: string(r.Status), Lane: string(r.Lane), Trigger: string(r.Trigger), EventID: string(r.Event.ID), AudienceID: string(r.AudienceID),
		Initiator: r.Initiator, Data: rawOr(r.Data), Error: r.Error, EndedAt: stamp(r.EndedAt), Steps: []stepRun{}}
	for _, st := range r.Steps {
		out.Steps = append(out.Steps, showStepRun(st))
	}
	for _, def := range a.jobs.Unreached(ctx, r) {
		out.Steps = append(out.Steps, showStepRun(model.StepRun{Key: def.Key, Name: def.Name, Kind: def.Kind, Status: model.StepSkipped}))
	}
	return out
}

func rawOr(b json.RawMessage) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}

func showStepRun(st model.StepRun) stepRun {
	out := stepRun{ID: string(st.ID), Key: st.Key, Name: st.Name, Kind: string(st.Kind), Status: string(st.Status), Actor: st.Actor, Fields: full(st.Fields), Decisions: []decision{},
		Output: rawOr(st.Output), Error: st.Error, UserMessage: st.UserMessage, Note: st.Note, DeliveryID: string(st.DeliveryID), OpenedAt: stamp(st.OpenedAt), Webhooks: []stepMessage{}}
	if r := st.Response; r != nil {
		out.Response = &stepAnswer{r.Status, r.Headers, rawOr(r.Body)}
		if r.Headers == nil { // without an answer
			out.Response.Headers = map[string]string{}
		}
	}
	if st.DueAt != nil {
		out.DueAt = stamp(*st.DueAt)
	}
	if st.CompletedAt != nil {
		out.CompletedAt = stamp(*st.CompletedAt)
	}
	for _, d := range st.Decisions {
		out.Decisions = append(out.Decisions, decision{d.Actor, d.Decision, d.Comment, stamp(d.At)})
	}
	for _, w := range st.Webhooks {
		out.Webhooks = append(out.Webhooks, stepMessage{string(w.ID), w.Name, string(w.Trigger), string(w.Status), string(w.DeliveryID)})
	}
	return out
}

func (a *API) runs() {
	view, may := model.Workflows.View(), model.RunWorkflows
	const tag = "Workflows"
	add(a, route{http.MethodGet, "/runs", "list-runs", "List runs", tag, "", view, 0}, a.listRuns)
	add(a, route{http.MethodGet, "/runs/{id}", "show-run", "Show a run with its steps", tag, "", view, 0}, a.getRun)
	add(a, route{http.MethodPost, "/runs/{id}/pause", "pause-run", "Pause a run", tag, "What is on its way goes on; nothing new begins.", may, http.StatusOK}, a.pauseRun)
	add(a, route{http.MethodPost, "/runs/{id}/resume", "resume-run", "Resume a paused run", tag, "", may, http.StatusOK}, a.resumeRun)
	add(a, route{http.MethodPost, "/runs/{id}/cancel", "cancel-run", "Cancel a run", tag, "Open steps are abandoned; unsettled messages of outgoing steps are cancelled.", may, http.StatusOK}, a.cancelRun)
}

func (a *API) listRuns(c call, in *struct {
	Paging
	WorkflowID string `query:"workflow_id"`
	AudienceID string `query:"audience_id"`
	EventID    string `query:"event_id" doc:"That started it"`
	Status     string `query:"status" enum:"running,waiting,completed,rejected,failed,cancelled,paused"`
	Q          string `query:"q" doc:"A part of the subject"`
}) (*body[list[run]], error) {
	f := db.RunFilter{WorkflowID: model.WorkflowID(in.WorkflowID), AudienceID: model.AudienceID(in.AudienceID), EventID: model.EventID(in.EventID), Status: model.RunStatus(in.Status), Query: in.Q}
	items, next, err := a.store.Runs(c, f, in.page())
	return listed(items, next, err, func(r model.Run) run { return a.showRun(c, r) })
}

func (a *API) getRun(c call, in *ByID) (*body[run], error) {
	r, err := a.store.Run(c, model.RunID(in.ID))
	if err != nil {
		return nil, err
	}
	return single(a.showRun(c, r), nil)
}

func (a *API) pauseRun(c call, in *ByID) (*body[run], error) {
	return a.moved(c, in, a.jobs.PauseRun)
}

func (a *API) resumeRun(c call, in *ByID) (*body[run], error) {
	return a.moved(c, in, a.jobs.ResumeRun)
}

func (a *API) cancelRun(c call, in *ByID) (*body[run], error) {
	return a.moved(c, in, a.jobs.CancelRun)
}

func (a *API) moved(c call, in *ByID, move func(context.Context, model.Actor, model.RunID) (model.Run, error)) (*body[run], error) {
	r, err := move(c, c.actor, model.RunID(in.ID))
	if err != nil {
		return nil, err
	}
	return single(a.showRun(c, r), nil)
}

// task is a task as it is answered.
type task struct {
	Meta
	RunID        string            `json:"run_id"`
	RunNumber    int64             `json:"run_number"`
	Subject      string            `json:"subject" doc:"Of the run"`
	WorkflowID   string            `json:"workflow_id"`
	WorkflowName string            `json:"workflow_name"`
	Step         string            `json:"step" doc:"Key of the step"`
	StepName     string            `json:"step_name"`
	StepRunID    string            `json:"step_run_id"`
	Kind         string            `json:"kind" doc:"task: complete it; an approval: approve or reject it"`
	Status       string            `json:"status" enum:"open,completed,approved,rejected,abandoned"`
	Assignees    []model.Assignee  `json:"assignees"`
	Fields       []model.FormField `json:"fields" doc:"The form to fill in"`
	DueAt        *string           `json:"due_at" format:"date-time"`
	RemindedAt   *string           `json:"reminded_at" format:"date-time"`
	CompletedAt  *string           `json:"completed_at" format:"date-time"`
	CompletedBy  string            `json:"completed_by"`
}

func (a *API) showTask(ctx context.Context, t model.Task) task {
	return task{newMeta(t.ID, t.CreatedAt, t.UpdatedAt, t.Version), string(t.RunID), t.RunNumber, t.Subject, string(t.WorkflowID), t.Workflow, t.Step, t.StepName, string(t.StepRunID),
		string(t.Kind), string(t.Status), full(t.Assignees), full(a.jobs.FormOf(ctx, t)), stamp(t.DueAt), stamp(t.RemindedAt), stamp(t.CompletedAt), t.CompletedBy}
}

func (a *API) tasks() {
	const tag, text = "Tasks", "The assignee may, and who has the right Manage Workflows. A key that is limited to some rights needs that one."
	add(a, route{http.MethodGet, "/tasks", "list-tasks", "List the open tasks of the caller", tag, "With all=true the open tasks of everybody, for those who manage workflows. A key that is limited to some rights needs View Workflows.", model.SignedIn, 0}, a.listTasks)
	add(a, route{http.MethodGet, "/tasks/{id}", "show-task", "Show a task", tag, text, model.SignedIn, 0}, a.getTask)
	add(a, route{http.MethodPost, "/tasks/{id}/complete", "complete-task", "Complete a task", tag, text, model.SignedIn, http.StatusOK}, a.completeTask)
	add(a, route{http.MethodPost, "/tasks/{id}/approve", "approve-task", "Approve", tag, text, model.SignedIn, http.StatusOK}, a.approveTask)
	add(a, route{http.MethodPost, "/tasks/{id}/reject", "reject-task", "Reject", tag, text + " The comment is needed.", model.SignedIn, http.StatusOK}, a.rejectTask)
}

func (a *API) listTasks(c call, in *struct {
	Paging
	RunID string `query:"run_id"`
	All   bool   `query:"all" doc:"Also those of others; needs Manage Workflows"`
}) (*body[list[task]], error) {
	if err := c.actor.Stands(model.Workflows.View()); err != nil {
		return nil, err
	}
	f := db.TaskFilter{Open: true, RunID: model.RunID(in.RunID)}
	if !in.All || !c.actor.Rights.Has(model.Workflows.Manage()) {
		f.Of = c.actor.UserID
		u, err := a.store.User(c, c.actor.UserID)
		if err != nil {
			return nil, err
		}
		f.Roles = u.Roles
	}
	items, next, err := a.store.Tasks(c, f, in.page())
	return listed(items, next, err, func(t model.Task) task { return a.showTask(c, t) })
}

func (a *API) getTask(c call, in *ByID) (*body[task], error) {
	t, err := a.jobs.TaskFor(c, c.actor, model.TaskID(in.ID))
	if err != nil {
		return nil, err
	}
	return single(a.showTask(c, t), nil)
}

func (a *API) completeTask(c call, in *struct {
	ByID
	Body struct {
		Fields map[string]json.RawMessage `json:"fields" doc:"Values by key"`
	} `required:"false"`
}) (*body[task], error) {
	return a.acted(c)(a.jobs.Complete(c, c.actor, model.TaskID(in.ID), in.Body.Fields))
}

func (a *API) approveTask(c call, in *struct {
	ByID
	Body struct {
		Comment string `json:"comment"`
	} `required:"false"`
}) (*body[task], error) {
	return a.acted(c)(a.jobs.Approve(c, c.actor, model.TaskID(in.ID), in.Body.Comment))
}

func (a *API) rejectTask(c call, in *struct {
	ByID
	Body struct {
		Comment string `json:"comment" needed:"true"`
	}
}) (*body[task], error) {
	return a.acted(c)(a.jobs.Reject(c, c.actor, model.TaskID(in.ID), in.Body.Comment))
}

// acted answers with a task that was done.
func (a *API) acted(c call) func(model.Task, error) (*body[task], error) {
	return func(t model.Task, err error) (*body[task], error) {
		if err != nil {
			return nil, err
		}
		return single(a.showTask(c, t), nil)
	}
}
