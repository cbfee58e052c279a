package api

import (
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// role is a role as it is answered. Those that are built in never change, and have no times.
type role struct {
	Meta
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Rights      []string `json:"rights" doc:"Manage implies View"`
	Builtin     bool     `json:"builtin" readOnly:"true"`
}

func showRole(r model.Role) role {
	out := role{Meta: newMeta(r.ID, r.CreatedAt, r.UpdatedAt, r.Version), Name: r.Name, Description: r.Description, Rights: []string{}, Builtin: r.Builtin}
	for _, x := range r.Rights {
		out.Rights = append(out.Rights, string(x))
	}
	return out
}

type roleInput struct {
	Versioned
	Name        string   `json:"name" needed:"true"`
	Description string   `json:"description"`
	Rights      []string `json:"rights" doc:"Such as “Manage Deliveries” or “View Audit Log”; nobody hands out a right that he does not hold"`
}

func (in roleInput) role() model.Role {
	r := model.Role{Name: in.Name, Description: in.Description, Version: in.Version}
	for _, x := range in.Rights {
		r.Rights = append(r.Rights, model.Right(x))
	}
	return r
}

func (a *API) roles() {
	view, manage := model.Users.View(), model.Users.Manage()
	add(a, route{http.MethodGet, "/roles", "list-roles", "List roles", "Roles", "The built-in ones come last.", view, 0}, a.listRoles)
	add(a, route{http.MethodPost, "/roles", "create-role", "Create a role", "Roles", "", manage, 0}, a.createRole)
	add(a, route{http.MethodGet, "/roles/{id}", "show-role", "Show a role", "Roles", "", view, 0}, a.showRole)
	add(a, route{http.MethodPut, "/roles/{id}", "update-role", "Replace a role", "Roles", "Built-in roles stay as they are. Whoever has the role gets its new name.", manage, 0}, a.updateRole)
	add(a, route{http.MethodDelete, "/roles/{id}", "delete-role", "Delete a role that nobody has", "Roles", "", manage, 0}, a.deleteRole)
}

func (a *API) listRoles(c call, in *Paging) (*body[list[role]], error) {
	items, next, err := a.store.Roles(c, in.page())
	return listed(items, next, err, showRole)
}

func (a *API) createRole(c call, in *struct{ Body roleInput }) (*made[role], error) {
	n := in.Body.role()
	err := a.write(c, func(tx *db.Tx) error { return tx.CreateRole(&n) })
	return created(showRole(n), "/roles/"+string(n.ID), err)
}

func (a *API) showRole(c call, in *ByID) (*body[role], error) {
	n, err := a.store.Role(c, model.RoleID(in.ID))
	return single(showRole(n), err)
}

func (a *API) updateRole(c call, in *struct {
	ByID
	Body roleInput
}) (*body[role], error) {
	n := in.Body.role()
	n.ID = model.RoleID(in.ID)
	err := a.write(c, func(tx *db.Tx) error { return tx.UpdateRole(&n) })
	return single(showRole(n), err)
}

func (a *API) deleteRole(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteRole(model.RoleID(in.ID)) })
}
