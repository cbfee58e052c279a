package handlers

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) exportPageRoutes() []web.Route {
	see, view, manage := model.Deliveries.View(), model.Settings.View(), model.Settings.Manage()
	return []web.Route{
		web.Get(see, href.Exports(), h.showExports),
		web.Get(see, href.ExportData(), h.downloadRecords),
		web.Post(manage, href.RetryExports(), h.retryExports),
		web.Post(manage, href.Backfills(), h.startBackfill),
		web.Post(manage, href.CancelBackfill(href.Pattern), h.cancelBackfill),
		web.Get(view, href.ExportSettings(), h.showExportSettings),
		web.Post(manage, href.ExportSettings(), h.updateExportSettings),
		web.Get(view, href.FileSettings(), h.showFileSettings),
		web.Post(manage, href.FileSettings(), h.updateFileSettings),
		web.Post(manage, href.MoveFiles(), h.moveFiles),
	}
}

func (h *Handlers) showExports(c echo.Context) error {
	return h.exportsPage(c, http.StatusOK, views.ExportsProps{})
}

// exportsPage shows the state of the export, with what was typed into p.
func (h *Handlers) exportsPage(c echo.Context, status int, p views.ExportsProps) error {
	ctx := c.Request().Context()
	var err error
	if p.Settings, err = h.Store.ExportSettings(ctx); err != nil {
		return err
	}
	p.Bucket, p.Now, p.NextAt = h.connectionName(ctx, p.Settings.ConnectionID), h.Now(), h.o.Jobs.NextExport()
	p.CanManage, p.CanSet, p.Datasets = h.may(c, model.Settings.Manage()), h.may(c, model.Settings.View()), h.datasets(c)
	p.Status = c.QueryParam("status")
	if !slices.Contains([]model.ExportStatus{model.ExportWaiting, model.ExportFailed, model.ExportWritten, model.ExportWriting}, model.ExportStatus(p.Status)) {
		p.Status = ""
	}
	var next string
	if p.Items, next, err = h.Store.Exports(ctx, db.ExportFilter{Status: model.ExportStatus(p.Status)}, db.Page{Cursor: c.QueryParam("cursor"), Limit: 12}); err != nil {
		return err
	}
	p.Next, p.First = pages(c, next)
	if err := h.exportState(ctx, &p); err != nil {
		return err
	}
	hour := h.Now().UTC().Truncate(time.Hour)
	if p.Download.Format == "" {
		p.Download = views.DownloadForm{Dataset: "deliveries", Format: string(model.FormatNDJSON), From: fieldMinute(hour.Add(-24 * time.Hour)), To: fieldMinute(hour)}
	}
	if p.Form.From == "" && p.Form.To == "" {
		p.Form = views.BackfillForm{From: fieldMinute(hour.Add(-24 * time.Hour)), To: fieldMinute(hour)}
	}
	return h.Page(c, web.Bits{Status: status, Title: "Export", Section: "exports"}, views.Exports(p))
}

