package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/s3"
	"waybill/jobs/s3/s3test"
	"waybill/jobs/scheme"
)

const node = model.NodeID("nod_1")

// desk is a store of rows with a clock, a store of objects, and what writes from one to the other.
type desk struct {
	*db.Store
	t     testing.TB
	clock atomic.Int64
	s3    *s3test.Server
	x     *Exporter
	setup dbtest.Setup
	to    model.Connection
	key   scheme.Material
}

var start = time.Date(2026, 3, 27, 10, 30, 0, 0, time.UTC)

func (d *desk) now() time.Time { return time.UnixMilli(d.clock.Load()) }

func (d *desk) at(text string) {
	d.t.Helper()
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		d.t.Fatal(err)
	}
	d.clock.Store(t.UnixMilli())
}

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, s3: s3test.New(t)}
	d.clock.Store(start.UnixMilli())
	s, err := db.Open(context.Background(), db.Options{Dir: t.TempDir(), Now: d.now, Key: db.KeySource{Text: dbtest.Key}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.Store, d.setup = s, dbtest.Fill(t, s)
	d.key = scheme.Material{Type: "aws_sigv4", Config: model.Config{"access_key_id": s3test.KeyID, "service": "s3", "region": s3test.Region}, Secrets: model.Secrets{"secret_access_key": s3test.Secret}}
	d.to = model.Connection{Name: "Archive", Type: model.ConnectionS3, BaseURL: d.s3.URL, Enabled: true, TimeoutSeconds: 5, Settings: model.Config{"bucket": s3test.Bucket, "prefix": "wb/"}}
	dbtest.Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(&d.to) })
	d.restart()
	return d
}

// restart is a new process.
func (d *desk) restart() {
	rules, _ := egress.ParseRules("127.0.0.1/32")
	e := egress.New(egress.Options{Rules: rules})
	d.t.Cleanup(e.Close)
	keeper := scheme.NewKeeper(e, time.Now)
	d.x = New(Options{Store: d.Store, Now: d.now, Log: slog.New(slog.DiscardHandler), Version: "test", Keep: func(context.Context) (time.Duration, error) { return 30 * 24 * time.Hour, nil },
		Bucket: func(ctx context.Context, id model.ConnectionID) (*s3.Bucket, error) {
			c, err := d.Connection(ctx, id)
			if err != nil {
				return nil, err
			}
			return s3.New(s3.Wire{Egress: e, Keeper: keeper, Now: time.Now}, c, d.key)
		}})
	d.x.rest = func(context.Context, time.Duration) {}
}

func (d *desk) pass() time.Time {
	d.t.Helper()
	next, err := d.x.Pass(context.Background())
	if err != nil {
		d.t.Fatalf("pass: %v", err)
	}
	return next
}

func (d *desk) enable(change func(*model.ExportSettings)) {
	s, err := d.ExportSettings(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	s.Enabled, s.ConnectionID = true, d.to.ID
	if change != nil {
		change(&s)
	}
	s.Clean()
	if bad := s.Check(); len(bad) > 0 {
		d.t.Fatal(bad)
	}
	dbtest.Write(d.t, d.Store, func(tx *db.Tx) error { return tx.UpdateExport(s) })
}

// event stores one with a delivery for each status; "" leaves it open.
func (d *desk) event(name, data string, statuses ...model.Status) model.EventID {
	d.t.Helper()
	now := d.now()
	p := db.Publication{Event: model.Event{ID: model.NewEventID(now), Name: name, Subject: "cart-1", Time: now, CreatedAt: now, Data: model.Data(data)}}
	for range statuses {
		p.Deliveries = append(p.Deliveries, model.Delivery{ID: model.NewDeliveryID(now), EventID: p.Event.ID, TargetID: d.setup.Destination.Target(), DestinationID: d.setup.Destination.ID, ActionID: d.setup.Action.ID,
			Lane: model.Realtime, Status: model.Pending, NextAttemptAt: now, CreatedAt: now, UpdatedAt: now, Version: 1})
		p.Owners = append(p.Owners, node)
	}
	v, err := d.Version(context.Background())
	if err == nil {
		_, err = d.Publish(context.Background(), v, []db.Publication{p})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	for i, status := range statuses {
		if status != "" {
			d.settle(p.Deliveries[i].ID, status)
		}
	}
	return p.Event.ID
}

func (d *desk) settle(id model.DeliveryID, status model.Status) {
	d.t.Helper()
	was, err := d.Delivery(context.Background(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	a := &model.Attempt{ID: model.NewAttemptID(d.now()), Number: 1, StartedAt: d.now(), Method: "POST", URL: "https://shop.example.com/orders", StatusCode: 204, Timings: model.Timings{Total: 1500}}
	if status == model.Failed {
		a.StatusCode, a.Class, a.Error = 404, model.ClassStatus, "=it said no, \"twice\"\nand again"
	}
	done := make(chan error, 1)
	d.Finish(node, &model.Ending{Work: model.Work{Delivery: was}, Outcome: model.Outcome{Attempt: a, Status: status, Error: a.Error}}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) export(hour string) model.Export {
	d.t.Helper()
	t, _ := time.Parse(time.DateTime, hour)
	list, _, err := d.Exports(context.Background(), db.ExportFilter{From: t, To: t.Add(time.Hour)}, db.Page{})
	if err != nil || len(list) != 1 {
		d.t.Fatalf("the hour %s: %v, %v", hour, list, err)
	}
	return list[0]
}

// lines are those of an object, unpacked.
func (d *desk) lines(key string) []string {
	d.t.Helper()
	o, ok := d.s3.Objects()[key]
	if !ok {
		d.t.Fatalf("there is no object %s; there are %q", key, d.keys())
	}
	z, err := gzip.NewReader(bytes.NewReader(o.Body))
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		d.t.Fatal(err)
	}
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (d *desk) keys() []string { return slices.Sorted(maps.Keys(d.s3.Objects())) }

const hour10 = "wb/deliveries/date=2026-03-27/hour=10/deliveries.ndjson.gz"
