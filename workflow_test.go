package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// listener is a receiver that keeps what came, by path.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	came map[string][]heard
	say  func(path string, n int) (status int, body string) // n counts from 1; nil = 200
}

type heard struct {
	header http.Header
	body   map[string]any
}

func newListener(t testing.TB) *listener {
	l := &listener{came: map[string][]heard{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		h := heard{header: r.Header}
		if err != nil || len(text) > 0 && json.Unmarshal(text, &h.body) != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		l.mu.Lock()
		l.came[r.URL.Path] = append(l.came[r.URL.Path], h)
		n, say := len(l.came[r.URL.Path]), l.say
		l.mu.Unlock()
		if say != nil {
			status, body := say(r.URL.Path, n)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) at(path string) []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.came[path])
}

// dig finds what stands at a path such as previous_step.fields.0.value, as text.
func dig(v any, path string) string {
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(x) {
				return "<none>"
			}
			v = x[i]
		default:
			return "<none>"
		}
	}
	return fmt.Sprint(v)
}

// flowing is a program with a listener; RX in what it is told is the listener's address.
type flowing struct {
	*program
	*listener
	t *testing.T
}

func newFlowing(t *testing.T) *flowing {
	f := &flowing{newProgram(t, ""), newListener(t), t}
	f.start()
	return f
}

// publishes makes and publishes a workflow.
func (f *flowing) publishes(definition string) string {
	f.t.Helper()
	w := f.must(201, "POST", "workflows", strings.ReplaceAll(definition, "RX", f.URL))
	f.must(200, "POST", "workflows/"+w.str("id")+"/publish", `{"note":"first"}`)
	return w.str("id")
}

// begins starts a run.
func (f *flowing) begins(workflow, body string) string {
	f.t.Helper()
	return f.must(201, "POST", "workflows/"+workflow+"/runs", body).str("id")
}

// becomes waits for a run's status.
func (f *flowing) becomes(run, status string) map[string]any {
	f.t.Helper()
	var last answer
	f.eventually("the run is "+status, func() bool {
		last = f.must(200, "GET", "runs/"+run, nil)
		return last.str("status") == status
	})
	return last.json
}

// hears waits for the nth message at a path.
func (f *flowing) hears(path string, n int) heard {
	f.t.Helper()
	f.eventually(fmt.Sprintf("message %d at %s", n, path), func() bool { return len(f.at(path)) >= n })
	return f.at(path)[n-1]
}

// does does the caller's only open task of a run.
func (f *flowing) does(run, what, body string) {
	f.t.Helper()
	var tasks []map[string]any
	f.eventually("a task to "+what, func() bool {
		tasks = f.must(200, "GET", "tasks?run_id="+run, nil).items()
		return len(tasks) > 0
	})
	f.must(200, "POST", "tasks/"+tasks[0]["id"].(string)+"/"+what, body)
}

func (f *flowing) says(h heard, pairs ...string) {
	f.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := dig(h.body, pairs[i]); got != pairs[i+1] {
			b, _ := json.Marshal(h.body)
			f.t.Errorf("%s: want %q, got %q in %s", pairs[i], pairs[i+1], got, b)
		}
	}
}

