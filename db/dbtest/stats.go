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
	day := model.SpanOf("24h")
	x24, err := s.Series(ctx, []model.DestID{""}, now, day)
	ok(t, "series", err)
	last := x24.Slots[47]
	equal(t, "last slot", [3]int64{42, 1, 0}, [3]int64{last.Delivered, last.Recovered, last.Failed})
	equal(t, "backlog that nobody measured", -1.0, last.Backlog)
	equal(t, "first slot", now.Truncate(30*time.Minute).Add(-47*30*time.Minute), x24.Slots[0].At)
	equal(t, "all in a day", [2]int64{47, 0}, [2]int64{x24.All.Delivered, x24.All.Failed})
	if p := x24.All; p.P50 < 90*time.Millisecond || p.P50 > 130*time.Millisecond || p.P95 < 1600*time.Millisecond || p.P99 < p.P95 {
		t.Errorf("percentiles %v %v %v, want about 0.1, 2 and 2 s", p.P50, p.P95, p.P99)
	}
	mine, err := s.Series(ctx, []model.DestID{dst, "dst_none"}, now, day)
	ok(t, "series of two", err)
	equal(t, "slot of one", [2]int64{3, 4}, [2]int64{mine.Slots[47].Failed, mine.All.Retried})
	lately, err := s.Lately(ctx, []model.DestID{"", dst, "dst_none"}, now.Add(-10*time.Minute))
	ok(t, "lately", err)
	equal(t, "lately at how many", 2, len(lately))
	equal(t, "lately everywhere", model.Slot{At: now.Add(-10 * time.Minute), Delivered: 43}, lately[""])
	equal(t, "lately at one", model.Slot{At: now.Add(-10 * time.Minute), Failed: 3, Retried: 4}, lately[dst])

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

}

