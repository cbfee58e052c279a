package db

import (
	"context"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const invitationColumns = `i.id, i.email, i.roles, i.invited_by, i.invited_by_name, i.created_at, i.expires_at, (
  SELECT json_group_array(json(r.rights)) FROM roles r WHERE r.name IN (SELECT value FROM json_each(i.roles)))`

func scanInvitation(r row) (model.Invitation, error) {
	var i model.Invitation
	err := r.Scan(&i.ID, &i.Email, decode{&i.Roles}, &i.InvitedBy, &i.InvitedByName, at{&i.CreatedAt}, at{&i.ExpiresAt}, granted{&i.Granted})
	return i, err
}

const (
	invitationByID    = `SELECT ` + invitationColumns + ` FROM invitations i WHERE i.id = $1`
	invitationByToken = `SELECT ` + invitationColumns + ` FROM invitations i WHERE i.token_hash = $1`
	userAt            = `SELECT ` + userColumns + ` FROM users u WHERE u.email = $1`
	invitationsFrom   = `SELECT count(*) FROM invitations i WHERE i.invited_by = $1 AND i.expires_at > $2`
)

// Invitations lists those that wait, newest first, expired ones included.
func (s *Store) Invitations(ctx context.Context, p Page) ([]model.Invitation, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+invitationColumns+" FROM invitations i"), p, keyed{"i.id", "inv_"}, scanInvitation,
		func(i model.Invitation) string { return string(i.ID) })
}

// Invitation is one that waits.
func (s *Store) Invitation(ctx context.Context, id model.InvitationID) (model.Invitation, error) {
	return one(s.reader(ctx), "invitation", scanInvitation, invitationByID, id)
}

// InvitationByToken is the invitation whose link holds the token with this hash. One that cannot be accepted any more, for
// whatever reason, is NotFound: whoever has a link is not told which.
func (s *Store) InvitationByToken(ctx context.Context, hash []byte, now time.Time) (model.Invitation, error) {
	return openInvitation(s.reader(ctx), hash, now)
}

func openInvitation(q querier, hash []byte, now time.Time) (model.Invitation, error) {
	gone := fault.New(fault.NotFound, "This invitation no longer works. Ask whoever sent it for a new one.")
	i, err := one(q, "invitation", scanInvitation, invitationByToken, hash)
	if fault.Is(err, fault.NotFound) || err == nil && !i.Live(now) {
		return model.Invitation{}, gone
	}
	if err != nil || i.InvitedBy == "" {
		return i, err
	}
	by, err := one(q, "user", scanUser, userByID, i.InvitedBy)
	if fault.Is(err, fault.NotFound) || err == nil && by.Rights().Lacks(i.Rights()) != "" {
		return model.Invitation{}, gone
	}
	return i, err
}

