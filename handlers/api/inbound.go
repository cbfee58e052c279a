package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
)

// inboundEndpoint is an endpoint as it is answered.
type inboundEndpoint struct {
	Meta
	Name             string           `json:"name"`
	Description      string           `json:"description"`
	Enabled          bool             `json:"enabled"`
	ConnectionID     string           `json:"connection_id" doc:"Whose second half it is; empty = it stands alone"`
	ServiceUserID    string           `json:"service_user_id"`
	Verification     verification     `json:"verification"`
	Dedupe           dedupe           `json:"dedupe"`
	ContentTypes     []string         `json:"content_types" doc:"Empty = all"`
	MaxBodyBytes     int              `json:"max_body_bytes"`
	RatePerSecond    int              `json:"rate_per_second"`
	Event            string           `json:"event"`
	Subject          string           `json:"subject"`
	Mapping          string           `json:"mapping"`
	StartsWorkflowID string           `json:"starts_workflow_id"`
	Completes        completion       `json:"completes"`
	Response         inboundResponse  `json:"response"`
	PartnerRotation  bool             `json:"partner_rotation"`
	URL              string           `json:"url" readOnly:"true" doc:"With the newest key, whole for those with Manage Inbound; others see its beginning"`
	Keys             []inboundKeyInfo `json:"keys" readOnly:"true"`
	Secrets          []inboundSecret  `json:"secrets" readOnly:"true"`
}

type inboundKeyInfo struct {
	ID        string  `json:"id"`
	Hint      string  `json:"hint" doc:"Its beginning"`
	CreatedAt *string `json:"created_at" format:"date-time"`
	ExpiresAt *string `json:"expires_at" format:"date-time" doc:"null = never"`
	RevokedAt *string `json:"revoked_at" format:"date-time"`
	Live      bool    `json:"live"`
}

type inboundSecret struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	CreatedAt *string `json:"created_at" format:"date-time"`
	ExpiresAt *string `json:"expires_at" format:"date-time" doc:"null = never"`
}

// VerificationSettings are what both directions hold.
type VerificationSettings struct {
	Preset           string   `json:"preset" doc:"none, hmac, github, stripe, slack, shopify, standard_webhooks, meta, jwt, basic, ip_list"`
	Header           string   `json:"header" doc:"hmac: of the signature; jwt: of the token"`
	Algorithm        string   `json:"algorithm" doc:"hmac: sha1, sha256, sha384, sha512; jwt: HS256 …, RS256 …, ES256 …, EdDSA"`
	Encoding         string   `json:"encoding" doc:"hmac: hex, base64, base64url"`
	Prefix           string   `json:"prefix" doc:"hmac: before each signature, such as sha256="`
	TimestampHeader  string   `json:"timestamp_header" doc:"hmac: header with the time of the signature, which is then part of what is signed"`
	Signed           string   `json:"signed" doc:"hmac: what is signed, of {timestamp}, {body}, {method}; {body}, or {timestamp}.{body}, when absent"`
	ToleranceSeconds int      `json:"tolerance_seconds" doc:"How far the time of a signature may be from now; 0 = 300"`
	Username         string   `json:"username" doc:"basic"`
	Issuer           string   `json:"issuer" doc:"jwt: what iss must be"`
	Audience         string   `json:"audience" doc:"jwt: what aud must hold"`
	PublicKey        string   `json:"public_key" doc:"jwt: PEM, for RS, ES and EdDSA"`
	Networks         []string `json:"networks" doc:"Addresses and networks that may call, with any preset; empty = all"`
}

type verification struct {
	VerificationSettings
	Secrets []string `json:"secrets" doc:"Names of the secrets that are stored"`
}

type verificationInput struct {
	VerificationSettings
	Secret      string `json:"secret" writeOnly:"true" doc:"What calls are verified with: the signing secret, the password. Omitted on PUT keeps the stored ones"`
	VerifyToken string `json:"verify_token" writeOnly:"true" doc:"meta: what hub.verify_token must be"`
}

