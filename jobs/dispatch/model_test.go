package dispatch

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// world is a dispatcher under everything that people and receivers do to it, at random.
type world struct {
	*testing.T
	store *db.Store

	running sync.RWMutex // held for a restart
	d       *Dispatcher

	mu      sync.Mutex
	off     map[model.TargetID]bool
	ids     []model.DeliveryID
	taken   map[model.DeliveryID]bool // cancelled or retried by hand: an old attempt may still be under way
	sending map[model.DeliveryID]int
	calm    bool // every attempt succeeds
	counted map[deliver.Kind]int
}

func (w *world) boot() {
	o := Options{Store: w.store, Node: model.NewNodeID(time.Now()), Now: time.Now, Log: slog.New(slog.DiscardHandler), Attempt: w.attempt, Places: 96, InFlight: 8}
	o.Target = func(id model.TargetID) Target {
		w.mu.Lock()
		defer w.mu.Unlock()
		t := Target{MaxInFlight: 3, Schedule: []int{0, 0, 0, 0}}
		switch id {
		case "dst_1":
			t.BatchSize, t.BatchWait = 4, 5*time.Millisecond
		case "dst_2":
			t.Ordered = true
		case "dst_3":
			t.Ordered, t.BatchSize, t.BatchWait = true, 4, 5*time.Millisecond
		case "dst_4":
			t.Rate = 500
		}
		if w.off[id] {
			t.Off = "It is off."
		}
		return t
	}
	w.d = New(o)
	w.store.OnReady(w.d.Ready)
	if err := w.d.Recover(context.Background()); err != nil {
		w.Fatal(err)
	}
	go w.d.Run()
}

func (w *world) attempt(ctx context.Context, x *model.Work) deliver.Result {
	w.mu.Lock()
	for _, m := range x.Each() {
		id := m.Delivery.ID
		w.sending[id]++
		if w.sending[id] > 1 && !w.taken[id] && !m.Delivery.Batched() { // a batch is taken as a whole
			w.Errorf("%s is sent twice at once", id)
		}
	}
	calm := w.calm
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		for _, m := range x.Each() {
			w.sending[m.Delivery.ID]--
		}
		w.mu.Unlock()
	}()
	r := deliver.Result{Kind: deliver.Sent, Attempt: try(*x, 200)}
	if calm {
		return r
	}
	select {
	case <-ctx.Done():
		return deliver.Result{Kind: deliver.Cut}
	case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
	}
	switch n := rand.IntN(100); {
	case n < 30:
		r = deliver.Result{Kind: deliver.Again, Attempt: try(*x, 503), Error: "Answered 503."}
	case n < 34:
		r = deliver.Result{Kind: deliver.Final, Bound: n < 32, Attempt: try(*x, 400), Error: "Answered 400."}
	case n < 38:
		r = deliver.Result{Kind: deliver.Nothing}
	case n < 44:
		r = deliver.Result{Kind: deliver.Crash, Error: "The worker died."}
	case n < 46:
		panic("an attempt that panics")
	}
	w.mu.Lock()
	w.counted[r.Kind]++
	w.mu.Unlock()
	return r
}

func (w *world) target() model.TargetID { return model.TargetID(fmt.Sprint("dst_", rand.IntN(5))) }

