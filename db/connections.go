package db

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
)

const connectionColumns = `id, name, description, type, base_url, port, coalesce(credential_id, ''), timeout_seconds, timeout_message, enabled, settings,
  retry_schedule, retry_on, created_at, updated_at, version, ca, coalesce(client_certificate_id, ''), direct`

func scanConnection(r row) (model.Connection, error) {
	var c model.Connection
	err := r.Scan(&c.ID, &c.Name, &c.Description, &c.Type, &c.BaseURL, &c.Port, &c.CredentialID, &c.TimeoutSeconds, &c.TimeoutMessage, &c.Enabled,
		decode{&c.Settings}, schedule{&c.RetrySchedule}, &c.RetryOn, at{&c.CreatedAt}, at{&c.UpdatedAt}, &c.Version, &c.CA, &c.ClientCertificateID, &c.Direct)
	return c, err
}

const connectionByID = `SELECT ` + connectionColumns + ` FROM connections WHERE id = $1`

// Connection is one connection.
func (s *Store) Connection(ctx context.Context, id model.ConnectionID) (model.Connection, error) {
	return one(s.reader(ctx), "connection", scanConnection, connectionByID, id)
}

// ConnectionFilter narrows a list of connections; zero values do not.
type ConnectionFilter struct {
	Query        string // a part of the name or of the base URL, whatever the case of ASCII letters
	Type         model.ConnectionType
	CredentialID model.CredentialID // that requests carry, or that is shown in the handshake
}

// Connections lists connections, newest first.
func (s *Store) Connections(ctx context.Context, f ConnectionFilter, p Page) ([]model.Connection, string, error) {
	q := selecting("SELECT " + connectionColumns + " FROM connections")
	q.and(f.Query != "", `(name LIKE '%' || ? || '%' ESCAPE '\' OR base_url LIKE '%' || ? || '%' ESCAPE '\')`, like(f.Query), like(f.Query))
	q.and(f.Type != "", "type = ?", f.Type)
	q.and(f.CredentialID != "", "(credential_id = ? OR client_certificate_id = ?)", f.CredentialID, f.CredentialID)
	return page(s.reader(ctx), q, p, keyed{"id", "con_"}, scanConnection, func(c model.Connection) string { return string(c.ID) })
}

const insertConnection = `
INSERT INTO connections (id, name, description, type, base_url, port, credential_id, timeout_seconds, timeout_message, enabled, settings,
  created_at, updated_at, version, retry_schedule, retry_on, ca, client_certificate_id, direct)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1, $13, $14, $15, $16, $17)`

// CreateConnection stores c, which is clean and checked, and fills in ID, times and Version. A taken name is a conflict
// ("duplicate_name"), an unknown credential a complaint about its field.
func (tx *Tx) CreateConnection(c *model.Connection) error {
	n := *c
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewConnectionID(tx.now), tx.stamp(), tx.stamp(), 1
	if n.Settings == nil {
		n.Settings = model.Config{}
	}
	if err := tx.wantCredentials(n); err != nil {
		return err
	}
	err := tx.exec(insertConnection, n.ID, n.Name, n.Description, n.Type, n.BaseURL, n.Port, orNull(n.CredentialID), n.TimeoutSeconds, n.TimeoutMessage,
		n.Enabled, encode(n.Settings), ms(tx.now), list(n.RetrySchedule), n.RetryOn, n.CA, orNull(n.ClientCertificateID), n.Direct)
	if err != nil {
		return duplicate(err, "connection", n.Name)
	}
	fill(tx, c, n)
	tx.touch()
	return tx.audit("connection", "created", string(n.ID), n.Name, connectionChanges(model.Connection{}, n))
}

const updateConnection = `
UPDATE connections SET name = $1, description = $2, type = $3, base_url = $4, port = $5, credential_id = $6, timeout_seconds = $7,
  timeout_message = $8, enabled = $9, settings = $10, updated_at = $11, version = $12, retry_schedule = $13, retry_on = $14,
  ca = $15, client_certificate_id = $16, direct = $17
WHERE id = $18`

