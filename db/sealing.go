package db

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/db/seal"
)

// KeySource says where the master key is; the zero value is KeyFile in the data folder.
type KeySource struct {
	Text model.Secret // base64, from WAYBILL_MASTER_KEY
	File string       // from WAYBILL_MASTER_KEY_FILE
}

// KeyFile is the master key's file when none is configured.
const KeyFile = "master.key"

// KeyState is what the master key of this process can do with the secrets of this database.
type KeyState struct {
	OK     bool
	Code   string       // "key_missing", "key_wrong"; "" when OK
	Reason string       // for people; "" when OK
	Why    *fault.Words // of Reason
	Where  string       // file or variable that the key is read from
	// Locked names the credentials, and the destinations with a signing secret, that do not open; sorted.
	Locked []string
}

// masterKey is what loading found.
type masterKey struct {
	boxes []*seal.Box // the first is the one to seal with, unless the database says that another one is; none: fault says why
	where string
	fault *fault.Fault
}

const sealedAtAll = `SELECT EXISTS (SELECT 1 FROM sealed)`

// loadKey reads the master key. One that is missing or unreadable is not an error: the store opens without it, and
// whatever needs it fails with a sentence. A new one is made only when none is configured and nothing is sealed.
func (s *Store) loadKey(ctx context.Context, from KeySource) (masterKey, error) {
	if from.Text != "" {
		return parsed("WAYBILL_MASTER_KEY", from.Text.Reveal()), nil
	}
	path := from.File
	if path == "" {
		path = filepath.Join(s.dir, KeyFile)
	}
	text, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) && from.File == "" {
		held, err := one(s.reader(ctx), "secret", number, sealedAtAll)
		if err != nil {
			return masterKey{}, err
		}
		if held == 0 {
			if err := makeKey(path); err != nil {
				return masterKey{}, err
			}
			text, err = readKey(path)
			if err != nil {
				return masterKey{}, fmt.Errorf("read the new master key: %w", err)
			}
			return parsed(path, text), nil
		}
	}
	if err != nil {
		return masterKey{where: path, fault: fault.Coded(fault.Unavailable, "key_missing", "The master key is missing: its file cannot be read. Secrets stay locked until it is back.").By(err)}, nil
	}
	return parsed(path, text), nil
}

// parsed reads one master key, or several while the key is being changed (waybill key rotate).
func parsed(where, text string) masterKey {
	k := masterKey{where: where}
	raws, err := seal.ParseAll(text)
	for _, raw := range raws {
		var box *seal.Box
		if box, err = seal.New(raw); err == nil {
			k.boxes = append(k.boxes, box)
		}
	}
	if err == nil {
		return k
	}
	return masterKey{where: where, fault: fault.Coded(fault.Unavailable, "key_wrong", "The master key is not 32 bytes in base64. Secrets stay locked until it is put right.").By(err)}
}

func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	return string(b), err
}

