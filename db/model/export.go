package model

import (
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
)

// Dataset is one kind of record that is exported.
type Dataset string

const (
	DatasetEvents     Dataset = "events"     // by when they were accepted
	DatasetDeliveries Dataset = "deliveries" // by when they were settled
	DatasetAttempts   Dataset = "attempts"   // of the deliveries that were settled
)

// Datasets in the order in which they are offered.
func Datasets() []Dataset { return []Dataset{DatasetEvents, DatasetDeliveries, DatasetAttempts} }

// Right is what somebody needs who downloads it.
func (d Dataset) Right() Right {
	if d == DatasetEvents {
		return Events.View()
	}
	return Deliveries.View()
}

// ExportFormat is how records are written.
type ExportFormat string

const (
	FormatNDJSON ExportFormat = "ndjson" // one JSON object a line
	FormatCSV    ExportFormat = "csv"    // RFC 4180, names in the first line
)

// ContentType of a file of the format that is not compressed.
func (f ExportFormat) ContentType() string {
	if f == FormatCSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/x-ndjson"
}

// DefaultPattern is the key of an object until somebody says otherwise, below the prefix of the connection.
const DefaultPattern = "{dataset}/date={date}/hour={hour}/{dataset}.{ext}"

// ExportSettings say what is written to a store every hour, and how it is named.
type ExportSettings struct {
	Enabled      bool
	ConnectionID ConnectionID
	Format       ExportFormat
	Datasets     []Dataset
	Data         bool // the data of events goes along
	Pattern      string
	Since        time.Time // the first hour that is written by the clock: that in which it was switched on
	Changed      time.Time // zero = never
	Version      int64
}

// DefaultExport is how it is before somebody sets it: nothing is written.
func DefaultExport() ExportSettings {
	return ExportSettings{Format: FormatNDJSON, Datasets: []Dataset{DatasetEvents, DatasetDeliveries}, Data: true, Pattern: DefaultPattern}
}

// Clean puts what was typed into its stored form.
func (s *ExportSettings) Clean() {
	s.Pattern = strings.TrimSpace(s.Pattern)
	if s.Pattern == "" {
		s.Pattern = DefaultPattern
	}
	if s.Format == "" {
		s.Format = FormatNDJSON
	}
	var sets []Dataset
	for _, d := range Datasets() {
		if slices.Contains(s.Datasets, d) {
			sets = append(sets, d)
		}
	}
	s.Datasets = sets
}

// Check lists what is wrong by itself.
func (s ExportSettings) Check() []fault.Field {
	var bad fault.Check
	if s.Format != FormatNDJSON && s.Format != FormatCSV {
		bad.Add("format", "One of ndjson, csv.")
	}
	if len(s.Datasets) == 0 {
		bad.Add("datasets", "Choose at least one of events, deliveries, attempts.")
	}
	if s.Enabled && s.ConnectionID == "" {
		bad.Add("connection_id", "Choose the connection of a bucket.")
	}
	if w := CheckKeyPattern(s.Pattern); w != "" {
		bad.Add("pattern", "%s", w)
	}
	return bad.Fields()
}

// patternTags are what a key pattern may hold; all but {dataset} and {ext} are of the hour's beginning, {ended} of its end.
var patternTags = []string{"{dataset}", "{date}", "{year}", "{month}", "{day}", "{hour}", "{ended}", "{ext}"}

// CheckKeyPattern says why a pattern cannot name objects, or "". Each hour and dataset must get a key of its own.
func CheckKeyPattern(p string) string {
	rest := p
	for _, t := range patternTags {
		rest = strings.ReplaceAll(rest, t, "")
	}
	has := func(tags ...string) bool {
		return !slices.ContainsFunc(tags, func(t string) bool { return !strings.Contains(p, t) })
	}
	switch {
	case len(p) > 400:
		return "At most 400 characters."
	case strings.ContainsAny(rest, "{}"):
		return "Known tags are " + strings.Join(patternTags, " ") + "."
	case !has("{dataset}"):
		return "Without {dataset}, events and deliveries would get the same key."
	case !has("{ended}") && !has("{hour}", "{date}") && !has("{hour}", "{year}", "{month}", "{day}"):
		return "Two hours would get the same key: name {date} and {hour}, or {ended}."
	case strings.HasPrefix(p, "/"), strings.Contains(p, "//"):
		return "Leave out a slash at the beginning, and two in a row."
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '?' || r == '#' }):
		return "No control characters, backslashes, question marks and hashes."
	}
	return ""
}

