package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3"
)

// Options wire an Exporter.
type Options struct {
	Store  *db.Store
	Now    func() time.Time
	Log    *slog.Logger
	Bucket func(context.Context, model.ConnectionID) (*s3.Bucket, error)
	// Version of Waybill, for the manifest.
	Version string
	// Keep is how long rows are kept: hours before that are not caught up with.
	Keep func(context.Context) (time.Duration, error)
	// Told hears that something moved on, nil = nobody.
	Told func()
}

// Exporter writes hours while Run does.
type Exporter struct {
	o        Options
	wake     chan struct{}
	progress atomic.Pointer[Progress]
	rest     func(context.Context, time.Duration)

	mu   sync.Mutex
	hold time.Time // after a failure nothing is tried before then
}

// Progress is how far the hour that is being written is.
type Progress struct {
	Hour    time.Time
	Dataset model.Dataset
	Records int64
	Bytes   int64 // compressed, on their way
	Since   time.Time
}

// Settles is how long after the end of an hour is waited for what was accepted in it and is still on its way to the disk.
const Settles = 2 * time.Minute

// After each page of records it rests as long as that took, or longer while others write: then it takes a fifth of a core at
// most, in short pieces, and realtime does not notice it. longestRest bounds it when a page took its time for other reasons.
const (
	restBusy    = 4
	longestRest = 100 * time.Millisecond
)

// tellEvery is how often those who look are told how far an hour is.
const tellEvery = 500 * time.Millisecond

// New makes an Exporter; nothing happens before Run.
func New(o Options) *Exporter {
	return &Exporter{o: o, wake: make(chan struct{}, 1), rest: rest}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Poke says that something was asked for: it is looked at now, whatever failed before.
func (x *Exporter) Poke() {
	x.mu.Lock()
	x.hold = time.Time{}
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Progress is that of the hour that is being written, nil when none is.
func (x *Exporter) Progress() *Progress { return x.progress.Load() }

// Run writes what is due until stop is closed.
func (x *Exporter) Run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		next, err := x.Pass(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			x.o.Log.Warn("the hourly export could not go on; trying again", "error", err)
			next = x.o.Now().Add(time.Minute)
		}
		// Clocks can be set: it looks again every few minutes, whatever it thinks.
		due := time.NewTimer(min(max(next.Sub(x.o.Now()), time.Second), 5*time.Minute))
		select {
		case <-stop:
		case <-x.wake:
		case <-due.C:
		}
		due.Stop()
	}
}

