package api

import (
	"encoding/json"
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// EventRow is an event as lists show it; event adds the data.
type EventRow struct {
	Meta
	ExternalID string  `json:"external_id" doc:"The caller's id"`
	Name       string  `json:"name"`
	Subject    string  `json:"subject"`
	Time       *string `json:"time" format:"date-time" doc:"When it happened; else when it was accepted"`
	Depth      int     `json:"depth" doc:"0 = from outside; grows along chains of events"`
	Deliveries int     `json:"deliveries" doc:"How many it caused"`
}

type event struct {
	EventRow
	Data json.RawMessage `json:"data" doc:"Any JSON; null also when retention has taken it"`
}

func showEventRow(e model.Event) EventRow {
	return EventRow{newMeta(e.ID, e.CreatedAt, e.CreatedAt, 1), e.ExternalID, e.Name, e.Subject, stamp(e.Time), e.Depth, e.Deliveries}
}

func showEvent(e model.Event) event {
	out := event{showEventRow(e), e.Data}
	if len(out.Data) == 0 {
		out.Data = json.RawMessage("null")
	}
	return out
}

func (a *API) events() {
	view := model.Events.View()
	add(a, route{http.MethodGet, "/events", "list-events", "List events", "Events", "Without their data.", view, 0}, a.listEvents)
	add(a, route{http.MethodGet, "/events/{id}", "show-event", "Show an event", "Events", "", view, 0}, a.showEvent)
	add(a, route{http.MethodGet, "/events/{id}/trace", "trace-event", "Why was it sent, or not?", "Events",
		"Every action and what it decided about the event, those that said no included.", view, 0}, a.traceEvent)
	a.publishing()
}

func (a *API) listEvents(c call, in *struct {
	Paging
	Between
	Name    string `query:"name" doc:"Exact"`
	Subject string `query:"subject" doc:"Exact"`
}) (*body[list[EventRow]], error) {
	from, to, err := in.times()
	if err != nil {
		return nil, err
	}
	items, next, err := a.store.Events(c, db.EventFilter{Name: in.Name, Subject: in.Subject, From: from, To: to}, in.page())
	return listed(items, next, err, showEventRow)
}

func (a *API) showEvent(c call, in *ByID) (*body[event], error) {
	e, err := a.store.Event(c, model.EventID(in.ID))
	return single(showEvent(e), err)
}
