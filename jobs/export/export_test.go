package export

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/s3/s3test"
)

func TestHours(t *testing.T) {
	d := newDesk(t)
	first := d.event("order.created", `{"html":"<b>&</b>","big":12345678901234567890}`, model.Delivered, model.Failed, "")
	d.enable(func(s *model.ExportSettings) { s.Datasets = model.Datasets() })
	d.at("2026-03-27 10:59:59")
	last := d.event("order.paid", `[1,2]`, model.Delivered)
	d.at("2026-03-27 11:00:00")
	d.event("order.late", `{}`, model.Delivered)
	d.at("2026-03-27 11:01:59")
	if next := d.pass(); len(d.keys()) != 0 || next.UTC() != time.Date(2026, 3, 27, 11, 2, 0, 0, time.UTC) {
		t.Fatalf("written too early: %q, next at %v", d.keys(), next)
	}
	d.at("2026-03-27 11:02:00")
	next := d.pass()
	want := []string{"wb/attempts/date=2026-03-27/hour=10/attempts.ndjson.gz", hour10, "wb/events/date=2026-03-27/hour=10/events.ndjson.gz", "wb/manifest/date=2026-03-27/hour=10/manifest.json"}
	if diff := cmp.Diff(want, d.keys()); diff != "" {
		t.Fatal(diff)
	}
	if next.UTC() != time.Date(2026, 3, 27, 12, 2, 0, 0, time.UTC) {
		t.Errorf("the next pass is at %v", next)
	}
	lines := d.lines(want[2])
	var e Event
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil || len(lines) != 2 || e.ID != first || e.Subject != "cart-1" || e.Deliveries != 3 || string(e.Data) != `{"html":"<b>&</b>","big":12345678901234567890}` || e.CreatedAt != "2026-03-27T10:30:00.000Z" {
		t.Errorf("events: %q %v", lines, err)
	}
	if !strings.Contains(lines[1], string(last)) {
		t.Errorf("the last event of the hour is not there: %q", lines[1])
	}
	if lines := d.lines(hour10); len(lines) != 3 || !strings.Contains(strings.Join(lines, ""), `"status":"failed"`) || !strings.Contains(lines[2], `"settled_at":"2026-03-27T10:59:59.000Z"`) || !strings.Contains(lines[0], `"destination":"Orders","`) {
		t.Errorf("deliveries: %q", lines)
	}
	if lines := d.lines(want[0]); len(lines) != 3 || !strings.Contains(lines[0], `"microseconds":1500`) {
		t.Errorf("attempts: %q", lines)
	}
	var m manifest
	if err := json.Unmarshal(d.s3.Objects()[want[3]].Body, &m); err != nil || m.From != "2026-03-27T10:00:00.000Z" || m.To != "2026-03-27T11:00:00.000Z" || len(m.Files) != 3 ||
		m.Files[1].Key != hour10 || m.Files[1].Records != 3 || m.Files[1].Bytes != int64(len(d.s3.Objects()[hour10].Body)) || !slices.Contains(m.Files[1].Columns, "settled_at") {
		t.Errorf("manifest: %+v, %v", m, err)
	}
	x := d.export("2026-03-27 10:00:00")
	if x.Status != model.ExportWritten || x.Records != 8 || x.Bytes == 0 || x.Manifest != want[3] || len(x.Files) != 3 || x.ConnectionID != d.to.ID {
		t.Errorf("the hour is kept as %+v", x)
	}

	// Nothing is written again: not by another pass, not by another process.
	before := len(d.s3.Requests())
	d.pass()
	d.restart()
	d.pass()
	if n := len(d.s3.Requests()); n != before {
		t.Errorf("%d requests more", n-before)
	}
	// What was missed while nothing ran is caught up with, empty hours too; a minute is enough for both.
	d.at("2026-03-27 15:30:00")
	d.restart()
	d.pass()
	if got := d.lines(strings.Replace(hour10, "hour=10", "hour=11", 1)); len(got) != 1 {
		t.Errorf("the hour after: %q", got)
	}
	if got := d.lines(strings.Replace(hour10, "hour=10", "hour=14", 1)); len(got) != 0 || len(d.keys()) != 20 {
		t.Errorf("the empty hour: %q; %d objects", got, len(d.keys()))
	}
}

