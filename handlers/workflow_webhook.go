package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

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
	name := h.T(c, "Add a webhook")
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
	theirs := href.WorkflowStep(w.ID, w.Draft.Steps[step].Key)
	if saved.ID != "" {
		theirs = href.StepWebhook(w.ID, w.Draft.Steps[step].Key, saved.ID)
	}
	clash := h.draftCollision(old, "webhook", "steps."+old.Draft.Steps[step].Key, saved, x, hookPart(saved.ID))
	if p, status, ok := h.wrongOver(c, webhookProblems(err, step, at), theirs, &f.Version, clash); ok {
		return h.webhookPage(c, status, old, views.WebhookProps{Step: old.Draft.Steps[step], ID: saved.ID, Saved: saved, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, w.Draft.Steps[step].Key), h.T(c, "{name} is saved. It takes effect when the workflow is published.", "name", x.Name))
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
			bad.Add(name, "%s", withoutStep(x))
		} else {
			bad.Add("", "%s", x.Words())
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
	return h.Done(c, href.WorkflowStep(w.ID, w.Draft.Steps[step].Key), h.T(c, "{name} is deleted.", "name", name))
}
