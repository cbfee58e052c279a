package href

// The hourly export, downloads, and where files are kept.

func Exports() string                { return "/exports" }
func ExportsIn(status string) string { return With(Exports(), "status", status) }
func RetryExports() string           { return "/exports/retry" }
func ExportData() string             { return "/exports/data" }
func Backfills() string              { return "/exports/backfills" }
func CancelBackfill[ID ~string](id ID) string {
	return path("exports", "backfills", string(id), "cancel")
}

func ExportSettings() string { return "/settings/export" }
func FileSettings() string   { return "/settings/files" }
func MoveFiles() string      { return "/settings/files/move" }
