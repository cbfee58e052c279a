package api

import (
	"cmp"
	"net/http"

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
}

func showKey(k model.APIKey) ApiKey {
	return ApiKey{newMeta(k.ID, k.CreatedAt, k.UpdatedAt, k.Version), k.Name, string(k.UserID), k.UserName, k.Hint, stamp(k.LastUsedAt),
		stamp(k.ExpiresAt), stamp(k.RevokedAt)}
}

type newKey struct {
	ApiKey
	Key string `json:"key" doc:"wbk_…; told this once"`
}

type keyInput struct {
	Name      string `json:"name"`
	UserID    string `json:"user_id" doc:"Whose rights the key has; the caller's when absent"`
	ExpiresAt string `json:"expires_at" format:"date-time" doc:"Absent or null = never"`
}

func (a *API) apiKeys() {
	view, manage := model.APIKeys.View(), model.APIKeys.Manage()
	add(a, route{http.MethodGet, "/api-keys", "list-api-keys", "List API keys", "API keys", "Revoked ones included.", view, 0}, a.listKeys)
	add(a, route{http.MethodPost, "/api-keys", "create-api-key", "Create an API key", "API keys", "", manage, 0}, a.createKey)
	add(a, route{http.MethodGet, "/api-keys/{id}", "show-api-key", "Show an API key", "API keys", "", view, 0}, a.showKey)
	add(a, route{http.MethodDelete, "/api-keys/{id}", "revoke-api-key", "Revoke an API key", "API keys", "For good; it stays listed.", manage, 0}, a.revokeKey)
}

func (a *API) listKeys(c call, in *Paging) (*body[list[ApiKey]], error) {
	items, next, err := a.store.APIKeys(c, in.page())
	return listed(items, next, err, showKey)
}

func (a *API) createKey(c call, in *struct{ Body keyInput }) (*made[newKey], error) {
	var bad fault.Check
	n := model.APIKey{Name: in.Body.Name, UserID: model.UserID(cmp.Or(in.Body.UserID, string(c.actor.UserID))),
		ExpiresAt: parseTime(&bad, "expires_at", in.Body.ExpiresAt)}
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

func (a *API) revokeKey(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.RevokeAPIKey(model.APIKeyID(in.ID)) })
}
