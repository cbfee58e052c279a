package db

import (
	"waybill/db/model"
)

// Order: one message of a key is due or in work at a time; the others have no next attempt until the one before them is
// settled, in the transaction that settles it. So it holds over restarts, and nobody has to remember it.

// promote makes the first that waits in a key due, unless an earlier one is open.
const promote = `
UPDATE deliveries SET next_attempt_at = $1, version = version + 1
WHERE id = (SELECT id FROM deliveries WHERE target_id = $2 AND order_key = $3 AND settled_at IS NULL AND seq > 0 ORDER BY seq LIMIT 1)
  AND next_attempt_at IS NULL AND owner = '' AND held = ''`

// promote lets the next message of the key of d go, which was just settled. It reports whether one is now due.
func (tx *Tx) promote(target model.TargetID, key string) (bool, error) {
	n, err := tx.count(promote, ms(tx.now), target, key)
	return n > 0, err
}

// promoteAll is promote for every key of a target.
const promoteAll = `
UPDATE deliveries SET next_attempt_at = $1, version = version + 1
WHERE id IN (SELECT d.id FROM deliveries d WHERE d.target_id = $2 AND d.settled_at IS NULL AND d.seq > 0
    AND d.next_attempt_at IS NULL AND d.owner = '' AND d.held = ''
    AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.target_id = d.target_id AND b.order_key = d.order_key AND b.settled_at IS NULL AND b.seq > 0
      AND b.seq < d.seq)
  LIMIT 500)`
