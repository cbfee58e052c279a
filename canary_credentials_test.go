package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// teller is a token endpoint that repeats all that it was sent, grants a token, or says no at /no.
func newTeller(t *testing.T, token, refresh string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body) + "&" + r.URL.RawQuery)
		said := []string{string(body), r.URL.RawQuery, r.Header.Get("Authorization")}
		for _, v := range form {
			said = append(said, v...)
		}
		if _, pair, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			plain, _ := base64.StdEncoding.DecodeString(pair)
			said = append(said, string(plain))
		}
		answer := map[string]any{"access_token": token, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600, "scope": said}
		if strings.HasPrefix(r.URL.Path, "/no") {
			answer = map[string]any{"error": "invalid_grant", "error_description": strings.Join(said, " | ")}
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header()["X-Echo"] = said
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// grants are OAuth credentials of every grant and manner, one that is refused among them; signatures, whose session
// token travels; and those that nothing carries yet.
func (h *hunt) grants(p *program) []kind {
	const odd = ` "<&'>/+%=é\`
	token, refresh := h.invent("the secret of oauth2, granted", ""), h.invent("a refresh token", "")
	tell := newTeller(h.t, token, refresh)
	var out []kind
	put := func(name, of string, config map[string]any) kind {
		k := kind{name: name, config: config, at: []string{"/ok", "/redirect", "/who", "/long"}}
		k.id = p.must(http.StatusCreated, http.MethodPost, "credentials", map[string]any{"name": "Shop " + name, "type": of, "config": config}).str("id")
		p.must(http.StatusOK, http.MethodPost, "credentials/"+k.id+"/test", nil)
		return k
	}
	for i, how := range []string{"post_body", "post_query", "get_query", "basic", "basic_raw", "post_json"} {
		config := map[string]any{"grant": "password", "client_auth": how, "token_url": tell.URL + "/ok", "client_id": "waybill", "username": "ada",
			"client_secret": h.invent("a client secret by "+how, odd), "password": h.invent("a password by "+how, odd)}
		k := put("grant "+how, "oauth2", config)
		if i == 0 {
			out = append(out, k)
		}
		config["token_url"] = tell.URL + "/no"
		put("no grant "+how, "oauth2", config)
	}
	for name, config := range map[string]map[string]any{
		"pasted": {"grant": "jwt_bearer", "assertion": h.invent("a pasted assertion", ".b.c"), "client_id": "x"},
		"signed": {"grant": "jwt_bearer", "signing_algorithm": "HS256", "signing_key": h.invent("a signing key", odd), "client_id": "x"},
		"proof":  {"grant": "client_credentials", "client_auth": "private_key_jwt", "signing_algorithm": "HS256", "signing_key": h.invent("a key of a proof", odd), "client_id": "x"},
	} {
		for _, path := range []string{"/ok", "/no"} {
			config["token_url"] = tell.URL + path
			put(name+path, "oauth2", config)
		}
	}
	for _, inQuery := range []bool{false, true} {
		out = append(out, put(fmt.Sprint("signature ", inQuery), "aws_sigv4", map[string]any{"access_key_id": "AKIA", "service": "execute-api", "region": "eu", "sign_query": inQuery,
			"secret_access_key": h.invent("a secret access key", "/+_"), "session_token": h.invent("the secret of a session", "/+_")}))
	}
	put("word", "client_secret", map[string]any{"secret": h.invent("a client secret for bodies", odd)})
	return out
}

// rotate has another secret tried, put in use, taken back, and left waiting, by API and on pages.
func (h *hunt) rotate(p *program, c *http.Client, k kind, destination string) {
	at := "credentials/" + k.id + "/rotation"
	put := func(what string) {
		p.must(http.StatusOK, http.MethodPut, at, map[string]any{"config": map[string]any{"header_value": h.invent(what, `"<&'>/+% é\x`)}})
	}
	put("the secret of a trial")
	p.must(http.StatusOK, http.MethodPost, at+"/try", map[string]any{"destination_id": destination})
	h.post(p, c, http.StatusOK, "/"+at+"/try", url.Values{"destination_id": {destination}})
	p.must(http.StatusOK, http.MethodPost, at+"/apply", nil)
	p.must(http.StatusOK, http.MethodPost, at+"/rollback", nil)
	put("a secret that is dropped")
	p.must(http.StatusNoContent, http.MethodDelete, at, nil)
	h.post(p, c, http.StatusOK, "/"+at, url.Values{"name": {"x"}, "version": {"0"}, "config.header_name": {"X-Canary"}, "config.header_value": {h.invent("a secret from a page that waits", ` é`)}})
	h.post(p, c, http.StatusUnprocessableEntity, "/"+at, url.Values{"name": {"x"}, "version": {"0"}, "config.header_name": {"Host"}, "config.header_value": {h.invent("a secret for a page that is refused", "")}})
	h.post(p, c, http.StatusOK, "/"+k.page()+"/test", nil)
	h.post(p, c, http.StatusOK, "/credentials/sample?kind=header&prefix=config.", url.Values{"config.header_name": {"X-A"}, "config.header_value": {h.invent("a secret for a sample", "")}})
}

func (k kind) page() string { return "credentials/" + k.id }
