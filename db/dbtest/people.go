package dbtest

import (
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func user(email string, roles ...string) *model.User {
	return &model.User{Email: email, Name: "Somebody", Roles: roles}
}

// actorOf is what signing in as u gives.
func actorOf(u model.User) model.Actor {
	return model.Actor{Kind: model.ActorUser, UserID: u.ID, Name: u.Name, Rights: u.Rights()}
}

func users(t *testing.T, s *db.Store) {
	n, err := s.CountUsers(ctx)
	ok(t, "count", err)
	equal(t, "users at first", 0, n)
	admin, viewer := user(" Ada@Example.COM ", model.Administrator), user("vi@example.com", model.Viewer, model.Viewer)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(admin, "hash-a") })
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(viewer, "") })
	equal(t, "email", "ada@example.com", admin.Email)
	equal(t, "roles", 1, len(viewer.Roles))
	got, hash, err := s.UserByEmail(ctx, "ADA@example.com")
	ok(t, "by email", err)
	equal(t, "hash", "hash-a", hash)
	equal(t, "id", admin.ID, got.ID)
	_, _, err = s.UserByEmail(ctx, "nobody@example.com")
	wantFault(t, "unknown email", err, fault.NotFound, "")
	list, _, err := s.Users(ctx, "VI@", db.Page{})
	ok(t, "list", err)
	equal(t, "found", 1, len(list))

	as := func(a model.Actor, fn func(tx *db.Tx) error) error { return s.Write(ctx, a, fn) }
	update := func(a model.Actor, u model.User) error {
		return as(a, func(tx *db.Tx) error { return tx.UpdateUser(&u) })
	}
	manager := model.Actor{Kind: model.ActorUser, UserID: "usr_m", Name: "Mo", Rights: model.NewRights(model.Users.Manage())}
	wantFault(t, "taken email", as(Admin(), func(tx *db.Tx) error { return tx.CreateUser(user("ada@example.com"), "") }), fault.Conflict, "duplicate_email")
	wantFault(t, "unknown role", as(Admin(), func(tx *db.Tx) error { return tx.CreateUser(user("x@example.com", "King"), "") }), fault.Invalid, "")
	wantFault(t, "not an address", as(Admin(), func(tx *db.Tx) error { return tx.CreateUser(user("x"), "") }), fault.Invalid, "")
	err = as(manager, func(tx *db.Tx) error { return tx.CreateUser(user("y@example.com", model.Viewer), "") })
	wantFault(t, "handing out what one lacks", err, fault.Forbidden, "")
	equal(t, "named right", string(model.Credentials.View()), fault.Of(err).Right)
	ok(t, "a user without rights", as(manager, func(tx *db.Tx) error { return tx.CreateUser(user("y@example.com"), "") }))

	up := *viewer
	up.Roles = []string{model.Administrator}
	wantFault(t, "raising oneself", update(actorOf(*viewer), up), fault.Forbidden, "")
	taken := *admin
	taken.Email = "mine@example.com"
	wantFault(t, "changing the address of one with more rights", update(actorOf(*viewer), taken), fault.Forbidden, "")
	err = as(manager, func(tx *db.Tx) error { return tx.SetPassword(admin.ID, "mine", "") })
	wantFault(t, "setting the password of one with more rights", err, fault.Forbidden, "")
	ok(t, "one's own password", as(actorOf(*viewer), func(tx *db.Tx) error { return tx.SetPassword(viewer.ID, "hash-v", "") }))
	_, hash, err = s.UserByEmail(ctx, viewer.Email)
	ok(t, "by email", err)
	equal(t, "new hash", "hash-v", hash)

	for _, last := range []func(u *model.User){func(u *model.User) { u.Disabled = true }, func(u *model.User) { u.Roles = []string{model.Viewer} }} {
		u := *admin
		last(&u)
		wantFault(t, "last administrator", update(Admin(), u), fault.Conflict, "last_administrator")
	}
	remove := func(id model.UserID) error {
		return as(Admin(), func(tx *db.Tx) error { return tx.DeleteUser(id) })
	}
	wantFault(t, "delete the last administrator", remove(admin.ID), fault.Conflict, "last_administrator")
	second := user("second@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(second, "") })
	off := *admin
	off.Disabled = true
	ok(t, "disable one of two", update(Admin(), off))
	wantFault(t, "delete the last active one", remove(second.ID), fault.Conflict, "last_administrator")
	ok(t, "delete a disabled one", remove(admin.ID))
}

