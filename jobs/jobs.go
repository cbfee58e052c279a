// Package jobs is what Waybill does besides storing and showing: it publishes events, makes deliveries of them, previews
// and tests destinations, and checks what only an engine can judge. Service is the only face that handlers see.
//
// It looks down to db and its own packages, never up to handlers or views.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
	"waybill/jobs/egress"
	"waybill/jobs/export"
	"waybill/jobs/housekeeping"
	"waybill/jobs/mail"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
	"waybill/jobs/tracing"
)

// Options wire a Service.
type Options struct {
	Store   *db.Store
	Now     func() time.Time
	Log     *slog.Logger
	Rules   egress.Rules    // of the environment
	Proxy   *egress.Proxy   // of the environment; nil = people may set one
	Version string          // of Waybill, for User-Agent
	BaseURL string          // origin of this instance, such as https://waybill.example.com: whom platform tokens come from
	Node    model.NodeID    // this process
	Worker  []string        // command line of a render worker; nil = this binary's
	Workers int             // render workers; 0 = as the pool thinks
	Storage model.Storage   // what the environment says of it; 0 = nothing
	Tracer  *tracing.Tracer // nil = nothing is traced
}

// Service is made by New and works between Start and Stop.
type Service struct {
	o        Options
	routing  routing
	dispatch *dispatch.Dispatcher
	tracer   *tracing.Tracer
	telling  sync.WaitGroup // of what was cancelled, to the tracer
	pool     *script.Pool
	egress   *egress.Client
	keeper   *scheme.Keeper
	sender   deliver.Sender
	previews deliver.Sender // the same path, rendering in a worker of its own
	running  atomic.Bool
	changes  chan struct{}
	stopped  chan struct{}
	counts   counts
	activity activity
	watchers watchers
	audience audiences
	platform platform
	lives    lives
	trials   deliver.Sender // as previews, for secrets that are not in use yet
	tried    atomic.Int64   // trials so far
	steps    steps
	programs programs
	timers   *timers
	replays  replays
	follows  follows

	gate         gate
	notes        *notes
	inboundWatch watchers
	toMap        chan db.CallRef
	mapsLeft     atomic.Bool // some that are to be mapped are known to the database only
	house        *housekeeping.Keeper
	exporter     *export.Exporter
	mover        mover
	saving       sync.RWMutex // read: a file is being stored; written: files are being removed
	observed     observation
	work         work
	mail         post
}

type counts struct{ accepted, delivered, failed, attempts atomic.Int64 }

// ReceiverHost is where the built-in receiver answers, inside the process; it is never dialled.
const ReceiverHost = "receiver.waybill.internal"

// New wires a Service; nothing runs before Start.
func New(o Options) *Service {
	s := &Service{o: o, tracer: o.Tracer, changes: make(chan struct{}, 1), stopped: make(chan struct{}),
		activity: activity{rows: map[rollupKey]*model.Rollup{}, dirty: make(chan struct{}, 1)}, watchers: watchers{list: map[chan struct{}]struct{}{}}, audience: audiences{newWake()}, replays: replays{wake: newWake()}}
	s.routing.store, s.gate.store = o.Store, o.Store
	s.inboundWatch.list, s.toMap = map[chan struct{}]struct{}{}, make(chan db.CallRef, 1000)
	s.notes = newNotes()
	s.house = housekeeping.New(housekeeping.Options{Store: o.Store, Now: o.Now, Log: o.Log, Fixed: o.Storage, DropFiles: s.dropFiles, Went: func(err error) { s.Job("housekeeping", err) }})
	s.exporter, s.mover.wake = s.newExporter(), newWake()
	s.steps = steps{setup: s.stepSetup, target: s.stepTarget, outcome: s.stepOutcome}
	s.timers = newTimers()
	s.follows = newFollows()
	s.pool = script.NewPool(script.Options{Command: o.Worker, Workers: o.Workers, Log: o.Log})
	s.egress = egress.New(egress.Options{Rules: o.Rules, UserAgent: "Waybill/" + o.Version, Inside: map[string]http.Handler{ReceiverHost: receiver()}})
	s.routing.use = s.useNetwork
	s.mail = post{sender: mail.Sender{Dial: s.egress.Dial, Now: o.Now}, wake: newWake()}
	s.keeper = scheme.NewKeeper(s.egress, o.Now)
	s.keeper.Platform = s.signPlatform
	s.sender = deliver.Sender{Render: s.pool.Render, Egress: s.egress, Keeper: s.keeper, Now: o.Now, Setup: s.setup}
	s.sender.Note = func(id model.CredentialID, failure string) { s.lives.note(id, failure, o.Now()) }
	s.previews = s.sender
	s.previews.Render = s.pool.Preview
	s.trials = s.previews
	s.trials.Note = nil
	s.dispatch = dispatch.New(dispatch.Options{Store: o.Store, Node: o.Node, Now: o.Now, Log: o.Log,
		Attempt: s.attempt, Target: s.target, Settle: s.settle})
	return s
}

