package db

import (
	"context"
	"math"
	"time"

	"waybill/db/model"
)

const (
	minuteSeries = `
SELECT (s.minute - $3) / $4, s.what, sum(s.n) FROM json_each($1) b CROSS JOIN json_each($2) k
  CROSS JOIN stats s ON s.destination_id = b.value AND s.what = k.value AND s.minute >= $3
GROUP BY 1, 2
UNION ALL SELECT (minute - $3) / $4, 'samples', sum(n) FROM stats WHERE destination_id = '' AND what = 'samples' AND minute >= $3 GROUP BY 1`
	longSeries = `
SELECT (s.minute - $3) / $4, s.what, sum(s.n) FROM json_each($1) b CROSS JOIN json_each($2) k
  CROSS JOIN stats_all s ON s.destination_id = b.value AND s.what = k.value AND s.minute >= $3
GROUP BY 1, 2
UNION ALL SELECT (minute - $3) / $4, 'samples', sum(n) FROM stats_all WHERE destination_id = '' AND what = 'samples' AND minute >= $3 GROUP BY 1`
)

// tallied is what is read of one slot.
type tallied map[string]int64

// Series tells what went to these destinations ("" = to all there are) over a span, from roll-ups.
func (s *Store) Series(ctx context.Context, destinations []model.DestID, now time.Time, span model.Span) (model.Series, error) {
	out, start := model.Series{Span: span, Slots: make([]model.Slot, span.Slots)}, span.Since(now)
	type part struct {
		slot, n int64
		what    string
	}
	query := minuteSeries
	if span.Minutes > 30 {
		query = longSeries
	}
	whats := append(model.TookSteps(), string(model.Delivered), model.Recovered, string(model.Failed), string(model.Retrying), model.Backlogged)
	parts, err := all(s.reader(ctx), func(r row) (p part, err error) { err = r.Scan(&p.slot, &p.what, &p.n); return },
		query, encode(destinations), encode(whats), model.Minute(start), span.Minutes)
	if err != nil {
		return out, err
	}
	counts, whole := make([]tallied, span.Slots), tallied{}
	for _, p := range parts {
		if p.slot < 0 || p.slot >= int64(span.Slots) { // the clock was set back
			continue
		}
		if counts[p.slot] == nil {
			counts[p.slot] = tallied{}
		}
		counts[p.slot][p.what] += p.n
		whole[p.what] += p.n
	}
	for i, c := range counts {
		out.Slots[i] = c.slot()
		out.Slots[i].At = start.Add(time.Duration(i*span.Minutes) * time.Minute)
	}
	out.All = whole.slot()
	out.All.At = start
	return out, nil
}

func (t tallied) slot() model.Slot {
	x := model.Slot{Delivered: t[string(model.Delivered)], Recovered: t[model.Recovered], Failed: t[string(model.Failed)], Retried: t[string(model.Retrying)], Backlog: -1,
		P50: model.Percentile(t, 0.5), P95: model.Percentile(t, 0.95), P99: model.Percentile(t, 0.99)}
	if n := t[model.Samples]; n > 0 {
		x.Backlog = math.Round(float64(t[model.Backlogged])/float64(n)*10) / 10
	}
	return x
}

const stepsOf = `
SELECT s.what, sum(s.n) FROM json_each($1) b CROSS JOIN stats s ON s.destination_id = $2 AND s.what = b.value AND s.minute >= $3 GROUP BY s.what`

// Took is the time within which the share p of answers came since t, to five minutes and at most two days ago; zero without
// answers.
func (s *Store) Took(ctx context.Context, destination model.DestID, since time.Time, p float64) (time.Duration, error) {
	list, err := all(s.reader(ctx), func(r row) (x sum, err error) { err = r.Scan(&x.W, &x.N); return }, stepsOf, encode(model.TookSteps()), destination,
		model.Minute(since.Truncate(model.TookMinutes*time.Minute)))
	counts := map[string]int64{}
	for _, x := range list {
		counts[x.W] = x.N
	}
	return model.Percentile(counts, p), err
}

