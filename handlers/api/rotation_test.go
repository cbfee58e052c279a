package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db/model"
)

// A new secret is tried on one destination, put in use, and taken back, against a receiver that tells them apart.
func TestRotation(t *testing.T) {
	d := newDesk(t)
	var good atomic.Value
	good.Store("one-canary-1")
	rx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "not "+r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(rx.Close)
	cred := d.do("POST", "/api/v1/credentials", `{"name":"Shop","type":"bearer","config":{"token":"one-canary-1"},"expires_at":"2031-01-31T12:00:00Z"}`).want(201)
	at := "/api/v1/credentials/" + cred.id() + "/rotation"
	conn := d.do("POST", "/api/v1/connections", map[string]any{"name": "Shop", "base_url": rx.URL, "credential_id": cred.id()}).want(201).id()
	dest := d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"Orders"}`).want(201).id()
	other, _, _ := d.route("/ok", "a.b")
	elsewhere := d.do("POST", "/api/v1/connections/"+other+"/destinations", `{"name":"Else"}`).want(201).id()
	test := func() float64 {
		return d.do("POST", "/api/v1/destinations/"+dest+"/test", nil).want(200).object()["response"].(map[string]any)["status"].(float64)
	}
	state := func(want string) map[string]any {
		t.Helper()
		x := d.do("GET", at, nil).want(200).object()
		if x["state"] != want {
			t.Errorf("want %s, got %v", want, x)
		}
		return x
	}

	state("none")
	d.do("POST", at+"/apply", nil).want(409)
	d.do("POST", at+"/try", map[string]any{"destination_id": dest}).want(409)
	d.do("PUT", at, `{"config":{"token":"Bearer two-canary-2"}}`).fields("config.token")
	d.do("PUT", at, `{"config":{"tokn":"two-canary-2"}}`).fields("config.tokn")
	started := d.do("PUT", at, `{"config":{"token":"two-canary-2"}}`).want(200)
	if s := started.object(); s["state"] != "pending" || s["started_by"] != "ada" || s["trial"] != nil {
		t.Error(s)
	}
	if got := test(); got != 200 {
		t.Errorf("the secret in use: %v", got)
	}
	d.do("POST", at+"/try", map[string]any{"destination_id": elsewhere}).fields("destination_id")
	refused := d.do("POST", at+"/try", map[string]any{"destination_id": dest}).want(200)
	if !strings.Contains(string(refused.Text), `"body":"not Bearer •••"`) {
		t.Errorf("%s", refused.Text)
	}
	if x := state("pending")["trial"].(map[string]any); x["status_code"] != 401.0 || x["destination"] != "Orders" || x["error"] == "" {
		t.Error(x)
	}
	good.Store("two-canary-2")
	d.do("POST", at+"/try", map[string]any{"destination_id": dest}).want(200)
	if x := state("pending")["trial"].(map[string]any); x["status_code"] != 200.0 || x["error"] != "" {
		t.Error(x)
	}
	if got := test(); got != 401 {
		t.Errorf("the trial changed the secret in use: %v", got)
	}
	if x := d.do("POST", at+"/apply", nil).want(200).object(); x["version"] != 2.0 || x["expires_at"] != nil {
		t.Error(x)
	}
	if got := test(); got != 200 {
		t.Errorf("the new secret: %v", got)
	}
	if until, _ := time.Parse(time.RFC3339, state("live")["former_kept_until"].(string)); time.Until(until) < model.FormerLife-time.Hour {
		t.Error(until)
	}
	if x := d.do("POST", at+"/rollback", nil).want(200).object(); x["expires_at"] != "2031-01-31T12:00:00.000Z" {
		t.Error(x)
	}
	state("none")
	good.Store("one-canary-1")
	if got := test(); got != 200 {
		t.Errorf("the former secret: %v", got)
	}
	d.do("POST", at+"/rollback", nil).want(409)
	d.do("DELETE", at, nil).want(404)
	d.do("PUT", at, `{"version":1,"config":{"token":"two-canary-2"}}`).want(409)
	d.do("PUT", at, `{"config":{"token":"two-canary-2"}}`).want(200)
	d.do("DELETE", at, nil).want(204)
	state("none")
	log := string(d.do("GET", "/api/v1/audit?limit=50", nil).want(200).Text)
	for _, word := range []string{"rotation_started", "rotation_tried", "credential.rotated", "rolled_back", "rotation_dropped"} {
		if !strings.Contains(log, word) {
			t.Errorf("the audit log does not know %s", word)
		}
	}
	if strings.Contains(string(d.seen)+d.logs.String(), "canary-2") {
		t.Error("a secret came out")
	}
}

// The test of a credential shows the real answer of its token endpoint, without the tokens in it.
func TestTestOfOAuth(t *testing.T) {
	d := newDesk(t)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if form, _ := url.ParseQuery(string(body)); form.Get("client_secret") != "hush-canary-7" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"no `+string(body)+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"tok-canary-8","refresh_token":"ref-canary-9","token_type":"Bearer","expires_in":"120","scope":"a"}`)
	}))
	t.Cleanup(tokens.Close)
	body := map[string]any{"name": "Login", "type": "oauth2", "config": map[string]any{"token_url": tokens.URL + "/token", "client_id": "me", "client_secret": "hush-canary-7", "grant": "client_credentials"}}
	id := d.do("POST", "/api/v1/credentials", body).want(201).id()
	x := d.do("POST", "/api/v1/credentials/"+id+"/test", nil).want(200)
	for _, want := range []string{`"status":200`, `\"expires_in\":\"120\"`, `"life_seconds":120`, `"kept_seconds":45`, `client_secret=•••`, `\"access_token\":\"•••\"`, `"error":""`} {
		if !strings.Contains(string(x.Text), want) {
			t.Errorf("no %s in %s", want, x.Text)
		}
	}
	body["config"].(map[string]any)["client_secret"] = "wrong-canary-6"
	d.do("PUT", "/api/v1/credentials/"+id, body).want(200)
	x = d.do("POST", "/api/v1/credentials/"+id+"/test", nil).want(200)
	for _, want := range []string{`"status":401`, "invalid_client", "Check client id and secret", "client_secret=•••"} {
		if !strings.Contains(string(x.Text), want) {
			t.Errorf("no %s in %s", want, x.Text)
		}
	}
	if all := string(d.seen) + d.logs.String(); strings.Contains(all, "canary-") {
		t.Error("a secret came out")
	}
}

