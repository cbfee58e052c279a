package dispatch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// Events are collected until there are enough, or long enough; a message keeps its members and its id on every attempt,
// over a restart, and its attempts show under each of them.
func TestBatches(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		sizes := map[string]int{}
		once := func(ctx context.Context, w model.Work) deliver.Result {
			log.mu.Lock()
			sizes[w.MessageID()] += 100*len(w.Each()) + 1
			log.mu.Unlock()
			if w.Delivery.Attempts == 0 {
				return failing(ctx, w)
			}
			return sent(ctx, w)
		}
		b := asks(Target{BatchSize: 5, BatchWait: 2 * time.Second}, once)
		var ids []model.DeliveryID
		for range 12 {
			ids = append(ids, b.publish("dst_a"))
		}
		synctest.Wait()
		if got := b.d.Shown("dst_a").Waits; got != WaitsBatch {
			t.Errorf("the rest waits for %q", got)
		}
		b.become(ids[9], model.Retrying)
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		b.boot(Options{})
		time.Sleep(3 * time.Minute)
		members := map[model.BatchID]int{}
		for _, id := range ids {
			d := b.become(id, model.Delivered)
			members[d.BatchID]++
			list, err := b.store.Attempts(context.Background(), id)
			if err != nil || len(list) != 2 || d.Attempts != 2 || !d.Batched() {
				t.Errorf("%s: %d attempts stored, %d counted, batch %q, %v", id, len(list), d.Attempts, d.BatchID, err)
			}
		}
		want := map[int]int{1002: 2, 402: 1} // twice 5 members in 2 attempts, once 2
		got := map[int]int{}
		for _, n := range sizes {
			got[n]++
		}
		if diff := cmp.Diff(want, got); diff != "" || len(members) != 3 {
			t.Errorf("%d messages, attempts and members %s", len(members), diff)
		}
		tries, err := b.store.Tries(context.Background(), ids)
		if err != nil || len(tries[ids[0]]) != 2 || len(tries[ids[11]]) != 2 {
			t.Errorf("tries %v, %v", tries, err)
		}
	})
}

// What is too much for one message goes by itself; retrying or cancelling a member holds for all.
func TestBatchSplitsAndChangesWhole(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b := asks(Target{BatchSize: 3, BatchWait: time.Second}, func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			if len(w.Each()) > 1 {
				return deliver.Result{Kind: deliver.Final, Attempt: try(w, 413), Error: "Too much.", Bound: true}
			}
			return sent(ctx, w)
		})
		var ids []model.DeliveryID
		for range 3 {
			ids = append(ids, b.publish("dst_a"))
		}
		for _, id := range ids {
			if d := b.become(id, model.Delivered); d.Batched() || d.Attempts != 2 || d.RoundStart != 1 {
				t.Errorf("split off as %+v", d)
			}
			if list, err := b.store.Attempts(context.Background(), id); err != nil || len(list) != 2 || list[0].StatusCode != 413 {
				t.Errorf("attempts %+v, %v", list, err)
			}
		}
		if got := log.read(); len(got) != 4 || got[0] != "1,2,3" {
			t.Errorf("sent %v", got)
		}
		b.plays(failing)
		for i := range 3 {
			ids[i] = b.publish("dst_b")
		}
		b.become(ids[0], model.Retrying)
		dbtest.Write(t, b.store, func(tx *db.Tx) error { _, err := tx.CancelDelivery(ids[1]); return err })
		b.become(ids[2], model.Cancelled)
		b.plays(sent)
		dbtest.Write(t, b.store, func(tx *db.Tx) error { _, err := tx.RetryDelivery(ids[0]); return err })
		b.d.Wake("dst_b", model.Realtime, time.Now())
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
	})
}

