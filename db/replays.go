package db

import (
	"context"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const replayColumns = `id, filter, status, by_name, total, counted, before_id, after_id, made, passed_over, delivered, failed, dropped,
  created_at, updated_at, finished_at, version`

func scanReplay(r row) (model.Replay, error) {
	var p model.Replay
	err := r.Scan(&p.ID, decode{&p.Filter}, &p.Status, &p.By, &p.Total, &p.Counted, &p.Before, &p.After, &p.Made, &p.PassedOver, &p.Delivered, &p.Failed, &p.Dropped,
		at{&p.CreatedAt}, at{&p.UpdatedAt}, at{&p.FinishedAt}, &p.Version)
	return p, err
}

const (
	replayByID  = `SELECT ` + replayColumns + ` FROM replays WHERE id = $1`
	openReplays = `SELECT ` + replayColumns + ` FROM replays WHERE finished_at IS NULL ORDER BY id LIMIT 100`
)

// Replay is one replay.
func (s *Store) Replay(ctx context.Context, id model.ReplayID) (model.Replay, error) {
	return one(s.reader(ctx), "replay", scanReplay, replayByID, id)
}

// Replays lists replays, newest first.
func (s *Store) Replays(ctx context.Context, p Page) ([]model.Replay, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+replayColumns+" FROM replays"), p, keyed{"id", "rpl_"}, scanReplay, func(r model.Replay) string { return string(r.ID) })
}

// OpenReplays lists up to 100 replays with something left to do, oldest first.
func (s *Store) OpenReplays(ctx context.Context) ([]model.Replay, error) {
	return all(s.reader(ctx), scanReplay, openReplays)
}

// ReplayCandidates reads up to limit deliveries with ids between after and before, lowest first, among which all are that
// f wants: one index narrows, f.Fits decides.
func (s *Store) ReplayCandidates(ctx context.Context, f model.ReplayFilter, after, before model.DeliveryID, limit int) ([]model.ReplayCandidate, error) {
	q := selecting(`SELECT d.id, d.event_id, coalesce(e.name, ''), coalesce(e.subject, ''), d.target_id, d.destination_id, d.action_id, d.lane, d.status, d.created_at, coalesce(length(e.data), 0) > 0
FROM deliveries d LEFT JOIN events e ON e.id = d.event_id`)
	switch {
	case len(f.IDs) > 0:
		q.and(true, "d.id IN (SELECT value FROM json_each(?))", encode(f.IDs))
	case f.EventID != "":
		q.and(true, "d.event_id = ?", f.EventID)
	case f.Status == model.Failed, f.Status == model.Skipped, f.Status == model.Cancelled: // literals, so that the partial index fits
		q.and(true, "d.status = '"+string(f.Status)+"' AND d.status <> 'delivered' AND d.status <> 'pending'")
	case f.DestinationID != "":
		q.and(true, "d.destination_id = ?", f.DestinationID)
	}
	DeliveryFilter{From: f.From, To: f.To}.narrow(q)
	q.and(after != "", "d.id > ?", after)
	q.and(true, "d.id < ?", before)
	return all(s.reader(ctx), func(r row) (c model.ReplayCandidate, err error) {
		err = r.Scan(&c.ID, &c.EventID, &c.Event, &c.Subject, &c.TargetID, &c.DestinationID, &c.ActionID, &c.Lane, &c.Status, at{&c.CreatedAt}, &c.HasData)
		return c, err
	}, q.sql(" ORDER BY d.id LIMIT +?"), append(q.args, limit)...)
}

const oldReplays = `DELETE FROM replays WHERE id IN (SELECT id FROM replays WHERE id < $1 AND finished_at IS NOT NULL ORDER BY id LIMIT 50)`

// ForgetReplays removes up to 50 finished replays that began before t. It returns how many.
func (s *Store) ForgetReplays(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(oldReplays, model.FirstID("rpl_", before))
		return err
	})
	return n, err
}

const insertReplay = `
INSERT INTO replays (id, filter, status, by_name, total, counted, before_id, after_id, made, passed_over, delivered, failed, dropped,
  created_at, updated_at, finished_at, version)
VALUES ($1, $2, 'running', $3, $4, $5, $6, '', 0, 0, 0, 0, 0, $7, $7, NULL, 1)`