const (
	insertInvitation = `
INSERT INTO invitations (id, token_hash, email, roles, invited_by, invited_by_name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	renewInvitation = `UPDATE invitations SET token_hash = $1, invited_by = $2, invited_by_name = $3, expires_at = $4 WHERE id = $5`
	dropInvitation  = `DELETE FROM invitations WHERE id = $1`
)

// CreateInvitation stores an invitation of i.Email with i.Roles, of whose token only the hash is kept, and fills in the
// rest. The actor must hold every right that it gives.
func (tx *Tx) CreateInvitation(i *model.Invitation, tokenHash []byte) error {
	u := model.User{Email: i.Email, Name: "invited", Roles: i.Roles}
	if err := tx.tidy(&u); err != nil {
		return err
	}
	if err := tx.mayGive(u.Rights()); err != nil {
		return err
	}
	switch _, err := one(tx, "user", scanUser, userAt, u.Email); {
	case err == nil:
		return fault.Coded(fault.Conflict, "duplicate_email", "There is already a user with the address %s.", u.Email)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	n := model.Invitation{ID: model.NewInvitationID(tx.now), Email: u.Email, Roles: u.Roles, Granted: u.Granted, InvitedBy: tx.actor.UserID, InvitedByName: tx.actor.Name,
		CreatedAt: tx.stamp(), ExpiresAt: tx.stamp().Add(model.InvitationLife)}
	err := tx.exec(insertInvitation, n.ID, tokenHash, n.Email, encode(n.Roles), n.InvitedBy, n.InvitedByName, ms(n.CreatedAt), ms(n.ExpiresAt))
	if taken(err) {
		return fault.Coded(fault.Conflict, "duplicate_email", "%s is invited already; make a new link for that invitation instead.", n.Email)
	}
	if err != nil {
		return err
	}
	fill(tx, i, n)
	return tx.audit("invitation", "created", string(n.ID), n.Email, changes("roles", "", strings.Join(n.Roles, ", "), "expires_at", "", stamped(n.ExpiresAt)))
}

// RenewInvitation gives an invitation another link and its whole time again; the link before ends. From now on it is the
// actor's, who must hold every right that it gives.
func (tx *Tx) RenewInvitation(id model.InvitationID, tokenHash []byte) error {
	i, err := one(tx, "invitation", scanInvitation, invitationByID, id)
	if err != nil {
		return err
	}
	if err := tx.mayGive(i.Rights()); err != nil {
		return err
	}
	until := tx.stamp().Add(model.InvitationLife)
	if err := tx.exec(renewInvitation, tokenHash, tx.actor.UserID, tx.actor.Name, ms(until), id); err != nil {
		return err
	}
	return tx.audit("invitation", "renewed", string(id), i.Email, changes("expires_at", stamped(i.ExpiresAt), stamped(until)))
}

// RevokeInvitation ends an invitation.
func (tx *Tx) RevokeInvitation(id model.InvitationID) error {
	i, err := one(tx, "invitation", scanInvitation, invitationByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(dropInvitation, id); err != nil {
		return err
	}
	return tx.audit("invitation", "revoked", string(id), i.Email, changes("roles", strings.Join(i.Roles, ", "), ""))
}

// AcceptInvitation makes the account of whoever has the link, with the name and the hash of the password that he chose.
// The actor is nobody in particular: what the account may do was granted by whoever invited.
func (tx *Tx) AcceptInvitation(tokenHash []byte, name, passwordHash string) (model.User, error) {
	i, err := openInvitation(tx, tokenHash, tx.now)
	if err != nil {
		return model.User{}, err
	}
	u := model.User{Email: i.Email, Name: name, Roles: i.Roles}
	if err := tx.CreateUser(&u, passwordHash); err != nil {
		return model.User{}, err
	}
	if err := tx.exec(dropInvitation, i.ID); err != nil {
		return model.User{}, err
	}
	return u, tx.audit("invitation", "accepted", string(i.ID), i.Email, changes("invited_by", "", i.InvitedByName))
}

// liveSessions and liveKeys count what an account has that works at a time.
const (
	liveSessions = `SELECT count(*) FROM sessions s WHERE s.user_id = $1 AND s.expires_at > $2 AND s.seen_at > $3`
	liveKeys     = `SELECT count(*) FROM api_keys k WHERE k.user_id = $1 AND k.revoked_at = 0 AND (k.expires_at = 0 OR k.expires_at > $2)`
)

// tasksOfUser counts the open tasks that a person is asked for by name, and asksUser the workflows whose published steps ask him.
const (
	tasksOfUser = `SELECT count(*) FROM task_assignees a JOIN tasks t ON t.id = a.task_id WHERE a.assignee = 'user:' || $1 AND t.status = 'open'`
	asksUser    = `
SELECT count(*) FROM workflows w CROSS JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = w.published
WHERE EXISTS (SELECT 1 FROM json_each(v.definition, '$.steps') s, json_each(s.value, '$.assignees') who JOIN users u ON lower(u.email) = lower(who.value) WHERE u.id = $1)`
)

// Stops is what stops working when the account is disabled: a line for each kind of thing that acts as its user. Whoever
// adds such a thing adds its line here.
func (s *Store) Stops(ctx context.Context, id model.UserID, now time.Time) ([]model.Stop, error) {
	idle := ms(now.Add(-model.SessionIdle))
	var out []model.Stop
	type stop struct {
		label, what string
		count       string
		args        []any
	}
	for _, x := range []stop{
		{"session", "Signed out at once.", liveSessions, []any{id, ms(now), idle}},
		{"API key", "Programs that use it are refused at once.", liveKeys, []any{id, ms(now)}},
		{"open task", "Waits until somebody else who is asked, or who manages workflows, does it.", tasksOfUser, []any{id}},
		{"workflow", "Asks this person in a step; name somebody else there.", asksUser, []any{id}},
		{"invitation", "Its link no longer works.", invitationsFrom, []any{id, ms(now)}},
	} {
		n, err := one(s.reader(ctx), x.label, number, x.count, x.args...)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, model.Stop{Label: x.label, Count: int(n), What: x.what})
		}
	}
	endpoints, err := s.InboundOfUser(ctx, id)
	if err != nil || len(endpoints) == 0 {
		return out, err
	}
	var names []string
	for _, e := range endpoints[:min(len(endpoints), 5)] {
		names = append(names, "“"+e.Name+"”")
	}
	if more := len(endpoints) - len(names); more > 0 {
		names = append(names, "and "+strconv.Itoa(more)+" more")
	}
	return append(out, model.Stop{Label: "inbound URL", Count: len(endpoints), What: "Refuses every call: " + strings.Join(names, ", ") + "."}), nil
}
