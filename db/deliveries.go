package db

import (
	"context"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Names are joined from today's rows; a destination that is gone leaves them empty.
const deliveryColumns = `d.id, d.event_id, coalesce(e.name, ''), d.target_id, d.destination_id, coalesce(t.name, ''), coalesce(t.connection_id, ''),
  coalesce(c.name, ''), d.action_id, d.lane, d.status, d.attempts, d.round_start, d.interruptions, d.crashes, d.held, d.next_attempt_at,
  d.last_status_code, d.last_error, d.user_message, d.replay_of, d.created_at, d.updated_at, d.settled_at, d.version`

const deliveryTables = ` FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
  LEFT JOIN destinations t ON t.id = d.destination_id LEFT JOIN connections c ON c.id = t.connection_id`

func deliveryFields(d *model.Delivery) []any {
	return []any{&d.ID, &d.EventID, &d.EventName, &d.TargetID, &d.DestinationID, &d.Destination, &d.ConnectionID,
		&d.Connection, &d.ActionID, &d.Lane, &d.Status, &d.Attempts, &d.RoundStart, &d.Interruptions, &d.Crashes, &d.Held, at{&d.NextAttemptAt},
		&d.LastStatusCode, &d.LastError, &d.UserMessage, &d.ReplayOf, at{&d.CreatedAt}, at{&d.UpdatedAt}, at{&d.SettledAt}, &d.Version}
}

func scanDelivery(r row) (model.Delivery, error) {
	var d model.Delivery
	err := r.Scan(deliveryFields(&d)...)
	return d, err
}

const deliveryByID = `SELECT ` + deliveryColumns + deliveryTables + ` WHERE d.id = $1`

// Delivery is one delivery as stored; that an attempt is under way only the dispatcher knows.
func (s *Store) Delivery(ctx context.Context, id model.DeliveryID) (model.Delivery, error) {
	return one(s.reader(ctx), "delivery", scanDelivery, deliveryByID, id)
}

// DeliveryFilter narrows a list of deliveries; zero values do not.
type DeliveryFilter struct {
	EventID       model.EventID
	DestinationID model.DestID
	Status        model.Status // stored ones; Sending lists nothing here
	Lane          model.Lane
	IDs           []model.DeliveryID // only these, when not nil
	From          time.Time          // made at or after
	To            time.Time          // made before
}

// Deliveries lists deliveries, newest first.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter, p Page) ([]model.Delivery, string, error) {
	q := selecting("SELECT " + deliveryColumns + deliveryTables)
	f.narrow(q)
	if f.IDs != nil {
		q.and(true, "d.id IN (SELECT value FROM json_each(?))", encode(f.IDs))
	}
	switch f.Status {
	case "":
	case model.Failed, model.Held, model.Retrying, model.Skipped, model.Cancelled: // literals, so that the partial index fits
		q.and(true, "d.status = '"+string(f.Status)+"' AND d.status <> 'delivered' AND d.status <> 'pending'")
	case model.Pending:
		q.and(true, "d.status = 'pending' AND d.settled_at IS NULL")
	default:
		q.and(true, "d.status = ?", f.Status)
	}
	return page(s.reader(ctx), q, p, "d.id", scanDelivery, func(d model.Delivery) string { return string(d.ID) })
}

// narrow adds what the filter asks for besides the status. Ids sort by time of making, nearly as the commits do: they
// find the rows, created_at decides.
func (f DeliveryFilter) narrow(q *query) {
	const apart = time.Minute
	q.and(f.EventID != "", "d.event_id = ?", f.EventID)
	q.and(f.DestinationID != "", "d.destination_id = ?", f.DestinationID)
	q.and(f.Lane != "", "d.lane = ?", f.Lane)
	q.and(!f.From.IsZero(), "d.id >= ? AND d.created_at >= ?", model.FirstDeliveryID(f.From.Add(-apart)), ms(f.From))
	q.and(!f.To.IsZero(), "d.id < ? AND d.created_at < ?", model.FirstDeliveryID(f.To.Add(apart)), ms(f.To))
}

const attemptColumns = `a.id, a.delivery_id, a.number, a.started_at, a.method, a.url, a.address, a.status_code, a.class, a.error, a.template, a.verdict,
  a.next_at, a.timings, a.request_headers, a.response_headers, a.response_cut, a.request_size, a.response_size,
  CASE WHEN a.body_is_data THEN e.data ELSE a.request_body END, a.response_body`