// makeKey writes a new key to path, whole and on disk or not at all. A file that is there, also one that another
// process made meanwhile, stays as it is.
func makeKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+KeyFile+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make the master key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(newMasterKey() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the master key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("place the master key: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// newMasterKey is a fresh key as it is written in files.
func newMasterKey() string {
	var key [seal.KeySize]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(key[:])
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// The proof under a key opens to its id.
const (
	proofKind    = "proof"
	keepProof    = `INSERT INTO seal_keys (id, proof, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`
	proofOf      = `SELECT proof FROM seal_keys WHERE id = $1`
	newestKey    = `SELECT id FROM seal_keys ORDER BY created_at DESC, id DESC LIMIT 1`
	otherSealed  = `SELECT EXISTS (SELECT 1 FROM sealed WHERE key_id NOT IN (SELECT value FROM json_each($1)))`
	sealedRow    = `SELECT kind, row_id, name, key_id, box FROM sealed WHERE kind = $1 AND row_id = $2 ORDER BY name`
	sealedAll    = `SELECT kind, row_id, name, key_id, box FROM sealed`
	dropSealed   = `DELETE FROM sealed WHERE kind = $1 AND row_id = $2`
	updateSealed = `
INSERT INTO sealed (kind, row_id, name, key_id, box, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, row_id, name) DO UPDATE SET key_id = excluded.key_id, box = excluded.box, updated_at = excluded.updated_at`
)

// usable is the key to seal with, when everything that is sealed here was sealed by keys of this process. While the
// master key is being changed there are two, and the one whose proof is the newest seals: every process agrees on that
// within a transaction, so that nothing is sealed under a key that is about to go.
func (k masterKey) usable(q querier) (*seal.Box, error) {
	if len(k.boxes) == 0 {
		return nil, k.fault
	}
	ids := make([]string, len(k.boxes))
	for i, b := range k.boxes {
		ids[i] = b.KeyID()
	}
	other, err := one(q, "secret", number, otherSealed, encode(ids))
	if err != nil {
		return nil, err
	}
	newest, err := all(q, text[string], newestKey)
	if err != nil {
		return nil, err
	}
	box := k.boxes[0]
	if len(newest) > 0 {
		if known := k.box(newest[0]); known != nil {
			box = known
		} else if held, err := one(q, "secret", number, sealedAtAll); err != nil || held != 0 {
			other = 1
		}
	}
	proofs, err := all(q, scanBlob, proofOf, box.KeyID())
	if err != nil {
		return nil, err
	}
	if other == 0 && (len(proofs) == 0 || proves(box, proofs[0])) {
		return box, nil
	}
	return nil, fault.Coded(fault.Unavailable, "key_wrong", "The master key of this server is not the one that sealed the secrets of this database. They stay locked until the right one is back.")
}

// box is the key with this id, nil when it is not among those of this process.
func (k masterKey) box(id string) *seal.Box {
	for _, b := range k.boxes {
		if b.KeyID() == id {
			return b
		}
	}
	return nil
}

func proves(b *seal.Box, proof []byte) bool {
	plain, err := b.Open(proof, proofKind, b.KeyID(), "")
	return err == nil && string(plain) == b.KeyID()
}

func scanBlob(r row) (b []byte, err error) {
	err = r.Scan(&b)
	return b, err
}

// box is one row of sealed.
type box struct {
	kind, row, name, key string
	sealed               []byte
}

func scanBox(r row) (b box, err error) {
	err = r.Scan(&b.kind, &b.row, &b.name, &b.key, &b.sealed)
	return b, err
}

func (k masterKey) open(b box) (model.Secret, error) {
	if len(k.boxes) == 0 {
		return "", k.fault
	}
	by := k.box(b.key)
	if by == nil {
		return "", fault.Coded(fault.Unavailable, "key_wrong", "The secret “%s” was sealed by another master key than that of this server.", b.name)
	}
	plain, err := by.Open(b.sealed, b.kind, b.row, b.name)
	if err == nil {
		return model.Secret(plain), nil
	}
	return "", fault.Coded(fault.Unavailable, "secret_damaged", "The stored secret “%s” is damaged; type it in again.", b.name).By(err)
}

// seal stores one secret; nothing is sealed while older secrets are locked.
func (tx *Tx) seal(kind, row, name string, secret model.Secret) error {
	by, err := tx.w.s.sealer(tx)
	if err != nil {
		return err
	}
	id := by.KeyID()
	if err := tx.exec(keepProof, id, by.Seal([]byte(id), proofKind, id, ""), ms(tx.now)); err != nil {
		return err
	}
	return tx.exec(updateSealed, kind, row, name, id, by.Seal([]byte(secret.Reveal()), kind, row, name), ms(tx.now))
}

// unseal opens every secret of one row.
func (s *Store) unseal(q querier, kind, row string) (model.Secrets, error) {
	boxes, err := all(q, scanBox, sealedRow, kind, row)
	if err != nil {
		return nil, err
	}
	out := model.Secrets{}
	for _, b := range boxes {
		if out[b.name], err = s.open(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const namesOfSealed = `
SELECT 'credential', id, name FROM credentials
UNION ALL SELECT 'credential.pending', id, name || ' (new secret on trial)' FROM credentials
UNION ALL SELECT 'credential.former', id, name || ' (former secret)' FROM credentials
UNION ALL SELECT 'destination', id, name FROM destinations
UNION ALL SELECT 'second_factor', id, 'Second factor of ' || email FROM users
UNION ALL SELECT 'network', 'network', 'Password of the proxy'
UNION ALL SELECT 'instance_key', id, 'Key of platform tokens' FROM instance_keys
UNION ALL SELECT 'inbound_key', k.id, i.name FROM inbound_keys k JOIN inbound_endpoints i ON i.id = k.endpoint_id
UNION ALL SELECT 'inbound_secret', k.id, i.name FROM inbound_secrets k JOIN inbound_endpoints i ON i.id = k.endpoint_id
UNION ALL SELECT 'setting', 'mail', 'Password of the mail server' FROM settings WHERE name = 'mail'
UNION ALL SELECT 'mail', id, 'A letter that waits' FROM mails
UNION ALL SELECT 'workflow', id, name FROM workflows
UNION ALL SELECT 'webhook', json_extract(h.value, '$.id'), w.name || ': ' || json_extract(h.value, '$.name')
  FROM workflows w, json_each(w.draft, '$.steps') s, json_each(s.value, '$.webhooks') h
UNION ALL SELECT 'webhook', json_extract(h.value, '$.id'), v.name || ': ' || json_extract(h.value, '$.name')
  FROM workflow_versions v, json_each(v.definition, '$.steps') s, json_each(s.value, '$.webhooks') h`

// KeyState says whether secrets can be opened and sealed. It opens every one of them: ask at start, when Version grew,
// and on demand.
func (s *Store) KeyState(ctx context.Context) (KeyState, error) {
	state := KeyState{OK: true, Where: s.keys.current().where, Locked: []string{}}
	if _, err := s.sealer(s.reader(ctx)); err != nil {
		f := fault.Of(err)
		if f == nil || (f.Code != "key_missing" && f.Code != "key_wrong") {
			return state, err
		}
		state.OK, state.Code, state.Reason, state.Why = false, f.Code, f.Message, f.Words()
	}
	boxes, err := all(s.reader(ctx), scanBox, sealedAll)
	if err != nil {
		return state, err
	}
	names := map[string]string{}
	_, err = all(s.reader(ctx), func(r row) (none struct{}, err error) {
		var kind, id, name string
		err = r.Scan(&kind, &id, &name)
		names[kind+id] = name
		return none, err
	}, namesOfSealed)
	for _, b := range boxes {
		if _, err := s.open(b); err != nil {
			state.Locked = append(state.Locked, names[b.kind+b.row])
		}
	}
	slices.Sort(state.Locked)
	state.Locked = slices.Compact(state.Locked)
	return state, err
}
