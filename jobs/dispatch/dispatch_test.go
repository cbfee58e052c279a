package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// bed is a dispatcher over a real store; only the exchange itself is played.
type bed struct {
	*testing.T
	store   *db.Store
	d       *Dispatcher
	attempt func(context.Context, model.Work) deliver.Result
	mu      sync.Mutex
	off     string
	limit   int
	asks    Target // besides limit, schedule and off
	made    atomic.Int64
	back    atomic.Int64 // how far the dispatcher's clock was set back
}

func newBed(t *testing.T, o Options, attempt func(context.Context, model.Work) deliver.Result) *bed {
	b := &bed{T: t, store: dbtest.Open(t), attempt: attempt, limit: 4}
	b.boot(o)
	return b
}

func (b *bed) boot(o Options) {
	o.Store, o.Node, o.Log = b.store, model.NewNodeID(time.Now()), slog.New(slog.DiscardHandler)
	o.Now = func() time.Time { return time.Now().Add(-time.Duration(b.back.Load())) }
	b.store.OnReady(func(id model.TargetID) { b.d.Ready(id) })
	o.Attempt = func(ctx context.Context, w *model.Work) deliver.Result {
		b.mu.Lock()
		attempt := b.attempt
		b.mu.Unlock()
		return attempt(ctx, *w)
	}
	o.Target = func(model.TargetID) Target {
		b.mu.Lock()
		defer b.mu.Unlock()
		t := b.asks
		t.MaxInFlight, t.Off = b.limit, b.off
		if t.Schedule == nil {
			t.Schedule = []int{0, 60, 3600, 86400}
		}
		return t
	}
	b.d = New(o)
	if err := b.d.Recover(context.Background()); err != nil {
		b.Fatal(err)
	}
	go b.d.Run()
}

func (b *bed) switched(off string) {
	b.mu.Lock()
	b.off = off
	b.mu.Unlock()
	b.d.Changed()
}

// plays changes what attempts do.
func (b *bed) plays(attempt func(context.Context, model.Work) deliver.Result) {
	b.mu.Lock()
	b.attempt = attempt
	b.mu.Unlock()
}

// publish stores one event with one delivery to target, the way jobs does.
func (b *bed) publish(target model.TargetID) model.DeliveryID {
	b.Helper()
	return b.publishAs(model.Delivery{TargetID: target, Lane: model.Realtime})
}

