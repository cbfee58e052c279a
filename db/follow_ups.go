package db

import (
	"context"
	"slices"
	"time"

	"waybill/db/model"
)

// A follow-up is a message that the other side took without telling what becomes of it. Its deliveries have no next attempt and
// are held as model.HeldOutcome until that is told; the row is stored in the transaction that records the attempt, so it
// survives the process.

const saveFollowUp = `
INSERT INTO follow_ups (message_id, target_id, destination_id, members, reference, since, due_at, asked, words) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')
ON CONFLICT (message_id) DO UPDATE SET members = excluded.members, reference = excluded.reference, since = excluded.since, due_at = excluded.due_at,
  asked = 0, words = ''`

// followUp stores that a message is to be followed; one that was sent again is followed by its newer reference.
func (tx *Tx) followUp(w model.Work, o model.Outcome) error {
	var members []model.DeliveryID
	for i, m := range w.Each() {
		if o.Of(i).Held == model.HeldOutcome {
			members = append(members, m.Delivery.ID)
		}
	}
	d, f := w.Delivery, o.Follow
	err := tx.exec(saveFollowUp, w.MessageID(), d.TargetID, d.DestinationID, encode(members), f.Reference, ms(tx.now), ms(tx.now.Add(f.After)))
	if hook := tx.w.s.followed.Load(); hook != nil && err == nil {
		tx.After(*hook)
	}
	return err
}

// OnFollow calls hook, from the keeper's goroutine, when there is a message to follow: it must not block. It is set once.
func (s *Store) OnFollow(hook func()) { s.followed.Store(&hook) }

const followUpColumns = `message_id, target_id, destination_id, members, reference, since, due_at, asked, words`

func scanFollowUp(r row) (model.FollowUp, error) {
	var f model.FollowUp
	err := r.Scan(&f.MessageID, &f.TargetID, &f.DestinationID, decode{&f.Members}, &f.Reference, at{&f.Since}, at{&f.DueAt}, &f.Asked, &f.Words)
	return f, err
}

const (
	// It jumps from target to target: one with many follow-ups is no more work than one with few.
	followTargets = `
WITH RECURSIVE names (id) AS (
  SELECT min(target_id) FROM follow_ups
  UNION ALL SELECT (SELECT min(target_id) FROM follow_ups WHERE target_id > names.id) FROM names WHERE names.id IS NOT NULL)
SELECT id, (SELECT min(due_at) FROM follow_ups WHERE target_id = names.id) FROM names WHERE id IS NOT NULL`
	dueFollowUps = `SELECT ` + followUpColumns + ` FROM follow_ups WHERE target_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT +$3`
	followUpOf   = `SELECT ` + followUpColumns + ` FROM follow_ups WHERE message_id = $1`
	askAgain     = `UPDATE follow_ups SET due_at = $1, asked = asked + 1, words = $2 WHERE message_id = $3 AND reference = $4`
	dropFollowUp = `DELETE FROM follow_ups WHERE message_id = $1 AND reference = $2`
)

// Following is when the first follow-up of a target is due.
type Following struct {
	Target model.TargetID
	Due    time.Time
}

// Following lists the targets with messages to follow.
func (s *Store) Following(ctx context.Context) ([]Following, error) {
	return all(s.reader(ctx), func(r row) (f Following, err error) { err = r.Scan(&f.Target, at{&f.Due}); return }, followTargets)
}

// DueFollowUps lists up to limit follow-ups of a target that are due at now, the oldest first.
func (s *Store) DueFollowUps(ctx context.Context, target model.TargetID, now time.Time, limit int) ([]model.FollowUp, error) {
	return all(s.reader(ctx), scanFollowUp, dueFollowUps, target, ms(now), limit)
}

// FollowUp tells how a message is followed; NotFound when it is not.
func (s *Store) FollowUp(ctx context.Context, message string) (model.FollowUp, error) {
	return one(s.reader(ctx), "follow-up", scanFollowUp, followUpOf, message)
}

// AskAgain says when the outcome of a message is asked for next, and what was said now.
func (s *Store) AskAgain(ctx context.Context, f model.FollowUp, due time.Time, words string) error {
	return s.WriteBulk(ctx, model.System("follow"), func(tx *Tx) error { return tx.exec(askAgain, ms(due), words, f.MessageID, f.Reference) })
}

// DropFollowUp ends following a message for which nobody waits any more.
func (s *Store) DropFollowUp(ctx context.Context, f model.FollowUp) error {
	return s.WriteBulk(ctx, model.System("follow"), func(tx *Tx) error { return tx.exec(dropFollowUp, f.MessageID, f.Reference) })
}

const awaitingOutcome = `
SELECT ` + workColumns + workTables + `
WHERE d.id IN (SELECT value FROM json_each($1)) AND d.settled_at IS NULL AND d.owner = '' AND d.held = 'outcome'`

// AwaitingOutcome is a message that is followed, as far as its deliveries still wait for its outcome: without those that
// were cancelled or retried by hand. at says which place each had in the message; none is left when it is empty.
func (s *Store) AwaitingOutcome(ctx context.Context, f model.FollowUp) (w model.Work, at []int, err error) {
	list, err := all(s.reader(ctx), scanWork, awaitingOutcome, encode(f.Members))
	if err != nil || len(list) == 0 {
		return w, nil, err
	}
	place := func(m model.Work) int { return slices.Index(f.Members, m.Delivery.ID) }
	slices.SortFunc(list, func(a, b model.Work) int { return place(a) - place(b) })
	for _, m := range list {
		at = append(at, place(m))
	}
	if w = list[0]; w.Delivery.Batched() {
		w.Batch = list
	}
	return w, at, nil
}
