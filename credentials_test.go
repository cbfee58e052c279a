package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPlatformKey has a delivery call this server's own API in the name of one of its keys: what it publishes is one
// deeper each time, and the chain is cut; a revoked key opens nothing.
func TestPlatformKey(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	key := p.must(http.StatusOK, http.MethodGet, "api-keys", nil).items()[0]["id"]
	cred := p.must(http.StatusCreated, http.MethodPost, "credentials", map[string]any{"name": "Ourselves", "type": "platform_api_key", "config": map[string]any{"api_key_id": key}})
	dest := p.route(p.url(""), "chain", map[string]any{"credential_id": cred.str("id")},
		map[string]any{"path": "/api/v1/events", "template": `{"name":"chain","data":{}}`, "retry_schedule": []int{0}})
	p.must(http.StatusAccepted, http.MethodPost, "events", `{"name":"chain","data":{}}`)
	p.eventually("the chain is cut", func() bool {
		return len(p.must(http.StatusOK, http.MethodGet, "deliveries?status=failed", nil).items()) == 1
	})
	all := p.must(http.StatusOK, http.MethodGet, "deliveries", nil).items()
	if len(all) != 9 || !strings.Contains(all[0]["last_error"].(string), "422") {
		t.Errorf("%d deliveries, the last one: %v", len(all), all[0])
	}
	cut := p.must(http.StatusOK, http.MethodGet, "deliveries/"+all[0]["id"].(string)+"/attempts", nil)
	if !strings.Contains(cut.text, "too_deep") || strings.Contains(cut.text, "eyJ") {
		t.Error(cut.text)
	}
	jwks := p.jwks()
	if !strings.Contains(jwks, `"kty":"EC"`) || !strings.Contains(jwks, `"kid"`) || strings.Contains(jwks, `"d"`) {
		t.Error(jwks)
	}

	// Elsewhere the same token opens nothing: it names whom it is for.
	rx := newParrot(t)
	away := p.route(rx.URL, "away", map[string]any{"credential_id": cred.str("id")}, map[string]any{"path": "/ok"})
	p.must(http.StatusOK, http.MethodPost, "destinations/"+away+"/test", nil)
	_, stolen, _ := strings.Cut(rx.String(), "Bearer ")
	stolen, _, _ = strings.Cut(stolen, "\n")
	a, err := p.api(http.MethodGet, "events", nil, "Authorization", "Bearer "+strings.TrimSpace(stolen))
	if err != nil || a.status != http.StatusUnauthorized || !strings.Contains(a.text, "was made for "+rx.URL) {
		t.Errorf("%.20s… %d %s %v", stolen, a.status, a.text, err)
	}

	// Another key of the same person, then its end.
	second := p.must(http.StatusCreated, http.MethodPost, "api-keys", `{"name":"second"}`).str("id")
	p.must(http.StatusOK, http.MethodPut, "credentials/"+cred.str("id"), map[string]any{"name": "Ourselves", "type": "platform_api_key", "config": map[string]any{"api_key_id": second}})
	probe := p.must(http.StatusOK, http.MethodPost, "destinations/"+dest+"/test", nil)
	if !strings.Contains(probe.text, `"status":202`) {
		t.Error(probe.text)
	}
	p.must(http.StatusNoContent, http.MethodDelete, "api-keys/"+second, nil)
	probe = p.must(http.StatusOK, http.MethodPost, "destinations/"+dest+"/test", nil)
	if !strings.Contains(probe.text, "is revoked; pick another one") {
		t.Error(probe.text)
	}
	p.must(http.StatusUnprocessableEntity, http.MethodPost, "credentials", map[string]any{"name": "Gone", "type": "platform_api_key", "config": map[string]any{"api_key_id": second}})

	// Nobody acts with more rights than his own.
	p.command(password+"\n", "user", "create", "--email", "grace@example.com", "--name", "Grace", "--role", "Integrator", "--password-stdin")
	grace := "Bearer " + p.command("", "apikey", "create", "--name", "grace", "--user", "grace@example.com")
	for _, x := range []struct{ method, path, body, right string }{
		{"POST", "credentials", `{"name":"Climb","type":"platform_api_key","config":{"api_key_id":"` + key.(string) + `"}}`, "View API Keys"},
		{"POST", "connections", `{"name":"Climb","base_url":"https://a.example.com","credential_id":"` + cred.str("id") + `"}`, ""},
	} {
		a, err := p.api(x.method, x.path, x.body, "Authorization", grace)
		if err != nil || a.status != http.StatusForbidden || !strings.Contains(a.text, x.right) {
			t.Errorf("%s: %d %s %v", x.path, a.status, a.text, err)
		}
	}
	if a, err := p.api(http.MethodPost, "destinations/"+dest+"/test", nil, "Authorization", grace); err != nil || a.status != http.StatusForbidden {
		t.Errorf("a test by somebody with fewer rights: %d %s %v", a.status, a.text, err)
	}
}

