package dispatch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// A batch may hold members of both lanes: those of one subject go together, whatever they are. It is tried again as a whole, by
// itself, by hand and after a restart.
func TestBatchOfBothLanes(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		play := func(then func(context.Context, model.Work) deliver.Result) func(context.Context, model.Work) deliver.Result {
			return func(ctx context.Context, w model.Work) deliver.Result {
				log.note("%s", data(w))
				return then(ctx, w)
			}
		}
		b := asks(Target{BatchSize: 4, BatchWait: time.Second, Ordered: true}, play(failing))
		var ids []model.DeliveryID
		for i := range 4 {
			d := model.Delivery{TargetID: "dst_a", Lane: model.Bulk, Ordered: true, OrderKey: "A", ReplayOf: "dlv_earlier"}
			if i%2 == 1 {
				d.Lane, d.ReplayOf = model.Realtime, ""
			}
			ids = append(ids, b.publishAs(d))
		}
		goes := func(what string, want model.Status) {
			t.Helper()
			for i, id := range ids {
				if d := b.become(id, want); d.Lane != [2]model.Lane{model.Bulk, model.Realtime}[i%2] || !d.Batched() {
					t.Errorf("%s: member %d goes in lane %s, batch %s", what, i, d.Lane, d.BatchID)
				}
			}
			for _, l := range log.read() {
				if l != "1,2,3,4" {
					t.Errorf("%s: sent as %s", what, l)
				}
			}
			synctest.Wait() // a row tells its outcome before its place is free
			if got := b.d.Load().InMemory; got != 0 {
				t.Errorf("%s: %d left in memory", what, got)
			}
		}
		goes("the first attempt", model.Retrying)
		b.plays(play(sent))
		time.Sleep(2 * time.Minute)
		goes("tried again", model.Delivered)
		for _, id := range ids { // by hand, whichever member somebody takes
			dbtest.Write(t, b.store, func(tx *db.Tx) error {
				d, err := tx.RetryDelivery(id)
				b.d.Wake(d.TargetID, d.Lane, d.NextAttemptAt)
				return err
			})
			time.Sleep(time.Second)
			goes("by hand", model.Delivered)
		}
		b.plays(play(failing))
		dbtest.Write(t, b.store, func(tx *db.Tx) error { _, err := tx.RetryDelivery(ids[1]); return err })
		b.d.Wake("dst_a", model.Realtime, time.Now())
		goes("failing again", model.Retrying)
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		b.plays(play(sent))
		b.boot(Options{})
		time.Sleep(2 * time.Minute)
		goes("after a restart", model.Delivered)
		if got := len(log.read()); got != 2+len(ids)+2 {
			t.Errorf("%d messages were sent: %v", got, log.read())
		}
	})
}

// Realtime goes first at every gate, and bulk gets what it leaves, at once: beside a lane that is never empty the places that it
// does not fill, at other targets everything, and all of it when realtime pauses.
func TestBulkBesideRealtime(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var mu sync.Mutex
		under, late := map[model.Lane]int{}, 0
		b := asks(Target{}, func(ctx context.Context, w model.Work) deliver.Result {
			mu.Lock()
			under[w.Delivery.Lane]++
			if w.Delivery.Lane == model.Realtime && time.Since(w.Delivery.CreatedAt) > 1100*time.Millisecond {
				late++
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			under[w.Delivery.Lane]--
			mu.Unlock()
			return sent(ctx, w)
		})
		var bulk []model.DeliveryID
		for range 40 {
			bulk = append(bulk, b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Bulk}))
		}
		flood := func(each int, seconds int) { // of a target with 4 places, each taken for a second
			for range seconds {
				for range each {
					b.publish("dst_a")
				}
				time.Sleep(time.Second)
			}
		}
		settled := func() (n int) {
			for _, id := range bulk {
				if d, err := b.store.Delivery(context.Background(), id); err == nil && d.Status == model.Delivered {
					n++
				}
			}
			return n
		}
		flood(3, 10) // one place is left for bulk
		if n := settled(); n < 8 || n > 14 {
			t.Errorf("beside 3 of 4 places of realtime %d bulk messages went in 10 s, want about 10", n)
		}
		if late > 3 {
			t.Errorf("%d realtime messages waited for bulk", late)
		}
		before := settled()
		flood(4, 10) // none is left
		if n := settled() - before; n > 4 {
			t.Errorf("%d bulk messages went before realtime", n)
		}
		start := time.Now()
		b.become(b.publishAs(model.Delivery{TargetID: "dst_b", Lane: model.Bulk}), model.Delivered)
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("bulk of another target took %s", took)
		}
		for _, id := range bulk {
			b.become(id, model.Delivered)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("the rest went %s after realtime paused, want 3 a second", took)
		}
	})
}
