package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) showTrigger(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	return h.triggerPage(c, http.StatusOK, w, views.TriggerProps{Form: views.NewTriggerForm(w)})
}

func (h *Handlers) triggerPage(c echo.Context, status int, w model.Workflow, p views.TriggerProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, model.TriggerKey); err != nil {
		return err
	}
	if h.may(c, model.Events.View()) {
		if p.Events, err = h.eventNames(c); err != nil {
			return err
		}
	}
	if p.Audiences, _, err = h.Store.Audiences(c.Request().Context(), db.AudienceFilter{}, many); err != nil {
		return err
	}
	if w.Published > 0 && w.FormToken != "" && w.Draft.Trigger.Kind == model.TriggerPublicForm {
		p.FormURL = strings.TrimSuffix(h.BaseURL.String(), "/") + href.PublicForm(w.FormToken)
	}
	if p.NextRuns, err = nextTimes(w.Draft.Trigger, h.Now()); err != nil {
		return err
	}
	if p.MayInbound = h.may(c, model.Inbound.View()); p.MayInbound {
		if p.Inbound, err = h.inboundNeeds(c, w.ID); err != nil {
			return err
		}
	}
	return h.Page(c, stepBits(status, w, "Trigger"), views.Trigger(p))
}

// nextTimes are the next five of a schedule, in its zone; none of one that is not complete yet.
func nextTimes(t model.Trigger, now time.Time) ([]time.Time, error) {
	if t.Kind != model.TriggerSchedule || t.Cron == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(t.Timezone)
	if err != nil {
		return nil, nil //nolint:nilerr // the page says elsewhere that there is no such zone
	}
	var out []time.Time
	for range 5 {
		next, err := jobs.NextTime(t, now)
		if err != nil {
			return out, nil //nolint:nilerr // so does it of what never comes due
		}
		out, now = append(out, next.In(zone)), next
	}
	return out, nil
}

// inboundNeeds are the endpoints whose calls start runs of a workflow or move them on.
func (h *Handlers) inboundNeeds(c echo.Context, id model.WorkflowID) ([]views.Need, error) {
	list, err := h.Store.InboundOfWorkflow(c.Request().Context(), id)
	var out []views.Need
	for _, e := range list {
		n := views.Need{Kind: "Starts it", Name: e.Name, URL: href.InboundEndpoint(e.ID)}
		if e.Effects.StartsWorkflowID != string(id) {
			n.Kind = "Moves runs on"
		}
		out = append(out, n)
	}
	return out, err
}

func (h *Handlers) updateTrigger(c echo.Context) error {
	old, err := h.workflow(c)
	if err != nil {
		return err
	}
	in, err := c.FormParams()
	if err != nil {
		return err
	}
	f := views.TriggerForm{Kind: in.Get("kind"), Event: in.Get("event"), Filter: in.Get("filter"), AudienceID: in.Get("audience_id"), Cron: in.Get("cron"),
		Timezone: in.Get("timezone"), Intro: in.Get("intro"), Thanks: in.Get("thanks"), Fields: readFields(in, model.FieldTypes())}
	f.Version, _ = strconv.ParseInt(in.Get("version"), 10, 64)
	if in.Get("more") != "" {
		f.Fields.Blank = 2
		return h.triggerPage(c, http.StatusOK, old, views.TriggerProps{Form: f})
	}
	w := old
	w.Version, w.Draft = f.Version, copyOf(old.Draft)
	w.Draft.Trigger = triggerOf(f)
	if err = triggerProblems(h.o.Jobs.CheckWorkflow(&w, false)); err == nil {
		err = triggerProblems(h.saveWorkflow(c, &w))
	}
	if p, status, ok := wrong(err, href.TriggerOf(old.ID)); ok {
		if p.Theirs != "" {
			f.Version = old.Version
		}
		return h.triggerPage(c, status, old, views.TriggerProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.TriggerOf(w.ID), "The trigger is saved.")
}

// triggerOf is what was typed; what does not belong to its kind is left out.
func triggerOf(f views.TriggerForm) model.Trigger {
	t := model.Trigger{Kind: model.TriggerKind(f.Kind), Intro: strings.TrimSpace(f.Intro), Thanks: strings.TrimSpace(f.Thanks), Fields: f.Fields.Fields()}
	switch t.Kind {
	case model.TriggerEvent:
		t.Event, t.Filter = f.Event, f.Filter
	case model.TriggerAudience:
		t.AudienceID = f.AudienceID
	case model.TriggerSchedule:
		t.Cron, t.Timezone = f.Cron, f.Timezone
	}
	return t
}

// triggerProblems gives complaints about the trigger the names of its inputs.
func triggerProblems(err error) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	for _, x := range f.Fields {
		name, own := strings.CutPrefix(strings.TrimPrefix(x.Name, "draft."), "trigger.")
		if !own {
			name = ""
		}
		bad.Add(name, "%s", x.Message)
	}
	return bad.Err()
}

// hook finds the webhook that a page is about; -1 is a new one.
func (h *Handlers) hook(c echo.Context) (w model.Workflow, step, at int, err error) {
	if w, step, err = h.stepAt(c); err != nil {
		return w, step, -1, err
	}
	id := model.WebhookID(c.Param("webhook"))
	if id == "" {
		return w, step, -1, nil
	}
	at = slices.IndexFunc(w.Draft.Steps[step].Webhooks, func(x model.Webhook) bool { return x.ID == id })
	if at < 0 {
		err = fault.Absent("webhook of this step")
	}
	return w, step, at, err
}

