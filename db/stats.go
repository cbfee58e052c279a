package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// OnOutcome calls hook, from the keeper's goroutine, after each outcome that was stored: it must be quick. It is set once,
// before anything is delivered.
func (s *Store) OnOutcome(hook func(model.Delivery, model.Outcome)) { s.outcome.Store(&hook) }

// told wraps done so that the hook hears of what is on disk.
func (s *Store) told(f *model.Ending, done func(error)) func(error) {
	hook := s.outcome.Load()
	if hook == nil {
		return done
	}
	return func(err error) {
		if err == nil {
			for i, m := range f.Work.All() {
				(*hook)(m.Delivery, f.Outcome.Of(i))
			}
		}
		done(err)
	}
}

const addStats = `
INSERT INTO stats (destination_id, what, minute, n, last_at, last_error, delivery_id)
SELECT value ->> 'd', value ->> 'w', value ->> 'm', value ->> 'n', value ->> 'l', coalesce(value ->> 'e', ''), coalesce(value ->> 'i', '') FROM json_each($1) WHERE true
ON CONFLICT (destination_id, what, minute) DO UPDATE SET n = n + excluded.n, last_at = excluded.last_at,
  last_error = CASE WHEN excluded.delivery_id > '' THEN excluded.last_error ELSE last_error END,
  delivery_id = CASE WHEN excluded.delivery_id > '' THEN excluded.delivery_id ELSE delivery_id END`

// AddStats adds what was counted since the last time, at most 500 rows, in one statement that rides with other writes.
func (s *Store) AddStats(rows []model.Rollup) error {
	if len(rows) == 0 {
		return nil
	}
	text, done := encode(rows), make(chan error, 1)
	s.writer.submit(&op{plain: true, rides: time.Now().Add(groupWaits), done: func(err error) { done <- err },
		run: func(tx *Tx) error { return tx.exec(addStats, text) }}, false)
	return <-done
}

// Of the rows of a group, the one with max(last_at) gives the error.
const troublesSince = `
SELECT d.id, d.name, c.id, c.name, sum(iif(s.what = 'failed', s.n, 0)), sum(iif(s.what = 'retrying', s.n, 0)), max(s.last_at), s.last_error, s.delivery_id,
  max(coalesce((SELECT last_at FROM stats WHERE destination_id = d.id AND what = 'delivered' AND minute >= $1 ORDER BY minute DESC LIMIT 1), 0),
    coalesce((SELECT last_at FROM stats WHERE destination_id = d.id AND what = 'recovered' AND minute >= $1 ORDER BY minute DESC LIMIT 1), 0))
FROM destinations d JOIN connections c ON c.id = d.connection_id
  CROSS JOIN stats s ON s.destination_id = d.id AND s.what IN ('failed', 'retrying') AND s.minute >= $1
GROUP BY d.id ORDER BY 5 DESC, 6 DESC LIMIT +$2`

// Troubles lists where things went wrong since t, the worst first.
func (s *Store) Troubles(ctx context.Context, since time.Time, limit int) ([]model.Trouble, error) {
	return all(s.reader(ctx), func(r row) (model.Trouble, error) {
		var t model.Trouble
		err := r.Scan(&t.Destination, &t.Name, &t.ConnectionID, &t.Connection, &t.Failed, &t.Retried, at{&t.Last}, &t.Error, &t.Delivery, at{&t.Good})
		return t, err
	}, troublesSince, model.Minute(since), limit)
}

// walked is how many rows are looked at to count those that no index finds.
const walked = 500

const waitsByTarget = `
SELECT target_id, count(*), min(next_attempt_at) FROM (SELECT target_id, next_attempt_at FROM deliveries
  WHERE status = 'retrying' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1) GROUP BY target_id`

// Waits counts the deliveries that wait for another attempt, by target. It looks at 500 at most: more reports whether it did.
func (s *Store) Waits(ctx context.Context) (list []model.TargetWaits, more bool, err error) {
	list, err = all(s.reader(ctx), func(r row) (w model.TargetWaits, err error) {
		err = r.Scan(&w.Target, &w.N, at{&w.Next})
		return w, err
	}, waitsByTarget, walked)
	n := 0
	for _, w := range list {
		n += w.N
	}
	return list, n == walked, err
}

const statusCounts = `
SELECT 'retrying', count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'retrying' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)
UNION ALL SELECT 'failed', count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'failed' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)
UNION ALL SELECT 'skipped', count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'skipped' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)
UNION ALL SELECT 'held', count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'held' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)
UNION ALL SELECT 'cancelled', count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'cancelled' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)`

type statusCount struct {
	status model.Status
	n      int
}

func scanStatusCount(r row) (c statusCount, err error) {
	err = r.Scan(&c.status, &c.n)
	return c, err
}

