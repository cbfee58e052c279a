package db

import (
	"context"
	"maps"
	"slices"

	"waybill/db/fault"
	"waybill/db/model"
)

const credentialColumns = `id, name, type, description, config, expires_at, ends_at, created_at, updated_at, version,
  (SELECT json_group_array(name) FROM (SELECT name FROM sealed WHERE kind = 'credential' AND row_id = credentials.id ORDER BY name))`

func scanCredential(r row) (model.Credential, error) {
	var c model.Credential
	err := r.Scan(&c.ID, &c.Name, &c.Type, &c.Description, decode{&c.Config}, at{&c.ExpiresAt}, at{&c.EndsAt}, at{&c.CreatedAt}, at{&c.UpdatedAt}, &c.Version, decode{&c.Stored})
	return c, err
}

const credentialByID = `SELECT ` + credentialColumns + ` FROM credentials WHERE id = $1`

// Credential is one credential, without its secrets.
func (s *Store) Credential(ctx context.Context, id model.CredentialID) (model.Credential, error) {
	return one(s.reader(ctx), "credential", scanCredential, credentialByID, id)
}

// CredentialFilter narrows a list of credentials; zero values do not.
type CredentialFilter struct {
	Query string // a part of the name
	Type  model.CredentialType
}

// Credentials lists credentials, newest first, without their secrets.
func (s *Store) Credentials(ctx context.Context, f CredentialFilter, p Page) ([]model.Credential, string, error) {
	q := selecting("SELECT " + credentialColumns + " FROM credentials")
	q.and(f.Query != "", `name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	q.and(f.Type != "", "type = ?", f.Type)
	return page(s.reader(ctx), q, p, keyed{"id", "crd_"}, scanCredential, func(c model.Credential) string { return string(c.ID) })
}

// Whatever else can carry a credential joins here.
const usersOfCredential = `
SELECT 'connection', id, name FROM connections WHERE credential_id = $1 OR client_certificate_id = $1
UNION ALL SELECT 'integration', id, name FROM integrations WHERE instr(draft, '"' || $1 || '"') > 0 OR instr(published, '"' || $1 || '"') > 0
UNION ALL
SELECT 'workflow', w.id, w.name FROM workflows w LEFT JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = w.published
WHERE instr(w.draft, '"' || $1 || '"') > 0 OR instr(coalesce(v.definition, ''), '"' || $1 || '"') > 0
ORDER BY 1, 3`

// CredentialUsage lists what depends on a credential.
func (s *Store) CredentialUsage(ctx context.Context, id model.CredentialID) ([]Use, error) {
	if _, err := s.Credential(ctx, id); err != nil {
		return nil, err
	}
	return credentialUsage(s.reader(ctx), id)
}

func credentialUsage(q querier, id model.CredentialID) ([]Use, error) {
	return all(q, func(r row) (u Use, err error) {
		err = r.Scan(&u.Kind, &u.ID, &u.Name)
		return u, err
	}, usersOfCredential, id)
}

const credentialKind = "credential"

// OpenCredential opens the secrets of a credential. Only jobs calls it, to put them on the wire.
func (s *Store) OpenCredential(ctx context.Context, id model.CredentialID) (model.Secrets, error) {
	if _, err := s.Credential(ctx, id); err != nil {
		return nil, err
	}
	return s.unseal(s.reader(ctx), credentialKind, string(id))
}

// wantCredential complains about a credential_id that names nothing, or what requests cannot carry; "" is none. A
// credential that stands for somebody with more rights than the actor's is refused.
func (tx *Tx) wantCredential(id model.CredentialID) error {
	if id == "" {
		return nil
	}
	c, err := one(tx, "credential", scanCredential, credentialByID, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return complain("credential_id", "There is no such credential.")
	case err != nil:
		return err
	case c.Type == model.CredentialClientSecret:
		return complain("credential_id", "“%s” is a client secret: it goes into the body of step webhooks, and no other request can carry it.", c.Name)
	}
	return tx.mayAct(c)
}

const insertCredential = `
INSERT INTO credentials (id, name, type, description, config, created_at, updated_at, version, expires_at, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, 1, $7, $8)`

// CreateCredential stores c, which is clean and checked, seals the secrets that are not empty and fills in ID, Stored,
// times and Version.
func (tx *Tx) CreateCredential(c *model.Credential, s model.Secrets) error {
	n := *c
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version, n.Stored = model.NewCredentialID(tx.now), tx.stamp(), tx.stamp(), 1, nil
	if n.Config == nil {
		n.Config = model.Config{}
	}
	if err := tx.mayPickKey(model.Credential{}, n); err != nil {
		return err
	}
	if err := tx.exec(insertCredential, n.ID, n.Name, n.Type, n.Description, encode(n.Config), ms(tx.now), ms(n.ExpiresAt), ms(n.EndsAt)); err != nil {
		return duplicate(err, "credential", n.Name)
	}
	diff := credentialChanges(model.Credential{}, n)
	secrets, err := tx.sealCredential(&n, s)
	if err != nil {
		return err
	}
	fill(tx, c, n)
	tx.touch()
	return tx.audit("credential", "created", string(n.ID), n.Name, append(diff, secrets...))
}

const updateCredential = `
UPDATE credentials SET name = $1, type = $2, description = $3, config = $4, updated_at = $5, version = $6, expires_at = $8, ends_at = $9
WHERE id = $7`

// UpdateCredential stores c over the row of its ID; versions count as in UpdateConnection. Secrets that s does not hold,
// or holds empty, are kept, unless c.Drop names them; with another Type the old ones go, and so does a rotation.
func (tx *Tx) UpdateCredential(c *model.Credential, s model.Secrets) error {
	old, err := one(tx, "credential", scanCredential, credentialByID, c.ID)
	if err != nil {
		return err
	}
	if err := current("credential", c.Version, old.Version); err != nil {
		return err
	}
	n := *c
	n.CreatedAt, n.UpdatedAt, n.Version, n.Stored = old.CreatedAt, old.UpdatedAt, old.Version, slices.Clone(old.Stored)
	if n.Config == nil {
		n.Config = model.Config{}
	}
	if err := tx.mayPickKey(old, n); err != nil {
		return err
	}
	if err := tx.stillFits(old, n); err != nil {
		return err
	}
	diff := credentialChanges(old, n)
	if n.Type != old.Type {
		if err := tx.exec(dropSealed, credentialKind, n.ID); err != nil {
			return err
		}
		if err := tx.endRotation(n.ID); err != nil {
			return err
		}
		for _, name := range n.Stored {
			diff = append(diff, model.Change{Field: "config." + name, Before: model.Mask})
		}
		n.Stored = nil
	}
	dropped, err := tx.dropNamed(&n, s)
	if err != nil {
		return err
	}
	secrets, err := tx.sealCredential(&n, s)
	if err != nil {
		return err
	}
	if diff = append(append(diff, dropped...), secrets...); len(diff) == 0 {
		fill(tx, c, n)
		return nil
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateCredential, n.Name, n.Type, n.Description, encode(n.Config), ms(n.UpdatedAt), n.Version, n.ID, ms(n.ExpiresAt), ms(n.EndsAt)); err != nil {
		return duplicate(err, "credential", n.Name)
	}
	fill(tx, c, n)
	tx.touch()
	return tx.audit("credential", "updated", string(n.ID), n.Name, diff)
}

const showersOf = `SELECT name FROM connections WHERE client_certificate_id = $1 ORDER BY name`

// stillFits complains when what uses the credential could not carry it once it is of another type.
func (tx *Tx) stillFits(old, n model.Credential) error {
	if n.Type == old.Type {
		return nil
	}
	if old.Type == model.CredentialCertificate {
		names, err := all(tx, text[string], showersOf, n.ID)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return complain("type", "The connection “%s” shows this certificate in its TLS handshake; it must stay a client certificate.", names[0])
		}
	}
	if n.Type != model.CredentialClientSecret {
		return nil
	}
	users, err := credentialUsage(tx, n.ID)
	for _, u := range users {
		if u.Kind == "connection" {
			return complain("type", "The connection “%s” uses this credential; a client secret goes into the body of step webhooks only.", u.Name)
		}
	}
	return err
}

const dropOneSealed = `DELETE FROM sealed WHERE kind = $1 AND row_id = $2 AND name = $3`

// dropNamed removes the stored secrets that c.Drop names and s does not replace, and lists what changed.
func (tx *Tx) dropNamed(c *model.Credential, s model.Secrets) (diff []model.Change, err error) {
	for _, name := range c.Drop {
		i := slices.Index(c.Stored, name)
		if i < 0 || s[name] != "" {
			continue
		}
		if err := tx.exec(dropOneSealed, credentialKind, c.ID, name); err != nil {
			return nil, err
		}
		c.Stored = slices.Delete(c.Stored, i, i+1)
		diff = append(diff, model.Change{Field: "config." + name, Before: model.Mask})
	}
	c.Drop = nil
	return diff, nil
}

// sealCredential seals what s holds, adds the names to c.Stored and lists what changed.
func (tx *Tx) sealCredential(c *model.Credential, s model.Secrets) ([]model.Change, error) {
	var diff []model.Change
	had := c.Stored
	stored := map[string]bool{}
	for _, name := range had {
		stored[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if s[name] == "" {
			continue
		}
		if err := tx.seal(credentialKind, string(c.ID), name, s[name]); err != nil {
			return nil, err
		}
		change := model.Change{Field: "config." + name, After: model.Mask}
		if stored[name] {
			change.Before = model.Mask
		}
		diff, stored[name] = append(diff, change), true
	}
	c.Stored = slices.AppendSeq([]string{}, maps.Keys(stored))
	slices.Sort(c.Stored)
	return diff, nil
}

func credentialChanges(a, b model.Credential) []model.Change {
	out := changes("name", a.Name, b.Name, "type", string(a.Type), string(b.Type), "description", a.Description, b.Description,
		"expires_at", stamped(a.ExpiresAt), stamped(b.ExpiresAt))
	return append(out, configChanges("config.", a.Config, b.Config)...)
}

const deleteCredential = `DELETE FROM credentials WHERE id = $1`

// DeleteCredential removes a credential with its secrets; one that connections use is a conflict ("in_use") that names them.
func (tx *Tx) DeleteCredential(id model.CredentialID) error {
	c, err := one(tx, "credential", scanCredential, credentialByID, id)
	if err != nil {
		return err
	}
	users, err := credentialUsage(tx, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return inUse("credential", users, 0)
	}
	if err := tx.exec(dropSealed, credentialKind, id); err != nil {
		return err
	}
	if err := tx.endRotation(id); err != nil {
		return err
	}
	if err := tx.exec(deleteCredential, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("credential", "deleted", string(id), c.Name, credentialChanges(c, model.Credential{}))
}
