package api

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// The document is OpenAPI 3.1 that holds together: every row of the route table is an operation, every reference
// leads somewhere, every parameter of a path is declared, every answer is described.
func TestOpenAPI(t *testing.T) {
	d := newDesk(t)
	res := d.do("GET", "/api/v1/openapi.json", nil, "Authorization", "").want(200)
	doc := res.object()
	if doc["openapi"] != "3.1.0" || doc["info"].(map[string]any)["title"] != "Waybill" {
		t.Errorf("head: %v, %v", doc["openapi"], doc["info"])
	}
	paths := doc["paths"].(map[string]any)
	ids := map[string]bool{}
	for _, r := range d.table {
		path := strings.TrimPrefix(regexp.MustCompile(`:(\w+)`).ReplaceAllString(r.Path, "{$1}"), Prefix)
		if path == "/openapi.json" {
			continue
		}
		item, _ := paths[path].(map[string]any)
		op, ok := item[strings.ToLower(r.Method)].(map[string]any)
		if !ok {
			t.Errorf("%s %s is not documented", r.Method, r.Path)
			continue
		}
		id := op["operationId"].(string)
		if ids[id] {
			t.Errorf("operationId %s twice", id)
		}
		ids[id] = true
		if op["x-right"] != string(r.Right) {
			t.Errorf("%s needs %v by the document, %s by the table", id, op["x-right"], r.Right)
		}
		described(t, id, path, op)
	}
	n := 0
	for _, item := range paths {
		n += len(item.(map[string]any))
	}
	if n != len(ids) {
		t.Errorf("%d operations documented, %d routed", n, len(ids))
	}
	references(t, doc, doc)
	if schemas := doc["components"].(map[string]any)["schemas"].(map[string]any); schemas["Problem"] == nil || schemas["ErrorModel"] != nil {
		t.Error("errors are not documented as problems")
	}
	for _, secret := range []string{"wbk_0", "whsec_[A-Za-z0-9]", `"example":"[^"]*(secret|password)`} {
		if regexp.MustCompile(secret).Match(res.Text) {
			t.Errorf("%s in the document", secret)
		}
	}
}

func described(t *testing.T, id, path string, op map[string]any) {
	t.Helper()
	responses := op["responses"].(map[string]any)
	good := 0
	for code, r := range responses {
		body, _ := r.(map[string]any)["content"].(map[string]any)
		switch {
		case code[0] == '2':
			good++
			if body["application/json"] == nil && body["application/octet-stream"] == nil && body["application/x-ndjson"] == nil && code != "204" {
				t.Errorf("%s: the body of %s is not described", id, code)
			}
		case body["application/problem+json"] == nil:
			t.Errorf("%s: %s is not a problem", id, code)
		}
	}
	if good == 0 || responses["401"] == nil || responses["403"] == nil {
		t.Errorf("%s: answers %v", id, responses)
	}
	declared := map[string]bool{}
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		if p := p.(map[string]any); p["in"] == "path" {
			declared["{"+p["name"].(string)+"}"] = p["required"] == true
		}
	}
	for _, name := range regexp.MustCompile(`\{\w+\}`).FindAllString(path, -1) {
		if !declared[name] {
			t.Errorf("%s: %s is not declared", id, name)
		}
	}
	if s, _ := op["summary"].(string); s == "" {
		t.Errorf("%s has no summary", id)
	}
}

// references follows every $ref.
func references(t *testing.T, doc, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			at := doc
			for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[part]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, x := range v {
			references(t, doc, x)
		}
	case []any:
		for _, x := range v {
			references(t, doc, x)
		}
	}
}

// A secret that was sent, wherever and however wrong the request was, is in no answer and no log line.
func TestSecretCanary(t *testing.T) {
	d := newDesk(t)
	const canary = "CANARY-7f3a9b"
	conn, dest, _ := d.route("/ok", "a.b")
	bodies := []string{
		`{"name":"c%d","type":"basic","config":{"username":"u","password":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"bearer","config":{"token":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"header","config":{"header_name":"X-Key","header_value":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"basic","config":{"username":"u","password":["CANARY-7f3a9b"]}}`,
		`{"name":"c%d","type":"basic","config":{"username":"a:b","password":"CANARY-7f3a9b\n"}}`,
		`{"name":"","type":"bearer","config":{"token":"CANARY-7f3a9b","other":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"oauth2","config":{"client_secret":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"CANARY-7f3a9b","config":{}}`,
		`{"name":5,"type":"bearer","config":{"token":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"bearer","config":"CANARY-7f3a9b"}`,
		`{"name":"c%d","type":"bearer","config":{"token":"CANARY-7f3a9b"}`,
		`{"name":"c%d","type":"bearer","config":{"token":"CANARY-7f3a9b","token":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"bearer","config":{"token":CANARY-7f3a9b}}`,
		`{"name":"c%d","type":"bearer","version":-1,"config":{"token":"CANARY-7f3a9b"}}`,
		`{"name":"c%d","type":"bearer","version":1e99,"config":{"token":"CANARY-7f3a9b"}}`,
		`CANARY-7f3a9b`, `["CANARY-7f3a9b"]`, `"CANARY-7f3a9b"`,
	}
	for i, body := range bodies {
		body = strings.ReplaceAll(body, "%d", fmt.Sprint(i))
		res := d.do("POST", "/api/v1/credentials", body)
		d.do("PUT", "/api/v1/credentials/crd_none", body)
		if res.Status == 201 {
			id := res.id()
			d.do("PUT", "/api/v1/credentials/"+id, body).want(200)
			d.do("PUT", "/api/v1/credentials/"+id, strings.Replace(body, "{", `{"version":9,`, 1)).problem(409, "stale")
			d.do("GET", "/api/v1/credentials/"+id, nil).want(200)
			d.do("POST", "/api/v1/credentials/"+id+"/test", nil).want(200)
			d.do("PUT", "/api/v1/connections/"+conn, map[string]any{"name": "With " + id, "base_url": d.rx.URL, "credential_id": id}).want(200)
			d.do("POST", "/api/v1/destinations/"+dest+"/preview", nil).want(200)
			d.do("POST", "/api/v1/destinations/"+dest+"/test", nil).want(200)
		}
		d.do("POST", "/api/v1/credentials", body, "Content-Type", "text/plain").problem(415, "")
		for _, at := range []string{"/connections", "/actions", "/users", "/api-keys", "/events", "/events/batch", "/destinations/" + dest + "/test"} {
			if res := d.do("POST", "/api/v1"+at, body); res.Status < 400 && at != "/destinations/"+dest+"/test" && at != "/events" && at != "/api-keys" {
				t.Errorf("POST %s took %s", at, body)
			}
		}
	}
	id := d.do("POST", "/api/v1/events", `{"name":"a.b","data":1,"id":"last"}`).want(202).id()
	del := d.do("GET", "/api/v1/deliveries?event_id="+id, nil).first()["id"].(string)
	d.settled(del, "delivered")
	d.do("GET", "/api/v1/deliveries/"+del+"/attempts", nil).want(200)
	for _, path := range []string{"/credentials", "/connections", "/audit?limit=200", "/openapi.json", "/users"} {
		d.do("GET", "/api/v1"+path, nil).want(200)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range strings.Split(string(d.seen), "\n") {
		if strings.Contains(line, canary) {
			t.Errorf("answered: %.300s", line)
		}
	}
	if strings.Contains(d.logs.String(), canary) {
		t.Errorf("logged: %s", d.logs.String())
	}
}
