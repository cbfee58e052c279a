package db

import (
	"bytes"
	"context"
	"errors"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const eventColumns = `id, external_id, name, subject, time, depth, deliveries, met, created_at`

func scanEvent(r row) (model.Event, error) {
	var e model.Event
	err := r.Scan(&e.ID, &e.ExternalID, &e.Name, &e.Subject, at{&e.Time}, &e.Depth, &e.Deliveries, decode{&e.Met}, at{&e.CreatedAt})
	return e, err
}

func scanEventData(r row) (model.Event, error) {
	var e model.Event
	err := r.Scan(&e.ID, &e.ExternalID, &e.Name, &e.Subject, at{&e.Time}, &e.Depth, &e.Deliveries, decode{&e.Met}, at{&e.CreatedAt}, (*[]byte)(&e.Data))
	return e, err
}

const eventByID = `SELECT ` + eventColumns + `, data FROM events WHERE id = $1`

// Event is one event with its data.
func (s *Store) Event(ctx context.Context, id model.EventID) (model.Event, error) {
	return one(s.reader(ctx), "event", scanEventData, eventByID, id)
}

// EventFilter narrows a list of events; zero values do not.
type EventFilter struct {
	Name    string // exact
	Subject string
	IDs     []model.EventID // only these, when not nil
	From    time.Time       // accepted at or after
	To      time.Time       // accepted before
}

// Events lists events without their data, newest first.
func (s *Store) Events(ctx context.Context, f EventFilter, p Page) ([]model.Event, string, error) {
	q := selecting("SELECT " + eventColumns + " FROM events")
	q.and(f.Name != "", "name = ?", f.Name)
	q.and(f.Subject != "", "subject = ?", f.Subject)
	if f.IDs != nil {
		q.and(true, "id IN (SELECT value FROM json_each(?))", encode(f.IDs))
	}
	q.and(!f.From.IsZero(), "created_at >= ?", ms(f.From))
	q.and(!f.To.IsZero(), "created_at < ?", ms(f.To))
	return page(s.reader(ctx), q, p, keyed{"id", "evt_"}, scanEvent, func(e model.Event) string { return string(e.ID) })
}

// It jumps from name to name in the index; DISTINCT would read an entry for every event.
const eventNames = `
WITH RECURSIVE names (name) AS (
  SELECT min(name) FROM events
  UNION ALL SELECT (SELECT min(name) FROM events WHERE name > names.name) FROM names WHERE names.name IS NOT NULL)
SELECT name FROM names WHERE name IS NOT NULL LIMIT 200`

// EventNames lists names that were seen, for pickers.
func (s *Store) EventNames(ctx context.Context) ([]string, error) {
	return all(s.reader(ctx), text[string], eventNames)
}

// Publication is one event to be stored with the deliveries that it causes.
type Publication struct {
	Event      model.Event
	User       model.UserID
	Key        string // dedupe key, "" = none
	Hash       []byte // of what the caller sent: the same key with another hash is a conflict
	Deliveries []model.Delivery
	Owners     []model.NodeID // one a delivery: who has a place for it in memory, "" = it waits in the database
	// Then is what else follows in the same commit, nil = nothing; a duplicate has none. It may run more than once.
	Then func(tx *Tx) error
}

// Published is what became of a publication.
type Published struct {
	ID         model.EventID
	ExternalID string
	Deliveries int
	Duplicate  bool // an earlier one with the same key stands; nothing was stored
	// Places are those of the deliveries in the order of their destinations, nil when none keeps one.
	Places []Place
}

// ErrStale means that routing changed since version: match again.
var ErrStale = errors.New("routing changed since the events were matched")

const findDedupe = `SELECT event_id, external_id, deliveries, body_hash FROM dedupe WHERE user_id = $1 AND key = $2 AND expires_at > $3`

const keepDedupe = `
INSERT INTO dedupe (user_id, key, body_hash, event_id, external_id, deliveries, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, key) DO UPDATE SET body_hash = excluded.body_hash, event_id = excluded.event_id,
  external_id = excluded.external_id, deliveries = excluded.deliveries, expires_at = excluded.expires_at`

const insertEvent = `
INSERT INTO events (id, external_id, name, subject, time, depth, deliveries, met, created_at, data, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// Publish stores all of pubs or none, in one commit that is on disk when it returns. version is the Version that they
// were matched with; ErrStale asks to match again.
func (s *Store) Publish(ctx context.Context, version int64, pubs []Publication) ([]Published, error) {
	var out []Published
	done := make(chan error, 1)
	s.writer.submit(&op{
		run: func(tx *Tx) (err error) {
			if tx.version != version || tx.touched {
				s.saw(tx.version, tx.now.UnixMilli())
				return ErrStale
			}
			tx.actor = model.System("publish")
			out, err = tx.publish(pubs)
			return err
		},
		done:  func(err error) { done <- err },
		gone:  func() bool { return ctx.Err() != nil },
		plain: true,
	}, false)
	if err := <-done; err != nil {
		return nil, err
	}
	return out, nil
}

// PublishFresh is Publish for one that always comes too late, while routing changes again and again: match gets the
// routing as it stands in the commit, and may be asked more than once. It returns what match made, too.
func (s *Store) PublishFresh(ctx context.Context, match func(Routing) ([]Publication, error)) (pubs []Publication, out []Published, err error) {
	err = s.Write(ctx, model.System("publish"), func(tx *Tx) error {
		now, err := routing(tx)
		if err != nil {
			return err
		}
		if pubs, err = match(now); err != nil {
			return err
		}
		out, err = tx.publish(pubs)
		return err
	})
	return pubs, out, err
}

func (tx *Tx) publish(pubs []Publication) ([]Published, error) {
	out := make([]Published, len(pubs))
	for i, p := range pubs {
		if p.Key != "" {
			first, err := tx.duplicate(p)
			if err != nil {
				return nil, err
			}
			if first != nil {
				out[i] = *first
				continue
			}
			if err := tx.exec(keepDedupe, p.User, p.Key, p.Hash, p.Event.ID, p.Event.ExternalID, len(p.Deliveries), ms(tx.now.Add(model.DedupeLife))); err != nil {
				return nil, err
			}
		}
		places, err := tx.insertEvent(p)
		if err != nil {
			return nil, err
		}
		if p.Then != nil {
			if err := p.Then(tx); err != nil {
				return nil, err
			}
		}
		out[i] = Published{ID: p.Event.ID, ExternalID: p.Event.ExternalID, Deliveries: len(p.Deliveries), Places: places}
	}
	return out, nil
}

// duplicate is the first answer for a key that was used, nil for a new one, a conflict when the body differs.
func (tx *Tx) duplicate(p Publication) (*Published, error) {
	var hash []byte
	found, err := all(tx, func(r row) (Published, error) {
		v := Published{Duplicate: true}
		err := r.Scan(&v.ID, &v.ExternalID, &v.Deliveries, &hash)
		return v, err
	}, findDedupe, p.User, p.Key, ms(tx.now))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if !bytes.Equal(hash, p.Hash) {
		return nil, fault.Coded(fault.Conflict, "idempotency_conflict", "This key or id was used within 7 days for an event with another content (%s); nothing was accepted.", found[0].ID)
	}
	return &found[0], nil
}

func (tx *Tx) insertEvent(p Publication) (places []Place, err error) {
	e, met := p.Event, ""
	if len(p.Event.Met) > 0 {
		met = encode(p.Event.Met)
	}
	if _, err := tx.lean(insertEvent, string(e.ID), e.ExternalID, e.Name, e.Subject, ms(e.Time), e.Depth, len(p.Deliveries), met, ms(e.CreatedAt), []byte(e.Data), e.Traceparent); err != nil {
		return nil, err
	}
	for i, d := range p.Deliveries {
		d.EventID = e.ID
		place, err := tx.insertDelivery(d, p.Owners[i])
		if err != nil {
			return nil, err
		}
		if d.Ordered && places == nil {
			places = make([]Place, len(p.Deliveries))
		}
		if d.Ordered {
			places[i] = place
		}
	}
	return places, nil
}

// Publish is Store.Publish inside another write: the deliveries of events that Waybill raises itself wait in the database
// (no Owners), and the caller tells the dispatcher of them with After. pubs were matched with Routing, or with a version that
// is Fresh.
func (tx *Tx) Publish(pubs []Publication) ([]Published, error) {
	for i := range pubs {
		if pubs[i].Owners == nil {
			pubs[i].Owners = make([]model.NodeID, len(pubs[i].Deliveries))
		}
	}
	return tx.publish(pubs)
}

// Fresh reports whether routing as of version is what stands in this transaction.
func (tx *Tx) Fresh(version int64) bool { return tx.version == version && !tx.touched }

// Routing is the routing as it stands in this transaction; dear, so ask Fresh first.
func (tx *Tx) Routing() (Routing, error) { return routing(tx) }

const dropDedupe = `DELETE FROM dedupe WHERE (user_id, key) IN (SELECT user_id, key FROM dedupe WHERE expires_at <= $1 LIMIT 500)`

// ForgetDedupe removes up to 500 keys that ended before now and says how many went.
func (s *Store) ForgetDedupe(ctx context.Context, now time.Time) (int64, error) {
	var n int64
	err := s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(dropDedupe, ms(now))
		return err
	})
	return n, err
}