func (b *bed) publishAs(d model.Delivery) model.DeliveryID {
	b.Helper()
	now := time.Now()
	e := model.Event{ID: model.NewEventID(now), Name: "test", Time: now, CreatedAt: now, Data: []byte(fmt.Sprintf(`{"n":%d}`, b.made.Add(1)))}
	target := d.TargetID
	d.ID, d.EventID, d.Status, d.NextAttemptAt, d.CreatedAt, d.Version = model.NewDeliveryID(now), e.ID, model.Pending, now, now, 1
	p := db.Publication{Event: e, Deliveries: []model.Delivery{d}, Owners: make([]model.NodeID, 1)}
	if b.d.Reserve(target, d.Lane, len(e.Data)) {
		p.Owners[0] = b.d.o.Node
	}
	v, err := b.store.Version(context.Background())
	if err == nil {
		var out []db.Published
		out, err = b.store.Publish(context.Background(), v, []db.Publication{p})
		if err == nil && out[0].Places != nil {
			if d.Seq = out[0].Places[0].Seq; out[0].Places[0].Behind {
				if p.Owners[0] != "" {
					b.d.Unreserve(target, d.Lane, len(e.Data))
				}
				return d.ID
			}
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	if p.Owners[0] != "" {
		b.d.Handover([]model.Work{{Delivery: d, Event: e}})
	} else {
		b.d.Spill(target, d.Lane, now)
	}
	return d.ID
}

// become waits until a delivery has the status.
func (b *bed) become(id model.DeliveryID, want model.Status) model.Delivery {
	b.Helper()
	for range 6000 {
		d, err := b.store.Delivery(context.Background(), id)
		if err != nil {
			b.Fatal(err)
		}
		if d.Status == want {
			return d
		}
		time.Sleep(5 * time.Millisecond)
	}
	d, _ := b.store.Delivery(context.Background(), id)
	b.Fatalf("delivery %s is %s (%s), want %s", id, d.Status, d.LastError, want)
	return d
}

func sent(_ context.Context, w model.Work) deliver.Result {
	return deliver.Result{Kind: deliver.Sent, Attempt: try(w, 200)}
}

func try(w model.Work, status int) *model.Attempt {
	now := time.Now()
	return &model.Attempt{ID: model.NewAttemptID(now), DeliveryID: w.Delivery.ID, Number: w.Delivery.Attempts + 1, StartedAt: now, StatusCode: status}
}

func failing(_ context.Context, w model.Work) deliver.Result {
	return deliver.Result{Kind: deliver.Again, Attempt: try(w, 503), Error: "Answered 503."}
}

func TestNext(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	schedule := []int{0, 100, 1000}
	for _, c := range []struct {
		name   string
		d      model.Delivery
		r      deliver.Result
		chance float64
		status model.Status
		wait   time.Duration
		held   string
	}{
		{"sent", model.Delivery{}, deliver.Result{Kind: deliver.Sent, Attempt: &model.Attempt{}}, 0, model.Delivered, 0, ""},
		{"skipped", model.Delivery{}, deliver.Result{Kind: deliver.Nothing}, 0, model.Skipped, 0, ""},
		{"final", model.Delivery{}, deliver.Result{Kind: deliver.Final, Attempt: &model.Attempt{}}, 0, model.Failed, 0, ""},
		{"first failure, shortest jitter", model.Delivery{}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}}, 0, model.Retrying, 80 * time.Second, ""},
		{"first failure, middle", model.Delivery{}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}}, 0.5, model.Retrying, 100 * time.Second, ""},
		{"second failure", model.Delivery{Attempts: 1}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}}, 0.5, model.Retrying, 1000 * time.Second, ""},
		{"last failure", model.Delivery{Attempts: 2}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}}, 0.5, model.Failed, 0, ""},
		{"after a retry by hand the schedule starts again", model.Delivery{Attempts: 3, RoundStart: 3}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}}, 0.5, model.Retrying, 100 * time.Second, ""},
		{"never under Retry-After", model.Delivery{}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}, RetryAfter: time.Hour}, 0, model.Retrying, time.Hour, ""},
		{"the schedule is longer than Retry-After", model.Delivery{}, deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{}, RetryAfter: time.Second}, 0, model.Retrying, 80 * time.Second, ""},
		{"a crash does not count", model.Delivery{}, deliver.Result{Kind: deliver.Crash}, 0, model.Pending, 0, ""},
		{"the third crash parks", model.Delivery{Crashes: 2}, deliver.Result{Kind: deliver.Crash}, 0, model.Held, 0, model.HeldParked},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Next(c.d, c.r, schedule, now, c.chance)
			wait := time.Duration(0)
			if !o.NextAt.IsZero() {
				wait = o.NextAt.Sub(now)
			}
			if diff := cmp.Diff([]any{c.status, c.wait, c.held}, []any{o.Status, wait, o.Held}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDelivers(t *testing.T) {
	b := newBed(t, Options{}, sent)
	id := b.publish("dst_a")
	d := b.become(id, model.Delivered)
	attempts, err := b.store.Attempts(context.Background(), id)
	if err != nil || len(attempts) != 1 || attempts[0].StatusCode != 200 || d.Attempts != 1 || d.LastStatusCode != 200 || d.SettledAt.IsZero() {
		t.Errorf("delivery %+v, attempts %+v, %v", d, attempts, err)
	}
	if err := b.d.Stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := b.d.Load(); got.InMemory != 0 || got.Bytes != 0 || got.Sending != 0 {
		t.Errorf("places are left: %+v", got)
	}
}

// A backlog far beyond what memory may hold is delivered, each once, and memory stays within its bound.
func TestSpills(t *testing.T) {
	var most atomic.Int64
	b := newBed(t, Options{Places: 160, InFlight: 16}, sent)
	b.plays(func(ctx context.Context, w model.Work) deliver.Result {
		for now := b.d.Load().InMemory; ; {
			if old := most.Load(); now <= old || most.CompareAndSwap(old, now) {
				break
			}
		}
		return sent(ctx, w)
	})
	var ids []model.DeliveryID
	for i := range 1000 {
		ids = append(ids, b.publish(model.TargetID(fmt.Sprintf("dst_%d", i%3))))
	}
	for _, id := range ids {
		if d := b.become(id, model.Delivered); d.Attempts != 1 {
			t.Errorf("%s was attempted %d times", id, d.Attempts)
		}
	}
	// A claim that began below the bound may end above it, by its own rows.
	if limit := int64(160 + claimsAtOnce*claimRows); most.Load() > limit {
		t.Errorf("%d deliveries were in memory at once, want at most %d", most.Load(), limit)
	}
}

// A target that hangs takes no place from others.
func TestIsolates(t *testing.T) {
	hang := make(chan struct{})
	b := newBed(t, Options{InFlight: 16}, func(ctx context.Context, w model.Work) deliver.Result {
		if w.Delivery.TargetID == "dst_dead" {
			<-hang
		}
		return sent(ctx, w)
	})
	b.limit = 64
	var dead []model.DeliveryID
	for range 100 {
		dead = append(dead, b.publish("dst_dead"))
	}
	for i := range 20 {
		b.become(b.publish(model.TargetID(fmt.Sprintf("dst_%d", i))), model.Delivered)
	}
	close(hang)
	for _, id := range dead {
		b.become(id, model.Delivered)
	}
}

func TestHoldsAndReleases(t *testing.T) {
	b := newBed(t, Options{}, failing)
	waiting := b.publish("dst_a")
	b.become(waiting, model.Retrying)
	b.switched("The destination is switched off.")
	d := b.become(waiting, model.Held)
	if d.Held != model.HeldDisabled || d.LastError == "" || d.Attempts != 1 {
		t.Errorf("held as %+v", d)
	}
	fresh := b.publish("dst_a")
	b.become(fresh, model.Held)
	b.plays(sent)
	b.switched("")
	b.become(waiting, model.Delivered)
	b.become(fresh, model.Delivered)
}

// What a process that died had in memory is attempted by the next one, and counted as interrupted.
func TestRescues(t *testing.T) {
	hang := make(chan struct{})
	b := newBed(t, Options{}, func(ctx context.Context, w model.Work) deliver.Result {
		<-hang
		return deliver.Result{Kind: deliver.Cut}
	})
	var ids []model.DeliveryID
	for range 10 {
		ids = append(ids, b.publish("dst_a"))
	}
	b.plays(sent)
	b.boot(Options{})
	for _, id := range ids {
		if d := b.become(id, model.Delivered); d.Interruptions != 1 || d.Attempts != 1 {
			t.Errorf("%s: interruptions %d, attempts %d, want 1 and 1", id, d.Interruptions, d.Attempts)
		}
	}
	close(hang)
}

// An orderly stop gives back what is queued, cuts what outlasts its grace, and counts nothing.
func TestStops(t *testing.T) {
	b := newBed(t, Options{}, func(ctx context.Context, w model.Work) deliver.Result {
		<-ctx.Done()
		return deliver.Result{Kind: deliver.Cut}
	})
	var ids []model.DeliveryID
	for range 20 {
		ids = append(ids, b.publish("dst_a"))
	}
	if err := b.d.Stop(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.plays(sent)
	b.boot(Options{})
	for _, id := range ids {
		if d := b.become(id, model.Delivered); d.Interruptions != 0 || d.Attempts != 1 {
			t.Errorf("%s: interruptions %d, attempts %d, want 0 and 1", id, d.Interruptions, d.Attempts)
		}
	}
}

func TestParks(t *testing.T) {
	b := newBed(t, Options{}, func(context.Context, model.Work) deliver.Result {
		return deliver.Result{Kind: deliver.Crash, Error: "The worker died."}
	})
	d := b.become(b.publish("dst_a"), model.Held)
	if d.Held != model.HeldParked || d.Attempts != 0 {
		t.Errorf("parked as %+v", d)
	}
	b.switched("")
	time.Sleep(50 * time.Millisecond)
	b.become(d.ID, model.Held) // switching on does not release what is parked
}

// A panic in an attempt is this delivery's trouble alone.
func TestSurvivesPanic(t *testing.T) {
	b := newBed(t, Options{}, func(ctx context.Context, w model.Work) deliver.Result {
		if w.Delivery.TargetID == "dst_bad" {
			panic("no good")
		}
		return sent(ctx, w)
	})
	bad := b.publish("dst_bad")
	b.become(b.publish("dst_good"), model.Delivered)
	b.become(bad, model.Held)
}

// The whole schedule of a dead receiver, hours of it, on a real database file: fake time, no polling.
func TestWholeSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		b := newBed(t, Options{}, func(ctx context.Context, w model.Work) deliver.Result {
			at = append(at, time.Since(start))
			return failing(ctx, w)
		})
		id := b.publish("dst_a")
		time.Sleep(40 * time.Hour)
		d, err := b.store.Delivery(context.Background(), id)
		if err != nil || d.Status != model.Failed || d.Attempts != 4 {
			t.Fatalf("after the schedule: %+v, %v", d, err)
		}
		for i, want := range []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour} {
			if i == 0 {
				continue
			}
			wait := at[i] - at[i-1]
			if wait < want*8/10 || wait > want*12/10+time.Minute {
				t.Errorf("attempt %d came %s after the one before, want %s ± 20 %%", i+1, wait, want)
			}
		}
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
