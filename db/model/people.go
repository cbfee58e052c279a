package model

import "time"

// Ids of what belongs to people.
type (
	RoleID       string // rol_
	InvitationID string // inv_
)

func NewRoleID(now time.Time) RoleID             { return RoleID(newID("rol_", now)) }
func NewInvitationID(now time.Time) InvitationID { return InvitationID(newID("inv_", now)) }