const rateSince = `
SELECT s.destination_id, sum(iif(s.what IN ('delivered', 'recovered'), s.n, 0)), sum(iif(s.what = 'failed', s.n, 0)), sum(iif(s.what = 'retrying', s.n, 0))
FROM json_each($1) b CROSS JOIN json_each('["delivered","recovered","failed","retrying"]') k
  CROSS JOIN stats s ON s.destination_id = b.value AND s.what = k.value AND s.minute >= $2
GROUP BY 1`

// Lately tells what attempts came to at each of these destinations since t, which is at most two days ago; those without any
// are missing.
func (s *Store) Lately(ctx context.Context, destinations []model.DestID, since time.Time) (map[model.DestID]model.Slot, error) {
	type found struct {
		id model.DestID
		model.Slot
	}
	list, err := all(s.reader(ctx), func(r row) (f found, err error) { err = r.Scan(&f.id, &f.Delivered, &f.Failed, &f.Retried); return },
		rateSince, encode(destinations), model.Minute(since))
	out := make(map[model.DestID]model.Slot, len(list))
	for _, f := range list {
		f.At = since
		out[f.id] = f.Slot
	}
	return out, err
}

// The owner is named so that only the index of what is open is walked, in its order.
const backlogs = `
SELECT target_id, count(*), sum(next_attempt_at IS NULL), coalesce(min(CASE WHEN next_attempt_at IS NOT NULL THEN id END), '')
FROM deliveries WHERE settled_at IS NULL AND owner >= '' GROUP BY owner, target_id`

const (
	openSome = `
SELECT count(*), coalesce(sum(next_attempt_at IS NULL), 0), coalesce(min(CASE WHEN next_attempt_at IS NOT NULL THEN id END), '')
FROM (SELECT id, next_attempt_at FROM deliveries WHERE settled_at IS NULL AND owner >= '' LIMIT +$1)`
	openSomeTo = `
SELECT count(*), coalesce(sum(next_attempt_at IS NULL), 0), coalesce(min(CASE WHEN next_attempt_at IS NOT NULL THEN id END), '')
FROM (SELECT id, next_attempt_at FROM deliveries WHERE settled_at IS NULL AND owner IN ('', $3) AND target_id = $2 LIMIT +$1)`
)

// OpenSome counts what is not settled, of one target or of all (""), as far as 500.
// owner is who has some of it in memory.
func (s *Store) OpenSome(ctx context.Context, owner model.NodeID, target model.TargetID) (o model.Open, err error) {
	query, args := openSome, []any{walked + 1}
	if target != "" {
		query, args = openSomeTo, append(args, target, owner)
	}
	oldest, err := one(s.reader(ctx), "count", func(r row) (oldest string, err error) { err = r.Scan(&o.N, &o.Idle, &oldest); return }, query, args...)
	o.Oldest, o.More, o.N = model.TimeOf(oldest), o.N > walked, min(o.N, walked)
	return o, err
}

// Backlogs counts what is not settled, by target. It reads an entry for each of those: ask it rarely.
func (s *Store) Backlogs(ctx context.Context) (map[model.TargetID]model.Backlog, error) {
	out := map[model.TargetID]model.Backlog{}
	_, err := all(s.reader(ctx), func(r row) (none struct{}, err error) {
		var id model.TargetID
		var oldest string
		var b model.Backlog
		if err = r.Scan(&id, &b.N, &b.Idle, &oldest); err != nil {
			return none, err
		}
		b.Oldest = model.TimeOf(oldest)
		was := out[id]
		if was.Oldest.IsZero() || !b.Oldest.IsZero() && b.Oldest.Before(was.Oldest) {
			was.Oldest = b.Oldest
		}
		was.N, was.Idle = was.N+b.N, was.Idle+b.Idle
		out[id] = was
		return none, nil
	}, backlogs)
	return out, err
}
