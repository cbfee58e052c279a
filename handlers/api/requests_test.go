package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// How requests are read, whatever they ask for.

func TestTimesOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	times := map[string]string{ // "" = refused
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05.000Z", "2026-01-02t03:04:05.25z": "2026-01-02T03:04:05.250Z", "2026-01-02T03:04:05+02:00": "2026-01-02T01:04:05.000Z",
		"9999-12-31T23:59:59-10:00": "", "0000-01-01T00:00:00+10:00": "", "2026-01-01T0:00:00Z": "", "2026-01-01T00:00:00,5Z": "", "2026-01-01T00:00:00+24:00": "", "tomorrow": "",
	}
	ways := map[string]func(time string) reply{
		"time": func(s string) reply {
			return d.do("POST", at+"/events", map[string]any{"name": "time.told", "time": s})
		},
		"events[1].time": func(s string) reply {
			return d.do("POST", at+"/events/batch", map[string]any{"events": []any{map[string]any{"name": "a"}, map[string]any{"name": "time.told", "time": s}}})
		},
		"ce-time": func(s string) reply {
			return d.do("POST", at+"/events", "1", "ce-specversion", "1.0", "ce-id", "ce"+s, "ce-source", "test", "ce-type", "time.told", "ce-time", s)
		},
		"expires_at": func(s string) reply {
			return d.do("POST", at+"/api-keys", map[string]any{"name": "K", "expires_at": strings.Replace(s, "2026", "2096", 1)})
		},
		"from": func(s string) reply {
			return d.do("POST", at+"/deliveries/replay", map[string]any{"dry_run": true, "from": s})
		},
		"to": func(s string) reply { return d.do("GET", at+"/audit?to="+url.QueryEscape(s), nil) },
	}
	for sent, want := range times {
		for field, send := range ways {
			r := send(sent)
			switch {
			case want == "":
				r.fields(field)
			case r.Status > 299:
				t.Errorf("%s %q: %d %s", field, sent, r.Status, r.Text)
			case field == "time":
				if got := d.do("GET", at+"/events/"+r.id(), nil).want(200).object()["time"]; got != want {
					t.Errorf("%s %q: want %q, got %v", field, sent, want, got)
				}
			case field == "expires_at":
				if got := r.object()["expires_at"]; got != strings.Replace(want, "2026", "2096", 1) {
					t.Errorf("%s %q: got %v", field, sent, got)
				}
			}
		}
	}
}

func TestQueriesOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	for query, fields := range map[string][]string{
		"/deliveries?status=held;x": nil, "/deliveries?status=%zz": nil, "/deliveries?bogus;=1": nil, "/audit?q=%": nil, "/records?from;=1": nil,
		"/events?name=a&name=b": {"name"}, "/users?limit=1&limit=2": {"limit"}, "/records?gzip=true&gzip=true": {"gzip"}, "/deliveries?cursor=&cursor=": {"cursor"},
		"/records?gzip=1": {"gzip"}, "/records?gzip=yes": {"gzip"}, "/records?zip=true": {"zip"}, "/files/fil_1?x=1": {"x"},
		"/users?q=a%00": {"q"}, "/users?q=%ff": {"q"}, "/users?a%00=1": {"a\ufffd"}, "/users?bogus=1": {"bogus"},
	} {
		if fields != nil {
			d.do("GET", at+query, nil).fields(fields...)
			continue
		}
		if p := d.do("GET", at+query, nil).problem(422, "invalid"); !strings.Contains(p["detail"].(string), "%25") {
			t.Errorf("%s: %v", query, p)
		}
	}
	d.do("POST", at+"/events?x;=1", `{"name":"a"}`).problem(422, "invalid")
	d.do("POST", at+"/audiences/adn_1/members?replace=1", `{"members":[]}`).fields("replace")
	d.do("GET", at+"/deliveries?status=held;x", nil, "Authorization", "").problem(401, "")
	d.do("GET", at+"/users?q=a%3Bb%25&limit=1&cursor=", nil).want(200)
}

func TestCursorsOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	for i := range 3 {
		d.do("POST", at+"/events", map[string]any{"name": "paged", "data": i}).want(202)
	}
	next := d.do("GET", at+"/events?limit=2", nil).want(200).object()["next_cursor"].(string)
	if rest := d.do("GET", at+"/events?limit=2&cursor="+next, nil).want(200).items(); len(rest) != 1 {
		t.Errorf("the second page has %d events", len(rest))
	}
	audience := d.do("POST", at+"/audiences", map[string]any{"name": "A"}).want(201).id()
	// every list of the document that can be paged, those within a thing that does not exist included
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	if err := json.Unmarshal(d.do("GET", at+"/openapi.json", nil).want(200).Text, &doc); err != nil {
		t.Fatal(err)
	}
	lists := 0
	for path, ops := range doc.Paths {
		if op, ok := ops["get"]; !ok || strings.Contains(path, "{") && path != "/audiences/{id}/members" {
			continue
		} else if !strings.Contains(strings.Join(names(op.Parameters), " "), "cursor") {
			continue
		}
		lists++
		list := at + strings.ReplaceAll(path, "{id}", audience) + "?cursor="
		for _, cursor := range []string{"zzz", "!!", "-1", "+5", "007", "99999999999999999999", "evt_", "evt_zzz", next[:len(next)-1] + "A", next + "0", strings.Repeat("1", 300), "rol_x", next} {
			if path == "/events" && cursor == next {
				continue
			}
			d.do("GET", list+url.QueryEscape(cursor), nil).fields("cursor")
		}
		numbers := path == "/audit" || path == "/exports" || path == "/audiences/{id}/members"
		if r := d.do("GET", list+"0", nil); numbers && r.Status != 200 || !numbers && r.Status != 422 {
			t.Errorf("%s0: %d %s", list, r.Status, r.Text)
		}
	}
	if lists < 20 {
		t.Errorf("%d lists tried", lists)
	}
	d.do("GET", at+"/audiences/"+audience+"/members?cursor=9223372036854775807", nil).want(200)
	d.do("GET", at+"/deliveries?event=a&cursor=zzz", nil).fields("cursor")
	d.do("GET", at+"/roles?limit=1&cursor=rol_00000000000000000000000000", nil).want(200)
	if r := d.do("GET", at+"/roles?cursor=rol_viewer", nil).want(200); len(r.items()) != 0 && r.first()["id"] == "rol_viewer" {
		t.Errorf("after the last role: %s", r.Text)
	}
}

func names(parameters []struct{ Name string }) (out []string) {
	for _, p := range parameters {
		out = append(out, p.Name)
	}
	return out
}

func TestMembersOfBodies(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	_, dest, action := d.route("/ok", "members.*")
	one := at + "/destinations/" + dest
	shown := d.do("GET", one, nil).want(200).object()
	d.do("PUT", one, shown).want(200)
	d.do("POST", one+"/preview", map[string]any{"destination": shown, "event": map[string]any{"name": "a", "created_at": nil}}).want(200)
	for _, x := range []struct{ method, path, body, field, near string }{
		{"POST", "/actions", `{"filters":"event.data.n > 5"}`, "filters", "filter"},
		{"POST", "/actions", `{"enable":false}`, "enable", "enabled"},
		{"POST", "/actions", `{"destinationId":"x"}`, "destinationId", "destination_id"},
		{"POST", "/actions", `{"Name":"x"}`, "Name", "name"},
		{"POST", "/actions", `{"created":"x"}`, "created", ""},
		{"PUT", "/actions/" + action, `{"colour":"red"}`, "colour", ""},
		{"PUT", "/actions/none", `{"colour":"red"}`, "colour", ""},
		{"PUT", "/destinations/" + dest, `{"headers":[{"name":"A","value":"1"},{"nam":"B"}]}`, "headers[1].nam", "name"},
		{"POST", "/destinations/" + dest + "/preview", `{"destination":{"templete":"x"}}`, "destination.templete", "template"},
		{"POST", "/destinations/" + dest + "/test", `{"event":{"data":{"free":{"x":1}},"payload":1}}`, "event.payload", ""},
		{"POST", "/workflows", `{"steps":[{"key":"a","webhooks":[{"auth":{"kind":"none"}}]}]}`, "steps[0].webhooks[0].auth.kind", ""},
		{"POST", "/workflows", `{"trigger":{"kind":"form","fields":[{"lable":"a"}]}}`, "trigger.fields[0].lable", ""},
		{"POST", "/inbound-endpoints", `{"verification":{"secrets":["a"],"presets":"none"}}`, "verification.presets", "preset"},
		{"POST", "/events", `{"name":"a","playload":{}}`, "playload", ""},
		{"POST", "/events", `{"name":"a","Data":{}}`, "Data", "data"},
		{"POST", "/events/batch", `{"events":[{"name":"a"},{"name":"a","dta":1}]}`, "events[1].dta", "data"},
		{"POST", "/events/batch", `{"event":[]}`, "event", "events"},
		{"POST", "/api-keys", `{"name":"a","expires":"x"}`, "expires", "expires_at"},
		{"POST", "/deliveries/replay", `{"dryrun":true}`, "dryrun", "dry_run"},
		{"POST", "/actions", `{"` + strings.Repeat("a", 100) + `":1}`, strings.Repeat("a", 60) + "…", ""},
	} {
		said, want := map[string]string{}, ""
		if got := d.do(x.method, at+x.path, x.body); x.near != "" {
			want = "There is no member of this name. Did you mean “" + x.near + "”?"
			for _, e := range got.problem(422, "invalid")["errors"].([]any) {
				said[e.(map[string]any)["field"].(string)] = e.(map[string]any)["message"].(string)
			}
		} else if strings.Contains(string(got.Text), `"field":"`+x.field+`"`) { // what nobody knows is passed over
			said[x.field] = string(got.Text)
		}
		if said[x.field] != want {
			t.Errorf("%s %s %s: want %s: %s, got %v", x.method, x.path, x.body, x.field, want, said)
		}
	}
	d.do("POST", at+"/events", `{"specversion":"1.0","id":"1","source":"s","type":"a","extension":1}`, "Content-Type", "application/cloudevents+json").want(202)
	d.do("POST", at+"/credentials", map[string]any{"name": "O", "type": "oauth2", "config": map[string]any{"grant": "client_credentials", "token_url": "https://login.example.com/t", "client_id": "a", "client_secret": "b", "extra": map[string]any{"free": "x"}}}).want(201)
}