func rollingUp(t *testing.T, s *db.Store) {
	now := time.Date(2026, 11, 22, 10, 17, 40, 0, time.UTC)
	m, day := model.Minute(now), int64(24*60)
	add := func(what string, minute, n int64) {
		ok(t, "add", s.AddStats([]model.Rollup{{What: what, Minute: minute, N: n}}))
	}
	add("delivered", m-20*day, 7)
	add("delivered", m-20*day+1, 1)
	add("delivered", m-3*day, 10)
	add("delivered", m-60, 3)
	add("delivered", m, 2)
	add(model.TookStep(100*time.Millisecond), m-20*day, 5)
	add(model.Samples, m-60, 4)
	add(model.Backlogged, m-60, 10)
	month := func(when string, want int64) {
		t.Helper()
		x, err := s.Series(ctx, []model.DestID{""}, now, model.SpanOf("30d"))
		ok(t, "series", err)
		equal(t, "in 30 days "+when, want, x.All.Delivered)
		equal(t, "of that on that day, "+when, int64(8), x.Slots[9].Delivered)
		equal(t, "backlog of today, "+when, 2.5, x.Slots[29].Backlog)
		week, err := s.Series(ctx, []model.DestID{""}, now, model.SpanOf("7d"))
		ok(t, "series", err)
		equal(t, "in 7 days "+when, want-8, week.All.Delivered)
		if x.All.P50 < 90*time.Millisecond || week.All.P50 != 0 {
			t.Errorf("half of the answers %s: %v and %v, want 0.1 s in the month and none in the week", when, x.All.P50, week.All.P50)
		}
	}
	month("by minutes", 23)
	roll := func(at time.Time) (n int64) {
		for {
			did, err := s.RollStats(ctx, at)
			ok(t, "roll", err)
			if did == 0 {
				return n
			}
			n += did
		}
	}
	equal(t, "hours and days that were rolled up", int64(3+1), roll(now))
	month("rolled up", 23)
	equal(t, "nothing to roll up", int64(0), roll(now))
	gone, err := s.ForgetStats(ctx, now)
	ok(t, "forget", err)
	equal(t, "forgotten: 4 minutes, 2 hours", int64(6), gone)
	month("without the minutes", 23)
	add("delivered", m, 1)
	month("and more", 24)
	roll(now.Add(-2 * time.Hour)) // the clock was set back
	add("delivered", m-60, 100)
	equal(t, "rolled up again", int64(1), roll(now))
	x, err := s.Series(ctx, []model.DestID{""}, now, model.SpanOf("7d"))
	ok(t, "series", err)
	equal(t, "after the clock was set back", int64(116), x.All.Delivered)
	gone, err = s.ForgetStats(ctx, now.Add(model.StatsLife-19*24*time.Hour))
	ok(t, "forget later", err)
	equal(t, "forgotten later: 3 minutes, 2 of the days; nothing that was not rolled up", int64(5), gone)
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
	waits, more, err := s.Waits(ctx)
	ok(t, "waits", err)
	equal(t, "targets that are waited for", 1, len(waits))
	equal(t, "waiting", model.TargetWaits{Target: x.Destination.Target(), N: 1, Next: time.UnixMilli(due.UnixMilli()).UTC()}, waits[0])
	equal(t, "more are waiting", false, more)
	for _, id := range []model.DestID{"", x.Destination.ID} {
		f, err := s.FailedNow(ctx, id, time.Now().Add(-time.Minute))
		ok(t, "failed", err)
		equal(t, "failed now", model.Failures{N: 1, Lately: 1}, f)
	}
	f, err := s.FailedNow(ctx, "", time.Now().Add(time.Minute))
	ok(t, "failed", err)
	equal(t, "failed now, not lately", model.Failures{N: 1}, f)
	Write(t, s, func(tx *db.Tx) error { _, err := tx.RetryDelivery(p.Deliveries[2].ID); return err })
	f, err = s.FailedNow(ctx, "", time.Now().Add(-time.Minute))
	ok(t, "failed", err)
	equal(t, "failed after it was sent again", model.Failures{}, f)
	retried := delivery(t, s, p.Deliveries[2].ID)
	_, _ = claim(t, s, x, 10)
	finishAs(t, s, "nod_1", retried, model.Outcome{Attempt: attempt(2, 404), Status: model.Failed})
	counts, err := s.Tally(ctx, db.DeliveryFilter{DestinationID: x.Destination.ID}, nil)
	ok(t, "tally", err)
	for status, want := range map[model.Status]int{"": 5, model.Retrying: 1, model.Delivered: 1, model.Failed: 1, model.Pending: 2, model.Held: 0} {
		if n, known := counts[status]; !known || n != want {
			t.Errorf("tally of %q: %d %v, want %d", status, n, known, want)
		}
	}
	counts, err = s.Tally(ctx, db.DeliveryFilter{DestinationID: x.Destination.ID}, []model.DeliveryID{p.Deliveries[0].ID, p.Deliveries[1].ID, p.Deliveries[3].ID})
	ok(t, "tally while some are sent", err)
	for status, want := range map[model.Status]int{"": 5, model.Sending: 2, model.Retrying: 0, model.Delivered: 1, model.Failed: 1, model.Pending: 1} {
		equal(t, "while some are sent, "+string(status), want, counts[status])
	}
	for _, id := range []model.TargetID{"", x.Destination.Target()} {
		open, err := s.OpenSome(ctx, "nod_1", id)
		ok(t, "open", err)
		equal(t, "not settled", int64(3), open.N)
		equal(t, "more is not settled", false, open.More)
		equal(t, "the oldest is known", false, open.Oldest.IsZero())
	}
	tries, err := s.Tries(ctx, []model.DeliveryID{p.Deliveries[0].ID, p.Deliveries[3].ID})
	ok(t, "tries", err)
	if got := tries[p.Deliveries[0].ID]; len(got) != 1 || got[0] != (model.Try{Verdict: model.Retrying, Took: 2500 * time.Microsecond}) {
		t.Errorf("tries %+v", tries)
	}

	owners := make([]model.NodeID, 510)
	publish(t, s, x.Publication(owners...))
	counts, err = s.Tally(ctx, db.DeliveryFilter{}, nil)
	ok(t, "tally of many", err)
	equal(t, "failed among many", 1, counts[model.Failed])
	if counts[model.Pending] <= model.MostCounted || counts[""] <= model.MostCounted {
		t.Errorf("many pending: %v", counts)
	}
	if n, known := counts[model.Delivered]; known {
		t.Errorf("delivered: %d, want that nobody counts them", n)
	}
	open, err := s.OpenSome(ctx, "nod_1", "")
	ok(t, "open of many", err)
	equal(t, "many are not settled", true, open.More && open.N == 500)
	list, _, err := s.Deliveries(ctx, db.DeliveryFilter{From: time.Now().Add(-time.Minute), To: time.Now().Add(time.Minute)}, db.Page{Limit: 2})
	ok(t, "deliveries of now", err)
	equal(t, "deliveries of now", 2, len(list))
	list, _, err = s.Deliveries(ctx, db.DeliveryFilter{To: time.Now().Add(-time.Hour)}, db.Page{})
	ok(t, "deliveries of before", err)
	equal(t, "deliveries of before", 0, len(list))
	for event, want := range map[string]int{"order.created": 3, "order.*": 3, "**": 3, "order": 0, "invoice.*": 0} {
		list, next, err := s.Deliveries(ctx, db.DeliveryFilter{Event: event, DestinationID: x.Destination.ID}, db.Page{Limit: 3})
		ok(t, "deliveries of "+event, err)
		equal(t, "deliveries of "+event, want, len(list))
		equal(t, "there is a next page of "+event, want > 0, next != "")
		for i := 1; i < len(list); i++ {
			equal(t, "newest first", true, list[i].ID < list[i-1].ID)
		}
	}
}
