package api

import (
	"net/http"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
	"waybill/jobs/scheme"
)

// credentialTest is what a credential does, secrets masked.
type credentialTest struct {
	Preview
	Token        *tokenAnswer      `json:"token" doc:"The exchange with the token endpoint; null when there is none to ask"`
	Working      []scheme.Step     `json:"working" doc:"The texts that were signed, for comparing with the other side's"`
	Certificates []certificateFact `json:"certificates" doc:"Certificates that are shown and trusted"`
}

type tokenAnswer struct {
	Exchange    attempt `json:"exchange"`
	LifeSeconds int64   `json:"life_seconds" doc:"As the endpoint said; 0 = it did not"`
	KeptSeconds int64   `json:"kept_seconds" doc:"How long Waybill keeps the token"`
}

type certificateFact struct {
	Role      string  `json:"role"`
	Subject   string  `json:"subject"`
	Issuer    string  `json:"issuer"`
	Serial    string  `json:"serial"`
	Key       string  `json:"key"`
	NotBefore *string `json:"not_before" format:"date-time"`
	NotAfter  *string `json:"not_after" format:"date-time"`
}

func showCredentialTest(t jobs.CredentialTest) credentialTest {
	out := credentialTest{Preview: showPreview(t.Preview), Working: full(t.Working), Certificates: []certificateFact{}}
	if t.Token != nil {
		out.Token = &tokenAnswer{showAttempt(t.Token.Exchange), int64(t.Token.Life / time.Second), int64(t.Token.Kept / time.Second)}
	}
	for _, x := range t.Certificates {
		out.Certificates = append(out.Certificates, certificateFact{x.Role, x.Subject, x.Issuer, x.Serial, x.Key, stamp(x.From), stamp(x.To)})
	}
	return out
}

func (a *API) testCredential(c call, in *ByID) (*body[credentialTest], error) {
	t, err := a.jobs.TestCredential(c, model.CredentialID(in.ID))
	return single(showCredentialTest(t), err)
}

// rotation is a change of a credential's secret.
type rotation struct {
	State     string         `json:"state" enum:"none,pending,live" doc:"pending: a new secret is stored beside the one in use; live: the new one is in use, the former one is kept"`
	Config    map[string]any `json:"config" doc:"pending: the new settings; live: the former ones"`
	Secrets   []string       `json:"secrets" doc:"Names of the secrets that are stored with them"`
	StartedAt *string        `json:"started_at" format:"date-time"`
	StartedBy string         `json:"started_by"`
	Until     *string        `json:"former_kept_until" format:"date-time" doc:"live: until when one can go back"`
	Trial     *rotationTrial `json:"trial" doc:"The last trial of the new secret; null = there was none"`
}

type rotationTrial struct {
	At          *string `json:"at" format:"date-time"`
	Destination string  `json:"destination"`
	StatusCode  int     `json:"status_code" doc:"0 = no answer"`
	Error       string  `json:"error" doc:"Empty when it went well"`
}

func showRotation(x model.Rotation) rotation {
	out := rotation{State: string(x.State), Config: x.Config, Secrets: full(x.Stored), StartedAt: stamp(x.StartedAt), StartedBy: x.By, Until: stamp(x.Until)}
	if out.State == "" {
		out.State = "none"
	}
	if out.Config == nil {
		out.Config = map[string]any{}
	}
	if !x.Trial.At.IsZero() {
		out.Trial = &rotationTrial{stamp(x.Trial.At), x.Trial.On, x.Trial.Status, x.Trial.Error}
	}
	return out
}

type rotationInput struct {
	Versioned
	Config    map[string]any `json:"config" needed:"true" doc:"The new secrets, and settings that change with them; the rest stays as it is"`
	ExpiresAt string         `json:"expires_at" format:"date-time" doc:"When the new one ends; absent or null = not known"`
}

