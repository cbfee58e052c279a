package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Looking for what is too old reads this many rows at once, without a lock; removing is done in closures of less.
const (
	looked  = 2000
	removed = 200
)

// Sweep is how far a look at a table has come, in order of its key.
type Sweep struct {
	After  string        // key of the last row that was dealt with, "" = from the start
	Number int           // of attempts: the second part of the key
	Done   bool          // nothing older is left to look at
	Gone   int64         // rows that were changed or removed by the last step
	Took   time.Duration // that step kept the writer busy for
	ahead  []sight       // looked at, and not dealt with yet
	whole  bool          // nothing follows what was looked at
}

// sight is a row that was looked at.
type sight struct {
	id     string
	number int
	cost   int // rows that removing it changes; 0 = it stays
}

// look goes on reading where nothing that was read is left.
func (s *Store) look(ctx context.Context, w Sweep, scan func(row) (sight, error), find string, args ...any) (Sweep, error) {
	w.Gone, w.Took, w.Done = 0, 0, false
	if len(w.ahead) > 0 {
		return w, nil
	}
	list, err := all(s.reader(ctx), scan, find, args...)
	w.ahead, w.whole = list, len(list) < looked
	return w, err
}

// take gives the keys of the next rows that go, in one closure: those that cost up to most, at least one.
func (w Sweep) take(most int) (Sweep, []string) {
	var ids []string
	n, sum := 0, 0
	for _, f := range w.ahead {
		if f.cost > 0 && len(ids) > 0 && sum+f.cost > most && ids[len(ids)-1] != f.id {
			break
		}
		n, w.After, w.Number = n+1, f.id, f.number
		if f.cost > 0 {
			if sum += f.cost; len(ids) == 0 || ids[len(ids)-1] != f.id {
				ids = append(ids, f.id)
			}
		}
	}
	w.ahead = w.ahead[n:]
	w.Done = w.whole && len(w.ahead) == 0
	return w, ids
}

// drop runs what removes keys behind all realtime writes, and notes how long it took once it ran.
func (s *Store) drop(ctx context.Context, w Sweep, ids []string, do func(tx *Tx, keys string) (int64, error)) (Sweep, error) {
	if len(ids) == 0 {
		return w, nil
	}
	err := s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		began := time.Now()
		w.Gone, err = do(tx, encode(ids))
		w.Took = time.Since(began)
		return err
	})
	return w, err
}

// by is a removal in one statement.
func by(statement string) func(*Tx, string) (int64, error) {
	return func(tx *Tx, keys string) (int64, error) { return tx.count(statement, keys) }
}

// scanSight reads a key and what removing its row costs.
func scanSight(r row) (f sight, err error) {
	err = r.Scan(&f.id, &f.cost)
	return f, err
}

const (
	eventsWithData = `SELECT id, data IS NOT NULL FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$3`
	dropData       = `
UPDATE events SET data = NULL WHERE id IN (SELECT value FROM json_each($1)) AND data IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id AND d.settled_at IS NULL)`
)

// DropData removes the data of events made before t, from w on, but of those with deliveries that are not settled.
func (s *Store) DropData(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	w, err := s.look(ctx, w, scanSight, eventsWithData, w.After, model.FirstEventID(before), looked)
	if err != nil {
		return w, err
	}
	w, ids := w.take(removed)
	return s.drop(ctx, w, ids, by(dropData))
}

const (
	attemptsWithBodies = `
SELECT delivery_id, number, request_body IS NOT NULL OR response_body IS NOT NULL FROM attempts
WHERE (delivery_id, number) > ($1, $2) AND delivery_id < $3 ORDER BY delivery_id, number LIMIT +$4`
	dropBodies = `
UPDATE attempts SET request_body = NULL, response_body = NULL WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery_id AND d.settled_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.batch_id = attempts.delivery_id AND d.batch_id <> '' AND d.settled_at IS NULL)`
	dropPayloads = `
DELETE FROM payloads WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = payloads.delivery_id AND d.settled_at IS NULL)`
)

// Attempts belong to a batch or to a delivery; the ids of batches sort before those of deliveries.
const (
	ofBatches    = "bat_"
	ofDeliveries = "dlv_"
)

// DropBodies removes the bodies of attempts made before t of what is settled, from w on.
func (s *Store) DropBodies(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	if w.After == "" {
		w.After = ofBatches
	}
	kind := w.After[:len(ofBatches)]
	w, err := s.look(ctx, w, func(r row) (f sight, err error) { err = r.Scan(&f.id, &f.number, &f.cost); return f, err },
		attemptsWithBodies, w.After, w.Number, model.FirstID(kind, before), looked)
	if err != nil {
		return w, err
	}
	w, ids := w.take(removed)
	if w.Done && kind == ofBatches {
		w = Sweep{After: ofDeliveries}
	}
	return s.drop(ctx, w, ids, func(tx *Tx, keys string) (int64, error) {
		n, err := tx.count(dropBodies, keys)
		if err == nil {
			err = tx.exec(dropPayloads, keys)
		}
		return n, err
	})
}

