package dbtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

func connections(t *testing.T, s *db.Store) {
	a, b := connection("Shop"), connection("100% other_shop")
	a.Port, a.Settings, b.BaseURL = 8443, model.Config{"region": "eu"}, "https://api.elsewhere.test/v1"
	Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(a) })
	Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(b) })
	got, err := s.Connection(ctx, a.ID)
	ok(t, "read", err)
	equal(t, "stored", fmt.Sprintf("%+v", *a), fmt.Sprintf("%+v", got))
	for query, want := range map[string]int{"": 2, "shop": 2, "SHOP": 2, "elsewhere": 1, "%": 1, "r_s": 1, "_": 1, `\`: 0} {
		list, _, err := s.Connections(ctx, db.ConnectionFilter{Query: query}, db.Page{})
		ok(t, "list", err)
		equal(t, "found by "+query, want, len(list))
	}
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	err = write(func(tx *db.Tx) error { return tx.CreateConnection(connection("sHOP")) })
	wantFault(t, "taken name", err, fault.Conflict, "duplicate_name")
	if !strings.Contains(fault.Of(err).Message, "sHOP") {
		t.Errorf("the message does not name it: %s", fault.Of(err).Message)
	}
	c := connection("new")
	c.CredentialID = "crd_none"
	err = write(func(tx *db.Tx) error { return tx.CreateConnection(c) })
	wantFault(t, "unknown credential", err, fault.Invalid, "")
	equal(t, "field", "credential_id", fault.Of(err).Fields[0].Name)

	shown := model.Credential{Name: "Certificate", Type: model.CredentialCertificate, Config: model.Config{"certificate": "x"}}
	key := model.Credential{Name: "Key", Type: model.CredentialBearer}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateCredential(&shown, nil) })
	Write(t, s, func(tx *db.Tx) error { return tx.CreateCredential(&key, nil) })
	for id, want := range map[model.CredentialID]string{"crd_none": "There is no such credential.", key.ID: "“Key” is no client certificate"} {
		c.CredentialID, c.ClientCertificateID = "", id
		err = write(func(tx *db.Tx) error { return tx.CreateConnection(c) })
		wantFault(t, "shown", err, fault.Invalid, "")
		equal(t, "field", "client_certificate_id", fault.Of(err).Fields[0].Name)
		equal(t, "says so", true, strings.HasPrefix(fault.Of(err).Fields[0].Message, want))
	}
	b.CA, b.CredentialID, b.ClientCertificateID = "-----BEGIN CERTIFICATE-----", key.ID, shown.ID
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateConnection(b) })
	got, err = s.Connection(ctx, b.ID)
	ok(t, "read", err)
	equal(t, "stored", fmt.Sprintf("%+v", *b), fmt.Sprintf("%+v", got))
	use, err := s.CredentialUsage(ctx, shown.ID)
	ok(t, "usage", err)
	equal(t, "used by", "[connection “100% other_shop”]", fmt.Sprint(use))
	list, _, err := s.Connections(ctx, db.ConnectionFilter{CredentialID: shown.ID}, db.Page{})
	ok(t, "list", err)
	equal(t, "that show it", 1, len(list))
	wantFault(t, "delete what is shown", write(func(tx *db.Tx) error { return tx.DeleteCredential(shown.ID) }), fault.Conflict, "in_use")
	other := shown
	other.Type = model.CredentialBearer
	wantFault(t, "another kind of what is shown", write(func(tx *db.Tx) error { return tx.UpdateCredential(&other, nil) }), fault.Invalid, "")

	first := *a
	a.Name, a.Settings = "Shop 2", model.Config{"region": "us"}
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateConnection(a) })
	equal(t, "version", 2, a.Version)
	first.Description = "from an old page"
	wantFault(t, "old version", write(func(tx *db.Tx) error { return tx.UpdateConnection(&first) }), fault.Stale, "")
	equal(t, "version seen", 1, first.Version)
	first.Version = 0
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateConnection(&first) })
	equal(t, "version after an unconditional change", 3, first.Version)
	first.Name = b.Name
	wantFault(t, "renamed to a taken name", write(func(tx *db.Tx) error { return tx.UpdateConnection(&first) }), fault.Conflict, "duplicate_name")
	wantFault(t, "update of nothing", write(func(tx *db.Tx) error { return tx.UpdateConnection(connection("x")) }), fault.NotFound, "")
	wantFault(t, "delete of nothing", write(func(tx *db.Tx) error { return tx.DeleteConnection("con_none", true) }), fault.NotFound, "")
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteConnection(a.ID, false) })
	_, err = s.Connection(ctx, a.ID)
	wantFault(t, "deleted", err, fault.NotFound, "")

	log, _, err := s.AuditLog(ctx, db.AuditFilter{ObjectID: string(a.ID)}, db.Page{})
	ok(t, "audit log", err)
	equal(t, "audit rows", 4, len(log))
	equal(t, "changes", `[{name Shop Shop 2} {settings.region eu us}]`, fmt.Sprint(log[2].Changes))
}

func deleting(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	publish(t, s, x.Publication("", "nod_1", ""))
	remove := func(force bool) error {
		return s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.DeleteConnection(x.Connection.ID, force) })
	}
	err := remove(false)
	wantFault(t, "delete a connection in use", err, fault.Conflict, "in_use")
	for _, want := range []string{"Orders", "Send orders", "3 deliveries"} {
		if !strings.Contains(fault.Of(err).Message, want) {
			t.Errorf("the message does not name %s: %s", want, fault.Of(err).Message)
		}
	}
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.DeleteDestination(x.Destination.ID, false) })
	wantFault(t, "delete a destination in use", err, fault.Conflict, "in_use")
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.DeleteCredential(x.Credential.ID) })
	wantFault(t, "delete a credential in use", err, fault.Conflict, "in_use")

	owners := make([]model.NodeID, 600)
	publish(t, s, x.Publication(owners...))
	wantFault(t, "force with too much open", remove(true), fault.Conflict, "too_many_open")
	for _, want := range []int64{500, 103, 0} {
		n, err := s.CancelOf(ctx, Admin(), x.Destination.Target())
		ok(t, "cancel", err)
		equal(t, "cancelled", want, n)
	}
	p := x.Publication("", "nod_1")
	publish(t, s, p)
	ok(t, "force", remove(true))
	d := delivery(t, s, p.Deliveries[1].ID)
	equal(t, "status", model.Cancelled, d.Status)
	equal(t, "joined name of what is gone", "", d.Destination)
	finish(t, s, "nod_1", d.ID, model.Outcome{Attempt: attempt(1, 200), Status: model.Delivered})
	equal(t, "status", model.Cancelled, delivery(t, s, d.ID).Status)
	r, err := s.Routing(ctx)
	ok(t, "routing", err)
	equal(t, "left", 0, len(r.Actions)+len(r.Destinations)+len(r.Connections))
	_, err = s.SigningSecret(ctx, x.Destination.ID)
	wantFault(t, "signing secret of what is gone", err, fault.NotFound, "")
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteCredential(x.Credential.ID) })
	state, err := s.KeyState(ctx)
	ok(t, "key state", err)
	equal(t, "key", true, state.OK)
}

func destinations(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	got, err := s.Destination(ctx, x.Destination.ID)
	ok(t, "read", err)
	equal(t, "stored", fmt.Sprintf("%+v", x.Destination), fmt.Sprintf("%+v", got))
	secret, err := s.SigningSecret(ctx, got.ID)
	ok(t, "signing secret", err)
	equal(t, "signing secret", Signing.Reveal(), secret.Reveal())
	twin := got
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.CreateDestination(&twin, Signing) })
	wantFault(t, "taken name", err, fault.Conflict, "duplicate_name")
	twin.ConnectionID = "con_none"
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.CreateDestination(&twin, Signing) })
	wantFault(t, "unknown connection", err, fault.NotFound, "")
	other := connection("Other")
	Write(t, s, func(tx *db.Tx) error {
		if err := tx.CreateConnection(other); err != nil {
			return err
		}
		twin.ConnectionID = other.ID
		return tx.CreateDestination(&twin, "whsec_b")
	})
	list, _, err := s.Destinations(ctx, other.ID, db.Page{})
	ok(t, "list", err)
	equal(t, "under the other connection", 1, len(list))
	list, _, err = s.Destinations(ctx, "", db.Page{})
	ok(t, "list", err)
	equal(t, "in all", 2, len(list))

	Write(t, s, func(tx *db.Tx) error { return tx.SwitchOffDestination(got.ID, "The receiver answered 410 Gone.") })
	off, err := s.Destination(ctx, got.ID)
	ok(t, "read", err)
	equal(t, "enabled", false, off.Enabled)
	equal(t, "reason", "The receiver answered 410 Gone.", off.DisabledReason)
	equal(t, "since", false, off.DisabledAt.IsZero())
	off.Description, off.DisabledReason = "told them", ""
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateDestination(&off) })
	equal(t, "reason while it is off", "The receiver answered 410 Gone.", off.DisabledReason)
	off.Enabled, off.ConnectionID = true, other.ID
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateDestination(&off) })
	on, err := s.Destination(ctx, got.ID)
	ok(t, "read", err)
	equal(t, "reason", "", on.DisabledReason)
	equal(t, "since", true, on.DisabledAt.IsZero())
	equal(t, "connection", x.Connection.ID, on.ConnectionID)
	log, _, err := s.AuditLog(ctx, db.AuditFilter{ObjectID: string(got.ID)}, db.Page{})
	ok(t, "audit log", err)
	equal(t, "words", "destination.enabled destination.updated destination.disabled destination.created",
		strings.Join([]string{log[0].Action, log[1].Action, log[2].Action, log[3].Action}, " "))

	x.Action.DestinationID = "dst_none"
	err = s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.UpdateAction(&x.Action) })
	wantFault(t, "action to an unknown destination", err, fault.Invalid, "")
	for _, f := range []db.ActionFilter{{}, {DestinationID: got.ID}, {ConnectionID: x.Connection.ID}, {Query: "order."}} {
		list, _, err := s.Actions(ctx, f, db.Page{})
		ok(t, "actions", err)
		equal(t, fmt.Sprintf("actions by %+v", f), 1, len(list))
	}
}

func credentials(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	c := x.Credential
	equal(t, "stored", "[password]", fmt.Sprint(c.Stored))
	opened := func(want string) {
		t.Helper()
		secrets, err := s.OpenCredential(ctx, c.ID)
		ok(t, "open", err)
		var got []string
		for _, name := range c.Stored {
			got = append(got, name+"="+secrets[name].Reveal())
		}
		equal(t, "secrets", want, strings.Join(got, " "))
		equal(t, "how many", len(c.Stored), len(secrets))
	}
	opened("password=" + Password.Reveal())
	c.Description = "new"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateCredential(&c, model.Secrets{"password": ""}) })
	opened("password=" + Password.Reveal())
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateCredential(&c, model.Secrets{"password": "second-canary"}) })
	equal(t, "version", 3, c.Version)
	opened("password=second-canary")
	err := s.Write(ctx, Admin(), func(tx *db.Tx) error {
		old := c
		old.Version = 1
		return tx.UpdateCredential(&old, model.Secrets{"password": "third-canary"})
	})
	wantFault(t, "old version", err, fault.Stale, "")
	opened("password=second-canary")
	c.Type, c.Config = model.CredentialBearer, nil
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateCredential(&c, model.Secrets{"token": "t"}) })
	equal(t, "stored", "[token]", fmt.Sprint(c.Stored))
	opened("token=t")
	usage, err := s.CredentialUsage(ctx, c.ID)
	ok(t, "usage", err)
	equal(t, "usage", fmt.Sprint([]db.Use{{Kind: "connection", ID: string(x.Connection.ID), Name: "Shop"}}), fmt.Sprint(usage))
	list, _, err := s.Credentials(ctx, db.CredentialFilter{Query: "LOGIN", Type: model.CredentialBearer}, db.Page{})
	ok(t, "list", err)
	equal(t, "listed", fmt.Sprintf("%+v", []model.Credential{c}), fmt.Sprintf("%+v", list))

	log, _, err := s.AuditLog(ctx, db.AuditFilter{ObjectID: string(c.ID)}, db.Page{})
	ok(t, "audit log", err)
	if text := fmt.Sprint(log); strings.Contains(text, "canary") {
		t.Errorf("the audit log holds a secret: %s", text)
	}
	equal(t, "how a secret shows", fmt.Sprint([]model.Change{{Field: "config.password", Before: model.Mask, After: model.Mask}}), fmt.Sprint(log[1].Changes))
	_, err = s.OpenCredential(ctx, "crd_none")
	wantFault(t, "open nothing", err, fault.NotFound, "")
}

func paging(t *testing.T, s *db.Store) {
	for i := range 7 {
		Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(connection(fmt.Sprint("c", i))) })
		time.Sleep(2 * time.Millisecond) // ids of one millisecond have no order
	}
	walk := func(what string, list func(p db.Page) (ids []string, next string, err error)) {
		t.Helper()
		var got []string
		for p := (db.Page{Limit: 3}); ; {
			ids, next, err := list(p)
			ok(t, what, err)
			got = append(got, ids...)
			if next == "" {
				break
			}
			equal(t, what+" on a page", 3, len(ids))
			p.Cursor = next
		}
		equal(t, what, "c6 c5 c4 c3 c2 c1 c0", strings.Join(got, " "))
	}
	walk("connections", func(p db.Page) (names []string, next string, err error) {
		list, next, err := s.Connections(ctx, db.ConnectionFilter{}, p)
		for _, c := range list {
			names = append(names, c.Name)
		}
		return names, next, err
	})
	walk("audit rows", func(p db.Page) (names []string, next string, err error) {
		list, next, err := s.AuditLog(ctx, db.AuditFilter{Kind: "connection"}, p)
		for _, a := range list {
			names = append(names, a.Object)
		}
		return names, next, err
	})
	_, _, err := s.AuditLog(ctx, db.AuditFilter{}, db.Page{Cursor: "x"})
	wantFault(t, "cursor of somebody else", err, fault.Invalid, "")
	list, next, err := s.Actions(ctx, db.ActionFilter{}, db.Page{})
	ok(t, "empty list", err)
	equal(t, "empty list", true, list != nil && len(list) == 0 && next == "")
}
