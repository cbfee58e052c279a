package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"waybill/db/model"
)

// A change of the master key that is cut off wherever it can be locks nothing, and goes on when it is begun again,
// beside a store that was opened before and goes on sealing.
func TestRekeyGoesOn(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	server := open(t, dir, KeySource{})
	defer closed(t, server)
	c, d, err := secretive(t, server, "one")
	if err != nil {
		t.Fatal(err)
	}
	many := model.Secrets{}
	for range 250 {
		many["s"+string(rune('a'+len(many)))] = canary
	}
	m := model.Credential{Name: "many", Type: model.CredentialBasic}
	if err := server.Write(ctx, model.System("test"), func(tx *Tx) error { return tx.CreateCredential(&m, many) }); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, KeyFile)
	first, _ := os.ReadFile(path)
	cut, rounds := errors.New("cut off"), 0
	for stop := 1; ; stop++ {
		s := open(t, dir, KeySource{})
		asked := 0
		done, err := s.Rekey(ctx, model.System("test"), func(int64) error {
			if asked++; asked == stop {
				return cut
			}
			return nil
		})
		unlocked(t, s, c, d)
		closed(t, s)
		unlocked(t, server, c, d)
		if _, _, err := secretive(t, server, "during "+string(rune('a'+stop))); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if former, _ := os.ReadFile(done.Former); string(former) != string(first) {
				t.Errorf("the former key is not kept in %s", done.Former)
			}
			break
		}
		if !errors.Is(err, cut) {
			t.Fatal(err)
		}
		rounds++
	}
	if rounds < 3 {
		t.Errorf("cut off %d times only", rounds)
	}
	if now, _ := os.ReadFile(path); string(now) == string(first) || strings.Count(string(now), "\n") != 1 {
		t.Errorf("%d lines in the key's file", strings.Count(string(now), "\n"))
	}
	s := open(t, dir, KeySource{})
	defer closed(t, s)
	unlocked(t, s, c, d)
	if left, err := one(s.reader(ctx), "secret", number, `SELECT count(DISTINCT key_id) FROM sealed`); left != 1 || err != nil {
		t.Errorf("secrets under %d keys, %v", left, err)
	}
	if left, err := one(s.reader(ctx), "key", number, `SELECT count(*) FROM seal_keys`); left != 1 || err != nil {
		t.Errorf("%d keys are known, %v", left, err)
	}
}

// A store that was opened before and looked at nothing meanwhile finds the key that everything moved to, for all who
// ask at once; a file with a key of somebody else's changes nothing.
func TestRekeyGoesBy(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	server := open(t, dir, KeySource{})
	defer closed(t, server)
	empty := open(t, dir, KeySource{})
	defer closed(t, empty)
	change := func() {
		t.Helper()
		s := open(t, dir, KeySource{})
		defer closed(t, s)
		if _, err := s.Rekey(ctx, model.System("test"), func(int64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	change() // with nothing sealed yet
	c, d, err := secretive(t, empty, "one")
	if err != nil {
		t.Fatal(err)
	}
	unlocked(t, server, c, d)
	for range 3 {
		change()
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if secrets, err := server.OpenCredential(ctx, c.ID); err != nil || secrets["password"].Reveal() != canary {
					t.Errorf("%d secrets, %v", len(secrets), err)
				}
			})
		}
		all.Wait()
		unlocked(t, server, c, d)
	}
	change()
	if _, _, err := secretive(t, server, "two"); err != nil {
		t.Error(err)
	}
	path := filepath.Join(dir, KeyFile)
	last, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(testKey(7)), 0o600); err != nil {
		t.Fatal(err)
	}
	unlocked(t, server, c, d)
	if _, _, err := secretive(t, server, "three"); err != nil {
		t.Error(err)
	}
	_, err = empty.OpenCredential(ctx, c.ID)
	wantCode(t, "a file of somebody else's", err, "key_wrong")
	if err := os.WriteFile(path, last, 0o600); err != nil {
		t.Fatal(err)
	}
	unlocked(t, empty, c, d)

	release, err := server.single()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := empty.Rekey(ctx, model.System("test"), func(int64) error { return nil }); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("two changes at once: %v", err)
	}
}

func TestRekeyRefuses(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	rekey := func(s *Store) error {
		_, err := s.Rekey(ctx, model.System("test"), func(int64) error { return nil })
		return err
	}
	s := open(t, dir, KeySource{Text: testKey(1)})
	c, d, err := secretive(t, s, "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := rekey(s); err == nil || !strings.Contains(err.Error(), "NEW,OLD") {
		t.Errorf("one key in the environment: %v", err)
	}
	closed(t, s)
	s = open(t, dir, KeySource{Text: testKey(2)})
	if err := rekey(s); err == nil || !strings.Contains(err.Error(), "not the one that sealed") {
		t.Errorf("a wrong key: %v", err)
	}
	closed(t, s)
	s = open(t, dir, KeySource{Text: testKey(2) + "," + testKey(1)})
	unlocked(t, s, c, d)
	if err := rekey(s); err != nil {
		t.Error(err)
	}
	closed(t, s)
	s = open(t, dir, KeySource{Text: testKey(2)})
	defer closed(t, s)
	unlocked(t, s, c, d)
	if err := s.Write(ctx, model.System("thief"), func(tx *Tx) error { return tx.exec(`UPDATE sealed SET box = x'00' WHERE name = 'token'`) }); err != nil {
		t.Fatal(err)
	}
	if err := rekey(s); err == nil || !strings.Contains(err.Error(), "do not open with the master key: one.") {
		t.Errorf("a damaged secret: %v", err)
	}
}
