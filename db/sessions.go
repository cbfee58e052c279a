package db

import (
	"context"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const sessionColumns = `s.id, s.user_id, s.agent, s.address, s.created_at, s.seen_at, s.expires_at`

func sessionFields(s *model.Session) []any {
	return []any{&s.ID, &s.UserID, &s.Agent, &s.Address, at{&s.CreatedAt}, at{&s.SeenAt}, at{&s.ExpiresAt}}
}

func scanSession(r row) (model.Session, error) {
	var s model.Session
	err := r.Scan(sessionFields(&s)...)
	return s, err
}

const sessionByToken = `
SELECT ` + sessionColumns + `, ` + userColumns + `
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.token_hash = $1`

// SessionByToken is the live session whose token has this hash, with its user; SignedOut when there is none, when it
// ended by age or idleness, or when the user is disabled.
func (s *Store) SessionByToken(ctx context.Context, hash []byte, now time.Time) (model.Session, model.User, error) {
	var u model.User
	found, err := one(s.reader(ctx), "session", func(r row) (x model.Session, err error) {
		err = r.Scan(append(sessionFields(&x), userFields(&u)...)...)
		return x, err
	}, sessionByToken, hash)
	switch {
	case fault.Is(err, fault.NotFound):
		return model.Session{}, model.User{}, fault.New(fault.SignedOut, "You are signed out.")
	case err != nil:
		return model.Session{}, model.User{}, err
	case u.Disabled:
		return model.Session{}, model.User{}, fault.New(fault.SignedOut, "This account is disabled.")
	case !now.Before(found.ExpiresAt) || !now.Before(found.SeenAt.Add(model.SessionIdle)):
		return model.Session{}, model.User{}, fault.New(fault.SignedOut, "Your session has ended; sign in again.")
	}
	return found, u, nil
}

const sessionsOf = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.user_id = $1 ORDER BY s.id DESC LIMIT 200`

// Sessions lists the newest 200 sessions of a user, newest first, ended ones that were not yet cleaned up included.
func (s *Store) Sessions(ctx context.Context, user model.UserID) ([]model.Session, error) {
	return all(s.reader(ctx), scanSession, sessionsOf, user)
}

const (
	insertSession = `
INSERT INTO sessions (id, token_hash, user_id, agent, address, created_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`
	sessionByID    = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.id = $1`
	dropSession    = `DELETE FROM sessions WHERE id = $1`
	dropSessionsOf = `DELETE FROM sessions WHERE user_id = $1 AND id <> $2`
	seenSession    = `UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at <= $3`
	endedSessions  = `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 OR seen_at <= $2 LIMIT 500)`
)

// CreateSession stores a sign-in of sess.UserID, of whose token only the hash is kept, and fills in ID and times.
func (tx *Tx) CreateSession(sess *model.Session, tokenHash []byte) error {
	u, err := one(tx, "user", scanUser, userByID, sess.UserID)
	if err != nil {
		return err
	}
	if u.Disabled {
		return fault.New(fault.SignedOut, "This account is disabled.")
	}
	n := *sess
	n.ID, n.CreatedAt, n.SeenAt, n.ExpiresAt = model.NewSessionID(tx.now), tx.stamp(), tx.stamp(), tx.stamp().Add(model.SessionLife)
	if agent := []rune(n.Agent); len(agent) > 200 {
		n.Agent = string(agent[:200])
	}
	if err := tx.exec(insertSession, n.ID, tokenHash, n.UserID, n.Agent, n.Address, ms(tx.now), ms(n.ExpiresAt)); err != nil {
		return err
	}
	fill(tx, sess, n)
	return tx.audit("session", "created", string(n.UserID), u.Email, changes("agent", "", n.Agent))
}

// RefuseSession records a sign-in that failed; user is "" when there is no such account.
func (tx *Tx) RefuseSession(email string, user model.UserID, why string) error {
	if len(email) > 254 {
		email = email[:254]
	}
	return tx.audit("session", "refused", string(user), email, changes("reason", "", why))
}

// SeenSession notes that a session was used, at most once a minute; bookkeeping, without an audit row.
func (s *Store) SeenSession(ctx context.Context, sess model.Session, now time.Time) error {
	if now.Sub(sess.SeenAt) < time.Minute {
		return nil
	}
	return s.Write(ctx, model.System("sessions"), func(tx *Tx) error {
		return tx.exec(seenSession, ms(now), sess.ID, ms(now.Add(-time.Minute)))
	})
}

// EndSession ends one session: signing out, or taking it away.
func (tx *Tx) EndSession(id model.SessionID) error {
	old, err := one(tx, "session", scanSession, sessionByID, id)
	if err != nil {
		return err
	}
	u, err := one(tx, "user", scanUser, userByID, old.UserID)
	if err != nil {
		return err
	}
	if err := tx.exec(dropSession, id); err != nil {
		return err
	}
	return tx.audit("session", "ended", string(u.ID), u.Email, changes("agent", old.Agent, ""))
}

// EndSessions ends all sessions of a user but except ("" = all).
func (tx *Tx) EndSessions(user model.UserID, except model.SessionID) error {
	u, err := one(tx, "user", scanUser, userByID, user)
	if err != nil {
		return err
	}
	n, err := tx.count(dropSessionsOf, user, except)
	if err != nil || n == 0 {
		return err
	}
	return tx.audit("session", "ended", string(user), u.Email, changes("count", "", strconv.FormatInt(n, 10)))
}

// ForgetSessions removes up to 500 sessions that ended before now and says how many went.
func (s *Store) ForgetSessions(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(endedSessions, ms(now), ms(now.Add(-model.SessionIdle)))
		return err
	})
	return n, err
}