// A form is submitted, a chat is told, the run ends. The first two tries fail; the events tell of the outcome once.
func TestFormToChat(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	f.say = func(path string, n int) (int, string) {
		if path == "/chat" && n == 1 {
			return 503, `{"ok":false}`
		}
		return 200, `{"ok":true,"ts":"17.1"}`
	}
	con := f.must(201, "POST", "connections", map[string]any{"name": "Chat", "base_url": f.URL})
	dst := f.must(201, "POST", "connections/"+con.str("id")+"/destinations", map[string]any{"name": "Room", "path": "/chat", "template": `{{! return {text: it.data[0].name + " wrote in run " + it.run.number}; }}`, "retry_schedule": []int{0, 0}})
	id := f.publishes(`{"name":"Form to chat","trigger":{"kind":"event","event":"form.submit","filter":"event.data.name != null"},"steps":[
	  {"key":"tell","name":"Tell","kind":"outgoing","destination_id":"` + dst.str("id") + `","next":[{"to":"end","when":"steps.tell.response.body.ok"}]},{"key":"end","kind":"end"}]}`)
	// What tells of the answer can start another workflow.
	second := f.publishes(`{"name":"After","trigger":{"kind":"event","event":"webhook.response","filter":"event.data[\"body.ok\"] && event.data[\"workflow.name\"] == \"Form to chat\""},"steps":[{"key":"note","kind":"outgoing",
	  "request":{"name":"Note","event":"note.done","url":"RX/note","body":"{\"was\":{{ it.data[0].status }},\"of\":{{ it.data[0].name }}}"}}]}`)
	f.must(202, "POST", "events", `{"name":"form.submit","subject":"S-1","data":{"name":"Ada"}}`)
	f.must(202, "POST", "events", `{"name":"form.submit","data":{}}`)
	var runs []map[string]any
	f.eventually("both runs end", func() bool {
		runs = f.must(200, "GET", "runs?status=completed", nil).items()
		return len(runs) == 2
	})
	if n := len(f.must(200, "GET", "runs?workflow_id="+id, nil).items()); n != 1 {
		t.Errorf("%d runs", n)
	}
	if got := dig(f.at("/chat")[1].body, "text"); got != "Ada wrote in run 1" || f.at("/chat")[0].header.Get("webhook-id") != f.at("/chat")[1].header.Get("webhook-id") {
		t.Errorf("%q %v", got, f.at("/chat"))
	}
	f.says(f.hears("/note", 1), "was", "200", "of", "Room")
	for name, want := range map[string]int{"webhook.request": 2, "webhook.response": 1, "note.done": 1} {
		list := f.must(200, "GET", "events?name="+name, nil).items()
		if len(list) != want {
			t.Errorf("%d events %s", len(list), name)
		}
	}
	run := f.must(200, "GET", "runs?workflow_id="+second, nil).items()[0]
	if dig(run, "trigger") != "event" || dig(run, "steps.0.status") != "completed" || dig(run, "steps.0.response.status") != "200" {
		t.Errorf("%v", run)
	}
	deliveries := f.must(200, "GET", "deliveries?run_id="+dig(run, "id"), nil).items()
	if len(deliveries) != 1 || dig(deliveries[0], "status") != "delivered" || dig(deliveries[0], "step") != "note" {
		t.Errorf("%v", deliveries)
	}
}

const purchase = `{"name":"Purchase","trigger":{"kind":"manual"},"steps":[
 {"key":"ask","name":"Ask","kind":"task","assignees":["initiator"],"fields":[{"key":"item","name":"Item","type":"text","required":true},{"key":"price","name":"Price","type":"currency","min":1}],"next":[{"to":"board"},{"to":"stock"}],
  "webhooks":[{"name":"Secret","url":"RX/ask/done","sign":true,"auth":{"type":"client_secret","secret":"s3"}},{"name":"New","url":"RX/ask/new","trigger":"created"}]},
 {"key":"board","name":"Board","kind":"parallel_approval","assignees":["initiator","role:Administrator"],"on_reject":{"to":"ask"},"next":[{"to":"chiefs"}],
  "webhooks":[{"name":"Basic","url":"RX/board/done","auth":{"type":"basic","username":"wb","password":"p:4"}},{"name":"New","url":"RX/board/new","trigger":"created"}]},
 {"key":"stock","name":"Stock","kind":"task","assignees":["initiator"],"next":[{"to":"order"}]},
 {"key":"chiefs","name":"Chiefs","kind":"sequential_approval","assignees":["initiator","role:Administrator"],"on_reject":{"end":true},"next":[{"to":"order"}],
  "webhooks":[{"name":"Done","url":"RX/chiefs/done"},{"name":"New","url":"RX/chiefs/new","trigger":"created"}]},
 {"key":"order","name":"Order","kind":"outgoing","wait_for_all":true,"request":{"name":"Order","url":"RX/order","body":"{\"item\":{{ it.steps.ask.fields.item }}}"},"next":[{"to":"end"}],
  "webhooks":[{"name":"New","url":"RX/order/new","trigger":"created"}]},
 {"key":"end","name":"End","kind":"end","webhooks":[{"name":"Broken","url":"RX/broken"},{"name":"New","url":"RX/end/new","trigger":"created"}]}]}`

