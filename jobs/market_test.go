package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/egress"
	"waybill/jobs/standin"
)

// market is a desk with a connection of a named system.
type market struct {
	*desk
	of model.Connection
}

func newMarket(t *testing.T, kind model.ConnectionType, base string, config model.Config, secret model.Secret) *market {
	m := &market{desk: newDesk(t)}
	cred := model.Credential{Name: "Token", Type: "oauth2", Config: config}
	m.of = model.Connection{Name: "System", Type: kind, BaseURL: base, Enabled: true, TimeoutSeconds: 5}
	m.write(func(tx *db.Tx) error { return tx.CreateCredential(&cred, model.Secrets{"client_secret": secret}) })
	m.of.CredentialID = cred.ID
	if err := m.CheckConnection(&m.of); err != nil {
		t.Fatal(err)
	}
	m.write(func(tx *db.Tx) error { return tx.CreateConnection(&m.of) })
	return m
}

// destination makes one, with what its type begins with, that gets the events of a name.
func (m *market) destination(event string, d model.Destination) model.Destination {
	m.Helper()
	d.Name, d.ConnectionID, d.Enabled = event, m.of.ID, true
	connector.Start(m.of, &d)
	if err := m.CheckDestination(&d); err != nil {
		m.Fatal(err)
	}
	act := model.Action{Name: event, Event: event, Enabled: true}
	m.write(func(tx *db.Tx) error {
		if err := tx.CreateDestination(&d, ""); err != nil {
			return err
		}
		act.DestinationID = d.ID
		return tx.CreateAction(&act)
	})
	return d
}

// publishes raises events of one name in one request; the subject of each is its data.
func (m *market) publishes(name string, data ...string) (out []model.EventID) {
	m.Helper()
	var list []NewEvent
	for _, d := range data {
		list = append(list, NewEvent{Name: name, Subject: d, Data: json.RawMessage(d)})
	}
	all, err := m.Publish(context.Background(), dbtest.Admin(), "", true, list)
	if err != nil {
		m.Fatal(err)
	}
	for _, p := range all {
		out = append(out, p.ID)
	}
	return out
}

// told are status, attempts and what was said of the deliveries of events: why not, or in the last attempt.
func (m *market) told(ids []model.EventID, want ...model.Status) (out []string) {
	m.Helper()
	for _, id := range ids {
		d := m.settled(id, want...)
		list, err := m.store.Attempts(context.Background(), d.ID)
		if err != nil {
			m.Fatal(err)
		}
		words := d.LastError
		if n := len(list); words == "" && n > 0 {
			words = list[n-1].Said
		}
		if i := strings.IndexByte(words, '.'); i > 0 {
			words = words[:i]
		}
		out = append(out, fmt.Sprintf("%s %d: %s", d.Status, d.Attempts, words))
	}
	return out
}

var over = []model.Status{model.Delivered, model.Failed, model.Skipped, model.Held}

