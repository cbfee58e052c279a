package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// Pages of what is exported are bounded by rows and by bytes, and each is a read of its own, so that no reader stays open
// while a store takes its time. They are short, so that what else has to be computed is not kept waiting for long.
const (
	exportRows  = 100
	exportBytes = 2 << 20
)

const exportedEvents = `SELECT ` + eventColumns + `, data FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$3`

// ExportedEvents are the next events that were accepted from from until before to, in that order, behind after ("" = the
// first ones), with their data; none = that was all.
func (s *Store) ExportedEvents(ctx context.Context, from, to time.Time, after model.EventID) ([]model.Event, error) {
	size := 0
	return until(s.reader(ctx), scanEventData, func(e model.Event) bool { size += len(e.Data); return size >= exportBytes },
		exportedEvents, max(after, model.FirstEventID(from)), model.FirstEventID(to), exportRows)
}

const exportedDeliveries = `
SELECT ` + deliveryColumns + `, coalesce(e.subject, '')` + deliveryTables + `
WHERE d.settled_at IS NOT NULL AND (d.settled_at, d.id) > ($1, $2) AND d.settled_at < $3 ORDER BY d.settled_at, d.id LIMIT +$4`

// ExportedDelivery is a delivery with the subject of its event.
type ExportedDelivery struct {
	model.Delivery
	Subject string
}

// ExportedDeliveries are the next deliveries that were settled from from until before to, in that order, behind after
// (zero = the first ones); none = that was all.
func (s *Store) ExportedDeliveries(ctx context.Context, from, to time.Time, after model.Delivery) ([]ExportedDelivery, error) {
	at, id := ms(from), model.DeliveryID("")
	if after.ID != "" {
		at, id = ms(after.SettledAt), after.ID
	}
	return all(s.reader(ctx), func(r row) (d ExportedDelivery, err error) {
		err = r.Scan(append(deliveryFields(&d.Delivery), &d.Subject)...)
		return d, err
	}, exportedDeliveries, at, id, ms(to), exportRows)
}

const exportedAttempts = `
SELECT d.id, a.delivery_id, a.number, a.id, a.started_at, a.method, a.url, a.address, a.status_code, a.class, a.error, a.verdict, a.timings, a.request_size, a.response_size
FROM json_each($1) j JOIN deliveries d ON d.id = j.value JOIN attempts a ON a.delivery_id IN (d.id, d.batch_id, d.split_of)
ORDER BY j.key, a.started_at, a.number`

// ExportedAttempt is an attempt without headers and bodies. Message is the delivery's id, or that of the batch it was part of.
type ExportedAttempt struct {
	model.Attempt
	Message string
}

// ExportedAttempts are those of some deliveries, in their order.
func (s *Store) ExportedAttempts(ctx context.Context, of []model.DeliveryID) ([]ExportedAttempt, error) {
	return all(s.reader(ctx), func(r row) (a ExportedAttempt, err error) {
		err = r.Scan(&a.DeliveryID, &a.Message, &a.Number, &a.ID, at{&a.StartedAt}, &a.Method, &a.URL, &a.Address, &a.StatusCode, &a.Class, &a.Error, &a.Verdict,
			decode{&a.Timings}, &a.Request.Size, &a.Response.Size)
		return a, err
	}, exportedAttempts, encode(of))
}

const exportedCounts = `
SELECT (SELECT count(*) FROM (SELECT 1 FROM events WHERE id > $1 AND id < $2 LIMIT +$5)), (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE settled_at >= $3 AND settled_at < $4 LIMIT +$5))`

// ExportedCounts counts events that were accepted and deliveries that were settled in a range, up to most of each.
func (s *Store) ExportedCounts(ctx context.Context, from, to time.Time, most int) (events, deliveries int64, err error) {
	_, err = one(s.reader(ctx), "count", func(r row) (int, error) { return 0, r.Scan(&events, &deliveries) }, exportedCounts,
		model.FirstEventID(from), model.FirstEventID(to), ms(from), ms(to), most)
	return events, deliveries, err
}
