package dbtest

import (
	"testing"
	"time"

	"waybill/db"
	"waybill/db/model"
)

func statistics(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	now := time.Date(2026, 11, 22, 10, 17, 40, 0, time.UTC)
	dst, m := x.Destination.ID, model.Minute(now)
	ok(t, "add", s.AddStats([]model.Rollup{
		{Destination: dst, What: "delivered", Minute: m - 100, N: 5, Last: 7000},
		{What: "delivered", Minute: m - 100, N: 5}, {What: "delivered", Minute: m, N: 2}, {What: model.Recovered, Minute: m - 1, N: 1},
		{What: "failed", Minute: m - 3*24*60, N: 70},
		{Destination: dst, What: "failed", Minute: m - 1, N: 2, Last: 8000, Error: "old", Delivery: "dlv_1"},
	}))
	ok(t, "add again", s.AddStats([]model.Rollup{
		{What: "delivered", Minute: m, N: 40},
		{Destination: dst, What: "failed", Minute: m - 1, N: 1, Last: 9000, Error: "status 500", Delivery: "dlv_2"},
		{Destination: dst, What: "retrying", Minute: m - 2, N: 4, Last: 6000, Error: "older", Delivery: "dlv_0"},
		{What: model.TookStep(100 * time.Millisecond), Minute: m - m%60, N: 94}, {What: model.TookStep(2 * time.Second), Minute: m - m%60, N: 6},
	}))
	slots, err := s.Slots(ctx, "", now, 48, 30)
	ok(t, "slots", err)
	equal(t, "last slot", model.Slot{At: now.Truncate(30 * time.Minute), Delivered: 42, Recovered: 1}, slots[47])
	equal(t, "first slot", now.Truncate(30*time.Minute).Add(-47*30*time.Minute), slots[0].At)
	sum := int64(0)
	for _, slot := range slots {
		sum += slot.Delivered + slot.Failed
	}
	equal(t, "all in a day", 47, sum)
	slots, err = s.Slots(ctx, dst, now, 48, 30)
	ok(t, "slots of one", err)
	equal(t, "slot of one", int64(3), slots[47].Failed)

	took, err := s.Took(ctx, "", now.Add(-24*time.Hour), 0.95)
	ok(t, "took", err)
	if took < 1600*time.Millisecond || took > 2400*time.Millisecond {
		t.Errorf("95 of 100 answers came within %v, want about 2 s", took)
	}
	none, err := s.Took(ctx, "dst_none", now, 0.95)
	ok(t, "took nothing", err)
	equal(t, "time of no answer", 0, none)

	troubles, err := s.Troubles(ctx, now.Add(-24*time.Hour), 5)
	ok(t, "troubles", err)
	want := model.Trouble{Destination: dst, Name: "Orders", Connection: "Shop", ConnectionID: x.Connection.ID, Failed: 3, Retried: 4,
		Last: time.Unix(9, 0).UTC(), Error: "status 500", Delivery: "dlv_2", Good: time.Unix(7, 0).UTC()}
	if len(troubles) != 1 || troubles[0] != want {
		t.Errorf("troubles %+v, want %+v", troubles, want)
	}

	n, err := s.ForgetStats(ctx, now.Add(model.StatsLife-48*time.Hour))
	ok(t, "forget", err)
	equal(t, "forgotten", int64(1), n)
}

func tallying(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	var heard []model.Status
	s.OnOutcome(func(_ model.Delivery, o model.Outcome) { heard = append(heard, o.Status) })
	p := x.Publication("nod_1", "nod_1", "nod_1", "", "")
	publish(t, s, p)
	due := time.Now().Add(time.Minute)
	took := attempt(1, 503)
	took.Timings.Total = 2500
	finish(t, s, "nod_1", p.Deliveries[0].ID, model.Outcome{Attempt: took, Status: model.Retrying, NextAt: due})
	finish(t, s, "nod_1", p.Deliveries[1].ID, model.Outcome{Attempt: attempt(1, 200), Status: model.Delivered})
	finish(t, s, "nod_1", p.Deliveries[2].ID, model.Outcome{Attempt: attempt(1, 404), Status: model.Failed})
	equal(t, "outcomes that were told", 3, len(heard))
	waits, err := s.Waits(ctx, "")
	ok(t, "waits", err)
	equal(t, "waiting", model.Waits{N: 1, Next: time.UnixMilli(due.UnixMilli()).UTC()}, waits)
	waits, err = s.Waits(ctx, "dst_none")
	ok(t, "waits elsewhere", err)
	equal(t, "waiting elsewhere", model.Waits{}, waits)
	counts, err := s.Tally(ctx, db.DeliveryFilter{DestinationID: x.Destination.ID})
	ok(t, "tally", err)
	for status, want := range map[model.Status]int{"": 5, model.Retrying: 1, model.Delivered: 1, model.Failed: 1, model.Pending: 2, model.Held: 0} {
		if n, known := counts[status]; !known || n != want {
			t.Errorf("tally of %q: %d %v, want %d", status, n, known, want)
		}
	}
	tries, err := s.Tries(ctx, []model.DeliveryID{p.Deliveries[0].ID, p.Deliveries[3].ID})
	ok(t, "tries", err)
	if got := tries[p.Deliveries[0].ID]; len(got) != 1 || got[0] != (model.Try{Verdict: model.Retrying, Took: 2500 * time.Microsecond}) {
		t.Errorf("tries %+v", tries)
	}

	owners := make([]model.NodeID, 510)
	publish(t, s, x.Publication(owners...))
	counts, err = s.Tally(ctx, db.DeliveryFilter{})
	ok(t, "tally of many", err)
	equal(t, "failed among many", 1, counts[model.Failed])
	if counts[model.Pending] <= model.MostCounted || counts[""] <= model.MostCounted {
		t.Errorf("many pending: %v", counts)
	}
	if n, known := counts[model.Delivered]; known {
		t.Errorf("delivered: %d, want that nobody counts them", n)
	}
	list, _, err := s.Deliveries(ctx, db.DeliveryFilter{From: time.Now().Add(-time.Minute), To: time.Now().Add(time.Minute)}, db.Page{Limit: 2})
	ok(t, "deliveries of now", err)
	equal(t, "deliveries of now", 2, len(list))
	list, _, err = s.Deliveries(ctx, db.DeliveryFilter{To: time.Now().Add(-time.Hour)}, db.Page{})
	ok(t, "deliveries of before", err)
	equal(t, "deliveries of before", 0, len(list))
}
