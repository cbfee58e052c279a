package handlers

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/api"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// The API reference is one page, so that the browser's own search finds everything in it.
func (h *Handlers) docsRoutes() []web.Route {
	reference := sync.OnceValues(func() (views.DocsProps, error) {
		text, err := api.Document(h.Web, h.o.Jobs)
		if err != nil {
			return views.DocsProps{}, err
		}
		return readSpec(text)
	})
	show := func(c echo.Context) error {
		p, err := reference()
		if err != nil {
			return err
		}
		return h.showDocs(c, p)
	}
	return []web.Route{web.Get(model.SignedIn, href.Docs(), show), web.Get(model.SignedIn, href.ConnectionGuide(":type"), h.showGuide)}
}

// showDocs fills the reference with what the reader knows: his address, his rights, ids of what he may see.
func (h *Handlers) showDocs(c echo.Context, p views.DocsProps) error {
	ids, err := h.exampleIDs(c)
	if err != nil {
		return err
	}
	p.Base = strings.TrimSuffix(h.BaseURL.String(), "/") + api.Prefix
	p.MayMakeKeys = h.may(c, model.APIKeys.Manage())
	fill := strings.NewReplacer(ids...)
	p.Resources = slices.Clone(p.Resources) // the reference itself is shared
	for i, r := range p.Resources {
		calls := slices.Clone(r.Calls)
		for j := range calls {
			calls[j].Allowed = h.may(c, model.Right(calls[j].Right))
			calls[j].Curl = curl(p.Base, calls[j])
			if !overwrites(calls[j]) {
				calls[j].Curl = fill.Replace(calls[j].Curl)
			}
		}
		p.Resources[i].Calls = calls
	}
	return h.Page(c, web.Bits{Title: "API reference", Section: "docs"}, views.Docs(p))
}

// overwrites reports whether a call, pasted as it stands, would take something away from its owner: such a call keeps its
// placeholder.
func overwrites(c views.DocCall) bool {
	return c.Method == "PUT" || c.Method == "DELETE" || c.ID == "cancel-delivery" || c.ID == "revoke-inbound-key" || c.ID == "cancel-replay"
}

