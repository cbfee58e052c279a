package dbtest

import (
	"time"

	"waybill/db"
	"waybill/db/model"
)

// exports are the changes of what is written to stores.
func exports() []change {
	hour := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	b := model.Backfill{From: hour, To: hour.Add(time.Hour)}
	return []change{
		{"UpdateExport", "settings.updated", false, func(tx *db.Tx, _ *Setup) error {
			s := model.DefaultExport()
			s.Format = model.FormatCSV
			return tx.UpdateExport(s)
		}},
		{"StartBackfill", "backfill.started", false, func(tx *db.Tx, _ *Setup) error { return tx.StartBackfill(&b) }},
		{"AskHours", "", false, func(tx *db.Tx, _ *Setup) error { return tx.AskHours(b.ID, []time.Time{hour}, false) }},
		{"EndBackfills", "", false, func(tx *db.Tx, _ *Setup) error { return tx.EndBackfills() }},
		{"CancelBackfill", "backfill.cancelled", false, func(tx *db.Tx, _ *Setup) error { _, err := tx.CancelBackfill(b.ID); return err }},
		{"UpdateUploads", "settings.updated", false, func(tx *db.Tx, _ *Setup) error { return tx.UpdateUploads(model.UploadSettings{Proxied: true}) }},
		{"RetryExports", "", false, func(tx *db.Tx, _ *Setup) error { return tx.RetryExports() }},
	}
}
