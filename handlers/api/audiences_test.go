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
