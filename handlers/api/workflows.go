package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
)

// workflowStep is a step as it is sent and answered; what does not belong to its kind is absent.
type workflowStep struct {
	Key           string              `json:"key" needed:"true" doc:"Unique within the workflow; conditions and templates name the step by it"`
	Name          string              `json:"name"`
	Kind          string              `json:"kind" needed:"true" doc:"task, approval, parallel_approval, sequential_approval, outgoing, wait, script or end"`
	Next          []model.Transition  `json:"next" doc:"Those whose condition holds follow, side by side when there are several"`
	WaitForAll    bool                `json:"wait_for_all" doc:"Opens once, when nothing that is open can still lead here"`
	Webhooks      []stepWebhook       `json:"webhooks"`
	Fields        []model.FormField   `json:"fields,omitempty" doc:"task: its form"`
	Assignees     []string            `json:"assignees,omitempty" doc:"task, approvals: an email, role:NAME, initiator, or field:STEP.FIELD"`
	DueSeconds    int64               `json:"due_seconds,omitempty"`
	RemindSeconds int64               `json:"remind_seconds,omitempty"`
	OnReject      *model.OnReject     `json:"on_reject,omitempty" doc:"approvals: back to a step, or the end (default)"`
	Request       *integrationRequest `json:"request,omitempty" doc:"outgoing: a message that lives only in this step"`
	IntegrationID string              `json:"integration_id,omitempty"`
	Input         map[string]any      `json:"input,omitempty" doc:"What the integration is given; texts may hold tags"`
	DestinationID string              `json:"destination_id,omitempty"`
	OnFailure     string              `json:"on_failure,omitempty" doc:"outgoing: continue (default) or fail"`
	Wait          *model.Wait         `json:"wait,omitempty"`
	Script        string              `json:"script,omitempty" doc:"JavaScript that returns the step's output"`
}

// stepWebhook is a webhook of a step.
type stepWebhook struct {
	ID          string   `json:"id,omitempty" doc:"Send it back to keep the webhook and its secrets"`
	Name        string   `json:"name" needed:"true"`
	Description string   `json:"description"`
	Enabled     *bool    `json:"enabled" nullable:"false" doc:"true when absent"`
	URL         string   `json:"url" needed:"true"`
	Trigger     string   `json:"trigger" doc:"created (carries the data of the step before) or completed"`
	Sign        bool     `json:"sign" doc:"With the workflow's signing secret"`
	Auth        hookAuth `json:"auth"`
}

// hookAuth is how a webhook proves itself.
type hookAuth struct {
	Type         string   `json:"type" doc:"none, client_secret, basic or credential"`
	Secret       string   `json:"secret,omitempty" writeOnly:"true" doc:"client_secret: at most 250 characters; kept when absent"`
	Username     string   `json:"username,omitempty"`
	Password     string   `json:"password,omitempty" writeOnly:"true" doc:"basic: at most 100 characters; kept when absent"`
	CredentialID string   `json:"credential_id,omitempty"`
	Secrets      []string `json:"secrets,omitempty" readOnly:"true" doc:"Names of the secrets that are stored"`
}

// workflow is a workflow as it is answered: its draft, and what is known of the published version.
type workflow struct {
	Meta
	Name             string         `json:"name"`
	Description      string         `json:"description"`
	Enabled          bool           `json:"enabled" doc:"false: nothing starts a run; what runs goes on"`
	Trigger          model.Trigger  `json:"trigger"`
	Steps            []workflowStep `json:"steps" doc:"Runs begin at the first"`
	PublishedVersion int64          `json:"published_version" readOnly:"true" doc:"What new runs get; 0 = none"`
	PublishedAt      *string        `json:"published_at" format:"date-time" readOnly:"true"`
	Changed          bool           `json:"changed" readOnly:"true" doc:"The draft differs from what is published"`
	FormURL          string         `json:"form_url" readOnly:"true" doc:"Address of the public form; empty for other triggers"`
	Warnings         []string       `json:"warnings" readOnly:"true" doc:"Addresses that will be refused when something is sent, and people, roles and audiences that are not there"`
}

