package api

import (
	"net/http"
	"slices"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
)

// credential is a credential as it is answered.
type credential struct {
	Meta
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Description string         `json:"description"`
	Config      map[string]any `json:"config" doc:"The settings that are not secret"`
	Secrets     []string       `json:"secrets" readOnly:"true" doc:"Names of the secrets that are stored"`
	ExpiresAt   *string        `json:"expires_at" format:"date-time" doc:"When it ends, as somebody typed in; null = not known"`
	EndsAt      *string        `json:"ends_at" format:"date-time" readOnly:"true" doc:"When it ends, as the certificate or token itself says; null = it does not"`
	LastUsed    *string        `json:"last_used_at" format:"date-time" readOnly:"true" doc:"To the minute; null = never"`
	LastFailed  *string        `json:"last_failed_at" format:"date-time" readOnly:"true" doc:"When it last could not be had or was not accepted; null = never"`
	LastFailure string         `json:"last_failure" readOnly:"true" doc:"What went wrong then"`
}

func showCredential(c model.Credential, life model.CredentialLife) credential {
	out := credential{Meta: newMeta(c.ID, c.CreatedAt, c.UpdatedAt, c.Version), Name: c.Name, Type: string(c.Type), Description: c.Description,
		Config: c.Config, Secrets: full(c.Stored), ExpiresAt: stamp(c.ExpiresAt), EndsAt: stamp(c.EndsAt),
		LastUsed: stamp(life.UsedAt), LastFailed: stamp(life.FailedAt), LastFailure: life.Failure}
	if out.Config == nil {
		out.Config = map[string]any{}
	}
	return out
}

// oneCredential answers with a credential and what became of it in use.
func (a *API) oneCredential(c call, n model.Credential, err error) (credential, error) {
	if err != nil {
		return credential{}, err
	}
	life, err := a.store.CredentialLife(c, n.ID)
	return showCredential(n, life), err
}

type credentialInput struct {
	Versioned
	Name        string         `json:"name" needed:"true"`
	Type        string         `json:"type" needed:"true" doc:"basic, bearer, header, oauth2, aws_sigv4, client_certificate, platform_api_key, client_secret or secret_url; the page of a new credential lists the settings of each"`
	Description string         `json:"description"`
	Config      map[string]any `json:"config" doc:"Settings and secrets; a secret that is absent or empty on PUT stays as it is stored"`
	ExpiresAt   string         `json:"expires_at" format:"date-time" doc:"When it ends; absent or null = not known"`
	Clear       []string       `json:"clear_secrets" doc:"Names of stored secrets to remove on PUT; those that the type needs cannot be"`
}

// credential gives the noun and the secrets that were typed; secrets never stay in the noun.
func (in credentialInput) credential() (model.Credential, model.Secrets, []fault.Field) {
	c := model.Credential{Name: in.Name, Type: model.CredentialType(in.Type), Description: in.Description, Version: in.Version, Drop: in.Clear}
	kind, ok := scheme.ByType(c.Type)
	if !ok {
		return c, nil, nil
	}
	var bad fault.Check
	c.ExpiresAt = parseTime(&bad, "expires_at", in.ExpiresAt)
	config, secrets, wrong := kind.Split(in.Config)
	bad.Join("", wrong)
	c.Config = config
	return c, secrets, bad.Fields()
}

// checkCredential cleans and checks; complaints about settings are named by their place in config.
func (a *API) checkCredential(c *model.Credential, secrets model.Secrets, split []fault.Field) error {
	if _, ok := scheme.ByType(c.Type); !ok {
		return unsupported("type", "There is no such credential type.") // without what was typed, which may be a secret in the wrong place
	}
	return inConfig(also(a.jobs.CheckCredential(c, secrets), split))
}

// inConfig names complaints about settings by their place in the body.
func inConfig(err error) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	out := *f
	out.Fields = slices.Clone(f.Fields)
	for i, x := range out.Fields {
		if !slices.Contains([]string{"", "name", "type", "description", "expires_at", "destination_id"}, x.Name) {
			out.Fields[i].Name = "config." + x.Name
		}
	}
	return &out
}

