package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of one commit group.
const (
	groupOps   = 512
	groupWaits = 10 * time.Millisecond  // how long results wait for a commit to ride on
	groupRuns  = 20 * time.Millisecond  // then it commits, and the rest of it goes into the next one
	bulkRuns   = 10 * time.Millisecond  // of bulk closures; less when somebody comes who must not wait for them
	bulkBeside = time.Millisecond       // … and while such come at all, since who comes waits for the commit too
	bulkRest   = 5 * time.Millisecond   // … until the next turn: what bulk closures cause takes the processor from others, too
	bulkAlone  = 100 * time.Millisecond // after the last of them
	bulkStarve = 5 * time.Millisecond   // without a turn; then one bulk closure goes along with what must not wait
)

// op is one closure for the writer.
type op struct {
	run   func(*Tx) error
	done  func(error)                                  // called once, from the keeper's goroutine, when it is on disk or failed; must not block
	bulk  bool                                         // waits for all that is not
	ahead bool                                         // goes before all that waits
	plain bool                                         // bookkeeping that is not expected to fail: runs without a savepoint at first
	rides time.Time                                    // zero = commit now; else it may wait until then for others
	gone  func() bool                                  // the caller no longer wants it: skipped when not yet begun
	after []func()                                     // of the run that stands
	taken []func()                                     // gives back what the last run took outside of the database, unless it stands
	alone func(ctx context.Context, c *sql.Conn) error // in place of run: outside of any transaction
	err   error

	touched bool // its group grew config_version
}

// writer owns the one connection that writes. It takes all closures that wait, runs each in a savepoint of one
// transaction, commits once and tells each its own result. Closures are repeatable: a group that breaks runs again
// without the guilty one.
//
// A commit writes the log; its keeper, a goroutine of its own, brings the log to the disk and tells the callers, while the next
// group runs. Nobody hears of a closure before that, so it is as good as a commit that waits for the disk itself.
type writer struct {
	s       *Store
	db      *sql.DB
	conn    *sql.Conn
	stmts   statements
	lean    lean
	ctx     context.Context // the writer's own: no caller can cancel a group
	log     logFile         // what the keeper brings to the disk
	written chan []*op      // groups for the keeper; it takes the next one when one is on disk

	mu      sync.Mutex
	queue   []*op
	bulk    []*op
	served  time.Time // when a bulk closure last ran
	hurried time.Time // when a group last held what must not wait
	rested  time.Time // before, no bulk closure has a turn
	closing bool
	wake    chan struct{}
	stopped chan struct{}
	groups  atomic.Int64 // commits since the start
	ops     atomic.Int64 // closures in them
	failed  chan struct{}
	broke   sync.Once
}

func newWriter(ctx context.Context, s *Store, d *sql.DB, under *beneath) (*writer, error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the writer: %w", err)
	}
	direct, ok := under.conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.Join(errors.New("open the writer: the database driver has no PrepareContext"), conn.Close())
	}
	log, err := openLog(ctx, conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the log of writes: %w", err), conn.Close())
	}
	w := &writer{s: s, db: d, conn: conn, lean: lean{conn: direct, made: map[pattern]leanest{}}, ctx: context.Background(), log: log,
		written: make(chan []*op), wake: make(chan struct{}, 1), stopped: make(chan struct{}), failed: make(chan struct{})}
	w.stmts.prep = func(q string) (*sql.Stmt, error) { return conn.PrepareContext(w.ctx, q) }
	go w.loop()
	go w.keep()
	return w, nil
}

var errClosed = errors.New("the store is closed")