// recast gives a value another type with the same JSON.
func recast[T any](v any) (out T, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

func (a *API) showWorkflow(ctx context.Context, w model.Workflow) (workflow, error) {
	steps, err := recast[[]workflowStep](w.Draft.Steps)
	if err != nil {
		steps = nil // our own types, always encodable
	}
	out := workflow{Meta: newMeta(w.ID, w.CreatedAt, w.UpdatedAt, w.Version), Name: w.Name, Description: w.Description, Enabled: w.Enabled, Trigger: w.Draft.Trigger,
		Steps: full(steps), PublishedVersion: w.Published, PublishedAt: stamp(w.PublishedAt), Changed: w.Changed, Warnings: []string{}}
	warnings, err := a.jobs.WorkflowWarnings(ctx, w.Draft)
	for _, x := range warnings {
		out.Warnings = append(out.Warnings, x.Message)
	}
	if w.Draft.Trigger.Kind == model.TriggerPublicForm && w.FormToken != "" {
		out.FormURL = a.web.BaseURL.JoinPath("f", w.FormToken).String()
	}
	return out, err
}

type workflowInput struct {
	Versioned
	Name        string         `json:"name" needed:"true"`
	Description string         `json:"description"`
	Enabled     *bool          `json:"enabled" doc:"true when absent"`
	Trigger     model.Trigger  `json:"trigger"`
	Steps       []workflowStep `json:"steps"`
}

func (in workflowInput) workflow() (model.Workflow, error) {
	steps, err := recast[[]model.Step](in.Steps)
	return model.Workflow{Name: in.Name, Description: in.Description, Enabled: or(in.Enabled, true), Draft: model.Definition{Trigger: in.Trigger, Steps: steps}, Version: in.Version}, err
}

func (a *API) workflows() {
	view, manage := model.Workflows.View(), model.Workflows.Manage()
	const tag, text = "Workflows", "Changes the draft only; runs keep the version they began with, and new ones get what is published."
	add(a, route{http.MethodGet, "/workflows", "list-workflows", "List workflows", tag, "", view, 0}, a.listWorkflows)
	add(a, route{http.MethodPost, "/workflows", "create-workflow", "Create a workflow", tag, text, manage, 0}, a.createWorkflow)
	add(a, route{http.MethodGet, "/workflows/{id}", "show-workflow", "Show a workflow's draft", tag, "", view, 0}, a.getWorkflow)
	add(a, route{http.MethodPut, "/workflows/{id}", "update-workflow", "Replace the draft of a workflow", tag, text, manage, 0}, a.updateWorkflow)
	add(a, route{http.MethodDelete, "/workflows/{id}", "delete-workflow", "Delete a workflow", tag, "With force=true its runs that go on are cancelled first, and inbound endpoints that name it no longer reach it.", manage, 0}, a.deleteWorkflow)
	add(a, route{http.MethodPost, "/workflows/{id}/publish", "publish-workflow", "Publish the draft of a workflow", tag,
		"New runs get it. Requests and webhooks of its steps that Waybill had switched off are on again.", manage, http.StatusOK}, a.publishWorkflow)
	add(a, route{http.MethodGet, "/workflows/{id}/versions", "list-workflow-versions", "List what was published", tag, "Newest first.", view, 0}, a.listVersions)
	add(a, route{http.MethodGet, "/workflows/{id}/secret", "show-workflow-secret", "Show the signing secret of a workflow's webhooks", tag, "", manage, 0}, a.workflowSecret)
	add(a, route{http.MethodPost, "/workflows/{id}/form", "renew-form", "Give the public form another address", tag, "The old one is gone.", manage, http.StatusOK}, a.renewForm)
	add(a, route{http.MethodGet, "/workflows/{id}/targets", "list-workflow-targets", "List the requests and webhooks that are not well", tag, "Those that Waybill switched off, and those that are left alone for a while because they fail.", view, 0}, a.listTargets)
	add(a, route{http.MethodPost, "/workflows/{id}/targets/{target}/enable", "enable-workflow-target", "Switch a request or webhook on again", tag,
		"What was held goes on, or is dropped. The target is STEP:WEBHOOK, or STEP:request for the step's own request.", manage, http.StatusOK}, a.enableTarget)
	add(a, route{http.MethodPost, "/workflows/{id}/runs", "start-run", "Start a run", tag,
		"Of the published version. When it answers, the first task is there. Where the trigger has a form, data is checked against it.", model.RunWorkflows, 0}, a.startRun)
	a.runs()
	a.tasks()
}

func (a *API) listWorkflows(c call, in *struct {
	Paging
	Q string `query:"q" doc:"A part of the name"`
}) (*body[list[workflow]], error) {
	items, next, err := a.store.Workflows(c, db.WorkflowFilter{Query: in.Q}, in.page())
	out := list[workflow]{Items: make([]workflow, len(items)), NextCursor: next}
	for i, w := range items {
		if err == nil {
			out.Items[i], err = a.showWorkflow(c, w)
		}
	}
	return single(out, err)
}

func (a *API) createWorkflow(c call, in *struct{ Body workflowInput }) (*made[workflow], error) {
	w, err := in.Body.workflow()
	if err == nil {
		err = a.jobs.CheckWorkflow(&w, false)
	}
	if err == nil {
		err = mayUse(c, w.Draft, model.Definition{})
	}
	if err == nil {
		err = a.jobs.CreateWorkflow(c, c.actor, &w)
	}
	if err != nil {
		return nil, err
	}
	shown, err := a.showWorkflow(c, w)
	return created(shown, "/workflows/"+string(w.ID), err)
}

// mayUse refuses credentials that the caller may not see, unless the draft has them already.
func mayUse(c call, d, old model.Definition) error {
	was := map[model.CredentialID]bool{"": true}
	for _, id := range old.Credentials() {
		was[id] = true
	}
	for _, id := range d.Credentials() {
		if !was[id] && !c.actor.Rights.Has(model.Credentials.View()) {
			return fault.Missing(string(model.Credentials.View()))
		}
	}
	return nil
}

func (a *API) getWorkflow(c call, in *ByID) (*body[workflow], error) {
	w, err := a.store.Workflow(c, model.WorkflowID(in.ID))
	if err != nil {
		return nil, err
	}
	return single(a.showWorkflow(c, w))
}

func (a *API) updateWorkflow(c call, in *struct {
	ByID
	Body workflowInput
}) (*body[workflow], error) {
	old, err := a.store.Workflow(c, model.WorkflowID(in.ID))
	if err != nil {
		return nil, err
	}
	w, err := in.Body.workflow()
	w.ID = old.ID
	if err == nil {
		err = a.jobs.CheckWorkflow(&w, false)
	}
	if err == nil {
		err = mayUse(c, w.Draft, old.Draft)
	}
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateWorkflow(&w) })
	}
	if err != nil {
		return nil, err
	}
	return single(a.showWorkflow(c, w))
}

