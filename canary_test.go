package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestCanary puts a secret of its own into every place where one belongs, and into requests that are refused, has each
// sent to a receiver that echoes it, and then looks for all of them in all that the program shows, logs and stores.
func TestCanary(t *testing.T) {
	h := &hunt{t: t, inner: http.DefaultTransport}
	http.DefaultTransport = h
	t.Cleanup(func() { http.DefaultTransport = h.inner })

	master := bytes.Repeat([]byte("\x93mK\xfe"), 8)
	p := newProgram(t, "", "WAYBILL_MASTER_KEY="+base64.StdEncoding.EncodeToString(master))
	h.given("the master key", base64.StdEncoding.EncodeToString(master))
	h.given("the bytes of the master key", string(master))
	h.given("the first API key", p.key)
	grace := h.invent("a password from a command", ` "<&'>/+%é`)
	h.keep("a command", p.command(grace+"\n", "user", "create", "--email", "grace@example.com", "--name", "Grace", "--role", "Integrator", "--password-stdin"))
	p.start()
	c := p.signIn("ada@example.com", password)
	p.signIn("grace@example.com", grace)
	h.session("Ada", c, p)

	rx := newParrot(t)
	for _, x := range append(h.credentials(p), h.grants(p)...) {
		last := h.exercise(p, c, rx, x)
		if x.name == "header" {
			h.rotate(p, c, x, last)
		}
	}
	h.people(p, c)
	h.mistakes(p, c)
	p.must(http.StatusAccepted, http.MethodPost, "events", `{"name":"canary","data":{"say":"nothing"}}`)
	p.eventually("all deliveries are settled", func() bool {
		for _, s := range []string{"pending", "sending", "retrying"} {
			if len(p.must(http.StatusOK, http.MethodGet, "deliveries?status="+s, nil).items()) > 0 {
				return false
			}
		}
		return true
	})
	for _, s := range h.secrets {
		if strings.HasPrefix(s.what, "the secret of") && !strings.Contains(rx.String(), s.text) {
			t.Errorf("%s was never sent: the test shows nothing", s.what)
		}
	}
	h.pages(p, c)
	h.program(p)
	h.processes(p)
	h.files(p)
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	h.folder("after the end, ", p.dir)
	h.keep("the log", p.log.String())
	h.report()
}

func (h *hunt) session(name string, c *http.Client, p *program) {
	u, _ := url.Parse(p.url("/"))
	for _, k := range c.Jar.Cookies(u) {
		if len(k.Value) >= 16 {
			h.given("the session of "+name, k.Value, "POST /login")
			return
		}
	}
	h.t.Error("no session cookie")
}

// kind is one kind of credential with its config.
type kind struct {
	name   string
	id     string
	config map[string]any
	at     []string // manners at which it is exercised, nil = all
}