// CreateReplay stores r, of which Filter, Total, Counted and Before are given, and fills in the rest.
func (tx *Tx) CreateReplay(r *model.Replay) error {
	n := *r
	n.ID, n.Status, n.By, n.CreatedAt, n.UpdatedAt, n.Version = model.NewReplayID(tx.now), model.ReplayRunning, plain(tx.actor.Name), tx.stamp(), tx.stamp(), 1
	if err := tx.exec(insertReplay, n.ID, encode(n.Filter), n.By, n.Total, n.Counted, n.Before, ms(tx.now)); err != nil {
		return err
	}
	fill(tx, r, n)
	return tx.audit("replay", "started", string(n.ID), replayName(n), changes("filter", "", encode(n.Filter)))
}

// replayName names a replay in the audit log.
func replayName(r model.Replay) string {
	return "Replay of " + strconv.FormatInt(r.Total, 10) + " deliveries"
}

const cancelReplay = `UPDATE replays SET status = 'cancelled', updated_at = $1, version = version + 1 WHERE id = $2 AND status = 'running'`

// CancelReplay ends a replay: nothing more is made, and what it made and was not settled is cancelled by whoever runs it.
func (tx *Tx) CancelReplay(id model.ReplayID) (model.Replay, error) {
	r, err := one(tx, "replay", scanReplay, replayByID, id)
	if err != nil {
		return r, err
	}
	n, err := tx.count(cancelReplay, ms(tx.now), id)
	if err != nil {
		return r, err
	}
	if n == 0 {
		return r, fault.Coded(fault.Conflict, "settled", "This replay is already %s.", fault.State(r.Status))
	}
	if err := tx.audit("replay", "cancelled", string(id), replayName(r), nil); err != nil {
		return r, err
	}
	return one(tx, "replay", scanReplay, replayByID, id)
}

const (
	replayRuns      = `SELECT EXISTS (SELECT 1 FROM replays WHERE id = $1 AND status = 'running')`
	insertItem      = `INSERT INTO replay_items (replay_id, tried, delivery_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	dropItem        = `DELETE FROM replay_items WHERE replay_id = $1 AND tried IN (0, 1) AND delivery_id IN (SELECT value FROM json_each($2))`
	advanceReplay   = `UPDATE replays SET after_id = $1, made = made + $2, passed_over = passed_over + $3, updated_at = $4, version = version + 1 WHERE id = $5`
	countReplay     = `UPDATE replays SET delivered = delivered + $1, failed = failed + $2, dropped = dropped + $3, updated_at = $4, version = version + 1 WHERE id = $5`
	finishReplay    = `UPDATE replays SET status = CASE status WHEN 'running' THEN 'done' ELSE status END, finished_at = $1, updated_at = $1, version = version + 1 WHERE id = $2`
	orderedOf       = `SELECT ` + deliveryColumns + deliveryTables + ` WHERE d.seq > 0 AND d.id IN (SELECT value FROM json_each($1))`
	cancelDelivered = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, last_error = 'The replay was cancelled.', updated_at = $1, settled_at = $1,
  version = version + 1
WHERE settled_at IS NULL AND id IN (SELECT value FROM json_each($2))`
)

// AdvanceReplay stores what a step of a replay made: deliveries (at most 200), how many were passed over, and the id up to which it
// looked. It reports false, and stores nothing, when the replay no longer runs.
func (s *Store) AdvanceReplay(ctx context.Context, id model.ReplayID, made []model.Delivery, passed int, after model.DeliveryID) (ok bool, err error) {
	err = s.WriteBulk(ctx, model.System("replay"), func(tx *Tx) (err error) {
		if ok, err = tx.has(replayRuns, id); err != nil || !ok {
			return err
		}
		for _, d := range made {
			if _, err := tx.insertDelivery(d, ""); err != nil {
				return err
			}
			if err := tx.exec(insertItem, id, 0, d.ID); err != nil {
				return err
			}
		}
		return tx.exec(advanceReplay, after, len(made), passed, ms(tx.now), id)
	})
	return ok && err == nil, err
}