type dedupe struct {
	Header        string   `json:"header" doc:"Calls with the same value are the same call"`
	Fields        []string `json:"fields" doc:"Paths into the body, such as data.id"`
	WindowSeconds int      `json:"window_seconds" doc:"How long a call is remembered; 0 = 7 days"`
	Off           bool     `json:"off" doc:"Not even what the preset or a CloudEvent tells is used"`
}

type completion struct {
	WorkflowID  string `json:"workflow_id"`
	Step        string `json:"step" doc:"Key of the step"`
	Correlation string `json:"correlation" doc:"Text or template: the subject of the run"`
	Decision    string `json:"decision" doc:"complete (default), approve or reject; text or template"`
}

type inboundResponse struct {
	Mode           string         `json:"mode" doc:"acknowledge (default), script, run"`
	Status         int            `json:"status"`
	ContentType    string         `json:"content_type"`
	Headers        []model.Header `json:"headers"`
	Body           string         `json:"body" doc:"Template; it.receipt, it.raised and it.run (as in steps, with status, error and steps) beside what a mapping sees"`
	TimeoutSeconds int            `json:"timeout_seconds" doc:"From 1 to 30; then the answer says that the call was accepted"`
}

type inboundInput struct {
	Versioned
	Name             string            `json:"name" needed:"true"`
	Description      string            `json:"description"`
	Enabled          *bool             `json:"enabled" doc:"true when absent"`
	ConnectionID     string            `json:"connection_id" doc:"Empty = it stands alone"`
	ServiceUserID    string            `json:"service_user_id" needed:"true" doc:"As whom calls act: an active user with any right"`
	Verification     verificationInput `json:"verification"`
	Dedupe           dedupe            `json:"dedupe" doc:"Empty = what the preset knows of the vendor, and the ids of CloudEvents"`
	ContentTypes     []string          `json:"content_types" doc:"Such as application/json or text/*; empty = all"`
	MaxBodyBytes     int               `json:"max_body_bytes" minimum:"0" maximum:"1048576" doc:"0 = 1 MiB"`
	RatePerSecond    int               `json:"rate_per_second" minimum:"0" maximum:"100000" doc:"0 = 1000"`
	Event            string            `json:"event" doc:"Name or template; empty = a CloudEvent's type, else inbound.received, unless the call does something else"`
	Subject          string            `json:"subject" doc:"Text or template; empty = a CloudEvent's subject"`
	Mapping          string            `json:"mapping" doc:"Template that makes the event's data; empty = the parsed body"`
	StartsWorkflowID string            `json:"starts_workflow_id"`
	Completes        completion        `json:"completes" doc:"Settle an open task or waiting step of the run with this subject"`
	Response         inboundResponse   `json:"response"`
	PartnerRotation  bool              `json:"partner_rotation" doc:"The partner page may rotate key and secret"`
}

