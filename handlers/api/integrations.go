package api

import (
	"encoding/json"
	"net/http"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// integrationRequest is the request of an integration.
type integrationRequest struct {
	Name           string         `json:"name" doc:"The name that its events carry"`
	Event          string         `json:"event" doc:"Raised when the answer is there; empty = webhook.response"`
	Method         string         `json:"method"`
	URL            string         `json:"url" doc:"HTTPS and a domain name; tags stand behind the host only"`
	ContentType    string         `json:"content_type"`
	Headers        []model.Header `json:"headers"`
	Body           string         `json:"body" doc:"Template; empty = the run's data as JSON"`
	CredentialID   string         `json:"credential_id" doc:"Empty = no authentication"`
	TimeoutSeconds int            `json:"timeout_seconds" minimum:"0" maximum:"300" doc:"0 = 30"`
	BodyInEvent    *bool          `json:"body_in_event" doc:"false = the answer's body stays out of the response event; true when absent or null"`
}

func showIntegrationRequest(r model.Request) integrationRequest {
	return integrationRequest{r.Name, r.Event, r.Method, r.URL, r.ContentType, full(r.Headers), r.Body, string(r.CredentialID), r.TimeoutSeconds, new(r.ShowsBody())}
}

func (r integrationRequest) request() model.Request {
	out := model.Request{Name: r.Name, Event: r.Event, Method: r.Method, URL: r.URL, ContentType: r.ContentType, Headers: r.Headers, Body: r.Body,
		CredentialID: model.CredentialID(r.CredentialID), TimeoutSeconds: r.TimeoutSeconds}
	if !or(r.BodyInEvent, true) {
		out.BodyInEvent = new(false)
	}
	return out
}

// integration is an integration as it is answered: its draft, and what is known of the published one.
type integration struct {
	Meta
	Name             string             `json:"name"`
	Description      string             `json:"description"`
	Fields           []model.FormField  `json:"fields" doc:"The form that a step fills in; templates see it as it.input.KEY"`
	Request          integrationRequest `json:"request"`
	PublishedVersion int64              `json:"published_version" readOnly:"true" doc:"How often it was published; 0 = never, so that no step can use it"`
	PublishedAt      *string            `json:"published_at" format:"date-time" readOnly:"true"`
	Changed          bool               `json:"changed" readOnly:"true" doc:"The draft differs from what is published"`
}

func showIntegration(n model.Integration) integration {
	return integration{newMeta(n.ID, n.CreatedAt, n.UpdatedAt, n.Version), n.Name, n.Description, full(n.Draft.Fields), showIntegrationRequest(n.Draft.Request), n.Published, stamp(n.PublishedAt), n.Changed()}
}

type integrationInput struct {
	Versioned
	Name        string             `json:"name" needed:"true"`
	Description string             `json:"description"`
	Fields      []model.FormField  `json:"fields" doc:"The form that a step fills in"`
	Request     integrationRequest `json:"request"`
}

func (in integrationInput) integration() model.Integration {
	return model.Integration{Name: in.Name, Description: in.Description, Draft: model.IntegrationSpec{Fields: in.Fields, Request: in.Request.request()}, Version: in.Version}
}

func (a *API) integrations() {
	view, manage := model.Workflows.View(), model.Workflows.Manage()
	const tag, text = "Workflows", "Changes the draft only; publish it for steps to use it."
	add(a, route{http.MethodGet, "/integrations", "list-integrations", "List integrations", tag, "", view, 0}, a.listIntegrations)
	add(a, route{http.MethodPost, "/integrations", "create-integration", "Create an integration", tag, text, manage, 0}, a.createIntegration)
	add(a, route{http.MethodGet, "/integrations/{id}", "show-integration", "Show an integration", tag, "", view, 0}, a.showIntegration)
	add(a, route{http.MethodPut, "/integrations/{id}", "update-integration", "Replace the draft of an integration", tag, text, manage, 0}, a.updateIntegration)
	add(a, route{http.MethodDelete, "/integrations/{id}", "delete-integration", "Delete an integration that no workflow uses", tag, "", manage, 0}, a.deleteIntegration)
	add(a, route{http.MethodPost, "/integrations/{id}/publish", "publish-integration", "Publish the draft of an integration", tag,
		"From now on all steps that use it send what is published, also in runs that go on.", manage, http.StatusOK}, a.publishIntegration)
	add(a, route{http.MethodPost, "/integrations/{id}/test", "test-integration", "Send the request of an integration now", tag,
		"Makes one real exchange with the draft and shows it whole; nothing is queued.", manage, http.StatusOK}, a.testIntegration)
	add(a, route{http.MethodGet, "/integrations/{id}/usage", "list-integration-usage", "List what uses an integration", tag, "", view, 0}, a.integrationUsage)
}

func (a *API) listIntegrations(c call, in *struct {
	Paging
	Q         string `query:"q" doc:"A part of the name"`
	Published bool   `query:"published" doc:"true = only those that steps can use"`
}) (*body[list[integration]], error) {
	items, next, err := a.store.Integrations(c, db.IntegrationFilter{Query: in.Q, Published: in.Published}, in.page())
	return listed(items, next, err, showIntegration)
}

// mayCarry refuses a credential that the caller may not see, unless it stood there before.
func mayCarry(c call, was, is model.CredentialID) error {
	if is != "" && is != was && !c.actor.Rights.Has(model.Credentials.View()) {
		return fault.Missing(string(model.Credentials.View()))
	}
	return nil
}

func (a *API) createIntegration(c call, in *struct{ Body integrationInput }) (*made[integration], error) {
	n := in.Body.integration()
	err := a.jobs.CheckIntegration(&n, false)
	if err == nil {
		err = mayCarry(c, "", n.Draft.Request.CredentialID)
	}
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateIntegration(&n) })
	}
	return created(showIntegration(n), "/integrations/"+string(n.ID), err)
}

