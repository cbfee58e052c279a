package db

import (
	"context"

	"waybill/db/model"
)

const actionColumns = `id, name, description, event, filter, destination_id, enabled, created_at, updated_at, version`

func scanAction(r row) (model.Action, error) {
	var a model.Action
	err := r.Scan(&a.ID, &a.Name, &a.Description, &a.Event, &a.Filter, &a.DestinationID, &a.Enabled, at{&a.CreatedAt}, at{&a.UpdatedAt}, &a.Version)
	return a, err
}

const (
	actionByID = `SELECT ` + actionColumns + ` FROM actions WHERE id = $1`
	actionsOf  = `SELECT ` + actionColumns + ` FROM actions WHERE destination_id IN (SELECT value FROM json_each($1)) ORDER BY name`
)

// Action is one action.
func (s *Store) Action(ctx context.Context, id model.ActionID) (model.Action, error) {
	return one(s.reader(ctx), "action", scanAction, actionByID, id)
}

// ActionFilter narrows a list of actions; zero values do not.
type ActionFilter struct {
	DestinationID model.DestID
	ConnectionID  model.ConnectionID // of the destination
	Query         string             // a part of the name or of the event pattern
}

// Actions lists actions, newest first.
func (s *Store) Actions(ctx context.Context, f ActionFilter, p Page) ([]model.Action, string, error) {
	q := selecting("SELECT " + actionColumns + " FROM actions")
	q.and(f.DestinationID != "", "destination_id = ?", f.DestinationID)
	q.and(f.ConnectionID != "", "destination_id IN (SELECT id FROM destinations WHERE connection_id = ?)", f.ConnectionID)
	q.and(f.Query != "", `(name LIKE '%' || ? || '%' ESCAPE '\' OR event LIKE '%' || ? || '%' ESCAPE '\')`, like(f.Query), like(f.Query))
	return page(s.reader(ctx), q, p, keyed{"id", "act_"}, scanAction, func(a model.Action) string { return string(a.ID) })
}

const destinationExists = `SELECT EXISTS (SELECT 1 FROM destinations WHERE id = $1)`

func (tx *Tx) wantDestination(id model.DestID) error {
	ok, err := tx.has(destinationExists, id)
	if err == nil && !ok {
		err = complain("destination_id", "There is no such destination.")
	}
	return err
}

const insertAction = `
INSERT INTO actions (id, name, description, event, filter, destination_id, enabled, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1)`

// CreateAction stores a, which is clean and checked, and fills in ID, times and Version.
func (tx *Tx) CreateAction(a *model.Action) error {
	if err := tx.wantDestination(a.DestinationID); err != nil {
		return err
	}
	n := *a
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewActionID(tx.now), tx.stamp(), tx.stamp(), 1
	if err := tx.exec(insertAction, n.ID, n.Name, n.Description, n.Event, n.Filter, n.DestinationID, n.Enabled, ms(tx.now)); err != nil {
		return duplicate(err, "action", n.Name)
	}
	fill(tx, a, n)
	tx.touch()
	return tx.audit("action", "created", string(n.ID), n.Name, actionChanges(model.Action{}, n))
}

const updateAction = `
UPDATE actions SET name = $1, description = $2, event = $3, filter = $4, destination_id = $5, enabled = $6, updated_at = $7, version = $8
WHERE id = $9`

// UpdateAction stores a over the row of its ID; versions count as in UpdateConnection.
func (tx *Tx) UpdateAction(a *model.Action) error {
	old, err := one(tx, "action", scanAction, actionByID, a.ID)
	if err != nil {
		return err
	}
	if err := current("action", a.Version, old.Version); err != nil {
		return err
	}
	n := *a
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	diff := actionChanges(old, n)
	if len(diff) == 0 {
		fill(tx, a, n)
		return nil
	}
	if err := tx.wantDestination(n.DestinationID); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateAction, n.Name, n.Description, n.Event, n.Filter, n.DestinationID, n.Enabled, ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "action", n.Name)
	}
	fill(tx, a, n)
	tx.touch()
	return tx.audit("action", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

func actionChanges(a, b model.Action) []model.Change {
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "event", a.Event, b.Event, "filter", a.Filter, b.Filter,
		"destination_id", string(a.DestinationID), string(b.DestinationID), "enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled))
}

const deleteAction = `DELETE FROM actions WHERE id = $1`

// DeleteAction removes an action; what it has already caused goes on.
func (tx *Tx) DeleteAction(id model.ActionID) error {
	a, err := one(tx, "action", scanAction, actionByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(deleteAction, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("action", "deleted", string(id), a.Name, actionChanges(a, model.Action{}))
}
