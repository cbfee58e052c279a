package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// held is a log that is on disk only when it is let go, and then as it is told.
type held struct {
	logFile
	asked chan struct{}
	let   chan error
}

func (h held) Sync() error {
	h.asked <- struct{}{}
	return <-h.let
}

func hold(s *Store) held {
	h := held{s.writer.log, make(chan struct{}), make(chan error)}
	s.writer.log = h
	return h
}

func addsBig(name string) func(*Tx) error {
	return func(tx *Tx) error { return tx.exec(insertBig, name, 10) }
}

// Nobody hears of a write before it is on disk; the next ones run meanwhile.
func TestHeardWhenOnDisk(t *testing.T) {
	s := opened(t)
	h := hold(s)
	heard, after := make(chan string, 2), make(chan string, 2)
	write := func(name string) {
		go func() {
			err := s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
				tx.After(func() { after <- name })
				return addsBig(name)(tx)
			})
			if err != nil {
				name = err.Error()
			}
			heard <- name
		}()
	}
	write("evt_1")
	<-h.asked
	write("evt_2")
	for { // the second one is committed beside it
		list, _, err := s.Events(context.Background(), EventFilter{}, Page{Limit: MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case name := <-heard:
		t.Fatalf("%s was told of before it was on disk", name)
	case name := <-after:
		t.Fatalf("what follows %s came before it was on disk", name)
	default:
	}
	for _, want := range []string{"evt_1", "evt_2"} {
		h.let <- nil
		if got := <-heard; got != want || <-after != want {
			t.Errorf("heard of %s, want %s", got, want)
		}
		if want == "evt_1" {
			<-h.asked
		}
	}
	s.writer.log = h.logFile
}

// When the log cannot be brought to the disk, all that are under way hear so, and nothing is written any more.
func TestLogLost(t *testing.T) {
	s := opened(t)
	h := hold(s)
	results := make(chan error, 2)
	write := func(name string) { results <- s.Write(context.Background(), model.System("test"), addsBig(name)) }
	go write("evt_1")
	<-h.asked
	go write("evt_2")
	h.let <- errors.New("input/output error")
	for range 2 {
		if err := <-results; !fault.Is(err, fault.Unavailable) {
			t.Errorf("a write that may not be on disk: %v", err)
		}
	}
	<-s.Failed()
	if err := s.Write(context.Background(), model.System("test"), addsBig("evt_3")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a write afterwards: %v", err)
	}
	if err := s.Checkpoint(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a checkpoint afterwards: %v", err)
	}
}

// A database that is called by another name has its log beside the file itself.
func TestLogBesideTheFile(t *testing.T) {
	far, near := t.TempDir(), t.TempDir()
	s, err := Open(context.Background(), Options{Dir: far, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(far, FileName), filepath.Join(far, "real.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(far, "real.db"), filepath.Join(near, FileName)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(near, FileName+"-wal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(context.Background(), Options{Dir: near, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, want := s.writer.log.(*os.File).Name(), filepath.Join(far, "real.db-wal"); got != want {
		t.Errorf("the log is taken to be %s, want %s", got, want)
	}
}
