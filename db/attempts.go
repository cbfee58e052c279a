package db

import (
	"cmp"
	"context"
	"slices"
	"time"

	"waybill/db/model"
)

const attemptColumns = `a.id, a.delivery_id, a.number, a.started_at, a.method, a.url, a.address, a.status_code, a.class,
  CASE WHEN f.status IS NULL THEN a.error WHEN f.status = 'delivered' THEN '' ELSE f.words END, a.template, coalesce(f.status, a.verdict),
  CASE WHEN f.status = 'delivered' THEN f.words ELSE '' END, a.follow_up, a.next_at, a.timings, a.request_headers, a.response_headers, a.response_cut, a.request_size, a.response_size,
  CASE WHEN a.body_is_data THEN coalesce(p.data, e.data) ELSE a.request_body END, a.response_body`

func scanAttempt(r row) (model.Attempt, error) {
	var a model.Attempt
	err := r.Scan(&a.ID, &a.DeliveryID, &a.Number, at{&a.StartedAt}, &a.Method, &a.URL, &a.Address, &a.StatusCode, &a.Class, &a.Error, &a.Template, &a.Verdict,
		&a.Said, &a.FollowUp, at{&a.NextAt}, decode{&a.Timings}, decode{&a.Request.Headers}, decode{&a.Response.Headers}, &a.Response.Truncated, &a.Request.Size, &a.Response.Size,
		&a.Request.Body, &a.Response.Body)
	return a, err
}

const attemptsOf = `
SELECT ` + attemptColumns + `
FROM attempts a JOIN deliveries d ON d.id = $1 LEFT JOIN events e ON e.id = d.event_id LEFT JOIN payloads p ON p.delivery_id = d.id
  LEFT JOIN fates f ON f.delivery_id = $1 AND f.attempt_id = a.id
WHERE a.delivery_id IN (SELECT value FROM json_each($2)) ORDER BY a.number, a.started_at`

const batchOf = `SELECT batch_id FROM deliveries WHERE id = $1 UNION ALL SELECT split_of FROM deliveries WHERE id = $1 AND split_of <> ''
UNION ALL SELECT batch_id FROM former_batches WHERE delivery_id = $1`

// Attempts lists the attempts of a delivery, first one first: those of the batch that it is or was part of, and its own.
func (s *Store) Attempts(ctx context.Context, id model.DeliveryID) ([]model.Attempt, error) {
	batches, err := all(s.reader(ctx), text[string], batchOf, id)
	if err != nil {
		return nil, err
	}
	return all(s.reader(ctx), scanAttempt, attemptsOf, id, encode(append(batches, string(id))))
}

const markDelivery = `
UPDATE deliveries SET status = $1, owner = '', next_attempt_at = $2, attempts = attempts + $3, interruptions = interruptions + $4, crashes = crashes + $5,
  held = $6, last_status_code = CASE WHEN $3 THEN $7 ELSE last_status_code END, last_error = $8, user_message = $9, updated_at = $10, settled_at = $11,
  version = version + 1, lane = coalesce(nullif($15, ''), lane)
WHERE id = $12 AND owner = $13 AND version = $14`

const countAttempt = `UPDATE deliveries SET attempts = attempts + 1 WHERE id = $1`

const insertAttempt = `
INSERT INTO attempts (delivery_id, number, id, started_at, method, url, address, status_code, class, error, template, verdict, next_at, timings,
  request_headers, response_headers, response_cut, request_size, response_size, request_body, body_is_data, response_body)
VALUES ($1, $22, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21)
ON CONFLICT (delivery_id, number) DO NOTHING`

