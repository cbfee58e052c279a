package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const pulseOf = `
SELECT s.destination_id, (s.minute - $3) / 60, iif(s.what = 'failed', 1, 0), sum(s.n)
FROM json_each($1) b CROSS JOIN json_each($2) k CROSS JOIN stats s ON s.destination_id = b.value AND s.what = k.value AND s.minute >= $3
GROUP BY 1, 2, 3`

// Pulse tells how much went to each of these destinations in each of the last 24 hours, this one being the last; those to which
// nothing went are missing. It reads roll-ups by the hour and no deliveries.
func (s *Store) Pulse(ctx context.Context, destinations []model.DestID, now time.Time) (map[model.DestID]model.Pulse, error) {
	first := model.Minute(now.Truncate(time.Hour)) - (model.PulseHours-1)*60
	type beat struct {
		id           model.DestID
		hour, failed int
		n            int64
	}
	list, err := all(s.reader(ctx), func(r row) (b beat, err error) { err = r.Scan(&b.id, &b.hour, &b.failed, &b.n); return },
		pulseOf, encode(destinations), encode(append(model.TookSteps(), string(model.Failed))), first)
	out := map[model.DestID]model.Pulse{}
	for _, b := range list {
		if b.hour < 0 || b.hour >= model.PulseHours { // the clock was set back
			continue
		}
		p := out[b.id]
		if b.failed == 1 {
			p.Failed += b.n
		} else {
			p.Hours[b.hour] += b.n
		}
		out[b.id] = p
	}
	return out, err
}

const failedSince = `SELECT coalesce(sum(n), 0) FROM stats WHERE destination_id = '' AND what = 'failed' AND minute >= $1`

const heldSome = `
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'held' AND status <> 'delivered' AND status <> 'pending' LIMIT +$1)`

// Needs counts what people should look at, without walking deliveries: those that failed since t, and those that are held (at most
// model.MostCounted and one).
func (s *Store) Needs(ctx context.Context, since time.Time) (failed, held int64, err error) {
	if failed, err = one(s.reader(ctx), "count", number, failedSince, model.Minute(since)); err != nil {
		return 0, 0, err
	}
	held, err = one(s.reader(ctx), "count", number, heldSome, model.MostCounted+1)
	return failed, held, err
}
