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
)

func (h *Handlers) roleRoutes() []web.Route {
	view, manage := model.Users.View(), model.Users.Manage()
	return []web.Route{
		web.Get(view, href.Roles(), h.listRoles),
		web.Get(manage, href.NewRole(), h.newRole),
		web.Post(manage, href.Roles(), h.createRole),
		web.Get(view, href.Role(href.Pattern), h.showRole),
		web.Post(manage, href.Role(href.Pattern), h.updateRole),
		web.Get(manage, href.DeleteRole(href.Pattern), h.askDeleteRole),
		web.Post(manage, href.DeleteRole(href.Pattern), h.deleteRole),
	}
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

func (h *Handlers) showRole(c echo.Context) error {
	r, err := h.Store.Role(c.Request().Context(), web.ID[model.RoleID](c))
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
		name = p.Role.Name
		have, err := h.Store.UsersWith(c.Request().Context(), p.Role.Name)
		if err != nil {
			return err
		}
		p.People = needsOf(have)
	}
	return h.Page(c, web.Bits{Status: status, Title: name, Section: "users", Crumbs: under(rolesCrumb, name)}, views.Role(p))
}

// needsOf are users of something as links.
func needsOf(list []db.Use) []views.Need {
	out := make([]views.Need, 0, len(list))
	for _, u := range list {
		n := views.Need{Kind: "User", Name: u.Name, URL: href.User(u.ID)}
		if u.Kind == "invitation" {
			n = views.Need{Kind: "Invitation", Name: u.Name, URL: href.Users()}
		}
		out = append(out, n)
	}
	return out
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
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { made := r; return tx.CreateRole(&made) })
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.rolePage(c, status, views.RoleProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Roles(), h.T(c, "The role “{name}” was made.", "name", r.Name))
}

func (h *Handlers) updateRole(c echo.Context) error {
	f, err := roleForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	old, err := h.Store.Role(ctx, web.ID[model.RoleID](c))
	if err != nil {
		return err
	}
	r := old
	r.Name, r.Description, r.Rights, r.Version = f.Name, f.Description, f.Rights, f.Version
	err = h.Store.Write(ctx, h.Actor(c), func(tx *db.Tx) error { changed := r; return tx.UpdateRole(&changed) })
	if p, status, ok := h.wrong(c, err, href.Role(old.ID)); ok {
		if p.Theirs != "" {
			clash := collision{noun: "role", id: string(old.ID), saw: f.Version, now: old.Version, diff: db.RoleDiff(old, r)}
			if err := h.conflict(c, &p, clash); err != nil {
				return err
			}
			f.Version = old.Version
		}
		return h.rolePage(c, status, views.RoleProps{Role: old, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Role(r.ID), h.T(c, "{name} is saved. It holds from the next click of whoever has it.", "name", r.Name))
}

func (h *Handlers) askDeleteRole(c echo.Context) error { return h.deleteRolePage(c, http.StatusOK, "") }

func (h *Handlers) deleteRolePage(c echo.Context, status int, conflict string) error {
	ctx := c.Request().Context()
	r, err := h.Store.Role(ctx, web.ID[model.RoleID](c))
	if err != nil {
		return err
	}
	have, err := h.Store.UsersWith(ctx, r.Name)
	if err != nil {
		return err
	}
	bits := web.Bits{Status: status, Title: h.T(c, "Delete {name}", "name", r.Name), Section: "users", Crumbs: under(rolesCrumb, r.Name)}
	return h.Page(c, bits, views.Delete(views.RoleDeletion(h.Reader(c), r, needsOf(have), conflict)))
}

func (h *Handlers) deleteRole(c echo.Context) error {
	r, err := h.Store.Role(c.Request().Context(), web.ID[model.RoleID](c))
	if err != nil {
		return err
	}
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.DeleteRole(r.ID) })
	if words, yes := h.inTheWay(c, err); yes {
		return h.deleteRolePage(c, http.StatusConflict, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Roles(), h.T(c, "{name} is deleted.", "name", r.Name))
}
