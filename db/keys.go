package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"hash/crc32"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// KeyPrefix begins every API key.
const KeyPrefix = "wbk_"

var base32Text = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewKey makes an API key: KeyPrefix, 32 random characters (160 bits) and a check sum of 7 by which scanners of code can
// tell a key from chance. hint is its beginning, to recognise it by.
func NewKey() (key model.Secret, hash []byte, hint string) {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	text := KeyPrefix + base32Text.EncodeToString(raw[:])
	text += checkSum(text)
	return model.Secret(text), HashKey(text), text[:len(KeyPrefix)+6]
}

func checkSum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	return base32Text.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// WellFormed reports whether key can be an API key; a mistyped one is told apart without asking the database.
func WellFormed(key string) bool {
	body := strings.TrimPrefix(key, KeyPrefix)
	return body != key && len(body) == 39 && checkSum(key[:len(key)-7]) == key[len(key)-7:]
}

// HashKey is what is stored of a random key or token: SHA-256, since there is nothing to guess.
func HashKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

const apiKeyColumns = `k.id, k.name, k.user_id, u.name, k.hint, k.created_at, k.updated_at, k.last_used_at, k.expires_at, k.revoked_at, k.version`

const apiKeyTables = ` FROM api_keys k JOIN users u ON u.id = k.user_id`

func apiKeyFields(k *model.APIKey) []any {
	return []any{&k.ID, &k.Name, &k.UserID, &k.UserName, &k.Hint, at{&k.CreatedAt}, at{&k.UpdatedAt}, at{&k.LastUsedAt}, at{&k.ExpiresAt}, at{&k.RevokedAt}, &k.Version}
}

func scanAPIKey(r row) (model.APIKey, error) {
	var k model.APIKey
	err := r.Scan(apiKeyFields(&k)...)
	return k, err
}

const (
	apiKeyByID  = `SELECT ` + apiKeyColumns + apiKeyTables + ` WHERE k.id = $1`
	apiKeyOwner = `
SELECT ` + apiKeyColumns + `, ` + userColumns + apiKeyTables + `
WHERE k.id = $1`
	apiKeyByHash = `
SELECT ` + apiKeyColumns + `, ` + userColumns + apiKeyTables + `
WHERE k.hash = $1`
)

// APIKey is one key as it is listed.
func (s *Store) APIKey(ctx context.Context, id model.APIKeyID) (model.APIKey, error) {
	return one(s.reader(ctx), "API key", scanAPIKey, apiKeyByID, id)
}

// APIKeyByHash is the live key with this hash and the user it acts as; SignedOut when there is none, when it expired
// or was revoked, or when the user is disabled: callers are not told which.
func (s *Store) APIKeyByHash(ctx context.Context, hash []byte, now time.Time) (model.APIKey, model.User, error) {
	var u model.User
	k, err := one(s.reader(ctx), "API key", func(r row) (k model.APIKey, err error) {
		err = r.Scan(append(apiKeyFields(&k), userFields(&u)...)...)
		return k, err
	}, apiKeyByHash, hash)
	if err == nil && k.Live(now) && !u.Disabled {
		return k, u, nil
	}
	if err == nil || fault.Is(err, fault.NotFound) {
		err = fault.New(fault.SignedOut, "This API key is not valid.")
	}
	return model.APIKey{}, model.User{}, err
}

// APIKeyOwner is a key, live or not, with the user that it acts as.
func (s *Store) APIKeyOwner(ctx context.Context, id model.APIKeyID) (model.APIKey, model.User, error) {
	return keyOwner(s.reader(ctx), id)
}

func keyOwner(q querier, id model.APIKeyID) (k model.APIKey, u model.User, err error) {
	k, err = one(q, "API key", func(r row) (k model.APIKey, err error) {
		err = r.Scan(append(apiKeyFields(&k), userFields(&u)...)...)
		return k, err
	}, apiKeyOwner, id)
	return k, u, err
}

// APIKeys lists keys, newest first, revoked ones included.
func (s *Store) APIKeys(ctx context.Context, p Page) ([]model.APIKey, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+apiKeyColumns+apiKeyTables), p, "k.id", scanAPIKey, func(k model.APIKey) string { return string(k.ID) })
}