// Start takes up what the last process left and begins to deliver. With a missing or wrong master key nothing is
// delivered or accepted; the pages say what to do.
func (s *Service) Start(ctx context.Context) error {
	state, err := s.o.Store.KeyState(ctx)
	if err != nil {
		return err
	}
	if !state.OK {
		s.o.Log.Error("the master key does not open what is stored; nothing is delivered or accepted", "reason", state.Reason, "read_from", state.Where)
		return nil
	}
	if err := s.o.Store.StartNode(ctx, s.o.Node); err != nil {
		return fmt.Errorf("sign on: %w", err)
	}
	if _, err := s.routing.current(ctx); err != nil {
		return err
	}
	if err := s.dispatch.Recover(ctx); err != nil {
		return fmt.Errorf("take up deliveries: %w", err)
	}
	s.o.Store.OnChange(s.changed)
	s.o.Store.OnOutcome(s.outcome)
	s.o.Store.OnCancelled(s.cancelled)
	s.o.Store.OnReady(s.dispatch.Ready)
	s.o.Store.OnFollow(s.follows.poke)
	s.running.Store(true)
	go s.dispatch.Run()
	go s.follow()
	go s.housekeeping()
	go s.keepStats()
	go s.keepAudiences()
	go s.keepUp(context.Background(), s.timers.wake, "what is due could not be done", s.goOff)
	go s.keepUp(s.follows.ctx, s.follows.wake, "messages could not be followed", s.followDue)
	go s.keepNotes()
	go s.keepMapping()
	go s.keepWatch()
	go s.keepUp(context.Background(), s.mail.wake, "letters could not be looked up", s.sendLetters)
	s.startOperations()
	return nil
}

// outcome hears what was stored of an attempt.
func (s *Service) outcome(d model.Delivery, o model.Outcome) {
	s.activity.outcome(d, o, s.o.Now())
	s.watchers.tell()
}

// Counted notes an outcome for statistics and metrics, as if it had just been stored.
func (s *Service) Counted(d model.Delivery, o model.Outcome) { s.activity.outcome(d, o, s.o.Now()) }

