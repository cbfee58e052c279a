package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// workflow makes, publishes and returns a workflow; RX in its definition is the receiver's address.
func (d *desk) workflow(name, definition string) model.Workflow {
	d.Helper()
	w := model.Workflow{Name: name, Enabled: true}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(definition, "RX", d.rx.URL)), &w.Draft); err != nil {
		d.Fatal(err)
	}
	if err := d.CheckWorkflow(&w, true); err != nil {
		d.Fatal(err)
	}
	if err := d.CreateWorkflow(context.Background(), dbtest.Admin(), &w); err != nil {
		d.Fatal(err)
	}
	w, err := d.PublishWorkflow(context.Background(), dbtest.Admin(), w.ID, 0, "first")
	if err != nil {
		d.Fatal(err)
	}
	return w
}

// reach waits for a run of w to become as wanted.
func (d *desk) reach(id model.RunID, want func(model.Run) bool) model.Run {
	d.Helper()
	var r model.Run
	for range 6000 {
		var err error
		if r, err = d.store.Run(context.Background(), id); err != nil {
			d.Fatal(err)
		}
		if want(r) {
			return r
		}
		time.Sleep(5 * time.Millisecond)
	}
	b, _ := json.MarshalIndent(r, "", " ")
	d.Fatalf("the run stays as it is: %s", b)
	return r
}

func is(status model.RunStatus) func(model.Run) bool {
	return func(r model.Run) bool { return r.Status == status }
}

