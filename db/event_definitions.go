package db

import (
	"context"
	"encoding/json"

	"waybill/db/model"
)

const eventDefinitionColumns = `id, name, description, schema, created_at, updated_at, version`

func scanEventDefinition(r row) (model.EventDefinition, error) {
	var d model.EventDefinition
	var schema string
	err := r.Scan(&d.ID, &d.Name, &d.Description, &schema, at{&d.CreatedAt}, at{&d.UpdatedAt}, &d.Version)
	if schema != "" {
		d.Schema = json.RawMessage(schema)
	}
	return d, err
}

const (
	eventDefinitionByID   = `SELECT ` + eventDefinitionColumns + ` FROM event_definitions WHERE id = $1`
	eventDefinitionByName = `SELECT ` + eventDefinitionColumns + ` FROM event_definitions WHERE name = $1`
)

// EventDefinition is one event definition.
func (s *Store) EventDefinition(ctx context.Context, id model.EventDefID) (model.EventDefinition, error) {
	return one(s.reader(ctx), "event definition", scanEventDefinition, eventDefinitionByID, id)
}

// EventDefinitionOf is the definition of events of that name.
func (s *Store) EventDefinitionOf(ctx context.Context, name string) (model.EventDefinition, error) {
	return one(s.reader(ctx), "event definition", scanEventDefinition, eventDefinitionByName, name)
}

// EventDefinitionFilter narrows a list of event definitions; zero values do not.
type EventDefinitionFilter struct {
	Query string // a part of the name or of the description
	Name  string // the whole name
}

// EventDefinitions lists event definitions, newest first.
func (s *Store) EventDefinitions(ctx context.Context, f EventDefinitionFilter, p Page) ([]model.EventDefinition, string, error) {
	q := selecting("SELECT " + eventDefinitionColumns + " FROM event_definitions")
	q.and(f.Query != "", `(name LIKE '%' || ? || '%' ESCAPE '\' OR description LIKE '%' || ? || '%' ESCAPE '\')`, like(f.Query), like(f.Query))
	q.and(f.Name != "", "name = ?", f.Name)
	return page(s.reader(ctx), q, p, keyed{"id", "evd_"}, scanEventDefinition, func(d model.EventDefinition) string { return string(d.ID) })
}

const definedNames = `SELECT name FROM event_definitions ORDER BY name LIMIT 1000`

// DefinedEventNames lists the names that are defined, for pickers.
func (s *Store) DefinedEventNames(ctx context.Context) ([]string, error) {
	return all(s.reader(ctx), text[string], definedNames)
}

const insertEventDefinition = `
INSERT INTO event_definitions (id, name, description, schema, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $5, 1)`

// CreateEventDefinition stores d, which is clean and checked, and fills in ID, times and Version.
func (tx *Tx) CreateEventDefinition(d *model.EventDefinition) error {
	n := *d
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewEventDefID(tx.now), tx.stamp(), tx.stamp(), 1
	if err := tx.exec(insertEventDefinition, n.ID, n.Name, n.Description, string(n.Schema), ms(tx.now)); err != nil {
		return duplicate(err, "event definition", n.Name)
	}
	fill(tx, d, n)
	return tx.audit("event_definition", "created", string(n.ID), n.Name, eventDefinitionChanges(model.EventDefinition{}, n))
}

const updateEventDefinition = `
UPDATE event_definitions SET name = $1, description = $2, schema = $3, updated_at = $4, version = $5
WHERE id = $6`

// UpdateEventDefinition stores d over the row of its ID; versions count as in UpdateConnection.
func (tx *Tx) UpdateEventDefinition(d *model.EventDefinition) error {
	old, err := one(tx, "event definition", scanEventDefinition, eventDefinitionByID, d.ID)
	if err != nil {
		return err
	}
	if err := current("event definition", d.Version, old.Version); err != nil {
		return err
	}
	n := *d
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	diff := eventDefinitionChanges(old, n)
	if len(diff) == 0 {
		fill(tx, d, n)
		return nil
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateEventDefinition, n.Name, n.Description, string(n.Schema), ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "event definition", n.Name)
	}
	fill(tx, d, n)
	return tx.audit("event_definition", "updated", string(n.ID), n.Name, diff)
}

func eventDefinitionChanges(a, b model.EventDefinition) []model.Change {
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "schema", string(a.Schema), string(b.Schema))
}

const deleteEventDefinition = `DELETE FROM event_definitions WHERE id = $1`

// DeleteEventDefinition removes a definition; events of its name stay and keep coming.
func (tx *Tx) DeleteEventDefinition(id model.EventDefID) error {
	d, err := one(tx, "event definition", scanEventDefinition, eventDefinitionByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(deleteEventDefinition, id); err != nil {
		return err
	}
	return tx.audit("event_definition", "deleted", string(id), d.Name, eventDefinitionChanges(d, model.EventDefinition{}))
}
