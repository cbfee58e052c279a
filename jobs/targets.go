package jobs

import (
	"context"
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// StepTarget is the receiver of a step's request, or of one of its webhooks, that is not well.
type StepTarget struct {
	model.Health
	Step, StepName string
	Webhook        model.WebhookID // "" = the step's own request
	Name           string          // of the webhook or request
	Held           int64           // deliveries that wait because it is off, up to 10,000
}

// StepTargets lists the receivers of a workflow that were switched off, or are left alone for a while because they fail;
// those that are off come first.
func (s *Service) StepTargets(ctx context.Context, w model.Workflow) ([]StepTarget, error) {
	stored, err := s.o.Store.Ailing(ctx)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(stored, func(h model.Health) bool { return h.DisabledAt.IsZero() })
	for _, h := range s.Ailing() {
		if !slices.ContainsFunc(list, func(x model.Health) bool { return x.ID == h.ID }) {
			list = append(list, h)
		}
	}
	var out []StepTarget
	for _, h := range list {
		id, step, hook, is := h.ID.Step()
		if !is || id != w.ID {
			continue
		}
		t := StepTarget{Health: h, Step: step, StepName: step, Webhook: hook}
		if err := s.nameTarget(ctx, w, &t); err != nil {
			return nil, err
		}
		if t.Held, err = s.o.Store.Held(ctx, h.ID); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b StepTarget) int {
		if off := a.DisabledAt.IsZero(); off != b.DisabledAt.IsZero() {
			if off {
				return 1
			}
			return -1
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out, nil
}

// nameTarget finds what the published version calls it, else the draft, else an older version's names are not looked for.
func (s *Service) nameTarget(ctx context.Context, w model.Workflow, t *StepTarget) error {
	all := []model.Definition{w.Draft}
	if w.Published > 0 {
		v, err := s.o.Store.WorkflowVersion(ctx, w.ID, w.Published)
		if err != nil {
			return err
		}
		all = []model.Definition{v.Definition, w.Draft}
	}
	t.Name = "Request"
	if t.Webhook != "" {
		t.Name = "Webhook"
	}
	for _, d := range all {
		st, known := d.Step(t.Step)
		if !known {
			continue
		}
		t.StepName = st.Name
		if t.Webhook == "" && st.Request != nil && st.Request.Name != "" {
			t.Name = st.Request.Name
		}
		i := slices.IndexFunc(st.Webhooks, func(x model.Webhook) bool { return x.ID == t.Webhook })
		if i >= 0 {
			t.Name = st.Webhooks[i].Name
		}
		if t.Webhook == "" || i >= 0 {
			break
		}
	}
	return nil
}

// EnableTarget switches the receiver of a step's message on again; what was held for it goes, or is dropped first. It says
// how many those were. One that neither was switched off nor belongs to a step of the workflow is NotFound.
func (s *Service) EnableTarget(ctx context.Context, actor model.Actor, w model.Workflow, step string, hook model.WebhookID, drop bool) (held int64, err error) {
	t := StepTarget{Health: model.Health{ID: model.StepTarget(w.ID, step, hook)}, Step: step, StepName: step, Webhook: hook}
	if t.Health, err = s.o.Store.Health(ctx, t.ID); err != nil {
		return 0, err
	}
	if _, known := w.Draft.Step(step); !known && t.DisabledAt.IsZero() {
		return 0, fault.Absent("target")
	}
	if err := s.nameTarget(ctx, w, &t); err != nil {
		return 0, err
	}
	defer s.watchers.tell()
	name := w.Name + ": " + t.StepName + ", " + t.Name
	if held, err = s.o.Store.Held(ctx, t.ID); err != nil {
		return 0, err
	}
	if drop {
		held = 0
		for {
			n, err := s.o.Store.DropHeld(ctx, actor, t.ID, name)
			if held += n; err != nil {
				return held, err
			}
			if n == 0 {
				break
			}
		}
	}
	return held, s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.SwitchOnTarget(t.ID, name) })
}
