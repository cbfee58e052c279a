package jobs

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// until waits for a replay to be as wanted.
func (d *desk) until(id model.ReplayID, what string, is func(model.Replay) bool) model.Replay {
	d.Helper()
	var r model.Replay
	for range 4000 {
		var err error
		if r, err = d.store.Replay(context.Background(), id); err != nil {
			d.Fatal(err)
		}
		if is(r) {
			return r
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.Fatalf("never %s: %+v", what, r)
	return r
}

func finished(r model.Replay) bool { return !r.FinishedAt.IsZero() }

func TestReplay(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	first := map[model.DeliveryID]bool{}
	for range 3 {
		first[d.settled(d.publish("order.created", order).ID, model.Delivered).ID] = true
	}
	d.settled(d.publish("order.paid", order).ID, model.Delivered)
	f := model.ReplayFilter{DestinationID: d.dest.ID, Event: "order.created", Status: model.Delivered}
	e, err := d.EstimateReplay(ctx, f)
	if err != nil || e.Count != 3 || !e.Exact || e.Seconds < 1 || len(e.By) != 1 || e.By[0].Count != 3 {
		t.Fatalf("estimate %+v, %v", e, err)
	}
	before := d.received()
	r, err := d.StartReplay(ctx, dbtest.Admin(), f)
	if err != nil {
		t.Fatal(err)
	}
	r = d.until(r.ID, "done", finished)
	if r.Status != model.ReplayDone || r.Made != 3 || r.Delivered != 3 || r.Open() != 0 || r.By != "Ada" {
		t.Errorf("replay %+v", r)
	}
	if got := d.received() - before; got != 3 {
		t.Errorf("%d requests came, want 3", got)
	}
	list, _, err := d.store.Deliveries(ctx, db.DeliveryFilter{Lane: model.Bulk}, db.Page{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d bulk deliveries, %v", len(list), err)
	}
	for _, x := range list {
		if !first[x.ReplayOf] || x.Status != model.Delivered {
			t.Errorf("%s is a replay of %q, %s", x.ID, x.ReplayOf, x.Status)
		}
		delete(first, x.ReplayOf)
	}
}

func TestReplayRefuses(t *testing.T) {
	d := newDesk(t)
	for _, f := range []model.ReplayFilter{{}, {Status: model.Held}, {Status: model.Failed}, {From: time.Now(), To: time.Now().Add(-time.Hour)}, {IDs: make([]model.DeliveryID, 1001)}} {
		if _, err := d.StartReplay(context.Background(), dbtest.Admin(), f); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want it refused", f, err)
		}
	}
}

// A cancelled replay makes nothing more, and what it made and did not settle is cancelled.
func TestReplayCancelled(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	for range 3 {
		d.settled(d.publish("order.created", order).ID, model.Delivered)
	}
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r, err := d.StartReplay(ctx, dbtest.Admin(), model.ReplayFilter{Status: model.Delivered})
	if err != nil {
		t.Fatal(err)
	}
	d.until(r.ID, "made", func(r model.Replay) bool { return r.Made == 3 })
	if _, err := d.CancelReplay(ctx, dbtest.Admin(), r.ID); err != nil {
		t.Fatal(err)
	}
	r = d.until(r.ID, "cancelled", finished)
	if r.Status != model.ReplayCancelled || r.Dropped != 3 || r.Open() != 0 {
		t.Errorf("replay %+v", r)
	}
	list, _, err := d.store.Deliveries(ctx, db.DeliveryFilter{Status: model.Cancelled}, db.Page{})
	if err != nil || len(list) != 3 {
		t.Errorf("%d cancelled deliveries, %v", len(list), err)
	}
	if _, err := d.CancelReplay(ctx, dbtest.Admin(), r.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("cancelled twice: %v", err)
	}
}

// A replay goes on where it was after a restart, and makes nothing twice.
func TestReplayGoesOn(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	d.settled(d.publish("order.created", order).ID, model.Delivered)
	var events []NewEvent
	for range 400 {
		events = append(events, NewEvent{Name: "order.created", Data: []byte(order)})
	}
	if _, err := d.Publish(ctx, dbtest.Admin(), "", true, events); err != nil {
		t.Fatal(err)
	}
	var last string
	for range 4000 {
		list, _, err := d.store.Deliveries(ctx, db.DeliveryFilter{Status: model.Pending}, db.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		last = string(list[0].ID)
		time.Sleep(5 * time.Millisecond)
	}
	r, err := d.StartReplay(ctx, dbtest.Admin(), model.ReplayFilter{DestinationID: d.dest.ID})
	if err != nil || r.Total != 401 {
		t.Fatalf("%+v, %v (%s)", r, err, last)
	}
	if err := d.Stop(0); err != nil {
		t.Fatal(err)
	}
	rules, err := egress.ParseRules("127.0.0.1/32")
	if err != nil {
		t.Fatal(err)
	}
	next := New(Options{Store: d.store, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Rules: rules, Version: "test", Node: model.NewNodeID(time.Now())})
	if err := next.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	r = d.until(r.ID, "done", finished)
	if r.Made != 401 || r.Delivered != 401 {
		t.Errorf("replay %+v", r)
	}
	seen, cursor := map[model.DeliveryID]bool{}, ""
	for {
		list, nextPage, err := d.store.Deliveries(ctx, db.DeliveryFilter{Lane: model.Bulk}, db.Page{Limit: 200, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if seen[x.ReplayOf] || !strings.HasPrefix(string(x.ReplayOf), "dlv_") {
				t.Fatalf("%s was replayed twice", x.ReplayOf)
			}
			seen[x.ReplayOf] = true
		}
		if cursor = nextPage; cursor == "" {
			break
		}
	}
	if len(seen) != 401 {
		t.Errorf("%d were replayed", len(seen))
	}
}
