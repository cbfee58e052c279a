package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"waybill/db/model"
)

// A noun's whole life, told once for all of them.
type life struct {
	path    string // of the list; CONN and DEST stand for ids that exist
	one     string // of one, when it differs
	body    map[string]any
	invalid map[string]any // body with a wrong value, and which fields are told
	fields  []string
	change  map[string]any // what PUT changes
	unique  bool           // a second one of the name is a conflict
	noPut   bool
	always  []string // what every answer holds
}

func lives(d *desk) map[string]life {
	conn, dest, _ := d.route("/ok", "lives.*")
	return map[string]life{
		"credentials": {path: "/credentials", unique: true,
			body:    map[string]any{"name": "Shop", "type": "basic", "config": map[string]any{"username": "shop", "password": "s3cret-canary-1"}},
			invalid: map[string]any{"name": "", "type": "basic", "config": map[string]any{"username": "a:b", "password": 5}},
			fields:  []string{"name", "config.password"}, change: map[string]any{"description": "new"},
			always: []string{"name", "type", "description", "config", "secrets"}},
		"connections": {path: "/connections", unique: true,
			body:    map[string]any{"name": "CRM", "base_url": "https://crm.example.com", "port": 8443, "type": "custom_http"},
			invalid: map[string]any{"name": "x", "base_url": "ftp://crm", "port": "8443"}, fields: []string{"port"},
			change: map[string]any{"timeout_seconds": 12},
			always: []string{"name", "description", "type", "base_url", "port", "credential_id", "timeout_seconds", "timeout_message", "enabled",
				"service_user_id", "settings", "effective_url", "inbound_url", "warnings"}},
		"destinations": {path: "/connections/" + conn + "/destinations", one: "/destinations", unique: true,
			body:    map[string]any{"name": "Orders 2", "path": "/o", "headers": []any{map[string]any{"name": "X-A", "value": "1"}}},
			invalid: map[string]any{"name": "x", "headers": []any{map[string]any{"name": 5, "value": "1"}}}, fields: []string{"headers[0].name"},
			change: map[string]any{"path": "/p", "retry_schedule": []any{0.0, 7.0}, "sign": false},
			always: []string{"connection_id", "name", "description", "method", "content_type", "path", "headers", "template", "enabled", "disabled_at",
				"disabled_reason", "sign", "retry_schedule", "max_in_flight", "rate_per_second", "ordered", "batch_size", "batch_wait_ms"}},
		"actions": {path: "/actions", unique: true,
			body:    map[string]any{"name": "Send", "event": "order.*", "destination_id": dest, "filter": "event.data.total > 1"},
			invalid: map[string]any{"name": "x", "event": "or*er", "destination_id": "", "filter": "event.data.total >"},
			fields:  []string{"event", "destination_id", "filter"}, change: map[string]any{"enabled": false},
			always: []string{"name", "description", "event", "filter", "destination_id", "enabled"}},
		"users": {path: "/users", unique: true,
			body:    map[string]any{"email": "bo@example.com", "name": "Bo", "roles": []any{"Viewer"}},
			invalid: map[string]any{"email": "nobody", "name": "Bo", "roles": []any{"King"}}, fields: []string{"email", "roles"},
			change: map[string]any{"disabled": true}, always: []string{"email", "name", "roles", "disabled"}},
		"event-definitions": {path: "/event-definitions", unique: true,
			body:    map[string]any{"name": "order.defined", "description": "d", "schema": map[string]any{"type": "object"}},
			invalid: map[string]any{"name": "a b", "schema": map[string]any{"type": "objekt"}}, fields: []string{"name", "schema"},
			change: map[string]any{"description": "new", "schema": nil}, always: []string{"name", "description", "schema"}},
		"audiences": {path: "/audiences", unique: true,
			body:    map[string]any{"name": "Readers", "subject_field": "email"},
			invalid: map[string]any{"name": ""}, fields: []string{"name"},
			change: map[string]any{"description": "new"}, always: []string{"name", "description", "subject_field", "count"}},
		"roles": {path: "/roles", unique: true,
			body:    map[string]any{"name": "Night shift", "description": "d", "rights": []any{"Manage Deliveries", "View Audit Log"}},
			invalid: map[string]any{"name": "Viewer", "rights": []any{"View Events", "Manage Moon"}}, fields: []string{"name", "rights[1]"},
			change: map[string]any{"rights": []any{"View Events"}}, always: []string{"name", "description", "rights", "builtin"}},
		"integrations": {path: "/integrations", unique: true,
			body:    map[string]any{"name": "Tell them", "description": "d"},
			invalid: map[string]any{"name": "x", "fields": []any{map[string]any{"key": "1", "type": "text"}}, "request": map[string]any{"url": "https://{{ it.x }}/", "body": "{{ it. }}"}},
			fields:  []string{"fields[0].key", "request.body", "request.url"}, change: map[string]any{"request": map[string]any{"name": "n", "url": "https://api.example.com/{{ it.input.a }}", "body": "", "body_in_event": false,
				"content_type": "text/plain", "credential_id": "", "event": "stock.told", "headers": []any{}, "method": "PUT", "timeout_seconds": 9.0}},
			always: []string{"name", "description", "fields", "request", "published_version", "published_at", "changed"}},
		"api-keys": {path: "/api-keys",
			body:    map[string]any{"name": "CI", "expires_at": "2090-01-01T00:00:00Z", "rights": []any{"View Events"}},
			invalid: map[string]any{"name": "CI", "expires_at": "tomorrow"}, fields: []string{"expires_at"},
			change: map[string]any{"rights": []any{"View Events", "Manage Deliveries"}},
			always: []string{"name", "user_id", "hint", "last_used_at", "expires_at", "revoked_at", "rights", "previous_until"}},
	}
}

