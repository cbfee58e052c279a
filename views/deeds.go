package views

import (
	"context"

	"waybill/db/model"
)

// deed is what can be done to a thing, and what the audit log calls it.
type deed struct{ Action, Words string }

// deeds are all that the program writes into the audit log.
var deeds = []deed{
	{"action.created", "Action created"}, {"action.updated", "Action updated"}, {"action.enabled", "Action enabled"}, {"action.disabled", "Action disabled"},
	{"action.deleted", "Action deleted"},
	{"alert_rule.created", "Alert rule created"}, {"alert_rule.updated", "Alert rule updated"}, {"alert_rule.enabled", "Alert rule enabled"},
	{"alert_rule.disabled", "Alert rule disabled"}, {"alert_rule.deleted", "Alert rule deleted"},
	{"api_key.created", "API key created"}, {"api_key.updated", "API key updated"}, {"api_key.rotated", "API key rotated"}, {"api_key.revoked", "API key revoked"},
	{"audience.created", "Audience created"}, {"audience.updated", "Audience updated"}, {"audience.deleted", "Audience deleted"}, {"audience.records_added", "Audience records added"},
	{"audience.records_replaced", "Audience records replaced"},
	{"audience_run.started", "Audience run started"}, {"audience_run.stopped", "Audience run stopped"}, {"audience_run.failed", "Audience run failed"},
	{"backfill.started", "Backfill started"}, {"backfill.cancelled", "Backfill cancelled"},
	{"connection.created", "Connection created"}, {"connection.updated", "Connection updated"}, {"connection.enabled", "Connection enabled"},
	{"connection.disabled", "Connection disabled"}, {"connection.deleted", "Connection deleted"},
	{"credential.created", "Credential created"}, {"credential.updated", "Credential updated"}, {"credential.deleted", "Credential deleted"},
	{"credential.rotation_started", "Credential rotation started"}, {"credential.rotation_tried", "Credential rotation tried"},
	{"credential.rotation_dropped", "Credential rotation dropped"}, {"credential.rotated", "Credential rotated"}, {"credential.rolled_back", "Credential rolled back"},
	{"credential.former_forgotten", "Credential’s former secrets forgotten"},
	{"delivery.cancelled", "Delivery cancelled"}, {"delivery.retried", "Delivery retried"},
	{"destination.created", "Destination created"}, {"destination.updated", "Destination updated"}, {"destination.enabled", "Destination enabled"},
	{"destination.disabled", "Destination disabled"}, {"destination.deleted", "Destination deleted"}, {"destination.tried", "Destination tried"},
	{"destination.signing_rotated", "Destination signing rotated"}, {"destination.signing_ended", "Destination signing ended"},
	{"event_definition.created", "Event definition created"}, {"event_definition.updated", "Event definition updated"}, {"event_definition.deleted", "Event definition deleted"},
	{"export.retried", "Export retried"},
	{"file.created", "File created"},
	{"inbound_endpoint.created", "Inbound endpoint created"}, {"inbound_endpoint.updated", "Inbound endpoint updated"}, {"inbound_endpoint.enabled", "Inbound endpoint enabled"},
	{"inbound_endpoint.disabled", "Inbound endpoint disabled"}, {"inbound_endpoint.deleted", "Inbound endpoint deleted"}, {"inbound_endpoint.rotated", "Inbound endpoint rotated"},
	{"inbound_endpoint.secret_rotated", "Inbound endpoint secret rotated"}, {"inbound_endpoint.revoked", "Inbound endpoint revoked"},
	{"inbound_endpoint.call_replayed", "Inbound endpoint call replayed"}, {"inbound_endpoint.sample_awaited", "Inbound endpoint sample awaited"},
	{"inbound_endpoint.sample_ended", "Inbound endpoint sample ended"},
	{"instance_key.created", "Instance key created"},
	{"integration.created", "Integration created"}, {"integration.updated", "Integration updated"}, {"integration.deleted", "Integration deleted"},
	{"integration.published", "Integration published"},
	{"invitation.created", "Invited"}, {"invitation.accepted", "Invitation accepted"}, {"invitation.renewed", "Invitation renewed"}, {"invitation.revoked", "Invitation revoked"},
	{"master_key.rotation_started", "Master key rotation started"}, {"master_key.rotated", "Master key rotated"},
	{"network_rule.created", "Network rule created"}, {"network_rule.updated", "Network rule updated"}, {"network_rule.deleted", "Network rule deleted"},
	{"replay.started", "Replay started"}, {"replay.cancelled", "Replay cancelled"},
	{"role.created", "Role created"}, {"role.updated", "Role updated"}, {"role.deleted", "Role deleted"},
	{"run.started", "Run started"}, {"run.paused", "Run paused"}, {"run.resumed", "Run resumed"}, {"run.cancelled", "Run cancelled"},
	{"saved_filter.created", "Saved filter created"}, {"saved_filter.deleted", "Saved filter deleted"},
	{"session.created", "Signed in"}, {"session.ended", "Signed out"}, {"session.refused", "Sign-in refused"},
	{"settings.updated", "Settings updated"},
	{"target.enabled", "Target enabled"}, {"target.disabled", "Target disabled"},
	{"task.completed", "Task completed"}, {"task.approved", "Task approved"}, {"task.rejected", "Task rejected"},
	{"user.created", "User created"}, {"user.updated", "User updated"}, {"user.enabled", "User enabled"}, {"user.disabled", "User disabled"}, {"user.deleted", "User deleted"},
	{"user.format_set", "Language and numbers set"}, {"user.password_set", "Password set"}, {"user.password_reset", "Password reset"}, {"user.reset_asked", "Password reset asked for"},
	{"user.second_factor_begun", "Second factor begun"}, {"user.second_factor_added", "Second factor added"}, {"user.second_factor_removed", "Second factor removed"},
	{"user.recovery_code_used", "Recovery code used"}, {"user.recovery_codes_renewed", "Recovery codes renewed"},
	{"workflow.created", "Workflow created"}, {"workflow.updated", "Workflow updated"}, {"workflow.enabled", "Workflow enabled"}, {"workflow.disabled", "Workflow disabled"},
	{"workflow.deleted", "Workflow deleted"}, {"workflow.published", "Workflow published"}, {"workflow.form_renewed", "Workflow form renewed"},

	// Kinds of things, where no page has their names in this form.
	{"alert_rule", "Alert rule"}, {"audience_run", "Audience run"}, {"event_definition", "Event definition"}, {"inbound_endpoint", "Inbound endpoint"},
	{"instance_key", "Instance key"}, {"master_key", "Master key"}, {"network_rule", "Network rule"}, {"saved_filter", "Saved filter"}, {"session", "Session"},
	{"target", "Target"},
}

// sentence says what an audit row is about: "connection.updated" is "Connection updated".
func sentence(ctx context.Context, a model.Audit) string {
	for _, d := range deeds {
		if d.Action == a.Action {
			return say(ctx, d.Words)
		}
	}
	return words(a.Action)
}

// thing names a kind of thing that the audit log speaks of.
func thing(ctx context.Context, kind string) string { return say(ctx, words(kind)) }
