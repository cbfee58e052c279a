package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const healthColumns = `id, failing_since, tries, breaker, opens, until_at, last_error, disabled_at, disabled_reason, updated_at`

func scanHealth(r row) (model.Health, error) {
	var h model.Health
	err := r.Scan(&h.ID, at{&h.FailingSince}, &h.Tries, &h.Breaker, &h.Opens, at{&h.Until}, &h.LastError, at{&h.DisabledAt}, &h.DisabledReason,
		at{&h.UpdatedAt})
	return h, err
}

const allHealth = `SELECT ` + healthColumns + ` FROM targets`

// Ailing lists the targets that are not well.
func (s *Store) Ailing(ctx context.Context) ([]model.Health, error) {
	return all(s.reader(ctx), scanHealth, allHealth)
}

const healthByID = `SELECT ` + healthColumns + ` FROM targets WHERE id = $1`

// Health is what is known of a target; one that was never ill is well.
func (s *Store) Health(ctx context.Context, id model.TargetID) (model.Health, error) {
	return health(s.reader(ctx), id)
}

func health(q querier, id model.TargetID) (model.Health, error) {
	list, err := all(q, scanHealth, healthByID, id)
	if err != nil || len(list) == 0 {
		return model.Health{ID: id}, err
	}
	return list[0], nil
}

const saveHealth = `
INSERT INTO targets (id, failing_since, tries, breaker, opens, until_at, last_error, disabled_at, disabled_reason, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', $8)
ON CONFLICT (id) DO UPDATE SET failing_since = excluded.failing_since, tries = excluded.tries, breaker = excluded.breaker,
  opens = excluded.opens, until_at = excluded.until_at, last_error = excluded.last_error, updated_at = excluded.updated_at`

const dropHealth = `DELETE FROM targets WHERE id = $1 AND disabled_at = 0`

// SaveHealth keeps what the dispatcher saw of a target, but for its being switched off: bookkeeping of the queue.
func (tx *Tx) SaveHealth(h model.Health) error {
	if h.DisabledAt = (time.Time{}); h.Well() {
		return tx.exec(dropHealth, h.ID)
	}
	return tx.exec(saveHealth, h.ID, ms(h.FailingSince), h.Tries, h.Breaker, h.Opens, ms(h.Until), h.LastError, ms(tx.now))
}

const switchOffTarget = `
INSERT INTO targets (id, failing_since, tries, breaker, opens, until_at, last_error, disabled_at, disabled_reason, updated_at)
VALUES ($1, 0, 0, '', 0, 0, '', $2, $3, $2)
ON CONFLICT (id) DO UPDATE SET disabled_at = excluded.disabled_at, disabled_reason = excluded.disabled_reason, updated_at = excluded.updated_at`

// SwitchOffTarget switches a target off that is not a destination; one that is off stays as it is. name is for the audit log.
func (tx *Tx) SwitchOffTarget(id model.TargetID, name, reason string) error {
	h, err := health(tx, id)
	if err != nil || !h.DisabledAt.IsZero() {
		return err
	}
	if err := tx.exec(switchOffTarget, id, ms(tx.now), reason); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("target", "disabled", string(id), name, changes("disabled_reason", "", reason))
}

const switchOnTarget = `DELETE FROM targets WHERE id = $1 AND disabled_at > 0`

// SwitchOnTarget switches a target on again that SwitchOffTarget switched off, as one that is well; else nothing happens.
func (tx *Tx) SwitchOnTarget(id model.TargetID, name string) error {
	h, err := health(tx, id)
	if err != nil || h.DisabledAt.IsZero() {
		return err
	}
	if err := tx.exec(switchOnTarget, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("target", "enabled", string(id), name, changes("disabled_reason", h.DisabledReason, ""))
}

const targetsOff = `SELECT ` + healthColumns + ` FROM targets WHERE disabled_at > 0`