func TestLives(t *testing.T) {
	d := newDesk(t)
	for name, l := range lives(d) {
		t.Run(name, func(t *testing.T) {
			d := d.in(t)
			at, one := "/api/v1"+l.path, "/api/v1"+l.path
			if l.one != "" {
				one = "/api/v1" + l.one
			}
			d.do("POST", at, l.invalid).fields(l.fields...)
			res := d.do("POST", at, l.body).want(201)
			made := res.object()
			id := made["id"].(string)
			if got := res.Header.Get("Location"); got != one+"/"+id {
				t.Errorf("Location: %q", got)
			}
			shape(t, made, l.always)
			for k, want := range l.body {
				if got := made[k]; k != "config" && k != "expires_at" && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: want %v, got %v", k, want, got)
				}
			}
			if l.unique {
				d.do("POST", at, l.body).problem(409, "")
			}
			got := d.do("GET", one+"/"+id, nil).want(200).object()
			shape(t, got, l.always)
			if first := d.do("GET", at+"?limit=1", nil).want(200); first.first()["id"] != id {
				t.Errorf("list does not begin with the newest: %s", first.Text)
			}
			if !l.noPut {
				d.replaced(one+"/"+id, got, l)
			}
			d.do("GET", one+"/"+strings.ToUpper(id), nil).problem(404, "not_found")
			d.do("GET", one+"/"+id+"?x=1", nil).fields("x")
			d.do("PATCH", one+"/"+id, nil).problem(405, "method_not_allowed")
			res = d.do("DELETE", one+"/"+id, nil).want(204)
			if len(res.Text) != 0 {
				t.Errorf("204 with a body: %s", res.Text)
			}
			if name != "api-keys" {
				d.do("GET", one+"/"+id, nil).problem(404, "not_found")
				d.do("DELETE", one+"/"+id, nil).problem(404, "not_found")
			}
		})
	}
}

// in is the same desk reporting to a subtest.
func (d *desk) in(t *testing.T) *desk {
	return &desk{TB: t, store: d.store, jobs: d.jobs, table: d.table, url: d.url, spec: d.spec, logs: d.logs, admin: d.admin, user: d.user, rx: d.rx}
}