func (p *program) jwks() string {
	p.t.Helper()
	_, text := p.get(http.DefaultClient, "/.well-known/jwks.json")
	return text
}

// TestClientSecret is kept for step webhooks; what sends other requests cannot pick it.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	body := map[string]any{"name": "Shared word", "type": "client_secret", "config": map[string]any{"secret": strings.Repeat("x", 251)}}
	if a := p.must(http.StatusUnprocessableEntity, http.MethodPost, "credentials", body); !strings.Contains(a.text, "At most 250") {
		t.Error(a.text)
	}
	body["config"] = map[string]any{"secret": strings.Repeat("é", 250)}
	id := p.must(http.StatusCreated, http.MethodPost, "credentials", body).str("id")
	conn := map[string]any{"name": "Shop", "base_url": "https://shop.example.com", "credential_id": id}
	if a := p.must(http.StatusUnprocessableEntity, http.MethodPost, "connections", conn); !strings.Contains(a.text, "step webhooks") || !strings.Contains(a.text, `"credential_id"`) {
		t.Error(a.text)
	}
	delete(conn, "credential_id")
	made := p.must(http.StatusCreated, http.MethodPost, "connections", conn)
	conn["credential_id"] = id
	p.must(http.StatusUnprocessableEntity, http.MethodPut, "connections/"+made.str("id"), conn)
}

// TestKeyRotate kills changes of the master key beside a running server until one comes through.
func TestKeyRotate(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	for i := range 4 {
		config := map[string]any{"username": "ada", "password": "canary-word"}
		p.must(http.StatusCreated, http.MethodPost, "credentials", map[string]any{"name": fmt.Sprint("Shop ", i), "type": "basic", "config": config})
	}
	rx := newParrot(t)
	conn := p.must(http.StatusOK, http.MethodGet, "credentials", nil).items()[0]["id"]
	dest := p.route(rx.URL, "key.rotate", map[string]any{"credential_id": conn}, map[string]any{"path": "/ok"})
	before, _ := os.ReadFile(filepath.Join(p.dir, "master.key"))
	for wait := time.Duration(0); ; wait += 4 * time.Millisecond {
		c := exec.Command(p.bin, "key", "rotate")
		c.Env = p.environment()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		_ = c.Process.Kill()
		err := c.Wait()
		p.command("", "key", "doctor")
		if a := p.must(http.StatusOK, http.MethodPost, "destinations/"+dest+"/test", nil); !strings.Contains(a.text, `"status":200`) {
			t.Fatal(a.text)
		}
		if after, _ := os.ReadFile(filepath.Join(p.dir, "master.key")); err == nil || (string(after) != string(before) && strings.Count(string(after), "\n") == 1) {
			break
		}
	}
	p.must(http.StatusCreated, http.MethodPost, "credentials", `{"name":"New","type":"bearer","config":{"token":"canary-token"}}`)
	if got := p.command("", "key", "rotate"); !strings.Contains(got, "secrets moved") || !strings.Contains(got, ".former-") {
		t.Error(got)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	p.start()
	if a := p.must(http.StatusOK, http.MethodPost, "destinations/"+dest+"/test", nil); !strings.Contains(a.text, `"status":200`) {
		t.Error(a.text)
	}
}

func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
