// Package dispatch decides when a delivery is attempted: queues and places per target, what waits in memory and what in
// the database, retries, rescue, hold and release.
//
// One goroutine owns all of its state and sleeps in one select; everything it knows can be rebuilt from the database.
// It knows nothing of HTTP: an attempt is jobs/deliver's, and what a target is allowed comes from jobs.
package dispatch

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// Target is what a queue is allowed at the moment.
type Target struct {
	MaxInFlight int
	Rate        float64       // starts a second, 0 = unbounded
	Schedule    []int         // seconds before attempt 1, 2, …
	BatchSize   int           // events in one message at most; 0 and 1 = each by itself
	BatchWait   time.Duration // how long the first of a batch waits for others
	Ordered     bool          // one after the other, by OrderKey
	Off         string        // why nothing may be sent; "" = it may
	Share       Share         // what it may together with others
}

// Options wire a dispatcher. All but the sizes are required.
type Options struct {
	Store   *db.Store
	Node    model.NodeID
	Now     func() time.Time
	Log     *slog.Logger
	Attempt func(context.Context, *model.Work) deliver.Result
	Target  func(model.TargetID) Target
	// Settle applies further effects of an outcome in the transaction that records it; nil when there are none.
	// taken is false when the delivery was cancelled or retried by hand while it was sent: then only the attempt counts.
	Settle func(model.Work, model.Outcome) func(tx *db.Tx, taken bool) error

	Places   int   // deliveries in memory; 0 = 20,000
	Bytes    int64 // of event data in memory; 0 = 64 MiB
	InFlight int   // requests under way; 0 = 1,024
}

// Dispatcher is made by New, works while Run does, and ends with Stop.
type Dispatcher struct {
	o     Options
	gates gates // memory budget: the only state that others touch
	crew  crew  // makes the attempts

	mail struct {
		sync.Mutex
		posts []func()
		wake  chan struct{}
	}
	running atomic.Bool // Run has begun
	ended   chan struct{}

	// Below: owned by the goroutine of Run.
	targets  map[model.TargetID]*target
	aside    map[model.DeliveryID]model.Work // out of their queues while somebody starts their schedule again
	pools    map[string]*pool                // by Share.Key
	rings    [2][]*target                    // targets that wait for one of the places of all, by lane
	inflight int
	bulk     int             // of inflight
	forming  int             // batches on their way to disk
	records  int             // outcomes on their way to disk
	unstored []*model.Ending // outcomes that could not be stored
	claims   int
	starved  bool      // rows are due, but memory or claims were full
	look     bool      // something changed that may let rows of the database be claimed
	lately   time.Time // when the first of them is due that is not due yet, zero = none
	timer    *time.Timer
	stopping bool
	sweeping bool // holding and releasing is under way
	again    bool // … and something changed meanwhile
	attempts context.Context
	cut      context.CancelFunc

	view struct { // for people who look
		sync.RWMutex
		sending map[model.DeliveryID]time.Time
		targets map[model.TargetID]Shown
	}
}

// New makes a dispatcher; nothing happens before Run.
func New(o Options) *Dispatcher {
	if o.Places == 0 {
		o.Places = 20000
	}
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.InFlight == 0 {
		o.InFlight = 1024
	}
	d := &Dispatcher{o: o, targets: map[model.TargetID]*target{}, aside: map[model.DeliveryID]model.Work{}, pools: map[string]*pool{}, ended: make(chan struct{}), timer: time.NewTimer(time.Hour)}
	d.gates.places, d.gates.bytes = int64(o.Places), o.Bytes
	d.mail.wake = make(chan struct{}, 1)
	d.crew = crew{idle: make(chan func()), end: d.ended}
	d.view.sending, d.view.targets = map[model.DeliveryID]time.Time{}, map[model.TargetID]Shown{}
	d.attempts, d.cut = context.WithCancel(context.Background())
	return d
}

