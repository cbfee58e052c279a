package db

import (
	"context"

	"waybill/db/model"
)

// Order: one message of a key is due or in work at a time; the others have no next attempt until the one before them is
// settled, in the transaction that settles it. So it holds over restarts, and nobody has to remember it.

// promote makes the first that waits in a key due, unless an earlier one is open.
const promote = `
UPDATE deliveries SET next_attempt_at = $1, version = version + 1
WHERE id = (SELECT id FROM deliveries WHERE target_id = $2 AND order_key = $3 AND settled_at IS NULL AND seq > 0 ORDER BY seq LIMIT 1)
  AND next_attempt_at IS NULL AND owner = '' AND held = ''`

// promote lets the next message of a key go, after one was settled.
func (tx *Tx) promote(target model.TargetID, key string) error {
	n, err := tx.count(promote, ms(tx.now), target, key)
	if n > 0 {
		tx.ready(target)
	}
	return err
}

// OnReady calls hook, from the keeper's goroutine, when messages of an ordered target became due because of others: it must
// not block. It is set once.
func (s *Store) OnReady(hook func(model.TargetID)) { s.readied.Store(&hook) }

func (tx *Tx) ready(target model.TargetID) {
	if hook := tx.w.s.readied.Load(); hook != nil {
		tx.After(func() { (*hook)(target) })
	}
}

// promoteAll is promote for every key of a target.
const promoteAll = `
UPDATE deliveries SET next_attempt_at = $1, version = version + 1
WHERE id IN (SELECT d.id FROM deliveries d WHERE d.target_id = $2 AND d.settled_at IS NULL AND d.seq > 0
    AND d.next_attempt_at IS NULL AND d.owner = '' AND d.held = ''
    AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.target_id = d.target_id AND b.order_key = d.order_key AND b.settled_at IS NULL AND b.seq > 0
      AND b.seq < d.seq)
  LIMIT 500)`

// promoteAll lets the first of every key of a target go.
func (tx *Tx) promoteAll(target model.TargetID) error {
	n, err := tx.count(promoteAll, ms(tx.now), target)
	if n > 0 {
		tx.ready(target)
	}
	return err
}

// disorder lets everything go that waits for its turn: the target no longer keeps an order.
const disorder = `
UPDATE deliveries SET next_attempt_at = CASE WHEN next_attempt_at IS NULL AND owner = '' AND held = '' THEN $1 ELSE next_attempt_at END, seq = 0
WHERE id IN (SELECT id FROM deliveries WHERE target_id = $2 AND settled_at IS NULL AND seq > 0 LIMIT 500)`

// Disorder is for a target that no longer keeps an order: up to 500 that wait for their turn go. It returns how many.
func (s *Store) Disorder(ctx context.Context, target model.TargetID) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("dispatcher"), func(tx *Tx) (err error) {
		n, err = tx.count(disorder, ms(tx.now), target)
		return err
	})
	return n, err
}

// It jumps from target to target.
const orderedTargets = `
WITH RECURSIVE names (id) AS (
  SELECT min(target_id) FROM deliveries WHERE settled_at IS NULL AND seq > 0
  UNION ALL SELECT (SELECT min(target_id) FROM deliveries WHERE settled_at IS NULL AND seq > 0 AND target_id > names.id) FROM names WHERE names.id IS NOT NULL)
SELECT id FROM names WHERE id IS NOT NULL`

// OrderedTargets lists the targets with open messages that are in an order.
func (s *Store) OrderedTargets(ctx context.Context) ([]model.TargetID, error) {
	return all(s.reader(ctx), text[model.TargetID], orderedTargets)
}
