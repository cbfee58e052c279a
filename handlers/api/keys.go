package api

import (
	"cmp"
	"net/http"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// ApiKey is a key as it is answered; the key itself is told once, when it is made.
type ApiKey struct {
	Meta
	Name       string  `json:"name"`
	UserID     string  `json:"user_id"`
	UserName   string  `json:"user_name"`
	Hint       string  `json:"hint" doc:"The key's beginning, to recognise it by"`
	LastUsedAt *string `json:"last_used_at" format:"date-time"`
	ExpiresAt  *string `json:"expires_at" format:"date-time" doc:"null = never"`
	RevokedAt  *string `json:"revoked_at" format:"date-time"`

	Rights        []string `json:"rights" doc:"What it may do at most, of what its user may do at the time; empty = all of that"`
	PreviousUntil *string  `json:"previous_until" format:"date-time" doc:"Until when the key before the last rotation works; null = it does not"`
}

func showKey(k model.APIKey) ApiKey {
	out := ApiKey{Meta: newMeta(k.ID, k.CreatedAt, k.UpdatedAt, k.Version), Name: k.Name, UserID: string(k.UserID), UserName: k.UserName, Hint: k.Hint,
		LastUsedAt: stamp(k.LastUsedAt), ExpiresAt: stamp(k.ExpiresAt), RevokedAt: stamp(k.RevokedAt), Rights: []string{}, PreviousUntil: stamp(k.PreviousUntil)}
	for _, x := range k.Rights {
		out.Rights = append(out.Rights, string(x))
	}
	return out
}

type newKey struct {
	ApiKey
	Key string `json:"key" doc:"wbk_…; told this once"`
}

// KeyInput is what people choose of a key.
type KeyInput struct {
	Name      string `json:"name" needed:"true"`
	UserID    string `json:"user_id" doc:"Whose rights the key has; the caller's when absent"`
	ExpiresAt string `json:"expires_at" format:"date-time" doc:"Absent or null = never"`

	Rights []string `json:"rights" doc:"Limits the key to these of its user's rights; absent or empty = all of them"`
}

type keyUpdateInput struct {
	Versioned
	KeyInput
}

type keyRotationInput struct {
	OverlapSeconds *int `json:"overlap_seconds" minimum:"0" maximum:"2592000" doc:"How long the old key lives on; a day when absent, 0 = it ends at once"`
}

func (in KeyInput) key(bad *fault.Check) model.APIKey {
	k := model.APIKey{Name: in.Name, UserID: model.UserID(in.UserID), ExpiresAt: parseTime(bad, "expires_at", in.ExpiresAt)}
	for _, x := range in.Rights {
		k.Rights = append(k.Rights, model.Right(x))
	}
	return k
}

func (a *API) apiKeys() {
	view, manage := model.APIKeys.View(), model.APIKeys.Manage()
	add(a, route{http.MethodGet, "/api-keys", "list-api-keys", "List API keys", "API keys", "Revoked ones included.", view, 0}, a.listKeys)
	add(a, route{http.MethodPost, "/api-keys", "create-api-key", "Create an API key", "API keys", "", manage, 0}, a.createKey)
	add(a, route{http.MethodGet, "/api-keys/{id}", "show-api-key", "Show an API key", "API keys", "", view, 0}, a.showKey)
	add(a, route{http.MethodPut, "/api-keys/{id}", "update-api-key", "Rename or limit an API key", "API keys", "The user it acts as stays.", manage, 0}, a.updateKey)
	add(a, route{http.MethodPost, "/api-keys/{id}/rotate", "rotate-api-key", "Put another key in its place", "API keys",
		"The old one works until the overlap ends; one from an earlier rotation ends now.", manage, http.StatusOK}, a.rotateKey)
	add(a, route{http.MethodDelete, "/api-keys/{id}", "revoke-api-key", "Revoke an API key", "API keys", "For good; it stays listed.", manage, 0}, a.revokeKey)
}

func (a *API) listKeys(c call, in *Paging) (*body[list[ApiKey]], error) {
	items, next, err := a.store.APIKeys(c, in.page())
	return listed(items, next, err, showKey)
}

func (a *API) createKey(c call, in *struct{ Body KeyInput }) (*made[newKey], error) {
	var bad fault.Check
	n := in.Body.key(&bad)
	n.UserID = cmp.Or(n.UserID, c.actor.UserID)
	key, hash, hint := db.NewKey()
	n.Hint = hint
	err := bad.Err()
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateAPIKey(&n, hash) })
	}
	return created(newKey{showKey(n), key.Reveal()}, "/api-keys/"+string(n.ID), err)
}

func (a *API) showKey(c call, in *ByID) (*body[ApiKey], error) {
	k, err := a.store.APIKey(c, model.APIKeyID(in.ID))
	return single(showKey(k), err)
}

func (a *API) updateKey(c call, in *struct {
	ByID
	Body keyUpdateInput
}) (*body[ApiKey], error) {
	var bad fault.Check
	n := in.Body.key(&bad)
	n.ID, n.Version = model.APIKeyID(in.ID), in.Body.Version
	if _, err := a.store.APIKey(c, n.ID); err != nil {
		return nil, err
	}
	err := bad.Err()
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateAPIKey(&n) })
	}
	return single(showKey(n), err)
}

func (a *API) rotateKey(c call, in *struct {
	ByID
	Body keyRotationInput
}) (*body[newKey], error) {
	id, overlap := model.APIKeyID(in.ID), time.Duration(or(in.Body.OverlapSeconds, 24*60*60))*time.Second
	text, hash, hint := db.NewKey()
	err := a.write(c, func(tx *db.Tx) error { return tx.RotateAPIKey(id, hash, hint, tx.Now().Add(overlap)) })
	if err != nil {
		return nil, err
	}
	k, err := a.store.APIKey(c, id)
	return single(newKey{showKey(k), text.Reveal()}, err)
}

func (a *API) revokeKey(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.RevokeAPIKey(model.APIKeyID(in.ID)) })
}