func (a *API) showIntegration(c call, in *ByID) (*body[integration], error) {
	n, err := a.store.Integration(c, model.IntegrationID(in.ID))
	return single(showIntegration(n), err)
}

func (a *API) updateIntegration(c call, in *struct {
	ByID
	Body integrationInput
}) (*body[integration], error) {
	n := in.Body.integration()
	n.ID = model.IntegrationID(in.ID)
	old, err := a.store.Integration(c, n.ID)
	if err != nil {
		return nil, err
	}
	if err = a.jobs.CheckIntegration(&n, false); err == nil {
		err = mayCarry(c, old.Draft.Request.CredentialID, n.Draft.Request.CredentialID)
	}
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateIntegration(&n) })
	}
	return single(showIntegration(n), err)
}

func (a *API) deleteIntegration(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteIntegration(model.IntegrationID(in.ID)) })
}

func (a *API) publishIntegration(c call, in *ByID) (*body[integration], error) {
	n, err := a.store.Integration(c, model.IntegrationID(in.ID))
	if err != nil {
		return nil, err
	}
	version := n.Version
	if err = a.jobs.CheckIntegration(&n, true); err == nil {
		err = a.write(c, func(tx *db.Tx) (err error) {
			n, err = tx.PublishIntegration(n.ID, version)
			return err
		})
	}
	return single(showIntegration(n), err)
}

func (a *API) testIntegration(c call, in *struct {
	ByID
	Body *struct {
		Input map[string]any  `json:"input" doc:"What a step would fill in, by key"`
		Data  json.RawMessage `json:"data" doc:"The data of a run; a sample when absent"`
	}
}) (*body[attempt], error) {
	n, err := a.store.Integration(c, model.IntegrationID(in.ID))
	if err != nil {
		return nil, err
	}
	var input map[string]any
	var data json.RawMessage
	if in.Body != nil {
		input, data = in.Body.Input, in.Body.Data
	}
	x, err := a.jobs.TestIntegration(c, n, input, data)
	return single(showAttempt(x), err)
}

func (a *API) integrationUsage(c call, in *ByID) (*body[list[use]], error) {
	uses, err := a.store.IntegrationUsage(c, model.IntegrationID(in.ID))
	return listed(uses, "", err, func(u db.Use) use { return use{u.Kind, u.ID, u.Name} })
}
