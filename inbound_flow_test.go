package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A carrier is a third party that is asked for something and answers later, by calling an inbound URL.
type carrier struct {
	*httptest.Server
	callback atomic.Value // string: where it calls
	ready    chan struct{}
	answered chan int // status of each of its calls
}

func newCarrier(t *testing.T) *carrier {
	c := &carrier{ready: make(chan struct{}), answered: make(chan int, 10)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Order string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		go func() {
			<-c.ready
			resp, err := http.Post(c.callback.Load().(string), "application/json", strings.NewReader(`{"order":"`+asked.Order+`","tracking":"TR-77"}`))
			if err != nil {
				c.answered <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			c.answered <- resp.StatusCode
		}()
	}))
	t.Cleanup(c.Close)
	return c
}

// An inbound call starts a run, whose step asks a third party, which answers later on another inbound URL; that
// completes the waiting step, whose webhook is delivered, and the first caller gets the result.
func TestInboundRoundTrip(t *testing.T) {
	t.Parallel()
	f, third := newFlowing(t), newCarrier(t)
	id := f.publishes(strings.ReplaceAll(`{"name":"Ship","trigger":{"kind":"inbound"},"steps":[
	 {"key":"ask","kind":"outgoing","request":{"url":"CARRIER/ask","body":"{\"order\": {{ it.data[0].order }}}"},"next":[{"to":"shipped"}]},
	 {"key":"shipped","kind":"wait","wait":{"event":"never.comes"},"webhooks":[{"name":"Shipped","trigger":"completed","url":"RX/shipped"}]}]}`, "CARRIER", third.URL))
	answer := map[string]any{"mode": "run", "status": 201, "timeout_seconds": 30, "headers": []map[string]any{{"name": "X-Run", "value": "{{ it.run.status }}"}},
		"body": `{"run": {{ it.run.status }}, "order": {{ it.run.data.order }}, "tracking": {{ it.run.steps.shipped.output.tracking }}, "receipt": {{ it.receipt }}}`}
	orders := f.endpoint("Orders", map[string]any{"starts_workflow_id": id, "mapping": `{"order": {{ it.data[0].number }}}`, "subject": "{{ it.data[0].number }}", "response": answer})
	third.callback.Store(f.endpoint("Carrier", map[string]any{"completes": map[string]any{"workflow_id": id, "step": "shipped", "correlation": "{{ it.data[0].order }}"}}).str("url"))

	got := make(chan called, 1)
	go func() {
		resp, err := http.Post(orders.str("url"), "application/json", strings.NewReader(`{"number":"A-1"}`))
		if err != nil {
			got <- called{text: err.Error()}
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		c := called{status: resp.StatusCode, header: resp.Header, text: string(text)}
		_ = json.Unmarshal(text, &c.json)
		got <- c
	}()
	f.eventually("the run waits for the carrier", func() bool {
		runs := f.must(200, "GET", "runs?workflow_id="+id, nil).items()
		return len(runs) == 1 && dig(runs[0], "steps.1.status") == "waiting"
	})
	close(third.ready)
	if status := <-third.answered; status != http.StatusAccepted {
		t.Errorf("the carrier was answered %d", status)
	}
	f.says(f.hears("/shipped", 1), "type", "step.completed", "run.subject", "A-1", "step.key", "shipped")
	c := <-got
	if c.status != 201 || c.header.Get("X-Run") != "completed" || c.json["run"] != "completed" || c.json["order"] != "A-1" || c.json["tracking"] != "TR-77" {
		t.Errorf("the first caller was answered %d: %s", c.status, c.text)
	}
	f.eventually("the receipt tells of the run and its deliveries", func() bool {
		r := f.became(orders.str("url"), c.receipt(), "accepted")
		return dig(r, "runs.0.status") == "completed" && dig(r, "runs.0.deliveries.0.status") == "delivered" && dig(r, "runs.0.deliveries.1.status") == "delivered"
	})
}

// A call does all that it is for, or nothing and can be done again; what answers it is made by its template, in time.
func TestInboundAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	by := f.must(201, "POST", "workflows", `{"name":"By hand","trigger":{"kind":"manual"},"steps":[{"key":"end","kind":"end"}]}`)
	f.must(200, "POST", "workflows/"+by.str("id")+"/publish", `{}`)
	for field, body := range map[string]map[string]any{
		"starts_workflow_id":    {"starts_workflow_id": by.str("id")},
		"response.mode":         {"response": map[string]any{"mode": "run"}},
		"completes.workflow_id": {"completes": map[string]any{"workflow_id": "wfl_none", "step": "x", "correlation": "y"}},
	} {
		body["name"], body["service_user_id"] = "Wrong", f.ada()
		if a := f.must(422, "POST", "inbound-endpoints", body); !strings.Contains(a.text, `"`+field+`"`) {
			t.Errorf("%s: %s", field, a.text)
		}
	}
	id := f.publishes(`{"name":"Check","trigger":{"kind":"inbound"},"steps":[{"key":"check","kind":"approval","assignees":["ada@example.com"]}]}`)
	e := f.endpoint("Both", map[string]any{"event": "parcel.came", "starts_workflow_id": id, "subject": "{{ it.data[0].parcel }}", "dedupe": map[string]any{"header": "X-Id"},
		"response": map[string]any{"mode": "run", "timeout_seconds": 1, "body": `{"run": {{ it.run.status }}}`}})
	url := e.str("url")
	late := f.call("POST", url, "application/json", `{"parcel":"P-1"}`)
	if late.status != http.StatusAccepted || late.receipt() == "" || !strings.Contains(late.text, "was accepted") {
		t.Fatalf("nobody decided, and the caller was answered %d: %s", late.status, late.text)
	}
	if r := f.became(url, late.receipt(), "accepted"); dig(r, "runs.0.status") != "waiting" && dig(r, "runs.0.status") != "running" {
		t.Errorf("%v", r)
	}
	if no := f.must(409, "DELETE", "workflows/"+id, nil); !strings.Contains(no.text, "runs that go on") {
		t.Errorf("%s", no.text)
	}
	for _, run := range f.must(200, "GET", "runs?workflow_id="+id, nil).items() {
		f.must(200, "POST", "runs/"+run["id"].(string)+"/cancel", nil)
	}
	if no := f.must(409, "DELETE", "workflows/"+id, nil); !strings.Contains(no.text, "inbound URL “Both”") {
		t.Errorf("what needs the workflow is not named: %s", no.text)
	}
	off := f.must(200, "GET", "workflows/"+id, nil)
	off.json["enabled"] = false
	f.must(200, "PUT", "workflows/"+id, off.json)
	failed := f.call("POST", url, "application/json", `{"parcel":"P-2"}`)
	r := f.became(url, failed.receipt(), "failed")
	if events, _ := r["events"].([]any); failed.status != http.StatusAccepted || len(events) != 0 || !strings.Contains(r["detail"].(string), "switched off") {
		t.Errorf("%d %v", failed.status, r)
	}
	again := f.publishes(`{"name":"Check again","trigger":{"kind":"inbound"},"steps":[{"key":"check","kind":"approval","assignees":["ada@example.com"]}]}`)
	decide := map[string]any{"workflow_id": again, "step": "check", "correlation": "{{ it.data[0].parcel }}", "decision": "reject"}
	f.must(200, "PUT", "inbound-endpoints/"+e.str("id"), map[string]any{"name": "Both", "service_user_id": f.ada(), "event": "parcel.came", "starts_workflow_id": again,
		"subject": "{{ it.data[0].parcel }}", "version": e.json["version"]})
	f.must(200, "POST", "inbound-endpoints/"+e.str("id")+"/calls/"+failed.receipt()+"/replay", nil)
	if r := f.became(url, failed.receipt(), "accepted"); len(r["events"].([]any)) != 1 || len(r["runs"].([]any)) != 1 {
		t.Errorf("%v", r)
	}

	f.must(204, "DELETE", "workflows/"+id, nil)
	f.publishes(`{"name":"Told","trigger":{"kind":"event","event":"parcel.told"},"steps":[{"key":"end","kind":"end"}]}`)
	teller := f.endpoint("Teller", map[string]any{"event": "parcel.told"})
	told := f.call("POST", teller.str("url"), "application/json", `{"parcel":"P-3"}`)
	f.eventually("the receipt knows the run that the event started", func() bool {
		return dig(f.became(teller.str("url"), told.receipt(), "accepted"), "runs.0.status") == "completed"
	})

	script := f.endpoint("Scripted", map[string]any{"completes": decide, "dedupe": map[string]any{"header": "X-Id"}, "response": map[string]any{"mode": "script", "status": 203, "content_type": "text/plain",
		"headers": []map[string]any{{"name": "X-Parcel", "value": "{{ it.data[0].parcel }}"}}, "body": `{{ it.data[0].parcel }}: {{ it.run.status }}`}})
	for _, parcel := range []string{"P-2", "P-9"} { // the repeated call is answered like the first, whatever it says
		if c := f.call("POST", script.str("url"), "application/json", `{"parcel":"`+parcel+`"}`, "X-Id", "1"); c.status != 203 || c.header.Get("X-Parcel") != "P-2" || c.text != "P-2: rejected" {
			t.Errorf("answered %d %v: %s", c.status, c.header, c.text)
		}
	}
	f.eventually("the log of calls says what callers were answered", func() bool {
		text := fmt.Sprint(f.must(200, "GET", "inbound-endpoints/"+script.str("id")+"/calls", nil).json)
		return strings.Count(text, "status_code:203") == 2 && !strings.Contains(text, "status_code:202")
	})
	for _, a := range f.must(200, "GET", "audit?kind=task", nil).items() {
		if a["action"] == "task.rejected" && a["actor_kind"] == "partner" && a["actor_id"] == f.ada() && a["actor_name"] == "ada@example.com through Scripted" {
			return
		}
	}
	t.Errorf("the decision is not audited as Ada's through the endpoint: %s", f.must(200, "GET", "audit?kind=task", nil).text)
}
