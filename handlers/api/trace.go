package api

import (
	"waybill/db"
	"waybill/db/model"
	"waybill/jobs/filter"
)

// traced is what one action decided about an event.
type traced struct {
	Kind       string  `json:"kind" enum:"action"`
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Result     string  `json:"result" enum:"sent,filter_no,filter_error,action_off,destination_off,too_deep,name_no"`
	Rule       string  `json:"rule" doc:"The filter, or for name_no the event pattern, as they stand now"`
	Values     []value `json:"values" doc:"What the filter looked at"`
	Detail     string  `json:"detail" doc:"In words, as noted when the event was accepted"`
	DeliveryID string  `json:"delivery_id" doc:"Empty when none was made, or when retention has taken it"`
}

type value struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// nameNo is the result of an action whose pattern does not fit the event's name. It is not stored with events.
const nameNo = "name_no"

func (a *API) traceEvent(c call, in *ByID) (*body[list[traced]], error) {
	e, err := a.store.Event(c, model.EventID(in.ID))
	if err != nil {
		return nil, err
	}
	actions, err := a.allActions(c)
	if err != nil {
		return nil, err
	}
	deliveries, err := a.deliveriesOf(c, e.ID)
	if err != nil {
		return nil, err
	}
	items := trace(e, actions, deliveries)
	return &body[list[traced]]{list[traced]{Items: items}}, nil
}

// trace tells what every action decided: those that e met, and those of today that its name does not concern. An
// action that came after the event, or whose pattern fits it only since, had no say and is left out.
func trace(e model.Event, actions []model.Action, deliveries map[model.ActionID]model.DeliveryID) []traced {
	today := make(map[model.ActionID]model.Action, len(actions))
	for _, a := range actions {
		today[a.ID] = a
	}
	items := make([]traced, 0, len(actions))
	for _, m := range e.Met {
		a, exists := today[m.Action]
		delete(today, m.Action)
		t := traced{Kind: "action", ID: string(m.Action), Name: m.Name, Result: string(m.Result), Detail: m.Detail, Values: []value{},
			Rule: a.Filter, DeliveryID: string(deliveries[m.Action])}
		if exists && !a.UpdatedAt.After(e.CreatedAt) {
			t.Values = looked(a.Filter, e)
		}
		items = append(items, t)
	}
	for _, a := range actions {
		if _, unmet := today[a.ID]; unmet && !a.CreatedAt.After(e.CreatedAt) && !model.Matches(a.Event, e.Name) {
			items = append(items, traced{Kind: "action", ID: string(a.ID), Name: a.Name, Result: nameNo, Rule: a.Event, Values: []value{}})
		}
	}
	return items
}

// looked is what a filter looks at in e; nothing when the data is gone.
func looked(source string, e model.Event) []value {
	out := []value{}
	p, problem := filter.Compile(source)
	if source == "" || problem != nil || len(e.Data) == 0 {
		return out
	}
	for _, v := range p.Values(filter.NewEnv(e)) {
		out = append(out, value{v.Path, v.Value})
	}
	return out
}

func (a *API) allActions(c call) (out []model.Action, err error) {
	for p := (db.Page{Limit: db.MaxPage}); ; {
		some, next, err := a.store.Actions(c, db.ActionFilter{}, p)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
		if p.Cursor = next; next == "" {
			return out, nil
		}
	}
}

// deliveriesOf finds the delivery that each action made of an event.
func (a *API) deliveriesOf(c call, id model.EventID) (map[model.ActionID]model.DeliveryID, error) {
	out := map[model.ActionID]model.DeliveryID{}
	for p := (db.Page{Limit: db.MaxPage}); ; {
		some, next, err := a.store.Deliveries(c, db.DeliveryFilter{EventID: id}, p)
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			if d.ReplayOf == "" {
				out[d.ActionID] = d.ID
			}
		}
		if p.Cursor = next; next == "" {
			return out, nil
		}
	}
}
