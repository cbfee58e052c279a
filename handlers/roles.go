package handlers

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) roleRoutes() []web.Route {
	view, manage := model.Users.View(), model.Users.Manage()
	return append([]web.Route{
		web.Get(view, href.Roles(), h.listRoles),
		web.Get(manage, href.NewRole(), h.newRole),
		web.Post(manage, href.Roles(), h.createRole),
		web.Get(view, href.Role(href.Pattern), h.showRole),
		web.Post(manage, href.Role(href.Pattern), h.updateRole),
	}, deletes(h, manage, href.DeleteRole(href.Pattern), h.role, h.roleDeletion)...)
}

var rolesCrumb = crumb("Roles", href.Roles())

func (h *Handlers) listRoles(c echo.Context) error {
	ctx := c.Request().Context()
	roles, err := h.Store.EveryRole(ctx)
	if err != nil {
		return err
	}
	use, err := h.Store.RoleUse(ctx)
	if err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "Roles", Section: "users"}, views.Roles(views.RolesProps{Roles: roles, Use: use, CanEdit: h.may(c, model.Users.Manage())}))
}

// newRole begins with nothing, or with what another role has as far as one may hand it out.
func (h *Handlers) newRole(c echo.Context) error {
	f := views.RoleForm{}
	if like := c.QueryParam("like"); like != "" {
		r, err := h.Store.Role(c.Request().Context(), model.RoleID(like))
		if err != nil {
			return err
		}
		f = views.RoleForm{Name: h.T(c, "Copy of {name}", "name", r.Name), Description: r.Description}
		for _, x := range r.Rights {
			if h.Actor(c).Rights.Lacks(model.NewRights(x)) == "" {
				f.Rights = append(f.Rights, x)
			}
		}
	}
	return h.rolePage(c, http.StatusOK, views.RoleProps{Form: f})
}

func (h *Handlers) role(c echo.Context) (model.Role, error) {
	return h.Store.Role(c.Request().Context(), web.ID[model.RoleID](c))
}

func (h *Handlers) showRole(c echo.Context) error {
	r, err := h.role(c)
	if err != nil {
		return err
	}
	return h.rolePage(c, http.StatusOK, views.RoleProps{Role: r, Form: views.RoleForm{Name: r.Name, Description: r.Description, Rights: r.Rights, Version: r.Version}})
}

func (h *Handlers) rolePage(c echo.Context, status int, p views.RoleProps) error {
	holds := h.Actor(c).Rights
	p.Holds, p.CanEdit = holds, h.may(c, model.Users.Manage())
	p.Lacks = holds.Lacks(model.NewRights(p.Role.Rights...))
	name := "New role"
	if p.Role.ID != "" {
		var err error
		if p.Delete, err = h.roleDeletion(c, p.Role).question(); err != nil {
			return err
		}
		name = p.Role.Name
		for _, n := range p.Delete.Needs {
			if n.Kind != "Workflow" { // those ask the role, and do not have it
				p.People = append(p.People, n)
			}
		}
	}
	return h.Page(c, web.Bits{Status: status, Title: name, Section: "users", Crumbs: []ui.Crumb{rolesCrumb, {Label: name, Own: p.Role.ID != "" && !p.Role.Builtin}}}, views.Role(p))
}

// roleForm reads the form, in which each area is a choice of its own.
func roleForm(c echo.Context) (views.RoleForm, error) {
	f, err := web.Bind[views.RoleForm](c)
	if err != nil {
		return f, err
	}
	for _, a := range model.Areas() {
		if x := model.Right(typed(c, views.AreaField(a))); x == a.View() || x == a.Manage() {
			f.Rights = append(f.Rights, x)
		}
	}
	for _, x := range []model.Right{model.RunWorkflows, model.ViewAuditLog} {
		if slices.Contains(f.Others, string(x)) {
			f.Rights = append(f.Rights, x)
		}
	}
	return f, nil
}

func (h *Handlers) createRole(c echo.Context) error {
	f, err := roleForm(c)
	if err != nil {
		return err
	}
	r := model.Role{Name: f.Name, Description: f.Description, Rights: f.Rights}
	err = h.write(c, func(tx *db.Tx) error { return tx.CreateRole(&r) })
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.rolePage(c, status, views.RoleProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Role(r.ID), h.T(c, "{name} is created.", "name", r.Name))
}

func (h *Handlers) updateRole(c echo.Context) error {
	f, err := roleForm(c)
	if err != nil {
		return err
	}
	old, err := h.role(c)
	if err != nil {
		return err
	}
	r := old
	r.Name, r.Description, r.Rights, r.Version = f.Name, f.Description, f.Rights, f.Version
	err = h.write(c, func(tx *db.Tx) error { changed := r; return tx.UpdateRole(&changed) })
	clash := collision{noun: "role", id: string(old.ID), now: old.Version, diff: db.RoleDiff(old, r)}
	if p, status, ok := h.wrongOver(c, err, href.Role(old.ID), &f.Version, clash); ok {
		return h.rolePage(c, status, views.RoleProps{Role: old, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Role(r.ID), h.T(c, "{name} is saved. It holds from the next click of whoever has it.", "name", r.Name))
}

func (h *Handlers) roleDeletion(c echo.Context, r model.Role) deletion {
	return deletion{section: "users", above: []ui.Crumb{rolesCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteRole(r.ID) },
		needs: func(p *views.DeleteProps) error {
			have, err := h.Store.UsersWith(c.Request().Context(), r.Name)
			p.Needs = needsOf(have)
			return err
		},
		DeleteProps: views.DeleteProps{Noun: "role", Name: r.Name, Action: href.DeleteRole(r.ID), Cancel: href.Role(r.ID),
			Consequence: "Nobody has it. The audit log keeps which rights it held."}}
}