func TestNumbersOfBodies(t *testing.T) {
	d := newDesk(t)
	const at, huge = "/api/v1", `{"n":1e400,"m":123456789012345678901234567890,"x":[-1E+999]}`
	flow := d.do("POST", at+"/workflows", `{"name":"W","trigger":{"kind":"manual"},"steps":[{"key":"s","name":"S","kind":"task","assignees":["ada@example.com"],"next":[{"to":"t","when":"run.data.n > 5"},{"to":"u","when":"run.data.n <= 5"}]},
{"key":"t","name":"T","kind":"task","assignees":["ada@example.com"]},{"key":"u","name":"U","kind":"task","assignees":["ada@example.com"]}]}`).want(201).id()
	d.do("POST", at+"/workflows/"+flow+"/publish", `{}`).want(200)
	run := d.do("POST", at+"/workflows/"+flow+"/runs", `{"data":`+huge+`}`).want(201)
	if !strings.Contains(string(run.Text), huge) {
		t.Errorf("data of a run: %s", run.Text)
	}
	first := d.do("GET", at+"/tasks", nil).want(200).first()["id"].(string) // conditions see the number, too
	d.do("POST", at+"/tasks/"+first+"/complete", `{}`).want(200)
	if next := d.do("GET", at+"/tasks", nil).want(200).first(); next["step"] != "t" {
		t.Errorf("the run went on with %v", next["step"])
	}
	audience := d.do("POST", at+"/audiences", `{"name":"A"}`).want(201).id()
	d.do("POST", at+"/audiences/"+audience+"/members", `{"members":[`+huge+`]}`).want(200)
	if got := d.do("GET", at+"/audiences/"+audience+"/members", nil).want(200); !strings.Contains(string(got.Text), huge) {
		t.Errorf("a record: %s", got.Text)
	}
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for _, x := range []struct {
		method, path, body string
		status             int
		fields             []string
	}{
		{"POST", "/actions", `{"version":1e400,"name":1e400}`, 422, []string{"version", "name"}},
		{"PUT", "/actions/x", `{"version":1e400}`, 422, []string{"version"}},
		{"PUT", "/actions/x", `{"version":99999999999999999999}`, 422, []string{"version"}},
		{"PUT", "/actions/x", `{"version":1.0}`, 422, []string{"version"}},
		{"PUT", "/actions/x", `{"version":"1"}`, 422, []string{"version"}},
		{"POST", "/credentials", `{"name":"x","type":"header","config":{"a":{"b":[1,1e400]}}}`, 422, []string{"config.a.b[1]"}},
		{"POST", "/api-keys/x/rotate", `{"overlap_seconds":1e10}`, 422, []string{"overlap_seconds"}},
		{"POST", "/workflows/x/runs", `{"data":` + deep + `}`, 422, []string{"data"}},
		{"POST", "/credentials", `{"config":{"a":` + deep + `}}`, 422, nil},
		{"POST", "/actions", `{"name":` + strings.Repeat("[", 20000), 422, []string{"name"}},
		{"POST", "/actions", `{"name":01}`, 400, nil}, {"POST", "/actions", `{"name":"a"}x`, 400, nil}, {"POST", "/actions", `{"name":"a","name":"b"}`, 400, nil},
		{"POST", "/actions", `{"name":"a"`, 400, nil}, {"POST", "/actions", "{\"name\":\"\xff\"}", 400, nil}, {"POST", "/actions", `[]`, 422, []string{""}}, {"POST", "/actions", ``, 400, nil},
		{"POST", "/audiences/" + audience + "/members", `{"members":[{}],"member":"x"}`, 422, []string{"member"}},
	} {
		r := d.do(x.method, at+x.path, x.body)
		if r.problem(x.status, ""); x.fields != nil {
			r.fields(x.fields...)
		}
	}
	for _, path := range []string{"/connections", "/events", "/events/batch", "/audiences/" + audience + "/members", "/workflows/" + flow + "/runs", "/files"} {
		d.do("POST", at+path, "\x1f\x8b\x08", "Content-Encoding", "gzip").problem(415, "unsupported")
		d.do("POST", at+path, `{"x":`, "Content-Encoding", "identity")
	}
	d.do("POST", at+"/connections", `{}`, "Content-Type", "text/plain").problem(415, "unsupported")
}

