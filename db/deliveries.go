package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// Names are joined from today's rows; a destination that is gone leaves them empty.
const deliveryColumns = `d.id, d.event_id, coalesce(e.name, ''), d.target_id, d.destination_id, coalesce(t.name, ''), coalesce(t.connection_id, ''),
  coalesce(c.name, ''), d.action_id, d.lane, d.status, d.attempts, d.round_start, d.interruptions, d.crashes, d.held, d.next_attempt_at,
  d.last_status_code, d.last_error, d.user_message, d.replay_of, d.run_id, d.step, d.step_run_id, d.webhook_id, d.order_key, d.seq, d.batch_id, d.created_at, d.updated_at, d.settled_at, d.version`

const deliveryTables = ` FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
  LEFT JOIN destinations t ON t.id = d.destination_id LEFT JOIN connections c ON c.id = t.connection_id`

func deliveryFields(d *model.Delivery) []any {
	return []any{&d.ID, &d.EventID, &d.EventName, &d.TargetID, &d.DestinationID, &d.Destination, &d.ConnectionID,
		&d.Connection, &d.ActionID, &d.Lane, &d.Status, &d.Attempts, &d.RoundStart, &d.Interruptions, &d.Crashes, &d.Held, at{&d.NextAttemptAt},
		&d.LastStatusCode, &d.LastError, &d.UserMessage, &d.ReplayOf, &d.RunID, &d.Step, &d.StepRunID, &d.WebhookID, &d.OrderKey, &d.Seq, &d.BatchID, at{&d.CreatedAt}, at{&d.UpdatedAt}, at{&d.SettledAt}, &d.Version}
}

func scanDelivery(r row) (model.Delivery, error) {
	var d model.Delivery
	err := r.Scan(deliveryFields(&d)...)
	return d, err
}

const deliveryByID = `SELECT ` + deliveryColumns + deliveryTables + ` WHERE d.id = $1`

// Delivery is one delivery as stored; that an attempt is under way only the dispatcher knows.
func (s *Store) Delivery(ctx context.Context, id model.DeliveryID) (model.Delivery, error) {
	return one(s.reader(ctx), "delivery", scanDelivery, deliveryByID, id)
}

// DeliveryFilter narrows a list of deliveries; zero values do not.
type DeliveryFilter struct {
	EventID       model.EventID
	Event         string // name of the event, or a pattern as actions have it
	DestinationID model.DestID
	RunID         model.RunID
	Status        model.Status // stored ones; Sending lists nothing here
	Lane          model.Lane
	Interrupted   bool               // only those that a server had in hand when it died
	IDs           []model.DeliveryID // only these, when not nil
	From          time.Time          // made at or after
	To            time.Time          // made before
}

// Deliveries lists deliveries, newest first. With an Event a page may be short, or empty, although there is a next one: it
// looks at the newest 10,000 that fit the rest of the filter.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter, p Page) ([]model.Delivery, string, error) {
	q := selecting("SELECT " + deliveryColumns + deliveryTables)
	f.narrow(q)
	if f.IDs != nil {
		q.and(true, "d.id IN (SELECT value FROM json_each(?))", encode(f.IDs))
	}
	switch f.Status {
	case "":
	case model.Failed, model.Held, model.Retrying, model.Skipped, model.Cancelled: // literals, so that the partial index fits
		q.and(true, "d.status = '"+string(f.Status)+"' AND d.status <> 'delivered' AND d.status <> 'pending'")
	case model.Pending:
		q.and(true, "d.status = 'pending' AND d.settled_at IS NULL")
	default:
		q.and(true, "d.status = ?", f.Status)
	}
	if f.Event != "" {
		return s.deliveriesOf(ctx, q, f.Event, p)
	}
	return page(s.reader(ctx), q, p, keyed{"d.id", "dlv_"}, scanDelivery, func(d model.Delivery) string { return string(d.ID) })
}

const aheadOf = `
SELECT id, next_attempt_at FROM deliveries WHERE target_id = $1 AND order_key = $2 AND settled_at IS NULL AND seq > 0 AND seq < $3 ORDER BY seq LIMIT 1`

// AheadOf is the delivery that d waits for in the order of its destination, with its next attempt (zero = none is planned); "" when
// there is none.
func (s *Store) AheadOf(ctx context.Context, d model.Delivery) (id model.DeliveryID, next time.Time, err error) {
	_, err = all(s.reader(ctx), func(r row) (none struct{}, err error) { return none, r.Scan(&id, at{&next}) }, aheadOf, d.TargetID, d.OrderKey, d.Seq)
	return id, next, err
}

// mostLooked is how many deliveries are looked at for those of an event's name, which no index finds in their order.
const mostLooked = 10000

// deliveriesOf is a page of the deliveries in q whose event's name fits.
func (s *Store) deliveriesOf(ctx context.Context, q *query, event string, p Page) ([]model.Delivery, string, error) {
	names := &query{head: "SELECT d.id, coalesce(e.name, '')" + deliveryTables, where: q.where, args: q.args}
	type named struct{ id, event string }
	var fit []string
	last, seen := "", 0
	p.Limit = p.limit()
	whole := Page{Limit: p.Limit, Cursor: p.Cursor}
	before, err := p.After("dlv_")
	if err != nil {
		return nil, "", err
	}
	names.and(before != nil, "d.id < ?", before)
	_, err = until(s.reader(ctx), func(r row) (n named, err error) { err = r.Scan(&n.id, &n.event); return }, func(n named) bool {
		last, seen = n.id, seen+1
		if n.event == event || model.Matches(event, n.event) {
			fit = append(fit, n.id)
		}
		return len(fit) == whole.Limit
	}, names.sql(" ORDER BY d.id DESC LIMIT +?"), append(names.args, mostLooked)...)
	if err != nil {
		return nil, "", err
	}
	if len(fit) < whole.Limit && seen < mostLooked {
		last = ""
	}
	if len(fit) == 0 {
		return []model.Delivery{}, last, nil
	}
	list, err := all(s.reader(ctx), scanDelivery, deliveriesByID, encode(fit))
	return list, last, err
}

const deliveriesByID = `SELECT ` + deliveryColumns + deliveryTables + ` WHERE d.id IN (SELECT value FROM json_each($1)) ORDER BY d.id DESC`

// narrow adds what the filter asks for besides the status. Ids sort by time of making, nearly as the commits do: they
// find the rows, created_at decides.
func (f DeliveryFilter) narrow(q *query) {
	const apart = time.Minute
	q.and(f.EventID != "", "d.event_id = ?", f.EventID)
	q.and(f.DestinationID != "", "d.destination_id = ?", f.DestinationID)
	q.and(f.RunID != "", "d.run_id = ? AND d.run_id <> ''", f.RunID)
	q.and(f.Lane != "", "d.lane = ?", f.Lane)
	q.and(f.Interrupted, "d.interruptions > 0")
	q.and(!f.From.IsZero(), "d.id >= ? AND d.created_at >= ?", model.FirstDeliveryID(f.From.Add(-apart)), ms(f.From))
	q.and(!f.To.IsZero(), "d.id < ? AND d.created_at < ?", model.FirstDeliveryID(f.To.Add(apart)), ms(f.To))
}