// A trial asks the token endpoint anew each time: what the one before was told a moment ago does not answer for it.
func TestTrialOfOAuth(t *testing.T) {
	d := newDesk(t)
	var good atomic.Value
	good.Store("one-canary-1")
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("client_secret") != good.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"token-canary","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	rx := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(rx.Close)
	config := map[string]any{"token_url": tokens.URL, "client_id": "me", "client_secret": "one-canary-1", "grant": "client_credentials"}
	cred := d.do("POST", "/api/v1/credentials", map[string]any{"name": "Login", "type": "oauth2", "config": config}).want(201).id()
	conn := d.do("POST", "/api/v1/connections", map[string]any{"name": "Shop", "base_url": rx.URL, "credential_id": cred}).want(201).id()
	dest := d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"Orders"}`).want(201).id()
	at := "/api/v1/credentials/" + cred + "/rotation"
	d.do("PUT", at, `{"config":{"client_secret":"two-canary-2"}}`).want(200)
	for _, x := range []struct {
		known string
		code  float64
	}{{"one-canary-1", 0}, {"two-canary-2", 404}, {"one-canary-1", 0}} {
		good.Store(x.known)
		d.do("POST", at+"/try", map[string]any{"destination_id": dest}).want(200)
		if got := d.do("GET", at, nil).want(200).object()["trial"].(map[string]any); got["status_code"] != x.code {
			t.Errorf("while the endpoint knows %s: %v", x.known, got)
		}
	}
}

// When a credential was used and what went wrong is known, and what it says of its own end.
func TestLifeOfACredential(t *testing.T) {
	d := newDesk(t)
	var status atomic.Int32
	status.Store(200)
	rx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(int(status.Load())) }))
	t.Cleanup(rx.Close)
	// {"exp":1900000000}
	id := d.do("POST", "/api/v1/credentials", `{"name":"Shop","type":"bearer","config":{"token":"eyJhbGciOiJub25lIn0.eyJleHAiOjE5MDAwMDAwMDB9.x"}}`).want(201).id()
	conn := d.do("POST", "/api/v1/connections", map[string]any{"name": "Shop", "base_url": rx.URL, "credential_id": id}).want(201).id()
	dest := d.do("POST", "/api/v1/connections/"+conn+"/destinations", `{"name":"Orders","retry_schedule":[0]}`).want(201).id()
	d.do("POST", "/api/v1/actions", map[string]any{"name": "a", "event": "life.of", "destination_id": dest}).want(201)
	show := func() map[string]any { return d.do("GET", "/api/v1/credentials/"+id, nil).want(200).object() }
	if x := show(); x["ends_at"] != "2030-03-17T17:46:40.000Z" || x["last_used_at"] != nil || x["last_failed_at"] != nil {
		t.Error(x)
	}
	if x := d.do("PUT", "/api/v1/credentials/"+id, `{"name":"Shop 2","type":"bearer","config":{},"expires_at":"2029-01-01T00:00:00Z"}`).want(200).object(); x["ends_at"] != "2030-03-17T17:46:40.000Z" || x["expires_at"] != "2029-01-01T00:00:00.000Z" {
		t.Error(x)
	}
	status.Store(403)
	d.do("POST", "/api/v1/events", `{"name":"life.of"}`).want(202)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		x := show()
		if x["last_used_at"] != nil && strings.Contains(x["last_failure"].(string), "Shop: Answered 403") {
			break
		}
		if time.Now().After(end) {
			t.Fatal(x)
		}
	}
	if x := d.do("PUT", "/api/v1/credentials/"+id, `{"name":"Shop 2","type":"bearer","config":{"token":"plain"}}`).want(200).object(); x["ends_at"] != nil || x["expires_at"] != nil {
		t.Error(x)
	}
	d.do("PUT", "/api/v1/credentials/"+id, `{"name":"Shop 2","type":"bearer","config":{},"clear_secrets":["token"]}`).fields("config.token")
	aws := `{"name":"Store","type":"aws_sigv4","config":{"access_key_id":"AKIA","secret_access_key":"canary-s","session_token":"canary-t","service":"s3","region":"eu"}}`
	aid := d.do("POST", "/api/v1/credentials", aws).want(201).id()
	x := d.do("PUT", "/api/v1/credentials/"+aid, `{"name":"Store","type":"aws_sigv4","config":{"access_key_id":"AKIA","service":"s3","region":"eu"},"clear_secrets":["session_token"]}`).want(200).object()
	if got := x["secrets"].([]any); len(got) != 1 || got[0] != "secret_access_key" {
		t.Error(x)
	}
	if text := string(d.do("POST", "/api/v1/credentials/"+aid+"/test", nil).want(200).Text); !strings.Contains(text, "Canonical request") || !strings.Contains(text, "String to sign") || strings.Contains(text, "canary-s") {
		t.Error(text)
	}
}
