package db

import (
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

const retryDelivery = `
UPDATE deliveries SET status = 'pending', held = '', crashes = 0, next_attempt_at = $1, round_start = attempts, settled_at = NULL, updated_at = $1,
  last_error = '', user_message = '', version = version + 1
WHERE id = $2 AND owner = ''`

// RetryDelivery starts a delivery's schedule again, now; it keeps its id and its attempts.
func (tx *Tx) RetryDelivery(id model.DeliveryID) (model.Delivery, error) {
	d, err := one(tx, "delivery", scanDelivery, deliveryByID, id)
	if err != nil {
		return d, err
	}
	n, err := tx.count(retryDelivery, ms(tx.now), id)
	if err != nil {
		return d, err
	}
	if n == 0 {
		return d, fault.Coded(fault.Conflict, "in_work", "This delivery is just being sent; wait for the outcome.")
	}
	if err := tx.audit("delivery", "retried", string(id), title(d), nil); err != nil {
		return d, err
	}
	return one(tx, "delivery", scanDelivery, deliveryByID, id)
}

const cancelDelivery = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, updated_at = $1, settled_at = $1, version = version + 1
WHERE id = $2 AND settled_at IS NULL`

// CancelDelivery ends an open delivery; an exchange that is under way may still arrive.
func (tx *Tx) CancelDelivery(id model.DeliveryID) (model.Delivery, error) {
	d, err := one(tx, "delivery", scanDelivery, deliveryByID, id)
	if err != nil {
		return d, err
	}
	n, err := tx.count(cancelDelivery, ms(tx.now), id)
	if err != nil {
		return d, err
	}
	if n == 0 {
		return d, fault.Coded(fault.Conflict, "settled", "This delivery is already %s.", d.Status)
	}
	if err := tx.audit("delivery", "cancelled", string(id), title(d), nil); err != nil {
		return d, err
	}
	if d, err = one(tx, "delivery", scanDelivery, deliveryByID, id); err != nil {
		return d, err
	}
	return d, tx.cancelled(d)
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
		if _, err := tx.promote(d.TargetID, d.OrderKey); err != nil {
			return err
		}
	}
	if hook := tx.w.s.cancelled.Load(); hook != nil && d.RunID != "" {
		return (*hook)(tx, d)
	}
	return nil
}