// runsOf lists the runs of a workflow, oldest first, when there are n.
func (d *desk) runsOf(id model.WorkflowID, n int) []model.Run {
	d.Helper()
	for range 6000 {
		list, _, err := d.store.Runs(context.Background(), db.RunFilter{WorkflowID: id}, db.Page{})
		if err != nil {
			d.Fatal(err)
		}
		if len(list) == n {
			return list
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.Fatalf("there are not %d runs", n)
	return nil
}

// body waits for the one body that the receiver got at path.
func (d *desk) body(path string) map[string]any {
	d.Helper()
	for range 6000 {
		d.mu.Lock()
		for i, r := range d.requests {
			if r.URL.Path == path {
				var m map[string]any
				err := json.Unmarshal([]byte(d.bodies[i]), &m)
				d.mu.Unlock()
				if err != nil {
					d.Fatalf("%s: %v", d.bodies[i], err)
				}
				return m
			}
		}
		d.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	d.Fatalf("nothing came to %s", path)
	return nil
}

// at finds what stands at a path such as step.fields.0.value.
func at(v any, path string) any {
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (d *desk) says(body map[string]any, pairs ...string) {
	d.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := fmt.Sprint(at(body, pairs[i])); got != pairs[i+1] {
			b, _ := json.MarshalIndent(body, "", " ")
			d.Errorf("%s: want %s, got %s in %s", pairs[i], pairs[i+1], got, b)
		}
	}
}

func (d *desk) eventsNamed(name string) []model.Event {
	d.Helper()
	list, _, err := d.store.Events(context.Background(), db.EventFilter{Name: name}, db.Page{})
	if err != nil {
		d.Fatal(err)
	}
	for i := range list {
		if list[i], err = d.store.Event(context.Background(), list[i].ID); err != nil {
			d.Fatal(err)
		}
	}
	return list
}

// A form is submitted, a message goes out, the run ends; conditions see the answer.
func TestEventStartsARun(t *testing.T) {
	d := newDesk(t)
	w := d.workflow("Form", `{"trigger":{"kind":"event","event":"form.submit","filter":"event.data.name != null"},"steps":[
	 {"key":"slack","name":"Tell Slack","kind":"outgoing","next":[{"to":"good","when":"steps.slack.response.status == 200 && steps.slack.response.body.ok"},{"to":"bad","when":"steps.slack.response.body.ok != true"}],
	  "request":{"name":"Slack","url":"RX/services/{{ it.data[0].name }}?n={{ it.run.number }}","headers":[{"name":"X-Run","value":"{{ it.run.id }}"}],"body":"{\"text\":\"{{ it.data[0].name }} wrote\"}"}},
	 {"key":"good","kind":"end"},{"key":"bad","kind":"end"}]}`)
	d.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true,"list":[{"a":1},"x"],"big":12345678901234567890,"none":{}}`)
	})
	if _, err := d.Publish(context.Background(), dbtest.Admin(), "", false, []NewEvent{{Name: "form.submit", Subject: "S1", Data: json.RawMessage(`{"name":"Ada \"L\""}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Publish(context.Background(), dbtest.Admin(), "", false, []NewEvent{{Name: "form.submit", Data: json.RawMessage(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	run := d.reach(d.runsOf(w.ID, 1)[0].ID, is(model.RunCompleted))
	if len(run.Steps) != 2 || run.Steps[1].Key != "good" || run.Subject != "S1" || run.Event.Name != "form.submit" || run.Steps[0].Response.Status != 200 {
		t.Errorf("%+v", run)
	}
	if got := d.bodies[0]; got != `{"text":"Ada \"L\" wrote"}` || d.requests[0].URL.String() != "/services/Ada%20%22L%22?n=1" || d.requests[0].Header.Get("X-Run") != string(run.ID) {
		t.Errorf("%s %s", got, d.requests[0].URL)
	}
	asked, answered := d.eventsNamed("webhook.request"), d.eventsNamed("webhook.response")
	if len(asked) != 1 || len(answered) != 1 || answered[0].Depth != 1 || answered[0].Subject != "S1" {
		t.Fatalf("%+v %+v", asked, answered)
	}
	want := fmt.Sprintf(`{"status":200,"statusDescription":"OK","error":"","name":"Slack","req.url":"%s/services/Ada%%20%%22L%%22?n=1","workflow.id":"%s","workflow.name":"Form","step.key":"slack","step.name":"Tell Slack","run.id":"%s","run.number":1,"body.ok":true,"body.list[0].a":1,"body.list[1]":"x","body.big":12345678901234567890,"body.none":{}}`, d.rx.URL, w.ID, run.ID)
	if got := string(answered[0].Data); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// Met by the trigger, and not met.
	events, _, _ := d.store.Events(context.Background(), db.EventFilter{Name: "form.submit"}, db.Page{})
	if events[1].Met[0].Result != model.MetStarted || events[0].Met[0].Result != model.MetFilter || events[0].Met[0].Workflow != w.ID {
		t.Errorf("%+v", events)
	}
}

// A failing request is a branch, or the end of the run; its event is raised with an answer's status or 0.
func TestOutgoingFails(t *testing.T) {
	d := newDesk(t)
	d.answers(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	w := d.workflow("Failing", `{"trigger":{"kind":"manual"},"steps":[{"key":"call","kind":"outgoing","request":{"name":"Call","event":"call.done","url":"RX/x","body_in_event":false},
	 "next":[{"to":"sorry","when":"steps.call.response.status == 403"}]},{"key":"sorry","kind":"end"}]}`)
	run, err := d.StartRun(context.Background(), dbtest.Admin(), NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual})
	if err != nil {
		t.Fatal(err)
	}
	run = d.reach(run.ID, is(model.RunCompleted))
	if run.Steps[0].Status != model.StepFailed || run.Steps[1].Key != "sorry" || !strings.Contains(run.Steps[0].Error, "403") {
		t.Errorf("%+v", run.Steps)
	}
	done := d.eventsNamed("call.done")
	if len(done) != 1 || strings.Contains(string(done[0].Data), "body") || !strings.Contains(string(done[0].Data), `"status":403,"statusDescription":"Forbidden","error":"Answered 403`) {
		t.Errorf("%+v", done)
	}
	w = d.workflow("Ending", `{"trigger":{"kind":"manual"},"steps":[{"key":"call","kind":"outgoing","on_failure":"fail","request":{"url":"RX/x"},"next":[{"to":"end"}]},{"key":"end","kind":"end"}]}`)
	run, err = d.StartRun(context.Background(), dbtest.Admin(), NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual})
	if err != nil {
		t.Fatal(err)
	}
	if run = d.reach(run.ID, is(model.RunFailed)); !strings.Contains(run.Error, "403") {
		t.Error(run.Error)
	}
}

// Every kind of step has webhooks; each message says who did what before.
func TestStepWebhooks(t *testing.T) {
	d := newDesk(t)
	hooks := func(key string) string {
		return fmt.Sprintf(`"webhooks":[{"name":"In","trigger":"created","url":"RX/%[1]s/created"},{"name":"Out","trigger":"completed","url":"RX/%[1]s/completed"}]`, key)
	}
	w := d.workflow("Purchase", `{"trigger":{"kind":"manual","fields":[{"key":"item","name":"Item","type":"text","required":true}]},"steps":[
	 {"key":"ask","name":"Ask","kind":"task","assignees":["initiator"],"fields":[{"key":"price","name":"Price","type":"currency","required":true}],"next":[{"to":"one"}],
	  "webhooks":[{"name":"In","trigger":"created","url":"RX/ask/created","sign":true},{"name":"Out","url":"RX/ask/completed","auth":{"type":"client_secret","secret":"abc"}},
	   {"name":"Off","enabled":false,"url":"RX/off"}]},
	 {"key":"one","kind":"approval","assignees":["role:Administrator"],"next":[{"to":"all"}],`+hooks("one")+`},
	 {"key":"all","kind":"parallel_approval","assignees":["initiator","role:Administrator"],"next":[{"to":"turn"}],`+hooks("all")+`},
	 {"key":"turn","kind":"sequential_approval","assignees":["initiator","role:Administrator"],"next":[{"to":"script"}],"on_reject":{"to":"ask"},`+hooks("turn")+`},
	 {"key":"script","kind":"script","script":"return {double: it.steps.ask.fields.price * 2, n: it.data[0].item}","next":[{"to":"wait"}],`+hooks("script")+`},
	 {"key":"wait","kind":"wait","wait":{"seconds":1},"next":[{"to":"send"}],`+hooks("wait")+`},
	 {"key":"send","kind":"outgoing","request":{"url":"RX/send","body":"{{! return it.steps.script.output }}"},"next":[{"to":"end"}],`+hooks("send")+`},
	 {"key":"end","kind":"end",`+hooks("end")+`}]}`)
	run, err := d.StartRun(context.Background(), d.person(), NewRun{WorkflowID: w.ID, Trigger: model.TriggerManual, Subject: "Lamp", Data: json.RawMessage(`{"item":"Lamp"}`)})
	if err != nil {
		t.Fatal(err)
	}
	d.says(d.body("/ask/created"), "type", "step.created", "workflow.version", "1", "run.subject", "Lamp", "run.number", "1", "run.initiator", "ada@example.com", "step.key", "ask",
		"step.status", "open", "previous_step.key", "trigger", "previous_step.kind", "manual", "previous_step.fields.0.key", "item", "previous_step.fields.0.value", "Lamp", "client_secret", "<nil>")
	d.does(run.ID, flow.Complete, `{"price":12.50}`)
	done := d.body("/ask/completed")
	d.says(done, "type", "step.completed", "step.status", "completed", "step.actor", "ada@example.com", "step.fields.0.type", "currency", "step.fields.0.value", "12.5", "client_secret", "abc", "previous_step", "<nil>")
	d.does(run.ID, flow.Approve, "fine")
	d.says(d.body("/one/created"), "previous_step.key", "ask", "previous_step.fields.0.value", "12.5")
	d.says(d.body("/one/completed"), "step.decisions.0.actor", "ada@example.com", "step.decisions.0.decision", "approved", "step.decisions.0.comment", "fine")
	d.does(run.ID, flow.Approve, "")
	d.does(run.ID, flow.Approve, "")
	d.says(d.body("/all/completed"), "step.kind", "parallel_approval", "step.decisions.1.decision", "approved")
	d.does(run.ID, flow.Approve, "")
	d.does(run.ID, flow.Approve, "")
	d.says(d.body("/turn/created"), "previous_step.kind", "parallel_approval", "previous_step.decisions.1.decision", "approved")
	d.reach(run.ID, is(model.RunCompleted))
	d.says(d.body("/script/completed"), "step.output.double", "25")
	d.says(d.body("/send"), "double", "25", "n", "Lamp")
	d.says(d.body("/end/created"), "previous_step.key", "send", "previous_step.response.status", "200")
	d.body("/end/completed")
	for _, key := range []string{"one", "all", "turn", "script", "wait", "send", "end"} {
		d.body("/" + key + "/created")
		d.body("/" + key + "/completed")
	}
	// The client secret is stored nowhere in clear.
	got := d.reach(run.ID, func(r model.Run) bool { return r.Steps[0].Webhooks[1].Status == model.Delivered })
	attempts, err := d.store.Attempts(context.Background(), got.Steps[0].Webhooks[1].DeliveryID)
	if err != nil || !strings.HasSuffix(string(attempts[0].Request.Body), `,"client_secret":"•••"}`) {
		t.Errorf("%v %s", err, attempts[0].Request.Body)
	}
	for i, r := range d.requests {
		if r.URL.Path == "/off" {
			t.Error("a webhook that is off was sent")
		}
		if signed := r.Header.Get("webhook-signature") != ""; signed != (r.URL.Path == "/ask/created") {
			t.Errorf("%s: signed %v", d.bodies[i], signed)
		}
	}
}

// What a condition looks at is compared with the form that gives it.
func TestConditionsOverFieldsThatAreMissing(t *testing.T) {
	d := newDesk(t)
	w := model.Workflow{Name: "Leave"}
	one := func(kind model.TriggerKind, when string) string {
		w.Draft = model.Definition{Trigger: model.Trigger{Kind: kind, Fields: []model.FormField{{Key: "days", Name: "Days", Type: model.TypeNumber}}},
			Steps: []model.Step{{Key: "a", Name: "A", Kind: model.StepApproval, Assignees: []string{"initiator"}, Next: []model.Transition{{To: "end", When: when}}}, {Key: "end", Name: "End", Kind: model.StepEnd}}}
		list, err := d.WorkflowWarnings(context.Background(), w.Draft)
		if bad := fault.Of(d.CheckWorkflow(&w, false)); err == nil && bad != nil {
			list = bad.Fields
		}
		if err != nil || len(list) > 1 {
			t.Fatalf("%v %v", list, err)
		}
		if len(list) == 0 {
			return ""
		}
		return list[0].Message
	}
	for _, c := range []struct {
		kind       model.TriggerKind
		when, want string
	}{
		{model.TriggerForm, "run.data.days > 3", ""}, {model.TriggerForm, "run.data != null", ""}, {model.TriggerEvent, "run.data.tage > 3", ""},
		{model.TriggerForm, "run.data.tage > 3", "The form has no field “tage”"}, {model.TriggerForm, "days > 3", "Did you mean run.data.days?"}, {model.TriggerForm, "tage > 3", "There is no tage here"},
	} {
		if got := one(c.kind, c.when); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %s: %q", c.kind, c.when, got)
		}
	}
}

// person is the user of the desk's store who does the tasks.
func (d *desk) person() model.Actor {
	d.Helper()
	a := dbtest.Admin()
	u, _, err := d.store.UserByEmail(context.Background(), "ada@example.com")
	if fault.Is(err, fault.NotFound) {
		u = model.User{Email: "ada@example.com", Name: "Ada", Roles: []string{model.Administrator}}
		d.write(func(tx *db.Tx) error { return tx.CreateUser(&u, "") })
	} else if err != nil {
		d.Fatal(err)
	}
	a.UserID = u.ID
	return a
}

// does does the only open task of a run that the person may do, when there is one.
func (d *desk) does(run model.RunID, what flow.What, text string) {
	d.Helper()
	for range 6000 {
		list, _, err := d.store.Tasks(context.Background(), db.TaskFilter{RunID: run, Open: true}, db.Page{})
		if err != nil {
			d.Fatal(err)
		}
		if len(list) == 0 {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		a := Act{Task: list[0].ID, What: what, Comment: text}
		if what == flow.Complete {
			a.Comment = ""
			if err := json.Unmarshal([]byte(text), &a.Fields); err != nil {
				d.Fatal(err)
			}
		}
		if _, err := d.Act(context.Background(), d.person(), a); err != nil {
			d.Fatal(err)
		}
		return
	}
	d.Fatal("there is no open task")
}
