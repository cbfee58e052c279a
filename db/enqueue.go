package db

import (
	"waybill/db/model"
)

const insertDelivery = `
INSERT INTO deliveries (id, event_id, target_id, destination_id, action_id, lane, status, owner, next_attempt_at, attempts, round_start,
  interruptions, crashes, held, last_status_code, last_error, user_message, replay_of, created_at, updated_at, settled_at, version,
  run_id, step, step_run_id, webhook_id, seq, order_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, $10, 0, $11, '', $12, $13, $13, NULL, 1, $14, $15, $16, $17, $18, $19)`

const insertPayload = `INSERT INTO payloads (delivery_id, depth, data, traceparent) VALUES ($1, $2, $3, $4)`

// Place is where a delivery of an ordered destination came to stand.
type Place struct {
	Seq    int64 // 0 = its destination keeps no order
	Behind bool  // another message of its key is not settled: it waits for it, in the database, whoever reserved a place
}

// insertDelivery stores d as owner's, or where it must wait for others as nobody's.
func (tx *Tx) insertDelivery(d model.Delivery, owner model.NodeID) (p Place, err error) {
	if d.Ordered {
		if p, err = tx.place(d); err != nil {
			return p, err
		}
	}
	key := ""
	if d.Ordered {
		key = d.OrderKey
	}
	held, due := "", null(d.NextAttemptAt)
	if d.Status == model.Held {
		held = model.HeldDisabled
	}
	if p.Behind {
		owner, due = "", nil
	}
	_, err = tx.lean(insertDelivery, string(d.ID), string(d.EventID), string(d.TargetID), string(d.DestinationID), string(d.ActionID), string(d.Lane), string(d.Status),
		string(owner), due, held, d.LastError, string(d.ReplayOf), ms(d.CreatedAt), string(d.RunID), d.Step, string(d.StepRunID), string(d.WebhookID), p.Seq, key)
	return p, err
}

const nextPlace = `UPDATE sequence SET value = value + 1 WHERE one = 1 RETURNING value`

const waitsForOthers = `
SELECT EXISTS (SELECT 1 FROM deliveries WHERE target_id = $1 AND order_key = $2 AND settled_at IS NULL AND seq > 0)`

// place gives d the next place in the order.
func (tx *Tx) place(d model.Delivery) (p Place, err error) {
	if p.Seq, err = one(tx, "sequence", number, nextPlace); err != nil {
		return p, err
	}
	p.Behind, err = tx.has(waitsForOthers, d.TargetID, d.OrderKey)
	return p, err
}

// InsertDeliveries stores deliveries that no event publishes: those of steps, with what they say (Payload) and how many
// events led to them (Event.Depth). owners says who holds a place in memory for each, nil = nobody for any; the others wait in
// the database. The caller tells the dispatcher of them with After.
func (tx *Tx) InsertDeliveries(list []model.Work, owners []model.NodeID) ([]Place, error) {
	out := make([]Place, len(list))
	for i, w := range list {
		var owner model.NodeID
		if owners != nil {
			owner = owners[i]
		}
		var err error
		if out[i], err = tx.insertDelivery(w.Delivery, owner); err != nil {
			return nil, err
		}
		if w.Payload != nil {
			if err := tx.exec(insertPayload, w.Delivery.ID, w.Event.Depth, w.Payload, w.Event.Traceparent); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
