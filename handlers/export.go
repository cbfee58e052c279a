package handlers

import (
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views/href"
)

// exported is a list as a table: its columns, and its rows page by page.
type exported struct {
	name    string // of the file, without date and ending
	columns []string
	page    func(ctx context.Context, p db.Page) (rows [][]string, next string, err error)
}

// export streams a list as CSV (RFC 4180), page by page, so that memory stays small whatever its length. What fails at
// first is an error page; what fails later breaks the connection, so that nobody takes a part for the whole.
func (h *Handlers) export(c echo.Context, x exported) error {
	ctx, page := c.Request().Context(), db.Page{Limit: db.MaxPage}
	rows, next, err := x.page(ctx, page)
	if err != nil {
		return err
	}
	head := c.Response().Header()
	head.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	head.Set("Content-Disposition", `attachment; filename="`+x.name+"-"+h.Now().UTC().Format(time.DateOnly)+`.csv"`)
	head.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	deadline := http.NewResponseController(c.Response().Writer)
	w := csv.NewWriter(c.Response())
	broken := w.Write(x.columns)
	for broken == nil {
		for _, row := range rows {
			for i := range row {
				row[i] = harmless(row[i])
			}
			_ = w.Write(row) // its error stays, for Error below
		}
		w.Flush()
		if broken = w.Error(); broken != nil || next == "" {
			break
		}
		c.Response().Flush()
		_ = deadline.SetWriteDeadline(time.Now().Add(time.Minute)) // where the connection has none, it needs none
		page.Cursor = next
		rows, next, broken = x.page(ctx, page)
	}
	if broken != nil {
		h.Log.Warn("export cut off", "list", x.name, "request_id", web.RequestID(c), "err", broken)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// harmless keeps spreadsheets from taking a text for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		if _, err := strconv.ParseFloat(cell, 64); err != nil {
			return "'" + cell
		}
	}
	return cell
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return model.Stamp(t)
}

// tabled turns a page of a list into rows.
func tabled[T any](list []T, next string, err error, row func(T) []string) ([][]string, string, error) {
	out := make([][]string, 0, len(list))
	for _, x := range list {
		out = append(out, row(x))
	}
	return out, next, err
}

func (h *Handlers) exportRoutes() []web.Route {
	return []web.Route{
		web.Get(model.ViewAuditLog, href.AuditCSV(), h.exportAudit),
		web.Get(model.Deliveries.View(), href.DeliveriesCSV(), h.exportDeliveries),
		web.Get(model.Events.View(), href.EventsCSV(), h.exportEvents),
	}
}

func (h *Handlers) exportAudit(c echo.Context) error {
	f := auditFilter(auditProps(c), h.zone(c))
	return h.export(c, exported{"audit", []string{"time", "actor", "actor_kind", "actor_id", "api_key_id", "action", "object", "object_id", "changes", "address", "request_id", "hash"},
		func(ctx context.Context, p db.Page) ([][]string, string, error) {
			list, next, err := h.Store.AuditLog(ctx, f, p)
			return tabled(list, next, err, func(a model.Audit) []string {
				return []string{stampOf(a.At), a.ActorName, string(a.ActorKind), a.ActorID, a.Via, a.Action, a.Object, a.ObjectID, changesText(a.Changes), a.Address, a.RequestID, a.Hash}
			})
		}})
}

// changesText writes a diff into one cell.
func changesText(list []model.Change) string {
	lines := make([]string, 0, len(list))
	for _, x := range list {
		lines = append(lines, x.Field+": "+strconv.Quote(x.Before)+" → "+strconv.Quote(x.After))
	}
	return strings.Join(lines, "\n")
}

func (h *Handlers) exportDeliveries(c echo.Context) error {
	status := model.Status(c.QueryParam("status"))
	if !slices.Contains(model.Statuses(), status) {
		status = ""
	}
	f := db.DeliveryFilter{EventID: model.EventID(strings.TrimSpace(c.QueryParam("event_id"))), DestinationID: model.DestID(c.QueryParam("destination_id")), RunID: model.RunID(c.QueryParam("run_id")), Event: strings.TrimSpace(c.QueryParam("event")),
		Status: status, Lane: model.Lane(c.QueryParam("lane")), Interrupted: c.QueryParam("interrupted") == "true", From: moment(c.QueryParam("from")), To: moment(c.QueryParam("to"))}
	if status == model.Sending {
		f.Status, f.IDs = "", append([]model.DeliveryID{}, h.o.Jobs.Sending()...)
	}
	return h.export(c, exported{"deliveries", []string{"id", "created_at", "status", "event", "event_id", "connection", "destination", "lane", "attempts", "last_status_code", "last_error", "next_attempt_at", "settled_at"},
		func(ctx context.Context, p db.Page) ([][]string, string, error) {
			list, next, err := h.Store.Deliveries(ctx, f, p)
			for i := range list {
				h.o.Jobs.Now(&list[i])
			}
			return tabled(list, next, err, func(d model.Delivery) []string {
				return []string{string(d.ID), stampOf(d.CreatedAt), string(d.Status), d.EventName, string(d.EventID), d.Connection, d.Destination, string(d.Lane), strconv.Itoa(d.Attempts),
					strconv.Itoa(d.LastStatusCode), d.LastError, stampOf(d.NextAttemptAt), stampOf(d.SettledAt)}
			})
		}})
}

func (h *Handlers) exportEvents(c echo.Context) error {
	f := db.EventFilter{Name: strings.TrimSpace(c.QueryParam("name")), Subject: c.QueryParam("subject"), From: moment(c.QueryParam("from")), To: moment(c.QueryParam("to"))}
	return h.export(c, exported{"events", []string{"id", "external_id", "name", "subject", "time", "created_at", "deliveries"},
		func(ctx context.Context, p db.Page) ([][]string, string, error) {
			list, next, err := h.Store.Events(ctx, f, p)
			return tabled(list, next, err, func(e model.Event) []string {
				return []string{string(e.ID), e.ExternalID, e.Name, e.Subject, stampOf(e.Time), stampOf(e.CreatedAt), strconv.Itoa(e.Deliveries)}
			})
		}})
}
