package db

// Bookkeeping of the queue: no actor, no audit row; the deliveries themselves are the record.

import (
	"context"
	"maps"
	"slices"
	"time"

	"waybill/db/model"
)

const dueOf = `
SELECT ` + workColumns + workTables + `
WHERE d.settled_at IS NULL AND d.owner = '' AND d.target_id = $1 AND d.lane = $2 AND d.next_attempt_at <= $3
ORDER BY d.next_attempt_at LIMIT +$4`

// The + keeps the planner from walking everything that waits.
const (
	own      = `UPDATE deliveries SET owner = $1 WHERE +owner = '' AND settled_at IS NULL AND id IN (SELECT value FROM json_each($2))`
	ownStill = own + ` RETURNING id, version`
	leave    = `UPDATE deliveries SET owner = '' WHERE id IN (SELECT value FROM json_each($1))`
)

const nextDueOf = `
SELECT min(next_attempt_at) FROM deliveries
WHERE settled_at IS NULL AND owner = '' AND target_id = $1 AND lane = $2 AND next_attempt_at IS NOT NULL`

// What scanWork reads, and where from.
const (
	workColumns = deliveryColumns + `, coalesce(e.external_id, ''), coalesce(e.subject, ''), coalesce(e.time, 0), coalesce(e.depth, p.depth, 0), e.data, p.data, coalesce(e.traceparent, p.traceparent, '')`
	workTables  = deliveryTables + `
  LEFT JOIN payloads p ON p.delivery_id = d.id`
)

const workOf = `
SELECT ` + workColumns + workTables + `
WHERE d.id IN (SELECT value FROM json_each($1)) ORDER BY d.next_attempt_at, d.id`

// claimBytes bounds the event data that one claim brings into memory; one delivery always fits.
const claimBytes = 8 << 20

// Claim takes up to limit due deliveries of a target and lane into owner's memory, oldest due first. next is when the
// first of the rest is due, zero when there is none.
func (s *Store) Claim(ctx context.Context, owner model.NodeID, target model.TargetID, lane model.Lane, limit int) (work []model.Work, next time.Time, err error) {
	due, err := s.due(ctx, target, lane, limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	done := make(chan error, 1)
	// It goes ahead: else deliveries would stand while as many events are accepted as the writer can take.
	claim := &op{plain: true, ahead: true, done: func(err error) { done <- err }, run: func(tx *Tx) (err error) {
		work, next, err = tx.claim(owner, target, lane, due)
		return err
	}}
	if lane == model.Bulk {
		claim.rides = time.Now() // it goes at once, but is nobody whom bulk writes have to make room for
	}
	s.writer.submit(claim, false)
	if err := <-done; err != nil {
		return nil, time.Time{}, err
	}
	return work, next, nil
}

// due reads what a claim is to take: beside the writer, since that is most of its work. A message is read whole.
func (s *Store) due(ctx context.Context, target model.TargetID, lane model.Lane, limit int) ([]model.Work, error) {
	q, bytes := reader{&s.claims, ctx}, int64(0)
	work, err := until(q, scanWork, func(w model.Work) bool {
		bytes += int64(len(w.Event.Data) + len(w.Payload))
		return bytes > claimBytes
	}, dueOf, target, lane, ms(s.now()), limit)
	if err != nil {
		return nil, err
	}
	if bytes > claimBytes && len(work) > 1 {
		work = work[:len(work)-1]
	}
	batches, read := map[model.BatchID]bool{}, map[model.DeliveryID]bool{}
	for _, w := range work {
		read[w.Delivery.ID] = true
		if w.Delivery.Batched() {
			batches[w.Delivery.BatchID] = true
		}
	}
	if len(batches) == 0 {
		return work, nil
	}
	ids, err := all(q, text[model.DeliveryID], batchMembers, encode(slices.Collect(maps.Keys(batches))))
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id model.DeliveryID) bool { return read[id] })
	members, err := all(q, scanWork, workOf, encode(ids))
	if err != nil {
		return nil, err
	}
	for _, w := range members {
		if batches[w.Delivery.BatchID] {
			work = append(work, w)
		}
	}
	return work, nil
}

// claim makes owner's what of due is as it was read. Messages of which anything changed since are left for the next claim.
func (tx *Tx) claim(owner model.NodeID, target model.TargetID, lane model.Lane, due []model.Work) (work []model.Work, next time.Time, err error) {
	if len(due) > 0 {
		if work, err = tx.own(owner, due); err != nil {
			return nil, next, err
		}
	}
	next, err = one(tx, "delivery", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, nextDueOf, target, lane)
	return work, next, err
}

func (tx *Tx) own(owner model.NodeID, due []model.Work) ([]model.Work, error) {
	ids := make([]model.DeliveryID, len(due))
	for i, w := range due {
		ids[i] = w.Delivery.ID
	}
	owned := make(map[model.DeliveryID]int64, len(due)) // their versions
	_, err := all(tx, func(r row) (id model.DeliveryID, err error) {
		var version int64
		err = r.Scan(&id, &version)
		owned[id] = version
		return id, err
	}, ownStill, owner, encode(ids))
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, w := range due {
		if version, is := owned[w.Delivery.ID]; !is || version != w.Delivery.Version {
			changed[w.MessageID()] = true
		}
	}
	work := gather(due)
	if len(changed) == 0 {
		return work, nil
	}
	var left []model.DeliveryID
	work = slices.DeleteFunc(work, func(w model.Work) bool {
		if !changed[w.MessageID()] {
			return false
		}
		for _, m := range w.Each() {
			if _, is := owned[m.Delivery.ID]; is {
				left = append(left, m.Delivery.ID)
			}
		}
		return true
	})
	return work, tx.exec(leave, encode(left))
}

