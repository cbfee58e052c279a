package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

// TestCredentialJourney makes a connection with an OAuth credential in one form, tests it against a real token server,
// and changes its secret without interruption: tried on one destination, put in use, taken back.
func TestCredentialJourney(t *testing.T) {
	t.Parallel()
	var secret atomic.Value
	secret.Store("first-canary")
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "application/json")
		if form.Get("client_secret") != secret.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"granted-%s","token_type":"Bearer","expires_in":3600}`, form.Get("client_secret"))
	}))
	t.Cleanup(tokens.Close)
	p, b := newDesk(t)

	// In place, with only the fields that apply.
	b.open("/connections/new/custom_http")
	b.fill("name", "Ledger")
	b.fill("base_url", "http://receiver.waybill.internal/")
	b.click("Make a credential here")
	b.click("OAuth 2.0")
	b.misses("User name and password\nOf an account")
	shown := func() int {
		return eval[int](b, `[...document.querySelectorAll('[name^="new.oauth2."]')].filter(e => e.checkVisibility()).length`)
	}
	few := shown()
	pick := func(name, value string) {
		eval[bool](b, fmt.Sprintf(`(e => { e.value = %q; return e.dispatchEvent(new Event('input', {bubbles: true})) })(document.querySelector('[name="%s"]'))`, value, name))
	}
	pick("new.oauth2.grant", "jwt_bearer")
	b.until("the fields of the other grant show", `document.querySelector('[name="new.oauth2.assertion"]').checkVisibility()`)
	if many := shown(); few > 6 || many <= few {
		t.Errorf("%d fields of a grant, then %d", few, many)
	}
	pick("new.oauth2.grant", "client_credentials")
	b.fill("new.oauth2.token_url", tokens.URL+"/token?tenant=7")
	b.fill("new.oauth2.client_id", "waybill")
	b.sees("grant_type=client_credentials\n&client_id=waybill\n&client_secret=…")
	b.fill("new.oauth2.client_secret", "first-canary")
	b.sees("client_secret=•••")
	b.shoot()
	b.inspect()
	b.press("Save and continue")
	b.sees("Ledger")

	id := p.must(http.StatusOK, http.MethodGet, "credentials?q=Ledger", nil).items()[0]["id"].(string)
	conn := p.must(http.StatusOK, http.MethodGet, "connections?q=Ledger", nil).items()[0]["id"].(string)
	p.must(http.StatusCreated, http.MethodPost, "connections/"+conn+"/destinations", `{"name":"Postings"}`)
	b.open("/credentials/" + id)
	b.press("Test")
	b.sees("The endpoint granted a token that lives 1 h")
	b.sees(`"access_token": "•••"`)
	b.misses("canary")
	b.shoot()

	// Another secret, which the other side does not know yet.
	b.press("New secret")
	b.fill("config.client_secret", "second-canary")
	b.shoot()
	b.inspect()
	b.press("Store beside the one in use")
	b.sees("A new secret is waiting")
	b.press("Send one request")
	b.sees("The new secret was tried: The token endpoint")
	b.shoot()
	b.inspect()
	secret.Store("second-canary")
	b.press("Send one request")
	b.sees("The destination accepted the new secret.")
	b.press("Put the new secret in use")
	b.sees("The new secret is in use everywhere.")
	b.sees("The former one is kept until")
	b.press("Go back to the former secret")
	b.sees("The former secret is in use again.")
	b.misses("canary")

	// To another host only when somebody says so.
	b.open("/connections/" + conn + "/edit")
	b.fill("base_url", "https://elsewhere.example.com/")
	b.press("Save changes")
	b.sees("The requests go to another host now: elsewhere.example.com")
	b.shoot()
	b.inspect()
	b.click("Keep sending this credential to elsewhere.example.com")
	b.press("Save changes")
	b.sees("https://elsewhere.example.com/")
	if log := p.must(http.StatusOK, http.MethodGet, "audit?kind=connection&limit=1", nil).text; !contains(log, "credential_sent_to", "elsewhere.example.com") {
		t.Error(log)
	}
}