const insertAPIKey = `
INSERT INTO api_keys (id, name, user_id, hash, hint, created_at, updated_at, last_used_at, expires_at, revoked_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, 0, 1)`

// CreateAPIKey stores a key that acts as k.UserID, of which only the hash is kept, and fills in ID, times, UserName and
// Version. The actor must hold every right of that user.
func (tx *Tx) CreateAPIKey(k *model.APIKey, hash []byte) error {
	n := *k
	n.Name = strings.Join(strings.Fields(n.Name), " ")
	if n.Name == "" || len([]rune(n.Name)) > 120 {
		return complain("name", "A name of at most 120 characters.")
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(tx.now) {
		return complain("expires_at", "A time to come, or empty.")
	}
	u, err := one(tx, "user", scanUser, userByID, n.UserID)
	if fault.Is(err, fault.NotFound) || (err == nil && u.Disabled) {
		return complain("user_id", "There is no such active user.")
	}
	if err != nil {
		return err
	}
	if err := tx.mayGive(full(u)); err != nil {
		return err
	}
	n.ID, n.UserName, n.CreatedAt, n.UpdatedAt, n.Version = model.NewAPIKeyID(tx.now), u.Name, tx.stamp(), tx.stamp(), 1
	n.LastUsedAt, n.RevokedAt = time.Time{}, time.Time{}
	if err := tx.exec(insertAPIKey, n.ID, n.Name, n.UserID, hash, n.Hint, ms(tx.now), ms(n.ExpiresAt)); err != nil {
		return err
	}
	fill(tx, k, n)
	tx.touch()
	return tx.audit("api_key", "created", string(n.ID), n.Name,
		changes("user", "", u.Email, "hint", "", n.Hint, "expires_at", "", stamped(n.ExpiresAt)))
}

const (
	revokeAPIKey = `UPDATE api_keys SET revoked_at = $1, updated_at = $1, version = version + 1 WHERE id = $2`
	usedAPIKey   = `UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND last_used_at <= $3`
)

// RevokeAPIKey ends a key for good; one that is revoked already stays as it is.
func (tx *Tx) RevokeAPIKey(id model.APIKeyID) error {
	k, err := one(tx, "API key", scanAPIKey, apiKeyByID, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return err
	}
	if err := tx.exec(revokeAPIKey, ms(tx.now), id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("api_key", "revoked", string(id), k.Name, changes("revoked_at", "", stamped(tx.now)))
}

const rotateAPIKey = `UPDATE api_keys SET hash = $1, hint = $2, updated_at = $3, version = version + 1 WHERE id = $4`

// RotateAPIKey puts another key in the place of one that is not revoked; the old one ends at once. The actor must hold
// every right of its user.
func (tx *Tx) RotateAPIKey(id model.APIKeyID, hash []byte, hint string) error {
	k, err := one(tx, "API key", scanAPIKey, apiKeyByID, id)
	if err != nil {
		return err
	}
	if !k.RevokedAt.IsZero() {
		return fault.Coded(fault.Conflict, "revoked", "The key “%s” is revoked; make a new one.", k.Name)
	}
	u, err := one(tx, "user", scanUser, userByID, k.UserID)
	if err != nil {
		return err
	}
	if err := tx.mayGive(full(u)); err != nil {
		return err
	}
	if err := tx.exec(rotateAPIKey, hash, hint, ms(tx.now), id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("api_key", "rotated", string(id), k.Name, changes("hint", k.Hint, hint))
}

// UsedAPIKey notes when a key was last used, at most once a minute; bookkeeping, without an audit row.
func (s *Store) UsedAPIKey(ctx context.Context, id model.APIKeyID, used time.Time) error {
	return s.Write(ctx, model.System("keys"), func(tx *Tx) error {
		return tx.exec(usedAPIKey, ms(used), id, ms(used.Add(-time.Minute)))
	})
}

// NewToken is a random text of 256 bits for links that work once; HashKey of it is what is stored.
func NewToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return base32Text.EncodeToString(raw[:])
}
