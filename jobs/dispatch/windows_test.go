package dispatch

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
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

// still makes a dispatcher whose goroutine does not run: a test plays it step by step.
func still(t *testing.T, o Options) *Dispatcher {
	o.Store, o.Node, o.Now, o.Log = dbtest.Open(t), model.NewNodeID(time.Now()), time.Now, slog.New(slog.DiscardHandler)
	if o.Target == nil {
		o.Target = func(model.TargetID) Target { return Target{MaxInFlight: 4, Schedule: []int{0}} }
	}
	if o.Attempt == nil {
		o.Attempt = func(ctx context.Context, w *model.Work) deliver.Result { return sent(ctx, *w) }
	}
	return New(o)
}

// step waits for mail and works through it.
func (d *Dispatcher) step(t *testing.T) {
	t.Helper()
	select {
	case <-d.mail.wake:
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
	}
	d.mail.Lock()
	posts := d.mail.posts
	d.mail.posts = nil
	d.mail.Unlock()
	for _, fn := range posts {
		fn()
	}
}

// A row that is stored while a claim is under way, which does not see it, is still waited for when the claim is back.
func TestClaimForgetsNothing(t *testing.T) {
	d := still(t, Options{})
	tg := d.target("dst_a")
	q, due := tg.lane(model.Realtime), time.Now()
	d.dueAt(q, due)
	d.claim(tg, q)
	d.dueAt(q, due.Add(time.Second)) // its row is committed after the claim looked
	d.step(t)
	if q.claiming || q.due.IsZero() || !d.look {
		t.Errorf("after the claim: claiming %t, due %v, look %t", q.claiming, q.due, d.look)
	}
}

// Due times follow the clock on the wall: it goes on while the machine sleeps, a monotonic clock does not.
func TestDueIsWallTime(t *testing.T) {
	d := still(t, Options{})
	q := d.target("dst_a").lane(model.Realtime)
	due := time.Now().Add(time.Hour)
	d.dueAt(q, due)
	if q.due != due.Round(0) {
		t.Errorf("due %v has a monotonic reading", q.due)
	}
}

// A timer that fires before its time on the wall (the clock was set back meanwhile) is set again: nothing else comes along.
func TestTimerComesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last atomic.Int64
		start := time.Now()
		b := newBed(t, Options{}, func(ctx context.Context, w model.Work) deliver.Result {
			last.Store(int64(time.Since(start)))
			return failing(ctx, w)
		})
		b.asks.Schedule = []int{0, 30} // 24 to 36 s, well before the clock is looked at anyway
		b.publish("dst_a")
		time.Sleep(time.Second)
		b.back.Store(int64(10 * time.Second))
		time.Sleep(5 * time.Minute)
		if last := time.Duration(last.Load()); last < 33*time.Second || last > 47*time.Second {
			t.Errorf("the retry came after %s", last)
		}
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Rows that wait for memory are looked for again by whatever leaves it.
func TestRoomIsNoticed(t *testing.T) {
	d := still(t, Options{})
	d.starved = true
	w := model.Work{Delivery: model.Delivery{ID: "dlv_1", TargetID: "dst_a", Lane: model.Realtime}}
	d.gates.hold(w)
	x := run{t: d.target("dst_a")}
	x.t.inflight, d.inflight, d.forming = 1, 1, 1
	d.formed(x, []model.Work{w}, nil, Target{}, nil) // all of a batch were cancelled before it was formed
	if got := d.Load().InMemory; !d.look || got != 0 {
		t.Errorf("after a batch of none: look %t, %d in memory", d.look, got)
	}
	d.look = false
	if !d.Reserve("dst_a", model.Realtime, 1) {
		t.Fatal("no place")
	}
	d.Unreserve("dst_a", model.Realtime, 1)
	d.step(t)
	if !d.look {
		t.Error("a place that was given up is not noticed")
	}
}

// A target that waits for a place comes before the one whose attempt just ended.
func TestPlacesGoRound(t *testing.T) {
	const n = 20
	turns := make(chan model.TargetID, n)
	block := make(chan struct{})
	b := newBed(t, Options{InFlight: 1}, func(ctx context.Context, w model.Work) deliver.Result {
		<-block
		turns <- w.Delivery.TargetID
		return sent(ctx, w)
	})
	for range n / 2 {
		b.publish("dst_a")
	}
	for range n / 2 {
		b.publish("dst_b")
	}
	close(block)
	got := ""
	for range n {
		id := <-turns
		got += string(id[4:])
	}
	if strings.Contains(got, "aaa") || strings.Contains(got, "bbb") && !strings.HasSuffix(got, "bbb") {
		t.Errorf("took turns as %s", got)
	}
}

