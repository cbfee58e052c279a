package db

import (
	"context"
	"crypto/rand"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// InboundKeyPrefix begins every key of an inbound endpoint; such a key is useless on the API.
const InboundKeyPrefix = "wbi_"

// The kinds under which keys and secrets are sealed, by the id of their row, with the name "text".
const (
	inboundKeyKind    = "inbound_key"
	inboundSecretKind = "inbound_secret"
	sealedText        = "text"
)

// newInboundKey makes a key as NewKey does.
func newInboundKey() (key model.Secret, hash []byte, hint string) {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	text := InboundKeyPrefix + base32Text.EncodeToString(raw[:])
	text += checkSum(text)
	return model.Secret(text), HashKey(text), text[:len(InboundKeyPrefix)+6]
}

const (
	inboundKeyColumns = `id, hint, created_at, expires_at, revoked_at`
	inboundKeysOf     = `SELECT ` + inboundKeyColumns + ` FROM inbound_keys WHERE endpoint_id = $1 ORDER BY id`
	inboundSecretsOf  = `SELECT id, name, created_at, expires_at FROM inbound_secrets WHERE endpoint_id = $1 ORDER BY id`
)

func scanInboundKey(r row) (k model.InboundKey, err error) {
	err = r.Scan(&k.ID, &k.Hint, at{&k.CreatedAt}, at{&k.ExpiresAt}, at{&k.RevokedAt})
	return k, err
}

func scanInboundSecret(r row) (s model.InboundSecret, err error) {
	err = r.Scan(&s.ID, &s.Name, at{&s.CreatedAt}, at{&s.ExpiresAt})
	return s, err
}

// OpenInboundKey is the text of a key, for those who may see the whole URL.
func (s *Store) OpenInboundKey(ctx context.Context, id model.InboundKeyID) (model.Secret, error) {
	boxes, err := s.unseal(s.reader(ctx), inboundKeyKind, string(id))
	return boxes[sealedText], err
}

// OpenInboundSecrets opens what calls of e are verified with.
func (s *Store) OpenInboundSecrets(ctx context.Context, e model.InboundEndpoint) ([]model.InboundSecret, error) {
	out := append([]model.InboundSecret(nil), e.Secrets...)
	for i := range out {
		boxes, err := s.unseal(s.reader(ctx), inboundSecretKind, string(out[i].ID))
		if err != nil {
			return nil, err
		}
		out[i].Secret = boxes[sealedText]
	}
	return out, nil
}

const (
	insertInboundKey    = `INSERT INTO inbound_keys (id, endpoint_id, hash, hint, created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, 0, 0)`
	expireInboundKeys   = `UPDATE inbound_keys SET expires_at = $1 WHERE endpoint_id = $2 AND revoked_at = 0 AND id <> $3 AND (expires_at = 0 OR expires_at > $1)`
	revokeInboundKey    = `UPDATE inbound_keys SET revoked_at = $1 WHERE id = $2`
	keyOfInbound        = `SELECT ` + inboundKeyColumns + ` FROM inbound_keys WHERE id = $1 AND endpoint_id = $2`
	insertInboundSecret = `INSERT INTO inbound_secrets (id, endpoint_id, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`
	expireInboundSecret = `UPDATE inbound_secrets SET expires_at = $1 WHERE endpoint_id = $2 AND name = $3 AND id <> $4 AND (expires_at = 0 OR expires_at > $1)`
	deleteInboundSecret = `DELETE FROM inbound_secrets WHERE id = $1`
	touchInbound        = `UPDATE inbound_endpoints SET updated_at = $1, version = version + 1 WHERE id = $2`
)

// addInboundKey gives e one more key.
func (tx *Tx) addInboundKey(e *model.InboundEndpoint) error {
	key, hash, hint := newInboundKey()
	k := model.InboundKey{ID: model.NewInboundKeyID(tx.now), Hint: hint, CreatedAt: tx.stamp()}
	if err := tx.exec(insertInboundKey, k.ID, e.ID, hash, hint, ms(tx.now)); err != nil {
		return err
	}
	e.Keys = append(e.Keys[:len(e.Keys):len(e.Keys)], k)
	return tx.seal(inboundKeyKind, string(k.ID), sealedText, key)
}

// addInboundSecret gives e one more secret; life 0 = for ever.
func (tx *Tx) addInboundSecret(e *model.InboundEndpoint, name string, secret model.Secret, life time.Duration) error {
	s := model.InboundSecret{ID: model.NewInboundSecID(tx.now), Name: name, CreatedAt: tx.stamp()}
	if life > 0 {
		s.ExpiresAt = tx.stamp().Add(life)
	}
	if err := tx.exec(insertInboundSecret, s.ID, e.ID, name, ms(tx.now), ms(s.ExpiresAt)); err != nil {
		return err
	}
	e.Secrets = append(e.Secrets[:len(e.Secrets):len(e.Secrets)], s)
	return tx.seal(inboundSecretKind, string(s.ID), sealedText, secret)
}

func (tx *Tx) dropInboundSecret(id model.InboundSecID) error {
	if err := tx.exec(dropSealed, inboundSecretKind, id); err != nil {
		return err
	}
	return tx.exec(deleteInboundSecret, id)
}

// MaxInboundKeys and secrets that one endpoint can have at a time; the rest of the old ones go first.
const MaxInboundKeys = 10

// RotateInbound gives an endpoint another key; the ones before work for overlap longer, or end at once when it is 0. The
// actor must hold every right of the service user, or be the partner himself.
func (tx *Tx) RotateInbound(id model.InboundID, overlap time.Duration) (model.InboundEndpoint, error) {
	e, err := tx.rotating(id)
	if err != nil {
		return e, err
	}
	if len(e.LiveKeys(tx.now)) >= MaxInboundKeys {
		return e, fault.Coded(fault.Conflict, "too_many_keys", "%d keys are live; revoke one first.", MaxInboundKeys)
	}
	if err := tx.addInboundKey(&e); err != nil {
		return e, err
	}
	made := e.Keys[len(e.Keys)-1]
	if err := tx.exec(expireInboundKeys, ms(tx.now.Add(overlap)), id, made.ID); err != nil {
		return e, err
	}
	return tx.rotated(e, "rotated", changes("key", "", made.Hint, "older_keys_end", "", stamped(tx.now.Add(overlap))))
}

// RotateInboundSecret gives an endpoint another secret for its verification; the ones before verify for overlap longer.
func (tx *Tx) RotateInboundSecret(id model.InboundID, secret model.Secret, overlap time.Duration) (model.InboundEndpoint, error) {
	e, err := tx.rotating(id)
	if err != nil {
		return e, err
	}
	if len(e.Verification.SecretNames()) == 0 {
		return e, complain("secret", "Calls of this endpoint are not verified by a secret.")
	}
	for i, s := range e.Secrets {
		if !s.Live(tx.now) || len(e.Secrets)-i > MaxInboundKeys {
			if err := tx.dropInboundSecret(s.ID); err != nil {
				return e, err
			}
		}
	}
	if err := tx.addInboundSecret(&e, model.InboundSecretName, secret, 0); err != nil {
		return e, err
	}
	made := e.Secrets[len(e.Secrets)-1]
	if err := tx.exec(expireInboundSecret, ms(tx.now.Add(overlap)), id, model.InboundSecretName, made.ID); err != nil {
		return e, err
	}
	return tx.rotated(e, "secret_rotated", []model.Change{{Field: "verification.secret", Before: model.Mask, After: model.Mask}, {Field: "older_secrets_end", After: stamped(tx.now.Add(overlap))}})
}

// rotating reads an endpoint of which somebody is about to make another key or secret.
func (tx *Tx) rotating(id model.InboundID) (model.InboundEndpoint, error) {
	e, err := wholeInbound(tx, inboundByID, id)
	if err != nil || tx.actor.Kind == model.ActorPartner {
		return e, err
	}
	u, err := one(tx, "user", scanUser, userByID, e.UserID)
	if err != nil {
		return e, err
	}
	return e, tx.mayGive(full(u))
}

func (tx *Tx) rotated(e model.InboundEndpoint, what string, diff []model.Change) (model.InboundEndpoint, error) {
	if err := tx.exec(touchInbound, ms(tx.now), e.ID); err != nil {
		return e, err
	}
	tx.touch()
	if err := tx.audit("inbound_endpoint", what, string(e.ID), e.Name, diff); err != nil {
		return e, err
	}
	return wholeInbound(tx, inboundByID, e.ID)
}

// RevokeInbound ends a key for good; one that is revoked already stays as it is.
func (tx *Tx) RevokeInbound(id model.InboundID, key model.InboundKeyID) (model.InboundEndpoint, error) {
	e, err := wholeInbound(tx, inboundByID, id)
	if err != nil {
		return e, err
	}
	k, err := one(tx, "key", scanInboundKey, keyOfInbound, key, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return e, err
	}
	if err := tx.exec(revokeInboundKey, ms(tx.now), key); err != nil {
		return e, err
	}
	return tx.rotated(e, "revoked", changes("key", k.Hint, "", "revoked_at", "", stamped(tx.now)))
}
