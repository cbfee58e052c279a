package api

import (
	"net/http"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
)

// Destination is a destination as it is answered.
type Destination struct {
	Meta
	ConnectionID   string         `json:"connection_id" readOnly:"true"`
	Name           string         `json:"name"`
	Description    string         `json:"description"`
	Method         string         `json:"method"`
	ContentType    string         `json:"content_type"`
	Path           string         `json:"path"`
	Headers        []model.Header `json:"headers"`
	Template       string         `json:"template"`
	Enabled        bool           `json:"enabled"`
	DisabledAt     *string        `json:"disabled_at" format:"date-time" readOnly:"true" doc:"When Waybill switched it off by itself"`
	DisabledReason string         `json:"disabled_reason" readOnly:"true"`
	Sign           bool           `json:"sign"`
	RetrySchedule  []int          `json:"retry_schedule"`
	MaxInFlight    int            `json:"max_in_flight"`
	RatePerSecond  *float64       `json:"rate_per_second"`
	Ordered        bool           `json:"ordered"`
	BatchSize      int            `json:"batch_size"`
	BatchWaitMS    int            `json:"batch_wait_ms"`
}

func showDestination(d model.Destination) Destination {
	return Destination{Meta: newMeta(d.ID, d.CreatedAt, d.UpdatedAt, d.Version), ConnectionID: string(d.ConnectionID), Name: d.Name,
		Description: d.Description, Method: d.Method, ContentType: d.ContentType, Path: d.Path, Headers: full(d.Headers), Template: d.Template,
		Enabled: d.Enabled, DisabledAt: stamp(d.DisabledAt), DisabledReason: d.DisabledReason, Sign: d.Sign, RetrySchedule: full(d.RetrySchedule),
		MaxInFlight: d.MaxInFlight, BatchSize: 1}
}

// newDestination is the answer to POST: the one that holds the signing secret.
type newDestination struct {
	Destination
	SigningSecret string `json:"signing_secret" doc:"whsec_…, for the receiver to check signatures with"`
}

type destinationInput struct {
	Versioned
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	Method        string         `json:"method" doc:"POST (default), PUT, PATCH, GET or DELETE"`
	ContentType   string         `json:"content_type" doc:"application/json when absent"`
	Path          string         `json:"path" doc:"Joined to the base URL; may hold template tags and a query"`
	Headers       []model.Header `json:"headers"`
	Template      string         `json:"template" doc:"Empty = the event's data as JSON"`
	Enabled       *bool          `json:"enabled" doc:"true when absent"`
	Sign          *bool          `json:"sign" doc:"Sign by Standard Webhooks; true when absent"`
	RetrySchedule []int          `json:"retry_schedule" doc:"Seconds before attempt 1, 2, …; its length is the number of attempts; empty = the default schedule"`
	MaxInFlight   int            `json:"max_in_flight" minimum:"0" maximum:"1024" doc:"Requests at once; 0 = 32"`
	RatePerSecond *float64       `json:"rate_per_second" doc:"Not supported yet: null or 0"`
	Ordered       bool           `json:"ordered" doc:"Not supported yet: false"`
	BatchSize     int            `json:"batch_size" doc:"Not supported yet: 0 or 1"`
	BatchWaitMS   int            `json:"batch_wait_ms" doc:"Not supported yet: 0"`
}

func (in destinationInput) destination() (model.Destination, []fault.Field) {
	var bad fault.Check
	if or(in.RatePerSecond, 0) != 0 {
		bad.Add("rate_per_second", "This version of Waybill cannot limit the rate yet; leave it null. max_in_flight bounds requests at once.")
	}
	if in.Ordered {
		bad.Add("ordered", "This version of Waybill cannot keep an order yet; leave it false.")
	}
	if in.BatchSize != 0 && in.BatchSize != 1 {
		bad.Add("batch_size", "This version of Waybill sends one event a request; leave it 1.")
	}
	if in.BatchWaitMS != 0 {
		bad.Add("batch_wait_ms", "This version of Waybill sends one event a request; leave it 0.")
	}
	return model.Destination{Name: in.Name, Description: in.Description, Method: in.Method, ContentType: in.ContentType, Path: in.Path,
		Headers: in.Headers, Template: in.Template, Enabled: or(in.Enabled, true), Sign: or(in.Sign, true), RetrySchedule: in.RetrySchedule,
		MaxInFlight: in.MaxInFlight, Version: in.Version}, bad.Fields()
}

