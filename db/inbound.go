package db

import (
	"context"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const inboundColumns = `id, name, description, enabled, coalesce(connection_id, ''), user_id, verification, dedupe, content_types, max_bytes, rate, event, subject,
  mapping, effects, response, partner_rotates, sample_until, created_at, updated_at, version`

func scanInbound(r row) (model.InboundEndpoint, error) {
	var e model.InboundEndpoint
	err := r.Scan(&e.ID, &e.Name, &e.Description, &e.Enabled, &e.ConnectionID, &e.UserID, decode{&e.Verification}, decode{&e.Dedupe}, decode{&e.ContentTypes},
		&e.MaxBytes, &e.Rate, &e.Event, &e.Subject, &e.Mapping, decode{&e.Effects}, decode{&e.Response}, &e.PartnerRotates, at{&e.SampleUntil},
		at{&e.CreatedAt}, at{&e.UpdatedAt}, &e.Version)
	return e, err
}

const (
	inboundByID         = `SELECT ` + inboundColumns + ` FROM inbound_endpoints WHERE id = $1`
	inboundOfConnection = `SELECT ` + inboundColumns + ` FROM inbound_endpoints WHERE connection_id = $1`
	inboundOfUser       = `SELECT ` + inboundColumns + ` FROM inbound_endpoints WHERE user_id = $1 ORDER BY name`
	allInbound          = `SELECT ` + inboundColumns + ` FROM inbound_endpoints`
)

// InboundEndpoint is one endpoint with what is known of its keys and secrets.
func (s *Store) InboundEndpoint(ctx context.Context, id model.InboundID) (model.InboundEndpoint, error) {
	return wholeInbound(s.reader(ctx), inboundByID, id)
}

// InboundOfConnection is the endpoint that is a connection's second half; NotFound when it has none.
func (s *Store) InboundOfConnection(ctx context.Context, id model.ConnectionID) (model.InboundEndpoint, error) {
	return wholeInbound(s.reader(ctx), inboundOfConnection, id)
}

// InboundOfUser lists the endpoints that act as a user: those that refuse all calls when he is disabled.
func (s *Store) InboundOfUser(ctx context.Context, id model.UserID) ([]model.InboundEndpoint, error) {
	return all(s.reader(ctx), scanInbound, inboundOfUser, id)
}

func wholeInbound(q querier, query string, arg any) (model.InboundEndpoint, error) {
	e, err := one(q, "inbound endpoint", scanInbound, query, arg)
	if err != nil {
		return e, err
	}
	return e, fillInbound(q, &e)
}

func fillInbound(q querier, e *model.InboundEndpoint) (err error) {
	if e.Keys, err = all(q, scanInboundKey, inboundKeysOf, e.ID); err != nil {
		return err
	}
	e.Secrets, err = all(q, scanInboundSecret, inboundSecretsOf, e.ID)
	return err
}

// InboundFilter narrows a list of endpoints; zero values do not.
type InboundFilter struct {
	Query        string // a part of the name
	ConnectionID model.ConnectionID
	UserID       model.UserID
}

// InboundEndpoints lists endpoints, newest first.
func (s *Store) InboundEndpoints(ctx context.Context, f InboundFilter, p Page) ([]model.InboundEndpoint, string, error) {
	q := selecting("SELECT " + inboundColumns + " FROM inbound_endpoints")
	q.and(f.Query != "", `name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	q.and(f.ConnectionID != "", "connection_id = ?", f.ConnectionID)
	q.and(f.UserID != "", "user_id = ?", f.UserID)
	list, next, err := page(s.reader(ctx), q, p, keyed{"id", "inb_"}, scanInbound, func(e model.InboundEndpoint) string { return string(e.ID) })
	for i := range list {
		if err == nil {
			err = fillInbound(s.reader(ctx), &list[i])
		}
	}
	return list, next, err
}

// InboundRoute is an endpoint with all that decides whether it takes calls. Secrets are opened separately.
type InboundRoute struct {
	model.InboundEndpoint
	User   model.User
	Hashes map[model.InboundKeyID]string // of its keys
}

const inboundHashes = `SELECT id, endpoint_id, hash FROM inbound_keys`

// InboundRoutes reads all endpoints, consistently, with the Version that they are of.
func (s *Store) InboundRoutes(ctx context.Context) (version int64, routes []InboundRoute, err error) {
	tx, err := s.readers.BeginTx(ctx, readOnly)
	if err != nil {
		return 0, nil, sorted(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	q := snapshot{tx, ctx}
	if version, err = one(q, "configuration", number, configVersion); err != nil {
		return 0, nil, err
	}
	list, err := all(q, scanInbound, allInbound)
	if err != nil {
		return 0, nil, err
	}
	hashes := map[model.InboundID]map[model.InboundKeyID]string{}
	_, err = all(q, func(r row) (none struct{}, err error) {
		var id model.InboundKeyID
		var of model.InboundID
		var hash []byte
		err = r.Scan(&id, &of, &hash)
		if hashes[of] == nil {
			hashes[of] = map[model.InboundKeyID]string{}
		}
		hashes[of][id] = string(hash)
		return none, err
	}, inboundHashes)
	if err != nil {
		return 0, nil, err
	}
	for _, e := range list {
		if err := fillInbound(q, &e); err != nil {
			return 0, nil, err
		}
		u, err := one(q, "user", scanUser, userByID, e.UserID)
		if err != nil {
			return 0, nil, err
		}
		routes = append(routes, InboundRoute{e, u, hashes[e.ID]})
	}
	return version, routes, nil
}

const insertInbound = `
INSERT INTO inbound_endpoints (id, name, description, enabled, connection_id, user_id, verification, dedupe, content_types, max_bytes, rate, event, subject,
  mapping, effects, response, partner_rotates, sample_until, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, $18, $18, 1)`

// CreateInbound stores e, which is clean and checked, with its first key and its secrets, and fills in ID, Keys, Secrets,
// times and Version. The actor must hold every right of the service user, and those that the endpoint's effects need.
func (tx *Tx) CreateInbound(e *model.InboundEndpoint, secrets model.Secrets) error {
	n := *e
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version, n.SampleUntil, n.Keys, n.Secrets = model.NewInboundID(tx.now), tx.stamp(), tx.stamp(), 1, time.Time{}, nil, nil
	if err := tx.mayServe(n); err != nil {
		return err
	}
	if err := tx.wantInboundConnection(n); err != nil {
		return err
	}
	err := tx.exec(insertInbound, n.ID, n.Name, n.Description, n.Enabled, orNull(n.ConnectionID), n.UserID, n.Verification.Text(), encode(n.Dedupe),
		encode(n.ContentTypes), n.MaxBytes, n.Rate, n.Event, n.Subject, n.Mapping, encode(n.Effects), encode(n.Response), n.PartnerRotates, ms(tx.now))
	if err != nil {
		return duplicate(err, "inbound endpoint", n.Name)
	}
	diff := inboundChanges(model.InboundEndpoint{}, n)
	for _, name := range n.Verification.SecretNames() {
		if secrets[name] == "" {
			continue
		}
		if err := tx.addInboundSecret(&n, name, secrets[name], 0); err != nil {
			return err
		}
		diff = append(diff, model.Change{Field: "verification." + name, After: model.Mask})
	}
	if err := tx.addInboundKey(&n); err != nil {
		return err
	}
	fill(tx, e, n)
	tx.touch()
	return tx.audit("inbound_endpoint", "created", string(n.ID), n.Name, diff)
}

// mayServe refuses a service user who is not active, or who holds rights that the actor does not, and effects that the
// actor could not have himself.
func (tx *Tx) mayServe(e model.InboundEndpoint) error {
	u, err := one(tx, "user", scanUser, userByID, e.UserID)
	if fault.Is(err, fault.NotFound) || err == nil && u.Disabled {
		return complain("service_user_id", "There is no such active user.")
	}
	if err != nil {
		return err
	}
	if len(u.Rights()) == 0 {
		return complain("service_user_id", "%s holds no right; give the user a role first.", u.Name)
	}
	if err := tx.mayGive(full(u)); err != nil {
		return err
	}
	need := model.Rights{}
	if e.Raises() {
		need[model.Events.Manage()] = true
	}
	if e.Effects.StartsWorkflowID != "" || e.Effects.Completes != nil {
		need[model.RunWorkflows] = true
	}
	if right := tx.actor.Rights.Lacks(need); right != "" {
		return fault.Missing(string(right))
	}
	return nil
}

const updateInbound = `
UPDATE inbound_endpoints SET name = $1, description = $2, enabled = $3, connection_id = $4, user_id = $5, verification = $6, dedupe = $7, content_types = $8,
  max_bytes = $9, rate = $10, event = $11, subject = $12, mapping = $13, effects = $14, response = $15, partner_rotates = $16, updated_at = $17, version = $18
WHERE id = $19`

// UpdateInbound stores e over the row of its ID; versions count as in UpdateConnection. A secret that is not empty takes
// the place of all that were live; others are kept unless the preset changed. Whoever changes more than the words and
// switches it off must hold the rights that CreateInbound asks for.
func (tx *Tx) UpdateInbound(e *model.InboundEndpoint, secrets model.Secrets) error {
	old, err := wholeInbound(tx, inboundByID, e.ID)
	if err != nil {
		return err
	}
	if err := current("inbound endpoint", e.Version, old.Version); err != nil {
		return err
	}
	n := *e
	n.CreatedAt, n.UpdatedAt, n.Version, n.SampleUntil, n.Keys, n.Secrets = old.CreatedAt, old.UpdatedAt, old.Version, old.SampleUntil, old.Keys, old.Secrets
	diff := inboundChanges(old, n)
	more, err := tx.replaceInboundSecrets(old, &n, secrets)
	if err != nil {
		return err
	}
	if diff = append(diff, more...); len(diff) == 0 {
		fill(tx, e, n)
		return nil
	}
	if grants(diff, n.Enabled) {
		if err := tx.mayServe(n); err != nil {
			return err
		}
	}
	if err := tx.wantInboundConnection(n); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	err = tx.exec(updateInbound, n.Name, n.Description, n.Enabled, orNull(n.ConnectionID), n.UserID, n.Verification.Text(), encode(n.Dedupe), encode(n.ContentTypes),
		n.MaxBytes, n.Rate, n.Event, n.Subject, n.Mapping, encode(n.Effects), encode(n.Response), n.PartnerRotates, ms(n.UpdatedAt), n.Version, n.ID)
	if err != nil {
		return duplicate(err, "inbound endpoint", n.Name)
	}
	fill(tx, e, n)
	tx.touch()
	return tx.audit("inbound_endpoint", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

// grants reports whether a change gives the calls anything that they did not have.
func grants(diff []model.Change, enabled bool) bool {
	for _, c := range diff {
		switch c.Field {
		case "name", "description":
		case "enabled":
			if enabled {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// replaceInboundSecrets drops the secrets of another preset and puts those that were typed in the place of older ones.
func (tx *Tx) replaceInboundSecrets(old model.InboundEndpoint, n *model.InboundEndpoint, secrets model.Secrets) ([]model.Change, error) {
	var diff []model.Change
	drop := func(gone func(model.InboundSecret) bool) error {
		var kept []model.InboundSecret
		for _, s := range n.Secrets {
			if !gone(s) {
				kept = append(kept, s)
				continue
			}
			if err := tx.dropInboundSecret(s.ID); err != nil {
				return err
			}
		}
		n.Secrets = kept
		return nil
	}
	if old.Verification.Preset != n.Verification.Preset && len(n.Secrets) > 0 {
		diff = append(diff, model.Change{Field: "verification.secret", Before: model.Mask})
		if err := drop(func(model.InboundSecret) bool { return true }); err != nil {
			return nil, err
		}
	}
	for _, name := range n.Verification.SecretNames() {
		if secrets[name] == "" {
			continue
		}
		change := model.Change{Field: "verification." + name, After: model.Mask}
		if n.HasSecret(name) {
			change.Before = model.Mask
		}
		if err := drop(func(s model.InboundSecret) bool { return s.Name == name }); err != nil {
			return nil, err
		}
		if err := tx.addInboundSecret(n, name, secrets[name], 0); err != nil {
			return nil, err
		}
		diff = append(diff, change)
	}
	return diff, nil
}

func inboundChanges(a, b model.InboundEndpoint) []model.Change {
	text := func(exists bool, v any) string {
		if !exists {
			return ""
		}
		return encode(v)
	}
	va, vb := "", ""
	if a.ID != "" {
		va = a.Verification.Text()
	}
	if b.ID != "" {
		vb = b.Verification.Text()
	}
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled),
		"connection_id", string(a.ConnectionID), string(b.ConnectionID), "service_user_id", string(a.UserID), string(b.UserID), "verification", va, vb,
		"dedupe", text(a.ID != "", a.Dedupe), text(b.ID != "", b.Dedupe), "content_types", strings.Join(a.ContentTypes, ", "), strings.Join(b.ContentTypes, ", "),
		"max_body_bytes", positive(a.MaxBytes), positive(b.MaxBytes), "rate_per_second", positive(a.Rate), positive(b.Rate), "event", a.Event, b.Event,
		"subject", a.Subject, b.Subject, "mapping", a.Mapping, b.Mapping, "effects", text(a.ID != "", a.Effects), text(b.ID != "", b.Effects),
		"response", text(a.ID != "", a.Response), text(b.ID != "", b.Response), "partner_rotation", yes(a.ID != "", a.PartnerRotates), yes(b.ID != "", b.PartnerRotates))
}

const deleteInbound = `DELETE FROM inbound_endpoints WHERE id = $1`

// DeleteInbound removes an endpoint with its keys and secrets: its URL answers like one that never was. Its calls stay
// until they are too old.
func (tx *Tx) DeleteInbound(id model.InboundID) error {
	e, err := wholeInbound(tx, inboundByID, id)
	if err != nil {
		return err
	}
	for _, k := range e.Keys {
		if err := tx.exec(dropSealed, inboundKeyKind, k.ID); err != nil {
			return err
		}
	}
	for _, s := range e.Secrets {
		if err := tx.dropInboundSecret(s.ID); err != nil {
			return err
		}
	}
	if err := tx.exec(deleteInbound, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("inbound_endpoint", "deleted", string(id), e.Name, inboundChanges(e, model.InboundEndpoint{}))
}

const sampleInbound = `UPDATE inbound_endpoints SET sample_until = $1 WHERE id = $2`

// AwaitSample makes an endpoint show its next call instead of acting on it, until the given time; zero ends that.
func (tx *Tx) AwaitSample(id model.InboundID, until time.Time) error {
	e, err := one(tx, "inbound endpoint", scanInbound, inboundByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(sampleInbound, ms(until), id); err != nil {
		return err
	}
	tx.touch()
	what := "sample_awaited"
	if until.IsZero() {
		what = "sample_ended"
	}
	return tx.audit("inbound_endpoint", what, string(id), e.Name, nil)
}

// sampled ends waiting for a sample, as part of storing it.
func (tx *Tx) sampled(id model.InboundID) error {
	tx.touch()
	return tx.exec(sampleInbound, 0, id)
}