// Whatever happens in the middle of an hour, nothing is lost and nothing is there twice.
func TestInterruptedHours(t *testing.T) {
	d := newDesk(t)
	d.enable(nil)
	noise := make([]byte, 120<<10)
	r := rand.NewChaCha8([32]byte{7})
	var want []string
	for range 80 { // a part and a bit, once compressed
		_, _ = r.Read(noise)
		want = append(want, string(d.event("big", `"`+base64.StdEncoding.EncodeToString(noise)+`"`, model.Delivered)))
	}
	slices.Sort(want)
	d.at("2026-03-27 11:05:00")

	// The process is killed while the second part is on its way: the store's own hand stops the pass.
	ctx, kill := context.WithCancel(context.Background())
	d.s3.Break(func(r *http.Request) s3test.Fault {
		if r.URL.Query().Get("partNumber") == "2" {
			kill()
			return s3test.Fault{Cut: 1 << 20}
		}
		if r.Method == http.MethodDelete { // a dead process gives nothing up
			return s3test.Fault{Status: 503, Code: "SlowDown"}
		}
		return s3test.Fault{}
	})
	if _, err := d.x.Pass(ctx); err == nil && ctx.Err() == nil {
		t.Fatal("the pass was not stopped")
	}
	if len(d.keys()) != 0 || d.s3.Uploads() != 1 {
		t.Fatalf("after the kill there are %q and %d uploads", d.keys(), d.s3.Uploads())
	}
	if x := d.export("2026-03-27 10:00:00"); x.Status == model.ExportWritten || len(x.Uploads) != 1 {
		t.Errorf("after the kill: %+v", x)
	}
	d.s3.Break(nil)

	// The next process is refused at the manifest, the one after that is killed once the manifest was written.
	d.restart()
	d.s3.Break(func(r *http.Request) s3test.Fault {
		if strings.Contains(r.URL.Path, "manifest") {
			return s3test.Fault{Status: 400, Code: "KMS.DisabledException"}
		}
		return s3test.Fault{}
	})
	next := d.pass()
	x := d.export("2026-03-27 10:00:00")
	if x.Status != model.ExportFailed || !strings.Contains(x.Error, "KMS key") || d.s3.Uploads() != 0 || !next.Equal(d.now().Add(time.Minute).Truncate(time.Millisecond)) {
		t.Fatalf("refused: %+v; %d uploads; next %v", x, d.s3.Uploads(), next)
	}
	before := len(d.s3.Requests())
	if d.pass(); len(d.s3.Requests()) != before {
		t.Error("it was tried again before its time")
	}
	d.at("2026-03-27 11:07:00")
	ctx, kill = context.WithCancel(context.Background())
	d.s3.Break(func(r *http.Request) s3test.Fault {
		if strings.Contains(r.URL.Path, "manifest") {
			kill()
			return s3test.Fault{Cut: -1}
		}
		return s3test.Fault{}
	})
	_, _ = d.x.Pass(ctx)
	d.s3.Break(nil)
	if x := d.export("2026-03-27 10:00:00"); x.Status == model.ExportWritten {
		t.Errorf("killed before it could be noted: %+v", x)
	}
	d.restart()
	d.pass()
	if x := d.export("2026-03-27 10:00:00"); x.Status != model.ExportWritten || x.Records != 160 || x.Error != "" {
		t.Errorf("in the end: %+v", x)
	}
	var got []string
	for _, line := range d.lines("wb/events/date=2026-03-27/hour=10/events.ndjson.gz") {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.ID))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || len(d.keys()) != 3 || d.s3.Uploads() != 0 {
		t.Errorf("%d events of %d; objects %q; %d uploads", len(got), len(want), d.keys(), d.s3.Uploads())
	}
}

// What the store refuses is said in words, tried again later and by hand, and holds up nothing else for ever.
func TestRefusedHours(t *testing.T) {
	d := newDesk(t)
	d.event("order.created", `{}`, model.Delivered)
	d.enable(nil)
	d.at("2026-03-27 12:05:00")
	d.key.Config["region"] = "us-east-1"
	d.pass()
	x := d.export("2026-03-27 10:00:00")
	if x.Status != model.ExportFailed || !strings.Contains(x.Error, "is in the region eu-west-1") || x.Attempts != 1 {
		t.Errorf("wrong region: %+v", x)
	}
	if later := d.export("2026-03-27 11:00:00"); later.Status != model.ExportWaiting {
		t.Errorf("the next hour was tried although the store refuses all: %+v", later)
	}
	d.key.Config["region"] = s3test.Region
	dbtest.Write(t, d.Store, func(tx *db.Tx) error { return tx.RetryExports() })
	d.x.Poke()
	d.pass()
	for _, h := range []string{"2026-03-27 10:00:00", "2026-03-27 11:00:00"} {
		if x := d.export(h); x.Status != model.ExportWritten || x.Attempts != 0 {
			t.Errorf("%s: %+v", h, x)
		}
	}
	if n := len(d.keys()); n != 6 {
		t.Errorf("%d objects", n)
	}
	// Switched off, the hours of the clock stop; switched on again, it goes on with the hour that runs.
	d.enable(func(s *model.ExportSettings) { s.Enabled = false })
	d.at("2026-03-27 14:30:00")
	d.pass()
	d.enable(nil)
	d.at("2026-03-27 15:30:00")
	d.pass()
	if n := len(d.keys()); n != 9 || d.export("2026-03-27 14:00:00").Status != model.ExportWritten {
		t.Errorf("%q", d.keys())
	}
}