// replaced goes through PUT: what GET gave, a change, an old version, no version, other types.
func (d *desk) replaced(path string, got map[string]any, l life) {
	d.Helper()
	same := d.do("PUT", path, got).want(200).object()
	if same["version"] != got["version"] {
		d.Errorf("PUT of what GET gave made version %v of %v", same["version"], got["version"])
	}
	changed := maps.Clone(got)
	maps.Copy(changed, l.change)
	after := d.do("PUT", path, changed).want(200).object()
	if after["version"].(float64) != got["version"].(float64)+1 {
		d.Errorf("version after a change: %v", after["version"])
	}
	for k, want := range l.change {
		if fmt.Sprint(after[k]) != fmt.Sprint(want) {
			d.Errorf("%s: want %v, got %v", k, want, after[k])
		}
	}
	d.do("PUT", path, got).problem(409, "stale")
	delete(changed, "version")
	d.do("PUT", path, changed).want(200)
	changed["version"] = nil
	d.do("PUT", path, changed).want(200)
	changed["name"] = []any{1}
	d.do("PUT", path, changed).fields("name")
	d.do("PUT", path, "{").problem(400, "malformed")
	d.do("PUT", path, `{"name":"a","name":"b"}`).problem(400, "malformed")
	d.do("PUT", path, "{\"name\":\"\xff\"}").problem(400, "malformed")
	d.do("PUT", path, `[]`).problem(422, "")
	d.do("PUT", path, `name=x`, "Content-Type", "application/x-www-form-urlencoded").problem(415, "unsupported")
}

// shape checks what every object carries.
func shape(t *testing.T, got map[string]any, names []string) {
	t.Helper()
	for _, name := range append([]string{"id", "created_at", "updated_at", "version"}, names...) {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s in %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
	at, _ := got["created_at"].(string)
	if len(at) != len("2030-01-31T12:00:00.000Z") || !strings.HasSuffix(at, "Z") {
		t.Errorf("created_at %q is not RFC 3339 in UTC with milliseconds", at)
	}
}

// What this engine cannot honour is refused, each by the name of its field.
func TestRefusedFields(t *testing.T) {
	d := newDesk(t)
	conn, _, _ := d.route("/ok", "a.b")
	for _, x := range []struct{ path, field, body string }{
		{"/connections", "service_user_id", `{"name":"a","base_url":"https://a.example","service_user_id":"usr_1"}`},
		{"/connections", "settings.bucket", `{"name":"a","base_url":"https://a.example","settings":{"bucket":"b"}}`},
		{"/connections", "type", `{"name":"a","base_url":"https://a.example","type":"ftp"}`},
		{"/connections", "credential_id", `{"name":"a","base_url":"https://a.example","type":"teams"}`},
		{"/connections/" + conn + "/destinations", "rate_per_second", `{"name":"a","rate_per_second":-0.5}`},
		{"/connections/" + conn + "/destinations", "ordered", `{"name":"a","ordered":"yes"}`},
		{"/connections/" + conn + "/destinations", "batch_size", `{"name":"a","batch_size":501}`},
		{"/connections/" + conn + "/destinations", "batch_wait_ms", `{"name":"a","batch_wait_ms":60001}`},
		{"/connections/" + conn + "/destinations", "retry_on", `{"name":"a","retry_on":"5xx"}`},
		{"/connections/" + conn + "/destinations", "retry_on", `{"name":"a","retry_on":"200-204"}`},
		{"/connections", "retry_on", `{"name":"a","base_url":"https://a.example","retry_on":"999"}`},
		{"/connections", "retry_schedule", `{"name":"a","base_url":"https://a.example","retry_schedule":[-1]}`},
		{"/credentials", "config.api_key_id", `{"name":"a","type":"platform_api_key","config":{"api_key_id":"xyzzy-canary"}}`},
		{"/credentials", "config.secret", `{"name":"a","type":"client_secret","config":{}}`},
		{"/credentials", "type", `{"name":"a","type":"magic"}`},
		{"/credentials", "config.token", `{"name":"a","type":"bearer"}`},
		{"/credentials", "config.user", `{"name":"a","type":"bearer","config":{"token":"t0ken-canary","user":"x"}}`},
	} {
		d.do("POST", "/api/v1"+x.path, x.body).fields(x.field)
	}
	d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"a","rate_per_second":0,"ordered":false,"batch_size":1,"batch_wait_ms":0}`).want(201)
	d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"b","rate_per_second":null,"ordered":null,"batch_size":null,"headers":null,"retry_schedule":null}`).want(201)
}

