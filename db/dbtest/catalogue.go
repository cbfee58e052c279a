package dbtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// catalogue are the changes of what workflows are made with.
func catalogue() []change {
	definition, people := model.EventDefinition{Name: "order.created"}, model.Audience{Name: "Readers"}
	call, over := model.Integration{Name: "Tell them"}, model.AudienceRun{}
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
		{"StartAudienceRun", "audience_run.started", false, func(tx *db.Tx, x *Setup) error {
			over.AudienceID, over.Workflow = people.ID, "Welcome"
			return tx.StartAudienceRun(&over)
		}},
		{"MoveAudienceRun", "", false, func(tx *db.Tx, x *Setup) error { return tx.MoveAudienceRun(over, 0) }},
		{"EndAudienceRun", "audience_run.stopped", false, func(tx *db.Tx, x *Setup) error {
			_, err := tx.EndAudienceRun(over.ID, model.AudienceStopped, "")
			return err
		}},
		{"CreateIntegration", "integration.created", false, func(tx *db.Tx, x *Setup) error { return tx.CreateIntegration(&call) }},
		{"UpdateIntegration", "integration.updated", false, func(tx *db.Tx, x *Setup) error {
			call.Draft.Request.URL = "https://example.com"
			return tx.UpdateIntegration(&call)
		}},
		{"PublishIntegration", "integration.published", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.PublishIntegration(call.ID, 0)
			return err
		}},
		{"DeleteIntegration", "integration.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteIntegration(call.ID) }},
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

func integrations(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	n := model.Integration{Name: "Tell them", Draft: model.IntegrationSpec{Fields: []model.FormField{{Key: "sku", Type: model.TypeText}}, Request: model.Request{URL: "https://example.com", CredentialID: "crd_none"}}}
	write := func(fn func(tx *db.Tx) error) error { return s.Write(ctx, Admin(), fn) }
	err := write(func(tx *db.Tx) error { return tx.CreateIntegration(&n) })
	wantFault(t, "unknown credential", err, fault.Invalid, "")
	equal(t, "field", "request.credential_id", fault.Of(err).Fields[0].Name)
	n.Draft.Request.CredentialID = x.Credential.ID
	Write(t, s, func(tx *db.Tx) error { return tx.CreateIntegration(&n) })
	got, err := s.Integration(ctx, n.ID)
	ok(t, "read", err)
	equal(t, "stored", fmt.Sprintf("%+v", n), fmt.Sprintf("%+v", got))
	uses, err := s.CredentialUsage(ctx, x.Credential.ID)
	ok(t, "usage", err)
	if !strings.Contains(fmt.Sprint(uses), "Tell them") {
		t.Errorf("the credential's users are %v", uses)
	}
	equal(t, "never published", true, got.Changed() && got.Live == nil)
	Write(t, s, func(tx *db.Tx) (err error) { n, err = tx.PublishIntegration(n.ID, n.Version); return err })
	equal(t, "published", "1 https://example.com false", fmt.Sprint(n.Published, " ", n.Live.Request.URL, " ", n.Changed()))
	n.Draft.Request.URL = "https://example.com/2"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateIntegration(&n) })
	got, err = s.Integration(ctx, n.ID)
	ok(t, "read", err)
	equal(t, "the draft alone changed", "https://example.com https://example.com/2 true", fmt.Sprint(got.Live.Request.URL, " ", got.Draft.Request.URL, " ", got.Changed()))
	wantFault(t, "publish of an old version", write(func(tx *db.Tx) error { _, err := tx.PublishIntegration(n.ID, 1); return err }), fault.Stale, "")
	list, _, err := s.Integrations(ctx, db.IntegrationFilter{Query: "tell", Published: true}, db.Page{})
	ok(t, "list", err)
	equal(t, "found", 1, len(list))
	Write(t, s, func(tx *db.Tx) error { return tx.DeleteIntegration(n.ID) })
}
