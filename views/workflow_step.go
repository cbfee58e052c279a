package views

import (
	"context"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/views/ui"
)

// StepForm is a step as it is typed.
type StepForm struct {
	Version    int64
	Key, Name  string
	WaitForAll bool
	NextTo     []string // keys; "" = a blank row
	NextWhen   []string

	Assignees  []string // people steps
	Due        string
	Remind     string
	Fields     FieldsForm // task
	RejectTo   string     // approvals; "" = the run ends as rejected
	Send       string     // outgoing: request, integration, destination
	Request    RequestForm
	Integrated string            // id of the integration
	Input      map[string]string // its form, by key
	Dest       string
	OnFailure  string

	WaitFor    string // time, event
	WaitSpan   string
	WaitEvent  string
	WaitFilter string
	WaitLimit  string
	Script     string
}

// NewStepForm shows a stored step. see says whether who looks may choose credentials.
func NewStepForm(ctx context.Context, w model.Workflow, s model.Step, see bool) StepForm {
	f := StepForm{Version: w.Version, Key: s.Key, Name: s.Name, WaitForAll: s.WaitForAll, Assignees: s.Assignees, Due: SpanText(ctx, s.DueSeconds), Remind: SpanText(ctx, s.RemindSeconds),
		Fields: NewFieldsForm(s.Fields, model.FieldTypes()), Send: "request", Integrated: string(s.IntegrationID), Dest: string(s.DestinationID), OnFailure: string(s.OnFailure),
		Input: map[string]string{}, WaitFor: "time", Script: s.Script}
	for _, n := range s.Next {
		f.NextTo, f.NextWhen = append(f.NextTo, n.To), append(f.NextWhen, n.When)
	}
	if s.OnReject != nil {
		f.RejectTo = s.OnReject.To
	}
	switch {
	case s.IntegrationID != "":
		f.Send = "integration"
	case s.DestinationID != "":
		f.Send = "destination"
	}
	r := model.Request{Method: "POST", ContentType: model.DefaultContentType}
	if s.Request != nil {
		r = *s.Request
	}
	f.Request = NewRequestForm(r, see)
	for k, v := range s.Input {
		f.Input[k] = defaultText(v)
	}
	if s.Wait != nil {
		f.WaitSpan, f.WaitEvent, f.WaitFilter, f.WaitLimit = SpanText(ctx, s.Wait.Seconds), s.Wait.Event, s.Wait.Filter, SpanText(ctx, s.Wait.TimeoutSeconds)
		if s.Wait.Event != "" {
			f.WaitFor = "event"
		}
	}
	return f
}

// StepProps are the page of one step of a draft.
type StepProps struct {
	DesignerProps
	Step         model.Step
	Form         StepForm
	Problems     Problems // names as in a step: "next[0].when", "request.url"
	Request      RequestProps
	Integrations []model.Integration // published ones
	Destinations []DestinationChoice
	People       []string // that can be named as assignees
	Samples      []model.Event
	Test         *model.Attempt // of the request that was just sent
	TestAsked    bool
	Sample       string // data that a test is sent with
}

// nextRows are the transitions and two blank ones.
func (p StepProps) nextRows() []NextRow {
	var out []NextRow
	n := 0
	for i, to := range p.Form.NextTo {
		when := ""
		if i < len(p.Form.NextWhen) {
			when = p.Form.NextWhen[i]
		}
		if to == "" && strings.TrimSpace(when) == "" {
			continue
		}
		at := "next[" + itoa(n) + "]."
		out = append(out, NextRow{to, when, strings.TrimSpace(p.Problems.Of(at+"to") + " " + p.Problems.Of(at+"when"))})
		n++
	}
	return append(out, NextRow{}, NextRow{})
}

// NextRow is one transition that is being typed.
type NextRow struct{ To, When, Error string }

// stepOptions are the steps that a transition can lead to.
func (p StepProps) stepOptions(ctx context.Context, none string) []ui.Option {
	out := []ui.Option{{Value: "", Label: none}}
	for _, s := range p.Workflow.Draft.Steps {
		label := s.Name
		if s.Key == p.Step.Key {
			label += " " + say(ctx, "(this step)")
		}
		out = append(out, ui.Option{Value: s.Key, Label: label, Own: true})
	}
	return out
}

// assigneeRows are those that are named, and blank ones.
func (p StepProps) assigneeRows() []NextRow {
	var out []NextRow
	for i, a := range p.Form.Assignees {
		if a != "" {
			out = append(out, NextRow{To: a, Error: p.Problems.Of("assignees[" + itoa(i) + "]")})
		}
	}
	return append(out, NextRow{}, NextRow{})
}

