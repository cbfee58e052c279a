package db

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"waybill/db/fault"
	"waybill/db/model"
)

const canary = "s3cret-canary-in-every-secret-field"

func testKey(b byte) model.Secret {
	return model.Secret(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// secretive stores a credential and a destination with secrets.
func secretive(t *testing.T, s *Store, name string) (c model.Credential, d model.Destination, err error) {
	t.Helper()
	c = model.Credential{Name: name, Type: model.CredentialBasic}
	con := model.Connection{Name: name + "'s", BaseURL: "https://example.com"}
	d = model.Destination{Name: name + " orders"}
	err = s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
		if err := tx.CreateCredential(&c, model.Secrets{"password": canary, "token": canary + "2"}); err != nil {
			return err
		}
		if err := tx.CreateConnection(&con); err != nil {
			return err
		}
		d.ConnectionID = con.ID
		return tx.CreateDestination(&d, canary+"3")
	})
	return c, d, err
}

func state(t *testing.T, s *Store) KeyState {
	t.Helper()
	k, err := s.KeyState(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Kind != fault.Unavailable || f.Code != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestNoPlaintextOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, KeySource{})
	if _, _, err := secretive(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	c, _, err := secretive(t, s, "two")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
		return tx.UpdateCredential(&c, model.Secrets{"password": canary + "4"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(context.Background(), filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	scan := func() (files int) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == KeyFile {
				return err
			}
			files++
			raw, err := os.ReadFile(path) // the store uses locks that reading does not drop
			for what, secret := range map[string][]byte{"a secret": []byte(canary), "the master key": bytes.TrimSpace(key)} {
				if bytes.Contains(raw, secret) {
					t.Errorf("%s holds %s in clear", e.Name(), what)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if n := scan(); n < 3 {
		t.Errorf("only %d files were looked at", n)
	}
	closed(t, s)
	scan()
}

func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	s := open(t, dir, KeySource{})
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if k := state(t, s); !k.OK || k.Where != path {
		t.Errorf("%+v", k)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".master*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := makeKey(path); err != nil {
		t.Fatal(err)
	}
	again, _ := os.ReadFile(path)
	if !bytes.Equal(first, again) {
		t.Error("a key that is there was overwritten")
	}
	closed(t, s)

	if err := os.Remove(path); err != nil { // nothing is sealed, so nothing is lost
		t.Fatal(err)
	}
	s = open(t, dir, KeySource{})
	defer closed(t, s)
	if k := state(t, s); !k.OK {
		t.Errorf("%+v", k)
	}
}

func TestKeyMissing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, KeySource{})
	c, d, err := secretive(t, s, "one")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	path := filepath.Join(dir, KeyFile)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, KeySource{})
	locked(t, s, c, d, "key_missing")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new key was made over sealed secrets: %v", err)
	}
	closed(t, s)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, KeySource{})
	defer closed(t, s)
	unlocked(t, s, c, d)
}

func TestKeyWrong(t *testing.T) {
	dir := t.TempDir()
	right := KeySource{Text: testKey(1)}
	s := open(t, dir, right)
	if _, err := os.Stat(filepath.Join(dir, KeyFile)); err == nil {
		t.Error("a key file was made although a key is configured")
	}
	c, d, err := secretive(t, s, "one")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	file := filepath.Join(t.TempDir(), "key")
	for what, source := range map[string]KeySource{"another key": {Text: testKey(2)}, "nonsense": {Text: "nonsense"}, "a file of nonsense": {File: file}} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, source)
		t.Log(what, state(t, s).Reason)
		locked(t, s, c, d, "key_wrong")
		closed(t, s)
	}
	s = open(t, dir, KeySource{File: filepath.Join(dir, "none")})
	locked(t, s, c, d, "key_missing")
	closed(t, s)
	s = open(t, dir, right)
	unlocked(t, s, c, d)
	closed(t, s)

	// Without the key for good: what is locked can be deleted, then a new key serves.
	s = open(t, dir, KeySource{Text: testKey(2)})
	defer closed(t, s)
	err = s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
		if err := tx.DeleteCredential(c.ID); err != nil {
			return err
		}
		return tx.DeleteDestination(d.ID, true)
	})
	if err != nil {
		t.Fatal(err)
	}
	if k := state(t, s); !k.OK || len(k.Locked) > 0 {
		t.Errorf("%+v", k)
	}
	if _, _, err := secretive(t, s, "two"); err != nil {
		t.Error(err)
	}
}