// Where the answer told the deliveries of a message apart, they part: each goes on by itself, or in another message.
const (
	insertFate = `INSERT INTO fates (delivery_id, attempt_id, status, words) VALUES ($1, $2, $3, $4)`
	keepBatch  = `INSERT INTO former_batches (delivery_id, batch_id) SELECT id, batch_id FROM deliveries WHERE id = $1 AND batch_id <> '' AND batch_id <> id ON CONFLICT DO NOTHING`
	// Of an ordered one only the first of those that go on may be due; the others wait for it.
	leaveBatch = `
UPDATE deliveries SET batch_id = '', next_attempt_at = CASE WHEN seq > 0 AND EXISTS (SELECT 1 FROM deliveries b WHERE b.target_id = deliveries.target_id
    AND b.order_key = deliveries.order_key AND b.settled_at IS NULL AND b.seq > 0 AND b.seq < deliveries.seq) THEN NULL ELSE next_attempt_at END
WHERE id = $1 AND batch_id <> id`
	// What was taken is what it became, once that is told.
	takenFate = `
INSERT INTO fates (delivery_id, attempt_id, status, words) SELECT $1, id, $2, '' FROM attempts
WHERE delivery_id = $3 AND verdict = 'pending' AND follow_up = 0 ON CONFLICT DO NOTHING`
	takenVerdict = `UPDATE attempts SET verdict = $1 WHERE delivery_id = $2 AND verdict = 'pending' AND follow_up = 0`
	asFollowUp   = `UPDATE attempts SET follow_up = 1 WHERE delivery_id = $1 AND id = $2`
)

// appendAttempt numbers an attempt after those that are stored.
const appendAttempt = `
INSERT INTO attempts (delivery_id, number, id, started_at, method, url, address, status_code, class, error, template, verdict, next_at, timings,
  request_headers, response_headers, response_cut, request_size, response_size, request_body, body_is_data, response_body)
VALUES ($1, (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE delivery_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21)`

// Finish records what an attempt did to a delivery, or to all of a batch, that owner has in memory, as of the Versions in f.Work; f
// must not change until it is done. It
// returns at once; done is called from the keeper's goroutine when the outcome is on disk (at most 10 ms later than it could be)
// or could not be stored. A delivery that was taken away meanwhile (cancelled, retried by hand) keeps its state and gains the
// attempt; then, which runs in the same transaction, is told by taken, one for each of Work.Each.
func (s *Store) Finish(owner model.NodeID, f *model.Ending, then func(tx *Tx, taken []bool) error, done func(error)) {
	id, o := f.Work.MessageID(), &f.Outcome
	row := attemptRow(id, o.Attempt, o.Status, o.NextAt, o.BodyIsData) // encoded here: the writer is one for all
	renewed := attemptRow(id, o.Renewed, model.Retrying, time.Time{}, o.BodyIsData)
	told := attemptRow(id, o.Told, o.Status, time.Time{}, false)
	s.writer.submit(&op{
		run: func(tx *Tx) error {
			if renewed != nil {
				if err := tx.exec(appendAttempt, renewed...); err != nil {
					return err
				}
			}
			if told != nil {
				if err := tx.told(id, o.Told.ID, told); err != nil {
					return err
				}
			}
			if o.Followed != "" {
				if err := tx.exec(dropFollowUp, id, o.Followed); err != nil {
					return err
				}
			}
			if o.Health != nil {
				if err := tx.SaveHealth(*o.Health); err != nil {
					return err
				}
			}
			taken, err := tx.finish(owner, f, row)
			if err == nil && o.Followed != "" {
				err = tx.exec(takenVerdict, o.Status, id)
			}
			if err != nil || then == nil {
				return err
			}
			tx.actor = model.System("dispatcher")
			return then(tx, taken)
		},
		done: s.told(f, done), plain: then == nil, rides: time.Now().Add(groupWaits),
	}, f.Work.Delivery.Lane == model.Bulk && then != nil) // what follows in a run costs more than the outcome
}

