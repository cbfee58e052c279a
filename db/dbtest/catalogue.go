package dbtest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// catalogue are the changes of what workflows are made with.
func catalogue() []change {
	definition, people := model.EventDefinition{Name: "order.created"}, model.Audience{Name: "Readers"}
	records := []json.RawMessage{json.RawMessage(`{"email":"ada@example.com"}`)}
	return []change{
		{"CreateEventDefinition", "event_definition.created", false, func(tx *db.Tx, x *Setup) error { return tx.CreateEventDefinition(&definition) }},
		{"UpdateEventDefinition", "event_definition.updated", false, func(tx *db.Tx, x *Setup) error {
			definition.Description = "new"
			return tx.UpdateEventDefinition(&definition)
		}},
		{"DeleteEventDefinition", "event_definition.deleted", false, func(tx *db.Tx, x *Setup) error { return tx.DeleteEventDefinition(definition.ID) }},
		{"CreateAudience", "audience.created", false, func(tx *db.Tx, x *Setup) error { return tx.CreateAudience(&people) }},
		{"UpdateAudience", "audience.updated", false, func(tx *db.Tx, x *Setup) error {
			people.SubjectField = "email"
			return tx.UpdateAudience(&people)
		}},
		{"AddMembers", "audience.records_added", false, func(tx *db.Tx, x *Setup) error {
			_, err := tx.AddMembers(people.ID, records)
			return err
		}},
		{"StageMembers", "", false, func(tx *db.Tx, x *Setup) error { return tx.StageMembers(people.ID, 2, 0, records) }},
		{"ReplaceMembers", "audience.records_replaced", false, func(tx *db.Tx, x *Setup) error { return tx.ReplaceMembers(people.ID, 1, 2, 1) }},
		{"DeleteAudience", "audience.deleted", false, func(tx *db.Tx, x *Setup) error { return tx.DeleteAudience(people.ID, false) }},
	}
}

func eventDefinitions(t *testing.T, s *db.Store) {
	a := model.EventDefinition{Name: "order.created", Description: "An order", Schema: json.RawMessage(`{"type": "object"}`)}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateEventDefinition(&a) })
	got, err := s.EventDefinitionOf(ctx, "order.created")
	ok(t, "read by name", err)
	equal(t, "stored", fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", got))
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	wantFault(t, "taken name", write(func(tx *db.Tx) error { return tx.CreateEventDefinition(&model.EventDefinition{Name: "order.created"}) }), fault.Conflict, "duplicate_name")
	old := a
	a.Schema = nil
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateEventDefinition(&a) })
	equal(t, "version", 2, a.Version)
	old.Description = "from an old page"
	wantFault(t, "old version", write(func(tx *db.Tx) error { return tx.UpdateEventDefinition(&old) }), fault.Stale, "")
	for query, want := range map[string]int{"": 1, "ORDER": 1, "An o": 1, "x": 0} {
		list, _, err := s.EventDefinitions(ctx, db.EventDefinitionFilter{Query: query}, db.Page{})
		ok(t, "list", err)
		equal(t, "found by "+query, want, len(list))
	}
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteEventDefinition(a.ID) })
	_, err = s.EventDefinition(ctx, a.ID)
	wantFault(t, "deleted", err, fault.NotFound, "")
}

func audiences(t *testing.T, s *db.Store) {
	a := model.Audience{Name: "Readers", SubjectField: "email"}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateAudience(&a) })
	record := func(i int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)) }
	list := make([]json.RawMessage, 300)
	for i := range list {
		list[i] = record(i)
	}
	for _, want := range []int64{300, 600} {
		Write(t, s, func(tx *db.Tx) error {
			n, err := tx.AddMembers(a.ID, list)
			equal(t, "count", want, n)
			return err
		})
	}
	numbers := func(first, end int64) string {
		now, err := s.Audience(ctx, a.ID)
		ok(t, "read", err)
		got, err := s.Members(ctx, a.ID, now.Generation, first, end)
		ok(t, "members", err)
		out := ""
		for _, m := range got {
			out += fmt.Sprintf("%d:%s ", m.Number, m.Data)
		}
		return out
	}
	equal(t, "in order, over what was added later", `299:{"n":299} 300:{"n":0} `, numbers(299, 301))

	Write(t, s, func(tx *db.Tx) error { return tx.StageMembers(a.ID, 7, 0, list[:2]) })
	equal(t, "staged records do not show", `0:{"n":0} `, numbers(0, 1))
	Write(t, s, func(tx *db.Tx) error { return tx.ReplaceMembers(a.ID, 1, 7, 2) })
	equal(t, "replaced", `0:{"n":0} 1:{"n":1} `, numbers(0, 1000))
	err := s.Write(ctx, Admin(), func(tx *db.Tx) error { return tx.ReplaceMembers(a.ID, 1, 8, 0) })
	wantFault(t, "replaced meanwhile", err, fault.Stale, "")
	for _, want := range []int64{500, 100, 0} {
		n, err := s.ForgetMembers(ctx, time.Now())
		ok(t, "forget", err)
		equal(t, "old records that go", want, n)
	}
	equal(t, "those that are left", `0:{"n":0} 1:{"n":1} `, numbers(0, 1000))
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteAudience(a.ID, false) })
	n, err := s.ForgetMembers(ctx, time.Now())
	ok(t, "forget", err)
	equal(t, "records of a deleted audience", 2, n)
}
