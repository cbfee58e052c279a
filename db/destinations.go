package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const destinationColumns = `id, connection_id, name, description, method, content_type, path, headers, template, enabled, disabled_at, disabled_reason,
  sign, retry_schedule, retry_on, max_in_flight, rate, ordered, batch_size, batch_wait_ms, created_at, updated_at, version, settings`

func scanDestination(r row) (model.Destination, error) {
	var d model.Destination
	err := r.Scan(&d.ID, &d.ConnectionID, &d.Name, &d.Description, &d.Method, &d.ContentType, &d.Path, decode{&d.Headers}, &d.Template, &d.Enabled,
		at{&d.DisabledAt}, &d.DisabledReason, &d.Sign, schedule{&d.RetrySchedule}, &d.RetryOn, &d.MaxInFlight, &d.Rate, &d.Ordered,
		&d.BatchSize, &d.BatchWaitMS, at{&d.CreatedAt}, at{&d.UpdatedAt}, &d.Version, decode{&d.Settings})
	return d, err
}

const (
	destinationByID = `SELECT ` + destinationColumns + ` FROM destinations WHERE id = $1`
	destinationsOf  = `SELECT ` + destinationColumns + ` FROM destinations WHERE connection_id = $1 ORDER BY name`
)

// Destination is one destination.
func (s *Store) Destination(ctx context.Context, id model.DestID) (model.Destination, error) {
	return one(s.reader(ctx), "destination", scanDestination, destinationByID, id)
}

// Destinations lists the destinations of a connection, or with "" all, newest first.
func (s *Store) Destinations(ctx context.Context, of model.ConnectionID, p Page) ([]model.Destination, string, error) {
	q := selecting("SELECT " + destinationColumns + " FROM destinations")
	q.and(of != "", "connection_id = ?", of)
	return page(s.reader(ctx), q, p, keyed{"id", "dst_"}, scanDestination, func(d model.Destination) string { return string(d.ID) })
}

// Where the signing secret of a destination is sealed.
const (
	destinationKind = "destination"
	signingName     = "signing_secret"
)

// SigningSecret is the key that the destination's messages are signed with ("whsec_…").
func (s *Store) SigningSecret(ctx context.Context, id model.DestID) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), destinationKind, string(id))
	if err != nil {
		return "", err
	}
	secret, ok := secrets[signingName]
	if !ok {
		return "", fault.Absent("signing secret")
	}
	return secret, nil
}

const insertDestination = `
INSERT INTO destinations (id, connection_id, name, description, method, content_type, path, headers, template, enabled, disabled_at, disabled_reason,
  sign, retry_schedule, max_in_flight, created_at, updated_at, version, retry_on, rate, ordered, batch_size, batch_wait_ms, settings)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', $11, $12, $13, $14, $14, 1, $15, $16, $17, $18, $19, $20)`

const connectionExists = `SELECT EXISTS (SELECT 1 FROM connections WHERE id = $1)`

// CreateDestination stores d, which is clean and checked, seals its signing secret and fills in ID, times and Version.
func (tx *Tx) CreateDestination(d *model.Destination, signing model.Secret) error {
	if ok, err := tx.has(connectionExists, d.ConnectionID); err != nil {
		return err
	} else if !ok {
		return fault.Absent("connection")
	}
	if err := tx.mayActBy(d.ConnectionID); err != nil {
		return err
	}
	n := *d
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewDestID(tx.now), tx.stamp(), tx.stamp(), 1
	if n.Headers == nil {
		n.Headers = []model.Header{}
	}
	if n.Settings == nil {
		n.Settings = model.Config{}
	}
	err := tx.exec(insertDestination, n.ID, n.ConnectionID, n.Name, n.Description, n.Method, n.ContentType, n.Path, encode(n.Headers), n.Template, n.Enabled,
		n.Sign, list(n.RetrySchedule), n.MaxInFlight, ms(tx.now), n.RetryOn, n.Rate, n.Ordered, n.BatchSize, n.BatchWaitMS, encode(n.Settings))
	if err != nil {
		return duplicate(err, "destination of this connection", n.Name)
	}
	if err := tx.keepTemplate(n); err != nil {
		return err
	}
	if err := tx.seal(destinationKind, string(n.ID), signingName, signing); err != nil {
		return err
	}
	fill(tx, d, n)
	tx.touch()
	diff := append(destinationChanges(model.Destination{}, n), model.Change{Field: signingName, After: model.Mask})
	return tx.audit("destination", "created", string(n.ID), n.Name, diff)
}

const updateDestination = `
UPDATE destinations SET name = $1, description = $2, method = $3, content_type = $4, path = $5, headers = $6, template = $7, enabled = $8,
  disabled_at = $9, disabled_reason = $10, sign = $11, retry_schedule = $12, max_in_flight = $13, updated_at = $14, version = $15,
  retry_on = $16, rate = $17, ordered = $18, batch_size = $19, batch_wait_ms = $20, settings = $21
WHERE id = $22`

