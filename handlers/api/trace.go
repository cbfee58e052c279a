package api

import (
	"waybill/db/model"
	"waybill/jobs"
)

// traced is what one action, or the trigger of one workflow, decided about an event, or what decided about the delivery that
// was made of it.
type traced struct {
	Kind           string  `json:"kind" enum:"action,workflow,lane,order,breaker,rate,concurrency,batch,network" doc:"What is not of an action or workflow is of the delivery that stands before it; its id and name are those of the destination"`
	ID             string  `json:"id"`
	Name           string  `json:"name"`
	Result         string  `json:"result" enum:"sent,filter_no,filter_error,action_off,destination_off,too_deep,name_no,started,workflow_off,bulk,joined,waited,waits,refused"`
	Rule           string  `json:"rule" doc:"The filter, or for name_no the event pattern, as they stand now"`
	Values         []value `json:"values" doc:"What the filter looked at"`
	Detail         string  `json:"detail" doc:"In words, as noted when the event was accepted"`
	DeliveryID     string  `json:"delivery_id" doc:"Empty when none was made, or when retention has taken it"`
	DeliveryStatus string  `json:"delivery_status" doc:"As it is now"`
	WaitingFor     string  `json:"waiting_for" doc:"Why the delivery waits although it is due: order, rate, breaker"`
	LastError      string  `json:"last_error" doc:"Of the delivery, in words: the rule that refused it, why it is held"`
}

type value struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func (a *API) traceEvent(c call, in *ByID) (*body[list[traced]], error) {
	e, err := a.store.Event(c, model.EventID(in.ID))
	if err != nil {
		return nil, err
	}
	items, err := a.jobs.Trace(c, e)
	var all []traced
	for _, x := range items {
		all = append(append(all, showTraced(x)), showGates(x)...)
	}
	return listed(all, "", err, func(t traced) traced { return t })
}

func showTraced(x jobs.Traced) traced {
	t := traced{Kind: "action", ID: string(x.Action), Name: x.Name, Result: string(x.Result), Rule: x.Rule, Detail: x.Detail, Values: []value{}}
	if x.Workflow != "" {
		t.Kind, t.ID = "workflow", string(x.Workflow)
	}
	for _, v := range x.Values {
		t.Values = append(t.Values, value{v.Path, v.Value})
	}
	if d := x.Delivery; d != nil {
		t.DeliveryID, t.DeliveryStatus, t.WaitingFor, t.LastError = string(d.ID), string(d.Status), d.WaitingFor, d.LastError
	}
	return t
}

// showGates are the lines of what decided about a delivery.
func showGates(x jobs.Traced) (out []traced) {
	for _, g := range x.Gates {
		t := traced{Kind: g.Kind, ID: string(x.Delivery.DestinationID), Name: x.Delivery.Destination, Result: g.Result, Rule: g.Words, Values: []value{}, DeliveryID: string(x.Delivery.ID),
			DeliveryStatus: string(x.Delivery.Status)}
		if g.Took > 0 {
			t.Values = append(t.Values, value{"waited_ms", g.Took.Milliseconds()})
		}
		if !g.Until.IsZero() {
			t.Values = append(t.Values, value{"until", model.Stamp(g.Until)})
		}
		out = append(out, t)
	}
	return out
}
