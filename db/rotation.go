package db

import (
	"context"
	"maps"
	"slices"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Where the secrets of a rotation are sealed; the row is the credential's.
const (
	pendingKind = "credential.pending"
	formerKind  = "credential.former"
)

const (
	rotationOf = `
SELECT credential_id, state, config, expires_at, ends_at, by_name, started_at, until_at, tried_at, tried_on, tried_status, tried_error,
  (SELECT json_group_array(name) FROM (SELECT name FROM sealed
    WHERE kind = CASE rotations.state WHEN 'pending' THEN 'credential.pending' ELSE 'credential.former' END AND row_id = credential_id ORDER BY name))
FROM rotations WHERE credential_id = $1`
	insertRotation = `
INSERT INTO rotations (credential_id, state, config, expires_at, ends_at, by_name, started_at, until_at, tried_at, tried_on, tried_status, tried_error)
VALUES ($1, 'pending', $2, $3, $4, $5, $6, 0, 0, '', 0, '')`
	dropRotation   = `DELETE FROM rotations WHERE credential_id = $1`
	triedRotation  = `UPDATE rotations SET tried_at = $1, tried_on = $2, tried_status = $3, tried_error = $4 WHERE credential_id = $5`
	liveRotation   = `UPDATE rotations SET state = 'live', config = $1, expires_at = $2, ends_at = $3, until_at = $4 WHERE credential_id = $5`
	swapCredential = `UPDATE credentials SET config = $1, expires_at = $2, ends_at = $3, updated_at = $4, version = version + 1 WHERE id = $5`
	formerOver     = `SELECT credential_id FROM rotations WHERE state = 'live' AND until_at <= $1 ORDER BY until_at LIMIT 100`
)

func scanRotation(r row) (x model.Rotation, err error) {
	err = r.Scan(&x.CredentialID, &x.State, decode{&x.Config}, at{&x.ExpiresAt}, at{&x.EndsAt}, &x.By, at{&x.StartedAt}, at{&x.Until}, at{&x.Trial.At}, &x.Trial.On,
		&x.Trial.Status, &x.Trial.Error, decode{&x.Stored})
	return x, err
}

// Rotation is the change of a credential's secret that is under way or can still be taken back; NotFound without one.
func (s *Store) Rotation(ctx context.Context, id model.CredentialID) (model.Rotation, error) {
	return one(s.reader(ctx), "rotation", scanRotation, rotationOf, id)
}

// OpenPending opens the secrets that are on trial. Only jobs calls it, to try them.
func (s *Store) OpenPending(ctx context.Context, id model.CredentialID) (model.Secrets, error) {
	return s.unseal(s.reader(ctx), pendingKind, string(id))
}

// sealAs seals secrets for one place.
func (tx *Tx) sealAs(kind string, id model.CredentialID, secrets model.Secrets) error {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if err := tx.seal(kind, string(id), name, secrets[name]); err != nil {
			return err
		}
	}
	return nil
}

// endRotation forgets a rotation with its secrets, whatever its state.
func (tx *Tx) endRotation(id model.CredentialID) error {
	for _, kind := range []string{pendingKind, formerKind} {
		if err := tx.exec(dropSealed, kind, id); err != nil {
			return err
		}
	}
	return tx.exec(dropRotation, id)
}

// StartRotation stores c's settings and the secrets s beside those in use, in place of an earlier rotation. Secrets that
// s does not hold are those in use. c.Version is what the caller saw, as in UpdateConnection.
func (tx *Tx) StartRotation(c model.Credential, s model.Secrets) error {
	old, err := one(tx, "credential", scanCredential, credentialByID, c.ID)
	if err != nil {
		return err
	}
	if err := current("credential", c.Version, old.Version); err != nil {
		return err
	}
	c.Type = old.Type
	if err := tx.mayPickKey(old, c); err != nil {
		return err
	}
	all, err := tx.w.s.unseal(tx, credentialKind, string(c.ID))
	if err != nil {
		return err
	}
	diff := configChanges("config.", old.Config, c.Config)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if s[name] != "" && s[name] != all[name] {
			all[name], diff = s[name], append(diff, model.Change{Field: "config." + name, Before: model.Mask, After: model.Mask})
		}
	}
	if len(diff) == 0 {
		return complain("", "This is what is in use already; type the new secret.")
	}
	if err := tx.endRotation(c.ID); err != nil {
		return err
	}
	if err := tx.exec(insertRotation, c.ID, encode(c.Config), ms(c.ExpiresAt), ms(c.EndsAt), tx.actor.Name, ms(tx.now)); err != nil {
		return err
	}
	if err := tx.sealAs(pendingKind, c.ID, all); err != nil {
		return err
	}
	return tx.audit("credential", "rotation_started", string(c.ID), old.Name, diff)
}