// assigneeHints are what can be written as an assignee.
func (p StepProps) assigneeHints() []string {
	out := []string{"initiator"}
	for _, f := range p.Workflow.Draft.Trigger.Fields {
		if f.Type == model.TypeEmail || f.Type == model.TypeText {
			out = append(out, "field:"+model.TriggerKey+"."+f.Key)
		}
	}
	for _, s := range p.Workflow.Draft.Steps {
		for _, f := range s.Fields {
			if s.Key != p.Step.Key && (f.Type == model.TypeEmail || f.Type == model.TypeText) {
				out = append(out, "field:"+s.Key+"."+f.Key)
			}
		}
	}
	return append(out, p.People...)
}

func integrationOptions(list []model.Integration) []ui.Option {
	out := []ui.Option{{Value: "", Label: "Choose one"}}
	for _, n := range list {
		out = append(out, ui.Option{Value: string(n.ID), Label: n.Name, Own: true})
	}
	return out
}

// chosen is the integration whose form is shown.
func (p StepProps) chosen() *model.Integration {
	for i, n := range p.Integrations {
		if string(n.ID) == p.Form.Integrated {
			return &p.Integrations[i]
		}
	}
	return nil
}

func destinationPicks(list []DestinationChoice, chosen string) []ui.Option {
	out := []ui.Option{{Value: "", Label: "Choose one"}}
	for _, d := range list {
		o := ui.Option{Value: string(d.ID), Label: d.Connection + " → " + d.Name, Own: true}
		if d.Off != "" {
			o.Label += " (" + d.Off + ")"
			o.Disabled = string(d.ID) != chosen
		}
		out = append(out, o)
	}
	return out
}

// InputName is the name of the input for one field of an integration's form.
func InputName(key string) string { return "input_" + key }

// WebhookForm is a step webhook as it is typed. Secrets are not shown again.
type WebhookForm struct {
	Version      int64  `form:"version"`
	Enabled      bool   `form:"enabled"`
	Name         string `form:"name"`
	Description  string `form:"description"`
	URL          string `form:"url"`
	Trigger      string `form:"trigger"`
	Sign         bool   `form:"sign"`
	Auth         string `form:"auth"` // none, client_secret, basic, credential, keep
	Username     string `form:"username"`
	CredentialID string `form:"credential_id"`
}

// WebhookProps are the page of one webhook of a step; ID is empty for one that is to be made.
type WebhookProps struct {
	DesignerProps
	Step        model.Step
	ID          model.WebhookID
	Saved       model.Webhook
	Form        WebhookForm
	Problems    Problems
	Credentials []model.Credential
}

func (p WebhookProps) action() string { return webhookURL(p) }

// TriggerForm is a trigger as it is typed.
type TriggerForm struct {
	Version    int64
	Kind       string
	Event      string
	Filter     string
	AudienceID string
	Cron       string
	Timezone   string
	Intro      string
	Thanks     string
	Fields     FieldsForm
}

// TriggerProps are the page of a draft's trigger.
type TriggerProps struct {
	DesignerProps
	Form       TriggerForm
	Problems   Problems // names as in a trigger: "event", "fields[0].key"
	Events     []string
	Audiences  []model.Audience
	Inbound    []Need      // endpoints that start this workflow
	MayInbound bool        // they may be seen
	NextRuns   []time.Time // of the schedule as saved, in its zone
	FormURL    string      // whole address of the form, "" = it is not published
}

// NewTriggerForm shows a stored trigger.
func NewTriggerForm(w model.Workflow) TriggerForm {
	t := w.Draft.Trigger
	types := model.FieldTypes()
	return TriggerForm{Version: w.Version, Kind: string(t.Kind), Event: t.Event, Filter: t.Filter, AudienceID: string(t.AudienceID), Cron: t.Cron, Timezone: t.Timezone,
		Intro: t.Intro, Thanks: t.Thanks, Fields: NewFieldsForm(t.Fields, types)}
}

func audienceOptions(ctx context.Context, list []model.Audience) []ui.Option {
	out := []ui.Option{{Value: "", Label: "Choose one"}}
	for _, a := range list {
		out = append(out, ui.Option{Value: string(a.ID), Label: a.Name + " (" + ui.Many(ctx, a.Count, "record") + ")", Own: true})
	}
	return out
}