func TestBackfill(t *testing.T) {
	d := newDesk(t)
	d.event("order.created", `{}`, model.Delivered)
	d.enable(func(s *model.ExportSettings) { s.Enabled, s.Format = false, model.FormatCSV })
	d.at("2026-03-28 00:00:30")
	ask := func(from, to string, again bool) model.Backfill {
		f, _ := time.Parse(time.DateTime, from)
		until, _ := time.Parse(time.DateTime, to)
		var b model.Backfill
		b.From, b.To = model.Hours(f, until)
		dbtest.Write(t, d.Store, func(tx *db.Tx) error {
			if err := tx.StartBackfill(&b); err != nil {
				return err
			}
			var hours []time.Time
			for h := b.From; h.Before(b.To); h = h.Add(time.Hour) {
				hours = append(hours, h)
			}
			return tx.AskHours(b.ID, hours, again)
		})
		return b
	}
	b := ask("2026-03-27 09:10:00", "2026-03-27 11:10:00", false)
	d.pass()
	got, err := d.Backfill(context.Background(), b.ID)
	if err != nil || got.Hours != 3 || got.Written != 3 || got.FinishedAt.IsZero() || len(d.keys()) != 9 {
		t.Fatalf("%+v, %v; %q", got, err, d.keys())
	}
	rows, err := csv.NewReader(strings.NewReader(strings.Join(d.lines("wb/deliveries/date=2026-03-27/hour=10/deliveries.csv.gz"), "\n"))).ReadAll()
	if err != nil || len(rows) != 2 || !slices.Equal(rows[0], Columns(model.DatasetDeliveries)) || len(rows[1]) != len(rows[0]) {
		t.Errorf("CSV: %q, %v", rows, err)
	}
	// Hours that are written stay as they are, unless they are asked for again.
	before := len(d.s3.Requests())
	b = ask("2026-03-27 09:00:00", "2026-03-27 11:00:00", false)
	d.pass()
	dbtest.Write(t, d.Store, func(tx *db.Tx) error { return tx.EndBackfills() })
	if got, _ = d.Backfill(context.Background(), b.ID); len(d.s3.Requests()) != before || got.FinishedAt.IsZero() {
		t.Errorf("written again: %+v", got)
	}
	// Cancelled, what was not written is as if nobody had asked, and what was written stays written.
	d.s3.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Status: 403, Code: "AccessDenied"} })
	b = ask("2026-03-27 08:00:00", "2026-03-27 11:00:00", true)
	d.pass()
	dbtest.Write(t, d.Store, func(tx *db.Tx) error { _, err := tx.CancelBackfill(b.ID); return err })
	d.s3.Break(nil)
	d.x.Poke()
	d.at("2026-03-28 00:59:00")
	d.pass()
	list, _, err := d.Exports(context.Background(), db.ExportFilter{}, db.Page{})
	if err != nil || len(list) != 3 || len(d.keys()) != 9 {
		t.Errorf("after the cancel: %+v, %v", list, err)
	}
	for _, x := range list {
		if x.Status != model.ExportWritten {
			t.Errorf("after the cancel: %+v", x)
		}
	}
}

