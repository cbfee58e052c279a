package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestWorkflowJourney builds the workflow of a chat message on an event in the designer, publishes it, and sees its run; then a
// purchase goes through its approvals, with scripts and without; and a workflow is started over an audience.
func TestWorkflowJourney(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got[r.URL.Path]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	t.Cleanup(sink.Close)
	arrived := func(path string) int { mu.Lock(); defer mu.Unlock(); return got[path] }
	p := newProgram(t, "")
	p.start()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			b := newBrowser(t, p.url(""), scripts)
			b.thorough = scripts
			b.open("/login")
			b.fill("email", "ada@example.com")
			b.fill("password", password)
			b.press("Sign in")
			chatting(b, p, sink.URL, scripts)
			buying(b, p, scripts)
		})
	}
	p.eventually("the messages arrive", func() bool {
		return arrived("/slack-true") == 1 && arrived("/slack-false") == 1 && arrived("/crm") == 2
	})
	overAudience(t, p)
}

// chatting is made with the designer's forms alone.
func chatting(b *browser, p *program, sink string, scripts bool) {
	b.Helper()
	event := fmt.Sprintf("form.submit%v", scripts)
	b.open("/workflows/new")
	b.fill("name", "Chat "+event)
	b.press("Create workflow")
	at := b.where()
	b.sees("Before it can be published")
	b.open(at + "/trigger")
	b.click("Event")
	b.fill("event", event)
	b.press("Save trigger")
	b.open(at + "/steps/new")
	b.fill("name", "Send the message")
	b.press("Outgoing")
	b.fill("request_name", "slack-message")
	b.fill("request_url", fmt.Sprintf("%s/slack-%v", sink, scripts))
	b.press("Save step")
	b.sees("is saved")
	b.inspect()
	b.press("Add webhook")
	b.fill("name", "Tell the CRM")
	b.fill("url", sink+"/crm")
	b.press("Save webhook")
	b.open(at + "/steps/new?after=send_the_message")
	b.press("End")
	b.open(at)
	b.misses("Before it can be published")
	b.press("Publish")
	b.press("Publish version 1")
	b.sees("is published")
	b.open(at + "/publish")
	b.sees("Nothing has changed since version 1 was published.")
	b.inspect()
	p.must(202, "POST", "events", map[string]any{"name": event, "subject": "visitor-1", "data": map[string]any{"email": "mia@example.com"}})
	id := strings.TrimPrefix(at, "/workflows/")
	p.eventually("the run is completed", func() bool {
		list := p.must(200, "GET", "runs?workflow_id="+id, nil).items()
		return len(list) == 1 && list[0]["status"] == "completed"
	})
	b.open("/runs?workflow_id=" + id)
	b.press("#1 · visitor-1")
	b.sees("Completed")
	b.sees("Tell the CRM")
	b.inspect()
}

// buying is rejected once, revised, approved and ordered.
func buying(b *browser, p *program, scripts bool) {
	b.Helper()
	b.open("/workflows/new")
	b.fill("name", fmt.Sprintf("Purchases %v", scripts))
	b.click("Purchase approval")
	b.press("Create workflow")
	b.press("Publish")
	b.press("Publish version 1")
	b.press("Start a run")
	b.fill("field_item", "Monitor")
	b.fill("field_total", "many")
	b.fill("field_reason", "The old one is broken")
	b.press("Start")
	b.sees("Give a number.")
	b.fill("field_total", "1700")
	b.press("Start")
	b.sees("Team approves")
	b.sees("asks ada@example.com")
	run := b.where()
	b.open("/tasks")
	b.press("Team approves")
	b.press("Reject")
	b.sees("Say why you reject it.")
	b.fill("comment", "Too dear")
	b.press("Reject")
	b.press("Revise the request")
	b.sees("Too dear")
	b.fill("field_note", "A cheaper one")
	b.press("Complete")
	b.press("Team approves")
	b.inspect()
	b.press("Approve")
	b.press("Finance approves")
	b.press("Approve")
	b.press("Place the order")
	b.fill("field_order_number", "PO-7")
	b.press("Complete")
	b.sees("No task waits for you.")
	b.open(run)
	b.sees("PO-7")
	b.sees("Completed")
	b.inspect()
}

// overAudience starts a workflow for every record; each begins once.
func overAudience(t *testing.T, p *program) {
	t.Helper()
	a := p.must(201, "POST", "audiences", map[string]any{"name": "Readers", "subject_field": "email"}).str("id")
	var csv strings.Builder
	csv.WriteString("email\n")
	for i := range 120 {
		fmt.Fprintf(&csv, "p%d@example.com\n", i)
	}
	p.must(200, "POST", "audiences/"+a+"/members", csv.String(), "Content-Type", "text/csv")
	w := p.must(201, "POST", "workflows", map[string]any{"name": "Welcome", "trigger": map[string]any{"kind": "audience", "audience_id": a}, "steps": []any{map[string]any{"key": "end", "kind": "end"}}}).str("id")
	p.must(200, "POST", "workflows/"+w+"/publish", map[string]any{})
	c := p.signIn("ada@example.com", password)
	res, err := c.PostForm(p.url("/audiences/"+a+"/start"), map[string][]string{"workflow_id": {w}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("start: %d", res.StatusCode)
	}
	p.eventually("a run for every record", func() bool {
		seen := map[any]bool{}
		for cursor := ""; ; {
			page := p.must(200, "GET", "runs?limit=200&status=completed&workflow_id="+w+"&cursor="+cursor, nil)
			for _, r := range page.items() {
				if seen[r["subject"]] {
					t.Fatalf("%v began twice", r["subject"])
				}
				seen[r["subject"]] = true
			}
			if cursor = page.str("next_cursor"); cursor == "" {
				return len(seen) == 120
			}
		}
	})
}