// post runs fn in the dispatcher's goroutine, in order; it never blocks.
func (d *Dispatcher) post(fn func()) {
	d.mail.Lock()
	d.mail.posts = append(d.mail.posts, fn)
	d.mail.Unlock()
	select {
	case d.mail.wake <- struct{}{}:
	default:
	}
}

// Recover rebuilds what a dispatcher knows from the database: rows of dead processes become due, targets with waiting
// rows are known, held ones of targets that are on again go on. Call it once, before Run.
func (d *Dispatcher) Recover(ctx context.Context) error {
	n, err := d.o.Store.Rescue(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		d.o.Log.Info("deliveries of a process that died go on", "deliveries", n)
	}
	waiting, err := d.o.Store.Waiting(ctx)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		d.Spill(w.Target, w.Lane, w.Due)
	}
	ailing, err := d.o.Store.Ailing(ctx)
	if err != nil {
		return err
	}
	d.post(func() {
		for _, h := range ailing {
			t := d.target(h.ID)
			t.health.Health = h
			d.show(t, Shown{})
		}
	})
	d.Changed()
	return nil
}

// minute is how often wall time is compared with the timer, so that a clock that was set forward is noticed.
const minute = time.Minute

// Run works until Stop has ended it.
func (d *Dispatcher) Run() {
	defer close(d.ended)
	d.running.Store(true)
	tick := time.NewTicker(minute)
	defer tick.Stop()
	for {
		select {
		case <-d.mail.wake:
		case <-d.timer.C:
			d.look = true // by a wall clock that was set back meanwhile nothing is due yet: the timer is set again
		case <-tick.C:
			d.look = true
			d.post(d.pumpAll) // alarms stand while the machine sleeps
		}
		d.mail.Lock()
		posts := d.mail.posts
		d.mail.posts = nil
		d.mail.Unlock()
		for _, fn := range posts {
			fn()
		}
		if d.stopping && d.inflight == 0 && d.records == 0 && d.claims == 0 && d.forming == 0 && !d.sweeping {
			return
		}
		d.claimDue()
	}
}

// Handover takes deliveries that were reserved and are now committed.
func (d *Dispatcher) Handover(work []model.Work) {
	d.post(func() {
		for _, w := range work {
			t := d.target(w.Delivery.TargetID)
			d.push(t, w)
			d.pump(t)
		}
	})
}

// Wake says that rows of a target and lane wait in the database, the first one due at due.
func (d *Dispatcher) Wake(id model.TargetID, lane model.Lane, due time.Time) {
	d.post(func() {
		d.dueAt(d.target(id).lane(lane), due)
	})
}

// Ready says that messages of an ordered target may have become due, since the ones before them are settled.
func (d *Dispatcher) Ready(id model.TargetID) {
	now := d.o.Now()
	d.post(func() {
		for _, q := range d.target(id).lanes {
			d.dueAt(q, now)
		}
	})
}

func (d *Dispatcher) pumpAll() {
	for _, t := range d.targets {
		if !t.empty() {
			d.pump(t)
		}
	}
}

// Forget drops a delivery that was cancelled from the queue; one that is being sent runs to its end.
func (d *Dispatcher) Forget(id model.TargetID, delivery model.DeliveryID) {
	d.post(func() {
		t := d.targets[id]
		if t == nil {
			return
		}
		if w, ok := t.remove(delivery); ok {
			d.drop(w)
		}
		for id, w := range d.aside {
			if w.Holds(delivery) {
				delete(d.aside, id)
				d.drop(w)
			}
		}
		d.pump(t)
	})
}

// recordAgain is how long to wait after an outcome could not be stored (full disk).
const recordAgain = time.Second

// record stores an outcome; what cannot be stored is tried again until it can, so its place stays taken.
func (d *Dispatcher) record(e *model.Ending) {
	d.records++
	d.store(e)
}

func (d *Dispatcher) store(e *model.Ending) {
	d.o.Store.Finish(d.o.Node, e, d.settles(e), func(err error) {
		d.post(func() { d.recorded(e, err) })
	})
}