// UpdateConnection stores c over the row of its ID. c.Version is what the caller saw; 0 overwrites whatever is there,
// any other that is not current is Stale. Version and times are filled in. Nothing changed = nothing happens.
func (tx *Tx) UpdateConnection(c *model.Connection) error {
	old, err := one(tx, "connection", scanConnection, connectionByID, c.ID)
	if err != nil {
		return err
	}
	if err := current("connection", c.Version, old.Version); err != nil {
		return err
	}
	n := *c
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	if n.Settings == nil {
		n.Settings = model.Config{}
	}
	diff := connectionChanges(old, n)
	if len(diff) == 0 {
		fill(tx, c, n)
		return nil
	}
	if reaches(old) != reaches(n) { // what was allowed once stays so, whoever renames or pauses the connection
		if err := tx.wantCredentials(n); err != nil {
			return err
		}
		if n.CredentialID != "" && n.CredentialID == old.CredentialID {
			diff = append(diff, changes("credential_sent_to", old.Host(), n.Host())...)
		}
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	err = tx.exec(updateConnection, n.Name, n.Description, n.Type, n.BaseURL, n.Port, orNull(n.CredentialID), n.TimeoutSeconds, n.TimeoutMessage,
		n.Enabled, encode(n.Settings), ms(n.UpdatedAt), n.Version, list(n.RetrySchedule), n.RetryOn, n.CA, orNull(n.ClientCertificateID), n.Direct, n.ID)
	if err != nil {
		return duplicate(err, "connection", n.Name)
	}
	fill(tx, c, n)
	tx.touch()
	return tx.audit("connection", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

func connectionChanges(a, b model.Connection) []model.Change {
	out := changes("name", a.Name, b.Name, "description", a.Description, b.Description, "type", string(a.Type), string(b.Type),
		"base_url", a.BaseURL, b.BaseURL, "port", positive(a.Port), positive(b.Port),
		"credential_id", string(a.CredentialID), string(b.CredentialID), "ca", a.CA, b.CA,
		"client_certificate_id", string(a.ClientCertificateID), string(b.ClientCertificateID), "direct", yes(a.ID != "", a.Direct), yes(b.ID != "", b.Direct), "timeout_seconds", positive(a.TimeoutSeconds), positive(b.TimeoutSeconds),
		"timeout_message", a.TimeoutMessage, b.TimeoutMessage, "enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled),
		"retry_schedule", numbersText(a.RetrySchedule), numbersText(b.RetrySchedule), "retry_on", string(a.RetryOn), string(b.RetryOn))
	return append(out, configChanges("settings.", a.Settings, b.Settings)...)
}

const deleteConnection = `DELETE FROM connections WHERE id = $1`

// DeleteConnection removes a connection. One that has destinations is a conflict ("in_use") that names them, their
// actions and their open deliveries; force removes those too and cancels the deliveries, unless there are more than
// one closure may touch ("too_many_open"): then CancelOf comes first.
func (tx *Tx) DeleteConnection(id model.ConnectionID, force bool) error {
	c, err := one(tx, "connection", scanConnection, connectionByID, id)
	if err != nil {
		return err
	}
	destinations, err := all(tx, scanDestination, destinationsOf, id)
	if err != nil {
		return err
	}
	if err := tx.vacate("connection", destinations, true, force); err != nil {
		return err
	}
	if err := tx.vacateInbound(id, force); err != nil {
		return err
	}
	if err := tx.vacateBucket(c, force); err != nil {
		return err
	}
	if err := tx.exec(deleteConnection, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("connection", "deleted", string(id), c.Name, connectionChanges(c, model.Connection{}))
}

// reaches is whom a connection speaks to, and as whom.
func reaches(c model.Connection) [4]string {
	return [4]string{string(c.CredentialID), c.EffectiveURL(), string(c.Type), string(c.ClientCertificateID)}
}

// wantCredentials complains about credentials that do not exist or cannot be used so.
func (tx *Tx) wantCredentials(c model.Connection) error {
	if view := model.Credentials.View(); (c.CredentialID != "" || c.ClientCertificateID != "") && !tx.actor.Rights.Has(view) {
		return fault.Missing(string(view)) // who says where requests go, says who gets what they carry
	}
	if err := tx.wantCredential(c.CredentialID); err != nil || c.ClientCertificateID == "" {
		return err
	}
	const field = "client_certificate_id"
	shown, err := one(tx, "credential", scanCredential, credentialByID, c.ClientCertificateID)
	switch {
	case fault.Is(err, fault.NotFound):
		return complain(field, "There is no such credential.")
	case err != nil:
		return err
	case shown.Type != model.CredentialCertificate:
		return complain(field, "“%s” is no client certificate: nothing of it can be shown in the TLS handshake.", shown.Name)
	case c.CredentialID == "":
		return nil
	}
	carried, err := one(tx, "credential", scanCredential, credentialByID, c.CredentialID)
	if err == nil && carried.Type == model.CredentialCertificate {
		return complain(field, "“%s”, which requests carry, shows a certificate already; choose one of the two.", carried.Name)
	}
	return err
}