const itemsOf = `
SELECT i.delivery_id, coalesce(d.status, ''), coalesce(d.attempts, 0) FROM replay_items i LEFT JOIN deliveries d ON d.id = i.delivery_id
WHERE i.replay_id = $1 AND i.tried = $2 AND i.delivery_id > $3 ORDER BY i.delivery_id LIMIT +$4`

// ReplayItem is a delivery of a replay as it stands; Status "" = it is gone.
type ReplayItem struct {
	ID       model.DeliveryID
	Status   model.Status
	Attempts int
}

// ReplayItems lists up to limit deliveries of a replay after one, tried ones or those that are not.
func (s *Store) ReplayItems(ctx context.Context, id model.ReplayID, tried bool, after model.DeliveryID, limit int) ([]ReplayItem, error) {
	return all(s.reader(ctx), func(r row) (i ReplayItem, err error) { err = r.Scan(&i.ID, &i.Status, &i.Attempts); return i, err }, itemsOf, id, tried, after, limit)
}

// Of the oldest items of each kind: those not tried yet, and those that were.
const replayHeld = `
SELECT coalesce(sum(held), 0), coalesce(sum(tried), 0), coalesce(sum(1 - tried), 0) FROM (SELECT d.held = 'disabled' held, i.tried
  FROM (SELECT delivery_id, tried FROM (SELECT delivery_id, tried FROM replay_items WHERE replay_id = $1 AND tried = 0 ORDER BY delivery_id LIMIT +$2)
    UNION ALL SELECT delivery_id, tried FROM (SELECT delivery_id, tried FROM replay_items WHERE replay_id = $1 AND tried = 1 ORDER BY delivery_id LIMIT +$2)) i
  CROSS JOIN deliveries d ON d.id = i.delivery_id)`

// ReplayHeld counts the deliveries of a replay that are held because their target is off, among 500 that are open and untried and
// 500 that were tried; more: it did not look at all of them.
func (s *Store) ReplayHeld(ctx context.Context, id model.ReplayID) (held int64, more bool, err error) {
	var tried, untried int64
	_, err = one(s.reader(ctx), "count", func(r row) (none struct{}, err error) { return none, r.Scan(&held, &tried, &untried) }, replayHeld, id, walked)
	return held, max(tried, untried) >= walked, err
}

// CountReplay stores what became of deliveries of a replay, at most 200 in all.
func (s *Store) CountReplay(ctx context.Context, id model.ReplayID, p model.ReplayProgress) error {
	return s.WriteBulk(ctx, model.System("replay"), func(tx *Tx) error {
		if err := tx.exec(dropItem, id, encode(append(append([]model.DeliveryID{}, p.Settled...), p.Tried...))); err != nil {
			return err
		}
		for _, d := range p.Tried {
			if err := tx.exec(insertItem, id, 1, d); err != nil {
				return err
			}
		}
		return tx.exec(countReplay, p.Delivered, p.Failed, p.Dropped, ms(tx.now), id)
	})
}

// CancelReplayItems cancels deliveries of a cancelled replay, at most 200.
func (s *Store) CancelReplayItems(ctx context.Context, id model.ReplayID, list []model.DeliveryID) error {
	return s.WriteBulk(ctx, model.System("replay"), func(tx *Tx) error {
		if err := tx.exec(cancelDelivered, ms(tx.now), encode(list)); err != nil {
			return err
		}
		gone, err := all(tx, scanDelivery, orderedOf, encode(list))
		if err != nil {
			return err
		}
		for _, d := range gone {
			if err := tx.cancelled(d); err != nil {
				return err
			}
		}
		if err := tx.exec(dropItem, id, encode(list)); err != nil {
			return err
		}
		return tx.exec(countReplay, 0, 0, len(list), ms(tx.now), id)
	})
}

// FinishReplay marks a replay as having nothing left to do.
func (s *Store) FinishReplay(ctx context.Context, id model.ReplayID) error {
	return s.WriteBulk(ctx, model.System("replay"), func(tx *Tx) error { return tx.exec(finishReplay, ms(tx.now), id) })
}
