package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const (
	instanceKeyKind = "instance_key"
	privateHalf     = "private"
	instanceKeys    = `SELECT id, public, created_at FROM instance_keys ORDER BY created_at DESC, id DESC`
	addInstanceKey  = `INSERT INTO instance_keys (id, public, created_at) VALUES ($1, $2, $3)`
	dropInstanceKey = `DELETE FROM instance_keys WHERE id = $1`
)

func scanInstanceKey(r row) (k model.InstanceKey, err error) {
	err = r.Scan(&k.ID, &k.Public, at{&k.CreatedAt})
	return k, err
}

// InstanceKeys are the keys that this instance signs with, newest first, without their private halves.
func (s *Store) InstanceKeys(ctx context.Context) ([]model.InstanceKey, error) {
	return all(s.reader(ctx), scanInstanceKey, instanceKeys)
}

// OpenInstanceKey opens the private half of a key. Only jobs calls it, to sign.
func (s *Store) OpenInstanceKey(ctx context.Context, id string) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), instanceKeyKind, id)
	return secrets[privateHalf], err
}

// AddInstanceKey stores a new key with its private half, unless another process added one after newest, and removes
// those made before old. It reports whether k is stored.
func (tx *Tx) AddInstanceKey(k model.InstanceKey, private model.Secret, newest, old time.Time) (bool, error) {
	there, err := all(tx, scanInstanceKey, instanceKeys)
	if err != nil || (len(there) > 0 && there[0].CreatedAt.After(newest)) {
		return false, err
	}
	if err := tx.exec(addInstanceKey, k.ID, k.Public, ms(tx.now)); err != nil {
		return false, err
	}
	if err := tx.seal(instanceKeyKind, k.ID, privateHalf, private); err != nil {
		return false, err
	}
	for _, x := range there {
		if !x.CreatedAt.Before(old) {
			continue
		}
		if err := tx.exec(dropSealed, instanceKeyKind, x.ID); err != nil {
			return false, err
		}
		if err := tx.exec(dropInstanceKey, x.ID); err != nil {
			return false, err
		}
	}
	tx.touch()
	return true, tx.audit("instance_key", "created", k.ID, "Key of platform tokens", changes("kid", "", k.ID))
}