func (in inboundInput) endpoint() (model.InboundEndpoint, model.Secrets) {
	v := in.Verification
	e := model.InboundEndpoint{Name: in.Name, Description: in.Description, Enabled: or(in.Enabled, true), ConnectionID: model.ConnectionID(in.ConnectionID),
		UserID: model.UserID(in.ServiceUserID), ContentTypes: in.ContentTypes, MaxBytes: in.MaxBodyBytes, Rate: in.RatePerSecond, Event: in.Event, Subject: in.Subject,
		Mapping: in.Mapping, PartnerRotates: in.PartnerRotation, Version: in.Version,
		Verification: model.Verification{Preset: model.Preset(v.Preset), Header: v.Header, Algorithm: v.Algorithm, Encoding: v.Encoding, Prefix: v.Prefix,
			TimestampHeader: v.TimestampHeader, Signed: v.Signed, ToleranceSeconds: v.ToleranceSeconds, Username: v.Username, Issuer: v.Issuer, Audience: v.Audience,
			PublicKey: v.PublicKey, Networks: v.Networks},
		Dedupe:   model.Dedupe{Header: in.Dedupe.Header, Fields: in.Dedupe.Fields, WindowSeconds: in.Dedupe.WindowSeconds, Off: in.Dedupe.Off},
		Effects:  model.InboundEffects{StartsWorkflowID: in.StartsWorkflowID},
		Response: model.InboundResponse{Mode: in.Response.Mode, Status: in.Response.Status, ContentType: in.Response.ContentType, Body: in.Response.Body, TimeoutSeconds: in.Response.TimeoutSeconds}}
	e.Response.Headers = append(e.Response.Headers, in.Response.Headers...)
	if in.Completes != (completion{}) {
		c := model.InboundComplete(in.Completes)
		e.Effects.Completes = &c
	}
	return e, model.Secrets{model.InboundSecretName: model.Secret(v.Secret), model.VerifyTokenName: model.Secret(v.VerifyToken)}
}

// inbound shows an endpoint to a caller, who sees the whole URL only if he may manage it.
func (a *API) inbound(c call, e model.InboundEndpoint) (inboundEndpoint, error) {
	v := e.Verification
	out := inboundEndpoint{Meta: newMeta(e.ID, e.CreatedAt, e.UpdatedAt, e.Version), Name: e.Name, Description: e.Description, Enabled: e.Enabled,
		ConnectionID: string(e.ConnectionID), ServiceUserID: string(e.UserID), ContentTypes: full(e.ContentTypes), MaxBodyBytes: e.MaxBytes, RatePerSecond: e.Rate,
		Verification: verification{VerificationSettings: VerificationSettings{string(v.Preset), v.Header, v.Algorithm, v.Encoding, v.Prefix, v.TimestampHeader, v.Signed,
			v.ToleranceSeconds, v.Username, v.Issuer, v.Audience, v.PublicKey, full(v.Networks)}, Secrets: secretNames(e)},
		Dedupe: dedupe{e.Dedupe.Header, full(e.Dedupe.Fields), e.Dedupe.WindowSeconds, e.Dedupe.Off}, Event: e.Event, Subject: e.Subject, Mapping: e.Mapping,
		StartsWorkflowID: e.Effects.StartsWorkflowID, PartnerRotation: e.PartnerRotates, Keys: []inboundKeyInfo{}, Secrets: []inboundSecret{},
		Response: inboundResponse{e.Response.Mode, e.Response.Status, e.Response.ContentType, []model.Header{}, e.Response.Body, e.Response.TimeoutSeconds}}
	out.Response.Headers = append(out.Response.Headers, e.Response.Headers...)
	if x := e.Effects.Completes; x != nil {
		out.Completes = completion(*x)
	}
	for _, k := range e.Keys {
		out.Keys = append(out.Keys, inboundKeyInfo{string(k.ID), k.Hint, stamp(k.CreatedAt), stamp(k.ExpiresAt), stamp(k.RevokedAt), k.Live(a.web.Now())})
	}
	for _, s := range e.Secrets {
		out.Secrets = append(out.Secrets, inboundSecret{string(s.ID), s.Name, stamp(s.CreatedAt), stamp(s.ExpiresAt)})
	}
	var err error
	out.URL, err = a.inboundURL(c, e)
	return out, err
}

// inboundURL is the URL of an endpoint with its newest live key, of which those without Manage Inbound see the beginning.
func (a *API) inboundURL(c call, e model.InboundEndpoint) (string, error) {
	base := strings.TrimSuffix(a.web.BaseURL.String(), "/")
	live := e.LiveKeys(a.web.Now())
	if len(live) == 0 {
		return "", nil
	}
	if !c.actor.Rights.Has(model.Inbound.Manage()) {
		return base + "/in/" + live[len(live)-1].Hint + "…", nil
	}
	path, ok, err := a.jobs.InboundURL(c, e)
	if err != nil || !ok {
		return "", err
	}
	return base + path, nil
}

