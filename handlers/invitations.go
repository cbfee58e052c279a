package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) invitationRoutes() []web.Route {
	manage := model.Users.Manage()
	return []web.Route{
		web.Get(manage, href.Invite(), h.newInvitation),
		web.Post(manage, href.Invite(), h.invite),
		web.Post(manage, href.RenewInvitation(href.Pattern), h.renewInvitation),
		web.Get(manage, href.RevokeInvitation(href.Pattern), h.askRevokeInvitation),
		web.Post(manage, href.RevokeInvitation(href.Pattern), h.revokeInvitation),
		web.Get(web.Public, href.Invitation(), h.showInvitation),
		web.Post(web.Public, href.Invitation(), h.acceptInvitation),
	}
}

func (h *Handlers) newInvitation(c echo.Context) error {
	return h.invitePage(c, http.StatusOK, views.InviteProps{})
}

func (h *Handlers) invitePage(c echo.Context, status int, p views.InviteProps) error {
	var err error
	if p.Roles, err = h.roleChoices(c); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Invite", Section: "users", Crumbs: under(usersCrumb, "Invite")}, views.Invite(p))
}

// roleChoices are all roles, each with what keeps whoever asks from giving it.
func (h *Handlers) roleChoices(c echo.Context) ([]views.RoleChoice, error) {
	roles, err := h.Store.EveryRole(c.Request().Context())
	var out []views.RoleChoice
	for _, r := range roles {
		out = append(out, views.RoleChoice{Role: r, Lacks: string(h.Actor(c).Rights.Lacks(model.NewRights(r.Rights...)))})
	}
	return out, err
}

// invite answers with the link, this once, and therefore with a page and not with a redirect.
func (h *Handlers) invite(c echo.Context) error {
	f, err := web.Bind[views.InviteForm](c)
	if err != nil {
		return err
	}
	token := db.NewToken()
	i := model.Invitation{Email: f.Email, Roles: f.Roles}
	mailed := false
	err = h.write(c, func(tx *db.Tx) (err error) {
		if err = tx.CreateInvitation(&i, db.HashKey(token)); err == nil {
			mailed, err = h.o.Jobs.MailInvitation(tx, i, h.invitationLink(token), web.Letters(h.Reader(c)))
		}
		return err
	})
	if taken := h.Said(c, err); taken != nil && taken.Code == "duplicate_email" {
		return h.invitePage(c, http.StatusUnprocessableEntity, views.InviteProps{Form: f, Problems: views.Problems{Fields: map[string]string{"email": taken.Message}}})
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.invitePage(c, status, views.InviteProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.invitedPage(c, i, token, mailed)
}

func (h *Handlers) invitationLink(token string) string {
	return strings.TrimSuffix(h.BaseURL.String(), "/") + href.InvitationLink(token)
}

func (h *Handlers) renewInvitation(c echo.Context) error {
	ctx, id, token := c.Request().Context(), web.ID[model.InvitationID](c), db.NewToken()
	i, err := h.Store.Invitation(ctx, id)
	if err != nil {
		return err
	}
	i.ExpiresAt, i.InvitedByName = h.Now().Add(model.InvitationLife), h.Actor(c).Name
	mailed := false
	if err := h.write(c, func(tx *db.Tx) (err error) {
		if err = tx.RenewInvitation(id, db.HashKey(token)); err == nil {
			mailed, err = h.o.Jobs.MailInvitation(tx, i, h.invitationLink(token), web.Letters(h.Reader(c)))
		}
		return err
	}); err != nil {
		return err
	}
	return h.invitedPage(c, i, token, mailed)
}

func (h *Handlers) invitedPage(c echo.Context, i model.Invitation, token string, mailed bool) error {
	bits := web.Bits{Status: http.StatusCreated, Title: "Invitation", Section: "users", Crumbs: underNamed(usersCrumb, i.Email)}
	return h.Page(c, bits, views.Invited(i, h.invitationLink(token), mailed, h.Now()))
}

func (h *Handlers) askRevokeInvitation(c echo.Context) error {
	i, err := h.Store.Invitation(c.Request().Context(), web.ID[model.InvitationID](c))
	if err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "Revoke", Section: "users", Crumbs: underNamed(usersCrumb, i.Email)}, views.RevokeInvitation(i))
}

func (h *Handlers) revokeInvitation(c echo.Context) error {
	err := h.write(c, func(tx *db.Tx) error { return tx.RevokeInvitation(web.ID[model.InvitationID](c)) })
	if err != nil {
		return err
	}
	return h.Done(c, href.Users(), "The invitation is revoked; its link no longer works.")
}

func (h *Handlers) showInvitation(c echo.Context) error {
	token := c.QueryParam("token")
	i, err := h.Store.InvitationByToken(c.Request().Context(), db.HashKey(token), h.Now())
	if err != nil {
		return h.noInvitation(c, err)
	}
	if u, in := h.User(c); in {
		return h.Page(c, web.Bits{Status: http.StatusConflict, Title: "Invitation"}, views.InvitationWhileIn(i, u.Email))
	}
	return h.acceptPage(c, http.StatusOK, i, views.AcceptForm{Token: token})
}

// noInvitation says on a page of its own that a link does not work.
func (h *Handlers) noInvitation(c echo.Context, err error) error {
	f := h.Said(c, err)
	if f == nil || f.Kind != fault.NotFound {
		return err
	}
	return h.Page(c, web.Bits{Status: http.StatusNotFound, Title: "Invitation"}, views.InvitationClosed(f.Message))
}

func (h *Handlers) acceptPage(c echo.Context, status int, i model.Invitation, f views.AcceptForm) error {
	return h.Page(c, web.Bits{Status: status, Title: "Welcome"}, views.Accept(i, f))
}

// acceptInvitation makes the account, which is then signed in.
func (h *Handlers) acceptInvitation(c echo.Context) error {
	f, err := web.Bind[views.AcceptForm](c)
	if err != nil {
		return err
	}
	ctx, token := c.Request().Context(), db.HashKey(f.Token)
	i, err := h.Store.InvitationByToken(ctx, token, h.Now())
	if err != nil {
		return h.noInvitation(c, err)
	}
	var u model.User
	hash, err := h.newHash(ctx, f.Password, i.Email, f.Name)
	if err == nil {
		actor := model.System("invitation")
		actor.Address, actor.RequestID = web.Address(c), web.RequestID(c)
		err = h.Store.Write(ctx, actor, func(tx *db.Tx) (err error) {
			u, err = tx.AcceptInvitation(token, f.Name, hash)
			return err
		})
	}
	if fields, ok := h.Fields(c, err); ok {
		f.Errors = fields
		return h.acceptPage(c, http.StatusUnprocessableEntity, i, f)
	}
	if err != nil {
		return h.noInvitation(c, err)
	}
	if err := h.SignIn(c, u); err != nil {
		return err
	}
	return h.Done(c, href.Home(), h.T(c, "Welcome, {name}. Your account is ready.", "name", u.Name))
}