// rotationIn is the rotation of a credential in the state that is wanted.
func (tx *Tx) rotationIn(id model.CredentialID, want model.RotationState) (model.Credential, model.Rotation, error) {
	c, err := one(tx, "credential", scanCredential, credentialByID, id)
	if err != nil {
		return c, model.Rotation{}, err
	}
	x, err := one(tx, "rotation", scanRotation, rotationOf, id)
	switch {
	case fault.Is(err, fault.NotFound) || (err == nil && x.State != want && want == model.RotationPending):
		return c, x, fault.Coded(fault.Conflict, "no_rotation", "No new secret of “%s” is waiting; store one first.", c.Name)
	case err == nil && x.State != want:
		return c, x, fault.Coded(fault.Conflict, "no_rotation", "The former secret of “%s” is not kept: the new one is not in use yet.", c.Name)
	}
	return c, x, err
}

// TriedRotation notes what became of the secrets on trial at one destination.
func (tx *Tx) TriedRotation(id model.CredentialID, t model.Trial) error {
	c, _, err := tx.rotationIn(id, model.RotationPending)
	if err != nil {
		return err
	}
	if err := tx.exec(triedRotation, ms(tx.now), t.On, t.Status, t.Error, id); err != nil {
		return err
	}
	word := "succeeded"
	if t.Error != "" {
		word = t.Error
	}
	return tx.audit("credential", "rotation_tried", string(id), c.Name, changes("destination", "", t.On, "result", "", word))
}

// swap puts x's settings and the secrets of one place in use and gives what was in use.
func (tx *Tx) swap(c model.Credential, x model.Rotation, from string) (model.Secrets, error) {
	former, err := tx.w.s.unseal(tx, credentialKind, string(c.ID))
	if err != nil {
		return nil, err
	}
	next, err := tx.w.s.unseal(tx, from, string(c.ID))
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{credentialKind, from} {
		if err := tx.exec(dropSealed, kind, c.ID); err != nil {
			return nil, err
		}
	}
	if err := tx.exec(swapCredential, encode(x.Config), ms(x.ExpiresAt), ms(x.EndsAt), ms(tx.now), c.ID); err != nil {
		return nil, err
	}
	tx.touch()
	return former, tx.sealAs(credentialKind, c.ID, next)
}

// ApplyRotation puts the secrets on trial in use, everywhere at once, and keeps the former ones for FormerLife.
func (tx *Tx) ApplyRotation(id model.CredentialID) error {
	c, x, err := tx.rotationIn(id, model.RotationPending)
	if err != nil {
		return err
	}
	former, err := tx.swap(c, x, pendingKind)
	if err != nil {
		return err
	}
	until := tx.now.Add(model.FormerLife)
	if err := tx.exec(liveRotation, encode(c.Config), ms(c.ExpiresAt), ms(c.EndsAt), ms(until), id); err != nil {
		return err
	}
	if err := tx.sealAs(formerKind, id, former); err != nil {
		return err
	}
	return tx.audit("credential", "rotated", string(id), c.Name, append(configChanges("config.", c.Config, x.Config), model.Change{Field: "former_kept_until", After: stamped(until)}))
}

// RollBackRotation puts the former secrets back in use and forgets the newer ones.
func (tx *Tx) RollBackRotation(id model.CredentialID) error {
	c, x, err := tx.rotationIn(id, model.RotationLive)
	if err != nil {
		return err
	}
	if _, err := tx.swap(c, x, formerKind); err != nil {
		return err
	}
	if err := tx.endRotation(id); err != nil {
		return err
	}
	return tx.audit("credential", "rolled_back", string(id), c.Name, configChanges("config.", c.Config, x.Config))
}

// DropRotation forgets the secrets that are not in use: those on trial, or the former ones.
func (tx *Tx) DropRotation(id model.CredentialID) error {
	c, err := one(tx, "credential", scanCredential, credentialByID, id)
	if err != nil {
		return err
	}
	x, err := one(tx, "rotation", scanRotation, rotationOf, id)
	if err != nil {
		return err
	}
	if err := tx.endRotation(id); err != nil {
		return err
	}
	word := "rotation_dropped"
	if x.State == model.RotationLive {
		word = "former_forgotten"
	}
	return tx.audit("credential", word, string(id), c.Name, []model.Change{{Field: "secrets", Before: model.Mask}})
}

// ForgetFormer forgets the former secrets of up to 100 credentials whose time is over. It returns how many.
func (s *Store) ForgetFormer(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		ids, err := all(tx, text[model.CredentialID], formerOver, ms(now))
		n = int64(len(ids))
		for _, id := range ids {
			if err := tx.DropRotation(id); err != nil {
				return err
			}
		}
		return err
	})
	return n, err
}