// UpdateDestination stores d over the row of its ID; versions count as in UpdateConnection. Its connection stays, and
// why Waybill switched it off is forgotten when it is switched on.
func (tx *Tx) UpdateDestination(d *model.Destination) error {
	old, err := one(tx, "destination", scanDestination, destinationByID, d.ID)
	if err != nil {
		return err
	}
	if err := current("destination", d.Version, old.Version); err != nil {
		return err
	}
	n := *d
	n.ConnectionID, n.DisabledAt, n.DisabledReason = old.ConnectionID, old.DisabledAt, old.DisabledReason
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	if n.Headers == nil {
		n.Headers = []model.Header{}
	}
	if n.Settings == nil {
		n.Settings = model.Config{}
	}
	if request(old) != request(n) {
		if err := tx.mayActBy(n.ConnectionID); err != nil {
			return err
		}
	}
	return tx.changeDestination(d, old, n)
}

// request is what decides what a destination sends.
func request(d model.Destination) [6]string {
	return [6]string{d.Method, d.ContentType, d.Path, headerText(d.Headers), d.Template, encode(d.Settings)}
}

// SwitchOffDestination switches a destination off because of what its receiver said; one that is off stays as it is.
func (tx *Tx) SwitchOffDestination(id model.DestID, reason string) error {
	old, err := one(tx, "destination", scanDestination, destinationByID, id)
	if err != nil || !old.Enabled {
		return err
	}
	n := old
	n.Enabled, n.DisabledAt, n.DisabledReason = false, tx.stamp(), reason
	return tx.changeDestination(&n, old, n)
}

// changeDestination stores n over old and fills into with what was stored.
func (tx *Tx) changeDestination(into *model.Destination, old, n model.Destination) error {
	if n.Enabled {
		n.DisabledReason, n.DisabledAt = "", time.Time{}
	}
	diff := destinationChanges(old, n)
	if len(diff) == 0 {
		fill(tx, into, n)
		return nil
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	err := tx.exec(updateDestination, n.Name, n.Description, n.Method, n.ContentType, n.Path, encode(n.Headers), n.Template, n.Enabled, ms(n.DisabledAt),
		n.DisabledReason, n.Sign, list(n.RetrySchedule), n.MaxInFlight, ms(n.UpdatedAt), n.Version, n.RetryOn, n.Rate, n.Ordered, n.BatchSize, n.BatchWaitMS,
		encode(n.Settings), n.ID)
	if err != nil {
		return duplicate(err, "destination of this connection", n.Name)
	}
	if n.Template != old.Template {
		if err := tx.keepTemplate(n); err != nil {
			return err
		}
	}
	fill(tx, into, n)
	tx.touch()
	return tx.audit("destination", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

func destinationChanges(a, b model.Destination) []model.Change {
	out := changes("connection_id", string(a.ConnectionID), string(b.ConnectionID), "name", a.Name, b.Name, "description", a.Description, b.Description,
		"method", a.Method, b.Method, "content_type", a.ContentType, b.ContentType, "path", a.Path, b.Path,
		"headers", headerText(a.Headers), headerText(b.Headers), "template", a.Template, b.Template,
		"enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled), "disabled_reason", a.DisabledReason, b.DisabledReason,
		"sign", yes(a.ID != "", a.Sign), yes(b.ID != "", b.Sign), "retry_schedule", numbersText(a.RetrySchedule), numbersText(b.RetrySchedule),
		"max_in_flight", positive(a.MaxInFlight), positive(b.MaxInFlight), "retry_on", string(a.RetryOn), string(b.RetryOn),
		"rate_per_second", rateText(a.Rate), rateText(b.Rate), "ordered", yes(a.ID != "", a.Ordered), yes(b.ID != "", b.Ordered),
		"batch_size", positive(a.BatchSize), positive(b.BatchSize), "batch_wait_ms", positive(a.BatchWaitMS), positive(b.BatchWaitMS))
	return append(out, configChanges("settings.", a.Settings, b.Settings)...)
}

// DeleteDestination removes a destination; force works as in DeleteConnection.
func (tx *Tx) DeleteDestination(id model.DestID, force bool) error {
	d, err := one(tx, "destination", scanDestination, destinationByID, id)
	if err != nil {
		return err
	}
	return tx.vacate("destination", []model.Destination{d}, false, force)
}

const deleteDestination = `DELETE FROM destinations WHERE id = $1`

// dropDestination removes one that nothing needs any more.
func (tx *Tx) dropDestination(d model.Destination) error {
	if err := tx.exec(dropSealed, destinationKind, d.ID); err != nil {
		return err
	}
	if err := tx.exec(dropHealth, d.ID); err != nil {
		return err
	}
	if err := tx.exec(leaveAlertRules, d.ID); err != nil {
		return err
	}
	if err := tx.exec(deleteDestination, d.ID); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("destination", "deleted", string(d.ID), d.Name, destinationChanges(d, model.Destination{}))
}