// changed says that routing changed; it never blocks.
func (s *Service) changed() {
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// readAgain is how long to wait after the routing could not be read.
const readAgain = time.Second

// follow tells the dispatcher of changes of routing.
func (s *Service) follow() {
	for {
		select {
		case <-s.stopped:
			return
		case <-s.changes:
			if _, err := s.routing.current(context.Background()); err != nil {
				s.o.Log.Error("the routing could not be read; trying again", "error", err)
				time.AfterFunc(readAgain, s.changed)
				continue
			}
			s.dispatch.Changed()
		}
	}
}

// hourly is how often what is too old goes.
const hourly = time.Hour

// housekeeping clears what has expired.
func (s *Service) housekeeping() {
	tick := time.NewTicker(hourly)
	defer tick.Stop()
	for {
		select {
		case <-s.stopped:
			return
		case <-tick.C:
			s.expire()
		}
	}
}

// expire clears what has ended: keys of events, sessions, waits after failed sign-ins, old statistics, old records of audiences.
func (s *Service) expire() {
	for _, forget := range []func(context.Context, time.Time) (int64, error){s.o.Store.ForgetDedupe, s.o.Store.ForgetSessions, s.o.Store.ForgetThrottles, s.o.Store.ForgetStats, s.o.Store.ForgetAlerts, s.o.Store.ForgetMails, s.forgetReplays,
		s.o.Store.ForgetFormer, s.o.Store.ForgetMembers, s.forgetInbound} {
		for {
			n, err := forget(context.Background(), s.o.Now())
			if err != nil {
				s.o.Log.Warn("what has expired could not be cleared", "error", err)
			}
			if err != nil || n == 0 {
				break
			}
		}
	}
}

// forgetReplays removes what finished replays leave, when their deliveries go, too.
func (s *Service) forgetReplays(ctx context.Context, now time.Time) (int64, error) {
	p, err := s.house.Policy(ctx)
	if err != nil {
		return 0, err
	}
	return s.o.Store.ForgetReplays(ctx, now.Add(-time.Duration(p.RowDays)*24*time.Hour))
}

// Stop ends delivering: running attempts get grace, the rest goes back to the database. Events that still come are
// stored and wait there.
func (s *Service) Stop(grace time.Duration) error {
	defer s.egress.Close()
	defer s.pool.Close()
	if !s.running.CompareAndSwap(true, false) {
		return nil
	}
	close(s.stopped)
	s.follows.stop()
	if err := s.dispatch.Stop(grace); err != nil {
		return fmt.Errorf("give deliveries back: %w", err)
	}
	s.writeStats()
	s.writeNotes()
	s.writeLives(true)
	s.telling.Wait()
	return s.o.Store.EndNode(context.Background(), s.o.Node)
}

// accepting is nil when events can be taken.
func (s *Service) accepting(ctx context.Context) error {
	if s.running.Load() {
		return s.house.Accepting()
	}
	if state, err := s.o.Store.KeyState(ctx); err == nil && !state.OK {
		return fault.Coded(fault.Unavailable, "key_missing", "The master key of this server does not open what is stored; nothing was accepted. %s", state.Why)
	}
	return &fault.Fault{Kind: fault.Unavailable, Code: "stopping", RetryAfter: 5, Message: "This server is just stopping or starting; nothing was accepted."}
}

func (s *Service) attempt(ctx context.Context, w *model.Work) deliver.Result {
	s.watchers.tell() // it is being sent
	tracing, trace := s.tracer.Attempt(w, s.o.Now())
	if trace != w.Event.Traceparent {
		traced := *w
		traced.Event.Traceparent = trace
		w = &traced
	}
	r := s.sender.Attempt(ctx, w)
	tracing.Ended(r.Attempt, r.Error, s.o.Now())
	s.counts.attempts.Add(1)
	switch r.Kind {
	case deliver.Sent:
		s.counts.delivered.Add(1) // of a message that is followed, when that is told
	case deliver.Final:
		s.counts.failed.Add(1)
	}
	return r
}

// Stats are counters since the start and what is in hand, for metrics.
type Stats struct {
	Accepted, Delivered, Failed, Attempts int64
	dispatch.Load
}

// Stats tells what was done and what is in hand.
func (s *Service) Stats() Stats {
	return Stats{s.counts.accepted.Load(), s.counts.delivered.Load(), s.counts.failed.Load(), s.counts.attempts.Load(), s.dispatch.Load()}
}

// Pool tells the process ids of the render workers, for `waybill bench`.
func (s *Service) Pool() []int { return s.pool.PIDs() }