// credentials makes one of each kind, changes its secret, and tests it.
func (h *hunt) credentials(p *program) []kind {
	odd := map[string]string{"basic": ` "<&'>/+%:é\`, "bearer": `"<&'>/+%\~`, "header": `"<&'>/+% é\x`}
	make := func(name, what string) map[string]any {
		secret := h.invent(what+" "+name, odd[name])
		switch name {
		case "basic":
			h.secrets[len(h.secrets)-1].pair = "ada lovelace:" + secret
			return map[string]any{"username": "ada lovelace", "password": secret}
		case "bearer":
			return map[string]any{"token": secret}
		}
		return map[string]any{"header_name": "X-Canary", "header_value": secret}
	}
	var out []kind
	for _, name := range []string{"basic", "bearer", "header"} {
		body := map[string]any{"name": "Shop " + name, "type": name, "config": make(name, "the old secret of")}
		k := kind{name: name, config: make(name, "the secret of")}
		k.id = p.must(http.StatusCreated, http.MethodPost, "credentials", body).str("id")
		body["config"] = k.config
		p.must(http.StatusOK, http.MethodPut, "credentials/"+k.id, body)
		p.must(http.StatusOK, http.MethodPost, "credentials/"+k.id+"/test", nil)
		out = append(out, k)
	}
	return out
}

// exercise has a credential travel in every way: previews, tests, and a delivery of the event to come.
// It gives the first destination.
func (h *hunt) exercise(p *program, c *http.Client, rx *parrot, k kind) (first string) {
	conn := p.must(http.StatusCreated, http.MethodPost, "connections", map[string]any{"name": "Parrot " + k.name, "base_url": rx.URL, "credential_id": k.id}).str("id")
	at := manners
	if k.at != nil {
		at = k.at
	}
	for i, manner := range at {
		d := map[string]any{"name": k.name + manner, "path": manner, "retry_schedule": []int{0, 0}}
		if i%2 == 0 {
			d["template"] = `{"t": {{ it.data[0] }}}`
		}
		in := "/api/v1/connections/" + conn + "/destinations"
		a := p.must(http.StatusCreated, http.MethodPost, strings.TrimPrefix(in, "/api/v1/"), d)
		id := a.str("id")
		if first == "" {
			first = id
		}
		meant := []string{"POST " + in, "GET /destinations/" + id + "/secret", "GET /api/v1/destinations/" + id + "/secret"}
		h.given("the signing secret of "+k.name+manner, a.str("signing_secret"), meant...)
		h.given("the signing key of "+k.name+manner, strings.TrimPrefix(a.str("signing_secret"), "whsec_"), meant...)
		p.must(http.StatusCreated, http.MethodPost, "actions", map[string]any{"name": k.name + manner, "event": "canary", "destination_id": id})
		p.must(http.StatusOK, http.MethodPost, "destinations/"+id+"/preview", nil)
		p.must(http.StatusOK, http.MethodPost, "destinations/"+id+"/test", nil)
		form := url.Values{"name": {k.name + manner}, "method": {"POST"}, "path": {manner}, "content_type": {"application/json"}, "sign": {"true"},
			"enabled": {"true"}, "retry_schedule": {"0"}, "version": {"1"}, "headers_name": {"X-Own"}, "headers_value": {"{{ it.data[0].id }}"}}
		h.post(p, c, http.StatusOK, "/destinations/"+id+"/preview", form)
		h.post(p, c, http.StatusOK, "/destinations/"+id+"/test", form)
		form.Set("template", "{{! it.data[0].x.y; }}")
		h.post(p, c, http.StatusOK, "/destinations/"+id+"/test", form)
	}
	return first
}

// post sends a form, as a browser does.
func (h *hunt) post(p *program, c *http.Client, status int, path string, form url.Values) {
	h.t.Helper()
	resp, err := c.PostForm(p.url(path), form)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		text, _ := io.ReadAll(resp.Body)
		h.t.Errorf("POST %s answered %d, want %d: %s", path, resp.StatusCode, status, tail(string(text), 1500))
	}
}