// Work are deliveries with their events as a dispatcher sees them, those of ids that are there.
func (s *Store) Work(ctx context.Context, ids ...model.DeliveryID) ([]model.Work, error) {
	return all(s.reader(ctx), scanWork, workOf, encode(ids))
}

func scanWork(r row) (model.Work, error) {
	var w model.Work
	e := &w.Event
	err := r.Scan(append(deliveryFields(&w.Delivery), &e.ExternalID, &e.Subject, at{&e.Time}, &e.Depth, (*[]byte)(&e.Data), &w.Payload, &e.Traceparent)...)
	e.ID, e.Name = w.Delivery.EventID, w.Delivery.EventName
	return w, err
}

// Waiting says when the first row of a target and lane that waits in the database is due.
type Waiting struct {
	Target model.TargetID
	Lane   model.Lane
	Due    time.Time
}

const waitingTargets = `
SELECT target_id, lane, min(next_attempt_at) FROM deliveries
WHERE settled_at IS NULL AND owner = '' AND next_attempt_at IS NOT NULL GROUP BY target_id, lane`

// Waiting lists every target and lane with rows that wait in the database: what a dispatcher starts from.
func (s *Store) Waiting(ctx context.Context) ([]Waiting, error) {
	return all(s.reader(ctx), func(r row) (Waiting, error) {
		var w Waiting
		err := r.Scan(&w.Target, &w.Lane, at{&w.Due})
		return w, err
	}, waitingTargets)
}

const orphans = `SELECT id FROM deliveries WHERE settled_at IS NULL AND owner > '' LIMIT 500`

const rescue = `
UPDATE deliveries SET owner = '', interruptions = interruptions + 1, next_attempt_at = $1 + abs(random()) % 2000
WHERE id IN (SELECT value FROM json_each($2))`

// Rescue makes due again, spread over 2 s, what processes that died had in memory. Only one server runs on a data
// folder, so at its start every owner is a dead one. It returns how many there were.
func (s *Store) Rescue(ctx context.Context) (n int, err error) {
	for {
		var ids []string
		err := s.Write(ctx, model.System("rescue"), func(tx *Tx) (err error) {
			if ids, err = all(tx, text[string], orphans); err != nil || len(ids) == 0 {
				return err
			}
			return tx.exec(rescue, ms(tx.now), encode(ids))
		})
		n += len(ids)
		if err != nil || len(ids) == 0 {
			return n, err
		}
	}
}

const giveBack = `
UPDATE deliveries SET owner = '', next_attempt_at = min(coalesce(next_attempt_at, $1), $1) WHERE owner = $2 AND settled_at IS NULL
  AND id IN (SELECT id FROM deliveries WHERE owner = $2 AND settled_at IS NULL LIMIT 500)`

// GiveBack returns everything that owner has in memory to the database, due at once and without counting: an orderly stop.
func (s *Store) GiveBack(ctx context.Context, owner model.NodeID) error {
	for {
		var n int64
		err := s.Write(ctx, model.System("stop"), func(tx *Tx) (err error) {
			n, err = tx.count(giveBack, ms(tx.now), owner)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// In the index, what is held (no next attempt) stands before what waits; with the lanes named, neither walks the other.
const holdOf = `
UPDATE deliveries SET status = 'held', held = 'disabled', next_attempt_at = NULL, last_error = $1, updated_at = $2, version = version + 1
WHERE id IN (SELECT id FROM deliveries WHERE settled_at IS NULL AND owner = '' AND target_id = $3 AND lane IN ('realtime', 'bulk')
  AND next_attempt_at IS NOT NULL LIMIT 500)`

const releaseOf = `
UPDATE deliveries SET status = CASE WHEN attempts > round_start THEN 'retrying' ELSE 'pending' END, held = '', last_error = '',
  next_attempt_at = CASE WHEN seq > 0 AND EXISTS (SELECT 1 FROM deliveries b WHERE b.target_id = deliveries.target_id AND b.order_key = deliveries.order_key
    AND b.settled_at IS NULL AND b.seq > 0 AND b.seq < deliveries.seq AND (b.batch_id = '' OR b.batch_id <> deliveries.batch_id)) THEN NULL ELSE $1 END,
  updated_at = $1, version = version + 1
WHERE id IN (SELECT id FROM deliveries WHERE settled_at IS NULL AND owner = '' AND target_id = $2 AND lane IN ('realtime', 'bulk')
  AND next_attempt_at IS NULL AND held = 'disabled' LIMIT 500)`

// Hold parks up to 500 waiting deliveries of a switched-off target; why is shown. It returns how many.
func (s *Store) Hold(ctx context.Context, target model.TargetID, why string) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("dispatcher"), func(tx *Tx) (err error) {
		n, err = tx.count(holdOf, why, ms(tx.now), target)
		return err
	})
	return n, err
}

// Release makes up to 500 deliveries due that were held because their target was off. It returns how many.
func (s *Store) Release(ctx context.Context, target model.TargetID) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("dispatcher"), func(tx *Tx) (err error) {
		n, err = tx.count(releaseOf, ms(tx.now), target)
		return err
	})
	return n, err
}

const heldTargets = `
SELECT DISTINCT target_id FROM deliveries
WHERE status = 'held' AND status <> 'delivered' AND status <> 'pending' AND held = 'disabled'`

// HeldTargets lists targets with deliveries that are held because the target was off.
func (s *Store) HeldTargets(ctx context.Context) ([]model.TargetID, error) {
	return all(s.reader(ctx), text[model.TargetID], heldTargets)
}