func sessions(t *testing.T, s *db.Store) {
	u := user("ada@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(u, "hash") })
	signIn := func(token string) model.Session {
		t.Helper()
		x := model.Session{UserID: u.ID, Agent: "browser", Address: "192.0.2.7"}
		Write(t, s, func(tx *db.Tx) error { return tx.CreateSession(&x, db.HashKey(token)) })
		return x
	}
	by := func(token string, now time.Time) error {
		_, _, err := s.SessionByToken(ctx, db.HashKey(token), now)
		return err
	}
	one, now := signIn("one"), time.Now()
	got, who, err := s.SessionByToken(ctx, db.HashKey("one"), now)
	ok(t, "by token", err)
	equal(t, "session", one, got)
	equal(t, "user", u.ID, who.ID)
	wantFault(t, "unknown token", by("two", now), fault.SignedOut, "")
	wantFault(t, "idle", by("one", now.Add(model.SessionIdle+time.Minute)), fault.SignedOut, "")
	for at := now; at.Before(now.Add(model.SessionLife - time.Hour)); at = at.Add(11 * time.Hour) {
		x, _, err := s.SessionByToken(ctx, db.HashKey("one"), at)
		ok(t, "in use", err)
		ok(t, "seen", s.SeenSession(ctx, x, at))
	}
	wantFault(t, "too old", by("one", now.Add(model.SessionLife+time.Minute)), fault.SignedOut, "")

	two, _ := signIn("two"), signIn("three")
	Write(t, s, func(tx *db.Tx) error { return tx.SetPassword(u.ID, "new", two.ID) })
	wantFault(t, "after a password change", by("three", now), fault.SignedOut, "")
	ok(t, "the one that changed it", by("two", now))
	Write(t, s, func(tx *db.Tx) error { return tx.EndSession(two.ID) })
	wantFault(t, "signed out", by("two", now), fault.SignedOut, "")
	four, _ := signIn("four"), signIn("five")
	Write(t, s, func(tx *db.Tx) error { return tx.EndSessions(u.ID, four.ID) })
	list, err := s.Sessions(ctx, u.ID)
	ok(t, "list", err)
	equal(t, "left", 1, len(list))
	n, err := s.ForgetSessions(ctx, now)
	ok(t, "forget", err)
	equal(t, "forgotten too early", 0, n)
	n, err = s.ForgetSessions(ctx, now.Add(model.SessionLife+time.Minute))
	ok(t, "forget", err)
	equal(t, "forgotten", 1, n)

	signIn("six")
	other := user("bo@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(other, "hash") })
	stored, err := s.User(ctx, u.ID)
	ok(t, "user", err)
	stored.Disabled = true
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateUser(&stored) })
	wantFault(t, "disabled", by("six", now), fault.SignedOut, "")
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.CreateSession(&model.Session{UserID: u.ID}, db.HashKey("seven")) })
	wantFault(t, "signing in while disabled", err, fault.SignedOut, "")
}

func apiKeys(t *testing.T, s *db.Store) {
	u := user("ada@example.com", model.Administrator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(u, "hash") })
	secret, hash, hint := db.NewKey()
	equal(t, "well formed", true, db.WellFormed(secret.Reveal()))
	equal(t, "mistyped", false, db.WellFormed(secret.Reveal()[:20]+"!"+secret.Reveal()[21:]))
	now := time.Now()
	k := model.APIKey{Name: " the  shop ", UserID: u.ID, Hint: hint, ExpiresAt: now.Add(time.Hour)}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateAPIKey(&k, hash) })
	got, who, err := s.APIKeyByHash(ctx, db.HashKey(secret.Reveal()), now)
	ok(t, "by hash", err)
	equal(t, "name", "the shop", got.Name)
	equal(t, "user", u.ID, who.ID)
	by := func(now time.Time) error {
		_, _, err := s.APIKeyByHash(ctx, hash, now)
		return err
	}
	wantFault(t, "expired", by(now.Add(2*time.Hour)), fault.SignedOut, "")
	used := func(at, want time.Time) {
		t.Helper()
		ok(t, "used", s.UsedAPIKey(ctx, k.ID, at))
		got, err := s.APIKey(ctx, k.ID)
		ok(t, "read", err)
		equal(t, "last used", want.UnixMilli(), got.LastUsedAt.UnixMilli())
	}
	used(now, now)
	used(now.Add(time.Second), now)
	used(now.Add(time.Minute), now.Add(time.Minute))

	create := func(a model.Actor, k model.APIKey) error {
		_, hash, hint := db.NewKey()
		k.Hint = hint
		return s.Write(ctx, a, func(tx *db.Tx) error { return tx.CreateAPIKey(&k, hash) })
	}
	clerk := model.Actor{Kind: model.ActorUser, UserID: "usr_c", Name: "Cy", Rights: model.NewRights(model.APIKeys.Manage())}
	wantFault(t, "a key for one with more rights", create(clerk, model.APIKey{Name: "k", UserID: u.ID}), fault.Forbidden, "")
	wantFault(t, "a key for nobody", create(Admin(), model.APIKey{Name: "k", UserID: "usr_none"}), fault.Invalid, "")
	wantFault(t, "a key without a name", create(Admin(), model.APIKey{UserID: u.ID}), fault.Invalid, "")
	wantFault(t, "a key that is over", create(Admin(), model.APIKey{Name: "k", UserID: u.ID, ExpiresAt: now.Add(-time.Hour)}), fault.Invalid, "")
	next, nextHash, nextHint := db.NewKey()
	rotate := func(a model.Actor) error {
		return s.Write(ctx, a, func(tx *db.Tx) error { return tx.RotateAPIKey(k.ID, nextHash, nextHint, time.Time{}) })
	}
	wantFault(t, "rotating the key of one with more rights", rotate(clerk), fault.Forbidden, "")
	ok(t, "rotate", rotate(Admin()))
	wantFault(t, "the key before", by(now), fault.SignedOut, "")
	hash = db.HashKey(next.Reveal())
	ok(t, "the key after", by(now))
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.DeleteUser(u.ID) })
	wantFault(t, "delete a user with keys", err, fault.Conflict, "in_use")
	Write(t, s, func(tx *db.Tx) error { return tx.RevokeAPIKey(k.ID) })
	Write(t, s, func(tx *db.Tx) error { return tx.RevokeAPIKey(k.ID) })
	wantFault(t, "revoked", by(now), fault.SignedOut, "")
	wantFault(t, "rotating a revoked one", rotate(Admin()), fault.Conflict, "revoked")
	list, _, err := s.APIKeys(ctx, db.Page{})
	ok(t, "list", err)
	equal(t, "listed", 1, len(list))
	equal(t, "version", 3, list[0].Version)
}

