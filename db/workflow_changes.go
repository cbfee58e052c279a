package db

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const insertWorkflow = `
INSERT INTO workflows (id, name, description, enabled, draft, changed, published, published_at, form_token, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, 1, 0, 0, $6, $7, $7, 1)`

const insertNumber = `INSERT INTO run_numbers (workflow_id, value) VALUES ($1, 0)`

// CreateWorkflow stores w, which is clean and checked, as a draft, seals what its webhooks keep secret and the key that
// they are signed with, and fills in ids, times and Version.
func (tx *Tx) CreateWorkflow(w *model.Workflow, signing model.Secret) error {
	n := *w
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewWorkflowID(tx.now), tx.stamp(), tx.stamp(), 1
	n.Published, n.PublishedAt, n.Changed, n.FormToken = 0, time.Time{}, true, formToken()
	var err error
	if n.Draft, err = tx.settleDraft(n.Draft, model.Definition{}); err != nil {
		return err
	}
	if err := tx.exec(insertWorkflow, n.ID, n.Name, n.Description, n.Enabled, encode(n.Draft), n.FormToken, ms(tx.now)); err != nil {
		return duplicate(err, "workflow", n.Name)
	}
	if err := tx.exec(insertNumber, n.ID); err != nil {
		return err
	}
	if err := tx.seal(workflowKind, string(n.ID), signingName, signing); err != nil {
		return err
	}
	diff := workflowChanges(model.Workflow{}, n)
	secrets, err := tx.sealWebhooks(w.Draft, &n.Draft)
	if err != nil {
		return err
	}
	fill(tx, w, n)
	tx.touch()
	return tx.audit("workflow", "created", string(n.ID), n.Name, append(diff, secrets...))
}