// Tally counts the deliveries of a filter by status, "" being all, without walking far: the newest 500, and those that an
// index finds. More than model.MostCounted means so many and more; a status that is missing could not be counted so. Those of
// sending that fit are counted as that, and not as they are stored. The filter's Status and IDs are not looked at.
func (s *Store) Tally(ctx context.Context, f DeliveryFilter, sending []model.DeliveryID) (map[model.Status]int, error) {
	f.Status, f.IDs = "", nil
	away, err := s.sendingOf(ctx, f, sending)
	if err != nil {
		return nil, err
	}
	q := selecting("SELECT status, count(*) FROM (SELECT d.status FROM deliveries d")
	f.narrow(q)
	list, err := all(s.reader(ctx), scanStatusCount, q.sql(" ORDER BY d.id DESC LIMIT +?) GROUP BY status"), append(q.args, walked)...)
	if err != nil {
		return nil, err
	}
	out := map[model.Status]int{}
	for _, c := range list {
		out[c.status] += c.n
		out[""] += c.n
	}
	if out[""] < walked {
		for _, st := range model.Statuses() {
			out[st] += 0 // all were seen: none is none
		}
		return sentNow(out, away, true), nil
	}
	for st, n := range out {
		if n <= model.MostCounted { // there may be more of it further down
			delete(out, st)
		}
	}
	if len(q.where) == 0 {
		exact, err := all(s.reader(ctx), scanStatusCount, statusCounts, model.MostCounted+1)
		if err != nil {
			return nil, err
		}
		for _, c := range exact {
			out[c.status] = c.n
		}
	}
	return sentNow(out, away, false), nil
}

// sendingOf counts those of sending that fit f, by the status that is stored.
func (s *Store) sendingOf(ctx context.Context, f DeliveryFilter, sending []model.DeliveryID) ([]statusCount, error) {
	if len(sending) == 0 {
		return nil, nil
	}
	q := selecting("SELECT d.status, count(*) FROM deliveries d")
	q.and(true, "d.id IN (SELECT value FROM json_each(?)) AND d.status IN ('pending', 'retrying')", encode(sending))
	f.narrow(q)
	return all(s.reader(ctx), scanStatusCount, q.sql(" GROUP BY d.status"), q.args...)
}

// sentNow counts what is under way as being sent. whole: counts are exact, however high they are; else what is left of "so many
// and more" is not known.
func sentNow(counts map[model.Status]int, away []statusCount, whole bool) map[model.Status]int {
	counts[model.Sending] = 0
	for _, c := range away {
		counts[model.Sending] += c.n
		had, known := counts[c.status]
		left := max(0, had-c.n)
		switch {
		case known && (whole || had <= model.MostCounted || left > model.MostCounted):
			counts[c.status] = left
		case known:
			delete(counts, c.status)
		}
	}
	return counts
}

const triesOf = `
SELECT i.value, a.verdict, coalesce(a.timings ->> 'total', 0), a.number FROM json_each($1) i CROSS JOIN attempts a ON a.delivery_id = i.value AND a.follow_up = 0
UNION ALL SELECT d.id, a.verdict, coalesce(a.timings ->> 'total', 0), a.number
  FROM json_each($1) i CROSS JOIN deliveries d ON d.id = i.value AND d.batch_id <> '' AND d.batch_id <> d.id CROSS JOIN attempts a ON a.delivery_id = d.batch_id AND a.follow_up = 0
UNION ALL SELECT d.id, a.verdict, coalesce(a.timings ->> 'total', 0), a.number
  FROM json_each($1) i CROSS JOIN deliveries d ON d.id = i.value AND d.split_of <> '' CROSS JOIN attempts a ON a.delivery_id = d.split_of AND a.follow_up = 0
UNION ALL SELECT m.delivery_id, coalesce(f.status, a.verdict), coalesce(a.timings ->> 'total', 0), a.number
  FROM json_each($1) i CROSS JOIN former_batches m ON m.delivery_id = i.value CROSS JOIN attempts a ON a.delivery_id = m.batch_id AND a.follow_up = 0
  LEFT JOIN fates f ON f.delivery_id = m.delivery_id AND f.attempt_id = a.id
ORDER BY 1, 4`

// Tries are the attempts of a page of deliveries in short, first one first.
func (s *Store) Tries(ctx context.Context, ids []model.DeliveryID) (map[model.DeliveryID][]model.Try, error) {
	type try struct {
		of model.DeliveryID
		model.Try
	}
	list, err := all(s.reader(ctx), func(r row) (t try, err error) {
		var micros int64
		var number int
		err = r.Scan(&t.of, &t.Verdict, &micros, &number)
		t.Took = time.Duration(micros) * time.Microsecond
		return t, err
	}, triesOf, encode(ids))
	out := make(map[model.DeliveryID][]model.Try, len(ids))
	for _, t := range list {
		out[t.of] = append(out[t.of], t.Try)
	}
	return out, err
}
