package model

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/db/fault"
)

// Right is a permission. Manage implies View of the same area (SEMANTICS 7).
type Right string

// Area is what a View/Manage pair of rights is about.
type Area string

const (
	Credentials Area = "Credentials"
	Connections Area = "Connections" // with destinations, actions, tests, previews
	Workflows   Area = "Workflows"
	Events      Area = "Events" // Manage publishes
	Deliveries  Area = "Deliveries"
	Inbound     Area = "Inbound"
	Users       Area = "Users"
	APIKeys     Area = "API Keys"
	Settings    Area = "Settings"
)

// View and Manage are the pair of an area.
func (a Area) View() Right   { return Right("View " + a) }
func (a Area) Manage() Right { return Right("Manage " + a) }

const (
	RunWorkflows Right = "Run Workflows"
	ViewAuditLog Right = "View Audit Log"
	// SignedIn is held by every active user: the pages of one's own account.
	SignedIn Right = "Signed in"
)

// Areas lists all View/Manage pairs in the order in which people read them.
func Areas() []Area {
	return []Area{Credentials, Connections, Workflows, Events, Deliveries, Inbound, Users, APIKeys, Settings}
}

// AllRights lists every right that a role can hold.
func AllRights() []Right {
	var out []Right
	for _, a := range Areas() {
		out = append(out, a.View(), a.Manage())
	}
	return append(out, RunWorkflows, ViewAuditLog)
}

// Rights is the set of rights that somebody holds.
type Rights map[Right]bool

// NewRights makes a set and adds what each right implies.
func NewRights(list ...Right) Rights {
	r := Rights{}
	for _, x := range list {
		r[x] = true
		for _, a := range Areas() {
			if x == a.Manage() {
				r[a.View()] = true
			}
		}
	}
	return r
}

// Has reports whether the right is held. SignedIn is held by everybody who has a set at all.
func (r Rights) Has(x Right) bool { return r[x] || (x == SignedIn && r != nil) }

// Lacks is the first right of want that is not held, or "": what stops its holder from handing it out.
func (r Rights) Lacks(want Rights) Right {
	for _, x := range AllRights() {
		if want[x] && !r[x] {
			return x
		}
	}
	return ""
}

// Why says in a sentence what holding the right is good for.
func (r Right) Why() string {
	switch r {
	case RunWorkflows:
		return "Start runs by hand, and see how they go."
	case ViewAuditLog:
		return "See who changed what, when and from where."
	}
	for _, a := range Areas() {
		view, manage := a.why()
		switch r {
		case a.View():
			return view
		case a.Manage():
			return manage
		}
	}
	return ""
}

// why are the sentences of an area's two rights.
func (a Area) why() (view, manage string) {
	switch a {
	case Credentials:
		return "See which credentials exist and where they are used; never what is in them.", "Make, change, test and delete credentials."
	case Connections:
		return "See connections, destinations and actions, with their templates.", "Change where things are sent and what is sent; preview and send tests."
	case Workflows:
		return "See workflows, integrations, audiences and runs.", "Build and publish workflows, change integrations and audiences, act on any task."
	case Events:
		return "See events with their data, and event definitions.", "Publish events, and change event definitions."
	case Deliveries:
		return "See what was sent, what came back and what failed.", "Retry, replay and cancel deliveries."
	case Inbound:
		return "See inbound endpoints and their calls, without the secret part of their URL.", "Make, change and rotate inbound endpoints; see whole URLs."
	case Users:
		return "See who has an account and which roles there are.", "Invite, change and disable people; make and change roles."
	case APIKeys:
		return "See which API keys exist, whom they act as and when they were used.", "Make, rotate and revoke API keys."
	case Settings:
		return "See settings and metrics.", "Change settings and alerts; make and restore backups."
	}
	return "", ""
}

// Role is a named set of rights.
type Role struct {
	ID          RoleID
	Name        string
	Description string
	Rights      []Right // as given; NewRights adds what they imply
	Builtin     bool
	CreatedAt   time.Time // zero for built-in ones
	UpdatedAt   time.Time
	Version     int64
}

// MostRoles bounds how many roles of their own people can make: all of them are read to know one user's rights.
const MostRoles = 100

// Clean puts r into its stored form: one space between words, rights once each and in the order of AllRights.
func (r *Role) Clean() {
	r.Name, r.Description = strings.Join(strings.Fields(r.Name), " "), strings.TrimSpace(r.Description)
	kept := []Right{}
	for _, x := range AllRights() {
		if slices.Contains(r.Rights, x) {
			kept = append(kept, x)
		}
	}
	r.Rights = kept
}

// Check says what is wrong with a role as it was given, nil when nothing is.
func (r Role) Check() error {
	var bad fault.Check
	name := strings.Join(strings.Fields(r.Name), " ")
	if name == "" || utf8.RuneCountInString(name) > 60 || strings.Contains(name, ",") {
		bad.Add("name", "A name of at most 60 characters, without commas.")
	}
	if slices.ContainsFunc(BuiltinRoles(), func(b Role) bool { return strings.EqualFold(b.Name, name) }) {
		bad.Add("name", "There is a built-in role of this name; choose another one.")
	}
	if utf8.RuneCountInString(r.Description) > 500 {
		bad.Add("description", "At most 500 characters.")
	}
	for i, x := range r.Rights {
		if !slices.Contains(AllRights(), x) {
			bad.Add("rights["+strconv.Itoa(i)+"]", "There is no right “%s”. One of: %s.", x, rightNames())
		}
	}
	return bad.Err()
}

func rightNames() string {
	names := make([]string, 0, len(AllRights()))
	for _, x := range AllRights() {
		names = append(names, string(x))
	}
	return strings.Join(names, ", ")
}

// The built-in roles.
const (
	Administrator = "Administrator"
	Integrator    = "Integrator"
	Operator      = "Operator"
	Viewer        = "Viewer"
)

// BuiltinRoles are fixed in code and cannot be edited (SEMANTICS 7).
func BuiltinRoles() []Role {
	integrator := []Right{Credentials.Manage(), Connections.Manage(), Workflows.Manage(), Events.Manage(), Inbound.Manage(), RunWorkflows, Deliveries.View()}
	roles := []Role{
		{Name: Administrator, Description: "May do everything.", Rights: AllRights()},
		{Name: Integrator, Description: "Sets up credentials, connections, actions, events and workflows.", Rights: integrator},
		{Name: Operator, Description: "Watches and retries deliveries, runs workflows, sees the set-up.",
			Rights: []Right{Deliveries.Manage(), RunWorkflows, Credentials.View(), Connections.View(), Workflows.View(), Events.View(), Inbound.View()}},
		{Name: Viewer, Description: "Sees the set-up and the deliveries, changes nothing.",
			Rights: []Right{Credentials.View(), Connections.View(), Workflows.View(), Events.View(), Deliveries.View(), Inbound.View()}},
	}
	for i, r := range roles {
		roles[i].ID, roles[i].Builtin, roles[i].Version = RoleID("rol_"+strings.ToLower(r.Name)), true, 1
	}
	return roles
}

// RightsOf is the union of the rights of the named built-in roles; unknown names give nothing. Roles that people made are
// known to the store alone: User.Rights knows both.
func RightsOf(roles []string) Rights {
	var list []Right
	for _, r := range BuiltinRoles() {
		if slices.Contains(roles, r.Name) {
			list = append(list, r.Rights...)
		}
	}
	return NewRights(list...)
}

// Within are the rights that are in both sets.
func (r Rights) Within(other Rights) Rights {
	out := Rights{}
	for x := range r {
		if other[x] {
			out[x] = true
		}
	}
	return out
}
