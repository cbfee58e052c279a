package jobs

import (
	"context"
	"io"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/export"
	"waybill/jobs/s3"
)

// ExportProgress is how far the hour that is being written is.
type ExportProgress = export.Progress

// newExporter wires what writes hours.
func (s *Service) newExporter() *export.Exporter {
	return export.New(export.Options{Store: s.o.Store, Now: s.o.Now, Log: s.o.Log, Bucket: s.analytics, Version: s.o.Version, Told: s.watchers.tell,
		Keep: func(ctx context.Context) (time.Duration, error) {
			p, err := s.house.Policy(ctx)
			return time.Duration(p.RowDays) * 24 * time.Hour, err
		}})
}

// analytics opens the bucket of hours, unless that feature is off: then the hours wait until it is on again.
func (s *Service) analytics(ctx context.Context, id model.ConnectionID) (*s3.Bucket, error) {
	if err := s.WantFeature(ctx, model.FeatureS3Analytics); err != nil {
		return nil, err
	}
	return s.bucket(ctx, id)
}

// ExportProgress is that of the hour that is being written now, nil when none is.
func (s *Service) ExportProgress() *ExportProgress { return s.exporter.Progress() }

// NextExport is when the next hour is written by the clock.
func (s *Service) NextExport() time.Time {
	return s.o.Now().UTC().Truncate(time.Hour).Add(time.Hour + export.Settles)
}

// CheckExport cleans and checks what is written every hour.
func (s *Service) CheckExport(n *model.ExportSettings) error {
	n.Clean()
	var bad fault.Check
	bad.Join("", n.Check())
	return bad.Err()
}

// UpdateExport checks and stores what is written every hour. Whatever failed is tried again at once.
func (s *Service) UpdateExport(ctx context.Context, actor model.Actor, n model.ExportSettings) error {
	if err := s.CheckExport(&n); err != nil {
		return err
	}
	if n.Enabled {
		if err := s.WantFeature(ctx, model.FeatureS3Analytics); err != nil {
			return err
		}
	}
	err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if err := tx.UpdateExport(n); err != nil {
			return err
		}
		return tx.RetryExports()
	})
	if err == nil {
		s.exporter.Poke()
	}
	return err
}

// RetryExports tries at once what could not be written.
func (s *Service) RetryExports(ctx context.Context, actor model.Actor) error {
	err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.RetryExports() })
	if err == nil {
		s.exporter.Poke()
	}
	return err
}

// StartBackfill has all hours of a range written that have ended; those that are written already only with again.
func (s *Service) StartBackfill(ctx context.Context, actor model.Actor, from, to time.Time, again bool) (model.Backfill, error) {
	var bad fault.Check
	b := model.Backfill{}
	b.From, b.To = model.Hours(from, to)
	if last := s.o.Now().Add(-export.Settles).UTC().Truncate(time.Hour); b.To.After(last) {
		b.To = last // what has not ended yet comes by the clock
	}
	settings, err := s.o.Store.ExportSettings(ctx)
	if err != nil {
		return b, err
	}
	switch hours := int(b.To.Sub(b.From) / time.Hour); {
	case from.IsZero():
		bad.Add("from", "From when on.")
	case to.IsZero():
		bad.Add("to", "Until when.")
	case hours < 1:
		bad.Add("to", "No hour of this range has ended.")
	case hours > model.LongestBackfill:
		bad.Add("from", "At most %d hours (a year) at once.", model.LongestBackfill)
	}
	if settings.ConnectionID == "" {
		bad.Add("", "Choose a bucket for the export first.")
	}
	if err := bad.Err(); err != nil {
		return b, err
	}
	if err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.StartBackfill(&b) }); err != nil {
		return b, err
	}
	var hours []time.Time
	for h := b.From; h.Before(b.To); h = h.Add(time.Hour) {
		hours = append(hours, h)
	}
	for some := range slices.Chunk(hours, 500) {
		if err := s.o.Store.WriteBulk(ctx, model.System("export"), func(tx *db.Tx) error { return tx.AskHours(b.ID, some, again) }); err != nil {
			return b, err
		}
	}
	err = s.o.Store.WriteBulk(ctx, model.System("export"), func(tx *db.Tx) error { return tx.EndBackfills() })
	s.exporter.Poke()
	if err != nil {
		return b, err
	}
	return s.o.Store.Backfill(ctx, b.ID)
}

// CancelBackfill takes back what a backfill has not written yet.
func (s *Service) CancelBackfill(ctx context.Context, actor model.Actor, id model.BackfillID) (b model.Backfill, err error) {
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
		b, err = tx.CancelBackfill(id)
		return err
	})
	return b, err
}

// LongestDownload bounds the range of one download.
const LongestDownload = 31 * 24 * time.Hour

// Download is a range of records for somebody without a bucket: the same records as in the objects of the hours.
type Download struct {
	Dataset  model.Dataset
	From, To time.Time // rounded outwards to whole hours
	Format   model.ExportFormat
	Harmless bool // CSV for people: no text begins like a formula of a spreadsheet
}

// CheckDownload rounds the range and checks all of it.
func (s *Service) CheckDownload(d *Download) error {
	var bad fault.Check
	if d.Dataset == "" {
		d.Dataset = model.DatasetDeliveries
	}
	if !slices.Contains(model.Datasets(), d.Dataset) {
		bad.Add("dataset", "One of events, deliveries, attempts.")
	}
	if d.Format == "" {
		d.Format = model.FormatNDJSON
	}
	if d.Format != model.FormatNDJSON && d.Format != model.FormatCSV {
		bad.Add("format", "One of ndjson, csv.")
	}
	if d.To.IsZero() {
		d.To = s.o.Now()
	}
	if d.From.IsZero() {
		d.From = d.To.Add(-24 * time.Hour)
	}
	if !d.From.Before(d.To) {
		bad.Add("to", "Later than the beginning.")
	}
	if d.From, d.To = model.Hours(d.From, d.To); d.To.Sub(d.From) > LongestDownload {
		bad.Add("from", "At most 31 days at once.")
	}
	return bad.Err()
}

// Download writes a range, which is checked, page by page, so that memory stays small whatever its length. between is
// called after each page.
func (s *Service) Download(ctx context.Context, d Download, w io.Writer, between func() error) error {
	_, err := export.Stream(ctx, s.o.Store, export.Query{Dataset: d.Dataset, From: d.From, To: d.To, Format: d.Format, Data: true, Harmless: d.Harmless}, w, func(int64) error { return between() })
	return err
}

// Name is what the file is called.
func (d Download) Name(zip bool) string {
	const hour = "2006-01-02T15"
	name := string(d.Dataset) + "-" + d.From.Format(hour) + "--" + d.To.Format(hour) + "." + string(d.Format)
	if zip {
		name += ".gz"
	}
	return name
}