func secretNames(e model.InboundEndpoint) []string {
	out := []string{}
	for _, s := range e.Secrets {
		if !slices.Contains(out, s.Name) {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return out
}

const inboundText = `A URL that a third party calls: POST or PUT on url, or on /in/{id} with the key as a bearer token. It answers 202
{"receipt"} when the call and what it causes are on disk; GET url/receipts/{receipt} tells what became of it. Calls act as the
service user. Saving one needs every right of that user, Manage Events when calls raise an event, and Run Workflows when they
start or move on a run. starts_workflow_id names a published workflow whose trigger is inbound; the mapped body is run.data, the
endpoint's subject the run's. completes settles the open task or waiting step of the runs whose subject is the correlation value:
tasks need the service user among their assignees, or Manage Workflows; waiting steps need Run Workflows. A call does all that it
is for, or nothing: then its receipt is failed, says why, and can be replayed. With response.mode run the answer is made when the
run has ended; when that takes longer than timeout_seconds it is 202 with the receipt.`

func (a *API) inboundEndpoints() {
	view, manage := model.Inbound.View(), model.Inbound.Manage()
	const tag = "Inbound"
	add(a, route{http.MethodGet, "/inbound-endpoints", "list-inbound-endpoints", "List inbound endpoints", tag, "", view, 0}, a.listInbound)
	add(a, route{http.MethodPost, "/inbound-endpoints", "create-inbound-endpoint", "Create an inbound endpoint", tag, inboundText, manage, 0}, a.createInbound)
	add(a, route{http.MethodGet, "/inbound-endpoints/{id}", "show-inbound-endpoint", "Show an inbound endpoint", tag, "", view, 0}, a.showInbound)
	add(a, route{http.MethodPut, "/inbound-endpoints/{id}", "update-inbound-endpoint", "Replace an inbound endpoint", tag, "A secret that is sent takes the place of all older ones at once; to let both be good for a while, rotate.", manage, 0}, a.updateInbound)
	add(a, route{http.MethodDelete, "/inbound-endpoints/{id}", "delete-inbound-endpoint", "Delete an inbound endpoint", tag, "Its URL answers like one that never was.", manage, 0}, a.deleteInbound)
	add(a, route{http.MethodPost, "/inbound-endpoints/{id}/rotate", "rotate-inbound-endpoint", "Make another key, or take another secret", tag,
		"Without a secret: makes another key, which url then holds. With one: calls are verified by it from now on. What was good before stays so for overlap_seconds.", manage, http.StatusOK}, a.rotateInbound)
	add(a, route{http.MethodPost, "/inbound-endpoints/{id}/revoke", "revoke-inbound-key", "Revoke a key for good", tag, "", manage, http.StatusOK}, a.revokeInbound)
	add(a, route{http.MethodPost, "/inbound-endpoints/{id}/sample", "await-inbound-sample", "Take the next call as a sample", tag,
		"The next call, within 10 minutes, is only kept to look at: it causes nothing.", manage, http.StatusOK}, a.sampleInbound)
	add(a, route{http.MethodPost, "/inbound-endpoints/{id}/preview", "preview-inbound-mapping", "What would a call cause?", tag,
		"Works out mapping, event and subject, as they are sent or else as they are stored, against a stored call or a body. Nothing is stored.", manage, http.StatusOK}, a.previewInbound)
	add(a, route{http.MethodGet, "/inbound-endpoints/{id}/calls", "list-inbound-calls", "List the calls of an endpoint", tag,
		"Every call that was accepted. Of refused and repeated ones at most 30 of each kind in a minute; counts tell of all.", view, 0}, a.listCalls)
	add(a, route{http.MethodGet, "/inbound-endpoints/{id}/calls/{receipt}", "show-inbound-call", "Show a call with its body", tag, "", view, 0}, a.showCall)
	add(a, route{http.MethodPost, "/inbound-endpoints/{id}/calls/{receipt}/replay", "replay-inbound-call", "Do a call again", tag,
		"With the endpoint as it now is. One that had caused nothing keeps its receipt, any other gets a new one.", manage, http.StatusOK}, a.replayCall)
}

func (a *API) listInbound(c call, in *struct {
	Paging
	Q            string `query:"q" doc:"A part of the name"`
	ConnectionID string `query:"connection_id"`
	UserID       string `query:"service_user_id"`
}) (*body[list[inboundEndpoint]], error) {
	items, next, err := a.store.InboundEndpoints(c, db.InboundFilter{Query: in.Q, ConnectionID: model.ConnectionID(in.ConnectionID), UserID: model.UserID(in.UserID)}, in.page())
	if err != nil {
		return nil, err
	}
	out := list[inboundEndpoint]{Items: make([]inboundEndpoint, len(items)), NextCursor: next}
	for i, e := range items {
		if out.Items[i], err = a.inbound(c, e); err != nil {
			return nil, err
		}
	}
	return &body[list[inboundEndpoint]]{out}, nil
}

func (a *API) createInbound(c call, in *struct{ Body inboundInput }) (*made[inboundEndpoint], error) {
	e, secrets := in.Body.endpoint()
	err := a.jobs.CheckInbound(&e, secrets)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateInbound(&e, secrets) })
	}
	if err != nil {
		return nil, err
	}
	shown, err := a.inbound(c, e)
	return created(shown, "/inbound-endpoints/"+string(e.ID), err)
}

