package views

import (
	"context"
	"encoding/json"

	"waybill/db/model"
	"waybill/views/ui"
)

// definitionText is a definition as people read it.
func definitionText(d model.Definition) string { return jsonText(d) }

func jsonText(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "" // our own types, always encodable
	}
	return string(b)
}

// Changes lists what differs between two definitions: the trigger, and step by step in the order of the newer one.
func Changes(ctx context.Context, before, after model.Definition) []StepChange {
	var out []StepChange
	add := func(title, what, a, b string) {
		if a != b {
			out = append(out, StepChange{title, what, ui.DiffLines(a, b)})
		}
	}
	old := ""
	if before.Trigger.Kind != "" {
		old = jsonText(before.Trigger)
	}
	add(say(ctx, "Trigger"), "changed", old, jsonText(after.Trigger))
	for _, s := range after.Steps {
		if was, there := before.Step(s.Key); there {
			add(s.Name, "changed", jsonText(plainStep(was)), jsonText(plainStep(s)))
		} else {
			add(s.Name, "added", "", jsonText(plainStep(s)))
		}
	}
	for _, s := range before.Steps {
		if _, there := after.Step(s.Key); !there {
			add(s.Name, "removed", jsonText(plainStep(s)), "")
		}
	}
	if a, b := keys(before), keys(after); len(out) == 0 && a != b {
		add(say(ctx, "Order of the steps"), "changed", a, b)
	}
	return out
}

// plainStep is a step without what only those who look are told.
func plainStep(s model.Step) model.Step {
	s.Webhooks = append([]model.Webhook{}, s.Webhooks...)
	for i := range s.Webhooks {
		s.Webhooks[i].Auth.Stored = nil
	}
	return s
}

func keys(d model.Definition) string {
	out := ""
	for _, s := range d.Steps {
		out += s.Key + "\n"
	}
	return out
}
