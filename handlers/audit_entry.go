package handlers

import (
	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// auditPages are the pages of things that changes are about, and the right that opens them.
var auditPages = map[string]struct {
	url   func(id string) string
	right model.Right
}{
	"action":           {href.Action[string], model.Connections.View()},
	"alert_rule":       {href.AlertRule[string], model.Settings.View()},
	"api_key":          {href.APIKey[string], model.APIKeys.View()},
	"audience":         {href.Audience[string], model.Workflows.View()},
	"connection":       {href.Connection[string], model.Connections.View()},
	"credential":       {href.Credential[string], model.Credentials.View()},
	"delivery":         {href.Delivery[string], model.Deliveries.View()},
	"destination":      {href.Destination[string], model.Connections.View()},
	"event_definition": {href.EventDefinition[string], model.Events.View()},
	"inbound_endpoint": {href.InboundEndpoint[string], model.Inbound.View()},
	"integration":      {href.Integration[string], model.Workflows.View()},
	"replay":           {href.Replay[string], model.Deliveries.View()},
	"role":             {href.Role[string], model.Users.View()},
	"run":              {href.Run[string], model.Workflows.View()},
	"user":             {href.User[string], model.Users.View()},
	"workflow":         {href.Workflow[string], model.Workflows.View()},
}

func (h *Handlers) showAuditEntry(c echo.Context) error {
	e, err := h.Store.AuditEntry(c.Request().Context(), web.ID[model.AuditID](c))
	if err != nil {
		return err
	}
	p := views.AuditEntryProps{Entry: e, Now: h.Now()}
	if page, known := auditPages[e.Kind]; known && !e.Gone && e.ObjectID != "" && h.may(c, page.right) {
		p.ObjectURL = page.url(e.ObjectID)
	}
	if e.ActorID != "" && h.may(c, model.Users.View()) {
		p.ActorURL = href.User(e.ActorID)
	}
	title := views.AuditTitle(h.Reader(c), e.Audit)
	return h.Page(c, web.Bits{Title: title, Section: "audit", Crumbs: under(crumb("Audit log", href.Audit()), title)}, views.AuditEntry(p))
}
