package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"hash/crc32"
	"slices"
	"strconv"
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

const apiKeyColumns = `k.id, k.name, k.user_id, u.name, k.hint, k.created_at, k.updated_at, k.last_used_at, k.expires_at, k.revoked_at, k.version,
  k.rights, k.previous_hint, k.previous_until`

const apiKeyTables = ` FROM api_keys k JOIN users u ON u.id = k.user_id`

func apiKeyFields(k *model.APIKey) []any {
	return []any{&k.ID, &k.Name, &k.UserID, &k.UserName, &k.Hint, at{&k.CreatedAt}, at{&k.UpdatedAt}, at{&k.LastUsedAt}, at{&k.ExpiresAt}, at{&k.RevokedAt}, &k.Version,
		decode{&k.Rights}, &k.PreviousHint, at{&k.PreviousUntil}}
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
	apiKeyBefore = `
SELECT ` + apiKeyColumns + `, ` + userColumns + apiKeyTables + `
WHERE k.previous_hash = $1 AND k.previous_until > $2`
)

// APIKey is one key as it is listed.
func (s *Store) APIKey(ctx context.Context, id model.APIKeyID) (model.APIKey, error) {
	return one(s.reader(ctx), "API key", scanAPIKey, apiKeyByID, id)
}

// APIKeyByHash is the live key with this hash and the user it acts as; SignedOut when there is none, when it expired
// or was revoked, or when the user is disabled: callers are not told which. One that was rotated is found by its old hash
// until its overlap ends, and expires then.
func (s *Store) APIKeyByHash(ctx context.Context, hash []byte, now time.Time) (model.APIKey, model.User, error) {
	k, u, err := keyAndUser(s.reader(ctx), apiKeyByHash, hash)
	if fault.Is(err, fault.NotFound) {
		k, u, err = keyAndUser(s.reader(ctx), apiKeyBefore, hash, ms(now))
		if k.ExpiresAt.IsZero() || k.PreviousUntil.Before(k.ExpiresAt) {
			k.ExpiresAt = k.PreviousUntil
		}
	}
	if err == nil && k.Live(now) && !u.Disabled {
		return k, u, nil
	}
	if err == nil || fault.Is(err, fault.NotFound) {
		err = fault.New(fault.SignedOut, "This API key is not valid.")
	}
	return model.APIKey{}, model.User{}, err
}

func keyAndUser(q querier, query string, args ...any) (k model.APIKey, u model.User, err error) {
	k, err = one(q, "API key", func(r row) (k model.APIKey, err error) {
		err = r.Scan(append(apiKeyFields(&k), userFields(&u)...)...)
		return k, err
	}, query, args...)
	return k, u, err
}

// APIKeyOwner is a key, live or not, with the user that it acts as.
func (s *Store) APIKeyOwner(ctx context.Context, id model.APIKeyID) (model.APIKey, model.User, error) {
	return keyOwner(s.reader(ctx), id)
}

func keyOwner(q querier, id model.APIKeyID) (k model.APIKey, u model.User, err error) {
	return keyAndUser(q, apiKeyOwner, id)
}

// APIKeys lists keys, newest first, revoked ones included.
func (s *Store) APIKeys(ctx context.Context, p Page) ([]model.APIKey, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+apiKeyColumns+apiKeyTables), p, keyed{"k.id", "key_"}, scanAPIKey, func(k model.APIKey) string { return string(k.ID) })
}

const insertAPIKey = `
INSERT INTO api_keys (id, name, user_id, hash, hint, created_at, updated_at, last_used_at, expires_at, revoked_at, rights, version)
VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, 0, $8, 1)`

// CreateAPIKey stores a key that acts as k.UserID, of which only the hash is kept, and fills in ID, times, UserName and
// Version. The actor must hold every right of that user.
func (tx *Tx) CreateAPIKey(k *model.APIKey, hash []byte) error {
	n := *k
	if err := tx.tidyKey(&n, model.APIKey{}); err != nil {
		return err
	}
	u, err := one(tx, "user", scanUser, userByID, n.UserID)
	if fault.Is(err, fault.NotFound) || (err == nil && u.Disabled) {
		return complain("user_id", "There is no such active user.")
	}
	if err != nil {
		return err
	}
	if err := tx.mayKey(u, n.Rights); err != nil {
		return err
	}
	n.ID, n.UserName, n.CreatedAt, n.UpdatedAt, n.Version = model.NewAPIKeyID(tx.now), u.Name, tx.stamp(), tx.stamp(), 1
	n.LastUsedAt, n.RevokedAt = time.Time{}, time.Time{}
	if err := tx.exec(insertAPIKey, n.ID, n.Name, n.UserID, hash, n.Hint, ms(tx.now), ms(n.ExpiresAt), scope(n.Rights)); err != nil {
		return err
	}
	fill(tx, k, n)
	tx.touch()
	return tx.audit("api_key", "created", string(n.ID), n.Name,
		changes("user", "", u.Email, "hint", "", n.Hint, "rights", "", rightsText(n.Rights), "expires_at", "", stamped(n.ExpiresAt)))
}

