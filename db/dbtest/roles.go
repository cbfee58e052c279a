package dbtest

import (
	"testing"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func roles(t *testing.T, s *db.Store) {
	as := func(a model.Actor, fn func(tx *db.Tx) error) error { return s.Write(ctx, a, fn) }
	create := func(a model.Actor, r *model.Role) error {
		return as(a, func(tx *db.Tx) error { return tx.CreateRole(r) })
	}
	update := func(a model.Actor, r model.Role) error {
		return as(a, func(tx *db.Tx) error { return tx.UpdateRole(&r) })
	}
	clerk := model.Actor{Kind: model.ActorUser, UserID: "usr_m", Name: "Mo", Rights: model.NewRights(model.Users.Manage(), model.Events.View())}

	night := model.Role{Name: " Night  shift ", Rights: []model.Right{model.Deliveries.Manage(), model.Events.View(), model.Events.View()}}
	ok(t, "create", create(Admin(), &night))
	equal(t, "name", "Night shift", night.Name)
	equal(t, "rights", 2, len(night.Rights))
	wantFault(t, "a name twice", create(Admin(), &model.Role{Name: "night SHIFT"}), fault.Conflict, "duplicate_name")
	wantFault(t, "a built-in name", create(Admin(), &model.Role{Name: "viewer"}), fault.Invalid, "")
	wantFault(t, "no such right", create(Admin(), &model.Role{Name: "x", Rights: []model.Right{"Manage Moon"}}), fault.Invalid, "")
	err := create(clerk, &model.Role{Name: "mine", Rights: []model.Right{model.Settings.View()}})
	wantFault(t, "a right that one lacks", err, fault.Forbidden, "")
	equal(t, "named right", string(model.Settings.View()), fault.Of(err).Right)
	own := model.Role{Name: "mine", Rights: []model.Right{model.Events.View()}}
	ok(t, "what one holds", create(clerk, &own))
	own.Rights = append(own.Rights, model.Settings.View())
	wantFault(t, "raising a role", update(clerk, own), fault.Forbidden, "")
	less := night
	less.Rights = nil
	wantFault(t, "taking away what one lacks", update(clerk, less), fault.Forbidden, "")
	admin, err := s.Role(ctx, "rol_administrator")
	ok(t, "built in", err)
	wantFault(t, "changing a built-in role", update(Admin(), admin), fault.Conflict, "builtin")
	wantFault(t, "deleting one", as(Admin(), func(tx *db.Tx) error { return tx.DeleteRole(admin.ID) }), fault.Conflict, "builtin")

	u := user("ni@example.com", "night shift", model.Viewer)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(u, "hash") })
	may := func(right model.Right) bool {
		t.Helper()
		got, err := s.User(ctx, u.ID)
		ok(t, "user", err)
		return got.Rights().Has(right)
	}
	equal(t, "given by the own role", true, u.Rights().Has(model.Deliveries.Manage()) && may(model.Deliveries.Manage()))
	equal(t, "implied", true, may(model.Deliveries.View()))
	equal(t, "by the built-in one", true, may(model.Inbound.View()))
	equal(t, "by neither", false, may(model.Settings.View()))
	err = as(clerk, func(tx *db.Tx) error { return tx.CreateUser(user("x@example.com", "Night shift"), "") })
	wantFault(t, "handing out an own role with more rights", err, fault.Forbidden, "")

	Write(t, s, func(tx *db.Tx) error {
		return tx.CreateSession(&model.Session{UserID: u.ID}, db.HashKey("night"))
	})
	night.Name, night.Rights = "Night watch", []model.Right{model.Deliveries.View(), model.Settings.View()}
	ok(t, "update", update(Admin(), night))
	_, seen, err := s.SessionByToken(ctx, db.HashKey("night"), night.CreatedAt)
	ok(t, "session", err)
	equal(t, "the new name", "Night watch", seen.Roles[0])
	equal(t, "a right more", true, seen.Rights().Has(model.Settings.View()))
	equal(t, "a right less", false, seen.Rights().Has(model.Deliveries.Manage()))
	equal(t, "the user's version", u.Version+1, seen.Version)
	wantFault(t, "an old version", update(Admin(), night), fault.Stale, "")
	wantFault(t, "deleting what is in use", as(Admin(), func(tx *db.Tx) error { return tx.DeleteRole(night.ID) }), fault.Conflict, "in_use")
	seen.Roles = []string{model.Viewer}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateUser(&seen) })
	equal(t, "after it was taken", false, may(model.Settings.View()))
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteRole(night.ID) })
	_, err = s.Role(ctx, night.ID)
	wantFault(t, "deleted", err, fault.NotFound, "")
	list, next, err := s.Roles(ctx, db.Page{Limit: 2})
	ok(t, "list", err)
	equal(t, "first", "mine", list[0].Name)
	rest, end, err := s.Roles(ctx, db.Page{Cursor: next})
	ok(t, "rest", err)
	equal(t, "all of them", 5, len(list)+len(rest))
	equal(t, "the end", "", end)
}