func (a *API) deleteWorkflow(c call, in *Removal) (*none, error) {
	return nil, a.jobs.DeleteWorkflow(c, c.actor, model.WorkflowID(in.ID), in.Force)
}

func (a *API) publishWorkflow(c call, in *struct {
	ByID
	Body struct {
		Versioned
		Note string `json:"note" doc:"What is new, for those who look at the versions"`
	} `required:"false"`
}) (*body[workflow], error) {
	w, err := a.jobs.PublishWorkflow(c, c.actor, model.WorkflowID(in.ID), in.Body.Version, in.Body.Note)
	if err != nil {
		return nil, err
	}
	return single(a.showWorkflow(c, w))
}

// workflowVersion is one published version.
type workflowVersion struct {
	Number      int64          `json:"number"`
	Name        string         `json:"name"`
	Note        string         `json:"note"`
	PublishedBy string         `json:"published_by"`
	PublishedAt *string        `json:"published_at" format:"date-time"`
	Trigger     model.Trigger  `json:"trigger"`
	Steps       []workflowStep `json:"steps"`
}

func showVersion(v model.WorkflowVersion) workflowVersion {
	steps, err := recast[[]workflowStep](v.Definition.Steps)
	if err != nil {
		steps = nil // our own types, always encodable
	}
	return workflowVersion{v.Number, v.Name, v.Note, v.PublishedBy, stamp(v.PublishedAt), v.Definition.Trigger, full(steps)}
}

func (a *API) listVersions(c call, in *ByID) (*body[list[workflowVersion]], error) {
	items, err := a.store.WorkflowVersions(c, model.WorkflowID(in.ID))
	return listed(items, "", err, showVersion)
}

func (a *API) workflowSecret(c call, in *ByID) (*body[signingSecret], error) {
	if _, err := a.store.Workflow(c, model.WorkflowID(in.ID)); err != nil {
		return nil, err
	}
	secret, err := a.store.WorkflowSecret(c, model.WorkflowID(in.ID))
	return single(signingSecret{SigningSecret: secret.Reveal(), Older: []olderSecret{}}, err)
}

