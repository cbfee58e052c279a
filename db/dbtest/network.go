package dbtest

import (
	"testing"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// networkRules: each pattern once for each scope, gone with what it is for; a password that never follows to another proxy.
func networkRules(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	create := func(r model.NetworkRule) error {
		return write(func(tx *db.Tx) error { return tx.CreateNetworkRule(&r) })
	}
	allow := func(pattern string, c model.ConnectionID, d model.DestID) model.NetworkRule {
		return model.NetworkRule{Effect: model.NetworkAllow, Pattern: pattern, ConnectionID: c, DestinationID: d}
	}
	for _, r := range []model.NetworkRule{allow("10.0.0.0/8", "", ""), allow("10.0.0.0/8", x.Connection.ID, ""), allow("10.0.0.0/8", "", x.Destination.ID)} {
		ok(t, "create", create(r))
		wantFault(t, "twice", create(r), fault.Conflict, "duplicate_name")
	}
	wantFault(t, "no connection", create(allow("a", "con_none", "")), fault.Invalid, "")
	wantFault(t, "no destination", create(allow("a", "", "dst_none")), fault.Invalid, "")
	list, _, err := s.NetworkRules(ctx, db.NetworkRuleFilter{DestinationID: x.Destination.ID}, db.Page{})
	ok(t, "list", err)
	equal(t, "of the destination", 1, len(list))
	r := list[0]
	r.Effect = model.NetworkDeny
	ok(t, "update", write(func(tx *db.Tx) error { return tx.UpdateNetworkRule(&r) }))
	old := list[0]
	old.Note = "late"
	wantFault(t, "old version", write(func(tx *db.Tx) error { return tx.UpdateNetworkRule(&old) }), fault.Stale, "")
	around, err := s.Routing(ctx)
	ok(t, "routing", err)
	equal(t, "rules in the routing", 3, len(around.Network))
	ok(t, "delete", write(func(tx *db.Tx) error { return tx.DeleteConnection(x.Connection.ID, true) }))
	around, err = s.Routing(ctx)
	ok(t, "routing", err)
	equal(t, "rules without what they were for", 1, len(around.Network))

	n := model.Network{ProxyURL: "http://proxy:3128", ProxyUser: "ada"}
	set := func(password model.Secret) error {
		return write(func(tx *db.Tx) error { return tx.UpdateNetwork(n, password) })
	}
	password := func(what string, want model.Secret) {
		t.Helper()
		got, err := s.ProxyPassword(ctx)
		ok(t, what, err)
		equal(t, what, want, got)
	}
	password("none yet", "")
	ok(t, "set", set("s3cret"))
	n.ProxyBypass = []string{"*.lan"}
	ok(t, "kept", set(""))
	password("kept", "s3cret")
	n.ProxyURL = "http://other:3128"
	wantFault(t, "another proxy", set(""), fault.Invalid, "")
	n.ProxyURL, n.ProxyUser = "http://proxy:3128", "bob"
	wantFault(t, "another user", set(""), fault.Invalid, "")
	n.ProxyUser, n.Version = "ada", 1
	n.ProxyBypass = nil
	wantFault(t, "old version", set(""), fault.Stale, "")
	n = model.Network{}
	ok(t, "no proxy", set(""))
	password("gone with its user", "")
}