// Key is the key of the object that holds a dataset of the hour that begins at hour; prefix is the connection's.
func (s ExportSettings) Key(prefix string, d Dataset, hour time.Time) string {
	return s.key(prefix, string(d), string(s.Format)+".gz", hour)
}

// ManifestKey is that of the hour's list of objects, which is written last.
func (s ExportSettings) ManifestKey(prefix string, hour time.Time) string {
	return s.key(prefix, "manifest", "json", hour)
}

func (s ExportSettings) key(prefix, dataset, ext string, hour time.Time) string {
	hour = hour.UTC()
	return prefix + strings.NewReplacer("{dataset}", dataset, "{ext}", ext, "{date}", hour.Format("2006-01-02"), "{year}", hour.Format("2006"), "{month}", hour.Format("01"),
		"{day}", hour.Format("02"), "{hour}", hour.Format("15"), "{ended}", hour.Add(time.Hour).Format("2006-01-02T15")).Replace(s.Pattern)
}

// ExportStatus is how far an hour is.
type ExportStatus string

const (
	ExportWaiting ExportStatus = "waiting"
	ExportWriting ExportStatus = "writing"
	ExportWritten ExportStatus = "written"
	ExportFailed  ExportStatus = "failed" // it is tried again at NextAt
)

// Export is one hour in a store.
type Export struct {
	Hour         time.Time // its beginning, in UTC
	Auto         bool      // its turn came by the clock
	Backfill     BackfillID
	Status       ExportStatus
	ConnectionID ConnectionID
	Manifest     string // key
	Files        []ExportFile
	Records      int64
	Bytes        int64
	Attempts     int
	Error        string
	NextAt       time.Time
	StartedAt    time.Time
	WrittenAt    time.Time
	Uploads      []ExportUpload
}

// ExportFile is one object.
type ExportFile struct {
	Dataset Dataset `json:"dataset"`
	Key     string  `json:"key"`
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"` // of the compressed bytes, in hex
	ETag    string  `json:"etag"`
}

// ExportUpload is an object that was begun in parts.
type ExportUpload struct {
	ConnectionID ConnectionID `json:"c"`
	Key          string       `json:"k"`
	Upload       string       `json:"u"`
}

// Backfill is a range of hours that somebody asked for.
type Backfill struct {
	ID          BackfillID
	From, To    time.Time // whole hours
	Hours       int
	Written     int // of Hours
	Failed      int
	By          string
	CreatedAt   time.Time
	CancelledAt time.Time // zero = it was not
	FinishedAt  time.Time // zero = there is something left to do
}

// LongestBackfill bounds a range, in hours.
const LongestBackfill = 366 * 24

// Hours rounds a range outwards to whole hours in UTC.
func Hours(from, to time.Time) (time.Time, time.Time) {
	first, last := from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour)
	if last.Before(to) {
		last = last.Add(time.Hour)
	}
	return first, last
}

// UploadSettings say where the files of forms are kept.
type UploadSettings struct {
	ConnectionID ConnectionID // "" = in the data folder
	Proxied      bool         // downloads go through Waybill; otherwise the browser gets a link of short life
	Moving       bool         // files that are elsewhere are being brought there
	Changed      time.Time
	Version      int64
}

// PlacedFile are the bytes of one or several files in one place.
type PlacedFile struct {
	Hash         string
	ConnectionID ConnectionID // "" = the data folder
	Key          string
	Size         int64
	ContentType  string
}

// FileUse is how much is kept in one place.
type FileUse struct {
	ConnectionID ConnectionID
	Files        int64 // different ones
	Bytes        int64
}
