package dbtest

import (
	"fmt"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func rotation(t *testing.T, s *db.Store) {
	c := model.Credential{Name: "Shop", Type: model.CredentialBasic, Config: model.Config{"username": "ada"}}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateCredential(&c, model.Secrets{"password": "one", "pin": "kept"}) })
	try := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, model.System("test"), fn) }
	in := func(what, user, password string) {
		t.Helper()
		now, err := s.Credential(ctx, c.ID)
		ok(t, what, err)
		secrets, err := s.OpenCredential(ctx, c.ID)
		ok(t, what, err)
		equal(t, what+": user name", user, now.Config.Text("username"))
		equal(t, what+": password", password, secrets["password"].Reveal())
		equal(t, what+": the rest", "kept", secrets["pin"].Reveal())
		equal(t, what+": stored", "[password pin]", fmt.Sprint(now.Stored))
	}
	state := func(what string, want model.RotationState) {
		t.Helper()
		x, err := s.Rotation(ctx, c.ID)
		if want == "" {
			wantFault(t, what, err, fault.NotFound, "")
			return
		}
		ok(t, what, err)
		equal(t, what, want, x.State)
		equal(t, what+": stored", "[password pin]", fmt.Sprint(x.Stored))
	}
	next := c
	next.Config, next.EndsAt = model.Config{"username": "grace"}, time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()

	wantFault(t, "apply without a new secret", try(func(tx *db.Tx) error { return tx.ApplyRotation(c.ID) }), fault.Conflict, "no_rotation")
	wantFault(t, "nothing new", try(func(tx *db.Tx) error { return tx.StartRotation(c, model.Secrets{"password": "one"}) }), fault.Invalid, "")
	Write(t, s, func(tx *db.Tx) error { return tx.StartRotation(next, model.Secrets{"password": "two"}) })
	state("begun", model.RotationPending)
	in("begun", "ada", "one")
	pending, err := s.OpenPending(ctx, c.ID)
	ok(t, "open", err)
	equal(t, "on trial", "two kept", pending["password"].Reveal()+" "+pending["pin"].Reveal())
	wantFault(t, "roll back before it is applied", try(func(tx *db.Tx) error { return tx.RollBackRotation(c.ID) }), fault.Conflict, "no_rotation")
	Write(t, s, func(tx *db.Tx) error {
		return tx.TriedRotation(c.ID, model.Trial{On: "Orders", Status: 401, Error: "Answered 401."})
	})
	x, _ := s.Rotation(ctx, c.ID)
	equal(t, "tried", "Orders 401 Answered 401.", fmt.Sprint(x.Trial.On, " ", x.Trial.Status, " ", x.Trial.Error))
	Write(t, s, func(tx *db.Tx) error { return tx.DropRotation(c.ID) })
	state("dropped", "")
	in("dropped", "ada", "one")

	Write(t, s, func(tx *db.Tx) error { return tx.StartRotation(next, model.Secrets{"password": "two"}) })
	Write(t, s, func(tx *db.Tx) error { return tx.ApplyRotation(c.ID) })
	in("applied", "grace", "two")
	state("applied", model.RotationLive)
	now, _ := s.Credential(ctx, c.ID)
	equal(t, "when it ends", next.EndsAt, now.Ends())
	equal(t, "version", c.Version+1, now.Version)
	Write(t, s, func(tx *db.Tx) error { return tx.RollBackRotation(c.ID) })
	in("rolled back", "ada", "one")
	state("rolled back", "")

	stale := next
	stale.Version = c.Version
	wantFault(t, "an old version", try(func(tx *db.Tx) error { return tx.StartRotation(stale, model.Secrets{"password": "two"}) }), fault.Stale, "")
	next.Version = 0
	Write(t, s, func(tx *db.Tx) error { return tx.StartRotation(next, model.Secrets{"password": "two"}) })
	Write(t, s, func(tx *db.Tx) error { return tx.ApplyRotation(c.ID) })
	for _, after := range []time.Duration{0, model.FormerLife - time.Minute} {
		n, err := s.ForgetFormer(ctx, time.Now().Add(after))
		ok(t, "forget", err)
		equal(t, "forgotten early", 0, n)
	}
	n, err := s.ForgetFormer(ctx, time.Now().Add(model.FormerLife+time.Minute))
	ok(t, "forget", err)
	equal(t, "forgotten", 1, n)
	state("forgotten", "")
	in("forgotten", "grace", "two")

	// Removing one secret, then all.
	now, _ = s.Credential(ctx, c.ID)
	now.Drop = []string{"pin", "none"}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateCredential(&now, nil) })
	equal(t, "removed", "[password]", fmt.Sprint(now.Stored))
	now.Version = 0
	Write(t, s, func(tx *db.Tx) error { return tx.StartRotation(now, model.Secrets{"password": "three"}) })
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteCredential(c.ID) })
	state("deleted", "")
	key, err := s.KeyState(ctx)
	ok(t, "key", err)
	equal(t, "locked", 0, len(key.Locked))
}

func lives(t *testing.T, s *db.Store) {
	c := model.Credential{Name: "Shop", Type: model.CredentialBearer}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateCredential(&c, model.Secrets{"token": "t"}) })
	at := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	for _, l := range []model.CredentialLife{{ID: c.ID, UsedAt: at(2000)}, {ID: c.ID, UsedAt: at(1000), FailedAt: at(1500), Failure: "Answered 401."}, {ID: "crd_gone", UsedAt: at(1)}, {ID: c.ID, UsedAt: at(3000)}} {
		ok(t, "add", s.AddCredentialLives([]model.CredentialLife{l}))
	}
	want := model.CredentialLife{ID: c.ID, UsedAt: at(3000), FailedAt: at(1500), Failure: "Answered 401."}
	got, err := s.CredentialLife(ctx, c.ID)
	ok(t, "one", err)
	equal(t, "one", want, got)
	all, err := s.CredentialLives(ctx)
	ok(t, "all", err)
	equal(t, "all", 1, len(all))
	equal(t, "of all", want, all[c.ID])
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteCredential(c.ID) })
	got, err = s.CredentialLife(ctx, c.ID)
	ok(t, "gone", err)
	equal(t, "gone", model.CredentialLife{ID: c.ID}, got)
}
