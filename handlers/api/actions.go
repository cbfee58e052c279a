package api

import (
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// action is an action as it is answered.
type action struct {
	Meta
	Name          string `json:"name"`
	Description   string `json:"description"`
	Event         string `json:"event"`
	Filter        string `json:"filter"`
	DestinationID string `json:"destination_id"`
	Enabled       bool   `json:"enabled"`
}

func showAction(n model.Action) action {
	return action{newMeta(n.ID, n.CreatedAt, n.UpdatedAt, n.Version), n.Name, n.Description, n.Event, n.Filter, string(n.DestinationID), n.Enabled}
}

type actionInput struct {
	Versioned
	Name          string `json:"name" needed:"true"`
	Description   string `json:"description"`
	Event         string `json:"event" needed:"true" doc:"A name, or a pattern: * is one segment, ** the rest"`
	Filter        string `json:"filter" doc:"An expression over event; empty = always"`
	DestinationID string `json:"destination_id" needed:"true"`
	Enabled       *bool  `json:"enabled" doc:"true when absent"`
}

func (in actionInput) action() model.Action {
	return model.Action{Name: in.Name, Description: in.Description, Event: in.Event, Filter: in.Filter, DestinationID: model.DestID(in.DestinationID),
		Enabled: or(in.Enabled, true), Version: in.Version}
}

func (a *API) actions() {
	view, manage := model.Connections.View(), model.Connections.Manage()
	add(a, route{http.MethodGet, "/actions", "list-actions", "List actions", "Actions", "", view, 0}, a.listActions)
	add(a, route{http.MethodPost, "/actions", "create-action", "Create an action", "Actions", "", manage, 0}, a.createAction)
	add(a, route{http.MethodGet, "/actions/{id}", "show-action", "Show an action", "Actions", "", view, 0}, a.showAction)
	add(a, route{http.MethodPut, "/actions/{id}", "update-action", "Replace an action", "Actions", "", manage, 0}, a.updateAction)
	add(a, route{http.MethodDelete, "/actions/{id}", "delete-action", "Delete an action", "Actions", "What it has already caused goes on.", manage, 0}, a.deleteAction)
}

func (a *API) listActions(c call, in *struct {
	Paging
	Q             string `query:"q" doc:"A part of the name or of the event pattern"`
	DestinationID string `query:"destination_id"`
	ConnectionID  string `query:"connection_id" doc:"Of the destination"`
}) (*body[list[action]], error) {
	f := db.ActionFilter{Query: in.Q, DestinationID: model.DestID(in.DestinationID), ConnectionID: model.ConnectionID(in.ConnectionID)}
	items, next, err := a.store.Actions(c, f, in.page())
	return listed(items, next, err, showAction)
}

func (a *API) createAction(c call, in *struct{ Body actionInput }) (*made[action], error) {
	n := in.Body.action()
	err := a.jobs.CheckAction(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateAction(&n) })
	}
	return created(showAction(n), "/actions/"+string(n.ID), err)
}

func (a *API) showAction(c call, in *ByID) (*body[action], error) {
	n, err := a.store.Action(c, model.ActionID(in.ID))
	return single(showAction(n), err)
}

func (a *API) updateAction(c call, in *struct {
	ByID
	Body actionInput
}) (*body[action], error) {
	n := in.Body.action()
	n.ID = model.ActionID(in.ID)
	if _, err := a.store.Action(c, n.ID); err != nil {
		return nil, err
	}
	err := a.jobs.CheckAction(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateAction(&n) })
	}
	return single(showAction(n), err)
}

func (a *API) deleteAction(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteAction(model.ActionID(in.ID)) })
}