// scope is how the rights of a key are stored.
func scope(list []model.Right) string {
	if len(list) == 0 {
		return ""
	}
	return encode(list)
}

// tidyKey puts what people choose of a key into its stored form, and says what is wrong with it.
func (tx *Tx) tidyKey(k *model.APIKey, old model.APIKey) error {
	var bad fault.Check
	k.Name = strings.Join(strings.Fields(k.Name), " ")
	if k.Name == "" || len([]rune(k.Name)) > 120 {
		bad.Add("name", "A name of at most 120 characters.")
	}
	if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(tx.now) && !k.ExpiresAt.Equal(old.ExpiresAt) {
		bad.Add("expires_at", "A time to come, or empty.")
	}
	for i, x := range k.Rights {
		if !slices.Contains(model.AllRights(), x) {
			bad.Add("rights["+strconv.Itoa(i)+"]", "There is no right “%s”.", x)
		}
	}
	r := model.Role{Rights: k.Rights}
	r.Clean()
	k.Rights, k.ExpiresAt = r.Rights, time.UnixMilli(ms(k.ExpiresAt)).UTC()
	if k.ExpiresAt.UnixMilli() == 0 {
		k.ExpiresAt = time.Time{}
	}
	return bad.Err()
}

// mayKey is the Forbidden fault when the actor may not make or renew a key for u. For himself he may make one that is
// limited to what he holds, so that a limited key can make another one; for others he needs all that they hold.
func (tx *Tx) mayKey(u model.User, limit []model.Right) error {
	if tx.actor.UserID == u.ID {
		return tx.mayGive(model.APIKey{Rights: limit}.Limit(full(u)))
	}
	return tx.mayGive(full(u))
}

const updateAPIKey = `UPDATE api_keys SET name = $1, rights = $2, expires_at = $3, updated_at = $4, version = $5 WHERE id = $6`

// UpdateAPIKey stores name, rights and expiry of k over the row of its ID; versions count as in UpdateConnection.
func (tx *Tx) UpdateAPIKey(k *model.APIKey) error {
	old, u, err := keyOwner(tx, k.ID)
	if err == nil {
		err = current("API key", k.Version, old.Version)
	}
	if err == nil {
		err = unrevoked(old)
	}
	if err != nil {
		return err
	}
	n := old
	n.Name, n.Rights, n.ExpiresAt = k.Name, k.Rights, k.ExpiresAt
	if err := tx.tidyKey(&n, old); err != nil {
		return err
	}
	diff := changes("name", old.Name, n.Name, "rights", rightsText(old.Rights), rightsText(n.Rights), "expires_at", stamped(old.ExpiresAt), stamped(n.ExpiresAt))
	if len(diff) == 0 {
		fill(tx, k, old)
		return nil
	}
	if err := tx.mayKey(u, n.Rights); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateAPIKey, n.Name, scope(n.Rights), ms(n.ExpiresAt), ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return err
	}
	fill(tx, k, n)
	tx.touch()
	return tx.audit("api_key", "updated", string(n.ID), n.Name, diff)
}

func unrevoked(k model.APIKey) error {
	if k.RevokedAt.IsZero() {
		return nil
	}
	return fault.Coded(fault.Conflict, "revoked", "The key “%s” is revoked; make a new one.", k.Name)
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

const rotateAPIKey = `
UPDATE api_keys SET previous_hash = CASE WHEN $1 > 0 THEN hash END, previous_hint = CASE WHEN $1 > 0 THEN hint ELSE '' END, previous_until = $1,
  hash = $2, hint = $3, updated_at = $4, version = version + 1
WHERE id = $5`

// RotateAPIKey puts another key in the place of one that is not revoked. The old one works until then, at most
// LongestOverlap from now; with the zero time it ends at once. One that was rotated before ends now. The actor must hold
// what the key gives.
func (tx *Tx) RotateAPIKey(id model.APIKeyID, hash []byte, hint string, until time.Time) error {
	k, u, err := keyOwner(tx, id)
	if err == nil {
		err = unrevoked(k)
	}
	if err == nil {
		err = tx.mayKey(u, k.Rights)
	}
	if err != nil {
		return err
	}
	if until.After(tx.now.Add(model.LongestOverlap)) {
		return complain("overlap_seconds", "At most %d days.", int(model.LongestOverlap.Hours()/24))
	}
	if !until.After(tx.now) {
		until = time.Time{}
	}
	if err := tx.exec(rotateAPIKey, ms(until), hash, hint, ms(tx.now), id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("api_key", "rotated", string(id), k.Name, changes("hint", k.Hint, hint, "previous_until", "", stamped(until)))
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
