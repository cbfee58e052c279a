package api

import (
	"net/http"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
	"waybill/jobs/scheme"
)

// connection is a connection as it is answered.
type connection struct {
	Meta
	Name           string         `json:"name"`
	Description    string         `json:"description"`
	Type           string         `json:"type"`
	BaseURL        string         `json:"base_url"`
	Port           int            `json:"port" doc:"0 = as in base_url"`
	CredentialID   string         `json:"credential_id" doc:"Empty = no authentication"`
	CA             string         `json:"ca" doc:"Certificates in PEM form that the system's is checked against; empty = the public authorities"`
	CertificateID  string         `json:"client_certificate_id" doc:"Credential whose certificate is shown in the TLS handshake; empty = none of its own"`
	CAExpiresAt    *string        `json:"ca_expires_at" format:"date-time" readOnly:"true" doc:"When the first of the certificates in ca ends; null = ca is empty"`
	Direct         bool           `json:"direct" doc:"Never through the proxy of the network settings"`
	TimeoutSeconds int            `json:"timeout_seconds"`
	TimeoutMessage string         `json:"timeout_message"`
	Enabled        bool           `json:"enabled"`
	RetrySchedule  []int          `json:"retry_schedule" doc:"Of destinations that have none of their own"`
	RetryOn        string         `json:"retry_on"`
	ServiceUserID  string         `json:"service_user_id" doc:"As whom calls on inbound_url act; empty = the connection is one-way"`
	Settings       map[string]any `json:"settings" doc:"What the type asks for"`
	EffectiveURL   string         `json:"effective_url" readOnly:"true" doc:"base_url with the port in it"`
	InboundURL     string         `json:"inbound_url" readOnly:"true" doc:"Whole for those with Manage Inbound"`
	Warnings       []string       `json:"warnings" readOnly:"true" doc:"What will be refused when something is sent, and which certificates end within 30 days"`
}

// twoWay is a connection as the caller may see it, with the fields that are a view of its inbound endpoint.
func (a *API) twoWay(c call, x model.Connection) (connection, error) {
	out := a.connection(x)
	if err := a.handshake(c, x, &out); err != nil {
		return out, err
	}
	e, err := a.store.InboundOfConnection(c, x.ID)
	if fault.Is(err, fault.NotFound) {
		return out, nil
	}
	if err == nil {
		out.ServiceUserID = string(e.UserID)
		out.InboundURL, err = a.inboundURL(c, e)
	}
	return out, err
}

// handshake adds what is to be said of the certificates of a connection.
func (a *API) handshake(c call, x model.Connection, out *connection) error {
	var shown model.Credential
	var err error
	if x.ClientCertificateID != "" {
		if shown, err = a.store.Credential(c, x.ClientCertificateID); err != nil {
			return err
		}
	}
	var first time.Time
	for _, y := range scheme.Authorities(x.CA) {
		if first.IsZero() || y.To.Before(first) {
			first = y.To
		}
	}
	out.CAExpiresAt = stamp(first)
	out.Warnings = append(out.Warnings, fault.Texts(jobs.HandshakeWarnings(x, shown, a.web.Now()))...)
	return nil
}

// serve makes a connection two-way as the caller asks; absent or unchanged it stays as it is.
func (in connectionInput) serve(tx *db.Tx, c model.Connection, was model.UserID) error {
	if in.ServiceUserID == nil || model.UserID(*in.ServiceUserID) == was {
		return nil
	}
	return tx.SetServiceUser(c, model.UserID(*in.ServiceUserID))
}

func (a *API) connection(c model.Connection) connection {
	out := connection{Meta: newMeta(c.ID, c.CreatedAt, c.UpdatedAt, c.Version), Name: c.Name, Description: c.Description, Type: string(c.Type),
		BaseURL: c.BaseURL, Port: c.Port, CredentialID: string(c.CredentialID), CA: c.CA, CertificateID: string(c.ClientCertificateID), Direct: c.Direct, TimeoutSeconds: c.TimeoutSeconds, TimeoutMessage: c.TimeoutMessage,
		Enabled: c.Enabled, RetrySchedule: model.Destination{}.Schedule(c), RetryOn: string(c.RetryOn), Settings: config(c.Settings), EffectiveURL: c.EffectiveURL(), Warnings: fault.Texts(a.jobs.Warnings(c))}
	return out
}

