package model

import "slices"

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

// Role is a named set of rights.
type Role struct {
	Name        string
	Description string
	Rights      []Right
	Builtin     bool
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
	return []Role{
		{Name: Administrator, Description: "May do everything.", Rights: AllRights(), Builtin: true},
		{Name: Integrator, Description: "Sets up credentials, connections, actions and events.", Rights: integrator, Builtin: true},
		{Name: Operator, Description: "Watches and retries deliveries, runs workflows, sees the set-up.", Builtin: true,
			Rights: []Right{Deliveries.Manage(), RunWorkflows, Credentials.View(), Connections.View(), Workflows.View(), Events.View(), Inbound.View()}},
		{Name: Viewer, Description: "Sees the set-up and the deliveries, changes nothing.", Builtin: true,
			Rights: []Right{Credentials.View(), Connections.View(), Workflows.View(), Events.View(), Deliveries.View(), Inbound.View()}},
	}
}

// RightsOf is the union of the rights of the named built-in roles; unknown names give nothing.
func RightsOf(roles []string) Rights {
	var list []Right
	for _, r := range BuiltinRoles() {
		if slices.Contains(roles, r.Name) {
			list = append(list, r.Rights...)
		}
	}
	return NewRights(list...)
}
