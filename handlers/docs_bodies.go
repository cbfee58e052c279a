package handlers

import "strings"

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