// keyScope goes through keys that are limited, and through rotating with an overlap.
func keyScope(t *testing.T, s *db.Store) {
	u := user("ada@example.com", model.Operator)
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(u, "hash") })
	now := time.Now()
	first, firstHash, hint := db.NewKey()
	k := model.APIKey{Name: "k", UserID: u.ID, Hint: hint, Rights: []model.Right{model.Settings.View(), model.Deliveries.Manage(), model.Deliveries.Manage()}}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateAPIKey(&k, firstHash) })
	got, who, err := s.APIKeyByHash(ctx, firstHash, now)
	ok(t, "by hash", err)
	rights := got.Limit(who.Rights())
	equal(t, "what both hold", true, rights.Has(model.Deliveries.Manage()) && rights.Has(model.Deliveries.View()))
	equal(t, "what the key alone holds", false, rights.Has(model.Settings.View()))
	equal(t, "what the user alone holds", false, rights.Has(model.Events.View()))
	wantFault(t, "no such right", s.Write(ctx, Admin(), func(tx *db.Tx) error {
		return tx.CreateAPIKey(&model.APIKey{Name: "x", UserID: u.ID, Rights: []model.Right{"Manage Moon"}}, []byte("x"))
	}), fault.Invalid, "")

	self := actorOf(*u)
	self.Rights = rights
	own := func(limit ...model.Right) error {
		_, hash, hint := db.NewKey()
		return s.Write(ctx, self, func(tx *db.Tx) error {
			return tx.CreateAPIKey(&model.APIKey{Name: "x", UserID: u.ID, Hint: hint, Rights: limit}, hash)
		})
	}
	wantFault(t, "a limited key that makes a whole one", own(), fault.Forbidden, "")
	wantFault(t, "a limited key that makes one with more", own(model.Events.View()), fault.Forbidden, "")
	ok(t, "a limited key that makes one like it", own(model.Deliveries.View()))

	_, nextHash, nextHint := db.NewKey()
	rotate := func(hash []byte, hint string, until time.Time) error {
		return s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.RotateAPIKey(k.ID, hash, hint, until) })
	}
	wantFault(t, "too long an overlap", rotate(nextHash, nextHint, now.Add(40*24*time.Hour)), fault.Invalid, "")
	ok(t, "rotate", rotate(nextHash, nextHint, now.Add(time.Hour)))
	opens := func(hash []byte, at time.Time) error { _, _, err := s.APIKeyByHash(ctx, hash, at); return err }
	ok(t, "the key after", opens(nextHash, now))
	ok(t, "the key before", opens(firstHash, now))
	old, _, err := s.APIKeyByHash(ctx, db.HashKey(first.Reveal()), now)
	ok(t, "the key before", err)
	equal(t, "it ends with the overlap", now.Add(time.Hour).UnixMilli(), old.ExpiresAt.UnixMilli())
	wantFault(t, "after the overlap", opens(firstHash, now.Add(61*time.Minute)), fault.SignedOut, "")
	ok(t, "the key after, later", opens(nextHash, now.Add(61*time.Minute)))
	_, thirdHash, thirdHint := db.NewKey()
	ok(t, "rotate again", rotate(thirdHash, thirdHint, now.Add(time.Hour)))
	wantFault(t, "the key before the one before", opens(firstHash, now), fault.SignedOut, "")
	ok(t, "the key before", opens(nextHash, now))

	k, err = s.APIKey(ctx, k.ID)
	ok(t, "read", err)
	stale := k
	k.Name, k.Rights, k.ExpiresAt = "renamed", nil, now.Add(time.Hour)
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateAPIKey(&k) })
	got, who, err = s.APIKeyByHash(ctx, thirdHash, now)
	ok(t, "by hash", err)
	equal(t, "name", "renamed", got.Name)
	equal(t, "no longer limited", true, got.Limit(who.Rights()).Has(model.Events.View()))
	stale.Name = "late"
	wantFault(t, "an old version", s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.UpdateAPIKey(&stale) }), fault.Stale, "")
	Write(t, s, func(tx *db.Tx) error { return tx.RevokeAPIKey(k.ID) })
	wantFault(t, "revoking ends both", opens(nextHash, now), fault.SignedOut, "")
	k.Version, k.Name = 0, "again"
	wantFault(t, "changing a revoked one", s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.UpdateAPIKey(&k) }), fault.Conflict, "revoked")
}