// finish says which of w.Each were still owner's.
func (tx *Tx) finish(owner model.NodeID, f *model.Ending, row []any) ([]bool, error) {
	w, o := &f.Work, &f.Outcome
	taken := make([]bool, max(1, len(w.Batch)))
	for i, m := range w.All() {
		var err error
		if taken[i], err = tx.mark(owner, &m.Delivery, o.Of(i)); err != nil {
			return nil, err
		}
		if o.Each != nil && taken[i] && o.Each[i].Held == "" {
			if err := tx.part(m.Delivery, *o, o.Each[i]); err != nil {
				return nil, err
			}
		}
		if row != nil && !taken[i] {
			if err := tx.exec(countAttempt, m.Delivery.ID); err != nil {
				return nil, err
			}
		}
	}
	if o.Split && w.Each()[0].Delivery.Seq > 0 {
		first := w.Each()[0].Delivery
		if err := tx.promote(first.TargetID, first.OrderKey); err != nil {
			return nil, err
		}
	}
	if o.Follow != nil && slices.Contains(taken, true) {
		if err := tx.followUp(*w, *o); err != nil {
			return nil, err
		}
	}
	if row == nil {
		return taken, nil
	}
	if taken[0] {
		// Its number is free, but for rows that do not count (a renewed token) or that came late (below).
		n, err := tx.lean(insertAttempt, append(row, w.Delivery.Attempts+1)...)
		if err != nil || n > 0 {
			return taken, err
		}
	}
	return taken, tx.exec(appendAttempt, row...)
}

// mark stores what became of one delivery; false: it was no longer owner's.
func (tx *Tx) mark(owner model.NodeID, d *model.Delivery, o model.Outcome) (bool, error) {
	var settled any
	if o.Status.Settled() {
		settled = ms(tx.now)
	}
	tried, crashed, status := 0, 0, 0
	if o.Attempt != nil {
		tried, status = 1, o.Attempt.StatusCode
	}
	if o.Crashed {
		crashed = 1
	}
	n, err := tx.lean(markDelivery, string(o.Status), null(o.NextAt), tried, 0, crashed, string(o.Held), status, o.Error, o.Message, ms(tx.now), settled, string(d.ID),
		string(owner), d.Version, string(o.Lane))
	if err != nil || n == 0 {
		return false, err
	}
	if o.Split {
		return true, tx.exec(splitOff, d.ID)
	}
	if settled != nil && d.Seq > 0 {
		return true, tx.promote(d.TargetID, d.OrderKey)
	}
	return true, nil
}

// part notes what an answer said of one delivery of a message, and lets it leave the message.
func (tx *Tx) part(d model.Delivery, o model.Outcome, f model.Fate) error {
	if a := cmp.Or(o.Attempt, o.Told); a != nil {
		if err := tx.exec(insertFate, d.ID, a.ID, f.Status, cmp.Or(f.Error, f.Said)); err != nil {
			return err
		}
	}
	if o.Followed != "" {
		if err := tx.exec(takenFate, d.ID, f.Status, model.Work{Delivery: d}.MessageID()); err != nil {
			return err
		}
	}
	if !d.Batched() {
		return nil
	}
	if err := tx.exec(keepBatch, d.ID); err != nil {
		return err
	}
	return tx.exec(leaveBatch, d.ID)
}

// told stores the exchange that told what became of a message.
func (tx *Tx) told(message string, attempt model.AttemptID, row []any) error {
	if err := tx.exec(appendAttempt, row...); err != nil {
		return err
	}
	return tx.exec(asFollowUp, message, attempt)
}

// attemptValues is how many values insertAttempt has.
const attemptValues = 22

// attemptRow are the values of an attempt but its number, nil when there was none.
func attemptRow(id string, a *model.Attempt, became model.Status, next time.Time, bodyIsData bool) []any {
	if a == nil {
		return nil
	}
	body := blob(a.Request.Body)
	if bodyIsData {
		body = nil
	}
	return append(make([]any, 0, attemptValues), id, string(a.ID), ms(a.StartedAt), a.Method, a.URL, a.Address, a.StatusCode, string(a.Class), a.Error, a.Template, string(became),
		ms(next), timings(a.Timings), headers(a.Request.Headers), headers(a.Response.Headers), a.Response.Truncated, a.Request.Size, a.Response.Size,
		body, bodyIsData, blob(a.Response.Body))
}

func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