// A purchase is rejected by one of the board, asked for again, approved by all, and ordered; every step tells others.
func TestPurchase(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	f.say = func(path string, n int) (int, string) {
		if path == "/broken" {
			return 410, ``
		}
		return 200, `{"ordered":true}`
	}
	id := f.publishes(purchase)
	got := f.must(200, "GET", "workflows/"+id, nil)
	if text, _ := json.Marshal(got.json); strings.Contains(string(text), "p:4") || strings.Contains(string(text), `"s3"`) || dig(got.json, "steps.0.webhooks.0.auth.secrets.0") != "secret" {
		t.Errorf("%s", text)
	}
	run := f.begins(id, `{"subject":"Lamp","data":{"why":"dark"}}`)
	f.says(f.hears("/ask/new", 1), "type", "step.created", "previous_step.key", "trigger", "previous_step.kind", "manual", "previous_step.fields.0.key", "why", "run.subject", "Lamp", "run.initiator", "ada@example.com")
	tasks := f.must(200, "GET", "tasks?run_id="+run, nil).items()
	if bad := f.must(422, "POST", "tasks/"+tasks[0]["id"].(string)+"/complete", `{"fields":{"price":"x"}}`); !strings.Contains(fmt.Sprint(bad.json["errors"]), "fields.item") {
		t.Errorf("%v", bad.json)
	}
	f.does(run, "complete", `{"fields":{"item":"Lamp","price":64.9}}`)
	done := f.hears("/ask/done", 1)
	f.says(done, "client_secret", "s3", "step.fields.0.value", "Lamp", "step.actor", "ada@example.com", "step.status", "completed")
	if done.header.Get("webhook-signature") == "" {
		t.Error("not signed")
	}
	f.says(f.hears("/board/new", 1), "previous_step.key", "ask", "previous_step.fields.1.value", "64.9")
	// Open: two of the board, one of the stock. A rejection takes all of them back to the start.
	board := f.taskOf(run, "board")
	f.must(422, "POST", "tasks/"+board+"/reject", `{"comment":" "}`)
	f.must(200, "POST", "tasks/"+board+"/reject", `{"comment":"too dear"}`)
	f.must(409, "POST", "tasks/"+board+"/approve", `{}`)
	state := f.becomes(run, "waiting")
	if dig(state, "steps.1.status") != "rejected" || dig(state, "steps.1.decisions.0.comment") != "too dear" || dig(state, "steps.2.status") != "abandoned" || dig(state, "steps.3.key") != "ask" {
		t.Errorf("%v", state["steps"])
	}
	basic := f.hears("/board/done", 1)
	f.says(basic, "step.status", "rejected", "step.decisions.0.decision", "rejected", "client_secret", "<nil>")
	if user, pass, ok := (&http.Request{Header: basic.header}).BasicAuth(); !ok || user != "wb" || pass != "p:4" {
		t.Errorf("%s %s", user, pass)
	}
	f.does(run, "complete", `{"fields":{"item":"Lamp","price":40}}`)
	again := f.hears("/ask/done", 2)
	if again.header.Get("webhook-id") == done.header.Get("webhook-id") {
		t.Error("a step that was done again has the old message")
	}
	for range 2 {
		f.must(200, "POST", "tasks/"+f.taskOf(run, "board")+"/approve", `{}`)
	}
	f.says(f.hears("/chiefs/new", 1), "previous_step.kind", "parallel_approval", "previous_step.decisions.1.decision", "approved")
	f.must(200, "POST", "tasks/"+f.taskOf(run, "chiefs")+"/approve", `{"comment":"fine"}`)
	f.must(200, "POST", "tasks/"+f.taskOf(run, "chiefs")+"/approve", `{}`)
	f.says(f.hears("/chiefs/done", 1), "step.decisions.0.comment", "fine", "step.kind", "sequential_approval")
	f.must(200, "POST", "runs/"+run+"/pause", nil)
	f.must(409, "POST", "tasks/"+f.taskOf(run, "stock")+"/complete", `{}`)
	f.must(200, "POST", "runs/"+run+"/resume", nil)
	f.must(200, "POST", "tasks/"+f.taskOf(run, "stock")+"/complete", `{}`)
	f.says(f.hears("/order", 1), "item", "Lamp")
	joined := f.hears("/order/new", 1)
	f.says(joined, "previous_step.key", "stock", "previous_steps.0.key", "chiefs", "previous_steps.1.key", "stock")
	state = f.becomes(run, "completed")
	f.says(f.hears("/end/new", 1), "previous_step.response.body.ordered", "true")
	f.eventually("the broken webhook has failed", func() bool {
		state = f.must(200, "GET", "runs/"+run, nil).json
		return strings.Contains(fmt.Sprint(state), "Broken") && dig(lastStep(state), "webhooks.1.status") == "failed"
	})
	// Its receiver said that it is gone: what comes next is held until somebody switches it on.
	targets := f.must(200, "GET", "workflows/"+id+"/targets", nil).items()
	if len(targets) != 1 {
		t.Fatalf("%v", targets)
	}
	f.must(200, "POST", "workflows/"+id+"/targets/"+targets[0]["id"].(string)+"/enable", nil)
	if n := len(f.must(200, "GET", "workflows/"+id+"/targets", nil).items()); n != 0 {
		t.Errorf("%d targets are off", n)
	}
	attempts := f.must(200, "GET", "deliveries/"+dig(state, "steps.0.webhooks.1.delivery_id")+"/attempts", nil)
	if text := fmt.Sprint(attempts.json); strings.Contains(text, `"s3"`) || !strings.Contains(text, "•••") {
		t.Errorf("%s", text)
	}
	f.must(200, "POST", "tasks/"+f.first(f.begins(id, `{}`))+"/complete", `{"fields":{"item":"Chair"}}`)
}