func (a *API) showInbound(c call, in *ByID) (*body[inboundEndpoint], error) {
	e, err := a.store.InboundEndpoint(c, model.InboundID(in.ID))
	return a.shownInbound(c, e, err)
}

func (a *API) shownInbound(c call, e model.InboundEndpoint, err error) (*body[inboundEndpoint], error) {
	if err != nil {
		return nil, err
	}
	return single(a.inbound(c, e))
}

func (a *API) updateInbound(c call, in *struct {
	ByID
	Body inboundInput
}) (*body[inboundEndpoint], error) {
	old, err := a.store.InboundEndpoint(c, model.InboundID(in.ID))
	if err != nil {
		return nil, err
	}
	e, secrets := in.Body.endpoint()
	e.ID = old.ID
	if e.Verification.Preset == old.Verification.Preset {
		e.Secrets = old.Secrets
	}
	if err = a.jobs.CheckInbound(&e, secrets); err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateInbound(&e, secrets) })
	}
	return a.shownInbound(c, e, err)
}

func (a *API) deleteInbound(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteInbound(model.InboundID(in.ID)) })
}

type rotateInput struct {
	OverlapSeconds *int   `json:"overlap_seconds" doc:"How long what was good before stays good: 86400 when absent, at most 30 days, 0 = it ends now"`
	Secret         string `json:"secret" writeOnly:"true" doc:"Another secret to verify with; absent = another key"`
}

// How long older keys and secrets stay good, in seconds.
const (
	usualOverlap = 86400
	mostOverlap  = 30 * 86400
)

func (a *API) rotateInbound(c call, in *struct {
	ByID
	Body rotateInput `required:"false"`
}) (*body[inboundEndpoint], error) {
	overlap := or(in.Body.OverlapSeconds, usualOverlap)
	if overlap < 0 || overlap > mostOverlap {
		var bad fault.Check
		bad.Add("overlap_seconds", "Between 0 and %d seconds.", mostOverlap)
		return nil, bad.Err()
	}
	var e model.InboundEndpoint
	err := a.write(c, func(tx *db.Tx) (err error) {
		if in.Body.Secret != "" {
			e, err = tx.RotateInboundSecret(model.InboundID(in.ID), model.Secret(in.Body.Secret), time.Duration(overlap)*time.Second)
			return err
		}
		e, err = tx.RotateInbound(model.InboundID(in.ID), time.Duration(overlap)*time.Second)
		return err
	})
	return a.shownInbound(c, e, err)
}