// After a restart what is due in the database is not overtaken by what comes new.
func TestRestartIsNotOvertaken(t *testing.T) {
	d := still(t, Options{})
	x := dbtest.Fill(t, d.o.Store)
	p := x.Publication("")
	p.Deliveries[0].NextAttemptAt = time.Now().Add(-time.Hour)
	v, err := d.o.Store.Version(context.Background())
	if err == nil {
		_, err = d.o.Store.Publish(context.Background(), v, []db.Publication{p})
	}
	if err == nil {
		err = d.Recover(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	target := x.Destination.Target()
	if d.Reserve(target, model.Realtime, 1) {
		t.Error("a new delivery went through memory past one that waits")
	}
	d.step(t)
	d.claimDue()
	for q := d.target(target).lane(model.Realtime); q.claiming; {
		d.step(t)
	}
	if !d.Reserve(target, model.Realtime, 1) {
		t.Error("everything that waited is in memory, yet a new one gets no place")
	}
}

// What was held because its target was off, but stored only after the target was on again, goes on.
func TestHeldTooLate(t *testing.T) {
	off := "It is off."
	d := still(t, Options{Target: func(model.TargetID) Target { return Target{MaxInFlight: 4, Schedule: []int{0}, Off: off} }})
	x := dbtest.Fill(t, d.o.Store)
	p := x.Publication(d.o.Node)
	p.Deliveries[0].Version = 1
	v, err := d.o.Store.Version(context.Background())
	if err == nil {
		_, err = d.o.Store.Publish(context.Background(), v, []db.Publication{p})
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Handover([]model.Work{{Delivery: p.Deliveries[0], Event: p.Event}})
	d.step(t) // decides to hold it
	off = ""
	d.step(t) // it is held
	for range 100 {
		got, err := d.o.Store.Delivery(context.Background(), p.Deliveries[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == model.Pending {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it is held for ever")
}

// forbid makes the database refuse to change deliveries when the condition holds, until the returned func is called.
func forbid(t *testing.T, dir, condition string) (allow func()) {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, db.FileName)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	run := func(q string) {
		t.Helper()
		if _, err := raw.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TRIGGER forbidden BEFORE UPDATE ON deliveries WHEN " + condition + " BEGIN SELECT RAISE(ABORT, 'forbidden'); END")
	return func() { t.Helper(); run("DROP TRIGGER forbidden") }
}

// Holding and releasing that could not be stored is done when it can be, without another change.
func TestHoldsAndReleasesAgain(t *testing.T) {
	dir := t.TempDir()
	b := &bed{T: t, store: dbtest.OpenIn(t, dir, db.KeySource{Text: dbtest.Key}), attempt: failing, limit: 4}
	b.boot(Options{})
	id := b.publish("dst_a")
	b.become(id, model.Retrying)
	allow := forbid(t, dir, "new.status = 'held'")
	b.switched("It is off.")
	time.Sleep(100 * time.Millisecond)
	allow()
	b.become(id, model.Held)
	b.plays(sent)
	allow = forbid(t, dir, "old.status = 'held'")
	b.switched("")
	time.Sleep(100 * time.Millisecond)
	allow()
	b.become(id, model.Delivered)
}

// What left the queue is not kept alive by it: its data does not count in the budget any more.
func TestQueueKeepsNothing(t *testing.T) {
	q := &lane{}
	for i := range 600 {
		q.push(model.Work{Delivery: model.Delivery{ID: model.DeliveryID(fmt.Sprint(i))}})
	}
	for i := range 10 {
		if _, ok := q.remove(model.DeliveryID(fmt.Sprint(100 + i))); !ok {
			t.Fatal("not found")
		}
	}
	for i := range 590 {
		want := i
		if i >= 100 {
			want += 10
		}
		if got := q.pop().Delivery.ID; got != model.DeliveryID(fmt.Sprint(want)) {
			t.Fatalf("place %d holds %s", i, got)
		}
	}
	for i, w := range q.items[:cap(q.items)] {
		if w.Delivery.ID != "" {
			t.Fatalf("slot %d still holds %s", i, w.Delivery.ID)
		}
	}
}

// Outcomes that cannot be stored keep their places, are stored when they can be, and do not hold up a stop.
func TestStoresOutcomesAgain(t *testing.T) {
	dir := t.TempDir()
	b := &bed{T: t, store: dbtest.OpenIn(t, dir, db.KeySource{Text: dbtest.Key}), attempt: sent, limit: 4}
	b.boot(Options{})
	allow := forbid(t, dir, "old.owner <> '' AND new.status = 'delivered'")
	var ids []model.DeliveryID
	for range 30 {
		ids = append(ids, b.publish("dst_a"))
	}
	time.Sleep(100 * time.Millisecond)
	if got := b.d.Load().InMemory; got != 30 {
		t.Errorf("%d places are taken while nothing can be stored, want 30", got)
	}
	allow()
	for _, id := range ids {
		if d := b.become(id, model.Delivered); d.Attempts != 1 {
			t.Errorf("%d attempts", d.Attempts)
		}
	}
	allow = forbid(t, dir, "old.owner <> '' AND new.status = 'delivered'")
	last := b.publish("dst_a")
	time.Sleep(50 * time.Millisecond)
	if err := b.d.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	allow()
	b.boot(Options{})
	b.become(last, model.Delivered)
}

// A lane that stands while slow claims are under way takes more at once; where claims are quick, or it does not stand, it takes few.
func TestClaimsGrow(t *testing.T) {
	full := func(q *lane) { q.push(model.Work{}) }
	q := &lane{}
	var got []int
	for _, step := range []struct {
		took time.Duration
		more bool
		then func(*lane)
	}{
		{time.Millisecond, true, nil},
		{slowClaim, true, nil},
		{slowClaim, true, nil},
		{slowClaim, true, nil},
		{slowClaim, false, nil}, // nothing else is due
		{slowClaim, true, full}, // it had some left
		{time.Millisecond, true, full},
	} {
		if step.then != nil {
			step.then(q)
		}
		q.adapt(step.took, step.more)
		got = append(got, q.rows())
	}
	if diff := cmp.Diff([]int{claimRows, 2 * claimRows, mostRows, mostRows, mostRows, mostRows, claimRows}, got); diff != "" {
		t.Error(diff)
	}
}