func (a *API) rotations() {
	view, manage := model.Credentials.View(), model.Credentials.Manage()
	const at, tag = "/credentials/{id}/rotation", "Credentials"
	add(a, route{http.MethodGet, at, "show-rotation", "Show a change of a credential's secret", tag, "", view, 0}, a.showRotation)
	add(a, route{http.MethodPut, at, "start-rotation", "Store a new secret beside the one in use", tag,
		"Nothing changes for requests until it is applied. It takes the place of an earlier one.", manage, 0}, a.startRotation)
	add(a, route{http.MethodPost, at + "/try", "try-rotation", "Try the new secret on one destination", tag, "One real exchange, shown whole.", manage, http.StatusOK}, a.tryRotation)
	add(a, route{http.MethodPost, at + "/apply", "apply-rotation", "Put the new secret in use everywhere", tag, "The former one is kept for 7 days.", manage, http.StatusOK}, a.applyRotation)
	add(a, route{http.MethodPost, at + "/rollback", "roll-back-rotation", "Go back to the former secret", tag, "", manage, http.StatusOK}, a.rollBackRotation)
	add(a, route{http.MethodDelete, at, "drop-rotation", "Forget the secret that is not in use", tag, "The new one that waits, or the former one.", manage, 0}, a.dropRotation)
}

// rotationOf is the rotation of a credential; the zero value when there is none.
func (a *API) rotationOf(c call, id string) (*body[rotation], error) {
	if _, err := a.store.Credential(c, model.CredentialID(id)); err != nil {
		return nil, err
	}
	x, err := a.store.Rotation(c, model.CredentialID(id))
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return single(showRotation(x), err)
}

func (a *API) showRotation(c call, in *ByID) (*body[rotation], error) { return a.rotationOf(c, in.ID) }

func (a *API) startRotation(c call, in *struct {
	ByID
	Body rotationInput
}) (*body[rotation], error) {
	n, err := a.store.Credential(c, model.CredentialID(in.ID))
	if err != nil {
		return nil, err
	}
	kind, _ := scheme.ByType(n.Type)
	var bad fault.Check
	config, secrets, wrong := kind.Split(in.Body.Config)
	bad.Join("", wrong)
	n.Version, n.ExpiresAt = in.Body.Version, parseTime(&bad, "expires_at", in.Body.ExpiresAt)
	merged := model.Config{}
	for name, v := range n.Config {
		merged[name] = v
	}
	for name, v := range config {
		merged[name] = v
	}
	n.Config = merged
	if err := a.checkCredential(&n, secrets, bad.Fields()); err != nil {
		return nil, err
	}
	if err := inConfig(a.write(c, func(tx *db.Tx) error { return tx.StartRotation(n, secrets) })); err != nil {
		return nil, err
	}
	return a.rotationOf(c, in.ID)
}

func (a *API) tryRotation(c call, in *struct {
	ByID
	Body struct {
		DestinationID string `json:"destination_id" needed:"true" doc:"Its connection uses the credential"`
		EventID       string `json:"event_id" doc:"A stored event to send; a sample one when absent"`
	}
}) (*body[attempt], error) {
	e, err := a.trialEvent(c, trialInput{EventID: in.Body.EventID})
	if err != nil {
		return nil, err
	}
	x, err := a.jobs.TryRotation(c, c.actor, model.CredentialID(in.ID), model.DestID(in.Body.DestinationID), e)
	return single(showAttempt(x), err)
}

// rotated makes a change of a rotation and answers with the credential.
func (a *API) rotated(c call, id string, change func(*db.Tx, model.CredentialID) error) (*body[credential], error) {
	if err := a.write(c, func(tx *db.Tx) error { return change(tx, model.CredentialID(id)) }); err != nil {
		return nil, err
	}
	n, err := a.store.Credential(c, model.CredentialID(id))
	return single(a.oneCredential(c, n, err))
}

func (a *API) applyRotation(c call, in *ByID) (*body[credential], error) {
	return a.rotated(c, in.ID, (*db.Tx).ApplyRotation)
}

func (a *API) rollBackRotation(c call, in *ByID) (*body[credential], error) {
	return a.rotated(c, in.ID, (*db.Tx).RollBackRotation)
}

func (a *API) dropRotation(c call, in *ByID) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DropRotation(model.CredentialID(in.ID)) })
}
