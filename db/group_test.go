package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inOneGroup submits ops while the writer is busy, so that it takes them all at once, and waits for their results.
func inOneGroup(s *Store, ops []*op) {
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.writer.submit(&op{done: func(error) {}, run: func(*Tx) error {
		once.Do(func() { close(running) })
		<-release
		return nil
	}}, false)
	<-running
	var all sync.WaitGroup
	for _, o := range ops {
		all.Add(1)
		o.done = func(error) { all.Done() }
		s.writer.submit(o, false)
	}
	close(release)
	all.Wait()
}

// One group holds what fails, panics, came too late, breaks the transaction and stands: each gets its own result, what
// stands is stored once, and it took as few transactions as the failures force.
func TestOneGroup(t *testing.T) {
	broken := errors.New("broken")
	insert := func(tx *Tx, name string) error {
		return tx.exec(insertBig, name, 10)
	}
	for _, c := range []struct {
		name         string
		bad          func(*Tx) error
		plain, gone  bool
		transactions int
	}{
		{"fails", func(*Tx) error { return broken }, false, false, 1},
		{"panics", func(*Tx) error { panic("no") }, false, false, 1},
		{"is gone", func(*Tx) error { return nil }, false, true, 1},
		{"is bookkeeping and gone", func(*Tx) error { return nil }, true, true, 1},
		{"is bookkeeping and fails", func(*Tx) error { return broken }, true, false, 2},
		{"is bookkeeping and panics", func(*Tx) error { panic("no") }, true, false, 2},
		{"ends the transaction", func(tx *Tx) error { _ = tx.exec("ROLLBACK"); return broken }, false, false, 9},
		{"is bookkeeping and ends the transaction", func(tx *Tx) error { _ = tx.exec("ROLLBACK"); return broken }, true, false, 17},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, seen := opened(t), map[*Tx]bool{}
			var ops []*op
			for i := range 40 {
				name := fmt.Sprintf("evt_%02d", i)
				o := &op{plain: i%2 == 0, run: func(tx *Tx) error { seen[tx] = true; return insert(tx, name) }}
				if i%10 == 5 || i%10 == 8 {
					o.plain, o.gone = c.plain, func() bool { return c.gone }
					o.run = func(tx *Tx) error {
						if err := insert(tx, name); err != nil {
							return err
						}
						return c.bad(tx)
					}
				}
				ops = append(ops, o)
			}
			inOneGroup(s, ops)
			for i, o := range ops {
				if bad := i%10 == 5 || i%10 == 8; bad != (o.err != nil) {
					t.Errorf("closure %d: %v", i, o.err)
				}
			}
			list, _, err := s.Events(context.Background(), EventFilter{}, Page{Limit: MaxPage})
			if err != nil || len(list) != 32 {
				t.Errorf("%d events are stored, want 32 (%v)", len(list), err)
			}
			if len(seen) != c.transactions {
				t.Errorf("%d transactions, want %d", len(seen), c.transactions)
			}
		})
	}
}

// Bulk closures run after all others, also after those that come while one of them runs; yet they have their turn when
// somebody waits all the time.
func TestBulkWaits(t *testing.T) {
	s := opened(t)
	var order []string
	var all sync.WaitGroup
	submit := func(name string, bulk bool, then func()) {
		all.Add(1)
		s.writer.submit(&op{done: func(error) { all.Done() }, run: func(*Tx) error {
			order = append(order, name)
			then()
			return nil
		}}, bulk)
	}
	nothing := func() {}
	running := make(chan struct{})
	submit("first", false, func() {
		close(running)
		submit("bulk 1", true, func() { submit("in between", false, nothing) })
		for i := range 3 {
			submit(fmt.Sprintf("bulk %d", i+2), true, nothing)
		}
		submit("second", false, nothing)
	})
	<-running
	all.Wait()
	if diff := cmp.Diff([]string{"first", "second", "bulk 1", "in between", "bulk 2", "bulk 3", "bulk 4"}, order); diff != "" {
		t.Error(diff)
	}
	served := false
	var urgent func()
	n := 0
	urgent = func() {
		if n++; !served && n < 100_000 {
			submit("urgent", false, urgent)
		}
	}
	submit("bulk", true, func() { served = true })
	submit("urgent", false, urgent)
	all.Wait()
	if n == 100_000 {
		t.Errorf("a bulk closure had no turn beside %d urgent ones", n)
	}
}

// They have their turn also where those that may not wait take all the time of a group, or all of its places.
func TestBulkHasItsTurn(t *testing.T) {
	for _, c := range []struct {
		name   string
		urgent int
		takes  time.Duration
	}{{"long closures", 3, groupRuns * 2 / 3}, {"many closures", 2 * groupOps, 0}} {
		t.Run(c.name, func(t *testing.T) {
			s := opened(t)
			var all sync.WaitGroup
			submit := func(bulk bool, run func()) {
				all.Add(1)
				s.writer.submit(&op{done: func(error) { all.Done() }, run: func(*Tx) error { run(); return nil }}, bulk)
			}
			served, n, most := false, 0, 50*c.urgent
			var urgent func()
			urgent = func() {
				time.Sleep(c.takes)
				if n++; !served && n < most {
					submit(false, urgent)
				}
			}
			submit(false, func() {
				submit(true, func() { served = true })
				for range c.urgent {
					submit(false, urgent)
				}
			})
			all.Wait()
			if n >= most {
				t.Errorf("a bulk closure had no turn beside %d urgent ones", n)
			}
		})
	}
}

// What goes ahead runs before all that waits, and before what a long group had no time for, which keeps its place before what
// came later.
func TestGoesAhead(t *testing.T) {
	s := opened(t)
	var order []string
	var all sync.WaitGroup
	submit := func(name string, ahead bool, then func()) {
		all.Add(1)
		s.writer.submit(&op{ahead: ahead, done: func(error) { all.Done() }, run: func(*Tx) error {
			order = append(order, name)
			then()
			return nil
		}}, false)
	}
	nothing := func() {}
	running, queued := make(chan struct{}), make(chan struct{})
	submit("first", false, func() { close(running); <-queued })
	<-running
	submit("long", false, func() {
		submit("later", false, nothing)
		submit("ahead 2", true, nothing)
		submit("ahead 3", true, nothing)
		time.Sleep(groupRuns + time.Millisecond)
	})
	submit("left", false, nothing)
	submit("left, too", false, nothing)
	submit("ahead 1", true, nothing)
	close(queued)
	all.Wait()
	if diff := cmp.Diff([]string{"first", "ahead 1", "long", "ahead 2", "ahead 3", "left", "left, too", "later"}, order); diff != "" {
		t.Error(diff)
	}
}
