package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const (
	resetAsked  = `SELECT EXISTS (SELECT 1 FROM password_resets WHERE user_id = $1 AND created_at > $2)`
	insertReset = `
INSERT INTO password_resets (user_id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`
	userOfReset = `SELECT ` + userColumns + ` FROM password_resets p JOIN users u ON u.id = p.user_id WHERE p.token_hash = $1 AND p.expires_at > $2`
	dropReset   = `DELETE FROM password_resets WHERE user_id = $1`
)

// AskReset makes a link for whoever has the address, of whose token only the hash is kept; a link before it ends. It reports
// whether it did: there must be such a user, who is not disabled and did not ask within ResetPause.
func (tx *Tx) AskReset(email string, tokenHash []byte) (model.User, bool, error) {
	u, err := one(tx, "user", scanUser, userAt, lower(email))
	if fault.Is(err, fault.NotFound) || err == nil && u.Disabled {
		return model.User{}, false, nil
	}
	if err != nil {
		return u, false, err
	}
	if lately, err := tx.has(resetAsked, u.ID, ms(tx.now.Add(-model.ResetPause))); err != nil || lately {
		return u, false, err
	}
	if err := tx.exec(insertReset, u.ID, tokenHash, ms(tx.now), ms(tx.now.Add(model.ResetLife))); err != nil {
		return u, false, err
	}
	return u, true, tx.audit("user", "reset_asked", string(u.ID), u.Email, nil)
}

// ResetByToken is whose link holds the token with this hash. One that does not work, for whatever reason, is NotFound.
func (s *Store) ResetByToken(ctx context.Context, hash []byte, now time.Time) (model.User, error) {
	return openReset(s.reader(ctx), hash, now)
}

func openReset(q querier, hash []byte, now time.Time) (model.User, error) {
	u, err := one(q, "user", scanUser, userOfReset, hash, ms(now))
	if fault.Is(err, fault.NotFound) || err == nil && u.Disabled {
		return model.User{}, fault.New(fault.NotFound, "This link no longer works: it works once, for an hour, and ends when another one is asked for.")
	}
	return u, err
}

// ResetPassword sets the password of whoever has the link, which ends with all of his sessions.
func (tx *Tx) ResetPassword(tokenHash []byte, passwordHash string) (model.User, error) {
	u, err := openReset(tx, tokenHash, tx.now)
	if err != nil {
		return u, err
	}
	if err := tx.exec(setPassword, passwordHash, ms(tx.now), u.ID); err != nil {
		return u, err
	}
	if err := tx.exec(dropSessionsOf, u.ID, ""); err != nil {
		return u, err
	}
	if err := tx.exec(dropReset, u.ID); err != nil {
		return u, err
	}
	tx.touch()
	return u, tx.audit("user", "password_reset", string(u.ID), u.Email, []model.Change{{Field: "password", Before: model.Mask, After: model.Mask}})
}