// submit queues o; o.done is called in any case.
func (w *writer) submit(o *op, bulk bool) {
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		o.done(errClosed)
		return
	}
	switch o.bulk = bulk; {
	case bulk:
		w.bulk = append(w.bulk, o)
	case o.ahead:
		w.queue = slices.Insert(w.queue, w.behind(), o)
	default:
		w.queue = append(w.queue, o)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close ends the writer after everything that waits is written.
func (w *writer) close() error {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.stopped
	var err error
	if !w.dead() { // else it would make of what may not be on disk what is
		_, err = w.conn.ExecContext(w.ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return errors.Join(sorted(err), w.lean.close(), w.log.Close(), w.conn.Close(), w.db.Close())
}

func (w *writer) loop() {
	defer close(w.written)
	for {
		group, ok := w.gather()
		if !ok {
			return
		}
		w.written <- w.commit(group)
	}
}

// WriterLoad is what the writer did since the start, and what waits for it.
type WriterLoad struct{ Groups, Closures, Waiting int64 }

// WriterLoad tells how busy the writer is.
func (s *Store) WriterLoad() WriterLoad {
	w := s.writer
	w.mu.Lock()
	waiting := len(w.queue) + len(w.bulk)
	w.mu.Unlock()
	return WriterLoad{w.groups.Load(), w.ops.Load(), int64(waiting)}
}

// commit runs a group. It gives those of its closures that are either in a committed transaction or have their own error;
// the others wait again.
func (w *writer) commit(group []*op) (finished []*op) {
	group = w.outside(group, &finished)
	if len(group) > 0 {
		done, again := w.together(group)
		finished = append(finished, done...)
		w.putBack(again)
	}
	w.groups.Add(1)
	w.ops.Add(int64(len(finished)))
	return finished
}

// together runs ops in one transaction; when its commit fails, each by itself, so that only the guilty one suffers.
func (w *writer) together(ops []*op) (done, again []*op) {
	if w.dead() {
		for _, o := range ops {
			o.err = errDead
		}
		return ops, nil
	}
	done, again, err := w.transaction(ops, true)
	if err == nil {
		return done, again
	}
	for _, o := range ops {
		if o.err = err; len(ops) == 1 || w.dead() {
			continue
		}
		if _, _, err := w.transaction([]*op{o}, false); err != nil {
			o.err = err
		}
	}
	return ops, nil
}

// giveBack undoes what a run that does not stand had taken outside of the database.
func (o *op) giveBack() {
	for _, fn := range slices.Backward(o.taken) {
		fn()
	}
	o.taken = nil
}

// outside runs what must not be in a transaction, and gives the rest.
func (w *writer) outside(group []*op, finished *[]*op) []*op {
	return slices.DeleteFunc(group, func(o *op) bool {
		if o.alone == nil {
			return false
		}
		if o.err = errDead; !w.dead() {
			o.err = o.alone(w.ctx, w.conn)
		}
		*finished = append(*finished, o)
		return true
	})
}

// transaction runs ops in one transaction. It returns those that are settled (committed, or failed by themselves) and
// those that must run again because one of their neighbours broke the transaction. err: the commit failed, none is stored.
// trusting: plain closures run without a savepoint, for its price (SQLite keeps a copy of every page that changes in one);
// if one of them fails after all, everything runs again with a savepoint each.
func (w *writer) transaction(ops []*op, trusting bool) (done, again []*op, err error) {
	tx := &Tx{w: w, now: w.s.now()}
	if err := tx.exec("BEGIN IMMEDIATE"); err != nil {
		w.judge(err)
		return nil, nil, fmt.Errorf("begin: %w", err)
	}
	before, err := one(tx, "configuration", number, configVersion)
	if err != nil {
		w.rollback(tx)
		w.judge(err)
		return nil, nil, err
	}
	tx.version = before
	guilty, done, rest := w.runAll(tx, ops, trusting)
	if guilty != nil && guilty.plain && trusting {
		w.rollback(tx)
		return w.transaction(ops, false)
	}
	if guilty != nil {
		w.rollback(tx)
		for _, o := range ops {
			if o != guilty {
				o.err = nil
				again = append(again, o)
			}
		}
		return []*op{guilty}, again, nil
	}
	if tx.touched {
		if err := tx.exec("UPDATE config_version SET value = value + 1 WHERE one = 1"); err != nil {
			w.rollback(tx)
			w.judge(err)
			return nil, nil, err
		}
		tx.version++
	}
	if err := tx.exec("COMMIT"); err != nil {
		w.rollback(tx)
		w.judge(err)
		return nil, nil, fmt.Errorf("commit: %w", err)
	}
	w.s.saw(tx.version, tx.now.UnixMilli())
	for _, o := range done {
		o.touched = tx.touched
	}
	return done, rest, nil
}

// runAll runs every closure. guilty is the one that broke the transaction; rest are those for which time ran out. Bulk closures
// are in a group because it is their turn: one of them runs even so.
func (w *writer) runAll(tx *Tx, ops []*op, trusting bool) (guilty *op, done, rest []*op) {
	start, bulk := time.Now(), time.Time{}
	done = make([]*op, 0, len(ops))
	for i, o := range ops {
		if o.bulk && w.enough(bulk) {
			return nil, done, append(rest, ops[i:]...)
		}
		if i > 0 && !o.bulk && time.Since(start) > groupRuns {
			rest = append(rest, o)
			continue
		}
		if o.bulk && bulk.IsZero() {
			bulk = time.Now()
		}
		if o.gone != nil && o.gone() {
			o.err = context.Canceled
		} else if trusting && o.plain {
			if o.err = w.call(tx, o); o.err != nil {
				w.judge(o.err)
				return o, nil, nil
			}
		} else if !w.alone(tx, o) {
			return o, nil, nil
		}
		done = append(done, o)
	}
	return nil, done, rest
}

// alone runs one closure in a savepoint of its own; false: the transaction is broken and o is why.
func (w *writer) alone(tx *Tx, o *op) bool {
	touched := tx.touched
	if err := tx.exec("SAVEPOINT one"); err != nil {
		o.err = err
		return false
	}
	if o.err = w.call(tx, o); o.err == nil {
		if o.err = tx.exec("RELEASE one"); o.err == nil {
			return true
		}
		w.judge(o.err)
		return false
	}
	w.judge(o.err)
	tx.touched = touched
	return tx.exec("ROLLBACK TO one") == nil && tx.exec("RELEASE one") == nil
}

// call runs the closure; a panic counts as failure.
func (w *writer) call(tx *Tx, o *op) (err error) {
	defer func() {
		if r := recover(); r != nil {
			w.s.log.Error("a write panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a write: %v", r)
		}
	}()
	o.giveBack() // of an earlier run, which was rolled back
	tx.undo, tx.op, o.after = nil, o, nil
	return o.run(tx)
}

func (w *writer) rollback(tx *Tx) {
	// SQLite may have rolled back by itself (disk full); then there is nothing left to roll back.
	_ = tx.exec("ROLLBACK")
}
