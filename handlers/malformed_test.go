package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
	"waybill/handlers/web"
)

// Things to have one of each, as programs make them. %s is the id of the thing above that the path or body needs.
var onesOfEach = []struct{ list, with, body string }{
	{"credentials", "", `{"name":"Key","type":"header","config":{"header_name":"X-Key","header_value":"v"}}`},
	{"connections", "", `{"name":"ERP","type":"webhook","base_url":"http://receiver.waybill.internal"}`},
	{"connections/%s/destinations", "connections", `{"name":"Orders"}`},
	{"actions", "connections/%s/destinations", `{"name":"Send","event":"order.*","destination_id":"%s"}`},
	{"event-definitions", "", `{"name":"order.created"}`},
	{"events", "", `{"name":"order.created","data":{"id":1}}`},
	{"audiences", "", `{"name":"Readers"}`},
	{"integrations", "", `{"name":"Ticket","request":{"method":"POST","url":"https://tickets.example.com"}}`},
	{"workflows", "", `{"name":"Refund","trigger":{"kind":"manual"},"steps":[{"key":"check","kind":"task","assignees":["ada@example.com"],"fields":[{"key":"n","name":"N","type":"text"}]}]}`},
	{"workflows/%s/publish", "workflows", `{"note":"first"}`},
	{"workflows/%s/runs", "workflows", `{"subject":"A-1","data":{}}`},
	{"roles", "", `{"name":"Desk","rights":["View Connections"]}`},
	{"network-rules", "", `{"pattern":"erp.example.com"}`},
	{"alert-rules", "connections/%s/destinations", `{"name":"Late","kind":"failure_rate","destination_id":"%s"}`},
}

// malformed are bodies that no form, and no program, of ours sends, by content type.
var malformed = map[web.Face][]struct{ kind, body string }{
	web.Page: {
		{"application/x-www-form-urlencoded", "version=x&name=%00%ff&enabled=maybe&timeout_seconds=99999999999999999999&from=zz&go=1&roles=nobody&id=%27"},
		{"application/x-www-form-urlencoded", "%zz=%&=&name[0][x]=1;b"},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\ncut off"},
		{"text/plain", "\x00\xff"},
	},
	web.API: {
		{"application/json", `{"name":{"a":[1]},"version":"x","config":[],"steps":{},"trigger":7,"data":`},
		{"application/json", `{"name":["x"],"version":-1,"config":null,"steps":[null],"trigger":null,"events":[null],"headers":[null],"fields":{"a":null},"rights":[null]}`},
		{"application/json", "null"},
	},
	web.Plain: {{"application/json", `{"name":`}, {"multipart/form-data", "no boundary"}},
}

const oddQuery = "?cursor=%00zz&limit=-1&q=%ff%27&from=zz&to=9999-99-99&status=%27&span=zz&version=x&at=zz&next=//evil&recent=x&destination_id=%00&event_id=zz&kind=x&step=zz&name=%00&from_version=x&against=x&hours=999999999999"

// TestMalformed sends to every route what nothing of ours sends: broken and absent bodies, of the wrong type, and queries that
// are nonsense, at things that exist. Whoever asks is told what is wrong; nothing may answer 5xx.
func TestMalformed(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	_, key := s.key(ada)
	ids := s.oneOfEach(key)
	n, begun := 0, time.Now()
	for _, gets := range []bool{true, false} { // what is there is looked at before it is changed
		for _, r := range s.h.Routes() {
			if (r.Method == http.MethodGet) != gets || strings.Contains(r.Path, "live") {
				continue
			}
			path := placed(r, ids)
			if gets {
				s.odd(r, path+oddQuery, "", "", ada, key)
				n++
				continue
			}
			for _, m := range malformed[r.Face] {
				s.odd(r, path, m.kind, m.body, ada, key)
				n++
			}
		}
	}
	t.Logf("%d requests in %s", n, time.Since(begun))
}

// odd sends one request; an answer of 5xx other than that something is not to be had is a failure.
func (s *site) odd(r web.Route, path, kind, body string, ada model.User, key string) {
	s.t.Helper()
	b := s.browser()
	if r.Face != web.API {
		b = s.as(ada)
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, r.Method, s.srv.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if r.Face == web.API {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		s.t.Errorf("%s %s (%s %.60q): %v", r.Method, path, kind, body, err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
		s.t.Errorf("%s %s (%s %.60q) answers %d: %.300s", r.Method, path, kind, body, resp.StatusCode, text)
	}
}

// placed is a route's path at something that exists.
func placed(r web.Route, ids map[string]string) string {
	parts, before := strings.Split(r.Path, "/"), ""
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || p == "*" {
			if parts[i] = ids[before]; parts[i] == "" {
				parts[i] = "check"
			}
		}
		before = p
	}
	return strings.Join(parts, "/")
}

// oneOfEach makes one of each thing and gives the newest id by the name of its list in URLs.
func (s *site) oneOfEach(key string) map[string]string {
	s.t.Helper()
	ids := map[string]string{}
	for _, x := range onesOfEach {
		path, body := x.list, x.body
		if strings.Contains(path, "%s") {
			path = fmt.Sprintf(path, ids[x.with])
		} else if x.with != "" {
			body = fmt.Sprintf(body, ids[x.with])
		}
		got := s.call(key, http.MethodPost, path, body)
		id, _ := got["id"].(string)
		if id == "" {
			s.t.Fatalf("POST %s: %v", path, got)
		}
		ids[x.list] = id
	}
	name := regexp.MustCompile(`^.*/`)
	for list, id := range ids {
		ids[name.ReplaceAllString(list, "")] = id
	}
	for _, list := range []string{"deliveries", "users", "api-keys", "tasks", "audit"} {
		items, _ := s.call(key, http.MethodGet, list, "")["items"].([]any)
		if len(items) > 0 {
			ids[list], _ = items[0].(map[string]any)["id"].(string)
		}
	}
	ids["definitions"], ids["network"], ids["alerts"] = ids["event-definitions"], ids["network-rules"], ids["alert-rules"]
	return ids
}

func (s *site) call(key, method, path, body string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequest(method, s.srv.URL+"/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&out)
	return out
}
