package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) newStep(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	after := c.QueryParam("after")
	if after == "" {
		after = model.TriggerKey
		for _, s := range w.Draft.Steps {
			if s.Kind != model.StepEnd {
				after = s.Key
			}
		}
	}
	return h.newStepPage(c, http.StatusOK, w, views.NewStepProps{After: after})
}

func (h *Handlers) newStepPage(c echo.Context, status int, w model.Workflow, p views.NewStepProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, p.After); err != nil {
		return err
	}
	return h.Page(c, stepBits(status, w, h.T(c, "Add a step")), views.NewStep(p))
}

func (h *Handlers) createStep(c echo.Context) error {
	old, err := h.workflow(c)
	if err != nil {
		return err
	}
	w, kind, after := old, model.StepKind(typed(c, "kind")), typed(c, "after")
	w.Draft = copyOf(old.Draft)
	w.Version, _ = strconv.ParseInt(typed(c, "version"), 10, 64)
	used := map[string]bool{model.TriggerKey: true}
	for _, s := range w.Draft.Steps {
		used[s.Key] = true
	}
	name := strings.TrimSpace(typed(c, "name"))
	s := model.Step{Name: cmp.Or(name, views.StepTitle(kind)), Kind: kind}
	s.Key = views.FreeKey(s.Name, "step", used)
	if kind == model.StepOutgoing {
		s.Request = &model.Request{}
	}
	insertStep(&w.Draft, s, after)
	if err = h.o.Jobs.CheckWorkflow(&w, false); err == nil {
		err = h.saveWorkflow(c, &w)
	}
	if p, status, ok := h.wrong(c, err, href.Workflow(w.ID)); ok {
		return h.newStepPage(c, status, old, views.NewStepProps{After: after, Name: name, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, s.Key), h.T(c, "{name} is created.", "name", s.Name))
}

// insertStep puts a step after another, whose ways on become its own; after the trigger's key it comes first, after ""
// it stands alone.
func insertStep(d *model.Definition, s model.Step, after string) {
	at := slices.IndexFunc(d.Steps, func(x model.Step) bool { return x.Key == after })
	switch {
	case after == model.TriggerKey:
		if len(d.Steps) > 0 && s.Kind != model.StepEnd {
			s.Next = []model.Transition{{To: d.Steps[0].Key}}
		}
		d.Steps = slices.Insert(d.Steps, 0, s)
	case at >= 0:
		if s.Kind != model.StepEnd {
			s.Next = d.Steps[at].Next
			d.Steps[at].Next = []model.Transition{{To: s.Key}}
		} else {
			d.Steps[at].Next = append(d.Steps[at].Next, model.Transition{To: s.Key})
		}
		d.Steps = slices.Insert(d.Steps, at+1, s)
	default:
		d.Steps = append(d.Steps, s)
	}
}

func (h *Handlers) askDeleteStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	p := views.DeleteStepProps{Workflow: w, Step: w.Draft.Steps[at]}
	for _, s := range w.Draft.Steps {
		if s.Key != p.Step.Key && slices.Contains(s.Leads(), p.Step.Key) {
			p.Before = append(p.Before, s.Name)
		}
	}
	return h.Page(c, stepBits(http.StatusOK, w, h.T(c, "Delete {name}", "name", p.Step.Name)), views.DeleteStep(p))
}

func (h *Handlers) deleteStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	gone := w.Draft.Steps[at]
	w.Draft.Steps = slices.Delete(w.Draft.Steps, at, at+1)
	for i := range w.Draft.Steps {
		bridge(&w.Draft.Steps[i], gone)
	}
	if v := typed(c, "version"); v != "" {
		w.Version, _ = strconv.ParseInt(v, 10, 64)
	}
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	return h.Done(c, href.Workflow(w.ID), h.T(c, "{name} is deleted.", "name", gone.Name))
}

// bridge leads what led to a step that goes on to what followed it.
func bridge(s *model.Step, gone model.Step) {
	if s.OnReject != nil && s.OnReject.To == gone.Key {
		s.OnReject = nil
	}
	var next []model.Transition
	leads := map[string]bool{gone.Key: true, s.Key: true}
	for _, n := range s.Next {
		leads[n.To] = true
	}
	for _, n := range s.Next {
		if n.To != gone.Key {
			next = append(next, n)
			continue
		}
		for _, on := range gone.Next {
			if !leads[on.To] {
				leads[on.To] = true
				next = append(next, model.Transition{To: on.To, When: n.When})
			}
		}
	}
	s.Next = next
}

// copyStep puts a copy behind a step, not connected yet; its webhooks come without their secrets.
func (h *Handlers) copyStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	used := map[string]bool{model.TriggerKey: true}
	for _, s := range w.Draft.Steps {
		used[s.Key] = true
	}
	s := copyOf(model.Definition{Steps: w.Draft.Steps[at : at+1]}).Steps[0]
	s.Name += " (copy)"
	s.Key, s.Next = views.FreeKey(w.Draft.Steps[at].Key, "step", used), nil
	for i := range s.Webhooks {
		x := &s.Webhooks[i]
		if x.ID = ""; x.Auth.Wants() != "" {
			x.Auth, x.Enabled = model.Auth{Type: model.AuthNone}, false
		}
	}
	w.Draft.Steps = slices.Insert(w.Draft.Steps, at+1, s)
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, s.Key), h.T(c, "{name} is created. Nothing leads to it yet.", "name", s.Name))
}

// moveStep changes the order; the first step is the one that a run begins with.
func (h *Handlers) moveStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	to := at + 1
	if typed(c, "value") == "up" {
		to = at - 1
	}
	if to < 0 || to >= len(w.Draft.Steps) {
		return h.Done(c, href.Workflow(w.ID), "It stays where it is.")
	}
	name := w.Draft.Steps[at].Name
	w.Draft.Steps[at], w.Draft.Steps[to] = w.Draft.Steps[to], w.Draft.Steps[at]
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	words := h.T(c, "{name} is moved.", "name", name)
	if at == 0 || to == 0 {
		words += " " + h.T(c, "A run begins with {name}.", "name", w.Draft.Steps[0].Name)
	}
	return h.Done(c, href.Workflow(w.ID), words)
}
