package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
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
	if w.Published > 0 && w.Draft.Trigger.Kind == model.TriggerForm {
		p.FormURL = strings.TrimSuffix(h.BaseURL.String(), "/") + href.StartWorkflow(w.ID)
	}
	if p.NextRuns, err = nextTimes(model.Trigger{Kind: model.TriggerKind(p.Form.Kind), Cron: strings.TrimSpace(p.Form.Cron), Timezone: strings.TrimSpace(p.Form.Timezone)}, h.Now()); err != nil {
		return err
	}
	if p.MayInbound = h.may(c, model.Inbound.View()); p.MayInbound {
		if p.Inbound, err = h.inboundNeeds(c, w.ID); err != nil {
			return err
		}
	}
	return h.Page(c, stepBits(status, w, h.T(c, "Trigger")), views.Trigger(p))
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

// scheduleProblems say why a schedule has no next times.
func scheduleProblems(f views.TriggerForm, now time.Time) map[string]string {
	if _, err := time.LoadLocation(strings.TrimSpace(f.Timezone)); err != nil {
		return map[string]string{"timezone": texts.ID("There is no time zone of this name. Write one such as Europe/Berlin.")}
	}
	if _, err := jobs.NextTime(model.Trigger{Cron: strings.TrimSpace(f.Cron), Timezone: strings.TrimSpace(f.Timezone)}, now); err != nil {
		return map[string]string{"cron": texts.ID("Five fields that come due: minute, hour, day of the month, month, day of the week, for instance 0 9 * * 1-5.")}
	}
	return nil
}

// inboundNeeds are the endpoints whose calls start runs of a workflow or move them on.
func (h *Handlers) inboundNeeds(c echo.Context, id model.WorkflowID) ([]views.Need, error) {
	list, err := h.Store.InboundOfWorkflow(c.Request().Context(), id)
	var out []views.Need
	for _, e := range list {
		n := views.Need{Kind: "Starts it", Name: e.Name, URL: href.InboundEndpoint(e.ID)}
		if e.Effects.StartsWorkflowID != string(id) {
			n.Kind = texts.ID("Moves runs on")
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
		if in.Get("more") == "times" {
			return h.triggerPage(c, http.StatusOK, old, views.TriggerProps{Form: f, Problems: views.Problems{Fields: scheduleProblems(f, h.Now())}})
		}
		return h.triggerPage(c, http.StatusOK, old, views.TriggerProps{Form: f})
	}
	w := old
	w.Version, w.Draft = f.Version, copyOf(old.Draft)
	w.Draft.Trigger = triggerOf(f)
	if err = triggerProblems(h.o.Jobs.CheckWorkflow(&w, false)); err == nil {
		err = triggerProblems(h.saveWorkflow(c, &w))
	}
	clash := h.draftCollision(old, "trigger", "trigger", old.Draft.Trigger, w.Draft.Trigger, wholePart)
	if p, status, ok := h.wrongOver(c, err, href.TriggerOf(old.ID), &f.Version, clash); ok {
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
		bad.Add(name, "%s", x.Words())
	}
	return bad.Err()
}
