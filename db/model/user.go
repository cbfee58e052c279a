package model

import (
	"slices"
	"sync"
	"time"

	"waybill/db/fault"
)

// User is a person, or the identity under which programs act.
type User struct {
	ID        UserID
	Email     string // lower case, unique
	Name      string
	Roles     []string // names
	Granted   []Right  // by those of the roles that people made; the store fills it in, nobody else does
	Disabled  bool
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64

	SecondFactor bool   // a code is asked for at sign-in; the store fills it in
	Locale       string // how dates and numbers are written, such as "de-DE"; "" = as the browser says
	Zone         string // IANA time zone; "" = as the browser says
	Language     string // of the pages, such as "de"; "" = as the browser says
}

// Rights is what the user may do; a disabled user may do nothing.
func (u User) Rights() Rights {
	if u.Disabled {
		return Rights{}
	}
	r := RightsOf(u.Roles)
	for x := range NewRights(u.Granted...) {
		r[x] = true
	}
	return r
}

// Powerless reports whether the user may do nothing at all.
func (u User) Powerless() bool {
	builtin := func(role string) bool {
		return role == Administrator || role == Integrator || role == Operator || role == Viewer
	}
	return u.Disabled || len(u.Granted) == 0 && !slices.ContainsFunc(u.Roles, builtin)
}

// Session is one signed-in browser. The cookie holds a token of which only the hash is stored.
type Session struct {
	ID        SessionID
	UserID    UserID
	Agent     string // User-Agent, cut to 200 characters
	Address   string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // absolute end
}

// SessionIdle and SessionLife bound a session (SEMANTICS 9).
const (
	SessionIdle = 12 * time.Hour
	SessionLife = 7 * 24 * time.Hour
)

// APIKey lets a program act with the rights of its user. The key itself is shown once and stored as a hash.
type APIKey struct {
	ID         APIKeyID
	Name       string
	UserID     UserID
	UserName   string // joined
	Hint       string // the key's beginning, to recognise it by
	CreatedAt  time.Time
	UpdatedAt  time.Time
	LastUsedAt time.Time // zero = never; written at most once a minute
	ExpiresAt  time.Time // zero = never
	RevokedAt  time.Time // zero = live
	Version    int64

	Rights        []Right   // what it may do at most, of what its user may do at the time; empty = all of that
	PreviousHint  string    // of the key before the last rotation
	PreviousUntil time.Time // until when that one still works; zero = it does not
}

// Limit are the rights that the key has when its user holds held.
func (k APIKey) Limit(held Rights) Rights {
	if len(k.Rights) == 0 {
		return held
	}
	return NewRights(k.Rights...).Within(held)
}

// LongestOverlap is how long a key may live on after it was rotated.
const LongestOverlap = 30 * 24 * time.Hour

// Live reports whether the key opens anything at now.
func (k APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Actor is who does something: every change names one.
type Actor struct {
	Kind      ActorKind
	UserID    UserID   // user, key
	KeyID     APIKeyID // key
	Name      string   // as shown in the audit log
	Address   string   // where the call came from
	RequestID string
	Rights    Rights
	// Limited is set for a key that may do less than its user: it is not that person where rights are not asked for, such as in
	// tasks, which are for somebody.
	Limited bool
	// Depth is that of the events that this caller publishes: 0 = from outside, else one more than that of the event
	// on whose account a platform token was made.
	Depth int
}

// Stands is the Forbidden fault when the actor does something that is its user's own, but is a key that is limited to other
// rights; one that holds right may.
func (a Actor) Stands(right Right) error {
	if a.Limited && !a.Rights.Has(right) {
		return fault.Missing(string(right))
	}
	return nil
}

// ActorKind says what sort of identity acted.
type ActorKind string

const (
	ActorUser   ActorKind = "user"
	ActorKey    ActorKind = "api_key"
	ActorCLI    ActorKind = "command" // the machine's administrator, by a command of the binary
	ActorSystem ActorKind = "system"  // Waybill itself
	// ActorPartner is the third party behind an inbound endpoint, known by its key.
	ActorPartner ActorKind = "partner"
)

// System is Waybill acting on its own; why is what the audit log shows as its name.
func System(why string) Actor {
	return Actor{Kind: ActorSystem, Name: why, Rights: everything()}
}

// everything is one set for all: the writer acts as System for every event. Nobody changes an actor's rights.
var everything = sync.OnceValue(func() Rights { return NewRights(AllRights()...) })

// Audit is one line of the audit log: who did what to which object, with what changed. Rows are chained by hash.
type Audit struct {
	ID        AuditID
	At        time.Time
	ActorKind ActorKind
	ActorID   string // user id, empty for command and system
	ActorName string
	Via       string // API key id when a program acted
	Address   string
	RequestID string
	Action    string // "connection.updated"
	Kind      string // "connection"
	ObjectID  string
	Object    string // the object's name at that time
	Changes   []Change
	Hash      string // hex SHA-256 over the row before and this one
}

// AuditEntry is a row of the audit log with its place in it. Ids are empty where there is no such row.
type AuditEntry struct {
	Audit
	Number        int64  // of the row, from 1
	Before        string // hash of the row before
	Whole         bool   // its hash follows from that of the row before
	Older, Newer  AuditID
	OlderOfObject AuditID // the change of the same object before this one
	NewerOfObject AuditID
	Gone          bool // the object was deleted since
}

// Change is one field of an audited change; secrets show as Mask.
type Change struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// InstanceKey is a key that this instance signs tokens with. The private half is sealed in the store.
type InstanceKey struct {
	ID        string // kid
	Public    string // JSON Web Key (RFC 7517)
	CreatedAt time.Time
}
