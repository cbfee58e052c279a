package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// chats are Slack and Teams as they behave: words in a 200, Retry-After, 202 and errors in its text.
type chats struct {
	*httptest.Server
	sync.Mutex
	got  []string // path and body of what was taken
	seen map[string]int
}

const (
	slackPath = "/services/T0AAAAAAA/B0BBBBBBB/hUsHhUsHhUsHhUsHhUsHhUsH"
	teamsPath = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=sIgNaTuReOfTeAmS-0123456789"
	slackBot  = "xoxb-1111111111-hush-hush-hush"
)

func newChats(t *testing.T) *chats {
	c := &chats{seen: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.Lock()
		defer c.Unlock()
		c.seen[r.URL.Path]++
		switch n := c.seen[r.URL.Path]; {
		case r.RequestURI == slackPath && string(body) == "{}":
			http.Error(w, "no_text", http.StatusBadRequest)
			return
		case r.RequestURI == slackPath:
			_, _ = io.WriteString(w, "ok")
		case strings.HasPrefix(r.URL.Path, "/services/"):
			http.Error(w, "no_service", http.StatusNotFound)
			return
		case r.RequestURI == teamsPath && n == 1:
			_, _ = io.WriteString(w, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 502 with ContextId tcid=0.")
			return
		case r.RequestURI == teamsPath:
			w.WriteHeader(http.StatusAccepted)
		case r.Header.Get("Authorization") != "Bearer "+slackBot:
			_, _ = io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		case r.URL.Path == "/api/auth.test":
			_, _ = io.WriteString(w, `{"ok":true,"team":"Northwind"}`)
			return
		case strings.Contains(string(body), `"channel":"#gone"`):
			_, _ = io.WriteString(w, `{"ok":false,"error":"channel_not_found"}`)
			return
		case r.URL.Path == "/api/chat.postMessage" && n == 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
			return
		default:
			_, _ = io.WriteString(w, `{"ok":true,"ts":"1.1"}`)
		}
		c.got = append(c.got, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chats) took() string {
	c.Lock()
	defer c.Unlock()
	return strings.Join(c.got, "\n")
}

// TestChats sends messages to Slack and Teams as their own servers answer, from the connection to the drawn message; the
// secret URLs show nowhere; a feature that is off holds what is sent by it.
func TestChats(t *testing.T) {
	t.Parallel()
	c := newChats(t)
	p := newProgram(t, "")
	p.start()
	credential := func(name, kind string, config map[string]any) string {
		return p.must(201, "POST", "credentials", map[string]any{"name": name, "type": kind, "config": config}).str("id")
	}
	hook, bot := credential("Ops channel", "secret_url", map[string]any{"url": c.URL + slackPath}), credential("Bot", "bearer", map[string]any{"token": slackBot})
	flow := credential("Ops workflow", "secret_url", map[string]any{"url": c.URL + teamsPath})
	message := map[string]any{"title": "Order {{ it.data[0].id }}", "text": "*{{ it.data[0].who }}* ordered", "fields": "Total: {{ it.data[0].total }}\nNote: {{ it.data[0].note }}", "button": "Open", "button_url": "https://shop.example.com/{{ it.data[0].id }}"}
	with := func(key, value string) map[string]any {
		out := map[string]any{key: value}
		for k, v := range message {
			out[k] = v
		}
		return out
	}
	quick := []int{0, 1, 1}
	p.route(c.URL, "slack.hook", map[string]any{"type": "slack", "name": "Slack", "credential_id": hook}, map[string]any{"path": "", "settings": message, "retry_schedule": quick})
	api := map[string]any{"type": "slack", "name": "Slack bot", "credential_id": bot, "settings": map[string]any{"via": "api"}}
	posts := p.route(c.URL+"/api", "slack.bot", api, map[string]any{"path": "", "settings": with("channel", "C1"), "retry_schedule": quick})
	p.route(c.URL, "teams.card", map[string]any{"type": "teams", "name": "Teams", "credential_id": flow}, map[string]any{"path": "", "settings": message, "retry_schedule": quick})
	if d := p.must(200, "GET", "destinations/"+posts, nil).json; d["rate_per_second"] != 1.0 || d["path"] != "/chat.postMessage" || d["sign"] != false {
		t.Errorf("a new destination begins as %v", d)
	}
	send := func(event string) string {
		return p.must(202, "POST", "events", map[string]any{"name": event, "data": map[string]any{"id": "A-1", "who": "<!channel> & co", "total": 12.5}}).str("id")
	}
	hooked, botted, carded := send("slack.hook"), send("slack.bot"), send("teams.card")
	for event, attempts := range map[string]float64{hooked: 1, botted: 2, carded: 2} {
		d := p.settled(event, "delivered", "failed")
		if d["status"] != "delivered" || d["attempts"] != attempts {
			t.Errorf("%v", d)
		}
		text, _ := json.Marshal(p.must(200, "GET", fmt.Sprint("deliveries/", d["id"], "/attempts"), nil).json)
		for _, secret := range []string{"hUsHhUsH", "sIgNaTuRe", slackBot} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s stands in %s", secret, text)
			}
		}
		if !strings.Contains(string(text), strings.TrimPrefix(c.URL, "http://")) {
			t.Errorf("the host does not stand in %s", text)
		}
	}
	for _, want := range []string{`"text":"*&lt;!channel&gt; &amp; co* ordered"`, `/api/chat.postMessage {"channel":"C1"`, `{"title":"Total","value":"12.5"}`, `"url":"https://shop.example.com/A-1"`} {
		if !strings.Contains(c.took(), want) {
			t.Errorf("%s does not stand in\n%s", want, c.took())
		}
	}
	if strings.Contains(c.took(), "Note") {
		t.Error("an empty fact is sent")
	}
	p.refusesChats(c, api, hook, posts)
}

// refusesChats is what cannot be done, and what a feature that is off does.
func (p *program) refusesChats(c *chats, api map[string]any, hook, posts string) {
	p.t.Helper()
	lost := p.must(200, "GET", "destinations/"+posts, nil).json
	lost["settings"].(map[string]any)["channel"] = "#gone"
	p.must(200, "PUT", "destinations/"+posts, lost)
	gone := p.must(202, "POST", "events", `{"name":"slack.bot","data":{}}`).str("id")
	if d := p.settled(gone, "failed"); !strings.Contains(fmt.Sprint(d["last_error"]), "invite the app") {
		p.t.Errorf("%v", d)
	}
	for _, x := range p.must(200, "GET", "connections", nil).items() {
		if x["type"] != "slack" {
			continue
		}
		if tested := p.must(200, "POST", fmt.Sprint("connections/", x["id"], "/test"), nil).json; tested["ok"] != true {
			p.t.Errorf("%v: %v", x["name"], tested)
		}
	}
	for field, body := range map[string]map[string]any{
		"base_url":      {"name": "a", "type": "slack", "base_url": "https://hooks.slack.com/services/T0/B0/x"},
		"credential_id": {"name": "a", "type": "slack", "settings": map[string]any{"via": "api"}, "credential_id": hook},
		"settings.via":  {"name": "a", "type": "slack", "settings": map[string]any{"via": "pigeon"}},
		"settings.x":    {"name": "a", "type": "teams", "base_url": "https://a.example", "settings": map[string]any{"x": "y"}},
	} {
		if a := p.must(422, "POST", "connections", body); !strings.Contains(fmt.Sprint(a.json["errors"]), "field:"+field+" ") {
			p.t.Errorf("%s: %v", field, a.json["errors"])
		}
	}
	p.must(200, "PUT", "settings/features", map[string]any{"features": map[string]any{"slack": false}})
	api["name"] = "Another"
	if a := p.must(422, "POST", "connections", api); !strings.Contains(fmt.Sprint(a.json["errors"]), "switched off in this Waybill") {
		p.t.Errorf("%v", a.json)
	}
	held := p.must(202, "POST", "events", `{"name":"slack.hook","data":{}}`).str("id")
	p.settled(held, "held")
	p.must(200, "PUT", "settings/features", map[string]any{"features": map[string]any{"slack": true}})
	p.settled(held, "delivered")
	p.must(422, "PUT", "settings/features", map[string]any{"features": map[string]any{"pigeon": false}})
}
