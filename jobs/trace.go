package jobs

import (
	"context"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs/filter"
)

// NameNo is the result of an action whose pattern does not fit an event's name. It is not stored with events.
const NameNo model.MetWord = "name_no"

// Traced is what one action, or the trigger of one workflow, decided about an event, and what became of it.
type Traced struct {
	model.Met
	Rule     string          // the filter, or for NameNo the event pattern, as they stand now
	Values   []filter.Value  // what the filter looked at; none when the filter was changed since or the data is gone
	Changed  bool            // the action was changed since
	Delivery *model.Delivery // nil when none was made, or retention has taken it
	Gates    []Gate          // what decided about the delivery on its way out
}

// Trace tells what every action decided about e: those that it met, and those of today that its name does not concern. An
// action that came after the event, or whose pattern fits it only since, had no say and is left out.
func (s *Service) Trace(ctx context.Context, e model.Event) ([]Traced, error) {
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil, err
	}
	made, err := s.madeBy(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	today := make(map[model.ActionID]model.Action, len(snap.Actions))
	for _, a := range snap.Actions {
		today[a.ID] = a
	}
	out := make([]Traced, 0, len(snap.Actions))
	for _, m := range e.Met {
		a, exists := today[m.Action]
		delete(today, m.Action)
		t := Traced{Met: m, Rule: a.Filter, Changed: !exists || a.UpdatedAt.After(e.CreatedAt), Delivery: made[m.Action]}
		if m.Workflow != "" {
			t.Rule, t.Changed, t.Delivery = snap.Workflows[m.Workflow].Trigger.Filter, true, nil
		}
		if !t.Changed {
			t.Values = looked(a.Filter, e)
		}
		if t.Delivery != nil && len(out) < mostGates {
			if t.Gates, err = s.gates(ctx, snap, *t.Delivery); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
	}
	for _, a := range snap.Actions {
		if _, unmet := today[a.ID]; unmet && !a.CreatedAt.After(e.CreatedAt) && !model.Matches(a.Event, e.Name) {
			out = append(out, Traced{Met: model.Met{Action: a.ID, Name: a.Name, Result: NameNo}, Rule: a.Event})
		}
	}
	return out, nil
}

// looked is what a filter looks at in e; nothing when the data is gone.
func looked(source string, e model.Event) []filter.Value {
	if source == "" || len(e.Data) == 0 {
		return nil
	}
	p, problem := filter.Compile(source)
	if problem != nil {
		return nil
	}
	return p.Values(filter.NewEnv(e))
}

// madeBy finds the delivery that each action made of an event, as it is now.
func (s *Service) madeBy(ctx context.Context, id model.EventID) (map[model.ActionID]*model.Delivery, error) {
	out := map[model.ActionID]*model.Delivery{}
	for p := (db.Page{Limit: db.MaxPage}); ; {
		some, next, err := s.o.Store.Deliveries(ctx, db.DeliveryFilter{EventID: id}, p)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if d := &some[i]; d.ReplayOf == "" {
				s.Now(d)
				out[d.ActionID] = d
			}
		}
		if p.Cursor = next; next == "" {
			return out, nil
		}
	}
}
