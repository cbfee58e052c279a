package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/inbound"
	"waybill/views"
	"waybill/views/texts"
	"waybill/views/ui"
)

// inboundTyped is the posted form, and the endpoint and secrets that it describes over old.
func (h *Handlers) inboundTyped(c echo.Context, old model.InboundEndpoint) (views.InboundForm, model.InboundEndpoint, model.Secrets, error) {
	f, err := web.Bind[views.InboundForm](c)
	if err != nil {
		return f, old, nil, err
	}
	var bad fault.Check
	e := old
	e.Name, e.Description, e.Enabled, e.Version = f.Name, f.Description, f.Enabled, f.Version
	e.UserID, e.ConnectionID, e.Event, e.Subject = model.UserID(f.UserID), model.ConnectionID(f.ConnectionID), f.Event, f.Subject
	e.PartnerRotates, e.ContentTypes = f.PartnerRotates, list(f.ContentTypes)
	e.MaxBytes, e.Rate = 1024*number(&bad, "max_body_bytes", f.MaxKiB), number(&bad, "rate_per_second", f.Rate)
	e.Dedupe = model.Dedupe{WindowSeconds: number(&bad, "dedupe.window_seconds", f.DedupeWindow), Off: f.Dedupe == "off"}
	switch f.Dedupe {
	case "header":
		if e.Dedupe.Header = strings.TrimSpace(f.DedupeHeader); e.Dedupe.Header == "" {
			bad.Add("dedupe.header", "Name the header.")
		}
	case "fields":
		if e.Dedupe.Fields = list(f.DedupeFields); len(e.Dedupe.Fields) == 0 {
			bad.Add("dedupe.fields", "Name at least one field.")
		}
	}
	e.Response = model.InboundResponse{Mode: f.Response, Status: number(&bad, "response.status", f.Status), ContentType: strings.TrimSpace(f.ContentType), Body: f.Body,
		TimeoutSeconds: number(&bad, "response.timeout_seconds", f.Timeout), Headers: old.Response.Headers}
	if f.AfterRun && f.Response == model.ResponseScript {
		e.Response.Mode = model.ResponseRun
	}
	if h.may(c, model.RunWorkflows) { // others do not see these fields, and leave them as they are
		e.Effects = model.InboundEffects{StartsWorkflowID: f.Workflow}
		if f.CompleteFlow != "" || f.CompleteStep != "" || f.Correlation != "" {
			e.Effects.Completes = &model.InboundComplete{WorkflowID: f.CompleteFlow, Step: f.CompleteStep, Correlation: f.Correlation, Decision: f.Decision}
		}
	}
	secrets := h.presetTyped(c, &f, &e, &bad)
	if e.Verification.Preset != old.Verification.Preset {
		e.Secrets = nil
	}
	return f, e, secrets, both(h.o.Jobs.CheckInbound(&e, secrets), bad.Err())
}

