package db

import (
	"slices"

	"waybill/db/model"
)

// A batch is one message of several deliveries. Its members get its id in a commit before it is sent, and keep it; its attempts
// are stored under its id. A delivery with its own id as batch_id goes by itself for ever.

// Of those in memory: joinBatch makes members of them.
const joinBatch = `
UPDATE deliveries SET batch_id = $1 WHERE owner = $2 AND settled_at IS NULL AND batch_id = '' AND id IN (SELECT value FROM json_each($3))
RETURNING id`

// followers are those behind a delivery in its order, which wait for it.
const followers = `
SELECT d.id, coalesce(length(e.data), 0) FROM deliveries d LEFT JOIN events e ON e.id = d.event_id LEFT JOIN payloads p ON p.delivery_id = d.id
WHERE d.target_id = $1 AND d.order_key = $2 AND d.settled_at IS NULL AND d.seq > $3
  AND d.owner = '' AND d.held = '' AND d.next_attempt_at IS NULL AND d.batch_id = '' AND p.delivery_id IS NULL
ORDER BY d.seq LIMIT +$4`

const joinFollowers = `
UPDATE deliveries SET batch_id = $1, owner = $2, next_attempt_at = $3 WHERE id IN (SELECT value FROM json_each($4))`

// splitOff lets a member go by itself, with its schedule from the start.
const splitOff = `
UPDATE deliveries SET split_of = batch_id, batch_id = id, round_start = attempts, next_attempt_at = CASE WHEN seq > 0 THEN NULL ELSE next_attempt_at END WHERE id = $1`

// Form makes one message of deliveries that owner has in memory. Of an ordered one, up to more join it that wait behind it in
// the database, as far as the data of all has at most most bytes. formed are the members in their order: without those that
// were cancelled meanwhile, none when all were. done is called from the keeper's goroutine after the commit.
func (s *Store) Form(owner model.NodeID, list []model.Work, more int, most int64, done func(formed []model.Work, err error)) {
	var formed []model.Work
	s.writer.submit(&op{plain: true, done: func(err error) { done(formed, err) }, run: func(tx *Tx) (err error) {
		formed, err = tx.form(owner, list, more, most)
		return err
	}}, false)
}

func (tx *Tx) form(owner model.NodeID, list []model.Work, more int, most int64) ([]model.Work, error) {
	first := list[0].Delivery
	id := model.BatchID(first.ID)
	if len(list)+more > 1 {
		id = model.NewBatchID(tx.now)
	}
	ids := make([]model.DeliveryID, len(list))
	for i, w := range list {
		ids[i] = w.Delivery.ID
		most -= int64(len(w.Event.Data))
	}
	in, err := all(tx, text[model.DeliveryID], joinBatch, id, owner, encode(ids))
	if err != nil {
		return nil, err
	}
	formed := slices.DeleteFunc(slices.Clone(list), func(w model.Work) bool { return !slices.Contains(in, w.Delivery.ID) })
	if len(formed) > 0 && more > 0 {
		joined, err := tx.follow(owner, id, first, more, most)
		if err != nil {
			return nil, err
		}
		formed = append(formed, joined...)
	}
	for i := range formed {
		formed[i].Delivery.BatchID = id
	}
	return formed, nil
}

// due is a row that can be taken, and how much it weighs.
type due struct {
	id    string
	bytes int64
}

func scanDue(r row) (d due, err error) { err = r.Scan(&d.id, &d.bytes); return }

// follow takes what waits behind d in its order into the batch.
func (tx *Tx) follow(owner model.NodeID, id model.BatchID, d model.Delivery, more int, most int64) ([]model.Work, error) {
	rows, err := all(tx, scanDue, followers, d.TargetID, d.OrderKey, d.Seq, more)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range rows {
		if most -= r.bytes; most < 0 {
			break
		}
		ids = append(ids, r.id)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if err := tx.exec(joinFollowers, id, owner, ms(tx.now), encode(ids)); err != nil {
		return nil, err
	}
	work, err := all(tx, scanWork, workOf, encode(ids))
	sortBatch(work)
	return work, err
}

// sortBatch puts members into the order in which they are sent, on each attempt the same.
func sortBatch(list []model.Work) {
	slices.SortFunc(list, func(a, b model.Work) int {
		if a.Delivery.Seq != b.Delivery.Seq {
			return int(a.Delivery.Seq - b.Delivery.Seq)
		}
		if a.Delivery.ID < b.Delivery.ID {
			return -1
		}
		return 1
	})
}

const batchMembers = `
SELECT id FROM deliveries WHERE batch_id IN (SELECT value FROM json_each($1)) AND batch_id <> '' AND settled_at IS NULL AND owner = ''`

// gather makes one Work of each batch among claimed ones, where its first one stands.
func gather(work []model.Work) []model.Work {
	at := map[model.BatchID]int{}
	out := work[:0:0]
	for _, w := range work {
		id := w.Delivery.BatchID
		if id == "" || id == model.BatchID(w.Delivery.ID) {
			out = append(out, w)
			continue
		}
		if i, seen := at[id]; seen {
			out[i].Batch = append(out[i].Batch, w)
			continue
		}
		at[id] = len(out)
		lead := w
		lead.Batch = []model.Work{w}
		out = append(out, lead)
	}
	for i, w := range out {
		if w.Batch == nil {
			continue
		}
		sortBatch(w.Batch)
		out[i] = w.Batch[0]
		out[i].Batch = w.Batch
	}
	return out
}
