package dbtest

import (
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func secondFactors(t *testing.T, s *db.Store) {
	u := user("ada@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(u, "hash") })
	try := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	state := func() model.SecondFactor {
		t.Helper()
		f, err := s.SecondFactor(ctx, u.ID)
		ok(t, "state", err)
		return f
	}
	equal(t, "at first", model.SecondFactor{}, state())
	begin := func(secret model.Secret) error {
		return try(func(tx *db.Tx) error { return tx.BeginSecondFactor(u.ID, secret) })
	}
	ok(t, "begin", begin("one"))
	ok(t, "begin again", begin("two"))
	got, err := s.OpenSecondFactor(ctx, u.ID)
	ok(t, "open", err)
	equal(t, "secret", "two", got.Reveal())
	stored, err := s.User(ctx, u.ID)
	ok(t, "user", err)
	equal(t, "asked for before it is confirmed", false, stored.SecondFactor)

	shown, hashes := db.NewCodes(u.ID)
	equal(t, "codes", model.RecoveryCodes, len(shown))
	confirm := func() error {
		return try(func(tx *db.Tx) error { return tx.ConfirmSecondFactor(u.ID, 100, hashes) })
	}
	ok(t, "confirm", confirm())
	wantFault(t, "confirm again", confirm(), fault.Conflict, "active")
	wantFault(t, "begin while there is one", begin("three"), fault.Conflict, "active")
	stored, err = s.User(ctx, u.ID)
	ok(t, "user", err)
	equal(t, "asked for", true, stored.SecondFactor)
	equal(t, "the user's version grew", u.Version+1, stored.Version)

	step := func(n int64) error { return try(func(tx *db.Tx) error { return tx.UseStep(u.ID, n) }) }
	wantFault(t, "the code that confirmed", step(100), fault.SignedOut, "")
	ok(t, "a later one", step(102))
	wantFault(t, "one before", step(101), fault.SignedOut, "")

	code := func(text string) error {
		return try(func(tx *db.Tx) error { return tx.UseRecoveryCode(u.ID, db.HashCode(u.ID, text)) })
	}
	ok(t, "a recovery code", code(" "+strings.ToUpper(shown[0])))
	wantFault(t, "twice", code(shown[0]), fault.SignedOut, "")
	wantFault(t, "made up", code("0000-0000-0000"), fault.SignedOut, "")
	equal(t, "left", model.RecoveryCodes-1, state().Codes)
	_, others := db.NewCodes(u.ID)
	ok(t, "renew", try(func(tx *db.Tx) error { return tx.RenewRecoveryCodes(u.ID, others) }))
	wantFault(t, "one of those before", code(shown[1]), fault.SignedOut, "")

	clerk := model.Actor{Kind: model.ActorUser, UserID: "usr_m", Name: "Mo", Rights: model.NewRights(model.Users.Manage())}
	err = s.Write(ctx, clerk, func(tx *db.Tx) error { return tx.DropSecondFactor(u.ID) })
	wantFault(t, "removing that of one with more rights", err, fault.Forbidden, "")
	ok(t, "remove", try(func(tx *db.Tx) error { return tx.DropSecondFactor(u.ID) }))
	equal(t, "at last", model.SecondFactor{}, state())
	_, err = s.OpenSecondFactor(ctx, u.ID)
	wantFault(t, "the secret is gone", err, fault.NotFound, "")

	other := user("bo@example.com")
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(other, "hash") })
	ok(t, "begin", try(func(tx *db.Tx) error { return tx.BeginSecondFactor(other.ID, "three") }))
	ok(t, "delete", try(func(tx *db.Tx) error { return tx.DeleteUser(other.ID) }))
	_, err = s.OpenSecondFactor(ctx, other.ID)
	wantFault(t, "goes with the user", err, fault.NotFound, "")
}
