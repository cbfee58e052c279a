package dbtest

import (
	"fmt"
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// templateVersions keeps what a destination's template was, and no more than is allowed.
func templateVersions(t *testing.T, s *db.Store) {
	c := connection("Shop")
	Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(c) })
	d := &model.Destination{ConnectionID: c.ID, Name: "Orders", Template: "{}", Enabled: true}
	d.Clean()
	Write(t, s, func(tx *db.Tx) error { return tx.CreateDestination(d, "whsec_x") })
	d.Description = "says nothing of the template"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateDestination(d) })
	d.Template = `{"a": 1}`
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateDestination(d) })
	list, err := s.TemplateVersions(ctx, d.ID)
	ok(t, "versions", err)
	equal(t, "versions", `3 {"a": 1} Ada, 1 {} Ada`, said(list))
	for n := range model.MaxTemplateVersions + 3 {
		d.Template = fmt.Sprintf(`{"a": %d}`, n+2)
		Write(t, s, func(tx *db.Tx) error { return tx.UpdateDestination(d) })
	}
	list, err = s.TemplateVersions(ctx, d.ID)
	ok(t, "versions", err)
	equal(t, "kept", model.MaxTemplateVersions, len(list))
	equal(t, "newest", d.Template, list[0].Template)
	equal(t, "newest version", d.Version, list[0].Version)
	for query, want := range map[string]int{"": 1, "ORD": 1, "zzz": 0, "%": 0} {
		found, _, err := s.FindDestinations(ctx, db.DestinationFilter{Query: query}, db.Page{})
		ok(t, "find", err)
		equal(t, "found by "+query, want, len(found))
	}
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteDestination(d.ID, false) })
	list, err = s.TemplateVersions(ctx, d.ID)
	ok(t, "versions of nothing", err)
	equal(t, "left behind", 0, len(list))
}

func said(list []model.TemplateVersion) string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v.Version, " ", v.Template, " ", v.By))
	}
	return strings.Join(out, ", ")
}

// savedFilters are their owner's, and everybody's when shared.
func savedFilters(t *testing.T, s *db.Store) {
	ada, bob := &model.User{Email: "ada@example.com", Name: "Ada"}, &model.User{Email: "bob@example.com", Name: "Bob"}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(ada, "") })
	Write(t, s, func(tx *db.Tx) error { return tx.CreateUser(bob, "") })
	keep := func(u *model.User, name, query string, shared bool) *model.SavedFilter {
		f := &model.SavedFilter{UserID: u.ID, Name: name, Query: query, Shared: shared}
		Write(t, s, func(tx *db.Tx) error { return tx.SaveFilter(f) })
		return f
	}
	mine := keep(ada, "Failed today", "status=failed", false)
	ours := keep(bob, "ERP", "destination_id=dst_1", true)
	keep(bob, "his own", "status=held", false)
	keep(ada, "failed TODAY", "status=failed&lane=bulk", false) // the same name again takes its place
	list, err := s.SavedFilters(ctx, ada.ID)
	ok(t, "list", err)
	equal(t, "usable by ada", "ERP destination_id=dst_1 Bob, Failed today status=failed&lane=bulk Ada", savedWords(list))
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	wantFault(t, "somebody else's", write(func(tx *db.Tx) error { return tx.DropFilter(ours.ID, ada.ID) }), fault.NotFound, "")
	wantFault(t, "none", write(func(tx *db.Tx) error { return tx.DropFilter("flt_none", ada.ID) }), fault.NotFound, "")
	Write(t, s, func(tx *db.Tx) error { return tx.DropFilter(mine.ID, ada.ID) })
	list, err = s.SavedFilters(ctx, ada.ID)
	ok(t, "list", err)
	equal(t, "left", "ERP destination_id=dst_1 Bob", savedWords(list))
}

func savedWords(list []model.SavedFilter) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Name+" "+f.Query+" "+f.Owner)
	}
	return strings.Join(out, ", ")
}

// desk are the changes of what people keep for themselves.
func desk() []change {
	var f model.SavedFilter
	return []change{
		{"SaveFilter", "saved_filter.created", false, func(tx *db.Tx, x *Setup) error {
			f = model.SavedFilter{UserID: x.User.ID, Name: "Failed", Query: "status=failed"}
			return tx.SaveFilter(&f)
		}},
		{"DropFilter", "saved_filter.deleted", false, func(tx *db.Tx, x *Setup) error { return tx.DropFilter(f.ID, x.User.ID) }},
	}
}
