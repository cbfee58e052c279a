package handlers

import (
	"context"
	"strconv"
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
	return []web.Route{web.Get(model.ViewAuditLog, href.Audit(), h.listAudit)}
}

// auditKinds are the things whose changes can be asked for.
var auditKinds = []string{"action", "api_key", "connection", "credential", "delivery", "destination", "session", "user"}

func (h *Handlers) listAudit(c echo.Context) error {
	ctx := c.Request().Context()
	p := views.AuditProps{Query: c.QueryParam("q"), Kind: c.QueryParam("kind"), Actor: c.QueryParam("actor_id"), Object: c.QueryParam("object_id"),
		From: c.QueryParam("from"), To: c.QueryParam("to"), Kinds: auditKinds, Now: h.Now()}
	filter := db.AuditFilter{Query: p.Query, Kind: p.Kind, ActorID: p.Actor, ObjectID: p.Object, From: day(p.From, 0), To: day(p.To, 1)}
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
		p.Broken = "Row " + strconv.FormatInt(broken, 10) + " does not follow from the one before it: it was changed, or rows before it were removed or slipped in."
	}
	return h.Page(c, web.Bits{Title: "Audit log", Section: "audit"}, views.AuditLog(p))
}

// day is the beginning (UTC) of a date as browsers send it, plus days; zero for anything else.
func day(text string, days int) time.Time {
	t, err := time.Parse(time.DateOnly, text)
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