// exampleIDs are pairs of a placeholder and the id of the newest such thing, as far as the reader may see one.
func (h *Handlers) exampleIDs(c echo.Context) ([]string, error) {
	ctx, one := c.Request().Context(), db.Page{Limit: 1}
	var ids []string
	add := func(placeholder string, right model.Right, newest func(context.Context) (string, error)) error {
		if !h.may(c, right) {
			return nil
		}
		id, err := newest(ctx)
		if id != "" {
			ids = append(ids, placeholder, id)
		}
		return err
	}
	me, _ := h.User(c)
	for _, x := range []struct {
		placeholder string
		right       model.Right
		newest      func(context.Context) (string, error)
	}{
		{"CONNECTION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Connections(ctx, db.ConnectionFilter{}, one)
			return newestOf(list, err, func(x model.Connection) string { return string(x.ID) })
		}},
		{"DESTINATION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Destinations(ctx, "", one)
			return newestOf(list, err, func(x model.Destination) string { return string(x.ID) })
		}},
		{"ACTION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Actions(ctx, db.ActionFilter{}, one)
			return newestOf(list, err, func(x model.Action) string { return string(x.ID) })
		}},
		{"CREDENTIAL_ID", model.Credentials.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Credentials(ctx, db.CredentialFilter{}, one)
			return newestOf(list, err, func(x model.Credential) string { return string(x.ID) })
		}},
		{"EVENT_ID", model.Events.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Events(ctx, db.EventFilter{}, one)
			return newestOf(list, err, func(x model.Event) string { return string(x.ID) })
		}},
		{"DELIVERY_ID", model.Deliveries.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Deliveries(ctx, db.DeliveryFilter{}, one)
			return newestOf(list, err, func(x model.Delivery) string { return string(x.ID) })
		}},
		{"INBOUND_ENDPOINT_ID", model.Inbound.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.InboundEndpoints(ctx, db.InboundFilter{}, one)
			return newestOf(list, err, func(x model.InboundEndpoint) string { return string(x.ID) })
		}},
		{"REPLAY_ID", model.Deliveries.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Replays(ctx, one)
			return newestOf(list, err, func(x model.Replay) string { return string(x.ID) })
		}},
		{"API_KEY_ID", model.APIKeys.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.APIKeys(ctx, one)
			return newestOf(list, err, func(x model.APIKey) string { return string(x.ID) })
		}},
		{"ROLE_ID", model.Users.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Roles(ctx, one)
			return newestOf(list, err, func(x model.Role) string { return string(x.ID) })
		}},
		{"EVENT_DEFINITION_ID", model.Events.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.EventDefinitions(ctx, db.EventDefinitionFilter{}, one)
			return newestOf(list, err, func(x model.EventDefinition) string { return string(x.ID) })
		}},
		{"AUDIENCE_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Audiences(ctx, db.AudienceFilter{}, one)
			return newestOf(list, err, func(x model.Audience) string { return string(x.ID) })
		}},
		{"INTEGRATION_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Integrations(ctx, db.IntegrationFilter{}, one)
			return newestOf(list, err, func(x model.Integration) string { return string(x.ID) })
		}},
		{"WORKFLOW_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Workflows(ctx, db.WorkflowFilter{}, one)
			return newestOf(list, err, func(x model.Workflow) string { return string(x.ID) })
		}},
		{"RUN_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Runs(ctx, db.RunFilter{}, one)
			return newestOf(list, err, func(x model.Run) string { return string(x.ID) })
		}},
		{"NETWORK_RULE_ID", model.Settings.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.NetworkRules(ctx, db.NetworkRuleFilter{}, one)
			return newestOf(list, err, func(x model.NetworkRule) string { return string(x.ID) })
		}},
		{"USER_ID", model.SignedIn, func(context.Context) (string, error) { return string(me.ID), nil }},
	} {
		if err := add(x.placeholder, x.right, x.newest); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func newestOf[T any](list []T, err error, id func(T) string) (string, error) {
	if err != nil || len(list) == 0 {
		return "", err
	}
	return id(list[0]), nil
}

// curl is one call as a command, with placeholders for ids.
func curl(base string, c views.DocCall) string {
	var b strings.Builder
	b.WriteString("curl ")
	if c.Method != "GET" {
		b.WriteString("-X " + c.Method + " ")
	}
	b.WriteString(quoted(base+strings.NewReplacer("{id}", placeholder(c.Path), "{receipt}", "RECEIPT").Replace(c.Path)) + " \\\n  -H \"Authorization: Bearer $WAYBILL_KEY\"")
	if body := exampleBody(c.ID); body != "" {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d " + quoted(body))
	}
	return b.String()
}

// quoted is a word of a shell.
func quoted(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/:._-@", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// placeholder is what stands for the id in a path.
func placeholder(path string) string {
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	noun = strings.TrimSuffix(noun, "s")
	if noun == "audience-run" {
		noun = "audience-start" // a name that no other is a part of
	}
	if rest, ok := strings.CutSuffix(noun, "ie"); ok {
		noun = rest + "y"
	}
	return strings.ToUpper(strings.ReplaceAll(noun, "-", "_")) + "_ID"
}

// exampleBody is a body that works as it stands once the placeholders are filled, "" where none is needed.
func exampleBody(call string) string {
	switch call {
	case "publish-event":
		return `{
    "name": "order.created",
    "subject": "A-10482",
    "data": {"id": "A-10482", "total": 141.4, "currency": "EUR"}
  }`
	case "publish-events":
		return `{
    "events": [
      {"name": "order.created", "data": {"id": "A-10483"}},
      {"name": "order.paid", "data": {"id": "A-10482"}}
    ]
  }`
	case "create-connection", "update-connection":
		return `{
    "name": "` + of(call, "Order system", "Order system, renamed") + `",
    "type": "webhook",
    "base_url": "https://orders.example.com/hooks",
    "timeout_seconds": 20
  }`
	case "create-destination", "update-destination":
		return `{
    "name": "` + of(call, "New orders", "New orders, renamed") + `",
    "method": "POST",
    "path": "/orders",
    "template": "{{! return JSON.stringify(it.data[0]); }}"
  }`
	case "preview-destination", "test-destination":
		return `{
    "event": {"name": "order.created", "subject": "A-10482", "data": {"id": "A-10482"}}
  }`
	case "rotate-signing-secret":
		return `{
    "algorithm": "hmac",
    "overlap_hours": 24
  }`
	case "start-backfill":
		return `{
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-01-02T00:00:00Z"
  }`
	case "update-export":
		return `{
    "enabled": false,
    "format": "ndjson",
    "datasets": ["events", "deliveries"]
  }`
	case "update-file-settings":
		return `{
    "connection_id": "",
    "proxied": false
  }`
	case "create-alert-rule", "update-alert-rule":
		return `{
    "name": "Orders fail",
    "kind": "failure_rate",
    "threshold": 20,
    "window_minutes": 10,
    "destination_id": "DESTINATION_ID"
  }`
	case "snooze-alert-rule":
		return `{"minutes": 60}`
	case "update-mail":
		return `{
    "host": "smtp.example.com",
    "security": "starttls",
    "from": "waybill@example.com"
  }`
	case "test-mail":
		return `{"to": "ada@example.com"}`
	case "update-features":
		return `{
    "features": {"slack": true}
  }`
	case "update-storage":
		return `{
    "row_days": 30,
    "body_days": 7,
    "budget_mib": 10240,
    "min_free_mib": 64
  }`
	case "create-network-rule", "update-network-rule":
		return `{
    "effect": "allow",
    "pattern": "erp.example.com:8443",
    "note": "` + of(call, "The ERP stands in our own network", "The ERP moved to another port") + `"
  }`
	case "simulate-network":
		return `{
    "url": "https://erp.example.com:8443/orders"
  }`
	case "update-network":
		return `{
    "proxy_url": "",
    "proxy_bypass": []
  }`
	case "replay-deliveries":
		return `{
    "destination_id": "DESTINATION_ID",
    "status": "failed",
    "from": "2026-01-01T00:00:00Z",
    "dry_run": true
  }`
	case "settle-held":
		return `{"action": "send"}`
	case "create-action", "update-action":
		return `{
    "name": "` + of(call, "Send large orders", "Send large orders, renamed") + `",
    "event": "order.*",
    "filter": "event.data.total > 100",
    "destination_id": "DESTINATION_ID"
  }`
	case "create-credential", "update-credential":
		return `{
    "name": "` + of(call, "Orders token", "Orders token, renamed") + `",
    "type": "bearer",
    "config": {"token": "what-they-gave-you"}
  }`
	case "create-event-definition", "update-event-definition":
		return `{
    "name": "order.created",
    "description": "` + of(call, "A customer placed an order", "A customer placed an order in the shop") + `",
    "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "total": {"type": "number"}}}
  }`
	case "create-audience", "update-audience":
		return `{
    "name": "` + of(call, "Newsletter readers", "Newsletter readers, renamed") + `",
    "subject_field": "email"
  }`
	case "create-integration", "update-integration":
		return `{
    "name": "` + of(call, "Tell the warehouse", "Tell the warehouse, renamed") + `",
    "fields": [{"key": "sku", "name": "Article", "type": "text", "required": true}],
    "request": {"name": "warehouse", "method": "POST", "url": "https://api.example.com/stock", "body": "{\"sku\": \"{{ it.input.sku }}\"}"}
  }`
	case "test-integration":
		return `{"input": {"sku": "LAMP-1"}}`
	case "create-workflow", "update-workflow":
		return `{
    "name": "` + of(call, "Purchase approval", "Purchase approval, renamed") + `",
    "trigger": {"kind": "manual"},
    "steps": [
      {"key": "check", "name": "Check the request", "kind": "task", "assignees": ["role:Operator"],
       "fields": [{"key": "price", "name": "Price", "type": "currency", "required": true}], "next": [{"to": "approve"}]},
      {"key": "approve", "name": "Approve", "kind": "approval", "assignees": ["role:Administrator"], "on_reject": {"to": "check"}, "next": [{"to": "end"}]},
      {"key": "end", "name": "Done", "kind": "end"}
    ]
  }`
	case "publish-workflow":
		return `{"note": "First version"}`
	case "start-run":
		return `{
    "subject": "Desk lamp",
    "data": {"item": "Desk lamp", "total": 64.9}
  }`
	case "complete-task":
		return `{"fields": {"price": 64.9}}`
	case "approve-task":
		return `{"comment": "Fine with me"}`
	case "reject-task":
		return `{"comment": "Too dear; find another one"}`
	case "add-members":
		return `{
    "members": [{"email": "ada@example.com", "name": "Ada"}, {"email": "grace@example.com", "name": "Grace"}]
  }`
	case "start-audience-run":
		return `{
    "workflow_id": "WORKFLOW_ID",
    "rate": 50
  }`
	case "start-rotation":
		return `{
    "config": {"token": "the-new-one"},
    "expires_at": "2030-01-31T12:00:00Z"
  }`
	case "try-rotation":
		return `{
    "destination_id": "DESTINATION_ID"
  }`
	case "create-user":
		return `{
    "email": "mia@example.com",
    "name": "Mia Larsen",
    "roles": ["Operator"]
  }`
	case "update-user":
		return `{
    "email": "mia.larsen@example.com",
    "name": "Mia Larsen",
    "roles": ["Operator", "Viewer"]
  }`
	case "create-invitation":
		return `{
    "email": "grace@example.com",
    "roles": ["Viewer"]
  }`
	case "create-inbound-endpoint", "update-inbound-endpoint":
		return `{
    "name": "` + of(call, "Carrier", "Carrier, renamed") + `",
    "service_user_id": "USER_ID",
    "verification": {"preset": "standard_webhooks", "secret": "what-they-gave-you"},
    "event": "parcel.moved",
    "mapping": "{{! return {parcel: it.data[0].parcel}; }}"
  }`
	case "rotate-inbound-endpoint":
		return `{"overlap_seconds": 86400}`
	case "revoke-inbound-key":
		return `{"key_id": "KEY_OF_ENDPOINT"}`
	case "preview-inbound-mapping":
		return `{
    "body": "{\"parcel\": \"PX-20418\"}",
    "mapping": "{{! return {parcel: it.data[0].parcel}; }}"
  }`
	case "create-role", "update-role":
		return `{
    "name": "` + of(call, "Night shift", "Night watch") + `",
    "description": "Retries what failed overnight.",
    "rights": ["Manage Deliveries", "View Events", "View Connections"]
  }`
	case "create-api-key":
		return `{
    "name": "Order service",
    "user_id": "USER_ID",
    "rights": ["Manage Events"]
  }`
	case "update-api-key":
		return `{
    "name": "Order service, renamed",
    "rights": ["Manage Events"],
    "expires_at": "2090-01-01T00:00:00Z"
  }`
	case "rotate-api-key":
		return `{
    "overlap_seconds": 86400
  }`
	}
	return ""
}

func of(call, created, updated string) string {
	if strings.HasPrefix(call, "create") {
		return created
	}
	return updated
}