func throttling(t *testing.T, s *db.Store) {
	now := time.Now()
	keys := db.SignInKeys("Ada@example.com", "192.0.2.77")
	equal(t, "same account, same network", strings.Join(keys, ","), strings.Join(db.SignInKeys("ada@example.com ", "192.0.2.3:80"), ","))
	equal(t, "IPv6 network", "network:2001:db8:1:2::/64", db.NetworkKey("2001:db8:1:2:3::4"))
	var before time.Duration
	for i := 1; i <= 20; i++ {
		Write(t, s, func(tx *db.Tx) error { now = tx.Now(); return tx.Failed(keys...) })
		until, err := s.Throttled(ctx, keys[:1], now)
		ok(t, "throttled", err)
		if i < 5 {
			equal(t, "free failures", true, until.IsZero())
			continue
		}
		wait := until.Sub(now.Truncate(time.Millisecond))
		if wait > 15*time.Minute || (wait <= before && wait < 15*time.Minute) {
			t.Errorf("failure %d: waits %v, the one before %v", i, wait, before)
		}
		before = wait
	}
	equal(t, "the longest wait", 15*time.Minute, before)
	held := func(what string, want bool, at time.Time, keys ...string) {
		t.Helper()
		until, err := s.Throttled(ctx, keys, at)
		ok(t, "throttled", err)
		equal(t, what, want, !until.IsZero())
	}
	held("what is shared, after twenty", false, now, keys[1:]...)
	others := db.SignInKeys("bob@example.com", "192.0.2.5")
	fail := func(n int, keys ...string) {
		for range n {
			Write(t, s, func(tx *db.Tx) error { now = tx.Now(); return tx.Failed(keys...) })
		}
	}
	fail(81, others...)
	held("the network, after a hundred and one", true, now, keys[2])
	held("an account of it that nobody tried", false, now, db.SignInKeys("eve@example.com", "203.0.113.1")...)
	Write(t, s, func(tx *db.Tx) error { return tx.Cleared(keys[0], keys[1:]...) })
	held("who got in, with what was his", false, now, keys...)
	held("the other one", true, now, others[0])
	fail(20, keys[2])
	held("the network, beyond a hundred again", true, now, keys[2])
	held("the same, after the wait", false, now.Add(time.Hour), keys[2])
	n, err := s.ForgetThrottles(ctx, now.Add(25*time.Hour))
	ok(t, "forget", err)
	equal(t, "forgotten", 4, n)
}

func nodes(t *testing.T, s *db.Store) {
	ok(t, "start", s.StartNode(ctx, "nod_1"))
	ok(t, "beat", s.BeatNode(ctx, "nod_1"))
	list, err := s.Nodes(ctx)
	ok(t, "list", err)
	equal(t, "nodes", 1, len(list))
	equal(t, "beat after start", false, list[0].HeartbeatAt.Before(list[0].StartedAt))
	ok(t, "end", s.EndNode(ctx, "nod_1"))
	list, err = s.Nodes(ctx)
	ok(t, "list", err)
	equal(t, "nodes", 0, len(list))
}