// In order and in batches: the messages of one subject go together, in their order, and no other's with them.
func TestOrderedBatches(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		n := 0
		b := asks(Target{BatchSize: 3, BatchWait: time.Second, Ordered: true}, func(ctx context.Context, w model.Work) deliver.Result {
			if log.note("%s:%s", w.Delivery.OrderKey, data(w)); w.Delivery.OrderKey == "A" {
				if n++; n == 1 {
					return failing(ctx, w)
				}
			}
			return sent(ctx, w)
		})
		var last model.DeliveryID
		for i := range 8 {
			last = b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Realtime, Ordered: true, OrderKey: []string{"A", "A", "A", "B"}[i%4]})
		}
		b.become(last, model.Delivered)
		time.Sleep(2 * time.Minute)
		var a, other []string
		for _, l := range log.read() {
			if l[0] == 'A' {
				a = append(a, l)
			} else {
				other = append(other, l)
			}
		}
		if diff := cmp.Diff([]string{"A:1,2,3", "A:1,2,3", "A:5,6,7"}, a); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"B:4,8"}, other); diff != "" {
			t.Error(diff)
		}
	})
}

// An answer that tells the members apart settles each by itself: those to be retried form a new message with the others
// that wait, what went through is not sent again, and all attempts show under each.
func TestBatchSettlesMembersOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b := asks(Target{BatchSize: 4, BatchWait: time.Second, Schedule: []int{0, 5, 5}}, func(_ context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			r := deliver.Result{Attempt: try(w, 200)}
			for _, m := range w.Each() {
				switch n := data(m); {
				case n == "2" && m.Delivery.Attempts < 2, n == "3" && m.Delivery.Attempts < 1:
					r.Each = append(r.Each, deliver.Part{Kind: deliver.Again, Error: "Busy."})
				case n == "4":
					r.Each = append(r.Each, deliver.Part{Kind: deliver.Final, Error: "No such lead."})
				default:
					r.Each = append(r.Each, deliver.Part{})
				}
			}
			return r
		})
		var ids []model.DeliveryID
		for range 4 {
			ids = append(ids, b.publish("dst_a"))
		}
		time.Sleep(time.Minute)
		one := b.become(ids[0], model.Delivered)
		bad := b.become(ids[3], model.Failed)
		three := b.become(ids[2], model.Delivered)
		two := b.become(ids[1], model.Delivered)
		if one.Attempts != 1 || two.Attempts != 3 || three.Attempts != 2 || bad.Attempts != 1 || bad.LastError != "No such lead." || bad.Batched() {
			t.Errorf("settled as %+v\n%+v\n%+v\n%+v", one, two, three, bad)
		}
		got := log.read()
		for i, l := range got { // messages without an order have theirs by chance
			all := strings.Split(l, ",")
			slices.Sort(all)
			got[i] = strings.Join(all, ",")
		}
		if diff := cmp.Diff([]string{"1,2,3,4", "2,3", "2"}, got); diff != "" {
			t.Error(diff)
		}
		for i, want := range []int{1, 3, 2, 1} {
			list, err := b.store.Attempts(context.Background(), ids[i])
			tries, wrong := b.store.Tries(context.Background(), ids[i:i+1])
			if err != nil || wrong != nil || len(list) != want || len(tries[ids[i]]) != want {
				t.Errorf("%d: %d attempts, %d tries, want %d: %v %v", i+1, len(list), len(tries[ids[i]]), want, err, wrong)
			}
		}
	})
}

// In order too: what comes behind one that is retried waits for it, whatever its own answer was.
func TestOrderedBatchSettlesMembersOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b := asks(Target{BatchSize: 4, BatchWait: time.Second, Ordered: true, Schedule: []int{0, 5, 5}}, func(_ context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			r := deliver.Result{Attempt: try(w, 200)}
			for _, m := range w.Each() {
				one := deliver.Part{}
				if n := data(m); (n == "2" || n == "4") && m.Delivery.Attempts == 0 {
					one = deliver.Part{Kind: deliver.Again, Error: "Busy."}
				}
				r.Each = append(r.Each, one)
			}
			return r
		})
		var last model.DeliveryID
		for range 6 {
			last = b.publishAs(model.Delivery{TargetID: "dst_a", Lane: model.Realtime, Ordered: true, OrderKey: "A"})
		}
		time.Sleep(time.Minute)
		b.become(last, model.Delivered)
		if diff := cmp.Diff([]string{"1,2,3,4", "2,4,5,6"}, log.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// settling hears of outcomes before they are stored.
func settling(hear func(model.Outcome)) func(model.Work, model.Outcome) func(*db.Tx, bool) error {
	return func(_ model.Work, o model.Outcome) func(*db.Tx, bool) error {
		hear(o)
		return nil
	}
}