func (a *API) revokeInbound(c call, in *struct {
	ByID
	Body struct {
		KeyID string `json:"key_id" needed:"true"`
	}
}) (*body[inboundEndpoint], error) {
	if in.Body.KeyID == "" {
		var bad fault.Check
		bad.Add("key_id", "Say which key; the endpoint lists them.")
		return nil, bad.Err()
	}
	var e model.InboundEndpoint
	err := a.write(c, func(tx *db.Tx) (err error) {
		e, err = tx.RevokeInbound(model.InboundID(in.ID), model.InboundKeyID(in.Body.KeyID))
		return err
	})
	return a.shownInbound(c, e, err)
}

func (a *API) sampleInbound(c call, in *ByID) (*body[inboundEndpoint], error) {
	id := model.InboundID(in.ID)
	err := a.write(c, func(tx *db.Tx) error { return tx.AwaitSample(id, tx.Now().Add(jobs.SampleWait)) })
	if err != nil {
		return nil, err
	}
	return a.showInbound(c, in)
}

type inboundPreviewInput struct {
	Receipt     string  `json:"receipt" doc:"A stored call; absent = body"`
	Body        string  `json:"body" doc:"A body; absent = a sample"`
	ContentType string  `json:"content_type" doc:"Of body; application/json when absent"`
	Event       *string `json:"event" doc:"Absent = as stored"`
	Subject     *string `json:"subject" doc:"Absent = as stored"`
	Mapping     *string `json:"mapping" doc:"Absent = as stored"`
}

type inboundPreview struct {
	Status  string               `json:"status" doc:"accepted, skipped or failed"`
	Detail  string               `json:"detail"`
	Line    int                  `json:"line"`
	Column  int                  `json:"column"`
	Raises  []inboundPreviewItem `json:"raises"`
	Receipt string               `json:"receipt" doc:"Of the call that was used"`
}

type inboundPreviewItem struct {
	Name    string          `json:"name"`
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
}

func (a *API) previewInbound(c call, in *struct {
	ByID
	Body inboundPreviewInput
}) (*body[inboundPreview], error) {
	e, err := a.store.InboundEndpoint(c, model.InboundID(in.ID))
	if err != nil {
		return nil, err
	}
	e.Event, e.Subject, e.Mapping = or(in.Body.Event, e.Event), or(in.Body.Subject, e.Subject), or(in.Body.Mapping, e.Mapping)
	sample := jobs.SampleCall(a.web.Now())
	switch {
	case in.Body.Receipt != "":
		if sample, err = a.store.InboundCall(c, e.ID, model.ReceiptID(in.Body.Receipt)); err != nil {
			return nil, err
		}
	case in.Body.Body != "":
		sample.Body = []byte(in.Body.Body)
		if in.Body.ContentType != "" {
			sample.Headers = []model.Header{{Name: "Content-Type", Value: in.Body.ContentType}}
		}
	}
	p, err := a.jobs.PreviewInbound(c, e, sample)
	if err != nil {
		return nil, err
	}
	out := inboundPreview{Status: string(model.CallAccepted), Detail: p.Problem, Line: p.Line, Column: p.Column, Raises: []inboundPreviewItem{}, Receipt: string(sample.ID)}
	switch {
	case p.Skipped:
		out.Status = string(model.CallSkipped)
	case p.Problem != "":
		out.Status = string(model.CallFailed)
	}
	for _, i := range p.Items {
		out.Raises = append(out.Raises, inboundPreviewItem{i.Name, i.Subject, i.Data})
	}
	return &body[inboundPreview]{out}, nil
}
