package api

import (
	"net/http"
	"strings"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views/href"
)

// Invitation is one that waits, as it is answered.
type Invitation struct {
	ID        string   `json:"id"`
	CreatedAt *string  `json:"created_at" format:"date-time"`
	Email     string   `json:"email"`
	Roles     []string `json:"roles"`
	InvitedBy string   `json:"invited_by" doc:"The name of the user whose rights bound it"`
	ExpiresAt *string  `json:"expires_at" format:"date-time"`
}

func showInvitation(i model.Invitation) Invitation {
	return Invitation{string(i.ID), stamp(i.CreatedAt), i.Email, full(i.Roles), i.InvitedByName, stamp(i.ExpiresAt)}
}

type newInvitation struct {
	Invitation
	URL string `json:"url" doc:"The link to pass on; told this once, works once"`
}

type invitationInput struct {
	Email string   `json:"email" needed:"true"`
	Roles []string `json:"roles" doc:"Names of roles; nobody hands out a right that he does not hold"`
}

func (a *API) invitations() {
	view, manage := model.Users.View(), model.Users.Manage()
	add(a, route{http.MethodGet, "/invitations", "list-invitations", "List invitations that wait", "Users", "", view, 0}, a.listInvitations)
	add(a, route{http.MethodPost, "/invitations", "create-invitation", "Invite somebody", "Users",
		"The answer holds a link with which they choose their own name and password. It lives for 7 days, and goes to them by mail when a mail server is set.", manage, 0}, a.createInvitation)
	add(a, route{http.MethodDelete, "/invitations/{id}", "revoke-invitation", "Revoke an invitation", "Users", "", manage, 0}, a.revokeInvitation)
}

func (a *API) listInvitations(c call, in *Paging) (*body[list[Invitation]], error) {
	items, next, err := a.store.Invitations(c, in.page())
	return listed(items, next, err, showInvitation)
}

func (a *API) createInvitation(c call, in *struct{ Body invitationInput }) (*made[newInvitation], error) {
	i, token := model.Invitation{Email: in.Body.Email, Roles: in.Body.Roles}, db.NewToken()
	url := strings.TrimSuffix(a.web.BaseURL.String(), "/") + href.InvitationLink(token)
	err := a.write(c, func(tx *db.Tx) error {
		if err := tx.CreateInvitation(&i, db.HashKey(token)); err != nil {
			return err
		}
		_, err := a.jobs.MailInvitation(tx, i, url, web.Letters(c))
		return err
	})
	return created(newInvitation{showInvitation(i), url}, "/invitations/"+string(i.ID), err)
}

func (a *API) revokeInvitation(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.RevokeInvitation(model.InvitationID(in.ID)) })
}