// list splits what was typed with commas or on lines.
func list(text string) []string {
	var out []string
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// presetTyped reads the fields of the chosen preset, and keeps what was typed for the others.
func (h *Handlers) presetTyped(c echo.Context, f *views.InboundForm, e *model.InboundEndpoint, bad *fault.Check) model.Secrets {
	f.Typed = map[string]string{}
	settings, secrets := map[string]any{}, model.Secrets{}
	for _, k := range inbound.Kinds() {
		for _, x := range k.Fields {
			text, chosen := typed(c, views.PresetInput(string(k.Preset), x.Name)), string(k.Preset) == f.Preset
			if x.Kind == model.FieldSecret {
				if text = strings.TrimSpace(text); chosen && text != "" {
					secrets[x.Name] = model.Secret(text)
				}
				continue
			}
			f.Typed[string(k.Preset)+"."+x.Name] = text
			switch {
			case !chosen || strings.TrimSpace(text) == "":
			case x.Kind == model.FieldNumber:
				settings[x.Name] = number(bad, "verification."+x.Name, text)
			default:
				settings[x.Name] = text
			}
		}
	}
	settings["preset"], settings["networks"] = f.Preset, list(f.Networks)
	e.Verification = model.Verification{}
	text, err := json.Marshal(settings)
	if err == nil {
		err = json.Unmarshal(text, &e.Verification)
	}
	if err != nil {
		bad.Add("verification.preset", "These settings do not go together.")
	}
	return secrets
}

// inboundFilled is the form of what is stored.
func inboundFilled(e model.InboundEndpoint) views.InboundForm {
	f := views.InboundForm{Version: e.Version, Name: e.Name, Description: e.Description, Enabled: e.Enabled, UserID: string(e.UserID), ConnectionID: string(e.ConnectionID),
		Preset: string(e.Verification.Preset), Networks: strings.Join(e.Verification.Networks, "\n"), Event: e.Event, Subject: e.Subject, Dedupe: "auto",
		DedupeHeader: e.Dedupe.Header, DedupeFields: strings.Join(e.Dedupe.Fields, ", "), DedupeWindow: some(e.Dedupe.WindowSeconds), ContentTypes: strings.Join(e.ContentTypes, ", "),
		MaxKiB: strconv.Itoa((e.MaxBytes + 1023) / 1024), Rate: strconv.Itoa(e.Rate), Response: e.Response.Mode, Status: some(e.Response.Status), ContentType: e.Response.ContentType,
		Body: e.Response.Body, Timeout: some(e.Response.TimeoutSeconds), PartnerRotates: e.PartnerRotates, Workflow: e.Effects.StartsWorkflowID, Typed: map[string]string{}}
	if e.Response.Mode == model.ResponseRun {
		f.Response, f.AfterRun = model.ResponseScript, true
	}
	switch {
	case e.Dedupe.Off:
		f.Dedupe = "off"
	case e.Dedupe.Header != "":
		f.Dedupe = "header"
	case len(e.Dedupe.Fields) > 0:
		f.Dedupe = "fields"
	}
	if x := e.Effects.Completes; x != nil {
		f.CompleteFlow, f.CompleteStep, f.Correlation, f.Decision = x.WorkflowID, x.Step, x.Correlation, x.Decision
	}
	var settings model.Config
	if json.Unmarshal([]byte(e.Verification.Text()), &settings) == nil {
		for name := range settings {
			f.Typed[f.Preset+"."+name] = settings.Text(name)
		}
	}
	return f
}

// some is a number as it is typed, "" for 0.
func some(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// storedSecrets are the secrets that are kept, as PRESET.FIELD.
func storedSecrets(e model.InboundEndpoint) []string {
	var out []string
	for _, s := range e.Secrets {
		if name := string(e.Verification.Preset) + "." + s.Name; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// offerWorkflows puts the workflows that calls can start, and those whose runs they can move on, into the form of whoever
// may run workflows. What is chosen stays there to be seen when it is not published any more.
func (h *Handlers) offerWorkflows(c echo.Context, p *views.InboundFormProps, published map[model.WorkflowID]db.Starter) {
	if !h.may(c, model.RunWorkflows) {
		return
	}
	p.Workflows, p.Movable = []ui.Option{}, []ui.Option{}
	for id, w := range published {
		o := ui.Option{Value: string(id), Label: w.Name, Own: true}
		m := o
		if k := w.Trigger.Kind; k == model.TriggerPublicForm || k == model.TriggerSchedule {
			m.Label = h.T(c, "{name} (its runs have no subject)", "name", w.Name)
		}
		p.Movable = append(p.Movable, m)
		if w.Trigger.Kind == model.TriggerInbound {
			p.Workflows = append(p.Workflows, o)
		}
	}
	p.Workflows = offered(h.Reader(c), p.Workflows, p.Form.Workflow, h.T(c, "Start none"))
	p.Movable = offered(h.Reader(c), p.Movable, p.Form.CompleteFlow, h.T(c, "Move none on"))
}

// offered are options by their labels, after one for nothing.
func offered(ctx context.Context, list []ui.Option, chosen, none string) []ui.Option {
	slices.SortFunc(list, func(a, b ui.Option) int {
		return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(a.Value, b.Value))
	})
	if chosen != "" && !slices.ContainsFunc(list, func(o ui.Option) bool { return o.Value == chosen }) {
		list = append(list, ui.Option{Value: chosen, Label: texts.T(ctx, "{name} (cannot be used)", "name", chosen)})
	}
	return append([]ui.Option{{Label: none}}, list...)
}
