package dispatch

import (
	"context"
	"fmt"
	"strings"
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

// book writes down what is attempted.
type book struct {
	mu    sync.Mutex
	lines []string
	at    []time.Time
}

func (b *book) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines, b.at = append(b.lines, fmt.Sprintf(format, args...)), append(b.at, time.Now())
}

func (b *book) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// data is what the events of a message say, in their order.
func data(w model.Work) string {
	var out []string
	for _, m := range w.Each() {
		out = append(out, strings.Trim(string(m.Event.Data), `{}"n:`))
	}
	return strings.Join(out, ",")
}

// bubble runs a test in fake time, on a store that is closed at its end.
func bubble(t *testing.T, test func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed)) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		test(t, func(asks Target, attempt func(context.Context, model.Work) deliver.Result) *bed {
			b = &bed{T: t, store: dbtest.Open(t), attempt: attempt, limit: 4, asks: asks}
			b.boot(Options{})
			return b
		})
		if err := b.d.Stop(time.Second); err != nil {
			t.Error(err)
		}
		if got := b.d.Load(); got != (Load{}) {
			t.Errorf("places are left: %+v", got)
		}
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b := asks(Target{Rate: 2}, func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", w.Delivery.Lane)
			return sent(ctx, w)
		})
		var last model.DeliveryID
		for range 10 {
			last = b.publish("dst_a")
		}
		synctest.Wait()
		if s := b.d.Shown("dst_a"); s.Waits != WaitsRate || s.Until.IsZero() {
			t.Errorf("shown as %+v", s)
		}
		if d := b.become(last, model.Delivered); d.Attempts != 1 {
			t.Errorf("%d attempts", d.Attempts)
		}
		for i := 1; i < len(log.at); i++ {
			if gap := log.at[i].Sub(log.at[i-1]); gap < 499*time.Millisecond || gap > 600*time.Millisecond {
				t.Errorf("message %d came %s after the one before, want 500 ms", i+1, gap)
			}
		}
		start := len(log.at)
		for range 9 {
			last = b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Bulk})
		}
		b.become(last, model.Delivered)
		if took := log.at[len(log.at)-1].Sub(log.at[start]); took < 4900*time.Millisecond {
			t.Errorf("9 bulk messages took %s, want 8 × 625 ms: they have 80 %% of the rate", took)
		}
		if s := b.d.Shown("dst_a"); s != (Shown{}) {
			t.Errorf("shown as %+v when nothing waits", s)
		}
	})
}

// Bulk leaves a place of its target free, and realtime comes first.
func TestLanes(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		under, most := 0, 0
		var mu sync.Mutex
		b := asks(Target{}, func(ctx context.Context, w model.Work) deliver.Result {
			if w.Delivery.Lane == model.Realtime {
				return sent(ctx, w)
			}
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			time.Sleep(time.Hour)
			mu.Lock()
			under--
			mu.Unlock()
			return sent(ctx, w)
		})
		var bulk []model.DeliveryID
		for range 12 {
			bulk = append(bulk, b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Bulk}))
		}
		time.Sleep(time.Minute)
		before := time.Now()
		b.become(b.publish("dst_a"), model.Delivered)
		if took := time.Since(before); took > time.Second {
			t.Errorf("realtime waited %s for bulk", took)
		}
		time.Sleep(5 * time.Hour)
		for _, id := range bulk {
			b.become(id, model.Delivered)
		}
		if most != 3 {
			t.Errorf("%d bulk requests at once of 4 places, want 3", most)
		}
	})
}

// The fourth attempt counts as bulk.
func TestLateIsBulk(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		b := asks(Target{}, failing)
		id := b.publish("dst_a")
		time.Sleep(2 * time.Minute)
		if d := b.become(id, model.Retrying); d.Attempts != 2 || d.Lane != model.Realtime {
			t.Errorf("after 2 attempts: %d, %s", d.Attempts, d.Lane)
		}
		time.Sleep(2 * time.Hour)
		if d := b.become(id, model.Retrying); d.Attempts != 3 || d.Lane != model.Bulk {
			t.Errorf("after 3 attempts: %d, %s", d.Attempts, d.Lane)
		}
	})
}