func TestNumbersThatDoNotFit(t *testing.T) {
	d := newDesk(t)
	d.do("POST", "/api/v1/connections", `{"name":"a","base_url":"https://a.example","timeout_seconds":1e300}`).fields("timeout_seconds")
	d.do("POST", "/api/v1/connections", `{"name":"a","base_url":"https://a.example","port":1.5}`).fields("port")
	p := d.do("PUT", "/api/v1/connections/con_x", `{"name":"a","base_url":"https://a.example","version":123456789012345678901234567890}`).problem(422, "")
	if strings.Contains(fmt.Sprint(p), "12345678901234") {
		t.Errorf("the value is repeated: %v", p)
	}
}

func TestDeleteInUse(t *testing.T) {
	d := newDesk(t)
	conn, dest, act := d.route("/ok", "in.use")
	cred := d.do("POST", "/api/v1/credentials", `{"name":"K","type":"bearer","config":{"token":"token-canary-2"}}`).want(201).id()
	d.do("POST", "/api/v1/connections", map[string]any{"name": "Uses K", "base_url": "https://a.example", "credential_id": cred}).want(201)

	p := d.do("DELETE", "/api/v1/credentials/"+cred, nil).problem(409, "in_use")
	if !strings.Contains(p["detail"].(string), "Uses K") {
		t.Errorf("the user is not named: %v", p["detail"])
	}
	usage := d.do("GET", "/api/v1/credentials/"+cred+"/usage", nil).want(200).first()
	if usage["kind"] != "connection" || usage["name"] != "Uses K" {
		t.Errorf("usage: %v", usage)
	}
	d.do("PUT", "/api/v1/connections/"+conn, map[string]any{"name": "Off", "base_url": d.rx.URL, "enabled": false}).want(200)
	d.do("POST", "/api/v1/events", `{"name":"in.use","data":1}`).want(202)
	p = d.do("DELETE", "/api/v1/connections/"+conn, nil).problem(409, "in_use")
	for _, want := range []string{"Orders", "Send /okin.use", "1 delivery"} {
		if !strings.Contains(p["detail"].(string), want) {
			t.Errorf("%q is not named: %v", want, p["detail"])
		}
	}
	d.do("DELETE", "/api/v1/destinations/"+dest, nil).problem(409, "in_use")
	d.do("DELETE", "/api/v1/connections/"+conn+"?force=yes", nil).fields("force")
	d.do("DELETE", "/api/v1/connections/"+conn+"?force=true", nil).want(204)
	d.do("GET", "/api/v1/actions/"+act, nil).problem(404, "")
	if got := d.do("GET", "/api/v1/deliveries?destination_id="+dest, nil).want(200).first(); got["status"] != "cancelled" {
		t.Errorf("the delivery is %v", got["status"])
	}
}

