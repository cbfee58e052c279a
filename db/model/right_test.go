package model

import (
	"slices"
	"testing"
)

func TestRights(t *testing.T) {
	for _, a := range Areas() {
		if r := NewRights(a.Manage()); !r.Has(a.View()) || !r.Has(a.Manage()) || len(r) != 2 {
			t.Errorf("%s gives %v", a.Manage(), r)
		}
		if r := NewRights(a.View()); r.Has(a.Manage()) || len(r) != 1 {
			t.Errorf("%s gives %v", a.View(), r)
		}
	}
	var nobody Rights
	if nobody.Has(SignedIn) || nobody.Has(Events.View()) {
		t.Error("who has no set holds a right")
	}
	if !NewRights().Has(SignedIn) || NewRights().Has(Events.View()) {
		t.Error("an empty set must hold SignedIn alone")
	}
}

func TestLacks(t *testing.T) {
	operator := RightsOf([]string{Operator})
	for _, c := range []struct {
		name        string
		holds, want Rights
		lacks       Right
	}{
		{"the same", operator, operator, ""},
		{"less", operator, NewRights(Deliveries.View()), ""},
		{"nothing", nil, NewRights(), ""},
		{"more", operator, NewRights(Deliveries.Manage(), Users.Manage()), Users.View()},
		{"manage for view", NewRights(Events.View()), NewRights(Events.Manage()), Events.Manage()},
		{"outside the pairs", operator, NewRights(ViewAuditLog), ViewAuditLog},
		{"who holds nothing", nil, operator, Credentials.View()},
		{"signed in is everybody's", NewRights(), Rights{SignedIn: true}, ""},
	} {
		if got := c.holds.Lacks(c.want); got != c.lacks {
			t.Errorf("%s: lacks %q, want %q", c.name, got, c.lacks)
		}
	}
}

// What SEMANTICS calls the built-in roles; handing out a role needs all of its rights.
func TestRoles(t *testing.T) {
	all := RightsOf([]string{Administrator})
	for _, r := range AllRights() {
		if !all.Has(r) {
			t.Errorf("the Administrator lacks %s", r)
		}
	}
	if len(all) != len(AllRights()) {
		t.Errorf("the Administrator holds %d rights, there are %d", len(all), len(AllRights()))
	}
	hidden := []Area{Users, APIKeys, Settings}
	for _, a := range Areas() {
		private := slices.Contains(hidden, a)
		for _, role := range []string{Integrator, Operator, Viewer} {
			if got := RightsOf([]string{role}).Has(a.View()); got == private {
				t.Errorf("%s has %s: %t", role, a.View(), got)
			}
		}
		manages := map[string]bool{
			Integrator: !private && a != Deliveries,
			Operator:   a == Deliveries,
			Viewer:     false,
		}
		for role, want := range manages {
			if got := RightsOf([]string{role}).Has(a.Manage()); got != want {
				t.Errorf("%s has %s: %t, want %t", role, a.Manage(), got, want)
			}
		}
	}
	for role, want := range map[string]bool{Integrator: true, Operator: true, Viewer: false} {
		if got := RightsOf([]string{role}).Has(RunWorkflows); got != want {
			t.Errorf("%s runs workflows: %t, want %t", role, got, want)
		}
		if RightsOf([]string{role}).Has(ViewAuditLog) {
			t.Errorf("%s sees the audit log", role)
		}
	}
	if got := RightsOf([]string{"Nobody", Viewer, Viewer}); len(got) != len(RightsOf([]string{Viewer})) {
		t.Errorf("an unknown role and one twice: %v", got)
	}
}