// Within a subject one message comes after the other, while it is retried, over a restart, and when the first is
// cancelled; other subjects do not wait. A retry by hand does not wait for its turn.
func TestOrdered(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		fails := func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s:%s", w.Delivery.OrderKey, data(w))
			if w.Delivery.OrderKey == "A" {
				return failing(ctx, w)
			}
			return sent(ctx, w)
		}
		b := asks(Target{Ordered: true}, fails)
		var ids []model.DeliveryID
		for range 4 {
			ids = append(ids, b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Realtime, Ordered: true, OrderKey: "A"}))
		}
		other := b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Realtime, Ordered: true, OrderKey: "B"})
		b.become(other, model.Delivered)
		b.become(ids[0], model.Retrying)
		if d := b.become(ids[1], model.Pending); !d.NextAttemptAt.IsZero() || d.Seq == 0 {
			t.Errorf("the second waits as %+v", d)
		}
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		b.boot(Options{})
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"A:1", "B:5", "A:1"}, log.read()); diff != "" {
			t.Error(diff)
		}
		var d model.Delivery
		err := b.store.Write(context.Background(), dbtest.Admin(), func(tx *db.Tx) (err error) { d, err = tx.RetryDelivery(ids[3]); return err })
		if err != nil {
			t.Fatal(err)
		}
		b.plays(func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s:%s", w.Delivery.OrderKey, data(w))
			return sent(ctx, w)
		})
		b.d.Wake(d.TargetID, d.Lane, d.NextAttemptAt)
		b.become(ids[3], model.Delivered)
		b.become(ids[0], model.Retrying)
		dbtest.Write(t, b.store, func(tx *db.Tx) error { _, err := tx.CancelDelivery(ids[0]); return err })
		b.become(ids[1], model.Delivered)
		b.become(ids[2], model.Delivered)
		if diff := cmp.Diff([]string{"A:1", "B:5", "A:1", "A:4", "A:2", "A:3"}, log.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// An ordered target that is switched off and on keeps its order; one that keeps none any more lets everything go.
func TestOrderedHeldAndGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b := asks(Target{Ordered: true}, failing)
		var ids []model.DeliveryID
		for range 3 {
			ids = append(ids, b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Realtime, Ordered: true, OrderKey: "A"}))
		}
		b.become(ids[0], model.Retrying)
		b.switched("It is off.")
		b.become(ids[0], model.Held)
		b.plays(func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			if len(log.read()) < 2 {
				return failing(ctx, w)
			}
			return sent(ctx, w)
		})
		b.switched("")
		b.become(ids[0], model.Retrying)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"1"}, log.read()); diff != "" {
			t.Error(diff)
		}
		b.mu.Lock()
		b.asks.Ordered = false
		b.mu.Unlock()
		b.d.Changed()
		time.Sleep(2 * time.Hour)
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
	})
}

// Targets that share a limit keep it together, take turns, and realtime comes first.
func TestShare(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		var under, most atomic.Int64
		b := asks(Target{Share: Share{Key: "one", Rate: 5, MaxInFlight: 2}}, func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", w.Delivery.TargetID)
			most.Store(max(most.Load(), under.Add(1)))
			defer under.Add(-1)
			time.Sleep(time.Second)
			return sent(ctx, w)
		})
		var last []model.DeliveryID
		for range 6 {
			last = append(last, b.publish("dst_a"))
		}
		synctest.Wait()
		for range 6 {
			last = append(last, b.publish("dst_b"), b.publish("dst_c"))
		}
		synctest.Wait()
		if s := b.d.Shown("dst_b"); s.Waits != WaitsRate {
			t.Errorf("shown as %+v", s)
		}
		for _, id := range last {
			if d := b.become(id, model.Delivered); d.Attempts != 1 {
				t.Errorf("%d attempts", d.Attempts)
			}
		}
		if most.Load() != 2 {
			t.Errorf("%d requests at once, want 2 over all of them", most.Load())
		}
		if took := log.at[len(log.at)-1].Sub(log.at[0]); took < 8*time.Second || took > 9*time.Second {
			t.Errorf("18 messages of a second, 2 at once, began within %s", took)
		}
		first := strings.Join(log.read()[:9], " ")
		for _, id := range []string{"dst_a", "dst_b", "dst_c"} {
			if n := strings.Count(first, id); n < 2 || n > 4 {
				t.Errorf("%s had %d of the first turns: %s", id, n, first)
			}
		}
		b.plays(func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", w.Delivery.Lane)
			return sent(ctx, w)
		})
		start := len(log.at)
		last = last[:0]
		for range 10 {
			last = append(last, b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Bulk}))
		}
		synctest.Wait()
		for range 10 {
			last = append(last, b.publish("dst_b"))
		}
		for _, id := range last {
			b.become(id, model.Delivered)
		}
		lines := log.read()[start:]
		if n := strings.Count(strings.Join(lines[:12], " "), string(model.Realtime)); n < 9 {
			t.Errorf("realtime had %d of the first 12: %v", n, lines)
		}
		for i := start + 1; i < len(log.at); i++ {
			if gap := log.at[i].Sub(log.at[i-1]); gap < 199*time.Millisecond {
				t.Errorf("message %d came %s after the one before, want 200 ms over all of them", i+1, gap)
			}
		}
	})
}
