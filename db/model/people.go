package model

import "time"

// Ids of what belongs to people.
type (
	RoleID       string // rol_
	InvitationID string // inv_
)

func NewRoleID(now time.Time) RoleID             { return RoleID(newID("rol_", now)) }
func NewInvitationID(now time.Time) InvitationID { return InvitationID(newID("inv_", now)) }

// Invitation lets somebody make an account of his own, with a link that works once. The link's token is stored as a hash.
type Invitation struct {
	ID            InvitationID
	Email         string // lower case; one invitation an address
	Roles         []string
	Granted       []Right // as with User
	InvitedBy     UserID  // must still hold what the roles give when it is accepted; "" = the machine's administrator
	InvitedByName string
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

// InvitationLife is how long an invitation can be accepted.
const InvitationLife = 7 * 24 * time.Hour

// How long the link for another password works, and how long after one no other letter goes out.
const (
	ResetLife  = time.Hour
	ResetPause = 2 * time.Minute
)

// Live reports whether the invitation can be accepted at now.
func (i Invitation) Live(now time.Time) bool { return now.Before(i.ExpiresAt) }

// Rights is what whoever accepts will hold.
func (i Invitation) Rights() Rights { return User{Roles: i.Roles, Granted: i.Granted}.Rights() }

// Stop is something that ends when an account is disabled, for the question before it.
type Stop struct {
	Label string // "session", "API key": a noun that can take an s
	Count int
	What  string // what that means, as a sentence
}

// SecondFactor is what is known of a user's second factor but its secret (RFC 6238: SHA-1, 6 digits, 30 s).
type SecondFactor struct {
	Begun       bool      // there is a secret, confirmed or not
	ConfirmedAt time.Time // zero = it is not asked for
	LastStep    int64     // codes of this period and of those before are used up
	Codes       int       // recovery codes that are left
}

// RecoveryCodes is how many recovery codes there are at first.
const RecoveryCodes = 10
