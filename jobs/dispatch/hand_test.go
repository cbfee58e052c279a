package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
)

// paused is a bed whose breaker is open, with messages that wait: the first one caused it, the others came after.
func paused(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed, log *book, waiting int) (*bed, []model.DeliveryID) {
	schedule := make([]int, 40)
	for i := range schedule {
		schedule[i] = min(i, 1)
	}
	b := asks(Target{Schedule: schedule}, nil)
	b.fails(log)
	ids := []model.DeliveryID{b.publish("dst_a")}
	time.Sleep(15 * time.Second)
	for range waiting {
		ids = append(ids, b.publish("dst_a"))
	}
	synctest.Wait()
	if s := b.d.Shown("dst_a"); s.Waits != WaitsBreaker || len(log.read()) != openInARow {
		t.Fatalf("shown as %+v after %v", s, log.read())
	}
	log.clear()
	return b, ids
}

func (b *book) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines, b.at = nil, nil
}

func (b *bed) fails(log *book) {
	b.plays(func(ctx context.Context, w model.Work) deliver.Result {
		log.note("%s", data(w))
		return failing(ctx, w)
	})
}

func (b *bed) works(log *book) {
	b.plays(func(ctx context.Context, w model.Work) deliver.Result {
		log.note("%s", data(w))
		return sent(ctx, w)
	})
}

func (b *bed) retry(id model.DeliveryID) model.Delivery {
	b.Helper()
	d, err := b.d.Retry(context.Background(), dbtest.Admin(), id, nil)
	if err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
	return d
}

// A person sends one of those that wait for an open breaker: that one goes, at once, and only when it gets through the pause ends.
func TestRetryOfOneThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b, ids := paused(t, asks, &log, 4)
		before := b.d.Shown("dst_a").Health
		for range 3 {
			b.retry(ids[3])
		}
		if diff := cmp.Diff([]string{"4", "4", "4"}, log.read()); diff != "" {
			t.Error(diff)
		}
		if h := b.d.Shown("dst_a").Health; h.Until != before.Until || h.Opens != before.Opens || h.Tries != openInARow+3 {
			t.Errorf("after 3 tries by hand %+v, before %+v", h, before)
		}
		if d := b.become(ids[3], model.Retrying); d.Attempts != 3 || d.RoundStart != 2 {
			t.Errorf("%d attempts, the schedule starts after %d", d.Attempts, d.RoundStart)
		}
		b.works(&log)
		log.clear()
		b.retry(ids[2])
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
		if got := log.read(); got[0] != "3" || len(got) != len(ids) {
			t.Errorf("sent in the order %v", got)
		}
		if time.Until(before.Until) <= 0 {
			t.Error("they waited until the pause was over")
		}
		if got := b.d.Load(); got != (Load{}) {
			t.Errorf("in memory: %+v", got)
		}
	})
}

// What is just being sent is not sent once more; what a person wants sent is stopped by a cancellation, and held with its target.
func TestRetryMeetsOthers(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		b := asks(Target{}, func(ctx context.Context, w model.Work) deliver.Result {
			time.Sleep(10 * time.Second)
			return sent(ctx, w)
		})
		b.limit = 1
		busy, next := b.publish("dst_a"), b.publish("dst_a")
		synctest.Wait()
		if _, err := b.d.Retry(context.Background(), dbtest.Admin(), busy, nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("retry of one that is being sent: %v", err)
		}
		b.retry(next)
		b.switched("It is off.")
		b.become(next, model.Held)
		b.become(busy, model.Delivered)
		if got := b.d.Load(); got != (Load{}) {
			t.Errorf("in memory: %+v", got)
		}
	})
}

// A try that a person asks for takes the oldest; a failure of it leaves the pause as it is, a success ends it.
func TestNudge(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b, ids := paused(t, asks, &log, 2)
		until := b.d.Shown("dst_a").Health.Until
		b.d.Nudge("dst_a")
		synctest.Wait()
		if h := b.d.Shown("dst_a").Health; h.Until != until || len(log.read()) != 1 {
			t.Errorf("%+v after the try of %v, want a pause until %v", h, log.read(), until)
		}
		b.works(&log)
		b.d.Nudge("dst_a")
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
		if time.Until(until) <= 0 {
			t.Error("they waited until the pause was over")
		}
	})
}

// That the target answered to something else ends the pause, also over a restart; a target that is well is left as it is.
func TestAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b, ids := paused(t, asks, &log, 2)
		b.plays(func(ctx context.Context, w model.Work) deliver.Result {
			time.Sleep(time.Second)
			return sent(ctx, w)
		})
		until := b.d.Shown("dst_a").Health.Until
		b.d.Answered("dst_b")
		b.d.Answered("dst_a")
		synctest.Wait()
		if list, err := b.store.Ailing(context.Background()); err != nil || len(list) != 1 || list[0].Breaker != model.BreakerRamp {
			t.Errorf("stored: %+v, %v", list, err)
		}
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
		if time.Until(until) <= 0 {
			t.Error("they waited until the pause was over")
		}
		if s := b.d.Shown("dst_b"); s != (Shown{}) {
			t.Errorf("the other one is shown as %+v", s)
		}
	})
}

// A target that got all there was is well again: a single failure later does not pause it anew.
func TestRecovers(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		b, ids := paused(t, asks, &log, 2)
		b.works(&log)
		for _, id := range ids {
			b.become(id, model.Delivered)
		}
		synctest.Wait()
		if h := b.d.Shown("dst_a").Health; h.Breaker != model.BreakerClosed || h.Opens != 0 {
			t.Errorf("after all got through: %+v", h)
		}
		b.fails(&log)
		b.become(b.publish("dst_a"), model.Retrying)
		if h := b.d.Shown("dst_a").Health; h.Breaker != model.BreakerClosed {
			t.Errorf("after one failure: %+v", h)
		}
	})
}
