package db

import (
	"context"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// What is done to a delivery of a batch is done to all of it: its members share one message.
const retryDelivery = `
UPDATE deliveries SET status = 'pending', owner = '', held = '', crashes = 0, next_attempt_at = $1, round_start = attempts, settled_at = NULL, updated_at = $1,
  last_error = '', user_message = '', lane = CASE WHEN replay_of = '' AND run_id = '' THEN 'realtime' ELSE lane END, version = version + 1
WHERE id IN (SELECT value FROM json_each($2)) AND NOT EXISTS (SELECT 1 FROM deliveries WHERE id IN (SELECT value FROM json_each($2)) AND owner <> '' AND id NOT IN (SELECT value FROM json_each($3)))`

// RetryDelivery starts a delivery's schedule again, now; it keeps its id and its attempts. An ordered one does not wait for its
// turn. One that a process has in memory is in work, unless it is among freed: those were taken out there.
func (tx *Tx) RetryDelivery(id model.DeliveryID, freed ...model.DeliveryID) (model.Delivery, error) {
	return tx.change(id, "retried", func(ids string) (int64, error) {
		return tx.count(retryDelivery, ms(tx.now), ids, encode(append([]model.DeliveryID{}, freed...)))
	},
		fault.Coded(fault.Conflict, "in_work", "This delivery is just being sent; wait for the outcome."))
}

// Take brings a delivery that is due, and all that share its message, into owner's memory.
func (tx *Tx) Take(owner model.NodeID, id model.DeliveryID) ([]model.Work, error) {
	d, err := one(tx, "delivery", scanDelivery, deliveryByID, id)
	if err != nil {
		return nil, err
	}
	ids := []model.DeliveryID{id}
	if d.Batched() {
		if ids, err = all(tx, text[model.DeliveryID], batchWith, d.BatchID); err != nil {
			return nil, err
		}
	}
	work, err := all(tx, scanWork, workOf, encode(ids))
	if err != nil {
		return nil, err
	}
	return gather(work), tx.exec(own, owner, encode(ids))
}

const cancelDelivery = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, updated_at = $1, settled_at = $1, version = version + 1
WHERE id IN (SELECT value FROM json_each($2)) AND settled_at IS NULL`

// CancelDelivery ends an open delivery; an exchange that is under way may still arrive.
func (tx *Tx) CancelDelivery(id model.DeliveryID) (model.Delivery, error) {
	d, err := one(tx, "delivery", scanDelivery, deliveryByID, id)
	if err != nil {
		return d, err
	}
	d, err = tx.change(id, "cancelled", func(ids string) (int64, error) { return tx.count(cancelDelivery, ms(tx.now), ids) },
		fault.Coded(fault.Conflict, "settled", "This delivery is already %s.", fault.State(d.Status)))
	if err != nil {
		return d, err
	}
	return d, tx.cancelled(d)
}

const batchWith = `SELECT id FROM deliveries WHERE batch_id = $1 AND batch_id <> ''`

// change does something to a delivery and the others of its batch, and writes it down; when nothing changed it is no.
func (tx *Tx) change(id model.DeliveryID, word string, do func(ids string) (int64, error), no error) (model.Delivery, error) {
	d, err := one(tx, "delivery", scanDelivery, deliveryByID, id)
	if err != nil {
		return d, err
	}
	ids := []model.DeliveryID{id}
	if d.Batched() {
		if ids, err = all(tx, text[model.DeliveryID], batchWith, d.BatchID); err != nil {
			return d, err
		}
	}
	n, err := do(encode(ids))
	if err != nil {
		return d, err
	}
	if n == 0 {
		return d, no
	}
	var more []model.Change
	if n > 1 {
		more = append(more, model.Change{Field: "with_others_of_its_batch", After: strconv.FormatInt(n-1, 10)})
	}
	if d.Seq > 0 && word == "retried" {
		more = append(more, model.Change{Field: "order", Before: "kept", After: "broken"})
	}
	if err := tx.audit("delivery", word, string(id), title(d), more); err != nil {
		return d, err
	}
	return one(tx, "delivery", scanDelivery, deliveryByID, id)
}

// dropHeld cancels what is held because its target is off, and what waits for it in an order.
const dropHeld = `
UPDATE deliveries SET status = 'cancelled', held = '', next_attempt_at = NULL, last_error = $1, updated_at = $2, settled_at = $2, version = version + 1
WHERE id IN (SELECT id FROM deliveries WHERE settled_at IS NULL AND owner = '' AND target_id = $3 AND lane IN ('realtime', 'bulk')
  AND next_attempt_at IS NULL AND (held = 'disabled' OR held = '' AND seq > 0) LIMIT 500)
RETURNING id, run_id`

// DropHeld cancels up to 500 deliveries that are held because their target is off, and says how many; call it until that is 0.
func (s *Store) DropHeld(ctx context.Context, actor model.Actor, target model.TargetID, name string) (n int64, err error) {
	err = s.WriteBulk(ctx, actor, func(tx *Tx) (err error) {
		if n, err = tx.endAll(dropHeld, "A person dropped it while its destination was switched off.", ms(tx.now), target); err != nil || n == 0 {
			return err
		}
		return tx.audit("delivery", "cancelled", string(target), "held for "+name, changes("count", "", strconv.FormatInt(n, 10)))
	})
	return n, err
}

// hasten makes the first one due that waits unowned for a later time, unless one is due.
const hasten = `
UPDATE deliveries SET next_attempt_at = $1, updated_at = $1, version = version + 1
WHERE id = (SELECT id FROM deliveries WHERE settled_at IS NULL AND owner = '' AND target_id = $2 AND lane = $3 AND next_attempt_at = $4 LIMIT 1)`

// TryDestination notes that a person wants a destination tried that is left alone. Where inMemory says that no process has a message
// for it, the first one that waits becomes due, and due tells in which lane; none at all is a Conflict.
func (tx *Tx) TryDestination(id model.DestID, inMemory bool) (due model.Lane, err error) {
	d, err := one(tx, "destination", scanDestination, destinationByID, id)
	if err != nil {
		return "", err
	}
	if !inMemory {
		var first time.Time
		for _, lane := range []model.Lane{model.Realtime, model.Bulk} {
			next, err := one(tx, "delivery", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, nextDueOf, d.Target(), lane)
			if err != nil {
				return "", err
			}
			if !next.IsZero() && (due == "" || next.Before(first)) {
				first, due = next, lane
			}
		}
		switch {
		case due == "":
			return "", fault.Coded(fault.Conflict, "nothing_waits", "Nothing waits for this destination. A test tells whether it works again.")
		case first.After(tx.now):
			if err := tx.exec(hasten, ms(tx.now), d.Target(), due, ms(first)); err != nil {
				return "", err
			}
		}
	}
	return due, tx.audit("destination", "tried", string(id), d.Name, nil)
}

const waitOf = `
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE settled_at IS NULL AND owner = $1 AND target_id = $2 AND lane IN ('realtime', 'bulk')
  AND next_attempt_at IS NOT NULL LIMIT +$3)`

// WaitFor counts the deliveries that wait to be sent to a target: those in the memory of owner, and those in nobody's; up to
// model.MostCounted and one of each.
func (s *Store) WaitFor(ctx context.Context, owner model.NodeID, target model.TargetID) (int64, error) {
	free, err := one(s.reader(ctx), "count", number, waitOf, "", target, model.MostCounted+1)
	if err != nil {
		return 0, err
	}
	held, err := one(s.reader(ctx), "count", number, waitOf, owner, target, model.MostCounted+1)
	return free + held, err
}

const heldOf = `
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE settled_at IS NULL AND owner = '' AND target_id = $1 AND lane IN ('realtime', 'bulk')
  AND next_attempt_at IS NULL AND (held = 'disabled' OR held = '' AND seq > 0) LIMIT +$2)`

// mostHeld is how far held deliveries are counted.
const mostHeld = 10000

// Held counts the deliveries that are held because their target is off, up to 10,000.
func (s *Store) Held(ctx context.Context, target model.TargetID) (int64, error) {
	return one(s.reader(ctx), "count", number, heldOf, target, mostHeld)
}

// title names a delivery in the audit log.
func title(d model.Delivery) string {
	from, to := d.EventName, d.Destination
	if from == "" {
		from = string(d.RunID)
	}
	if to == "" {
		to = d.Step
	}
	return strings.TrimSpace(from + " → " + to)
}

// OnCancelled calls hook, in the transaction that does it, for each delivery of a run that people end: by itself, or with
// what it was going to. hook must not fail but for reasons that are to stop the write.
func (s *Store) OnCancelled(hook func(tx *Tx, d model.Delivery) error) { s.cancelled.Store(&hook) }

// cancelled does what follows from cancelling d.
func (tx *Tx) cancelled(d model.Delivery) error {
	if d.Seq > 0 {
		if err := tx.promote(d.TargetID, d.OrderKey); err != nil {
			return err
		}
	}
	if hook := tx.w.s.cancelled.Load(); hook != nil && d.RunID != "" {
		return (*hook)(tx, d)
	}
	return nil
}

// endAll runs an update that cancels deliveries and returns (id, run_id), and does what follows. It says how many they were.
func (tx *Tx) endAll(query string, args ...any) (int64, error) {
	type ended struct {
		id  model.DeliveryID
		run model.RunID
	}
	list, err := all(tx, func(r row) (e ended, err error) { err = r.Scan(&e.id, &e.run); return }, query, args...)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		if e.run == "" {
			continue
		}
		d, err := one(tx, "delivery", scanDelivery, deliveryByID, e.id)
		if err == nil {
			err = tx.cancelled(d)
		}
		if err != nil {
			return 0, err
		}
	}
	return int64(len(list)), nil
}