func (h *Handlers) newWebhook(c echo.Context) error {
	w, step, _, err := h.hook(c)
	if err != nil {
		return err
	}
	f := views.WebhookForm{Version: w.Version, Enabled: true, Trigger: string(model.OnCompleted), Auth: string(model.AuthNone)}
	return h.webhookPage(c, http.StatusOK, w, views.WebhookProps{Step: w.Draft.Steps[step], Form: f})
}

func (h *Handlers) showWebhook(c echo.Context) error {
	w, step, at, err := h.hook(c)
	if err != nil {
		return err
	}
	x := w.Draft.Steps[step].Webhooks[at]
	f := views.WebhookForm{Version: w.Version, Enabled: x.Enabled, Name: x.Name, Description: x.Description, URL: x.URL, Trigger: string(x.Trigger), Sign: x.Sign,
		Auth: string(x.Auth.Type), Username: x.Auth.Username, CredentialID: string(x.Auth.CredentialID)}
	if x.Auth.Type == model.AuthCredential && !h.may(c, model.Credentials.View()) {
		f.Auth = "keep"
	}
	return h.webhookPage(c, http.StatusOK, w, views.WebhookProps{Step: w.Draft.Steps[step], ID: x.ID, Saved: x, Form: f})
}

func (h *Handlers) webhookPage(c echo.Context, status int, w model.Workflow, p views.WebhookProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, p.Step.Key); err != nil {
		return err
	}
	if h.may(c, model.Credentials.View()) {
		if p.Credentials, _, err = h.Store.Credentials(c.Request().Context(), db.CredentialFilter{}, many); err != nil {
			return err
		}
	}
	name := "Add a webhook"
	if p.ID != "" {
		name = p.Saved.Name
	}
	return h.Page(c, stepBits(status, w, name), views.StepWebhook(p))
}

func (h *Handlers) saveWebhook(c echo.Context) error {
	w, step, at, err := h.hook(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.WebhookForm](c)
	if err != nil {
		return err
	}
	old, x := w, model.Webhook{}
	old.Draft = copyOf(w.Draft)
	if at >= 0 {
		x = w.Draft.Steps[step].Webhooks[at]
	}
	saved := x
	if err := h.webhookTyped(c, f, &x); err != nil {
		return err
	}
	hooks := &w.Draft.Steps[step].Webhooks
	if at < 0 {
		at = len(*hooks)
		*hooks = append(*hooks, x)
	} else {
		(*hooks)[at] = x
	}
	w.Version = f.Version
	if err = h.o.Jobs.CheckWorkflow(&w, false); err == nil {
		err = h.saveWorkflow(c, &w)
	}
	if p, status, ok := wrong(webhookProblems(err, step, at), href.Workflow(w.ID)); ok {
		if p.Theirs != "" {
			f.Version = old.Version
		}
		return h.webhookPage(c, status, old, views.WebhookProps{Step: old.Draft.Steps[step], ID: saved.ID, Saved: saved, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, w.Draft.Steps[step].Key), x.Name+" is saved. It takes effect when the workflow is published.")
}

// webhookTyped puts the form into x. Secrets that were left empty are kept.
func (h *Handlers) webhookTyped(c echo.Context, f views.WebhookForm, x *model.Webhook) error {
	was := x.Auth
	x.Enabled, x.Name, x.Description, x.URL, x.Trigger, x.Sign = f.Enabled, f.Name, f.Description, f.URL, model.WebhookTrigger(f.Trigger), f.Sign
	if f.Auth == "keep" {
		return nil
	}
	x.Auth = model.Auth{Type: model.AuthType(f.Auth), Typed: model.Secrets{}}
	switch x.Auth.Type {
	case model.AuthClientSecret:
		if s := typed(c, "secret"); s != "" {
			x.Auth.Typed[model.AuthSecret] = model.Secret(s)
		}
	case model.AuthBasic:
		x.Auth.Username = f.Username
		if s := typed(c, "password"); s != "" {
			x.Auth.Typed[model.AuthPassword] = model.Secret(s)
		}
	case model.AuthCredential:
		x.Auth.CredentialID = model.CredentialID(f.CredentialID)
		if x.Auth.CredentialID != was.CredentialID && !h.may(c, model.Credentials.View()) {
			return fault.Missing(string(model.Credentials.View()))
		}
	}
	return nil
}

// webhookProblems gives complaints about one webhook the names of its inputs.
func webhookProblems(err error, step, at int) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	prefix := "steps[" + strconv.Itoa(step) + "].webhooks[" + strconv.Itoa(at) + "]."
	for _, x := range f.Fields {
		name, own := strings.CutPrefix(strings.TrimPrefix(x.Name, "draft."), prefix)
		if own {
			bad.Add(name, "%s", withoutStep(x.Message))
		} else {
			bad.Add("", "%s", x.Message)
		}
	}
	return bad.Err()
}

func (h *Handlers) deleteWebhook(c echo.Context) error {
	w, step, at, err := h.hook(c)
	if err != nil {
		return err
	}
	hooks := &w.Draft.Steps[step].Webhooks
	name := (*hooks)[at].Name
	*hooks = slices.Delete(*hooks, at, at+1)
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, w.Draft.Steps[step].Key), name+" is deleted.")
}