func formToken() string {
	b := make([]byte, 18)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

const updateWorkflow = `
UPDATE workflows SET name = $1, description = $2, enabled = $3, draft = $4, changed = $5, updated_at = $6, version = $7
WHERE id = $8`

// UpdateWorkflow stores the draft of w over the row of its ID; versions count as in UpdateConnection. Webhooks that are
// sent back with their id keep it, and the secrets that are not typed anew.
func (tx *Tx) UpdateWorkflow(w *model.Workflow) error {
	old, err := one(tx, "workflow", scanWorkflow, workflowByID, w.ID)
	if err != nil {
		return err
	}
	if err := current("workflow", w.Version, old.Version); err != nil {
		return err
	}
	n := *w
	n.Published, n.PublishedAt, n.FormToken = old.Published, old.PublishedAt, old.FormToken
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	if n.Draft, err = tx.settleDraft(n.Draft, old.Draft); err != nil {
		return err
	}
	diff := workflowChanges(old, n)
	secrets, err := tx.sealWebhooks(w.Draft, &n.Draft)
	if err != nil {
		return err
	}
	if n.Changed, err = tx.differs(n); err != nil {
		return err
	}
	if diff = append(diff, secrets...); len(diff) == 0 {
		fill(tx, w, n)
		return nil
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateWorkflow, n.Name, n.Description, n.Enabled, encode(bare(n.Draft)), n.Changed, ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "workflow", n.Name)
	}
	fill(tx, w, n)
	tx.touch()
	return tx.audit("workflow", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

// bare is the definition without what only those who look are told.
func bare(d model.Definition) model.Definition {
	d.Steps = append([]model.Step{}, d.Steps...)
	for i := range d.Steps {
		d.Steps[i].Webhooks = append([]model.Webhook{}, d.Steps[i].Webhooks...)
		for j := range d.Steps[i].Webhooks {
			d.Steps[i].Webhooks[j].Auth.Stored = nil
		}
	}
	return d
}

// differs reports whether the draft of w is another than what is published.
func (tx *Tx) differs(w model.Workflow) (bool, error) {
	if w.Published == 0 {
		return true, nil
	}
	v, err := one(tx, "version of this workflow", scanVersion, versionByNumber, w.ID, w.Published)
	return w.Name != v.Name || encode(bare(w.Draft)) != encode(v.Definition), err
}

// settleDraft gives webhooks their ids and checks that what a definition names is there.
func (tx *Tx) settleDraft(d, old model.Definition) (model.Definition, error) {
	var bad fault.Check
	known, used := map[model.WebhookID]bool{}, credentials(old)
	for _, s := range old.Steps {
		for _, h := range s.Webhooks {
			known[h.ID] = true
		}
	}
	d = bare(d)
	for i := range d.Steps {
		s := &d.Steps[i]
		at := fmt.Sprintf("steps[%d].", i)
		for j := range s.Webhooks {
			h := &s.Webhooks[j]
			switch {
			case h.ID == "":
				h.ID = model.NewWebhookID(tx.now)
			case !known[h.ID]:
				bad.Add(fmt.Sprintf("%swebhooks[%d].id", at, j), "Step “%s”: this workflow has no webhook %s; leave the id out to make a new one.", s.Name, h.ID)
			}
			known[h.ID] = false // not twice
			if err := tx.wantStep(&bad, fmt.Sprintf("%swebhooks[%d].auth.", at, j), s.Name, used, h.Auth.CredentialID, true); err != nil {
				return d, err
			}
			h.Auth.Typed = nil
		}
		if s.Request != nil {
			if err := tx.wantStep(&bad, at+"request.", s.Name, used, s.Request.CredentialID, false); err != nil {
				return d, err
			}
		}
		if s.DestinationID != "" {
			ok, err := tx.has(destinationExists, s.DestinationID)
			if err != nil {
				return d, err
			}
			if !ok {
				bad.Add(at+"destination_id", "Step “%s”: there is no such destination.", s.Name)
			}
		}
		if s.IntegrationID != "" {
			ok, err := tx.has(integrationExists, s.IntegrationID)
			if err != nil {
				return d, err
			}
			if !ok {
				bad.Add(at+"integration_id", "Step “%s”: there is no such integration.", s.Name)
			}
		}
	}
	return d, bad.Err()
}

const integrationExists = `SELECT EXISTS (SELECT 1 FROM integrations WHERE id = $1)`

// wantStep complains about a credential that a step cannot use. One that the workflow has used so far stays, whoever saves it;
// only a webhook can carry a client secret.
func (tx *Tx) wantStep(bad *fault.Check, at, step string, used map[credentialUse]bool, id model.CredentialID, webhook bool) error {
	if id == "" || used[credentialUse{id, false}] || used[credentialUse{id, webhook}] {
		return nil
	}
	if webhook {
		c, err := one(tx, "credential", scanCredential, credentialByID, id)
		if err == nil && c.Type == model.CredentialClientSecret {
			return nil
		}
	}
	err := tx.wantCredential(id)
	if f := fault.Of(err); f != nil && f.Kind == fault.Invalid {
		for _, x := range f.Fields {
			bad.Add(at+x.Name, "Step “%s”: %s", step, x.Words())
		}
		return nil
	}
	return err
}

// credentialUse is a credential that something names: a webhook, or else a request.
type credentialUse struct {
	id      model.CredentialID
	webhook bool
}

// credentials are those that a definition names.
func credentials(d model.Definition) map[credentialUse]bool {
	out := map[credentialUse]bool{}
	for _, s := range d.Steps {
		if s.Request != nil {
			out[credentialUse{s.Request.CredentialID, false}] = true
		}
		for _, h := range s.Webhooks {
			out[credentialUse{h.Auth.CredentialID, true}] = true
		}
	}
	return out
}

// sealWebhooks seals the secrets that were typed into the definition from, under the ids of to, and lists what changed.
// One that is needed but neither typed nor stored is a complaint.
func (tx *Tx) sealWebhooks(from model.Definition, to *model.Definition) ([]model.Change, error) {
	if err := nameSecrets(tx, to); err != nil {
		return nil, err
	}
	var diff []model.Change
	var bad fault.Check
	for i, s := range to.Steps {
		for j := range s.Webhooks {
			h := &s.Webhooks[j]
			want := h.Auth.Wants()
			typed := from.Steps[i].Webhooks[j].Auth.Typed[want]
			switch {
			case want == "" || (typed == "" && len(h.Auth.Stored) > 0):
				continue
			case typed == "":
				bad.Add(fmt.Sprintf("steps[%d].webhooks[%d].auth.%s", i, j, want), "Step “%s”: give the %s of the webhook “%s”.", s.Name, fault.Noun(want), h.Name)
				continue
			}
			if err := tx.seal(webhookKind, string(h.ID), want, typed); err != nil {
				return nil, err
			}
			c := model.Change{Field: "steps." + s.Key + ".webhooks." + string(h.ID) + "." + want, After: model.Mask}
			if len(h.Auth.Stored) > 0 {
				c.Before = model.Mask
			}
			diff, h.Auth.Stored = append(diff, c), []string{want}
		}
	}
	return diff, bad.Err()
}

func workflowChanges(a, b model.Workflow) []model.Change {
	out := changes("name", a.Name, b.Name, "description", a.Description, b.Description, "enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled))
	return append(out, definitionChanges(a.Draft, b.Draft)...)
}

// definitionChanges lists the trigger and the steps that differ, by key, and a changed order of steps.
func definitionChanges(a, b model.Definition) []model.Change {
	a, b = bare(a), bare(b)
	out := changes("trigger", jsonOr(a.Trigger, a.Trigger.Kind == ""), jsonOr(b.Trigger, b.Trigger.Kind == ""), "steps", order(a), order(b))
	for _, s := range a.Steps {
		n, there := b.Step(s.Key)
		out = append(out, changes("steps."+s.Key, encode(s), jsonOr(n, !there))...)
	}
	for _, s := range b.Steps {
		if _, there := a.Step(s.Key); !there {
			out = append(out, changes("steps."+s.Key, "", encode(s))...)
		}
	}
	return out
}

func jsonOr(v any, none bool) string {
	if none {
		return ""
	}
	return encode(v)
}

func order(d model.Definition) string {
	out := ""
	for _, s := range d.Steps {
		out += " " + s.Key
	}
	return out
}

const (
	insertVersion = `
INSERT INTO workflow_versions (workflow_id, number, name, definition, awaits, note, published_by, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	markPublished = `
UPDATE workflows SET published = $1, published_at = $2, changed = 0, updated_at = $2, version = version + 1
WHERE id = $3`
)

// PublishWorkflow makes the draft, which is whole, the version that new runs get. saw is the draft's version that was
// checked, 0 for any. A draft that is published already gets no new number. What is published now is returned.
func (tx *Tx) PublishWorkflow(id model.WorkflowID, saw int64, note, by string) (model.WorkflowVersion, error) {
	w, err := one(tx, "workflow", scanWorkflow, workflowByID, id)
	if err != nil {
		return model.WorkflowVersion{}, err
	}
	if err := current("workflow", saw, w.Version); err != nil {
		return model.WorkflowVersion{}, err
	}
	var before model.Definition
	if w.Published > 0 {
		v, err := one(tx, "version of this workflow", scanVersion, versionByNumber, id, w.Published)
		if err != nil || !w.Changed {
			return v, err
		}
		before = v.Definition
	}
	v := model.WorkflowVersion{WorkflowID: id, Number: w.Published + 1, Name: w.Name, Definition: w.Draft, Note: note, PublishedBy: by, PublishedAt: tx.stamp()}
	if err := tx.exec(insertVersion, id, v.Number, v.Name, encode(bare(v.Definition)), awaits(v.Definition), v.Note, v.PublishedBy, ms(tx.now)); err != nil {
		return v, err
	}
	if err := tx.exec(markPublished, v.Number, ms(tx.now), id); err != nil {
		return v, err
	}
	tx.touch()
	diff := changes("published", positive(int(w.Published)), positive(int(v.Number)), "note", "", note)
	return v, tx.audit("workflow", "published", string(id), w.Name, append(diff, definitionChanges(before, v.Definition)...))
}

func awaits(d model.Definition) bool {
	for _, s := range d.Steps {
		if s.Wait != nil && s.Wait.Event != "" {
			return true
		}
	}
	return false
}

const renewForm = `UPDATE workflows SET form_token = $1, updated_at = $2, version = version + 1 WHERE id = $3`

// RenewForm gives the public form of a workflow another address; the old one is gone.
func (tx *Tx) RenewForm(id model.WorkflowID) (model.Workflow, error) {
	w, err := one(tx, "workflow", scanWorkflow, workflowByID, id)
	if err != nil {
		return w, err
	}
	if err := tx.exec(renewForm, formToken(), ms(tx.now), id); err != nil {
		return w, err
	}
	if err := tx.audit("workflow", "form_renewed", string(id), w.Name, nil); err != nil {
		return w, err
	}
	return one(tx, "workflow", scanWorkflow, workflowByID, id)
}

const (
	goingOn = `
SELECT count(*) FROM runs INDEXED BY runs_status
WHERE status IN ('running', 'waiting', 'paused') AND status <> 'completed' AND workflow_id = $1`
	deleteWorkflow = `DELETE FROM workflows WHERE id = $1`
	deleteVersions = `DELETE FROM workflow_versions WHERE workflow_id = $1`
	deleteNumber   = `DELETE FROM run_numbers WHERE workflow_id = $1`
)

// DeleteWorkflow removes a workflow with its versions and secrets; ended runs stay as a record. One with runs that go
// on is a conflict ("in_use"): they are cancelled first. So is one that inbound endpoints name; with force their calls no
// longer reach it.
func (tx *Tx) DeleteWorkflow(id model.WorkflowID, force bool) error {
	w, err := one(tx, "workflow", scanWorkflow, workflowByID, id)
	if err != nil {
		return err
	}
	n, err := one(tx, "run", number, goingOn, id)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.Coded(fault.Conflict, "in_use", "This workflow has %d runs that go on; cancel them first.", n)
	}
	if err := tx.detachInbound(id, force); err != nil {
		return err
	}
	if err := tx.dropSecrets(w); err != nil {
		return err
	}
	for _, q := range []string{deleteNumber, deleteVersions, deleteWorkflow, clearTimersOf} {
		if err := tx.exec(q, id); err != nil {
			return err
		}
	}
	tx.touch()
	return tx.audit("workflow", "deleted", string(id), w.Name, workflowChanges(w, model.Workflow{}))
}

// dropSecrets forgets what the workflow and its webhooks, also those of older versions, kept secret.
func (tx *Tx) dropSecrets(w model.Workflow) error {
	versions, err := all(tx, scanVersion, versionsOf, w.ID)
	if err != nil {
		return err
	}
	drafts := []model.Definition{w.Draft}
	for _, v := range versions {
		drafts = append(drafts, v.Definition)
	}
	for _, d := range drafts {
		for _, s := range d.Steps {
			for _, h := range s.Webhooks {
				if err := tx.exec(dropSealed, webhookKind, h.ID); err != nil {
					return err
				}
			}
		}
	}
	return tx.exec(dropSealed, workflowKind, w.ID)
}