func TestItemsOfBatches(t *testing.T) {
	d := newDesk(t)
	large := `"` + strings.Repeat("a", 1<<20) + `"`
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, x := range []struct {
		name, data, kind string
		status           int
	}{{"too large", large, "application/json", 413}, {"too deep", deep(201), "application/json", 422}, {"far too deep", deep(20000), "application/json", 422}, {"a cloud too deep", deep(201), "application/cloudevents-batch+json", 422}} {
		event := func(data string) string {
			if x.kind != "application/json" {
				return `{"specversion":"1.0","id":"1","source":"s","type":"a","data":` + data + `}`
			}
			return `{"name":"a","data":` + data + `}`
		}
		body := "[" + event(deep(200)) + "," + event(x.data) + "," + event("1") + "]"
		if x.kind == "application/json" {
			body = `{"events":` + body + `}`
		}
		p := d.do("POST", "/api/v1/events/batch", body, "Content-Type", x.kind).problem(x.status, "")
		if e := p["errors"].([]any); len(e) != 1 || e[0].(map[string]any)["field"] != "events[1].data" {
			t.Errorf("%s: %v", x.name, p)
		}
	}
}

func TestConditionsOfRequests(t *testing.T) {
	d := newDesk(t)
	_, _, action := d.route("/ok", "matched.*")
	at := "/api/v1/actions/" + action
	body := d.do("GET", at, nil).want(200).object()
	put := func(version any, ifMatch string) reply {
		body["version"] = version
		body["description"] = ifMatch
		return d.do("PUT", at, body, "If-Match", ifMatch)
	}
	put(0, `"7"`).problem(409, "stale")
	put(1, `"7"`).fields("version")
	put(0, `1`).fields("If-Match")
	put(0, `"0"`).fields("If-Match")
	put(0, `"1", "2"`).fields("If-Match")
	put(0, `W/"1"`).fields("If-Match")
	d.do("DELETE", at, nil, "If-Match", `"1"`).fields("If-Match")
	put(0, `"1"`).want(200)
	put(2, `"2"`).want(200)
	put(0, `*`).want(200)
	d.do("GET", at, nil, "If-Match", `"1"`).want(200)
}

func TestSentencesOfBounds(t *testing.T) {
	d := newDesk(t)
	for body, want := range map[string]string{
		`{"max_body_bytes":2097152}`: "At most 1048576.", `{"max_body_bytes":-1}`: "At least 0.", `{"name":5}`: "This must be text.", `{"enabled":"yes"}`: "This must be true or false.",
		`{"verification":[]}`: "This must be an object.", `{"content_types":{}}`: "This must be a list.", `{"rate_per_second":1.5}`: "This must be a whole number, written without a point and without an exponent.",
	} {
		p := d.do("POST", "/api/v1/inbound-endpoints", body).problem(422, "invalid")
		if e := p["errors"].([]any); len(e) != 1 || e[0].(map[string]any)["message"] != want {
			t.Errorf("%s: want %q, got %v", body, want, e)
		}
	}
	conn, _, _ := d.route("/ok", "bounds.*")
	d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"H","headers":[{"name":"X-A","value":"a\nb"},{"name":"X B","value":"1"}]}`).fields("headers[0].value", "headers[1].name")
	d.do("GET", "/api/v1/deliveries?status=gone", nil).fields("status")
	d.do("GET", "/api/v1/deliveries?limit=many", nil).fields("limit")
}
