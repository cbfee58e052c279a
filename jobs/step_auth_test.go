package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
)

// credential stores one.
func (d *desk) credential(name string, kind model.CredentialType, config model.Config, secrets model.Secrets) model.CredentialID {
	d.Helper()
	c := model.Credential{Name: name, Type: kind, Config: config}
	d.write(func(tx *db.Tx) error { return tx.CreateCredential(&c, secrets) })
	return c.ID
}

// headers waits for the request at a path.
func (d *desk) headers(path string) http.Header {
	d.Helper()
	d.body(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.requests {
		if r.URL.Path == path {
			return r.Header
		}
	}
	return nil
}

// Webhooks and requests of steps carry any credential; a client secret goes into the body of webhooks only.
func TestStepsCarryCredentials(t *testing.T) {
	d := newDesk(t)
	token := d.credential("Token", model.CredentialBearer, nil, model.Secrets{"token": "tok-4711"})
	basic := d.credential("Login", model.CredentialBasic, model.Config{"username": "ada"}, model.Secrets{"password": "pass-4711"})
	secret := d.credential("Word", model.CredentialClientSecret, nil, model.Secrets{"secret": "word-4711"})
	aws := d.credential("AWS", "aws_sigv4", model.Config{"access_key_id": "AKID", "service": "execute-api", "region": "eu-central-1"}, model.Secrets{"secret_access_key": "aws-4711"})
	hook := func(name string, id model.CredentialID) string {
		return fmt.Sprintf(`{"name":%[1]q,"url":"RX/%[1]s","auth":{"type":"credential","credential_id":%[2]q}}`, name, id)
	}
	w := d.workflow("Authenticated", fmt.Sprintf(`{"trigger":{"kind":"manual"},"steps":[{"key":"call","kind":"outgoing","request":{"url":"RX/call","credential_id":%q},
	 "webhooks":[%s,%s,%s,%s,%s]}]}`, d.cred.ID, hook("bearer", token), hook("login", basic), hook("word", secret), hook("header", d.cred.ID), hook("aws", aws)))
	run, err := d.StartRun(context.Background(), dbtest.Admin(), NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual, Data: json.RawMessage(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	d.reach(run.ID, is(model.RunCompleted))
	if got := d.headers("/call").Get("X-Key"); got != "sesame-open-4711" {
		t.Errorf("the request's header is %q", got)
	}
	for path, want := range map[string]string{"/bearer": "Bearer tok-4711", "/login": "Basic YWRhOnBhc3MtNDcxMQ==", "/aws": "AWS4-HMAC-SHA256 Credential=AKID/", "/word": ""} {
		if got := d.headers(path).Get("Authorization"); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s carries %q", path, got)
		}
	}
	if got := d.headers("/header").Get("X-Key"); got != "sesame-open-4711" {
		t.Errorf("the webhook's header is %q", got)
	}
	if got := at(d.body("/word"), "client_secret"); got != "word-4711" {
		t.Errorf("the message says %v", got)
	}
	bad := w
	bad.Draft.Steps = nil
	if err := json.Unmarshal(fmt.Appendf(nil, `[{"key":"call","kind":"outgoing","request":{"url":"https://shop.example.com","credential_id":%q}}]`, secret), &bad.Draft.Steps); err != nil {
		t.Fatal(err)
	}
	d.write(func(tx *db.Tx) error {
		if err := tx.UpdateWorkflow(&bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("a client secret on a request is answered %v", err)
		}
		return nil
	})
}

// An integration that is used by a step sees the step's input, whose texts may hold tags; a
// destination takes the run's data through its own template.
func TestStepsUseIntegrationsAndDestinations(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	n := model.Integration{Name: "Stock"}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(`{"fields":[{"key":"sku","name":"Article","type":"text","required":true},{"key":"count","name":"Count","type":"number"}],
	 "request":{"name":"stock","event":"stock.told","method":"PUT","url":"RX/stock","body":"{\"sku\":{{ it.input.sku }},\"count\":{{ it.input.count }},\"of\":{{ it.run.subject }}}"}}`, "RX", d.rx.URL)), &n.Draft); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckIntegration(&n, true); err != nil {
		t.Fatal(err)
	}
	d.write(func(tx *db.Tx) error {
		if err := tx.CreateIntegration(&n); err != nil {
			return err
		}
		_, err := tx.PublishIntegration(n.ID, 0)
		return err
	})
	w := d.workflow("Uses", fmt.Sprintf(`{"trigger":{"kind":"event","event":"stock.asked"},"steps":[
	 {"key":"stock","kind":"outgoing","integration_id":%q,"input":{"sku":"{{ it.data[0].article }}-1","count":3},"next":[{"to":"shop"}]},
	 {"key":"shop","kind":"outgoing","destination_id":%q}]}`, n.ID, d.dest.ID))
	if _, err := d.Publish(ctx, dbtest.Admin(), "", false, []NewEvent{{Name: "stock.asked", Subject: "A-7", Data: json.RawMessage(`{"article":"LAMP","id":"A-7"}`)}}); err != nil {
		t.Fatal(err)
	}
	if run := d.reach(d.runsOf(w.ID, 1)[0].ID, is(model.RunCompleted)); run.Steps[1].Status != model.StepCompleted {
		t.Fatalf("%+v", run.Steps[1])
	}
	d.says(d.body("/stock"), "sku", "LAMP-1", "count", "3", "of", "A-7")
	d.says(d.body("/base/orders/A-7"), "article", "LAMP", "id", "A-7")
	if got := d.headers("/base/orders/A-7"); got.Get("X-Key") != "sesame-open-4711" || got.Get("X-Subject") != "A-7" {
		t.Errorf("the destination's request carries %q", got)
	}
	if events := d.eventsNamed("stock.told"); len(events) != 1 || !strings.Contains(string(events[0].Data), `"name":"stock"`) {
		t.Errorf("%+v", events)
	}
}

// A run that goes on for 60 days fails; what was open is abandoned.
func TestRunsEndAfterSixtyDays(t *testing.T) {
	d := newDesk(t)
	w := d.workflow("Patient", `{"trigger":{"kind":"manual"},"steps":[{"key":"ask","kind":"task","assignees":["initiator"],"next":[{"to":"wait"}]},{"key":"wait","kind":"wait","wait":{"event":"never.comes"}}]}`)
	run, err := d.StartRun(context.Background(), d.person(), NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual})
	if err != nil {
		t.Fatal(err)
	}
	d.ahead.Store(int64(model.MaxRunLife) - int64(1e12))
	d.timers.poke()
	if got := d.reach(run.ID, is(model.RunWaiting)); got.Steps[0].Status != model.StepOpen {
		t.Errorf("%+v", got.Steps)
	}
	d.ahead.Store(int64(model.MaxRunLife) + int64(1e9))
	d.timers.poke()
	run = d.reach(run.ID, is(model.RunFailed))
	if run.Steps[0].Status != model.StepAbandoned || !strings.Contains(run.Error, "60 days") {
		t.Errorf("%q, %+v", run.Error, run.Steps)
	}
	tasks, _, err := d.store.Tasks(context.Background(), db.TaskFilter{RunID: run.ID}, db.Page{})
	if err != nil || len(tasks) != 1 || tasks[0].Status != model.TaskAbandoned {
		t.Errorf("%+v, %v", tasks, err)
	}
}
