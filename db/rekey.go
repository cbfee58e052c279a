package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"waybill/db/model"
	"waybill/db/seal"
)

// rekeyed is how many secrets move to a new key in one commit.
const rekeyed = 100

const (
	markKey = `
INSERT INTO seal_keys (id, proof, created_at) VALUES ($1, $2, max($3, (SELECT coalesce(max(created_at), 0) + 1 FROM seal_keys)))
ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at`
	underOthers = `SELECT kind, row_id, name, key_id, box FROM sealed WHERE key_id <> $1 LIMIT +$2`
	countOthers = `SELECT count(*) FROM sealed WHERE key_id <> $1`
	forgetKeys  = `DELETE FROM seal_keys WHERE id <> $1`
)

// Rekeyed is what a change of the master key came to.
type Rekeyed struct {
	Moved  int64
	Where  string // file or variable of the new key
	Former string // file in which the former key is kept; "" = it is where it was
}

// Rekey moves everything that is sealed to a new master key and can be cut off at any point: begun again it goes on.
// Both keys are written down before the first secret moves, so nothing is ever locked; the former key leaves the key's
// file when nothing needs it, and is kept in a file beside it for backups that were made before. Servers that run on
// the same folder read the file again by themselves. A key from the environment cannot be written down: there both have
// to be set, the new one first. moved hears how many are still to move, and stops the change with an error.
func (s *Store) Rekey(ctx context.Context, actor model.Actor, moved func(left int64) error) (Rekeyed, error) {
	out := Rekeyed{Where: s.keys.current().where}
	release, err := s.single()
	if err != nil {
		return out, err
	}
	defer release()
	if err := s.rekeyable(ctx); err != nil {
		return out, err
	}
	keys, err := s.twoKeys()
	if err != nil {
		return out, err
	}
	next, err := s.markNext(ctx, actor, keys[0])
	if err != nil {
		return out, err
	}
	for done := false; !done; {
		left, err := one(s.reader(ctx), "secret", number, countOthers, next.KeyID())
		if err != nil {
			return out, err
		}
		if err := moved(left); err != nil {
			return out, err
		}
		if left == 0 {
			if done, err = s.forgetFormer(ctx, actor, next.KeyID()); err != nil {
				return out, err
			}
			continue
		}
		n, err := s.moveSome(ctx, actor, next)
		if err != nil {
			return out, err
		}
		out.Moved += n
	}
	if s.keys.from.Text != "" {
		return out, nil
	}
	out.Former, err = keepFormer(out.Where, keys)
	return out, err
}

// forgetFormer ends the change in the database, when nothing is sealed under another key by then.
func (s *Store) forgetFormer(ctx context.Context, actor model.Actor, next string) (done bool, err error) {
	err = s.Write(ctx, actor, func(tx *Tx) error {
		left, err := one(tx, "secret", number, countOthers, next)
		if done = left == 0; err != nil || !done {
			return err
		}
		if err := tx.exec(forgetKeys, next); err != nil {
			return err
		}
		tx.touch()
		return tx.audit("master_key", "rotated", next, "Master key", nil)
	})
	return done && err == nil, err
}

// single keeps two changes of the master key apart, until release: each would put a key of its own into the file.
func (s *Store) single() (release func(), err error) {
	f, err := os.Open(s.dir)
	if err != nil {
		return nil, fmt.Errorf("lock the master key: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("the master key is being changed by another process; wait for it to end"), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// rekeyable refuses while something does not open: it would be lost with the former key.
func (s *Store) rekeyable(ctx context.Context) error {
	state, err := s.KeyState(ctx)
	switch {
	case err != nil:
		return err
	case !state.OK:
		return errors.New(state.Reason)
	case len(state.Locked) > 0:
		return fmt.Errorf("some secrets do not open with the master key: %s. Type them in again or delete what holds them, then start over", strings.Join(state.Locked, ", "))
	}
	return nil
}

// twoKeys are the keys as texts, the new one first; from a file that holds one, a second is made and written down.
func (s *Store) twoKeys() ([]string, error) {
	from, where := s.keys.from, s.keys.current().where
	text := from.Text.Reveal()
	if text == "" {
		var err error
		if text, err = readKey(where); err != nil {
			return nil, fmt.Errorf("read the master key: %w", err)
		}
	}
	keys := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \r\n\t", r) })
	switch {
	case len(keys) > 1:
		return keys, nil
	case from.Text != "":
		return nil, errors.New("WAYBILL_MASTER_KEY holds one key: set it to NEW,OLD (openssl rand -base64 32 makes a new one) for the server, start it again, and run this once more with the same")
	}
	keys = []string{newMasterKey(), keys[0]}
	if err := replaceKey(where, keys); err != nil {
		return nil, err
	}
	return keys, nil
}

// replaceKey writes keys over the file, whole and on disk or not at all.
func replaceKey(path string, keys []string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the master key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(strings.Join(keys, "\n") + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the master key: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("place the master key: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// markNext makes the new key the one that seals, for every process from that commit on.
func (s *Store) markNext(ctx context.Context, actor model.Actor, text string) (*seal.Box, error) {
	raw, err := seal.Parse(text)
	if err != nil {
		return nil, err
	}
	next, err := seal.New(raw)
	if err != nil {
		return nil, err
	}
	id := next.KeyID()
	return next, s.Write(ctx, actor, func(tx *Tx) error {
		newest, err := all(tx, scanText, newestKey)
		if err != nil || (len(newest) > 0 && newest[0] == id) {
			return err
		}
		if err := tx.exec(markKey, id, next.Seal([]byte(id), proofKind, id, ""), ms(tx.now)); err != nil {
			return err
		}
		tx.touch()
		return tx.audit("master_key", "rotation_started", id, "Master key", nil)
	})
}

func scanText(r row) (string, error) { return text[string](r) }

// moveSome seals some secrets anew under next.
func (s *Store) moveSome(ctx context.Context, actor model.Actor, next *seal.Box) (n int64, err error) {
	err = s.WriteBulk(ctx, actor, func(tx *Tx) error {
		boxes, err := all(tx, scanBox, underOthers, next.KeyID(), rekeyed)
		n = int64(len(boxes))
		for _, b := range boxes {
			plain, err := s.open(b)
			if err != nil {
				return err
			}
			if err := tx.exec(updateSealed, b.kind, b.row, b.name, next.KeyID(), next.Seal([]byte(plain.Reveal()), b.kind, b.row, b.name), ms(tx.now)); err != nil {
				return err
			}
		}
		return err
	})
	return n, err
}

// keepFormer leaves the new key alone in its file, and puts the former ones into a file beside it.
func keepFormer(path string, keys []string) (string, error) {
	raw, err := seal.Parse(keys[len(keys)-1])
	if err != nil {
		return "", err
	}
	old, err := seal.New(raw)
	if err != nil {
		return "", err
	}
	former := path + ".former-" + strings.TrimPrefix(old.KeyID(), "mk1_")
	if _, err := os.Lstat(former); errors.Is(err, fs.ErrNotExist) {
		if err := replaceKey(former, keys[1:]); err != nil {
			return "", err
		}
	}
	return former, replaceKey(path, keys[:1])
}