// Pass writes every hour that is due and says when to come again.
func (x *Exporter) Pass(ctx context.Context) (next time.Time, err error) {
	for {
		now := x.o.Now()
		next = now.UTC().Truncate(time.Hour).Add(Settles)
		if !next.After(now) {
			next = next.Add(time.Hour)
		}
		settings, err := x.o.Store.ExportSettings(ctx)
		if err != nil {
			return next, err
		}
		if settings.Enabled {
			if err := x.catchUp(ctx, settings, now); err != nil {
				return next, err
			}
		}
		if settings.ConnectionID == "" {
			return next, nil
		}
		if until := x.held(); until.After(now) {
			return earlier(next, until), nil
		}
		hour, err := x.o.Store.DueExport(ctx, now, settings.Enabled)
		if fault.Is(err, fault.NotFound) {
			at, open, err := x.o.Store.NextExport(ctx, settings.Enabled)
			if open > 0 && !at.IsZero() {
				next = earlier(next, at)
			}
			return next, err
		}
		if err != nil {
			return next, err
		}
		if hour.Hour.Add(time.Hour + Settles).After(now) { // the clock was set back
			return next, nil
		}
		if err := x.hour(ctx, settings, hour); err != nil {
			return next, err
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (x *Exporter) tell() {
	if x.o.Told != nil {
		x.o.Told()
	}
}

func (x *Exporter) held() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.hold
}

// catchUp notes all hours that have ended since the last one, as far back as rows are kept.
func (x *Exporter) catchUp(ctx context.Context, s model.ExportSettings, now time.Time) error {
	last, err := x.o.Store.LastExport(ctx)
	if err != nil {
		return err
	}
	from := s.Since
	if next := last.Add(time.Hour); !last.IsZero() && next.After(from) {
		from = next
	}
	keep, err := x.o.Keep(ctx)
	if err != nil {
		return err
	}
	if oldest := now.Add(-keep).UTC().Truncate(time.Hour); from.Before(oldest) {
		from = oldest
	}
	var hours []time.Time
	for h := from; !h.Add(time.Hour + Settles).After(now); h = h.Add(time.Hour) {
		hours = append(hours, h)
	}
	for some := range slices.Chunk(hours, 500) {
		if err := x.o.Store.AddExports(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// hour writes one hour, or notes why not. The error is one of the store of rows.
func (x *Exporter) hour(ctx context.Context, s model.ExportSettings, h model.Export) error {
	x.progress.Store(&Progress{Hour: h.Hour, Since: x.o.Now()})
	x.tell()
	defer x.tell()
	defer x.progress.Store(nil)
	bucket, err := x.o.Bucket(ctx, s.ConnectionID)
	if err == nil {
		x.forget(ctx, h.Uploads)
		if err := x.o.Store.BeginExport(ctx, h.Hour, s.ConnectionID); err != nil {
			return err
		}
		var done model.Export
		if done, err = x.write(ctx, bucket, s, h.Hour); err == nil {
			return x.o.Store.FinishExport(ctx, done)
		}
	} else if begin := x.o.Store.BeginExport(ctx, h.Hour, s.ConnectionID); begin != nil {
		return begin
	}
	if ctx.Err() != nil { // stopped: the hour is begun anew
		return x.o.Store.FailExport(context.WithoutCancel(ctx), h.Hour, "", time.Time{})
	}
	wait := pause(h.Attempts + 1)
	var e *s3.Error
	if errors.As(err, &e) {
		wait = max(wait, e.After)
	}
	again := x.o.Now().Add(wait)
	x.mu.Lock()
	x.hold = again
	x.mu.Unlock()
	x.o.Log.Warn("an hour could not be written to the store", "hour", model.Stamp(h.Hour), "attempt", h.Attempts+1, "again", model.Stamp(again), "error", err)
	return x.o.Store.FailExport(ctx, h.Hour, words(err), again)
}

// words are what people read of an error: faults and errors of stores are sentences, others are not for them.
func words(err error) string {
	var e *s3.Error
	switch f := fault.Of(err); {
	case errors.As(err, &e):
		return e.Message
	case f != nil:
		return f.Message
	}
	return "The hour could not be read from the database; the log of the server says why."
}

// pause is how long after a failed attempt the next one comes.
func pause(attempts int) time.Duration {
	waits := []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
	if attempts <= len(waits) {
		return waits[max(0, attempts-1)]
	}
	return time.Hour
}

// forget ends what a killed process began in parts.
func (x *Exporter) forget(ctx context.Context, list []model.ExportUpload) {
	for _, u := range list {
		b, err := x.o.Bucket(ctx, u.ConnectionID)
		if err == nil {
			err = b.Forget(ctx, u.Key, u.Upload)
		}
		if err != nil {
			x.o.Log.Warn("parts of an object that was never finished stay in the store", "key", u.Key, "upload", u.Upload, "error", err)
		}
	}
}

// manifest is the list of an hour's objects.
type manifest struct {
	Waybill string             `json:"waybill"`
	From    string             `json:"from"`
	To      string             `json:"to"`
	Format  model.ExportFormat `json:"format"`
	Gzip    bool               `json:"gzip"`
	Files   []manifestFile     `json:"files"`
}

type manifestFile struct {
	model.ExportFile
	Columns []string `json:"columns"`
}

func (x *Exporter) write(ctx context.Context, b *s3.Bucket, s model.ExportSettings, hour time.Time) (model.Export, error) {
	out := model.Export{Hour: hour, ConnectionID: s.ConnectionID, Manifest: s.ManifestKey(b.Prefix(), hour)}
	list := manifest{x.o.Version, model.Stamp(hour), model.Stamp(hour.Add(time.Hour)), s.Format, true, nil}
	var begun []model.ExportUpload
	for _, d := range s.Datasets {
		key := s.Key(b.Prefix(), d, hour)
		f, err := x.object(ctx, b, Query{Dataset: d, From: hour, To: hour.Add(time.Hour), Format: s.Format, Data: s.Data}, key, func(upload string) error {
			begun = append(begun, model.ExportUpload{ConnectionID: s.ConnectionID, Key: key, Upload: upload})
			return x.o.Store.NoteUploads(ctx, hour, begun)
		})
		if err != nil {
			return out, err
		}
		out.Files, list.Files = append(out.Files, f), append(list.Files, manifestFile{f, Columns(d)})
		out.Records, out.Bytes = out.Records+f.Records, out.Bytes+f.Bytes
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	if err := e.Encode(list); err != nil {
		return out, err
	}
	_, err := b.PutBytes(ctx, out.Manifest, "application/json", text.Bytes())
	return out, err
}

// object writes one dataset of an hour, and rests between pages.
func (x *Exporter) object(ctx context.Context, b *s3.Bucket, q Query, key string, began func(string) error) (model.ExportFile, error) {
	to := b.Write(ctx, key, "application/gzip", began)
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return model.ExportFile{}, err
	}
	hour, since, writes := q.From, x.o.Now(), x.o.Store.WriterLoad().Closures
	started, told := time.Now(), time.Time{}
	n, err := Stream(ctx, x.o.Store, q, zip, func(records int64) error {
		x.progress.Store(&Progress{Hour: hour, Dataset: q.Dataset, Records: records, Bytes: to.Size(), Since: since})
		if time.Since(told) > tellEvery {
			x.tell()
			told = time.Now()
		}
		pause := time.Since(started)
		if n := x.o.Store.WriterLoad().Closures; n != writes {
			pause, writes = restBusy*pause, n
		}
		x.rest(ctx, min(pause, longestRest))
		started = time.Now()
		return ctx.Err()
	})
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		to.Abort()
		return model.ExportFile{}, err
	}
	if err := to.Close(); err != nil {
		return model.ExportFile{}, fmt.Errorf("write %s: %w", key, err)
	}
	return model.ExportFile{Dataset: q.Dataset, Key: key, Records: n, Bytes: to.Size(), SHA256: to.Hash(), ETag: to.ETag()}, nil
}
