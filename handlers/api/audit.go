package api

import (
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// auditRow is one line of the audit log.
type auditRow struct {
	ID        string         `json:"id"`
	At        *string        `json:"at" format:"date-time"`
	ActorKind string         `json:"actor_kind" enum:"user,api_key,command,system,partner" doc:"partner: somebody at the other side, by an inbound call or on the partner page"`
	ActorID   string         `json:"actor_id" doc:"The user, of partner the service user; empty for command and system"`
	ActorName string         `json:"actor_name"`
	Via       string         `json:"via" doc:"The API key that a program used"`
	Address   string         `json:"address"`
	RequestID string         `json:"request_id"`
	Action    string         `json:"action" example:"connection.updated"`
	Kind      string         `json:"kind" example:"connection"`
	ObjectID  string         `json:"object_id"`
	Object    string         `json:"object" doc:"The object's name at that time"`
	Changes   []model.Change `json:"changes" doc:"What changed; secrets are masked"`
	Hash      string         `json:"hash" doc:"SHA-256 over the row before and this one"`
}

func showAudit(r model.Audit) auditRow {
	return auditRow{string(r.ID), stamp(r.At), string(r.ActorKind), r.ActorID, r.ActorName, r.Via, r.Address, r.RequestID, r.Action, r.Kind,
		r.ObjectID, r.Object, full(r.Changes), r.Hash}
}

func (a *API) auditLog() {
	add(a, route{http.MethodGet, "/audit", "list-audit", "Who changed what", "Audit log", "", model.ViewAuditLog, 0}, a.listAudit)
}

func (a *API) listAudit(c call, in *struct {
	Paging
	Between
	ObjectID string `query:"object_id"`
	ActorID  string `query:"actor_id"`
	Kind     string `query:"kind"`
	Address  string `query:"address" doc:"The beginning of where it came from"`
	Q        string `query:"q" doc:"A part of the action, of the object's or of the actor's name"`
}) (*body[list[auditRow]], error) {
	from, to, err := in.times()
	if err != nil {
		return nil, err
	}
	f := db.AuditFilter{ObjectID: in.ObjectID, ActorID: in.ActorID, Kind: in.Kind, Query: in.Q, Address: in.Address, From: from, To: to}
	items, next, err := a.store.AuditLog(c, f, in.page())
	return listed(items, next, err, showAudit)
}