func scanAttempt(r row) (model.Attempt, error) {
	var a model.Attempt
	err := r.Scan(&a.ID, &a.DeliveryID, &a.Number, at{&a.StartedAt}, &a.Method, &a.URL, &a.Address, &a.StatusCode, &a.Class, &a.Error, &a.Template, &a.Verdict,
		at{&a.NextAt}, decode{&a.Timings}, decode{&a.Request.Headers}, decode{&a.Response.Headers}, &a.Response.Truncated, &a.Request.Size, &a.Response.Size,
		&a.Request.Body, &a.Response.Body)
	return a, err
}

const attemptsOf = `
SELECT ` + attemptColumns + `
FROM attempts a JOIN deliveries d ON d.id = a.delivery_id LEFT JOIN events e ON e.id = d.event_id
WHERE a.delivery_id = $1 ORDER BY a.number`

// Attempts lists the attempts of a delivery, first one first.
func (s *Store) Attempts(ctx context.Context, id model.DeliveryID) ([]model.Attempt, error) {
	return all(s.reader(ctx), scanAttempt, attemptsOf, id)
}

// ---- bookkeeping of the queue: no actor, no audit row; the deliveries themselves are the record ----

const markDelivery = `
UPDATE deliveries SET status = $1, owner = '', next_attempt_at = $2, attempts = attempts + $3, interruptions = interruptions + $4, crashes = crashes + $5,
  held = $6, last_status_code = CASE WHEN $3 THEN $7 ELSE last_status_code END, last_error = $8, user_message = $9, updated_at = $10, settled_at = $11,
  version = version + 1
WHERE id = $12 AND owner = $13 AND version = $14`

const countAttempt = `UPDATE deliveries SET attempts = attempts + 1 WHERE id = $1`

const insertAttempt = `
INSERT INTO attempts (delivery_id, number, id, started_at, method, url, address, status_code, class, error, template, verdict, next_at, timings,
  request_headers, response_headers, response_cut, request_size, response_size, request_body, body_is_data, response_body)
VALUES ($1, $22, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21)
ON CONFLICT (delivery_id, number) DO NOTHING`

// appendAttempt numbers an attempt after those that are stored.
const appendAttempt = `
INSERT INTO attempts (delivery_id, number, id, started_at, method, url, address, status_code, class, error, template, verdict, next_at, timings,
  request_headers, response_headers, response_cut, request_size, response_size, request_body, body_is_data, response_body)
VALUES ($1, (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE delivery_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21)`

// Finish records what an attempt did to a delivery that owner has in memory, as of d.Version. It returns at once; done is called from
// the writer's goroutine when the outcome is on disk (at most 10 ms later than it could be) or could not be stored.
// A delivery that was taken away meanwhile (cancelled, retried by hand) keeps its state and gains the attempt.
func (s *Store) Finish(owner model.NodeID, d model.Delivery, o model.Outcome, then func(*Tx) error, done func(error)) {
	row := attemptRow(d.ID, o) // encoded here: the writer is one for all
	renewed := attemptRow(d.ID, model.Outcome{Attempt: o.Renewed, Status: model.Retrying, BodyIsData: o.BodyIsData})
	s.writer.submit(&op{
		run: func(tx *Tx) error {
			if renewed != nil {
				if err := tx.exec(appendAttempt, renewed...); err != nil {
					return err
				}
			}
			if err := tx.finish(owner, d, o, row); err != nil {
				return err
			}
			if then != nil {
				tx.actor = model.System("dispatcher")
				return then(tx)
			}
			return nil
		},
		done: s.told(d, o, done), plain: then == nil, rides: time.Now().Add(groupWaits),
	}, false)
}

func (tx *Tx) finish(owner model.NodeID, d model.Delivery, o model.Outcome, row []any) error {
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
	marked, err := tx.count(markDelivery, o.Status, null(o.NextAt), tried, 0, crashed, o.Held, status, o.Error, o.Message, ms(tx.now), settled, d.ID, owner, d.Version)
	if err != nil || row == nil {
		return err
	}
	if marked > 0 {
		// Its number is free, but for rows that do not count (a renewed token) or that came late (below).
		n, err := tx.count(insertAttempt, append(row, d.Attempts+1)...)
		if err != nil || n > 0 {
			return err
		}
	} else if err := tx.exec(countAttempt, d.ID); err != nil {
		return err
	}
	return tx.exec(appendAttempt, row...)
}