func (a *API) renewForm(c call, in *ByID) (*body[workflow], error) {
	var w model.Workflow
	err := a.write(c, func(tx *db.Tx) (err error) {
		w, err = tx.RenewForm(model.WorkflowID(in.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	return single(a.showWorkflow(c, w))
}

// offTarget is a request or webhook that Waybill switched off, or leaves alone for a while because it fails.
type offTarget struct {
	ID             string  `json:"id" doc:"STEP:WEBHOOK or STEP:request"`
	Step           string  `json:"step"`
	WebhookID      string  `json:"webhook_id" doc:"Empty for the step's own request"`
	Name           string  `json:"name" doc:"Of the webhook or request"`
	DisabledAt     *string `json:"disabled_at" format:"date-time" doc:"null: it was not switched off"`
	DisabledReason string  `json:"disabled_reason"`
	Breaker        string  `json:"breaker" enum:"closed,open,ramp" doc:"open: nothing is sent for a while because it fails"`
	LastError      string  `json:"last_error"`
	Held           int64   `json:"held" doc:"Deliveries that wait because it is off; at most 10,000 are counted"`
}

func (a *API) listTargets(c call, in *ByID) (*body[list[offTarget]], error) {
	w, err := a.store.Workflow(c, model.WorkflowID(in.ID))
	if err != nil {
		return nil, err
	}
	items, err := a.jobs.StepTargets(c, w)
	return listed(items, "", err, showTarget)
}

func showTarget(t jobs.StepTarget) offTarget {
	last := string(t.Webhook)
	if last == "" {
		last = "request"
	}
	breaker := string(t.Breaker)
	if breaker == "" {
		breaker = "closed"
	}
	return offTarget{t.Step + ":" + last, t.Step, string(t.Webhook), t.Name, stamp(t.DisabledAt), t.DisabledReason, breaker, t.LastError, t.Held}
}

// enabledTarget is the answer when one was switched on.
type enabledTarget struct {
	ID        string `json:"id"`
	Step      string `json:"step"`
	WebhookID string `json:"webhook_id"`
	Held      int64  `json:"held" doc:"Deliveries that were held: they go on, or were dropped"`
}

func (a *API) enableTarget(c call, in *struct {
	ByID
	Target string `path:"target"`
	Held   string `query:"held" enum:"send,drop" doc:"What becomes of what was held; send when absent"`
}) (*body[enabledTarget], error) {
	w, err := a.store.Workflow(c, model.WorkflowID(in.ID))
	if err != nil {
		return nil, err
	}
	step, hook := readTarget(w.ID, in.Target)
	n, err := a.jobs.EnableTarget(c, c.actor, w, step, hook, in.Held == "drop")
	t := showTarget(jobs.StepTarget{Step: step, Webhook: hook})
	return single(enabledTarget{t.ID, step, string(hook), n}, err)
}

// readTarget takes STEP:WEBHOOK, or the whole id of a target with its slashes escaped.
func readTarget(id model.WorkflowID, text string) (step string, hook model.WebhookID) {
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, string(id)+"/"), "/", ":")
	step, last, _ := strings.Cut(text, ":")
	if last == "request" {
		last = ""
	}
	return step, model.WebhookID(last)
}

func (a *API) startRun(c call, in *struct {
	ByID
	Traceparent string `header:"Traceparent" doc:"The trace that the caller is in (W3C Trace Context); it goes on in the run and in what its steps send"`
	Body        struct {
		Subject string          `json:"subject" doc:"What the run is about; at most 500 characters"`
		Data    json.RawMessage `json:"data" doc:"What conditions and templates see as run.data; {} when absent"`
	} `required:"false"`
}) (*made[run], error) {
	r, err := a.jobs.StartRun(c, c.actor, jobs.NewRun{WorkflowID: model.WorkflowID(in.ID), Trigger: model.TriggerManual, Subject: in.Body.Subject, Data: in.Body.Data,
		Event: model.RunEvent{Traceparent: model.Traceparent(in.Traceparent)}})
	if err != nil {
		return nil, err
	}
	return created(a.showRun(c, r), fmt.Sprintf("/runs/%s", r.ID), nil)
}