// settles are the further effects of an outcome, nil when there are none.
func (d *Dispatcher) settles(e *model.Ending) func(tx *db.Tx, taken []bool) error {
	if d.o.Settle == nil {
		return nil
	}
	if e.Work.Batch == nil && e.Outcome.Each == nil {
		f := d.o.Settle(e.Work, e.Outcome)
		if f == nil {
			return nil
		}
		return func(tx *db.Tx, taken []bool) error { return f(tx, taken[0]) }
	}
	return d.settleEach(e.Work, e.Outcome)
}

func (d *Dispatcher) settleEach(w model.Work, o model.Outcome) func(tx *db.Tx, taken []bool) error {
	each, any := make([]func(*db.Tx, bool) error, len(w.Each())), false
	for i, m := range w.Each() {
		each[i] = d.o.Settle(m, o.Of(i))
		any = any || each[i] != nil
	}
	if !any {
		return nil
	}
	return func(tx *db.Tx, taken []bool) error {
		for i, f := range each {
			if f == nil {
				continue
			}
			if err := f(tx, taken[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

func (d *Dispatcher) recorded(e *model.Ending, err error) {
	if err != nil && !d.stopping {
		if len(d.unstored) == 0 { // one line and one timer for all of them: a full disk has thousands
			d.o.Log.Warn("outcomes could not be stored; trying again", "delivery", e.Work.Delivery.ID, "error", err)
			time.AfterFunc(recordAgain, func() { d.post(d.storeAgain) })
		}
		d.unstored = append(d.unstored, e)
		return
	}
	d.records--
	d.drop(e.Work)
	d.goesOn(e)
	if e.Outcome.Held == model.HeldDisabled && d.o.Target(e.Work.Delivery.TargetID).Off == "" { // switched on before it was held
		d.sweep()
	}
}

// goesOn notes when what is to be sent again is due. Where its target is off by now, a sweep that came before may not have
// known of it.
func (d *Dispatcher) goesOn(e *model.Ending) {
	o := &e.Outcome
	if o.NextAt.IsZero() && o.Each == nil {
		return
	}
	for i, m := range e.Work.All() {
		if x := o.Of(i); !x.NextAt.IsZero() {
			d.dueAt(d.target(m.Delivery.TargetID).lane(cmp.Or(x.Lane, m.Delivery.Lane)), x.NextAt)
		}
	}
	if d.o.Target(e.Work.Delivery.TargetID).Off != "" {
		d.sweep()
	}
}

// Told records what became of a message that its receiver had taken (deliver.Taken), which is not in memory: f is how it was
// followed, r what the receiver told, in its Attempt. done hears from the store's goroutine whether it is on disk.
func (d *Dispatcher) Told(w model.Work, f model.FollowUp, r deliver.Result, done func(error)) {
	told := r.Attempt
	r.Attempt = nil
	e := &model.Ending{Work: w, Outcome: outcome(w, r, d.o.Target(w.Delivery.TargetID).Schedule, d.o.Now(), rand.Float64())}
	e.Outcome.Told, e.Outcome.Followed = told, f.Reference
	d.o.Store.Finish("", e, d.settles(e), func(err error) {
		if err == nil {
			d.post(func() { d.goesOn(e) })
		}
		done(err)
	})
}

func (d *Dispatcher) storeAgain() {
	list := d.unstored
	d.unstored = nil
	for _, e := range list {
		d.store(e)
	}
}

// Stop ends the dispatcher: nothing new starts, running attempts get grace, the rest goes back to the database
// uncounted. It returns when that is done.
func (d *Dispatcher) Stop(grace time.Duration) error {
	d.gates.close()
	d.post(func() { d.stopping = true })
	t := time.AfterFunc(grace, d.cut)
	<-d.ended
	t.Stop()
	d.cut()
	return d.o.Store.GiveBack(context.Background(), d.o.Node)
}