func (f *flowing) first(run string) string {
	f.t.Helper()
	tasks := f.must(200, "GET", "tasks?run_id="+run, nil).items()
	if len(tasks) == 0 {
		f.t.Fatal("a run was started, but has no task yet")
	}
	return tasks[0]["id"].(string)
}

// taskOf is an open task of a step.
func (f *flowing) taskOf(run, step string) string {
	f.t.Helper()
	id := ""
	f.eventually("a task of "+step, func() bool {
		for _, x := range f.must(200, "GET", "tasks?run_id="+run, nil).items() {
			if x["step"] == step {
				id = x["id"].(string)
			}
		}
		return id != ""
	})
	return id
}

func lastStep(state map[string]any) any {
	steps, _ := state["steps"].([]any)
	if len(steps) == 0 {
		return nil
	}
	return steps[len(steps)-1]
}

// A wait step goes on with an event that fits, a script reshapes data, a schedule starts runs.
func TestWaitsScriptsSchedules(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	id := f.publishes(`{"name":"Waiter","trigger":{"kind":"manual"},"steps":[
	 {"key":"sum","kind":"script","script":"return {total: it.data[0].a + it.data[0].b}","next":[{"to":"paid","when":"steps.sum.output.total == 5"}]},
	 {"key":"paid","kind":"wait","wait":{"event":"order.*","filter":"event.data.id == run.subject"},"next":[{"to":"nap"}]},
	 {"key":"nap","kind":"wait","wait":{"seconds":1},"next":[{"to":"ask"}]},
	 {"key":"ask","kind":"task","assignees":["role:Administrator"]}]}`)
	tick := f.publishes(`{"name":"Tick","trigger":{"kind":"schedule","cron":"* * * * * *","timezone":"Europe/Berlin"},"steps":[{"key":"end","kind":"end"}]}`)
	run := f.begins(id, `{"subject":"A-7","data":{"a":2,"b":3}}`)
	f.becomes(run, "waiting")
	f.must(202, "POST", "events", `{"name":"order.paid","data":{"id":"A-8"}}`)
	f.must(202, "POST", "events", `{"name":"order.paid","data":{"id":"A-7","by":"card"}}`)
	f.does(run, "complete", `{}`)
	state := f.becomes(run, "completed")
	if dig(state, "steps.0.output.total") != "5" || dig(state, "steps.1.output.data.by") != "card" || dig(state, "steps.2.status") != "completed" {
		t.Errorf("%v", state["steps"])
	}
	f.eventually("the schedule has started runs", func() bool {
		return len(f.must(200, "GET", "runs?status=completed&workflow_id="+tick, nil).items()) >= 2
	})
	w := f.must(200, "GET", "workflows/"+tick, nil)
	w.json["enabled"] = false
	f.must(200, "PUT", "workflows/"+tick, w.json)
}

