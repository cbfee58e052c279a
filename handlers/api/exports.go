package api

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
)

// ExportSettings say what is written to a bucket every hour.
type ExportSettings struct {
	Enabled      bool     `json:"enabled"`
	ConnectionID string   `json:"connection_id" doc:"A connection of type s3"`
	Format       string   `json:"format" doc:"ndjson (default) or csv; compressed with gzip"`
	Datasets     []string `json:"datasets" doc:"Of events, deliveries, attempts"`
	Data         *bool    `json:"data" nullable:"false" doc:"Whether the data of events goes along; true when absent"`
	Pattern      string   `json:"pattern" doc:"Key of the objects below the prefix of the connection: {dataset} {date} {year} {month} {day} {hour} {ended} {ext}"`
}

type exportSettings struct {
	ExportSettings
	Version   int64   `json:"version"`
	UpdatedAt *string `json:"updated_at" format:"date-time"`
	Since     *string `json:"since" format:"date-time" doc:"The hour with which it began"`
	NextAt    *string `json:"next_at" format:"date-time" doc:"When the next hour is written; null when it is off"`
	Waiting   int64   `json:"waiting" doc:"Hours that are not written yet"`
	Progress  *hourly `json:"progress" doc:"The hour that is being written; null when none is"`
}

type hourly struct {
	Hour    string `json:"hour" format:"date-time"`
	Dataset string `json:"dataset"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
}

type exportInput struct {
	Versioned
	ExportSettings
}

// exportHour is one hour in a bucket.
type exportHour struct {
	Hour         string             `json:"hour" format:"date-time" doc:"Its beginning"`
	Status       string             `json:"status" enum:"waiting,writing,written,failed"`
	ConnectionID string             `json:"connection_id"`
	Manifest     string             `json:"manifest" doc:"Key of the object that is written last"`
	Files        []model.ExportFile `json:"files"`
	Records      int64              `json:"records"`
	Bytes        int64              `json:"bytes"`
	Attempts     int                `json:"attempts" doc:"That failed since it was last written"`
	Error        string             `json:"error"`
	NextAt       *string            `json:"next_at" format:"date-time" doc:"When it is tried again"`
	WrittenAt    *string            `json:"written_at" format:"date-time"`
}

func showHour(x model.Export) exportHour {
	return exportHour{model.Stamp(x.Hour), string(x.Status), string(x.ConnectionID), x.Manifest, full(x.Files), x.Records, x.Bytes, x.Attempts, x.Error, stamp(x.NextAt), stamp(x.WrittenAt)}
}

type backfill struct {
	ID         string  `json:"id"`
	From       string  `json:"from" format:"date-time"`
	To         string  `json:"to" format:"date-time"`
	Status     string  `json:"status" enum:"running,done,cancelled"`
	Hours      int     `json:"hours"`
	Written    int     `json:"written"`
	Failed     int     `json:"failed" doc:"Tried again by themselves"`
	By         string  `json:"started_by"`
	CreatedAt  *string `json:"created_at" format:"date-time"`
	FinishedAt *string `json:"finished_at" format:"date-time"`
}

func showBackfill(b model.Backfill) backfill {
	status := "running"
	if !b.CancelledAt.IsZero() {
		status = "cancelled"
	} else if !b.FinishedAt.IsZero() {
		status = "done"
	}
	return backfill{string(b.ID), model.Stamp(b.From), model.Stamp(b.To), status, b.Hours, b.Written, b.Failed, b.By, stamp(b.CreatedAt), stamp(b.FinishedAt)}
}

type backfillInput struct {
	From  string `json:"from" needed:"true" doc:"RFC 3339; rounded down to the hour"`
	To    string `json:"to" needed:"true" doc:"RFC 3339; rounded up to the hour"`
	Again bool   `json:"again,omitempty" doc:"Also hours that are written already: their objects are replaced"`
}

// FileSettings say where files of forms are kept.
type FileSettings struct {
	ConnectionID string `json:"connection_id" doc:"A connection of type s3; empty is the data folder"`
	Proxied      bool   `json:"proxied" doc:"Downloads go through Waybill instead of a link of five minutes"`
	Moving       bool   `json:"moving" doc:"Bring the files that are elsewhere there, too; false again when all are"`
}

type fileSettings struct {
	FileSettings
	Version   int64       `json:"version"`
	UpdatedAt *string     `json:"updated_at" format:"date-time"`
	Places    []filePlace `json:"places"`
	Error     string      `json:"error" doc:"Why files could not be moved; tried again by itself"`
}

type filePlace struct {
	ConnectionID string `json:"connection_id"`
	Files        int64  `json:"files"`
	Bytes        int64  `json:"bytes"`
}

type fileSettingsInput struct {
	Versioned
	FileSettings
}

func (a *API) exports() {
	see, view, manage := model.Deliveries.View(), model.Settings.View(), model.Settings.Manage()
	add(a, route{http.MethodGet, "/settings/export", "show-export", "Show the hourly export", "Export", "", view, 0}, func(c call, _ *none) (*body[exportSettings], error) { return a.showExport(c) })
	add(a, route{http.MethodPut, "/settings/export", "update-export", "Change the hourly export", "Export", "Switched on, it begins with the hour that runs. Whatever failed is tried again at once.", manage, 0}, a.updateExport)
	add(a, route{http.MethodGet, "/exports", "list-exports", "List hours of the export", "Export", "Newest first.", see, 0}, a.listExports)
	add(a, route{http.MethodPost, "/exports/retry", "retry-exports", "Try failed hours at once", "Export", "", manage, http.StatusNoContent}, func(c call, _ *none) (*none, error) { return nil, a.jobs.RetryExports(c, c.actor) })
	add(a, route{http.MethodPost, "/backfills", "start-backfill", "Write hours that have ended", "Export", "One at a time, of at most a year.", manage, 0}, a.startBackfill)
	add(a, route{http.MethodGet, "/backfills", "list-backfills", "List backfills", "Export", "Newest first.", see, 0}, a.listBackfills)
	add(a, route{http.MethodGet, "/backfills/{id}", "show-backfill", "Show a backfill", "Export", "", see, 0}, a.showBackfill)
	add(a, route{http.MethodPost, "/backfills/{id}/cancel", "cancel-backfill", "Cancel a backfill", "Export", "What is written stays.", manage, http.StatusOK}, a.cancelBackfill)
	add(a, route{http.MethodGet, "/settings/files", "show-file-settings", "Show where files are kept", "Settings", "", view, 0}, func(c call, _ *none) (*body[fileSettings], error) { return a.showFileSettings(c) })
	add(a, route{http.MethodPut, "/settings/files", "update-file-settings", "Change where files are kept", "Settings", "A bucket is tried with a small object first; one that refuses is not taken.", manage, 0}, a.updateFileSettings)
	a.recordStream()
}

func (a *API) showExport(c call) (*body[exportSettings], error) {
	s, err := a.store.ExportSettings(c)
	if err != nil {
		return nil, err
	}
	out := exportSettings{ExportSettings: ExportSettings{Enabled: s.Enabled, ConnectionID: string(s.ConnectionID), Format: string(s.Format), Datasets: []string{}, Data: &s.Data, Pattern: s.Pattern},
		Version: s.Version, UpdatedAt: stamp(s.Changed), Since: stamp(s.Since)}
	for _, d := range s.Datasets {
		out.Datasets = append(out.Datasets, string(d))
	}
	if s.Enabled {
		out.NextAt = stamp(a.jobs.NextExport())
	}
	if x := a.jobs.ExportProgress(); x != nil {
		out.Progress = &hourly{model.Stamp(x.Hour), string(x.Dataset), x.Records, x.Bytes}
	}
	_, out.Waiting, err = a.store.NextExport(c, s.Enabled)
	return single(out, err)
}

func (a *API) updateExport(c call, in *struct{ Body exportInput }) (*body[exportSettings], error) {
	n := model.DefaultExport()
	n.Enabled, n.ConnectionID, n.Format, n.Pattern, n.Version = in.Body.Enabled, model.ConnectionID(in.Body.ConnectionID), model.ExportFormat(in.Body.Format), in.Body.Pattern, in.Body.Version
	n.Data = or(in.Body.Data, true)
	if in.Body.Datasets != nil {
		n.Datasets = nil
	}
	var bad fault.Check
	for _, d := range in.Body.Datasets {
		if !slices.Contains(model.Datasets(), model.Dataset(d)) {
			bad.Add("datasets", "Of events, deliveries, attempts.")
		}
		n.Datasets = append(n.Datasets, model.Dataset(d))
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if err := a.jobs.UpdateExport(c, c.actor, n); err != nil {
		return nil, err
	}
	return a.showExport(c)
}

func (a *API) listExports(c call, in *struct {
	Paging
	Between
	Status string `query:"status" doc:"waiting, writing, written or failed"`
}) (*body[list[exportHour]], error) {
	from, to, err := in.times()
	if err != nil {
		return nil, err
	}
	items, next, err := a.store.Exports(c, db.ExportFilter{Status: model.ExportStatus(in.Status), From: from, To: to}, in.page())
	return listed(items, next, err, showHour)
}

func (a *API) startBackfill(c call, in *struct{ Body backfillInput }) (*made[backfill], error) {
	var bad fault.Check
	from, to := parseTime(&bad, "from", in.Body.From), parseTime(&bad, "to", in.Body.To)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	b, err := a.jobs.StartBackfill(c, c.actor, from, to, in.Body.Again)
	return created(showBackfill(b), "/backfills/"+string(b.ID), err)
}

func (a *API) listBackfills(c call, in *Paging) (*body[list[backfill]], error) {
	items, next, err := a.store.Backfills(c, in.page())
	return listed(items, next, err, showBackfill)
}

func (a *API) showBackfill(c call, in *ByID) (*body[backfill], error) {
	b, err := a.store.Backfill(c, model.BackfillID(in.ID))
	return single(showBackfill(b), err)
}

func (a *API) cancelBackfill(c call, in *ByID) (*body[backfill], error) {
	b, err := a.jobs.CancelBackfill(c, c.actor, model.BackfillID(in.ID))
	return single(showBackfill(b), err)
}

func (a *API) showFileSettings(c call) (*body[fileSettings], error) {
	s, err := a.store.UploadSettings(c)
	if err != nil {
		return nil, err
	}
	out := fileSettings{FileSettings: FileSettings{string(s.ConnectionID), s.Proxied, s.Moving}, Version: s.Version, UpdatedAt: stamp(s.Changed), Places: []filePlace{}, Error: a.jobs.FileMove().Error}
	uses, err := a.store.FileUses(c)
	for _, u := range uses {
		out.Places = append(out.Places, filePlace{string(u.ConnectionID), u.Files, u.Bytes})
	}
	return single(out, err)
}

func (a *API) updateFileSettings(c call, in *struct{ Body fileSettingsInput }) (*body[fileSettings], error) {
	n := model.UploadSettings{ConnectionID: model.ConnectionID(in.Body.ConnectionID), Proxied: in.Body.Proxied, Moving: in.Body.Moving, Version: in.Body.Version}
	if err := a.jobs.UpdateUploads(c, c.actor, n); err != nil {
		return nil, err
	}
	return a.showFileSettings(c)
}

const recordsText = "The same records as in the objects of the hourly export, for whole hours (the range is rounded outwards) of at most 31 days, oldest first. Events by when they were accepted, deliveries and their attempts by when the delivery was settled. Which right it needs depends on the dataset: View Events for events, View Deliveries for the others."

// recordStream is the download of records: no JSON, so it goes around huma.
func (a *API) recordStream() {
	text := func(name, words string, required bool, enum ...any) *huma.Param {
		return &huma.Param{Name: name, In: "query", Required: required, Description: words, Schema: &huma.Schema{Type: huma.TypeString, Enum: enum}}
	}
	op := &huma.Operation{OperationID: "download-records", Method: http.MethodGet, Path: "/records", Summary: "Download events, deliveries or attempts", Description: recordsText, Tags: []string{"Export"}, Security: bearerOnly(),
		Parameters: []*huma.Param{text("dataset", "deliveries when absent", false, "events", "deliveries", "attempts"), text("from", "RFC 3339; a day before to when absent", false), text("to", "RFC 3339; now when absent", false),
			text("format", "ndjson when absent", false, "ndjson", "csv"), text("gzip", "true: compressed, and answered as application/gzip", false, "true", "false")},
		Responses: a.problemResponses(401, 403, 422, 429, 503)}
	lines, raw := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}, &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	op.Responses["200"] = &huma.Response{Description: "The records, as the format says", Content: map[string]*huma.MediaType{"application/x-ndjson": lines, "text/csv": lines, "application/gzip": raw}}
	a.explainRight(op, model.SignedIn)
	a.huma.OpenAPI().AddOperation(op)
	a.routes = append(a.routes, web.Program(http.MethodGet, model.SignedIn, Prefix+"/records", a.downloadRecords))
}

func (a *API) downloadRecords(c echo.Context) error {
	var bad fault.Check
	known(c, &bad, "dataset", "from", "to", "format", "gzip")
	at := func(name string) time.Time { return parseTime(&bad, name, c.QueryParam(name)) }
	d := jobs.Download{Dataset: model.Dataset(c.QueryParam("dataset")), Format: model.ExportFormat(c.QueryParam("format")), From: at("from"), To: at("to")}
	zip := yes(c, &bad, "gzip")
	if err := bad.Err(); err != nil {
		return err
	}
	if err := a.jobs.CheckDownload(&d); err != nil {
		return err
	}
	if right := d.Dataset.Right(); !a.web.Actor(c).Rights.Has(right) {
		return fault.Missing(string(right))
	}
	return a.web.StreamRecords(c, d.Name(zip), d.Format.ContentType(), zip, func(w io.Writer, between func() error) error {
		return a.jobs.Download(c.Request().Context(), d, w, between)
	})
}