// people are users and keys, made in every way.
func (h *hunt) people(p *program, c *http.Client) {
	made := p.must(http.StatusCreated, http.MethodPost, "users", map[string]any{"email": "linus@example.com", "name": "Linus", "roles": []string{"Viewer"}, "password": h.invent("a password from the API", ` "<&'>/+%é\`)})
	p.must(http.StatusOK, http.MethodPut, "users/"+made.str("id"), map[string]any{"email": "linus@example.com", "name": "Linus", "roles": []string{"Viewer"}, "password": h.invent("a password replaced by the API", ` "<&'>/+%é\`)})
	h.post(p, c, http.StatusOK, "/users", url.Values{"email": {"edsger@example.com"}, "name": {"Edsger"}, "roles": {"Viewer"}, "password": {h.invent("a password from a page", ` "<&'>/+%é\`)}})
	h.post(p, c, http.StatusOK, "/users/"+made.str("id")+"/password", url.Values{"password": {h.invent("a password reset on a page", ` "<&'>/+%é\`)}})
	key := p.must(http.StatusCreated, http.MethodPost, "api-keys", `{"name":"second"}`)
	h.given("an API key from the API", key.str("key"), "POST /api/v1/api-keys")
	resp, err := c.PostForm(p.url("/api-keys"), url.Values{"name": {"third"}, "user_id": {key.str("user_id")}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	h.given("an API key from a page", regexp.MustCompile(`wbk_[0-9a-z]{39}`).FindString(string(page)), "GET "+resp.Request.URL.Path)
	h.keep("a command", p.command(h.invent("a password changed by a command", ` "<&'>/+%é\`)+"\n", "user", "passwd", "--email", "grace@example.com", "--password-stdin"))
}

// mistakes are requests with a secret in its place, or beside it, that are refused.
func (h *hunt) mistakes(p *program, c *http.Client) {
	for _, x := range []struct {
		status             int
		method, path, body string
	}{
		{422, "POST", "credentials", `{"name":"","type":"bearer","config":{"token":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"basic","config":{"username":"a:b","password":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"bearer","config":{"token":"Bearer $"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"bearer","config":{"token":"$\n"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"header","config":{"header_name":"Host","header_value":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"header","config":{"header_name":"X-A","header_value":" $"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"$","config":{"token":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"oauth2","config":{"client_secret":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"bearer","config":{"tokn":"$"}}`},
		{422, "POST", "credentials", `{"name":"x","type":"bearer","config":{"token":["$"]}}`},
		{422, "POST", "credentials", `{"name":"x","type":"bearer","config":"$"}`},
		{422, "POST", "credentials", `{"name":["$"],"type":"bearer","config":{"token":"$"}}`},
		{422, "POST", "credentials", `["$"]`},
		{422, "POST", "credentials", `"$"`},
		{409, "POST", "credentials", `{"name":"Shop basic","type":"bearer","config":{"token":"$"}}`},
		{400, "POST", "credentials", `{"name":"x","type":"bearer","config":{"token":"$`},
		{400, "POST", "credentials", `{"name":"x","config":{"token":"$"}} "$"`},
		{400, "POST", "credentials", `$`},
		{422, "POST", "users", `{"email":"nobody","name":"x","password":"$"}`},
		{422, "POST", "users", `{"email":"a@example.com","name":"x","roles":["King"],"password":"$"}`},
		{422, "POST", "users", `{"email":"a@example.com","name":"x","password":{"$":"$"}}`},
		{409, "POST", "users", `{"email":"ada@example.com","name":"x","password":"$"}`},
		{400, "POST", "users", `{"email":"a@example.com","password":"$"`},
		{422, "POST", "connections", `{"name":"x","base_url":"https://ada:$@api.example.com/"}`},
		{422, "POST", "connections", `{"name":"x","base_url":"https://api.example.com/","credential_id":"$"}`},
		{422, "POST", "events", `{"name":"Not a name $","data":{}}`},
		{400, "POST", "events", `{"name":"a.b","data":{"password":"$"`},
		{404, "GET", "credentials/$", ""},
		{422, "GET", "credentials?token=$", ""},
	} {
		secret := h.invent("a secret in "+x.body+x.path, "")
		var body any
		if x.body != "" {
			body = strings.ReplaceAll(x.body, "$", secret)
		}
		a, err := p.api(x.method, strings.ReplaceAll(x.path, "$", secret), body)
		if err != nil || a.status != x.status {
			h.t.Errorf("%s %s %s: %d %s %v, want %d", x.method, x.path, x.body, a.status, a.text, err, x.status)
		}
	}
	a, err := p.api("GET", "events", nil, "Authorization", "Bearer "+h.invent("a key that is none", ""))
	if err != nil || a.status != http.StatusUnauthorized {
		h.t.Errorf("a key that is none: %d %v", a.status, err)
	}
	h.forms(p, c)
}

// forms are pages that come back with complaints.
func (h *hunt) forms(p *program, c *http.Client) {
	shop := ""
	for _, x := range p.must(http.StatusOK, http.MethodGet, "credentials", nil).items() {
		shop = x["id"].(string)
	}
	for _, x := range []struct {
		status      int
		path, typed string
	}{
		{422, "/credentials", "type=bearer&name=&config.token=$"},
		{422, "/credentials", "type=basic&name=x&config.username=a:b&config.password=$"},
		{422, "/credentials", "type=header&name=x&config.header_name=Host&config.header_value=$"},
		{422, "/credentials", "type=bearer&name=x&config.token=Bearer+$"},
		{422, "/credentials", "type=bearer&name=Shop+basic&config.token=$"},
		{404, "/credentials", "type=$&name=x&config.token=$"},
		{400, "/credentials", "type=bearer&name=x&config.token=$%zz"},
		{400, "/credentials", "type=bearer&version=x&name=x&config.token=$"},
		{422, "/credentials/" + shop, "name=&version=2&config.username=a&config.password=$&config.token=$&config.header_value=$"},
		{409, "/credentials/" + shop, "name=x&version=1&config.username=a&config.header_name=X-Canary&config.password=$&config.token=$&config.header_value=$"},
		{422, "/connections", "type=webhook&name=&base_url=x&auth=new&credential_type=bearer&new.bearer.token=$"},
		{422, "/connections", "type=webhook&name=&base_url=x&auth=new&credential_type=basic&new.basic.username=a&new.basic.password=$"},
		{422, "/connections", "type=webhook&name=&base_url=x&auth=new&credential_type=header&new.header.header_name=X-A&new.header.header_value=$"},
		{422, "/connections", "type=webhook&name=y&base_url=https://a.example.com&auth=new&credential_name=Shop+basic&credential_type=bearer&new.bearer.token=$"},
		{422, "/users", "email=nobody&name=x&password=$"},
		{422, "/users", "email=ada@example.com&name=x&password=$"},
		{422, "/account/password", "current=$&password=$"},
		{422, "/login", "email=ada@example.com&password=$"},
		{404, "/setup", "token=$&name=x&email=x@example.com&password=$"},
	} {
		typed := strings.ReplaceAll(x.typed, "$", h.invent("a secret in "+x.path+" "+x.typed, ""))
		resp, err := c.Post(p.url(x.path), "application/x-www-form-urlencoded", strings.NewReader(typed))
		if err != nil {
			h.t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != x.status {
			h.t.Errorf("%s %s answered %d, want %d: %s", x.path, x.typed, resp.StatusCode, x.status, tail(string(text), 800))
		}
	}
}