func (a *API) credentials() {
	view, manage := model.Credentials.View(), model.Credentials.Manage()
	add(a, route{http.MethodGet, "/credentials", "list-credentials", "List credentials", "Credentials", "", view, 0}, a.listCredentials)
	add(a, route{http.MethodPost, "/credentials", "create-credential", "Create a credential", "Credentials", "", manage, 0}, a.createCredential)
	add(a, route{http.MethodGet, "/credentials/{id}", "show-credential", "Show a credential", "Credentials", "", view, 0}, a.showCredential)
	add(a, route{http.MethodPut, "/credentials/{id}", "update-credential", "Replace a credential", "Credentials", "", manage, 0}, a.updateCredential)
	add(a, route{http.MethodDelete, "/credentials/{id}", "delete-credential", "Delete a credential", "Credentials", "", manage, 0}, a.deleteCredential)
	add(a, route{http.MethodGet, "/credentials/{id}/usage", "list-credential-usage", "List what uses a credential", "Credentials", "", view, 0}, a.credentialUsage)
	add(a, route{http.MethodPost, "/credentials/{id}/test", "test-credential", "Try a credential", "Credentials",
		"Asks the token endpoint of an oauth2 credential and shows its real answer; signs a sample request for the others, which is not sent. Secrets and tokens are masked.", manage, http.StatusOK}, a.testCredential)
	a.rotations()
}

func (a *API) listCredentials(c call, in *struct {
	Paging
	Q    string `query:"q" doc:"A part of the name"`
	Type string `query:"type"`
}) (*body[list[credential]], error) {
	items, next, err := a.store.Credentials(c, db.CredentialFilter{Query: in.Q, Type: model.CredentialType(in.Type)}, in.page())
	if err != nil {
		return nil, err
	}
	lives, err := a.store.CredentialLives(c)
	return listed(items, next, err, func(n model.Credential) credential { return showCredential(n, lives[n.ID]) })
}

func (a *API) createCredential(c call, in *struct{ Body credentialInput }) (*made[credential], error) {
	n, secrets, bad := in.Body.credential()
	err := a.checkCredential(&n, secrets, bad)
	if err == nil {
		err = inConfig(a.write(c, func(tx *db.Tx) error { return tx.CreateCredential(&n, secrets) }))
	}
	return created(showCredential(n, model.CredentialLife{}), "/credentials/"+string(n.ID), err)
}

func (a *API) showCredential(c call, in *ByID) (*body[credential], error) {
	n, err := a.store.Credential(c, model.CredentialID(in.ID))
	return single(a.oneCredential(c, n, err))
}

func (a *API) updateCredential(c call, in *struct {
	ByID
	Body credentialInput
}) (*body[credential], error) {
	old, err := a.store.Credential(c, model.CredentialID(in.ID))
	if err != nil {
		return nil, err
	}
	n, secrets, bad := in.Body.credential()
	n.ID = old.ID
	if n.Type == old.Type {
		n.Stored, n.EndsAt = old.Stored, old.EndsAt
	}
	if err = a.checkCredential(&n, secrets, bad); err == nil {
		err = inConfig(a.write(c, func(tx *db.Tx) error { return tx.UpdateCredential(&n, secrets) }))
	}
	return single(a.oneCredential(c, n, err))
}

func (a *API) deleteCredential(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteCredential(model.CredentialID(in.ID)) })
}

// use is one thing that needs another.
type use struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (a *API) credentialUsage(c call, in *ByID) (*body[list[use]], error) {
	uses, err := a.store.CredentialUsage(c, model.CredentialID(in.ID))
	return listed(uses, "", err, func(u db.Use) use { return use{u.Kind, u.ID, u.Name} })
}

// unsupported refuses a field of the contract that this engine cannot honour, instead of ignoring it.
func unsupported(field, why string) error {
	return &fault.Fault{Kind: fault.Invalid, Code: "not_supported", Message: "Some fields ask for what this version cannot do.",
		Fields: []fault.Field{{Name: field, Message: why}}}
}