// A download holds what the objects hold.
func TestStream(t *testing.T) {
	d := newDesk(t)
	for range 3 {
		d.event("order.created", `{"a":1}`, model.Delivered, model.Failed)
	}
	d.enable(func(s *model.ExportSettings) { s.Datasets = model.Datasets() })
	d.at("2026-03-27 11:05:00")
	d.pass()
	hour := start.Truncate(time.Hour)
	for _, set := range model.Datasets() {
		var out bytes.Buffer
		q := Query{Dataset: set, From: hour, To: hour.Add(time.Hour), Format: model.FormatNDJSON, Data: true}
		n, err := Stream(context.Background(), d.Store, q, &out, nil)
		want := strings.Join(d.lines(strings.ReplaceAll(hour10, "deliveries", string(set))), "\n") + "\n"
		if err != nil || out.String() != want || n != int64(strings.Count(want, "\n")) {
			t.Errorf("%s: %d records, %v: %s", set, n, err, cmp.Diff(want, out.String()))
		}
		out.Reset()
		q.Format, q.Harmless = model.FormatCSV, true
		if _, err := Stream(context.Background(), d.Store, q, &out, nil); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || int64(len(rows)) != n+1 {
			t.Errorf("%s as CSV: %d rows, %v", set, len(rows), err)
		}
		for _, row := range rows {
			if slices.ContainsFunc(row, func(c string) bool { return strings.HasPrefix(c, "=") }) {
				t.Errorf("a formula: %q", row)
			}
		}
	}
	events, deliveries, err := d.ExportedCounts(context.Background(), hour, hour.Add(time.Hour), 5)
	if events != 3 || deliveries != 5 || err != nil {
		t.Errorf("counted %d and %d, %v", events, deliveries, err)
	}
}

// BenchmarkHour writes an hour of many deliveries and tells the greatest heap beside what the store of objects holds, and how
// long an event takes to be stored meanwhile (the 99th of 100), beside an hour in which nothing is written.
func BenchmarkHour(b *testing.B) {
	for _, many := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(many), func(b *testing.B) { benchHour(b, many) })
	}
}

func benchHour(b *testing.B, many int) {
	d := newDesk(b)
	d.s3.Forgetful = true
	v, err := d.Version(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	publish := func(deliveries int) {
		now := d.now()
		p := db.Publication{Event: model.Event{ID: model.NewEventID(now), Name: "order.created", Subject: "cart", Time: now, CreatedAt: now, Data: model.Data(`{}`)}}
		for range deliveries {
			p.Deliveries = append(p.Deliveries, model.Delivery{ID: model.NewDeliveryID(now), EventID: p.Event.ID, TargetID: d.setup.Destination.Target(), DestinationID: d.setup.Destination.ID,
				Lane: model.Realtime, Status: model.Pending, NextAttemptAt: now, CreatedAt: now, UpdatedAt: now, Version: 1})
			p.Owners = append(p.Owners, "")
		}
		if _, err := d.Publish(context.Background(), v, []db.Publication{p}); err != nil {
			b.Error(err)
		}
	}
	for n := 0; n < many; n += 1000 {
		publish(1000)
		for left := int64(1); left > 0 && err == nil; {
			left, err = d.CancelOf(context.Background(), dbtest.Admin(), d.setup.Destination.Target())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	d.enable(nil)
	d.at("2026-03-27 11:05:00")
	d.x.rest = rest
	// watched publishes one event after the other until stop, and tells the 99th of 100 and the greatest heap.
	watched := func(stop <-chan struct{}) (p99 time.Duration, heap uint64) {
		var took []time.Duration
		var m runtime.MemStats
		for {
			select {
			case <-stop:
				slices.Sort(took)
				return took[len(took)*99/100], heap
			case <-time.After(5 * time.Millisecond):
				start := time.Now()
				publish(0)
				took = append(took, time.Since(start))
				if len(took)%10 == 0 {
					runtime.ReadMemStats(&m)
					heap = max(heap, m.HeapInuse)
				}
			}
		}
	}
	runtime.GC()
	alone := make(chan struct{})
	time.AfterFunc(5*time.Second, func() { close(alone) })
	quiet, before := watched(alone)
	done := make(chan struct{})
	b.ResetTimer()
	go func() {
		d.pass()
		close(done)
	}()
	busy, after := watched(done)
	b.StopTimer()
	x := d.export("2026-03-27 10:00:00")
	b.ReportMetric(float64(x.Bytes)/(1<<20), "MiB-stored")
	b.ReportMetric(float64(int64(after)-int64(before))/(1<<20), "MiB-heap-more")
	b.ReportMetric(float64(quiet.Microseconds())/1000, "ms-p99-alone")
	b.ReportMetric(float64(busy.Microseconds())/1000, "ms-p99-beside")
	if x.Records != int64(many+many/1000) {
		b.Errorf("%+v", x)
	}
}
