package dbtest

import (
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func invitations(t *testing.T, s *db.Store) {
	boss := user("boss@example.com", model.Operator)
	root := user("root@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(root, "hash") })
	lead := &model.Role{Name: "Lead", Rights: []model.Right{model.Users.Manage()}}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateRole(lead) })
	boss.Roles = append(boss.Roles, "Lead")
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(boss, "hash") })
	invite := func(token string, i *model.Invitation) error {
		return s.Write(ctx, actorOf(*boss), func(tx *db.Tx) error { return tx.CreateInvitation(i, db.HashKey(token)) })
	}
	open := func(token string, now time.Time) error {
		_, err := s.InvitationByToken(ctx, db.HashKey(token), now)
		return err
	}
	accept := func(token, name string) (u model.User, err error) {
		err = s.Write(ctx, model.System("invitation"), func(tx *db.Tx) (err error) {
			u, err = tx.AcceptInvitation(db.HashKey(token), name, "hash-i")
			return err
		})
		return u, err
	}
	now := time.Now()
	wantFault(t, "more than one holds", invite("x", &model.Invitation{Email: "a@example.com", Roles: []string{model.Integrator}}), fault.Forbidden, "")
	wantFault(t, "no address", invite("x", &model.Invitation{Email: "nobody"}), fault.Invalid, "")
	wantFault(t, "no such role", invite("x", &model.Invitation{Email: "a@example.com", Roles: []string{"King"}}), fault.Invalid, "")
	wantFault(t, "somebody who is here", invite("x", &model.Invitation{Email: "ROOT@example.com"}), fault.Conflict, "duplicate_email")
	i := model.Invitation{Email: " New@Example.com", Roles: []string{model.Viewer, "Lead"}}
	ok(t, "invite", invite("one", &i))
	equal(t, "address", "new@example.com", i.Email)
	wantFault(t, "twice", invite("x", &model.Invitation{Email: "new@example.com"}), fault.Conflict, "duplicate_email")
	ok(t, "open", open("one", now))
	wantFault(t, "another token", open("two", now), fault.NotFound, "")
	wantFault(t, "too late", open("one", now.Add(model.InvitationLife+time.Minute)), fault.NotFound, "")
	ok(t, "renew", s.Write(ctx, actorOf(*boss), func(tx *db.Tx) error { return tx.RenewInvitation(i.ID, db.HashKey("two")) }))
	wantFault(t, "the link before", open("one", now), fault.NotFound, "")

	lead.Name = "Head"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateRole(lead) })
	got, err := s.Invitation(ctx, i.ID)
	ok(t, "read", err)
	equal(t, "a role's new name", "Head", got.Roles[0])
	stops, err := s.Stops(ctx, boss.ID, now)
	ok(t, "stops", err)
	equal(t, "what stops with the inviter", "invitation", stops[0].Label)
	boss.Disabled, boss.Roles, boss.Version = true, []string{model.Operator, "Head"}, 0
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateUser(boss) })
	wantFault(t, "from somebody who is disabled", open("two", now), fault.NotFound, "")
	boss.Disabled, boss.Roles = false, []string{model.Operator}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateUser(boss) })
	wantFault(t, "from somebody who holds less now", open("two", now), fault.NotFound, "")
	_, err = accept("two", "New")
	wantFault(t, "accepting that", err, fault.NotFound, "")
	boss.Roles = []string{model.Administrator}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateUser(boss) })

	_, err = accept("two", "")
	wantFault(t, "without a name", err, fault.Invalid, "")
	u, err := accept("two", "New Person")
	ok(t, "accept", err)
	_, hash, err := s.UserByEmail(ctx, "new@example.com")
	ok(t, "user", err)
	equal(t, "password", "hash-i", hash)
	equal(t, "rights", true, u.Rights().Has(model.Users.Manage()) && u.Rights().Has(model.Inbound.View()) && !u.Rights().Has(model.Settings.View()))
	_, err = accept("two", "Again")
	wantFault(t, "twice", err, fault.NotFound, "")
	left, _, err := s.Invitations(ctx, db.Page{})
	ok(t, "list", err)
	equal(t, "left", 0, len(left))
}
