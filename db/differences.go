package db

import "waybill/db/model"

// What differs between two states of one thing, field by field in the words of the audit log: for people who have to
// choose between what is stored (a) and what they typed (b). Secrets are not part of it.

// ConnectionDiff lists the fields in which two connections differ.
func ConnectionDiff(a, b model.Connection) []model.Change { return connectionChanges(a, b) }

// DestinationDiff lists the fields in which two destinations differ.
func DestinationDiff(a, b model.Destination) []model.Change { return destinationChanges(a, b) }

// ActionDiff lists the fields in which two actions differ.
func ActionDiff(a, b model.Action) []model.Change { return actionChanges(a, b) }

// UserDiff lists the fields in which two users differ.
func UserDiff(a, b model.User) []model.Change { return userChanges(a, b) }

// RoleDiff lists the fields in which two roles differ.
func RoleDiff(a, b model.Role) []model.Change { return roleChanges(a, b) }

// EventDefinitionDiff lists the fields in which two event definitions differ.
func EventDefinitionDiff(a, b model.EventDefinition) []model.Change {
	return eventDefinitionChanges(a, b)
}

// AudienceDiff lists the fields in which two audiences differ.
func AudienceDiff(a, b model.Audience) []model.Change { return audienceChanges(a, b) }

// InboundDiff lists the fields in which two inbound endpoints differ.
func InboundDiff(a, b model.InboundEndpoint) []model.Change { return inboundChanges(a, b) }

// WorkflowDiff lists the fields, and the steps of the drafts, in which two workflows differ.
func WorkflowDiff(a, b model.Workflow) []model.Change { return workflowChanges(a, b) }

// CredentialDiff lists the fields in which two credentials differ.
func CredentialDiff(a, b model.Credential) []model.Change { return credentialChanges(a, b) }
