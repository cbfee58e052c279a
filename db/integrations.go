package db

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
)

const integrationColumns = `id, name, description, draft, published, published_version, published_at, created_at, updated_at, version`

func scanIntegration(r row) (model.Integration, error) {
	var n model.Integration
	err := r.Scan(&n.ID, &n.Name, &n.Description, decode{&n.Draft}, decode{&n.Live}, &n.Published, at{&n.PublishedAt}, at{&n.CreatedAt}, at{&n.UpdatedAt}, &n.Version)
	return n, err
}

const integrationByID = `SELECT ` + integrationColumns + ` FROM integrations WHERE id = $1`

// Integration is one integration, draft and what is published.
func (s *Store) Integration(ctx context.Context, id model.IntegrationID) (model.Integration, error) {
	return one(s.reader(ctx), "integration", scanIntegration, integrationByID, id)
}

// IntegrationFilter narrows a list of integrations; zero values do not.
type IntegrationFilter struct {
	Query     string // a part of the name
	Published bool   // only those that steps can use
}

// Integrations lists integrations, newest first.
func (s *Store) Integrations(ctx context.Context, f IntegrationFilter, p Page) ([]model.Integration, string, error) {
	q := selecting("SELECT " + integrationColumns + " FROM integrations")
	q.and(f.Query != "", `name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	q.and(f.Published, "published_version > 0")
	return page(s.reader(ctx), q, p, keyed{"id", "int_"}, scanIntegration, func(n model.Integration) string { return string(n.ID) })
}

const insertIntegration = `
INSERT INTO integrations (id, name, description, draft, published, published_version, published_at, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, '', 0, 0, $5, $5, 1)`

// CreateIntegration stores n, which is clean and checked, as a draft and fills in ID, times and Version.
func (tx *Tx) CreateIntegration(n *model.Integration) error {
	x := *n
	x.ID, x.CreatedAt, x.UpdatedAt, x.Version = model.NewIntegrationID(tx.now), tx.stamp(), tx.stamp(), 1
	x.Live, x.Published = nil, 0
	if err := tx.wantRequestCredential(x.Draft.Request.CredentialID); err != nil {
		return err
	}
	if err := tx.exec(insertIntegration, x.ID, x.Name, x.Description, encode(x.Draft), ms(tx.now)); err != nil {
		return duplicate(err, "integration", x.Name)
	}
	fill(tx, n, x)
	return tx.audit("integration", "created", string(x.ID), x.Name, IntegrationDiff(model.Integration{}, x))
}

// wantRequestCredential is wantCredential for a request inside of something else.
func (tx *Tx) wantRequestCredential(id model.CredentialID) error {
	err := tx.wantCredential(id)
	if f := fault.Of(err); f != nil && f.Kind == fault.Invalid {
		var bad fault.Check
		bad.Join("request.", f.Fields)
		return bad.Err()
	}
	return err
}

const updateIntegration = `
UPDATE integrations SET name = $1, description = $2, draft = $3, updated_at = $4, version = $5
WHERE id = $6`

// UpdateIntegration stores the draft of n over the row of its ID; what is published stays. Versions count as in
// UpdateConnection.
func (tx *Tx) UpdateIntegration(n *model.Integration) error {
	old, err := one(tx, "integration", scanIntegration, integrationByID, n.ID)
	if err != nil {
		return err
	}
	if err := current("integration", n.Version, old.Version); err != nil {
		return err
	}
	x := *n
	x.Live, x.Published, x.PublishedAt, x.CreatedAt, x.UpdatedAt, x.Version = old.Live, old.Published, old.PublishedAt, old.CreatedAt, old.UpdatedAt, old.Version
	diff := IntegrationDiff(old, x)
	if len(diff) == 0 {
		fill(tx, n, x)
		return nil
	}
	if x.Draft.Request.CredentialID != old.Draft.Request.CredentialID {
		if err := tx.wantRequestCredential(x.Draft.Request.CredentialID); err != nil {
			return err
		}
	}
	x.UpdatedAt, x.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateIntegration, x.Name, x.Description, encode(x.Draft), ms(x.UpdatedAt), x.Version, x.ID); err != nil {
		return duplicate(err, "integration", x.Name)
	}
	fill(tx, n, x)
	return tx.audit("integration", "updated", string(x.ID), x.Name, diff)
}

// IntegrationDiff lists what differs between two drafts.
func IntegrationDiff(a, b model.Integration) []model.Change {
	r, q := a.Draft.Request, b.Draft.Request
	list := func(n model.Integration, v any) string {
		if n.ID == "" {
			return ""
		}
		return encode(v)
	}
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "fields", list(a, a.Draft.Fields), list(b, b.Draft.Fields),
		"request.name", r.Name, q.Name, "request.event", r.Event, q.Event, "request.method", r.Method, q.Method, "request.url", r.URL, q.URL,
		"request.content_type", r.ContentType, q.ContentType, "request.headers", list(a, r.Headers), list(b, q.Headers), "request.body", r.Body, q.Body,
		"request.credential_id", string(r.CredentialID), string(q.CredentialID), "request.timeout_seconds", positive(r.TimeoutSeconds), positive(q.TimeoutSeconds),
		"request.body_in_event", yes(a.ID != "", r.ShowsBody()), yes(b.ID != "", q.ShowsBody()))
}

const publishIntegration = `
UPDATE integrations SET published = draft, published_version = published_version + 1, published_at = $1, updated_at = $1, version = version + 1
WHERE id = $2`

// PublishIntegration makes the draft what steps use from now on, also those of runs that go on (SEMANTICS 1), and gives it
// as it is then. version is what the caller saw, 0 = whatever is there.
func (tx *Tx) PublishIntegration(id model.IntegrationID, version int64) (model.Integration, error) {
	old, err := one(tx, "integration", scanIntegration, integrationByID, id)
	if err != nil {
		return old, err
	}
	if err := current("integration", version, old.Version); err != nil {
		return old, err
	}
	if err := tx.exec(publishIntegration, ms(tx.now), id); err != nil {
		return old, err
	}
	tx.touch()
	n, err := one(tx, "integration", scanIntegration, integrationByID, id)
	if err != nil {
		return n, err
	}
	return n, tx.audit("integration", "published", string(id), n.Name, changes("published", positive(int(old.Published)), positive(int(n.Published))))
}

const workflowsNaming = `
SELECT 'workflow', id, name FROM workflows w
WHERE instr(w.draft, $1) > 0
   OR EXISTS (SELECT 1 FROM workflow_versions v WHERE v.workflow_id = w.id AND v.number = w.published AND instr(v.definition, $1) > 0)
ORDER BY 3`

// IntegrationUsage lists the workflows whose draft or published version uses an integration.
func (s *Store) IntegrationUsage(ctx context.Context, id model.IntegrationID) ([]Use, error) {
	if _, err := s.Integration(ctx, id); err != nil {
		return nil, err
	}
	return integrationUsage(s.reader(ctx), id)
}

func integrationUsage(q querier, id model.IntegrationID) ([]Use, error) {
	return all(q, scanUse, workflowsNaming, `"`+string(id)+`"`)
}

func scanUse(r row) (u Use, err error) {
	err = r.Scan(&u.Kind, &u.ID, &u.Name)
	return u, err
}

const deleteIntegration = `DELETE FROM integrations WHERE id = $1`

// DeleteIntegration removes an integration. One that a workflow uses is a conflict ("in_use").
func (tx *Tx) DeleteIntegration(id model.IntegrationID) error {
	n, err := one(tx, "integration", scanIntegration, integrationByID, id)
	if err != nil {
		return err
	}
	users, err := integrationUsage(tx, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return inUse("integration", users, 0)
	}
	if err := tx.exec(deleteIntegration, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("integration", "deleted", string(id), n.Name, IntegrationDiff(n, model.Integration{}))
}