func TestLists(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		d.do("POST", "/api/v1/connections", map[string]any{"name": fmt.Sprint("C", i), "base_url": "https://a.example"}).want(201)
	}
	var names []string
	for cursor := ""; ; {
		page := d.do("GET", "/api/v1/connections?limit=2&cursor="+cursor, nil).want(200)
		for _, i := range page.items() {
			names = append(names, i.(map[string]any)["name"].(string))
		}
		if cursor = page.object()["next_cursor"].(string); cursor == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "C4 C3 C2 C1 C0" {
		t.Errorf("pages: %s", got)
	}
	for _, q := range []string{"limit=0", "limit=201", "limit=x", "limit=-1"} {
		d.do("GET", "/api/v1/connections?"+q, nil).fields("limit")
	}
	d.do("GET", "/api/v1/deliveries?status=lost&lane=fast", nil).fields("status", "lane")
	d.do("GET", "/api/v1/deliveries?from=yesterday", nil).fields("from")
	for _, path := range []string{"/deliveries?run_id=x", "/deliveries?event_id=nonsense", "/deliveries?destination_id=dst_0", "/deliveries?status=sending",
		"/events?name=none", "/connections?credential_id=x", "/actions?destination_id=", "/audit?object_id=x", "/users?q=nobody"} {
		res := d.do("GET", "/api/v1"+path, nil).want(200)
		if strings.TrimSpace(string(res.Text)) != `{"items":[],"next_cursor":""}` && !strings.Contains(path, "actions") {
			t.Errorf("%s: %s", path, res.Text)
		}
	}
	if got := len(d.do("GET", "/api/v1/roles", nil).want(200).items()); got != 4 {
		t.Errorf("%d roles", got)
	}
	row := d.do("GET", "/api/v1/audit?kind=connection&limit=1", nil).want(200).first()
	if row["action"] != "connection.created" || row["actor_kind"] != "api_key" || row["actor_id"] != string(d.user.ID) || row["via"] == "" || row["request_id"] == "" {
		t.Errorf("audit: %v", row)
	}
}

func TestRights(t *testing.T) {
	d := newDesk(t)
	_, viewer := d.person("vi@example.com", "Viewer")
	_, nobody := d.person("no@example.com")
	for _, r := range d.table {
		path := strings.ReplaceAll(r.Path, ":id", "x_1")
		if strings.HasSuffix(path, "/openapi.json") {
			d.do(r.Method, path, nil, "Authorization", "").want(200)
			continue
		}
		body := "{"
		if r.Method == http.MethodGet {
			body = ""
		}
		d.do(r.Method, path, body, "Authorization", "").problem(401, "signed_out")
		d.do(r.Method, path, body, "Authorization", "Bearer wbk_"+strings.Repeat("0", 39)).problem(401, "signed_out")
		if r.Right == model.SignedIn { // what is the caller's own: his tasks
			continue
		}
		res := d.do(r.Method, path, body, "Authorization", "Bearer "+nobody)
		if p := res.problem(403, "forbidden"); !strings.Contains(p["detail"].(string), string(r.Right)) {
			t.Errorf("%s %s: the right is not named: %v", r.Method, path, p["detail"])
		}
		if r.Method != http.MethodGet {
			d.do(r.Method, path, body, "Authorization", "Bearer "+viewer).problem(403, "forbidden")
		}
	}
	d.do("GET", "/api/v1/connections", nil, "Authorization", "Bearer "+viewer).want(200)
	d.do("GET", "/api/v1/users", nil, "Authorization", "Bearer "+viewer).problem(403, "forbidden")

	users, keys := "Integrator", map[string]any{"name": "k", "user_id": d.user.ID}
	_, integrator := d.person("in@example.com", users)
	d.do("POST", "/api/v1/api-keys", keys, "Authorization", "Bearer "+integrator).problem(403, "forbidden")
	d.do("GET", "/api/v1/nothing", nil).problem(404, "not_found")
}

func TestOwnKeyDoesNotOutliveItsRevocation(t *testing.T) {
	d := newDesk(t)
	made := d.do("POST", "/api/v1/api-keys", `{"name":"CI"}`).want(201).object()
	key := "Bearer " + made["key"].(string)
	d.do("GET", "/api/v1/connections", nil, "Authorization", key).want(200)
	d.do("DELETE", "/api/v1/api-keys/"+made["id"].(string), nil).want(204)
	d.do("GET", "/api/v1/connections", nil, "Authorization", key).problem(401, "signed_out")
	got := d.do("GET", "/api/v1/api-keys/"+made["id"].(string), nil).want(200)
	if got.object()["revoked_at"] == nil || strings.Contains(string(got.Text), made["key"].(string)) {
		t.Errorf("revoked key: %s", got.Text)
	}
}

