package api

import (
	"strings"
	"testing"
)

// as makes a key whose user has the rights of a role that has only these.
func (d *desk) as(name string, rights ...string) []string {
	d.Helper()
	role := d.do("POST", "/api/v1/roles", map[string]any{"name": name, "rights": rights}).want(201).object()["name"].(string)
	_, key := d.person(strings.ToLower(name)+"@example.com", role)
	return []string{"Authorization", "Bearer " + key}
}

// One right does not lead to others: neither through what requests carry, nor through letters, nor through a key that was
// limited.
func TestNobodyGainsRights(t *testing.T) {
	d := newDesk(t)
	cred := d.do("POST", "/api/v1/credentials", `{"name":"K","type":"bearer","config":{"token":"token-canary-9"}}`).want(201).id()
	theirs := map[string]any{"name": "Theirs", "base_url": "https://a.example", "credential_id": cred}
	conn := d.do("POST", "/api/v1/connections", theirs).want(201).id()

	builder := d.as("Builder", "Manage Connections")
	named := func(r reply, right string) {
		t.Helper()
		if p := r.problem(403, "forbidden"); !strings.Contains(p["detail"].(string), right) {
			t.Errorf("the right is not named: %v", p["detail"])
		}
	}
	named(d.do("POST", "/api/v1/connections", map[string]any{"name": "Mine", "base_url": "https://b.example", "credential_id": cred}, builder...), "View Credentials")
	theirs["base_url"] = "https://b.example"
	named(d.do("PUT", "/api/v1/connections/"+conn, theirs, builder...), "View Credentials")
	theirs["base_url"], theirs["enabled"] = "https://a.example", false
	d.do("PUT", "/api/v1/connections/"+conn, theirs, builder...).want(200) // goes nowhere else
	d.do("POST", "/api/v1/connections", map[string]any{"name": "Mine", "base_url": "https://b.example"}, builder...).want(201)

	named(d.do("PUT", "/api/v1/settings/mail", map[string]any{"host": "mail.b.example", "port": 25, "security": "none", "from": "a@b.example"}, d.as("Settler", "Manage Settings")...), "Credentials")

	limited := d.do("POST", "/api/v1/api-keys", map[string]any{"name": "Publisher", "user_id": d.user.ID, "rights": []string{"Manage Events"}}).want(201).object()["key"].(string)
	as := []string{"Authorization", "Bearer " + limited}
	d.do("POST", "/api/v1/workflows", `{"name":"Ask","trigger":{"kind":"manual"},"steps":[{"key":"ask","kind":"approval","assignees":["role:Administrator"],"next":[{"to":"end"}]},{"key":"end","kind":"end"}]}`).want(201)
	flow := d.do("GET", "/api/v1/workflows", nil).want(200).first()["id"].(string)
	d.do("POST", "/api/v1/workflows/"+flow+"/publish", `{}`).want(200)
	d.do("POST", "/api/v1/workflows/"+flow+"/runs", `{}`).want(201)
	task := d.do("GET", "/api/v1/tasks", nil).want(200).first()["id"].(string)
	named(d.do("GET", "/api/v1/tasks", nil, as...), "View Workflows")
	named(d.do("GET", "/api/v1/tasks/"+task, nil, as...), "View Workflows")
	named(d.do("POST", "/api/v1/tasks/"+task+"/approve", `{}`, as...), "Manage Workflows")
	file := d.do("POST", "/api/v1/files", "text", "Content-Type", "text/plain").want(201).id()
	named(d.do("GET", "/api/v1/files/"+file, nil, as...), "View Workflows")
	named(d.do("POST", "/api/v1/files", "text", append(as, "Content-Type", "text/plain")...), "Run Workflows")
	d.do("POST", "/api/v1/tasks/"+task+"/approve", `{}`).want(200) // the person himself, by a key that is not limited
}

// What a draft names and is not there is told; what a workflow needs is not deleted.
func TestWarningsOfWorkflows(t *testing.T) {
	d := newDesk(t)
	audience := d.do("POST", "/api/v1/audiences", map[string]any{"name": "Readers"}).want(201).id()
	made := d.do("POST", "/api/v1/workflows", `{"name":"Welcome","trigger":{"kind":"audience","audience_id":"`+audience+`"},"steps":[
		{"key":"ask","kind":"approval","assignees":["role:Nope","nobody@example.com","ada@example.com","role:Administrator","initiator"],"next":[{"to":"end"}]},{"key":"end","kind":"end"}]}`).want(201)
	warned := func(r reply) string {
		var all []string
		for _, w := range r.object()["warnings"].([]any) {
			all = append(all, w.(string))
		}
		return strings.Join(all, "\n")
	}
	got := warned(made)
	for _, want := range []string{"“Nope”", "nobody@example.com"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not told: %s", want, got)
		}
	}
	if strings.Contains(got, "ada@") || strings.Contains(got, "Administrator") || strings.Contains(got, "audience") {
		t.Errorf("too much: %s", got)
	}
	if p := d.do("DELETE", "/api/v1/audiences/"+audience, nil).problem(409, "in_use"); !strings.Contains(p["detail"].(string), "Welcome") {
		t.Errorf("the user is not named: %v", p["detail"])
	}
	d.do("DELETE", "/api/v1/audiences/"+audience+"?force=true", nil).want(204)
	if got := warned(d.do("GET", "/api/v1/workflows/"+made.id(), nil).want(200)); !strings.Contains(got, "audience") {
		t.Errorf("a missing audience is not told: %s", got)
	}
}

// What is held is neither sent nor dropped by an order that says nothing.
func TestHeldNeedsAnOrder(t *testing.T) {
	d := newDesk(t)
	_, dest, _ := d.route("/ok", "held.up")
	at := "/api/v1/destinations/" + dest
	got := d.do("GET", at, nil).want(200).object()
	got["enabled"] = false
	d.do("PUT", at, got).want(200)
	d.do("POST", "/api/v1/events", `{"name":"held.up","data":1}`).want(202)
	d.do("POST", at+"/held", `{}`).fields("action")
	d.do("POST", at+"/held", `{"action":"keep"}`).fields("action")
	if got := d.do("GET", at, nil).want(200).object(); got["enabled"] != false {
		t.Errorf("it is on: %v", got)
	}
	if got := d.do("POST", at+"/held", `{"action":"drop"}`).want(200).object(); got["count"] != 1.0 {
		t.Errorf("dropped: %v", got)
	}
}