type connectionInput struct {
	Versioned
	Name           string         `json:"name" needed:"true"`
	Description    string         `json:"description"`
	Type           string         `json:"type" doc:"webhook (default), custom_http, or one of the named systems"`
	BaseURL        string         `json:"base_url" doc:"Scheme and host, perhaps a port and a path; never templated"`
	Port           int            `json:"port" minimum:"0" maximum:"65535" doc:"0 = as in base_url"`
	CredentialID   string         `json:"credential_id" doc:"Empty = no authentication"`
	CA             string         `json:"ca" doc:"Certificates in PEM form that the system's is checked against, in place of the public authorities; empty = those"`
	CertificateID  string         `json:"client_certificate_id" doc:"A credential of type client_certificate: its certificate is shown in the TLS handshake, whatever credential_id puts on the request"`
	Direct         bool           `json:"direct" doc:"Never through the proxy of the network settings"`
	TimeoutSeconds int            `json:"timeout_seconds" minimum:"0" maximum:"300" doc:"0 = 30"`
	TimeoutMessage string         `json:"timeout_message" doc:"What people see when the other side does not answer in time"`
	Enabled        *bool          `json:"enabled" doc:"true when absent"`
	RetrySchedule  []int          `json:"retry_schedule" doc:"Seconds before attempt 1, 2, … to destinations that have none of their own; empty = the usual one"`
	RetryOn        string         `json:"retry_on" doc:"Answers to try again after, and with ! those to give up after, such as 500-599, !501; what is not named is judged as usual"`
	ServiceUserID  *string        `json:"service_user_id" doc:"Makes the connection two-way; needs Manage Inbound. Empty removes its inbound URL; absent keeps it as it is"`
	Settings       map[string]any `json:"settings" doc:"As the type asks; none of it is secret"`
}

func (in connectionInput) connection() (model.Connection, []fault.Field) {
	var bad fault.Check
	return model.Connection{Name: in.Name, Description: in.Description, Type: model.ConnectionType(in.Type), BaseURL: in.BaseURL, Port: in.Port,
		CredentialID: model.CredentialID(in.CredentialID), CA: in.CA, ClientCertificateID: model.CredentialID(in.CertificateID), Direct: in.Direct, TimeoutSeconds: in.TimeoutSeconds, TimeoutMessage: in.TimeoutMessage,
		Enabled: or(in.Enabled, true), RetrySchedule: own(in.RetrySchedule), RetryOn: model.RetryOn(in.RetryOn), Settings: in.Settings, Version: in.Version}, bad.Fields()
}

// own is a schedule that is not the usual one; PUT takes what GET gave.
func own(schedule []int) []int {
	if slices.Equal(schedule, model.DefaultSchedule()) {
		return nil
	}
	return schedule
}

func (a *API) connections() {
	view, manage := model.Connections.View(), model.Connections.Manage()
	add(a, route{http.MethodGet, "/connections", "list-connections", "List connections", "Connections", "", view, 0}, a.listConnections)
	add(a, route{http.MethodPost, "/connections", "create-connection", "Create a connection", "Connections", "", manage, 0}, a.createConnection)
	add(a, route{http.MethodGet, "/connections/{id}", "show-connection", "Show a connection", "Connections", "", view, 0}, a.showConnection)
	add(a, route{http.MethodPut, "/connections/{id}", "update-connection", "Replace a connection", "Connections", "", manage, 0}, a.updateConnection)
	add(a, route{http.MethodPost, "/connections/{id}/test", "test-connection", "Test a connection", "Connections",
		"Makes the requests by which its type shows that it works, until one fails. A type without any is 409: test a destination.", manage, http.StatusOK}, a.testConnection)
	add(a, route{http.MethodDelete, "/connections/{id}", "delete-connection", "Delete a connection", "Connections", "", manage, 0}, a.deleteConnection)
}

