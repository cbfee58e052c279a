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

// CredentialDiff lists the fields in which two credentials differ.
func CredentialDiff(a, b model.Credential) []model.Change { return credentialChanges(a, b) }