// publish stores one event with a few deliveries, the way jobs does.
func (w *world) publish() {
	w.running.RLock()
	defer w.running.RUnlock()
	now := time.Now()
	p := db.Publication{Event: model.Event{ID: model.NewEventID(now), Name: "test", Time: now, CreatedAt: now, Data: []byte(`{"n":1}`)}}
	for range 1 + rand.IntN(4) {
		d := model.Delivery{ID: model.NewDeliveryID(now), EventID: p.Event.ID, TargetID: w.target(), Lane: []model.Lane{model.Realtime, model.Bulk}[rand.IntN(2)],
			Status: model.Pending, NextAttemptAt: now, CreatedAt: now, Version: 1}
		d.Ordered, d.OrderKey = d.TargetID == "dst_2" || d.TargetID == "dst_3", fmt.Sprint("subject ", rand.IntN(3))
		owner := model.NodeID("")
		if w.d.Reserve(d.TargetID, d.Lane, len(p.Event.Data)) {
			owner = w.d.o.Node
		}
		p.Deliveries, p.Owners = append(p.Deliveries, d), append(p.Owners, owner)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if rand.IntN(20) == 0 {
		cancel() // the caller left: nothing is stored, or all
	}
	defer cancel()
	v, err := w.store.Version(context.Background())
	var out []db.Published
	if err == nil {
		out, err = w.store.Publish(ctx, v, []db.Publication{p})
	}
	for i, d := range p.Deliveries {
		behind := false
		if err == nil && out[0].Places != nil {
			d.Seq, behind = out[0].Places[i].Seq, out[0].Places[i].Behind
		}
		switch owned := p.Owners[i] != ""; {
		case (err != nil || behind) && owned:
			w.d.Unreserve(d.TargetID, d.Lane, len(p.Event.Data))
		case err != nil || behind:
		case owned:
			w.d.Handover([]model.Work{{Delivery: d, Event: p.Event}})
		default:
			w.d.Spill(d.TargetID, d.Lane, now)
		}
		if err == nil {
			w.mu.Lock()
			w.ids = append(w.ids, d.ID)
			w.mu.Unlock()
		}
	}
	if err != nil && ctx.Err() == nil {
		w.Errorf("publish: %v", err)
	}
}

// meddle cancels or retries a delivery.
func (w *world) meddle() {
	w.running.RLock()
	defer w.running.RUnlock()
	w.mu.Lock()
	if len(w.ids) == 0 {
		w.mu.Unlock()
		return
	}
	id := w.ids[max(0, len(w.ids)-1-rand.IntN(60))]
	w.taken[id] = true
	w.mu.Unlock()
	cancel := rand.IntN(2) == 0
	var d model.Delivery
	var err error
	if cancel {
		err = w.store.Write(context.Background(), dbtest.Admin(), func(tx *db.Tx) (err error) {
			d, err = tx.CancelDelivery(id)
			return err
		})
	} else {
		_, err = w.d.Retry(context.Background(), dbtest.Admin(), id, nil)
	}
	switch {
	case fault.Is(err, fault.Conflict):
	case err != nil:
		w.Errorf("meddle: %v", err)
	case cancel:
		w.d.Forget(d.TargetID, id)
	}
}

func (w *world) flip() {
	w.running.RLock()
	defer w.running.RUnlock()
	id := w.target()
	w.mu.Lock()
	w.off[id] = !w.off[id]
	w.mu.Unlock()
	w.d.Changed()
}

func (w *world) restart() {
	w.running.Lock()
	defer w.running.Unlock()
	if err := w.d.Stop(time.Duration(rand.IntN(3)) * time.Millisecond); err != nil {
		w.Errorf("stop: %v", err)
	}
	w.boot()
}

// open lists deliveries that are neither settled nor parked, nor wait for one that is.
func (w *world) open(raw *sql.DB) (list []string) {
	rows, err := raw.Query(`SELECT id || ' ' || target_id || ' ' || lane || ' ' || status || ' owner=' || owner || ' ' || held || ' next=' || coalesce(next_attempt_at, '') || ' seq=' || seq FROM deliveries d
WHERE settled_at IS NULL AND held <> 'parked' AND NOT (seq > 0 AND next_attempt_at IS NULL AND owner = '' AND EXISTS (SELECT 1 FROM deliveries p
  WHERE p.target_id = d.target_id AND p.order_key = d.order_key AND p.held = 'parked' AND p.seq > 0))`)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return list
}

// burst is everything at once for a while.
func (w *world) burst(d time.Duration) {
	var stop atomic.Bool
	var all sync.WaitGroup
	every := func(pause time.Duration, act func()) {
		all.Go(func() {
			for !stop.Load() {
				act()
				time.Sleep(time.Duration(rand.Int64N(int64(2 * pause))))
			}
		})
	}
	every(time.Millisecond, w.publish)
	every(time.Millisecond, w.publish)
	every(4*time.Millisecond, w.meddle)
	every(10*time.Millisecond, w.flip)
	every(100*time.Millisecond, w.restart)
	time.Sleep(d)
	stop.Store(true)
	all.Wait()
}

// settle switches everything on, and waits until nothing is open or in memory.
func (w *world) settle(raw *sql.DB) {
	w.mu.Lock()
	off := w.off
	w.calm, w.off = true, map[model.TargetID]bool{}
	w.mu.Unlock()
	for _, was := range off {
		if was {
			w.d.Changed()
		}
	}
	left, got := w.open(raw), w.d.Load()
	// An ordered target takes two commits for each message, one message after the other: on a slow disk that takes long
	// without anything being wrong. Stuck is what has not become less for half a minute.
	least, since := len(left), time.Now()
	for (len(left) > 0 || got != (Load{})) && time.Since(since) < 30*time.Second {
		for i := range 5 {
			w.d.Nudge(model.TargetID(fmt.Sprint("dst_", i))) // else breakers keep their time
		}
		time.Sleep(10 * time.Millisecond)
		left, got = w.open(raw), w.d.Load()
		if len(left) < least {
			least, since = len(left), time.Now()
		}
	}
	if len(left) > 0 || got != (Load{}) {
		w.Fatalf("%d of %d are stuck, %+v in memory, the first ones: %v", len(left), len(w.ids), got, left[:min(5, len(left))])
	}
	w.mu.Lock()
	w.calm = false
	w.mu.Unlock()
}

// After seconds of load, failures, panics, cancelling, retries by hand, switches and restarts, everything that was
// published ends settled or parked, with every attempt recorded, and nothing is left in memory.
func TestWorld(t *testing.T) {
	dir := t.TempDir()
	w := &world{T: t, store: dbtest.OpenIn(t, dir, db.KeySource{Text: dbtest.Key}), off: map[model.TargetID]bool{}, taken: map[model.DeliveryID]bool{},
		sending: map[model.DeliveryID]int{}, counted: map[deliver.Kind]int{}}
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, db.FileName)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	before := runtime.NumGoroutine()
	w.boot()
	for range 20 { // many ends, since what is missed shows only when nothing comes after it
		w.burst(150 * time.Millisecond)
		w.settle(raw)
	}
	if err := w.d.Stop(time.Second); err != nil {
		t.Error(err)
	}
	w.check(raw)
	for range 200 {
		if runtime.NumGoroutine() <= before+4 { // those of database/sql
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+4 {
		t.Errorf("%d goroutines before, %d after", before, n)
	}
	t.Logf("%d deliveries, attempts by kind: %v", len(w.ids), w.counted)
}

// check compares what was published with what is stored.
func (w *world) check(raw *sql.DB) {
	number := func(query string) (n int) {
		w.Helper()
		if err := raw.QueryRow(query).Scan(&n); err != nil {
			w.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		what  string
		query string
		want  int
	}{
		{"stored deliveries", `SELECT count(*) FROM deliveries`, len(w.ids)},
		{"deliveries whose attempts are not those that are recorded", `SELECT count(*) FROM deliveries d WHERE attempts <> (SELECT count(*) FROM attempts a WHERE a.delivery_id IN (d.id, d.batch_id, d.split_of))`, 0},
		{"delivered ones without a good answer", `SELECT count(*) FROM deliveries d WHERE status = 'delivered' AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery_id IN (d.id, d.batch_id) AND a.status_code = 200)`, 0},
		{"failed ones with a good answer in their last attempt", `SELECT count(*) FROM deliveries d WHERE status = 'failed' AND last_status_code = 200`, 0},
		{"numbers of attempts with gaps", `SELECT count(*) FROM deliveries d WHERE batch_id = '' AND attempts <> coalesce((SELECT max(number) FROM attempts a WHERE a.delivery_id = d.id), 0)`, 0},
		{"interruptions although every stop was orderly", `SELECT count(*) FROM deliveries WHERE interruptions > 0`, 0},
		{"settled ones that say that they are held or due", `SELECT count(*) FROM deliveries WHERE settled_at IS NOT NULL AND (held <> '' OR next_attempt_at IS NOT NULL OR owner <> '')`, 0},
		{"parked ones that crashed too seldom", `SELECT count(*) FROM deliveries WHERE held = 'parked' AND crashes < 3`, 0},
	} {
		if got := number(c.query); got != c.want {
			w.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}