func (a *API) listConnections(c call, in *struct {
	Paging
	Q            string `query:"q" doc:"A part of the name or of the base URL"`
	Type         string `query:"type"`
	CredentialID string `query:"credential_id"`
}) (*body[list[connection]], error) {
	f := db.ConnectionFilter{Query: in.Q, Type: model.ConnectionType(in.Type), CredentialID: model.CredentialID(in.CredentialID)}
	items, next, err := a.store.Connections(c, f, in.page())
	out := list[connection]{Items: make([]connection, len(items)), NextCursor: next}
	for i, x := range items {
		if err == nil {
			out.Items[i], err = a.twoWay(c, x)
		}
	}
	return single(out, err)
}

func (a *API) createConnection(c call, in *struct{ Body connectionInput }) (*made[connection], error) {
	n, bad := in.Body.connection()
	err := also(a.jobs.CheckConnection(&n), bad)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error {
			if err := tx.CreateConnection(&n); err != nil {
				return err
			}
			return in.Body.serve(tx, n, "")
		})
	}
	if err != nil {
		return nil, err
	}
	shown, err := a.twoWay(c, n)
	return created(shown, "/connections/"+string(n.ID), err)
}

func (a *API) showConnection(c call, in *ByID) (*body[connection], error) {
	n, err := a.store.Connection(c, model.ConnectionID(in.ID))
	if err != nil {
		return nil, err
	}
	return single(a.twoWay(c, n))
}

func (a *API) updateConnection(c call, in *struct {
	ByID
	Body connectionInput
}) (*body[connection], error) {
	n, bad := in.Body.connection()
	n.ID = model.ConnectionID(in.ID)
	if _, err := a.store.Connection(c, n.ID); err != nil {
		return nil, err
	}
	was, err := a.store.InboundOfConnection(c, n.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err = also(a.jobs.CheckConnection(&n), bad); err == nil {
		err = a.write(c, func(tx *db.Tx) error {
			if err := tx.UpdateConnection(&n); err != nil {
				return err
			}
			return in.Body.serve(tx, n, was.UserID)
		})
	}
	if err != nil {
		return nil, err
	}
	return single(a.twoWay(c, n))
}

func (a *API) deleteConnection(c call, in *Removal) (*none, error) {
	id := model.ConnectionID(in.ID)
	drop := func() error {
		return a.write(c, func(tx *db.Tx) error { return tx.DeleteConnection(id, in.Force) })
	}
	err := drop()
	if !tooManyOpen(err) {
		return nil, err
	}
	for p := (db.Page{Limit: db.MaxPage}); ; {
		some, next, err := a.store.Destinations(c, id, p)
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			if err := a.cancelAll(c, d.Target()); err != nil {
				return nil, err
			}
		}
		if p.Cursor = next; next == "" {
			return nil, drop()
		}
	}
}

// tooManyOpen says that a forced delete has to cancel deliveries in steps first.
func tooManyOpen(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Code == "too_many_open"
}

// cancelAll cancels every open delivery of a target, step by step.
func (a *API) cancelAll(c call, target model.TargetID) error {
	for {
		n, err := a.store.CancelOf(c, c.actor, target)
		if err != nil || n == 0 {
			return err
		}
	}
}

// connectionTest is what came of testing a connection.
type connectionTest struct {
	OK    bool       `json:"ok"`
	Steps []testStep `json:"steps" doc:"In order; the last one failed unless ok"`
}

type testStep struct {
	Title   string  `json:"title"`
	Attempt attempt `json:"attempt"`
}

func (a *API) testConnection(c call, in *ByID) (*body[connectionTest], error) {
	id := model.ConnectionID(in.ID)
	if _, err := a.store.Connection(c, id); err != nil {
		return nil, err
	}
	if err := a.jobs.MayAct(c, c.actor.Rights, id); err != nil {
		return nil, err
	}
	steps, err := a.jobs.TestConnection(c, id)
	out := connectionTest{OK: err == nil, Steps: []testStep{}}
	for _, p := range steps {
		out.OK = p.Attempt.Verdict == model.Delivered
		out.Steps = append(out.Steps, testStep{p.Title, showAttempt(p.Attempt)})
	}
	return single(out, err)
}
