package handlers

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) auditRoutes() []web.Route {
	return append(h.exportRoutes(), web.Get(model.ViewAuditLog, href.Audit(), h.listAudit), web.Get(model.ViewAuditLog, href.AuditEntry(href.Pattern), h.showAuditEntry))
}

// auditKinds are the things whose changes can be asked for.
var auditKinds = []string{"action", "api_key", "audience", "connection", "credential", "delivery", "destination", "event_definition", "inbound_endpoint", "integration", "invitation",
	"role", "saved_filter", "session", "user", "workflow"}

// auditProps are the filters of the audit log, as they were typed.
func auditProps(c echo.Context) views.AuditProps {
	q := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	return views.AuditProps{Query: q("q"), Who: q("who"), Kind: q("kind"), Actor: q("actor_id"), Object: q("object_id"), From: q("from"), To: q("to"), Address: q("address")}
}

func auditFilter(p views.AuditProps, zone *time.Location) db.AuditFilter {
	return db.AuditFilter{Query: p.Query, Who: p.Who, Kind: p.Kind, ActorID: p.Actor, ObjectID: p.Object, Address: p.Address, From: day(p.From, 0, zone), To: day(p.To, 1, zone)}
}

// zone is the time zone in which whoever asks reads dates; UTC when he did not choose one.
func (h *Handlers) zone(c echo.Context) *time.Location {
	u, _ := h.User(c)
	zone, err := time.LoadLocation(u.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

func (h *Handlers) listAudit(c echo.Context) error {
	ctx, p := c.Request().Context(), auditProps(c)
	p.Kinds, p.Now = auditKinds, h.Now()
	filter := auditFilter(p, h.zone(c))
	rows, next, err := h.Store.AuditLog(ctx, filter, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	p.Rows = rows
	p.Next, p.First = pages(c, next)
	broken, err := h.chain.verify(ctx, h.Store, h.Now())
	if err != nil {
		return err
	}
	if broken > 0 {
		p.Broken = h.T(c, "Row {n} does not follow from the one before it: it was changed, or rows before it were removed or slipped in.", "n", strconv.FormatInt(broken, 10))
	}
	return h.Page(c, web.Bits{Title: "Audit log", Section: "audit"}, views.AuditLog(p))
}

// day is the beginning of a date as browsers send it, plus days; zero for anything else.
func day(text string, days int, zone *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, days)
}

// chainCheck remembers for a minute what verifying the whole log said: reading all of it is not for every page view.
type chainCheck struct {
	mu     sync.Mutex
	at     time.Time
	broken int64
}

// verify is the number of the first row that breaks the chain, 0 = none.
func (k *chainCheck) verify(ctx context.Context, store *db.Store, now time.Time) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if age := now.Sub(k.at); age >= 0 && age < time.Minute {
		return k.broken, nil
	}
	broken, err := store.VerifyAudit(ctx)
	if err != nil {
		return 0, err
	}
	k.at, k.broken = now, broken
	return broken, nil
}
