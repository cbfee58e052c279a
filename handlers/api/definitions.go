package api

import (
	"encoding/json"
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// eventDefinition is an event definition as it is answered.
type eventDefinition struct {
	Meta
	Name        string          `json:"name" doc:"Of the events"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema" doc:"JSON Schema of the data; null = none"`
}

func showEventDefinition(d model.EventDefinition) eventDefinition {
	out := eventDefinition{newMeta(d.ID, d.CreatedAt, d.UpdatedAt, d.Version), d.Name, d.Description, d.Schema}
	if out.Schema == nil {
		out.Schema = json.RawMessage("null")
	}
	return out
}

type eventDefinitionInput struct {
	Versioned
	Name        string          `json:"name" needed:"true" doc:"Of the events, for instance order.created"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema" doc:"JSON Schema (draft 2020-12 unless it says otherwise) of at most 64 KiB; null = none. Events that differ are accepted all the same; their definition's page shows them"`
}

func (in eventDefinitionInput) definition() model.EventDefinition {
	return model.EventDefinition{Name: in.Name, Description: in.Description, Schema: in.Schema, Version: in.Version}
}

func (a *API) eventDefinitions() {
	view, manage := model.Events.View(), model.Events.Manage()
	const path = "/event-definitions"
	add(a, route{http.MethodGet, path, "list-event-definitions", "List event definitions", "Events", "", view, 0}, a.listEventDefinitions)
	add(a, route{http.MethodPost, path, "create-event-definition", "Create an event definition", "Events", "", manage, 0}, a.createEventDefinition)
	add(a, route{http.MethodGet, path + "/{id}", "show-event-definition", "Show an event definition", "Events", "", view, 0}, a.showEventDefinition)
	add(a, route{http.MethodPut, path + "/{id}", "update-event-definition", "Replace an event definition", "Events", "", manage, 0}, a.updateEventDefinition)
	add(a, route{http.MethodDelete, path + "/{id}", "delete-event-definition", "Delete an event definition", "Events", "Events of its name stay.", manage, 0}, a.deleteEventDefinition)
}

func (a *API) listEventDefinitions(c call, in *struct {
	Paging
	Q    string `query:"q" doc:"A part of the name or of the description"`
	Name string `query:"name" doc:"Exact"`
}) (*body[list[eventDefinition]], error) {
	items, next, err := a.store.EventDefinitions(c, db.EventDefinitionFilter{Query: in.Q, Name: in.Name}, in.page())
	return listed(items, next, err, showEventDefinition)
}

func (a *API) createEventDefinition(c call, in *struct{ Body eventDefinitionInput }) (*made[eventDefinition], error) {
	n := in.Body.definition()
	err := a.jobs.CheckEventDefinition(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateEventDefinition(&n) })
	}
	return created(showEventDefinition(n), "/event-definitions/"+string(n.ID), err)
}

func (a *API) showEventDefinition(c call, in *ByID) (*body[eventDefinition], error) {
	n, err := a.store.EventDefinition(c, model.EventDefID(in.ID))
	return single(showEventDefinition(n), err)
}

func (a *API) updateEventDefinition(c call, in *struct {
	ByID
	Body eventDefinitionInput
}) (*body[eventDefinition], error) {
	n := in.Body.definition()
	n.ID = model.EventDefID(in.ID)
	if _, err := a.store.EventDefinition(c, n.ID); err != nil {
		return nil, err
	}
	err := a.jobs.CheckEventDefinition(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateEventDefinition(&n) })
	}
	return single(showEventDefinition(n), err)
}

func (a *API) deleteEventDefinition(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteEventDefinition(model.EventDefID(in.ID)) })
}
