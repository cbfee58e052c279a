package handlers

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// userRoutes are all pages about people, those of roles and invitations included.
func (h *Handlers) userRoutes() []web.Route {
	view, manage := model.Users.View(), model.Users.Manage()
	return slices.Concat(h.invitationRoutes(), h.roleRoutes(), []web.Route{
		web.Get(view, href.Users(), h.listUsers),
		web.Get(manage, href.NewUser(), h.newUser),
		web.Post(manage, href.Users(), h.createUser),
		web.Get(view, href.User(href.Pattern), h.showUser),
		web.Post(manage, href.User(href.Pattern), h.updateUser),
		web.Get(manage, href.DisableUser(href.Pattern), h.askDisableUser),
		web.Post(manage, href.DisableUser(href.Pattern), h.disableUser),
		web.Post(manage, href.EnableUser(href.Pattern), h.enableUser),
		web.Post(manage, href.ResetUser(href.Pattern), h.resetUser),
	})
}

var usersCrumb = crumb("Users", href.Users())

func (h *Handlers) listUsers(c echo.Context) error {
	q := c.QueryParam("q")
	users, next, err := h.Store.Users(c.Request().Context(), q, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.UsersProps{Users: users, Query: q, CanEdit: h.may(c, model.Users.Manage()), Now: h.Now()}
	props.Next, props.First = pages(c, next)
	if q == "" && props.First == "" {
		if props.Invitations, _, err = h.Store.Invitations(c.Request().Context(), db.Page{Limit: db.MaxPage}); err != nil {
			return err
		}
	}
	return h.Page(c, web.Bits{Title: "Users", Section: "users"}, views.Users(props))
}

func (h *Handlers) newUser(c echo.Context) error {
	return h.userPage(c, http.StatusOK, views.UserProps{})
}

func (h *Handlers) showUser(c echo.Context) error {
	u, err := h.Store.User(c.Request().Context(), web.ID[model.UserID](c))
	if err != nil {
		return err
	}
	return h.userPage(c, http.StatusOK, views.UserProps{User: u, Form: views.UserForm{Email: u.Email, Name: u.Name, Roles: u.Roles, Version: u.Version}})
}

func (h *Handlers) userPage(c echo.Context, status int, p views.UserProps) error {
	me, _ := h.User(c)
	p.CanEdit, p.Self, p.Now = h.may(c, model.Users.Manage()), p.User.ID == me.ID, h.Now()
	var err error
	if p.Roles, err = h.roleChoices(c); err != nil {
		return err
	}
	if p.User.ID != "" && !p.User.Disabled && p.CanEdit {
		if p.Stops, err = h.Store.Stops(c.Request().Context(), p.User.ID, p.Now); err != nil {
			return err
		}
	}
	p.Lacks = string(h.Actor(c).Rights.Lacks(everything(p.User)))
	name := "New user"
	if p.User.ID != "" {
		name = p.User.Name
		if h.may(c, model.ViewAuditLog) {
			done, _, err := h.Store.AuditLog(c.Request().Context(), db.AuditFilter{ActorID: string(p.User.ID)}, db.Page{Limit: 10})
			if err != nil {
				return err
			}
			p.Done = done
		}
	}
	return h.Page(c, web.Bits{Status: status, Title: name, Section: "users", Crumbs: []ui.Crumb{usersCrumb, {Label: name, Own: p.User.ID != ""}}}, views.User(p))
}

func (h *Handlers) createUser(c echo.Context) error {
	f, err := web.Bind[views.UserForm](c)
	if err != nil {
		return err
	}
	u, hash := model.User{Email: f.Email, Name: f.Name, Roles: f.Roles}, ""
	if f.Password != "" {
		hash, err = h.newHash(c.Request().Context(), f.Password, f.Email, f.Name)
	}
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateUser(&u, hash) })
	}
	if fields, ok := h.Fields(c, err); ok {
		return h.userPage(c, http.StatusUnprocessableEntity, views.UserProps{Form: f, Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.User(u.ID), h.T(c, "{name} is created.", "name", u.Name))
}

func (h *Handlers) updateUser(c echo.Context) error {
	f, err := web.Bind[views.UserForm](c)
	if err != nil {
		return err
	}
	old, err := h.Store.User(c.Request().Context(), web.ID[model.UserID](c))
	if err != nil {
		return err
	}
	u := old
	u.Email, u.Name, u.Roles, u.Version = f.Email, f.Name, f.Roles, f.Version
	err = h.write(c, func(tx *db.Tx) error { changed := u; return tx.UpdateUser(&changed) })
	clash := collision{noun: "user", id: string(old.ID), now: old.Version, diff: db.UserDiff(old, u)}
	if p, status, ok := h.wrongOver(c, err, href.User(old.ID), &f.Version, clash); ok && p.Theirs != "" {
		return h.userPage(c, status, views.UserProps{User: old, Form: f, Clash: p})
	}
	if fields, ok := h.Fields(c, err); ok {
		return h.userPage(c, http.StatusUnprocessableEntity, views.UserProps{User: old, Form: f, Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.User(u.ID), h.T(c, "{name} is saved.", "name", u.Name))
}

func (h *Handlers) askDisableUser(c echo.Context) error {
	u, err := h.Store.User(c.Request().Context(), web.ID[model.UserID](c))
	if err != nil {
		return err
	}
	stops, err := h.Store.Stops(c.Request().Context(), u.ID, h.Now())
	if err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: h.T(c, "Disable {name}", "name", u.Name), Section: "users", Crumbs: underNamed(usersCrumb, u.Name)}, views.DisableUser(u, stops))
}

// everything is what somebody holds, or would hold if he were not disabled.
func everything(u model.User) model.Rights {
	u.Disabled = false
	return u.Rights()
}

func (h *Handlers) disableUser(c echo.Context) error {
	return h.switchUser(c, true, texts.ID("{name} is disabled. All sessions are ended, and API keys are refused."))
}

func (h *Handlers) enableUser(c echo.Context) error {
	return h.switchUser(c, false, texts.ID("{name} is enabled."))
}

func (h *Handlers) switchUser(c echo.Context, off bool, word string) error {
	ctx := c.Request().Context()
	u, err := h.Store.User(ctx, web.ID[model.UserID](c))
	if err != nil {
		return err
	}
	if off && u.ID == h.Actor(c).UserID {
		return fault.New(fault.Conflict, "You cannot disable your own account; another administrator can.")
	}
	u.Disabled = off
	if err := h.write(c, func(tx *db.Tx) error { changed := u; return tx.UpdateUser(&changed) }); err != nil {
		return err
	}
	return h.Done(c, href.User(u.ID), h.T(c, word, "name", u.Name))
}

func (h *Handlers) resetUser(c echo.Context) error {
	f, err := web.Bind[views.PasswordForm](c)
	if err != nil {
		return err
	}
	u, err := h.Store.User(c.Request().Context(), web.ID[model.UserID](c))
	if err != nil {
		return err
	}
	err = h.setPassword(c, u, f.Next, "")
	if err == nil && f.DropFactor {
		err = h.write(c, func(tx *db.Tx) error { return tx.DropSecondFactor(u.ID) })
	}
	if fields, ok := h.Fields(c, err); ok {
		form := views.UserForm{Email: u.Email, Name: u.Name, Roles: u.Roles, Version: u.Version}
		return h.userPage(c, http.StatusUnprocessableEntity, views.UserProps{User: u, Form: form, Errors: map[string]string{"reset": fields["password"]}})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.User(u.ID), h.T(c, "The password of {name} is set. All sessions are ended.", "name", u.Name))
}