func (h *Handlers) exportState(ctx context.Context, p *views.ExportsProps) error {
	last, err := h.Store.LastWritten(ctx)
	if err == nil {
		p.Last = &last
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	if _, p.Open, err = h.Store.NextExport(ctx, p.Settings.Enabled); err != nil {
		return err
	}
	failed, _, err := h.Store.Exports(ctx, db.ExportFilter{Status: model.ExportFailed}, db.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		p.Failed = &failed[0]
	}
	ranges, _, err := h.Store.Backfills(ctx, db.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(ranges) > 0 {
		p.Backfill = &ranges[0]
	}
	if x := h.o.Jobs.ExportProgress(); x != nil {
		p.Progress = &views.ExportProgress{Hour: x.Hour, Dataset: x.Dataset, Records: x.Records, Bytes: x.Bytes}
	}
	return nil
}

// datasets are those that whoever asks may see.
func (h *Handlers) datasets(c echo.Context) (out []model.Dataset) {
	for _, d := range model.Datasets() {
		if h.may(c, d.Right()) {
			out = append(out, d)
		}
	}
	return out
}

func (h *Handlers) connectionName(ctx context.Context, id model.ConnectionID) string {
	if id == "" {
		return ""
	}
	x, err := h.Store.Connection(ctx, id)
	if err != nil {
		return string(id)
	}
	return x.Name
}

func fieldMinute(t time.Time) string { return t.UTC().Format("2006-01-02T15:04") }

func (h *Handlers) retryExports(c echo.Context) error {
	if err := h.o.Jobs.RetryExports(c.Request().Context(), h.Actor(c)); err != nil {
		return err
	}
	return h.Done(c, href.Exports(), "It is tried again now.")
}

func (h *Handlers) startBackfill(c echo.Context) error {
	f, err := web.Bind[views.BackfillForm](c)
	if err != nil {
		return err
	}
	var bad fault.Check
	from, to := typedTime(&bad, "from", f.From), typedTime(&bad, "to", f.To)
	if err = bad.Err(); err == nil {
		_, err = h.o.Jobs.StartBackfill(c.Request().Context(), h.Actor(c), from, to, f.Again)
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.exportsPage(c, status, views.ExportsProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Exports(), "These hours are being written.")
}

func (h *Handlers) cancelBackfill(c echo.Context) error {
	if _, err := h.o.Jobs.CancelBackfill(c.Request().Context(), h.Actor(c), web.ID[model.BackfillID](c)); err != nil {
		return err
	}
	return h.Done(c, href.Exports(), "Cancelled. What is written stays.")
}

// downloadRecords streams a range. What fails at first is the page with what is wrong; what fails later breaks the
// connection, so that nobody takes a part for the whole.
func (h *Handlers) downloadRecords(c echo.Context) error {
	f := views.DownloadForm{Dataset: c.QueryParam("dataset"), From: c.QueryParam("from"), To: c.QueryParam("to"), Format: c.QueryParam("format"), Gzip: c.QueryParam("gzip") != ""}
	var bad fault.Check
	d := jobs.Download{Dataset: model.Dataset(f.Dataset), Format: model.ExportFormat(f.Format), From: typedTime(&bad, "from", f.From), To: typedTime(&bad, "to", f.To), Harmless: true}
	err := bad.Err()
	if err == nil {
		err = h.o.Jobs.CheckDownload(&d)
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.exportsPage(c, status, views.ExportsProps{Download: f, Wrong: p})
	}
	if err == nil && !h.may(c, d.Dataset.Right()) {
		err = fault.Missing(string(d.Dataset.Right()))
	}
	if err != nil {
		return err
	}
	return h.StreamRecords(c, d.Name(f.Gzip), d.Format.ContentType(), f.Gzip, func(w io.Writer, between func() error) error {
		return h.o.Jobs.Download(c.Request().Context(), d, w, between)
	})
}

func (h *Handlers) buckets(ctx context.Context) ([]views.BucketChoice, error) {
	list, _, err := h.Store.Connections(ctx, db.ConnectionFilter{Type: model.ConnectionS3}, db.Page{Limit: db.MaxPage})
	var out []views.BucketChoice
	for _, x := range list {
		out = append(out, views.BucketChoice{ID: x.ID, Name: x.Name, Prefix: x.Settings.Text("prefix"), Off: !x.Enabled})
	}
	slices.SortFunc(out, func(a, b views.BucketChoice) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

func (h *Handlers) showExportSettings(c echo.Context) error {
	s, err := h.Store.ExportSettings(c.Request().Context())
	if err != nil {
		return err
	}
	f := views.ExportForm{Version: s.Version, Enabled: s.Enabled, ConnectionID: string(s.ConnectionID), Format: string(s.Format), Data: s.Data, Pattern: s.Pattern}
	for _, d := range s.Datasets {
		f.Datasets = append(f.Datasets, string(d))
	}
	return h.exportSettingsPage(c, http.StatusOK, f, views.Problems{})
}

func (h *Handlers) exportSettingsPage(c echo.Context, status int, f views.ExportForm, problems views.Problems) error {
	p := views.ExportSettingsProps{Form: f, Problems: problems, CanEdit: h.may(c, model.Settings.Manage()), Now: h.Now()}
	var err error
	if p.Buckets, err = h.buckets(c.Request().Context()); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Hourly export", Section: "settings", Crumbs: under(settingsCrumb, "Hourly export")}, views.ExportSettings(p))
}

func (h *Handlers) updateExportSettings(c echo.Context) error {
	f, err := web.Bind[views.ExportForm](c)
	if err != nil {
		return err
	}
	n := model.ExportSettings{Enabled: f.Enabled, ConnectionID: model.ConnectionID(f.ConnectionID), Format: model.ExportFormat(f.Format), Data: f.Data, Pattern: f.Pattern, Version: f.Version}
	for _, d := range f.Datasets {
		n.Datasets = append(n.Datasets, model.Dataset(d))
	}
	err = h.o.Jobs.UpdateExport(c.Request().Context(), h.Actor(c), n)
	if p, status, ok := h.wrong(c, err, href.ExportSettings()); ok {
		return h.exportSettingsPage(c, status, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.ExportSettings(), "Saved.")
}

func (h *Handlers) showFileSettings(c echo.Context) error {
	s, err := h.Store.UploadSettings(c.Request().Context())
	if err != nil {
		return err
	}
	return h.filesPage(c, http.StatusOK, views.FilesForm{Version: s.Version, ConnectionID: string(s.ConnectionID), Proxied: s.Proxied}, views.Problems{})
}

func (h *Handlers) filesPage(c echo.Context, status int, f views.FilesForm, problems views.Problems) error {
	ctx := c.Request().Context()
	move := h.o.Jobs.FileMove()
	p := views.FilesProps{Form: f, Problems: problems, CanEdit: h.may(c, model.Settings.Manage()), Now: h.Now(), Largest: jobs.MaxFile,
		Move: views.FileMove{Moved: move.Moved, Missing: move.Missing, Error: move.Error, Again: move.Again}}
	var err error
	if p.Settings, err = h.Store.UploadSettings(ctx); err != nil {
		return err
	}
	if p.Buckets, err = h.buckets(ctx); err != nil {
		return err
	}
	uses, err := h.Store.FileUses(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(uses, func(u model.FileUse) bool { return u.ConnectionID == p.Settings.ConnectionID }) {
		uses = append(uses, model.FileUse{ConnectionID: p.Settings.ConnectionID})
	}
	for _, u := range uses {
		place := views.FilePlace{Name: h.T(c, "The data folder of this server"), Here: u.ConnectionID == p.Settings.ConnectionID, Files: u.Files, Bytes: u.Bytes}
		if u.ConnectionID != "" {
			place.Name = h.connectionName(ctx, u.ConnectionID)
		}
		p.Places = append(p.Places, place)
	}
	return h.Page(c, web.Bits{Status: status, Title: "Files", Section: "settings", Crumbs: under(settingsCrumb, "Files")}, views.Files(p))
}

func (h *Handlers) updateFileSettings(c echo.Context) error {
	f, err := web.Bind[views.FilesForm](c)
	if err != nil {
		return err
	}
	was, err := h.Store.UploadSettings(c.Request().Context())
	if err != nil {
		return err
	}
	n := model.UploadSettings{ConnectionID: model.ConnectionID(f.ConnectionID), Proxied: f.Proxied, Version: f.Version}
	n.Moving = was.Moving && was.ConnectionID == n.ConnectionID
	err = h.o.Jobs.UpdateUploads(c.Request().Context(), h.Actor(c), n)
	if p, status, ok := h.wrong(c, err, href.FileSettings()); ok {
		return h.filesPage(c, status, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.FileSettings(), "Saved. New files go there from now on.")
}

func (h *Handlers) moveFiles(c echo.Context) error {
	n, err := h.Store.UploadSettings(c.Request().Context())
	if err != nil {
		return err
	}
	n.Moving = switchedOn(c)
	err = h.o.Jobs.UpdateUploads(c.Request().Context(), h.Actor(c), n)
	if p, status, ok := h.wrong(c, err, href.FileSettings()); ok {
		return h.filesPage(c, status, views.FilesForm{Version: n.Version, ConnectionID: string(n.ConnectionID), Proxied: n.Proxied}, p)
	}
	if err != nil {
		return err
	}
	if n.Moving {
		return h.Done(c, href.FileSettings(), "Files are being moved.")
	}
	return h.Done(c, href.FileSettings(), "Stopped. What was moved stays where it is.")
}
