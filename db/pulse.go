package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const pulseOf = `
SELECT s.destination_id, (s.minute - $3) / 60, CASE s.what WHEN 'failed' THEN 1 WHEN 'retrying' THEN 2 ELSE 0 END, sum(s.n)
FROM json_each($1) b CROSS JOIN json_each($2) k CROSS JOIN stats s ON s.destination_id = b.value AND s.what = k.value AND s.minute >= $3
GROUP BY 1, 2, 3`

// Pulse tells how much went to each of these destinations in each of the last 24 hours, this one being the last; those to which
// nothing went are missing. It reads roll-ups by the hour and no deliveries.
func (s *Store) Pulse(ctx context.Context, destinations []model.DestID, now time.Time) (map[model.DestID]model.Pulse, error) {
	first := model.Minute(now.Truncate(time.Hour)) - (model.PulseHours-1)*60
	type beat struct {
		id         model.DestID
		hour, what int
		n          int64
	}
	list, err := all(s.reader(ctx), func(r row) (b beat, err error) { err = r.Scan(&b.id, &b.hour, &b.what, &b.n); return },
		pulseOf, encode(destinations), encode(append(model.TookSteps(), string(model.Failed), string(model.Retrying))), first)
	out := map[model.DestID]model.Pulse{}
	for _, b := range list {
		if b.hour < 0 || b.hour >= model.PulseHours { // the clock was set back
			continue
		}
		p := out[b.id]
		switch b.what {
		case 1:
			p.Failed += b.n
		case 2:
			p.Retried += b.n
		default:
			p.Hours[b.hour] += b.n
		}
		out[b.id] = p
	}
	return out, err
}

const (
	failedNow = `
SELECT count(*), coalesce(sum(settled_at >= $1), 0) FROM (SELECT settled_at FROM deliveries
  WHERE status = 'failed' AND status <> 'delivered' AND status <> 'pending' ORDER BY id DESC LIMIT +$2)`
	failedNowTo = `
SELECT count(*), coalesce(sum(settled_at >= $1), 0) FROM (SELECT settled_at FROM deliveries
  WHERE destination_id = $3 AND status = 'failed' AND status <> 'delivered' AND status <> 'pending' ORDER BY id DESC LIMIT +$2)`
)

// FailedNow counts the deliveries that are failed now, to one destination or to all (""), and those of them that failed since t. It
// looks at the newest 500.
func (s *Store) FailedNow(ctx context.Context, destination model.DestID, since time.Time) (model.Failures, error) {
	query, args := failedNow, []any{ms(since), walked + 1}
	if destination != "" {
		query, args = failedNowTo, append(args, destination)
	}
	return one(s.reader(ctx), "count", func(r row) (f model.Failures, err error) {
		err = r.Scan(&f.N, &f.Lately)
		f.More, f.N, f.Lately = f.N > walked, min(f.N, walked), min(f.Lately, walked)
		return f, err
	}, query, args...)
}

const heldSome = `
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'held' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)`

// Needs counts what people should look at, without walking deliveries: those that failed since t and are failed still (at most
// 500), and those that are held (at most model.MostCounted and one).
func (s *Store) Needs(ctx context.Context, since time.Time) (failed, held int64, err error) {
	f, err := s.FailedNow(ctx, "", since)
	if err != nil {
		return 0, 0, err
	}
	held, err = one(s.reader(ctx), "count", number, heldSome, model.MostCounted+1)
	return f.Lately, held, err
}