func locked(t *testing.T, s *Store, c model.Credential, d model.Destination, code string) {
	t.Helper()
	ctx := context.Background()
	before, err := all(s.reader(ctx), scanBox, sealedAll)
	if err != nil || len(before) != 3 {
		t.Fatalf("%d boxes, %v", len(before), err)
	}
	k := state(t, s)
	if k.OK || k.Code != code || k.Reason == "" || k.Where == "" || fmt.Sprint(k.Locked) != "[one one orders]" {
		t.Errorf("%+v", k)
	}
	_, err = s.OpenCredential(ctx, c.ID)
	wantCode(t, "open", err, code)
	_, err = s.SigningSecret(ctx, d.ID)
	wantCode(t, "signing secret", err, code)
	_, _, err = secretive(t, s, "more")
	wantCode(t, "seal", err, code)
	old := c
	old.Version = 0
	err = s.Write(ctx, model.System("test"), func(tx *Tx) error { return tx.UpdateCredential(&old, model.Secrets{"password": "x"}) })
	wantCode(t, "seal over", err, code)
	old.Description += "."
	old.Version = 0
	if err := s.Write(ctx, model.System("test"), func(tx *Tx) error { return tx.UpdateCredential(&old, nil) }); err != nil {
		t.Errorf("what is not secret can be changed: %v", err)
	}
	after, err := all(s.reader(ctx), scanBox, sealedAll)
	if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("boxes changed: %v", err)
	}
}

func unlocked(t *testing.T, s *Store, c model.Credential, d model.Destination) {
	t.Helper()
	secrets, err := s.OpenCredential(context.Background(), c.ID)
	if err != nil || secrets["password"].Reveal() != canary || secrets["token"].Reveal() != canary+"2" {
		t.Errorf("%d secrets, %v", len(secrets), err)
	}
	signing, err := s.SigningSecret(context.Background(), d.ID)
	if err != nil || signing.Reveal() != canary+"3" {
		t.Error(err)
	}
	if k := state(t, s); !k.OK || len(k.Locked) != 0 || k.Reason != "" {
		t.Errorf("%+v", k)
	}
}

func TestCopiedBoxDoesNotOpen(t *testing.T) {
	s := opened(t)
	a, _, err := secretive(t, s, "one")
	if err != nil {
		t.Fatal(err)
	}
	b, d, err := secretive(t, s, "two")
	if err != nil {
		t.Fatal(err)
	}
	copied := func(from, fromName, to, toName string) {
		t.Helper()
		err := s.Write(context.Background(), model.System("thief"), func(tx *Tx) error {
			return tx.exec(`UPDATE sealed SET box = (SELECT box FROM sealed WHERE row_id = $1 AND name = $2) WHERE row_id = $3 AND name = $4`, from, fromName, to, toName)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	copied(string(a.ID), "password", string(b.ID), "password")
	_, err = s.OpenCredential(context.Background(), b.ID)
	wantCode(t, "copied to another row", err, "secret_damaged")
	copied(string(a.ID), "password", string(a.ID), "token")
	_, err = s.OpenCredential(context.Background(), a.ID)
	wantCode(t, "copied to another name", err, "secret_damaged")
	copied(string(a.ID), "password", string(d.ID), signingName)
	_, err = s.SigningSecret(context.Background(), d.ID)
	wantCode(t, "copied to another kind", err, "secret_damaged")
	if k := state(t, s); !k.OK || fmt.Sprint(k.Locked) != "[one two two orders]" {
		t.Errorf("%+v", k)
	}
}

func TestTamperedAuditShows(t *testing.T) {
	s := opened(t)
	if _, _, err := secretive(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	tamper := func(drop, query string) error {
		return s.Write(context.Background(), model.System("thief"), func(tx *Tx) error {
			if err := tx.exec("DROP TRIGGER " + drop); err != nil {
				return err
			}
			return tx.exec(query)
		})
	}
	forbidden := func(query string) {
		t.Helper()
		if err := s.Write(context.Background(), model.System("thief"), func(tx *Tx) error { return tx.exec(query) }); err == nil {
			t.Errorf("%s went through", query)
		}
	}
	forbidden("UPDATE audit SET actor_name = 'x' WHERE seq = 2")
	forbidden("DELETE FROM audit WHERE seq = 2")
	if n, err := s.VerifyAudit(context.Background()); n != 0 || err != nil {
		t.Fatalf("broken at %d, %v", n, err)
	}
	if err := tamper("audit_keep", "UPDATE audit SET object = 'x' WHERE seq = 3"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.VerifyAudit(context.Background()); n != 3 || err != nil {
		t.Errorf("broken at %d, %v; want 3", n, err)
	}
	if err := tamper("audit_stay", "DELETE FROM audit WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.VerifyAudit(context.Background()); n != 2 || err != nil {
		t.Errorf("broken at %d, %v; want 2", n, err)
	}
}