// attemptRow are the values of an attempt, nil when there was none.
func attemptRow(id model.DeliveryID, o model.Outcome) []any {
	a := o.Attempt
	if a == nil {
		return nil
	}
	body := blob(a.Request.Body)
	if o.BodyIsData {
		body = nil
	}
	return []any{id, a.ID, ms(a.StartedAt), a.Method, a.URL, a.Address, a.StatusCode, a.Class, a.Error, a.Template, o.Status,
		ms(o.NextAt), encode(a.Timings), encode(a.Request.Headers), encode(a.Response.Headers), a.Response.Truncated, a.Request.Size, a.Response.Size,
		body, o.BodyIsData, blob(a.Response.Body)}
}

func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

const dueOf = `
SELECT d.id, coalesce(length(e.data), 0) FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
WHERE d.settled_at IS NULL AND d.owner = '' AND d.target_id = $1 AND d.lane = $2 AND d.next_attempt_at <= $3
ORDER BY d.next_attempt_at LIMIT $4`

// The + keeps the planner from walking everything that waits.
const own = `UPDATE deliveries SET owner = $1 WHERE +owner = '' AND settled_at IS NULL AND id IN (SELECT value FROM json_each($2))`

const nextDueOf = `
SELECT min(next_attempt_at) FROM deliveries
WHERE settled_at IS NULL AND owner = '' AND target_id = $1 AND lane = $2 AND next_attempt_at IS NOT NULL`

const workOf = `
SELECT ` + deliveryColumns + `, coalesce(e.external_id, ''), coalesce(e.subject, ''), coalesce(e.time, 0), coalesce(e.depth, 0), e.data` + deliveryTables + `
WHERE d.id IN (SELECT value FROM json_each($1)) ORDER BY d.next_attempt_at, d.id`

// claimBytes bounds the event data that one claim brings into memory; one delivery always fits.
const claimBytes = 8 << 20

// Claim takes up to limit due deliveries of a target and lane into owner's memory, oldest due first. next is when the
// first of the rest is due, zero when there is none.
func (s *Store) Claim(ctx context.Context, owner model.NodeID, target model.TargetID, lane model.Lane, limit int) (work []model.Work, next time.Time, err error) {
	done := make(chan error, 1)
	// Owned and read in one closure: a row is never owned by a memory that does not hold it.
	s.writer.submit(&op{plain: true, done: func(err error) { done <- err }, run: func(tx *Tx) (err error) {
		work, next, err = tx.claim(owner, target, lane, limit)
		return err
	}}, false)
	if err := <-done; err != nil {
		return nil, time.Time{}, err
	}
	return work, next, nil
}

func (tx *Tx) claim(owner model.NodeID, target model.TargetID, lane model.Lane, limit int) (work []model.Work, next time.Time, err error) {
	type due struct {
		id    string
		bytes int
	}
	rows, err := all(tx, func(r row) (d due, err error) { err = r.Scan(&d.id, &d.bytes); return }, dueOf, target, lane, ms(tx.now), limit)
	if err != nil {
		return nil, next, err
	}
	var ids []string
	for i, bytes := 0, 0; i < len(rows) && (i == 0 || bytes+rows[i].bytes <= claimBytes); i++ {
		ids, bytes = append(ids, rows[i].id), bytes+rows[i].bytes
	}
	if len(ids) > 0 {
		if work, err = all(tx, scanWork, workOf, encode(ids)); err != nil {
			return nil, next, err
		}
		if err := tx.exec(own, owner, encode(ids)); err != nil {
			return nil, next, err
		}
	}
	next, err = one(tx, "delivery", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, nextDueOf, target, lane)
	return work, next, err
}

func scanWork(r row) (model.Work, error) {
	var w model.Work
	e := &w.Event
	err := r.Scan(append(deliveryFields(&w.Delivery), &e.ExternalID, &e.Subject, at{&e.Time}, &e.Depth, (*[]byte)(&e.Data))...)
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
UPDATE deliveries SET status = CASE WHEN attempts > round_start THEN 'retrying' ELSE 'pending' END, held = '', next_attempt_at = $1, last_error = '',
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

// ---- what people do to deliveries ----

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
	if err := tx.audit("delivery", "retried", string(id), strings.TrimSpace(d.EventName+" → "+d.Destination), nil); err != nil {
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
	if err := tx.audit("delivery", "cancelled", string(id), strings.TrimSpace(d.EventName+" → "+d.Destination), nil); err != nil {
		return d, err
	}
	return one(tx, "delivery", scanDelivery, deliveryByID, id)
}
