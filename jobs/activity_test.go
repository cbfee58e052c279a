package jobs

import (
	"context"
	"net/http"
	"testing"
	"time"

	"waybill/db/model"
)

// What attempts came to is counted where all of it is, and watchers are told.
func TestActivity(t *testing.T) {
	d := newDesk(t)
	changed, stop := d.Watch(0)
	defer stop()
	d.settled(d.publish("order.created", order).ID, model.Delivered)
	<-changed
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	bad := d.settled(d.publish("order.created", order).ID, model.Failed)
	ctx := context.Background()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // the hook comes after the commit
		d.writeStats()
		if list, err := d.store.Troubles(ctx, time.Now().Add(-time.Hour), 5); err != nil || len(list) > 0 {
			break
		}
	}
	for _, dst := range []model.DestID{"", d.dest.ID} {
		x, err := d.store.Series(ctx, []model.DestID{dst}, time.Now().Add(time.Minute), model.SpanOf("1h"))
		if err != nil || x.All.Delivered != 1 || x.All.Failed != 1 || x.All.P99 <= 0 {
			t.Errorf("at %q: %+v, %v, want one each", dst, x.All, err)
		}
		if took, err := d.store.Took(ctx, dst, time.Now(), 0.95); err != nil || took <= 0 || took > time.Minute {
			t.Errorf("at %q: answers took %v, %v", dst, took, err)
		}
	}
	troubles, err := d.store.Troubles(ctx, time.Now().Add(-time.Hour), 5)
	if err != nil || len(troubles) != 1 || troubles[0].Delivery != bad.ID || troubles[0].Error != bad.LastError {
		t.Errorf("troubles %+v, %v; want that of %s: %s", troubles, err, bad.ID, bad.LastError)
	}
}

// Who does not read blocks nobody, and is told once.
func TestWatchersAreNotWaitedFor(t *testing.T) {
	d := newDesk(t)
	changed, stop := d.Watch(0)
	for range 5 {
		d.watchers.tell()
	}
	if len(changed) != 1 {
		t.Errorf("told %d times, want once", len(changed))
	}
	stop()
	<-changed
	d.watchers.tell()
	if len(changed) != 0 {
		t.Error("told after it ended")
	}
	late, stop := d.Watch(time.Minute)
	defer stop()
	if len(late) != 1 {
		t.Error("what happened while nobody listened is not told")
	}
}
