package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// room lets the database grow by n pages; negative = without bound.
func (s *Store) room(t *testing.T, n int64) {
	t.Helper()
	err := s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
		have, err := one(tx, "pragma", number, "PRAGMA page_count")
		if n < 0 {
			have, n = 1<<30, 0
		}
		if err != nil {
			return err
		}
		_, err = one(tx, "pragma", number, fmt.Sprint("PRAGMA max_page_count = ", have+n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// waits is how many closures are queued.
func (w *writer) waits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// group runs fns in one commit group and returns their errors.
func group(s *Store, fns []func(*Tx) error) []error {
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	all.Go(func() {
		_ = s.Write(context.Background(), model.System("test"), func(*Tx) error {
			once.Do(func() { close(running) })
			<-release
			return nil
		})
	})
	<-running
	errs := make([]error, len(fns))
	for i, fn := range fns {
		all.Go(func() { errs[i] = s.Write(context.Background(), model.System("test"), fn) })
		for s.writer.waits() <= i {
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	all.Wait()
	return errs
}

const insertBig = `INSERT INTO events (id, external_id, name, subject, time, depth, deliveries, met, created_at, data) VALUES ($1, '', 'big', '', 0, 0, 0, '', 0, zeroblob($2))`

// fill up: small, small, big, small … in one group; only the big one may fail.
func bigInTheMiddle(t *testing.T, s *Store, big int) {
	t.Helper()
	fns := make([]func(*Tx) error, 21)
	for i := range fns {
		fns[i] = func(tx *Tx) error {
			return tx.CreateConnection(&model.Connection{Name: fmt.Sprint("c", i), BaseURL: "https://example.com", Type: model.ConnectionWebhook})
		}
	}
	fns[10] = func(tx *Tx) error {
		if err := tx.CreateConnection(&model.Connection{Name: "big", BaseURL: "https://example.com"}); err != nil {
			return err
		}
		return tx.exec(insertBig, "evt_big", big)
	}
	for i, err := range group(s, fns) {
		switch {
		case i == 10:
			wantCode(t, "the big one", err, "disk_full")
		case err != nil:
			t.Errorf("neighbour %d: %v", i, err)
		}
	}
	list, _, err := s.Connections(context.Background(), ConnectionFilter{}, Page{Limit: MaxPage})
	if err != nil || len(list) != 20 {
		t.Errorf("%d neighbours are stored, %v; want 20", len(list), err)
	}
	if n, err := s.VerifyAudit(context.Background()); n != 0 || err != nil {
		t.Errorf("audit broken at %d, %v", n, err)
	}
}

func TestFullInTheMiddleOfAGroup(t *testing.T) {
	s := opened(t)
	s.room(t, 60)
	bigInTheMiddle(t, s, 20<<20)
	s.room(t, 0)
	publish := func(size int) error {
		v, err := s.Version(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		_, err = s.Publish(context.Background(), v, []Publication{{Event: model.Event{ID: model.NewEventID(now), Name: "a", Time: now, CreatedAt: now, Data: make([]byte, size)}}})
		return err
	}
	wantCode(t, "publishing without room", publish(100<<10), "disk_full")
	if err := s.Ready(context.Background()); err != nil {
		t.Errorf("a full disk is no reason to stop: %v", err)
	}
	s.room(t, -1)
	if err := publish(100 << 10); err != nil {
		t.Errorf("with room again: %v", err)
	}
	var word string
	if err := s.readers.QueryRow("PRAGMA integrity_check").Scan(&word); err != nil || word != "ok" {
		t.Errorf("integrity: %s, %v", word, err)
	}
}

// The same on a file system that is really full: the WAL cannot grow either.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=20m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, KeySource{Text: testKey(1)})
	bigInTheMiddle(t, s, 32<<20)
	var stored []string
	var refused error
	add := func(i int) (string, error) {
		name := fmt.Sprint("late ", i)
		c := model.Connection{Name: name, BaseURL: "https://example.com", Description: fmt.Sprintf("%02000d", i)}
		return name, s.Write(context.Background(), model.System("test"), func(tx *Tx) error { return tx.CreateConnection(&c) })
	}
	for i := range 4000 {
		name, err := add(i)
		if err != nil {
			refused = err
			break
		}
		stored = append(stored, name)
	}
	wantCode(t, "on a full disk", refused, "disk_full")
	select {
	case <-s.Failed():
		t.Error("a full disk stopped the store")
	default:
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	name, err := add(9999)
	if err != nil {
		t.Errorf("with room again: %v", err)
	}
	stored = append(stored, name)
	closed(t, s)
	s = open(t, dir, KeySource{Text: testKey(1)})
	defer closed(t, s)
	have := map[string]bool{}
	for cursor, more := "", true; more; more = cursor != "" {
		list, next, err := s.Connections(context.Background(), ConnectionFilter{}, Page{Limit: MaxPage, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			have[c.Name] = true
		}
		cursor = next
	}
	for _, name := range stored {
		if !have[name] {
			t.Errorf("%s was stored and is gone", name)
		}
	}
	if len(have) != 20+len(stored) {
		t.Errorf("%d are there, %d were stored", len(have), 20+len(stored))
	}
}

// An error that says that the file is no database any more ends all writing.
func TestBrokenFileStopsTheStore(t *testing.T) {
	s := opened(t)
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("this is no database, whatever its name may say ............................................................"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := sql.Open("sqlite", "file:"+garbage)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var n int
	broke := d.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n)
	if !broken(broke) {
		t.Fatalf("%v does not count as broken", broke)
	}
	write := func(err error) error {
		return s.Write(context.Background(), model.System("test"), func(*Tx) error { return err })
	}
	if err := write(errors.New("no")); err == nil || s.Ready(context.Background()) != nil {
		t.Fatalf("an ordinary error stopped the store: %v", err)
	}
	if err := write(broke); !errors.Is(err, broke) {
		t.Errorf("got %v", err)
	}
	select {
	case <-s.Failed():
	default:
		t.Error("the store goes on")
	}
	if err := write(nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a write after that: %v", err)
	}
	if s.Ready(context.Background()) == nil {
		t.Error("the store says that it is ready")
	}
}

// What can only be set before the first table stands as it was meant.
func TestNewDatabase(t *testing.T) {
	s := opened(t)
	for pragma, want := range map[string]string{"page_size": "8192", "auto_vacuum": "2", "journal_mode": "wal"} {
		var got string
		if err := s.readers.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", pragma, got, err, want)
		}
	}
}