func TestMarketo(t *testing.T) {
	x := standin.NewMarketo()
	defer x.Close()
	m := newMarket(t, model.ConnectionMarketo, x.URL, model.Config{"grant": "client_credentials", "client_auth": "get_query", "token_url": x.TokenURL(), "client_id": x.ID, "cache_seconds": float64(600)}, model.Secret(x.Secret))
	expect := func(what string, want, got []string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	leads := m.destination("lead", model.Destination{Settings: model.Config{"write": "leads"}, BatchSize: 6, BatchWaitMS: 100, RetrySchedule: []int{0, 0, 0},
		Template: `{{! const d = it.data[0]; if (d.skip) return null; if (d.boom) throw new Error("no such thing"); return d; }}`})
	if leads.Rate != 0 || leads.MaxInFlight != 10 || leads.Method != "POST" {
		t.Errorf("begins with %+v", leads)
	}
	expect("each record has an outcome of its own", []string{"delivered 1: Created as lead 50", "failed 1: Marketo skipped the record: 1006 Field 'x' not found", "skipped 0: template returned null: nothing to send",
		"failed 1: Template error: template, line 1, column 70: Error: no such thing", "delivered 1: Created as lead 51", "failed 1: Marketo skipped the record: 1001 Invalid value 'email'"},
		m.told(m.publishes("lead", `{"email":"a@example.com"}`, `{"email":"b@example.com","x":1}`, `{"skip":1}`, `{"boom":1}`, `{"email":"c@example.com"}`, `{"email":5}`), over...))
	if sizes, _ := x.Sizes(); !slices.Equal(sizes, []int{4}) {
		t.Errorf("requests of %v", sizes)
	}
	// What stands inside 200: a token that ended, and one that is not known, are renewed within the attempt.
	x.Expire()
	expect("expired", []string{"delivered 1: Updated as lead 50"}, m.told(m.publishes("lead", `{"email":"a@example.com","score":1}`), over...))
	x.Forget()
	p := m.publishes("lead", `{"email":"a@example.com","score":2}`)
	expect("unknown", []string{"delivered 1: Updated as lead 50"}, m.told(p, over...))
	d := m.settled(p[0], over...)
	if list, err := m.store.Attempts(context.Background(), d.ID); err != nil || len(list) != 2 || list[0].StatusCode != 200 || !strings.Contains(string(list[0].Response.Body), `"601"`) || x.Granted() != 3 {
		t.Errorf("%d tokens, attempts %+v %v", x.Granted(), list, err)
	}
	// Those that pass are tried again; limits not before they can pass; what is forbidden is final.
	x.Next("html", "cut", "cut") // one that is cut on a connection that stood open is sent once more on another
	m.destination("quick", model.Destination{Settings: model.Config{"write": "leads", "action": "createOnly"}, BatchSize: 1, RetrySchedule: []int{0, 0, 0}})
	expect("passing", []string{"delivered 3: Updated as lead 51"}, m.told(m.publishes("lead", `{"email":"c@example.com"}`), model.Delivered, model.Failed))
	x.Next("606", "607")
	limited := m.publishes("quick", `{"email":"d@example.com"}`, `{"email":"e@example.com"}`)
	for i, id := range limited {
		d := m.settled(id, model.Retrying)
		if wait := time.Until(d.NextAttemptAt); wait < 15*time.Second || i == 1 && wait > 24*time.Hour || !strings.HasPrefix(d.LastError, "Marketo refused the request: 60") {
			t.Errorf("goes on in %v: %s", wait, d.LastError)
		}
	}
	x.Next("603")
	expect("603", []string{"failed 1: Marketo refused the request: 603 Access denied"}, m.told(m.publishes("quick", `{"email":"f@example.com"}`), over...))
	expect("createOnly", []string{"failed 1: Marketo skipped the record: 1005 Lead already exists"}, m.told(m.publishes("quick", `{"email":"a@example.com"}`), over...))
	m.destination("bought", model.Destination{Settings: model.Config{"write": "activities", "activity_type_id": float64(100001)}, BatchWaitMS: 100, RetrySchedule: []int{0},
		Template: `{{! return {leadId: it.data[0].lead, activityDate: it.events[0].time, primaryAttributeValue: it.delivery.id, attributes: []}; }}`})
	expect("activities", []string{"delivered 1: Added as activity 50", "failed 1: Marketo skipped the record: 1004 Lead not found"}, m.told(m.publishes("bought", `{"lead":50}`, `{"lead":7}`), over...))
	if w := x.Written(); len(w) != 1 || !strings.HasPrefix(fmt.Sprint(w[0]["primaryAttributeValue"]), "dlv_") {
		t.Errorf("written %v", w)
	}
}

func TestSalesforce(t *testing.T) {
	x := standin.NewSalesforce()
	defer x.Close()
	x.Hidden, x.PageSize = 1, 2
	// The base URL leads nowhere: the host comes with the token.
	m := newMarket(t, model.ConnectionSalesforce, "https://nowhere.invalid", model.Config{"grant": "client_credentials", "client_auth": "post_json", "token_url": x.TokenURL(), "client_id": x.ID, "account_id": x.Account}, model.Secret(x.Secret))
	rows := func(event, mode string, size int) {
		m.destination(event, model.Destination{Settings: model.Config{"write": "rows", "data_extension": "Orders & more", "mode": mode}, BatchSize: size, BatchWaitMS: 300, RetrySchedule: []int{0, 0}})
	}
	rows("order", "upsert", 4)
	rows("short", "upsert", 3)
	rows("gone", "insert", 1)
	x.Fate("deadlock")
	first := m.publishes("order", `{"OrderId":"1"}`, `{"OrderId":"2","Color":"red"}`, `{"OrderId":"3"}`, `{"Email":"a@example.com"}`)
	time.Sleep(20 * time.Millisecond)
	for m.waits(first[0]) == "" {
		time.Sleep(5 * time.Millisecond)
	}
	if d := m.settled(first[0], model.Pending); d.Held != model.HeldOutcome || d.Attempts != 1 || d.LastStatusCode != 202 {
		t.Errorf("taken as %+v", d)
	}
	x.Fate("short")
	short := m.publishes("short", `{"OrderId":"5"}`, `{"OrderId":"6","Color":"red"}`, `{"OrderId":"7"}`)
	for m.waits(short[0]) == "" {
		time.Sleep(5 * time.Millisecond)
	}
	// The process ends meanwhile: whoever comes next asks on.
	if err := m.Stop(time.Second); err != nil {
		t.Fatal(err)
	}
	rules, _ := egress.ParseRules("127.0.0.1/32")
	m.Service = New(Options{Store: m.store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Rules: rules, Version: "test", Node: model.NewNodeID(time.Now())})
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	gone := m.publishes("gone", `{"OrderId":"9"}`)
	for m.waits(gone[0]) == "" {
		time.Sleep(5 * time.Millisecond)
	}
	x.Expire()
	x.Next("401", "500")
	const refused = "Marketing Cloud refused the row: "
	for what, tc := range map[string]struct {
		ids  []model.EventID
		want []string
	}{
		"rows": {first, []string{"delivered 2: Stored in the data extension", "failed 1: " + refused + "Invalid column name 'Color'", "delivered 1: Stored in the data extension",
			"failed 1: " + refused + "Cannot insert the value NULL into column 'OrderId'"}},
		"which are refused is not told": {short, []string{"delivered 2: Stored in the data extension", "failed 2: " + refused + "Invalid column name 'Color'", "delivered 2: Stored in the data extension"}},
		"inserted":                      {gone, []string{"delivered 1: Stored in the data extension"}},
	} {
		if diff := cmp.Diff(tc.want, m.told(tc.ids, model.Delivered, model.Failed)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if x.Row("1") == nil || x.Row("2") != nil || x.Row("7") == nil {
		t.Error("the rows are not those that were delivered")
	}
	m.destination("enter", model.Destination{Settings: model.Config{"write": "journey", "event_definition_key": "APIEvent-2b9c"}, RetrySchedule: []int{0},
		Template: `{{! return {ContactKey: it.data[0].to, Data: it.data[0]}; }}`})
	got := m.told(m.publishes("enter", `{"to":"ada@example.com"}`, `{"to":"inactive@example.com"}`), model.Delivered, model.Failed)
	if len(x.Entered()) != 1 || !strings.HasPrefix(got[0], "delivered 1: The contact entered as event") || !strings.HasPrefix(got[1], "failed 1: Answered 400 Bad Request") {
		t.Errorf("%v %v", got, x.Entered())
	}
	for target := range 1 { // nothing is followed any more
		if list, err := m.store.Following(context.Background()); err != nil || len(list) != target {
			t.Errorf("%v %v", list, err)
		}
	}
}

// waits is why the delivery of an event waits.
func (m *market) waits(id model.EventID) string {
	list, _, err := m.store.Deliveries(context.Background(), db.DeliveryFilter{EventID: id}, db.Page{})
	if err != nil || len(list) != 1 {
		m.Fatal(len(list), err)
	}
	m.Now(&list[0])
	if list[0].WaitingFor == WaitsOutcome {
		return list[0].WaitingFor
	}
	return ""
}