const (
	oldBatches  = `SELECT DISTINCT delivery_id FROM attempts WHERE delivery_id > $1 AND delivery_id < $2 ORDER BY delivery_id LIMIT +$3`
	dropBatches = `
DELETE FROM attempts WHERE delivery_id IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.batch_id = attempts.delivery_id AND d.batch_id <> '')`
)

// DropBatches removes the attempts of batches made before t that no delivery belongs to any more, from w on.
func (s *Store) DropBatches(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	if w.After == "" {
		w.After = ofBatches
	}
	return s.dropAll(ctx, oldBatches, dropBatches, model.FirstID(ofBatches, before), w)
}

// dropAll runs drop on all keys up to end.
func (s *Store) dropAll(ctx context.Context, find, drop, end string, w Sweep) (Sweep, error) {
	w, err := s.look(ctx, w, func(r row) (f sight, err error) { f.cost = 1; err = r.Scan(&f.id); return f, err }, find, w.After, end, looked)
	if err != nil {
		return w, err
	}
	w, ids := w.take(2 * removed)
	return s.drop(ctx, w, ids, by(drop))
}

const (
	oldDeliveries = `SELECT id, CASE WHEN settled_at IS NULL THEN 0 ELSE attempts + 2 END FROM deliveries WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$3`
	dropAttempts  = `DELETE FROM attempts WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropPayload   = `DELETE FROM payloads WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropFates     = `DELETE FROM fates WHERE delivery_id IN (SELECT value FROM json_each($1))`
	dropRows      = `DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each($1)) AND settled_at IS NOT NULL RETURNING id`
)

// DropDeliveries removes settled deliveries made before t, with their attempts, from w on.
func (s *Store) DropDeliveries(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	w, err := s.look(ctx, w, scanSight, oldDeliveries, w.After, model.FirstDeliveryID(before), looked)
	if err != nil {
		return w, err
	}
	w, ids := w.take(2 * removed)
	return s.drop(ctx, w, ids, func(tx *Tx, keys string) (int64, error) {
		gone, err := all(tx, text[string], dropRows, keys) // one may have been retried meanwhile
		if err != nil {
			return 0, err
		}
		for _, drop := range []string{dropAttempts, dropFates, dropPayload} {
			if err := tx.exec(drop, encode(gone)); err != nil {
				return 0, err
			}
		}
		return int64(len(gone)), nil
	})
}

const (
	oldEvents  = `SELECT id FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$3`
	dropEvents = `
DELETE FROM events WHERE id IN (SELECT value FROM json_each($1)) AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id)`
)

// DropEvents removes events made before t that no delivery belongs to any more, from w on.
func (s *Store) DropEvents(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	return s.dropAll(ctx, oldEvents, dropEvents, string(model.FirstEventID(before)), w)
}

const (
	heldBefore = `SELECT ` + deliveryColumns + deliveryTables + `
WHERE d.status = 'held' AND d.status <> 'delivered' AND d.status <> 'pending' AND d.id < $1 AND d.updated_at < $2 LIMIT +$3`
	expire = `
UPDATE deliveries SET status = 'cancelled', owner = '', held = '', next_attempt_at = NULL, last_error = $1, updated_at = $2, settled_at = $2, version = version + 1
WHERE id = $3 AND status = 'held'`
	countExpired = `
INSERT INTO stats (destination_id, what, minute, n, last_at, last_error, delivery_id) VALUES ($1, 'expired', $2, 1, $3, '', '')
ON CONFLICT (destination_id, what, minute) DO UPDATE SET n = n + 1, last_at = excluded.last_at`
)

// ExpireHeld cancels up to 100 deliveries that were held since before t, counts them, and says how many.
func (s *Store) ExpireHeld(ctx context.Context, before time.Time, why string) (n int, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		list, err := all(tx, scanDelivery, heldBefore, model.FirstDeliveryID(before), ms(before), removed/2)
		if err != nil {
			return err
		}
		n = len(list)
		for _, d := range list {
			if err := tx.exec(expire, why, ms(tx.now), d.ID); err != nil {
				return err
			}
			for _, of := range []model.DestID{"", d.DestinationID} {
				if err := tx.exec(countExpired, of, model.Minute(tx.now), ms(tx.now)); err != nil {
					return err
				}
				if d.DestinationID == "" {
					break
				}
			}
			d.Status, d.SettledAt = model.Cancelled, tx.stamp()
			if err := tx.cancelled(d); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

const hasData = `SELECT EXISTS (SELECT 1 FROM events e JOIN deliveries d ON d.event_id = e.id WHERE d.id = $1 AND e.data IS NULL)`

// WantData refuses what needs the data of a delivery's event when retention has taken it.
func (tx *Tx) WantData(id model.DeliveryID) error {
	gone, err := tx.has(hasData, id)
	if err == nil && gone {
		err = fault.Coded(fault.Conflict, "data_removed", "The data of this event was removed by retention; there is nothing left to send.")
	}
	return err
}
