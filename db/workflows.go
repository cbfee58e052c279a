package db

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
)

const workflowColumns = `id, name, description, enabled, draft, changed, published, published_at, coalesce(form_token, ''), created_at, updated_at, version`

func scanWorkflow(r row) (model.Workflow, error) {
	var w model.Workflow
	err := r.Scan(&w.ID, &w.Name, &w.Description, &w.Enabled, decode{&w.Draft}, &w.Changed, &w.Published, at{&w.PublishedAt}, &w.FormToken,
		at{&w.CreatedAt}, at{&w.UpdatedAt}, &w.Version)
	return w, err
}

const workflowByID = `SELECT ` + workflowColumns + ` FROM workflows WHERE id = $1`

// Workflow is one workflow with its draft. Of secrets it names those that are stored.
func (s *Store) Workflow(ctx context.Context, id model.WorkflowID) (model.Workflow, error) {
	w, err := one(s.reader(ctx), "workflow", scanWorkflow, workflowByID, id)
	if err != nil {
		return w, err
	}
	return w, nameSecrets(s.reader(ctx), &w.Draft)
}

const startForms = `
SELECT w.id, v.name FROM workflows w JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = w.published
WHERE w.enabled = 1 AND v.definition ->> '$.trigger.kind' = 'form' ORDER BY v.name, w.id LIMIT 100`

// StartForms are the workflows that a signed-in person starts by filling in a form, by name.
func (s *Store) StartForms(ctx context.Context) ([]Use, error) {
	return all(s.reader(ctx), func(r row) (Use, error) {
		u := Use{Kind: "workflow"}
		err := r.Scan(&u.ID, &u.Name)
		return u, err
	}, startForms)
}

const workflowByForm = `SELECT ` + workflowColumns + ` FROM workflows WHERE form_token = $1 AND form_token IS NOT NULL`

// WorkflowByForm finds a workflow by the token of its public form.
func (s *Store) WorkflowByForm(ctx context.Context, token string) (model.Workflow, error) {
	return one(s.reader(ctx), "form", scanWorkflow, workflowByForm, token)
}

// WorkflowFilter narrows a list of workflows; zero values do not.
type WorkflowFilter struct {
	Query string // a part of the name
}

// Workflows lists workflows with their drafts, newest first.
func (s *Store) Workflows(ctx context.Context, f WorkflowFilter, p Page) ([]model.Workflow, string, error) {
	q := selecting("SELECT " + workflowColumns + " FROM workflows")
	q.and(f.Query != "", `name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	list, next, err := page(s.reader(ctx), q, p, keyed{"id", "wfl_"}, scanWorkflow, func(w model.Workflow) string { return string(w.ID) })
	for i := range list {
		if err == nil {
			err = nameSecrets(s.reader(ctx), &list[i].Draft)
		}
	}
	return list, next, err
}

const versionColumns = `workflow_id, number, name, definition, note, published_by, published_at`

func scanVersion(r row) (model.WorkflowVersion, error) {
	var v model.WorkflowVersion
	err := r.Scan(&v.WorkflowID, &v.Number, &v.Name, decode{&v.Definition}, &v.Note, &v.PublishedBy, at{&v.PublishedAt})
	return v, err
}

const versionByNumber = `SELECT ` + versionColumns + ` FROM workflow_versions WHERE workflow_id = $1 AND number = $2`

// WorkflowVersion is one published version.
func (s *Store) WorkflowVersion(ctx context.Context, id model.WorkflowID, number int64) (model.WorkflowVersion, error) {
	v, err := one(s.reader(ctx), "version of this workflow", scanVersion, versionByNumber, id, number)
	if err != nil {
		return v, err
	}
	return v, nameSecrets(s.reader(ctx), &v.Definition)
}

const versionsOf = `SELECT ` + versionColumns + ` FROM workflow_versions WHERE workflow_id = $1 ORDER BY number DESC LIMIT 200`

// WorkflowVersions lists what was published of a workflow, newest first.
func (s *Store) WorkflowVersions(ctx context.Context, id model.WorkflowID) ([]model.WorkflowVersion, error) {
	if _, err := one(s.reader(ctx), "workflow", scanWorkflow, workflowByID, id); err != nil {
		return nil, err
	}
	return all(s.reader(ctx), scanVersion, versionsOf, id)
}

// Where the secrets of a step's webhook are sealed: under its id. A workflow's signing secret is under the workflow's.
const (
	webhookKind  = "webhook"
	workflowKind = "workflow"
)

const sealedNames = `SELECT name FROM sealed WHERE kind = $1 AND row_id = $2 ORDER BY name`

// nameSecrets tells in a definition which secrets its webhooks have stored.
func nameSecrets(q querier, d *model.Definition) error {
	for i := range d.Steps {
		for j := range d.Steps[i].Webhooks {
			w := &d.Steps[i].Webhooks[j]
			want := w.Auth.Wants()
			if want == "" {
				continue
			}
			names, err := all(q, text[string], sealedNames, webhookKind, w.ID)
			if err != nil {
				return err
			}
			w.Auth.Stored = nil
			for _, n := range names {
				if n == want {
					w.Auth.Stored = []string{n}
				}
			}
		}
	}
	return nil
}

// WebhookSecrets opens what a step's webhook keeps secret. Only jobs calls it, to put it on the wire.
func (s *Store) WebhookSecrets(ctx context.Context, id model.WebhookID) (model.Secrets, error) {
	return s.unseal(s.reader(ctx), webhookKind, string(id))
}

// WorkflowSecret is the key that the webhooks of a workflow are signed with ("whsec_…").
func (s *Store) WorkflowSecret(ctx context.Context, id model.WorkflowID) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), workflowKind, string(id))
	if err != nil {
		return "", err
	}
	secret, ok := secrets[signingName]
	if !ok {
		return "", fault.Absent("signing secret")
	}
	return secret, nil
}
