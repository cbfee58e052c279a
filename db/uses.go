package db

import (
	"context"
	"strconv"

	"waybill/db/fault"
	"waybill/db/model"
)

// Use is one thing that needs another: what stands in the way of deleting that one.
type Use struct {
	Kind string // "connection", "destination", "action", "API key"
	ID   string
	Name string
}

func (u Use) String() string { return u.Kind + " “" + u.Name + "”" }

// inUse is the conflict that names who needs a thing; open counts deliveries that are not settled.
func inUse(noun string, users []Use, open int64) error {
	var parts fault.List
	for i, u := range users {
		if i == 10 {
			parts = append(parts, fault.Say("and %d more", len(users)-i))
			break
		}
		parts = append(parts, fault.Say("%s “%s”", fault.Noun(u.Kind), u.Name))
	}
	switch {
	case open == 1:
		parts = append(parts, fault.Say("1 delivery that is not settled"))
	case open > 1:
		parts = append(parts, fault.Say("%d deliveries that are not settled", open))
	}
	return fault.Coded(fault.Conflict, "in_use", "This %s is in use by %s.", fault.Noun(noun), parts)
}

// maxRows is what one closure may touch.
const maxRows = 500

// owners jumps from one owner of open deliveries to the next, so that those of a target are found by index.
const owners = `owners (name) AS (
  SELECT min(owner) FROM deliveries WHERE settled_at IS NULL
  UNION ALL SELECT (SELECT min(owner) FROM deliveries WHERE settled_at IS NULL AND owner > name) FROM owners WHERE name IS NOT NULL)`

const openOf = `WITH RECURSIVE ` + owners + `
SELECT count(*) FROM deliveries
WHERE settled_at IS NULL AND owner IN (SELECT name FROM owners) AND target_id IN (SELECT value FROM json_each($1))`

const unsettledOf = `WITH RECURSIVE ` + owners + `
SELECT count(*) FROM (SELECT 1 FROM deliveries
  WHERE settled_at IS NULL AND owner IN (SELECT name FROM owners) AND target_id IN (SELECT value FROM json_each($1)) LIMIT +$2)`

// Unsettled counts the deliveries of targets that are not settled, up to 10,000.
func (s *Store) Unsettled(ctx context.Context, targets ...model.TargetID) (int64, error) {
	return one(s.reader(ctx), "count", number, unsettledOf, encode(targets), mostHeld)
}

const cancelOf = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, last_error = $1, updated_at = $2, settled_at = $2,
  version = version + 1
WHERE id IN (WITH RECURSIVE ` + owners + `
  SELECT id FROM deliveries
  WHERE settled_at IS NULL AND owner IN (SELECT name FROM owners) AND target_id IN (SELECT value FROM json_each($3)) LIMIT 500)
RETURNING id, run_id`

// cancelOf cancels up to 500 open deliveries of targets and says how many.
func (tx *Tx) cancelOf(why string, targets []model.TargetID) (int64, error) {
	n, err := tx.endAll(cancelOf, why, ms(tx.now), encode(targets))
	if err != nil {
		return 0, err
	}
	for _, t := range targets {
		if err := tx.promoteAll(t); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// vacate removes destinations with their actions and cancels their open deliveries, on the way of deleting a noun that
// holds them; listed: the destinations count as users of it.
func (tx *Tx) vacate(noun string, destinations []model.Destination, listed, force bool) error {
	targets := make([]model.TargetID, len(destinations))
	for i, d := range destinations {
		targets[i] = d.Target()
	}
	actions, err := all(tx, scanAction, actionsOf, encode(targets))
	if err != nil {
		return err
	}
	open, err := one(tx, "delivery", number, openOf, encode(targets))
	if err != nil {
		return err
	}
	users := uses(destinations, actions, listed)
	for _, d := range destinations {
		more, err := all(tx, scanUse, workflowsNaming, `"`+string(d.ID)+`"`)
		if err != nil {
			return err
		}
		users = append(users, more...)
		if more, err = all(tx, scanUse, alertRulesTo, d.ID); err != nil {
			return err
		}
		users = append(users, more...)
	}
	if !force && (len(users) > 0 || open > 0) {
		return inUse(noun, users, open)
	}
	if open > maxRows {
		return fault.Coded(fault.Conflict, "too_many_open", "%d deliveries of this %s are not settled; cancel them first.", open, fault.Noun(noun))
	}
	if open > 0 {
		if _, err := tx.cancelOf("The destination was deleted.", targets); err != nil {
			return err
		}
	}
	for _, a := range actions {
		if err := tx.DeleteAction(a.ID); err != nil {
			return err
		}
	}
	for _, d := range destinations {
		if err := tx.dropDestination(d); err != nil {
			return err
		}
	}
	return nil
}

func uses(destinations []model.Destination, actions []model.Action, listed bool) []Use {
	var out []Use
	for _, d := range destinations {
		if listed {
			out = append(out, Use{"destination", string(d.ID), d.Name})
		}
	}
	for _, a := range actions {
		out = append(out, Use{"action", string(a.ID), a.Name})
	}
	return out
}

// CancelOf cancels up to 500 open deliveries of a target, behind all realtime writes, and says how many; call it until
// that is 0. Exchanges that are under way may still arrive.
func (s *Store) CancelOf(ctx context.Context, actor model.Actor, target model.TargetID) (n int64, err error) {
	err = s.WriteBulk(ctx, actor, func(tx *Tx) (err error) {
		n, err = tx.cancelOf("Cancelled with all open deliveries of its destination.", []model.TargetID{target})
		if err != nil || n == 0 {
			return err
		}
		return tx.audit("delivery", "cancelled", string(target), "all of "+string(target), changes("count", "", strconv.FormatInt(n, 10)))
	})
	return n, err
}
