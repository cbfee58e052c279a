package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMembers(t *testing.T) {
	d := newDesk(t)
	id := d.do("POST", "/api/v1/audiences", map[string]any{"name": "Readers"}).want(201).object()["id"].(string)
	at := "/api/v1/audiences/" + id + "/members"
	add := func(kind, text, query string) reply { return d.do("POST", at+query, text, "Content-Type", kind) }

	got := add("application/json", `{"members": [{"email": "a@b.c"}, {"n": 12345678901234567890}]}`, "").want(200).object()
	if got["added"] != 2.0 || got["count"] != 2.0 {
		t.Errorf("JSON: %v", got)
	}
	var csv strings.Builder
	csv.WriteString("email,name\n")
	for i := range 1200 { // more than one commit
		fmt.Fprintf(&csv, "p%d@example.com,P %d\n", i, i)
	}
	if got := add("text/csv; charset=utf-8", csv.String(), "").want(200).object(); got["count"] != 1202.0 {
		t.Errorf("CSV: %v", got)
	}
	page := d.do("GET", at+"?limit=200", nil).want(200).object()
	if items := page["items"].([]any); len(items) != 200 || fmt.Sprint(items[1]) != "map[data:map[n:1.2345678901234567e+19] number:1]" || page["next_cursor"] != "200" {
		t.Errorf("first page: %d, %v, %v", len(items), items[1], page["next_cursor"])
	}
	page = d.do("GET", at+"?limit=200&cursor=1200", nil).want(200).object()
	if items := page["items"].([]any); len(items) != 2 || page["next_cursor"] != "" || !strings.Contains(fmt.Sprint(items[1]), "p1199@example.com") {
		t.Errorf("last page: %v", page)
	}
	if got := add("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", "?replace=true").want(200).object(); got["count"] != 2.0 {
		t.Errorf("replaced: %v", got)
	}
	if got := d.do("GET", "/api/v1/audiences/"+id, nil).want(200).object(); got["count"] != 2.0 {
		t.Errorf("count: %v", got)
	}
	if n, err := d.store.ForgetMembers(t.Context(), time.Now()); err != nil || n != 500 {
		t.Errorf("forgetting the list before: %d, %v", n, err)
	}
	if got := d.do("GET", at, nil).want(200).object()["items"].([]any); len(got) != 2 || !strings.Contains(fmt.Sprint(got[1]), "a:2") {
		t.Errorf("after forgetting: %v", got)
	}

	add("application/json", `{"members": [5, {}]}`, "").fields("members[0]")
	add("application/json", `{"members": []}`, "").fields("members")
	add("application/json", `{"members": `, "").problem(400, "")
	add("text/csv", "a,b\n1\n", "").fields("file")
	add("text/plain", "x", "").problem(415, "")
	add("text/csv", "a\n1\n", "?replac=true").fields("replac")
	d.do("POST", "/api/v1/audiences/adn_none/members", `{"members": [{}]}`).problem(404, "not_found")
}

// A workflow is started over an audience, watched and stopped; what cannot be started says why.
func TestAudienceRuns(t *testing.T) {
	d := newDesk(t)
	id := d.do("POST", "/api/v1/audiences", map[string]any{"name": "Readers"}).want(201).object()["id"].(string)
	w := d.do("POST", "/api/v1/workflows", `{"name": "Welcome", "trigger": {"kind": "audience", "audience_id": "`+id+`"}, "steps": [{"key": "end", "kind": "end"}]}`).want(201).object()["id"].(string)
	start := func(body string) reply { return d.do("POST", "/api/v1/audiences/"+id+"/runs", body) }
	start(`{"workflow_id": "` + w + `"}`).fields("workflow_id") // not published
	d.do("POST", "/api/v1/workflows/"+w+"/publish", `{}`).want(200)
	start(`{"workflow_id": "` + w + `"}`).fields("audience_id") // no records
	d.do("POST", "/api/v1/audiences/"+id+"/members", `{"members": [{"a": 1}, {"a": 2}, {"a": 3}]}`).want(200)
	start(`{"workflow_id": "` + w + `", "rate": 5000}`).fields("rate")
	start(`{"workflow_id": "wfl_none"}`).fields("workflow_id")
	x := start(`{"workflow_id": "` + w + `", "rate": 1}`).want(201).object()
	at := "/api/v1/audience-runs/" + x["id"].(string)
	if x["total"] != 3.0 || x["status"] != "running" || x["workflow_name"] != "Welcome" || x["audience_name"] != "Readers" {
		t.Errorf("%v", x)
	}
	if got := d.do("POST", at+"/stop", nil).want(200).object(); got["status"] != "stopped" || got["finished_at"] == nil || got["remaining_seconds"] != nil {
		t.Errorf("stopped: %v", got)
	}
	d.do("POST", at+"/stop", nil).problem(409, "ended")
	if got := d.do("GET", at, nil).want(200).object(); got["status"] != "stopped" {
		t.Errorf("%v", got)
	}
	if got := d.do("GET", "/api/v1/audience-runs?audience_id="+id, nil).want(200).object()["items"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
	d.do("GET", "/api/v1/audience-runs/adr_none", nil).problem(404, "not_found")
}

// A file that was uploaded becomes part of a run; others may not have it.
func TestFiles(t *testing.T) {
	d := newDesk(t)
	up := d.do("POST", "/api/v1/files?name=..%2Foffer.pdf", "%PDF", "Content-Type", "application/pdf").want(201).object()
	id := up["id"].(string)
	if up["name"] != "offer.pdf" || up["size"] != 4.0 || up["content_type"] != "application/pdf" {
		t.Errorf("%v", up)
	}
	w := d.do("POST", "/api/v1/workflows", `{"name": "Offers", "trigger": {"kind": "form", "fields": [{"key": "offer", "name": "Offer", "type": "file", "required": true}]}, "steps": [{"key": "end", "kind": "end"}]}`).want(201).object()["id"].(string)
	d.do("POST", "/api/v1/workflows/"+w+"/publish", `{}`).want(200)
	d.do("POST", "/api/v1/workflows/"+w+"/runs", `{"data": {"offer": "fil_none"}}`).fields("data.offer")
	run := d.do("POST", "/api/v1/workflows/"+w+"/runs", `{"data": {"offer": "`+id+`"}}`).want(201).object()
	if !strings.Contains(fmt.Sprint(run["data"]), "offer.pdf") {
		t.Errorf("%v", run)
	}
	if got := d.do("GET", "/api/v1/files/"+id, nil).want(200); string(got.Text) != "%PDF" {
		t.Errorf("%q", got.Text)
	}
	d.do("GET", "/api/v1/files/fil_none", nil).problem(404, "not_found")
	d.do("POST", "/api/v1/files?nam=x", "a").fields("nam")
	d.do("POST", "/api/v1/files", "--x--", "Content-Type", "multipart/form-data; boundary=x").problem(415, "unsupported")
}
