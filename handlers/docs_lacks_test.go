package handlers_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lacks finds out what requests really need: it sends bodies that are taken again, each time without one of their members,
// and holds what is refused against what the document calls required.
type lacks struct {
	t       *testing.T
	key     string
	paths   map[string]any
	schemas map[string]any
	needed  map[string]bool // by schema and member: the document says so
	refused map[string]int  // how often a body without it was
	taken   map[string]int
	words   map[string]string // of the last refusal
}

func newLacks(t *testing.T, document []byte, key string) *lacks {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	return &lacks{t: t, key: key, paths: object(doc["paths"]), schemas: object(object(doc["components"])["schemas"]), needed: map[string]bool{}, refused: map[string]int{},
		taken: map[string]int{}, words: map[string]string{}}
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// try sends the body of a command without each of its members in turn.
func (l *lacks) try(c command) {
	l.t.Helper()
	var body any
	if err := json.Unmarshal([]byte(c.body), &body); err != nil {
		l.t.Fatal(err)
	}
	for _, item := range l.paths {
		op := object(object(item)[strings.ToLower(c.method)])
		if op["operationId"] == c.id {
			schema := object(object(object(object(op["requestBody"])["content"])["application/json"])["schema"])
			l.walk(c, "", schema, body, func() string {
				text, err := json.Marshal(body)
				if err != nil {
					l.t.Fatal(err)
				}
				return string(text)
			})
		}
	}
}

// walk goes through v, a part of the body that whole writes; complaints about its members begin with path.
func (l *lacks) walk(c command, path string, schema map[string]any, v any, whole func() string) {
	schema, name := l.named(schema)
	if list, ok := v.([]any); ok {
		for i, x := range list {
			l.walk(c, strings.TrimSuffix(path, ".")+"["+strconv.Itoa(i)+"].", object(schema["items"]), x, whole)
		}
		return
	}
	o := object(v)
	if o == nil || schema["properties"] == nil {
		return
	}
	required, _ := schema["required"].([]any)
	for _, member := range slices.Sorted(maps.Keys(object(schema["properties"]))) {
		at := name + "." + member
		l.needed[at] = slices.Contains(required, any(member))
		was, there := o[member]
		if !there {
			l.taken[at]++ // as it is
			continue
		}
		delete(o, member)
		status, words := l.send(c, whole())
		if status == http.StatusNotFound {
			l.refused[at]++
			l.words[at] = words
		} else if status == http.StatusUnprocessableEntity {
			if strings.Contains(words, `"field":"`+path+member+`"`) || strings.Contains(words, `"field":""`) { // else it misses what would stand in its stead
				l.refused[at]++
				l.words[at] = words
			}
		} else {
			l.taken[at]++
			o[member] = nil
			if status, words := l.send(c, whole()); status == http.StatusUnprocessableEntity || status == http.StatusBadRequest {
				l.t.Errorf("%s: may be absent, but not null: %s", at, words)
			}
		}
		o[member] = was
		l.walk(c, path+member+".", object(object(schema["properties"])[member]), was, whole)
	}
}

// named follows a reference, also one that may be null.
func (l *lacks) named(x map[string]any) (map[string]any, string) {
	if any, ok := x["anyOf"].([]any); ok {
		x = object(any[0])
	}
	ref, _ := x["$ref"].(string)
	if name := ref[strings.LastIndex(ref, "/")+1:]; name != "" {
		return object(l.schemas[name]), name
	}
	return x, ""
}

func (l *lacks) send(c command, body string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequest(c.method, c.url, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// judge fails the test where the document and the server differ.
func (l *lacks) judge() {
	l.t.Helper()
	for at, needed := range l.needed {
		switch {
		case needed && l.taken[at] > 0:
			l.t.Errorf("%s is required by the document, but taken without", at)
		case !needed && l.taken[at] == 0 && l.refused[at] > 0:
			l.t.Errorf("%s is not required by the document, but refused without: %.300s", at, l.words[at])
		}
	}
}

// moreBodies are requests beside those of the reference: what is not needed there because something else stands in its
// stead, and parts of workflows that a first one does without.
func moreBodies(base string) []command {
	step := func(of string) string {
		return `{"name": "Step", "trigger": {"kind": "manual"}, "steps": [` + of + `, {"key": "end", "kind": "end"}]}`
	}
	return []command{
		{"create-connection", "POST", base + "/connections", `{"name": "Archive", "type": "slack", "credential_id": "CREDENTIAL_ID", "settings": {"via": "api"}}`},
		{"create-destination", "POST", base + "/connections/CONNECTION_ID/destinations", `{"name": "With a header", "headers": [{"name": "X-From", "value": "Waybill"}]}`},
		{"update-mail", "PUT", base + "/settings/mail", `{}`},
		{"create-workflow", "POST", base + "/workflows", strings.Replace(step(`{"key": "say", "kind": "outgoing", "next": [{"to": "end"}], "on_failure": "fail",
			"request": {"name": "say", "method": "POST", "url": "https://api.example.com/say", "content_type": "application/json", "headers": [{"name": "X-From", "value": "Waybill"}], "body": "{}", "timeout_seconds": 10}}`),
			`"Step"`, `"With a request"`, 1)},
		{"create-workflow", "POST", base + "/workflows", strings.Replace(step(`{"key": "rest", "kind": "wait", "wait": {"seconds": 60}, "next": [{"to": "end", "when": "true"}]}`), `"Step"`, `"With a wait"`, 1)},
		{"create-workflow", "POST", base + "/workflows", strings.Replace(step(`{"key": "ask", "kind": "task", "assignees": ["initiator"], "next": [{"to": "end"}], "fields": [{"key": "size", "name": "Size", "type": "select", "options": [{"value": "s", "label": "Small"}]}],
			"webhooks": [{"name": "Tell", "description": "Them", "enabled": true, "url": "https://api.example.com/told", "trigger": "completed", "sign": true, "auth": {"type": "basic", "username": "ada", "password": "what-they-gave-you"}},
			{"name": "Tell others", "url": "https://api.example.com/told", "trigger": "created", "auth": {"type": "none"}}]}`),
			`"Step"`, `"With a webhook"`, 1)},
		{"create-workflow", "POST", base + "/workflows", `{"name": "With a schedule", "trigger": {"kind": "schedule", "cron": "0 6 * * *", "timezone": "Europe/Oslo"}, "steps": [{"key": "end", "kind": "end"}]}`},
		{"create-workflow", "POST", base + "/workflows", `{"name": "As events come", "trigger": {"kind": "event", "event": "order.*", "filter": "event.data.total > 1"}, "steps": [{"key": "end", "kind": "end"}]}`},
		{"create-inbound-endpoint", "POST", base + "/inbound-endpoints", `{"name": "All of it", "service_user_id": "USER_ID", "event": "parcel.moved", "verification": {"preset": "hmac", "header": "X-Signature", "algorithm": "sha256", "encoding": "hex", "secret": "what-they-gave-you"},
			"dedupe": {"header": "X-Id", "window_seconds": 60}, "response": {"mode": "script", "status": 200, "content_type": "application/json", "headers": [{"name": "X-From", "value": "Waybill"}], "body": "{}", "timeout_seconds": 5}}`},
	}
}

// document is the OpenAPI document as programs get it.
func (s *site) document() []byte {
	s.t.Helper()
	resp, err := http.Get(s.srv.URL + "/api/v1/openapi.json")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}