func TestRotatingAKey(t *testing.T) {
	d := newDesk(t)
	made := d.do("POST", "/api/v1/api-keys", `{"name":"CI","rights":["View Events"]}`).want(201).object()
	at, key := "/api/v1/api-keys/"+made["id"].(string), "Bearer "+made["key"].(string)
	d.do("GET", "/api/v1/events", nil, "Authorization", key).want(200)
	if p := d.do("GET", "/api/v1/connections", nil, "Authorization", key).problem(403, "forbidden"); !strings.Contains(p["detail"].(string), "View Connections") {
		t.Errorf("a limited key: %v", p["detail"])
	}
	d.do("POST", at+"/rotate", `{"overlap_seconds":-1}`).fields("overlap_seconds")
	next := d.do("POST", at+"/rotate", `{}`).want(200).object()
	if next["key"] == made["key"] || next["previous_until"] == nil || next["hint"] == made["hint"] {
		t.Errorf("rotated: %v", next)
	}
	for _, k := range []any{made["key"], next["key"]} {
		d.do("GET", "/api/v1/events", nil, "Authorization", "Bearer "+k.(string)).want(200)
	}
	last := d.do("POST", at+"/rotate", `{"overlap_seconds":0}`).want(200).object()
	for _, k := range []any{made["key"], next["key"]} {
		d.do("GET", "/api/v1/events", nil, "Authorization", "Bearer "+k.(string)).problem(401, "signed_out")
	}
	d.do("GET", "/api/v1/events", nil, "Authorization", "Bearer "+last["key"].(string)).want(200)
	d.do("DELETE", at, nil).want(204)
	d.do("POST", at+"/rotate", `{}`).problem(409, "revoked")
	d.do("POST", "/api/v1/api-keys/key_x/rotate", `{}`).problem(404, "")
}

func TestPasswords(t *testing.T) {
	d := newDesk(t)
	body := map[string]any{"email": "eve@example.com", "name": "Eve", "roles": []string{"Viewer"}, "password": "short"}
	d.do("POST", "/api/v1/users", body).fields("password")
	body["password"] = "correct-horse-battery-canary"
	made := d.do("POST", "/api/v1/users", body).want(201)
	_, hash, err := d.store.UserByEmail(t.Context(), "eve@example.com")
	if err != nil || hash == "" {
		t.Fatalf("no password is stored: %v", err)
	}
	d.do("PUT", "/api/v1/users/"+made.id(), made.object()).want(200)
	if _, kept, _ := d.store.UserByEmail(t.Context(), "eve@example.com"); kept != hash {
		t.Error("PUT without a password changed it")
	}
	body["password"] = "another-horse-battery-canary"
	after := d.do("PUT", "/api/v1/users/"+made.id(), body).want(200)
	if _, now, _ := d.store.UserByEmail(t.Context(), "eve@example.com"); now == hash {
		t.Error("PUT with a password did not change it")
	}
	d.do("PUT", "/api/v1/users/"+made.id(), after.object()).want(200)
	if bytesHave(d.seen, "horse-battery") {
		t.Error("a password was answered")
	}
}

func bytesHave(b []byte, part string) bool { return strings.Contains(string(b), part) }

func TestBodiesThatCannotBeRead(t *testing.T) {
	d := newDesk(t)
	d.do("POST", "/api/v1/connections", "").problem(400, "malformed")
	d.do("POST", "/api/v1/connections", `"text"`).problem(422, "")
	d.do("POST", "/api/v1/connections", `{"name":"a"} x`).problem(400, "malformed")
	d.do("POST", "/api/v1/connections", `{"name":"`+strings.Repeat("a", 3<<20)+`"}`).problem(413, "too_large")
	d.do("POST", "/api/v1/connections", `{"name":"`+strings.Repeat("a", 10<<20)+`"}`).problem(413, "too_large")
	d.do("POST", "/api/v1/connections", `{"name":"json+patch","base_url":"https://a.example"}`, "Content-Type", "application/vnd.x+json; charset=utf-8").want(201)
	d.do("POST", "/api/v1/connections", `{"name":"untyped","base_url":"https://a.example"}`, "Content-Type", "").want(201)
	var v any
	if err := json.Unmarshal(d.do("GET", "/api/v1/connections", nil, "Accept", "text/html").want(200).Text, &v); err != nil {
		t.Error(err)
	}
}