// A partner's call starts a run; a second one decides its approval, a third completes a waiting step.
func TestInboundMovesRuns(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	id := f.publishes(`{"name":"Parcel","trigger":{"kind":"inbound"},"steps":[
	 {"key":"check","kind":"approval","assignees":["ada@example.com"],"next":[{"to":"moved"}],"webhooks":[{"name":"New","trigger":"created","url":"RX/new"}]},
	 {"key":"moved","kind":"wait","wait":{"event":"never.comes"}}]}`)
	starts := f.endpoint("Start", map[string]any{"starts_workflow_id": id, "subject": "{{ it.data[0].parcel }}"})
	decides := f.endpoint("Decide", map[string]any{"completes": map[string]any{"workflow_id": id, "step": "check", "correlation": "{{ it.data[0].parcel }}", "decision": "approve"}})
	arrives := f.endpoint("Arrive", map[string]any{"completes": map[string]any{"workflow_id": id, "step": "moved", "correlation": "{{ it.data[0].parcel }}"}})
	post := func(e answer, body, status string) {
		t.Helper()
		url := e.str("url")
		receipt := f.call("POST", url, "application/json", body)
		if receipt.status != http.StatusAccepted {
			t.Fatalf("%d %s", receipt.status, receipt.text)
		}
		f.became(url, receipt.receipt(), status)
	}
	post(starts, `{"parcel":"PX-1"}`, "accepted")
	f.says(f.hears("/new", 1), "previous_step.kind", "inbound", "previous_step.fields.0.value", "PX-1", "run.subject", "PX-1")
	post(arrives, `{"parcel":"PX-1"}`, "failed") // it does not wait there yet
	post(decides, `{"parcel":"PX-1","comment":"looks fine"}`, "accepted")
	post(arrives, `{"parcel":"PX-2"}`, "failed")
	post(arrives, `{"parcel":"PX-1","at":"noon"}`, "accepted")
	runs := f.must(200, "GET", "runs?workflow_id="+id, nil).items()
	if len(runs) != 1 || dig(runs[0], "status") != "completed" || dig(runs[0], "steps.0.decisions.0.comment") != "looks fine" || dig(runs[0], "steps.0.decisions.0.actor") != "ada@example.com" || dig(runs[0], "steps.1.output.at") != "noon" {
		t.Errorf("%v", runs)
	}
}