func (a *API) destinations() {
	view, manage := model.Connections.View(), model.Connections.Manage()
	add(a, route{http.MethodGet, "/connections/{id}/destinations", "list-destinations", "List the destinations of a connection", "Destinations", "", view, 0}, a.listDestinations)
	add(a, route{http.MethodPost, "/connections/{id}/destinations", "create-destination", "Create a destination", "Destinations", "", manage, 0}, a.createDestination)
	add(a, route{http.MethodGet, "/destinations/{id}", "show-destination", "Show a destination", "Destinations", "", view, 0}, a.showDestination)
	add(a, route{http.MethodPut, "/destinations/{id}", "update-destination", "Replace a destination", "Destinations", "", manage, 0}, a.updateDestination)
	add(a, route{http.MethodDelete, "/destinations/{id}", "delete-destination", "Delete a destination", "Destinations", "", manage, 0}, a.deleteDestination)
	add(a, route{http.MethodGet, "/destinations/{id}/secret", "show-signing-secret", "Show the signing secret", "Destinations", "", manage, 0}, a.signingSecret)
	add(a, route{http.MethodPost, "/destinations/{id}/preview", "preview-destination", "Render a message without sending it", "Destinations", "", manage, http.StatusOK}, a.previewDestination)
	add(a, route{http.MethodPost, "/destinations/{id}/test", "test-destination", "Send one message now", "Destinations",
		"Makes one real exchange and shows it whole; nothing is queued.", manage, http.StatusOK}, a.testDestination)
}

func (a *API) listDestinations(c call, in *struct {
	ByID
	Paging
}) (*body[list[Destination]], error) {
	of := model.ConnectionID(in.ID)
	if _, err := a.store.Connection(c, of); err != nil {
		return nil, err
	}
	items, next, err := a.store.Destinations(c, of, in.page())
	return listed(items, next, err, showDestination)
}

func (a *API) createDestination(c call, in *struct {
	ByID
	Body destinationInput
}) (*made[newDestination], error) {
	n, bad := in.Body.destination()
	n.ConnectionID = model.ConnectionID(in.ID)
	if _, err := a.store.Connection(c, n.ConnectionID); err != nil {
		return nil, err
	}
	secret := scheme.NewSigningSecret()
	err := also(a.jobs.CheckDestination(&n), bad)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateDestination(&n, secret) })
	}
	return created(newDestination{showDestination(n), secret.Reveal()}, "/destinations/"+string(n.ID), err)
}

func (a *API) showDestination(c call, in *ByID) (*body[Destination], error) {
	n, err := a.store.Destination(c, model.DestID(in.ID))
	return single(showDestination(n), err)
}

func (a *API) updateDestination(c call, in *struct {
	ByID
	Body destinationInput
}) (*body[Destination], error) {
	old, err := a.store.Destination(c, model.DestID(in.ID))
	if err != nil {
		return nil, err
	}
	n, bad := in.Body.destination()
	n.ID, n.ConnectionID = old.ID, old.ConnectionID
	if err = also(a.jobs.CheckDestination(&n), bad); err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateDestination(&n) })
	}
	return single(showDestination(n), err)
}

func (a *API) deleteDestination(c call, in *Removal) (*none, error) {
	id := model.DestID(in.ID)
	drop := func() error {
		return a.write(c, func(tx *db.Tx) error { return tx.DeleteDestination(id, in.Force) })
	}
	err := drop()
	if !tooManyOpen(err) {
		return nil, err
	}
	if err := a.cancelAll(c, model.TargetID(id)); err != nil {
		return nil, err
	}
	return nil, drop()
}

type signingSecret struct {
	SigningSecret string `json:"signing_secret"`
}

func (a *API) signingSecret(c call, in *ByID) (*body[signingSecret], error) {
	if _, err := a.store.Destination(c, model.DestID(in.ID)); err != nil {
		return nil, err
	}
	s, err := a.store.SigningSecret(c, model.DestID(in.ID))
	return single(signingSecret{s.Reveal()}, err)
}
