package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

// data is the stored data of an event, byte for byte.
func (d *desk) data(id string) string {
	d.Helper()
	e, err := d.store.Event(d.Context(), model.EventID(id))
	if err != nil {
		d.Fatal(err)
	}
	return string(e.Data)
}

func TestPublish(t *testing.T) {
	d := newDesk(t)
	_, dest, _ := d.route("/ok", "order.*")
	body := `{"name":"order.created","data":{"z":1,"a":12345678901234567890.50,"é":"\u00e9\/", "list":[ 1 ]},"subject":"A-1","id":"o-1","time":"2030-01-31T13:00:00.5+01:00","external_id":"passed over"}`
	first := d.do("POST", "/api/v1/events", body).want(202)
	got := first.object()
	id := got["id"].(string)
	if want := fmt.Sprintf(`{"id":"%s","external_id":"o-1","duplicate":false,"deliveries":1}`, id); string(first.Text) != want {
		t.Errorf("want %s, got %s", want, first.Text)
	}
	if want := `{"z":1,"a":12345678901234567890.50,"é":"\u00e9\/", "list":[ 1 ]}`; d.data(id) != want {
		t.Errorf("data: want %s, got %s", want, d.data(id))
	}
	again := d.do("POST", "/api/v1/events", body).want(202).object()
	if again["duplicate"] != true || again["id"] != id {
		t.Errorf("again: %v", again)
	}
	d.do("POST", "/api/v1/events", `{"name":"order.created","data":2,"id":"o-1"}`).problem(409, "idempotency_conflict")

	e := d.do("GET", "/api/v1/events/"+id, nil).want(200).object()
	if e["time"] != "2030-01-31T12:00:00.500Z" || e["subject"] != "A-1" || e["name"] != "order.created" || e["deliveries"] != 1.0 || e["external_id"] != "o-1" {
		t.Errorf("event: %v", e)
	}
	row := d.do("GET", "/api/v1/events?name=order.created&subject=A-1&from=2020-01-01T00:00:00Z", nil).want(200).first()
	if _, has := row["data"]; has || row["id"] != id {
		t.Errorf("row: %v", row)
	}
	del := d.do("GET", "/api/v1/deliveries?event_id="+id, nil).want(200).first()
	if del["destination_id"] != dest || del["run_id"] != "" || del["lane"] != "realtime" {
		t.Errorf("delivery: %v", del)
	}
	d.settled(del["id"].(string), "delivered")
	if want := d.data(id); len(d.got) != 1 || d.got[0] != want {
		t.Errorf("sent: want %s, got %v", want, d.got)
	}
}

func TestIdempotencyKey(t *testing.T) {
	d := newDesk(t)
	a := d.do("POST", "/api/v1/events", `{"name":"a.b","data":1}`, "Idempotency-Key", "k1").want(202).object()
	b := d.do("POST", "/api/v1/events", `{"name":"a.b","data":1}`, "Idempotency-Key", "k1").want(202).object()
	if a["id"] != b["id"] || b["duplicate"] != true {
		t.Errorf("%v, %v", a, b)
	}
	d.do("POST", "/api/v1/events", `{"name":"a.b","data":2}`, "Idempotency-Key", "k1").problem(409, "idempotency_conflict")
	d.do("POST", "/api/v1/events", `{"name":"a.b"}`, "Idempotency-Key", strings.Repeat("k", 256)).fields("Idempotency-Key")
}

func TestBatch(t *testing.T) {
	d := newDesk(t)
	batch := `{"events":[{"name":"a.b","data":{"n":1},"id":"1"},{"name":"a.c","data":[2]}]}`
	items := d.do("POST", "/api/v1/events/batch", batch).want(202).items()
	if len(items) != 2 || items[0].(map[string]any)["external_id"] != "1" {
		t.Fatalf("items: %v", items)
	}
	if got := d.data(items[1].(map[string]any)["id"].(string)); got != "[2]" {
		t.Errorf("data: %s", got)
	}
	d.do("POST", "/api/v1/events/batch", `{"events":[{"name":"a.b"},{"name":""},{"name":5},7]}`).fields("events[2].name", "events[3]")
	d.do("POST", "/api/v1/events/batch", `{"events":[{"name":"a.b"},{"name":""}]}`).fields("events[1].name")
	for _, empty := range []string{`{}`, `{"events":[]}`, `{"events":null}`} {
		d.do("POST", "/api/v1/events/batch", empty).fields("events")
	}
	d.do("POST", "/api/v1/events/batch", `{"events":{}}`).fields("events")
	d.do("POST", "/api/v1/events/batch", `[]`).problem(422, "")
	many := `{"events":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a.b"},`, 1001), ",") + `]}`
	d.do("POST", "/api/v1/events/batch", many).fields("events")
	d.do("POST", "/api/v1/events/batch", `{"events":["`+strings.Repeat("a", 8<<20)+`"]}`).problem(413, "too_large")
	if n := len(d.do("GET", "/api/v1/events", nil).want(200).items()); n != 2 {
		t.Errorf("%d events after refused batches", n)
	}
	d.do("GET", "/api/v1/events/batch", nil).problem(404, "")
}

func TestPublishRefuses(t *testing.T) {
	d := newDesk(t)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, x := range []struct {
		name, body, kind string
		status           int
		code             string
	}{
		{"no JSON", `name=a`, "application/json", 400, "malformed"},
		{"nothing", ``, "application/json", 400, "malformed"},
		{"cut off", `{"name":"a.b","data":{"a":[1,2`, "application/json", 400, "malformed"},
		{"more behind", `{"name":"a.b"}{"name":"a.b"}`, "application/json", 400, "malformed"},
		{"garbage behind", `{"name":"a.b"} x`, "application/json", 400, "malformed"},
		{"bad UTF-8", "{\"name\":\"a.b\",\"data\":\"\xff\"}", "application/json", 400, "malformed"},
		{"lone surrogate", `{"name":"a.b","data":"\ud800"}`, "application/json", 400, "malformed"},
		{"name twice", `{"name":"a.b","name":"a.c"}`, "application/json", 400, "malformed"},
		{"name twice inside", `{"name":"a.b","data":{"x":{"a":1,"a":2}}}`, "application/json", 400, "malformed"},
		{"name twice in what is ignored", `{"name":"a.b","other":{"a":1,"\u0061":2}}`, "application/json", 400, "malformed"},
		{"bad number", `{"name":"a.b","data":01}`, "application/json", 400, "malformed"},
		{"too deep", `{"name":"a.b","data":` + deep(201) + `}`, "application/json", 422, "too_deep"},
		{"far too deep", `{"name":"a.b","data":` + deep(400000) + `}`, "application/json", 422, "too_deep"},
		{"a list", `[{"name":"a.b"}]`, "application/json", 422, "invalid"},
		{"wrong types", `{"name":5,"subject":{},"id":1,"time":1}`, "application/json", 422, "invalid"},
		{"bad time", `{"name":"a.b","time":"yesterday"}`, "application/json", 422, "invalid"},
		{"no name", `{"data":1}`, "application/json", 422, "invalid"},
		{"pattern for a name", `{"name":"a.*"}`, "application/json", 422, "invalid"},
		{"large data", `{"name":"a.b","data":"` + strings.Repeat("a", 1<<20) + `"}`, "application/json", 413, "too_large"},
		{"large body", `{"name":"a.b","other":"` + strings.Repeat("a", 2<<20) + `"}`, "application/json", 413, "too_large"},
		{"a form", `name=a.b`, "application/x-www-form-urlencoded", 415, "unsupported"},
		{"text", `{"name":"a.b"}`, "text/plain", 415, "unsupported"},
		{"another format", `x`, "application/cloudevents+avro", 415, "unsupported"},
		{"no type at all", `{"name":"a.b"}`, "nonsense;;", 415, "unsupported"},
	} {
		t.Run(x.name, func(t *testing.T) {
			d.in(t).do("POST", "/api/v1/events", x.body, "Content-Type", x.kind).problem(x.status, x.code)
		})
	}
	d.do("POST", "/api/v1/events?x=1", `{"name":"a.b"}`).fields("x")
	d.do("POST", "/api/v1/events", `{"name":"a.b"}`, "Content-Encoding", "gzip").problem(415, "unsupported")
	if n := len(d.do("GET", "/api/v1/events", nil).want(200).items()); n != 0 {
		t.Errorf("%d events were accepted", n)
	}
	d.do("POST", "/api/v1/events", `{"name":"a.b","data":`+deep(200)+`}`).want(202)
	d.do("POST", "/api/v1/events", `{"name":"a.b","data":"`+strings.Repeat("a", 1<<20-2)+`"}`).want(202)
	id := d.do("POST", "/api/v1/events", `{"name":"a.b"}`, "Content-Type", "").want(202).id()
	if d.data(id) != "null" {
		t.Errorf("data of an event without any: %s", d.data(id))
	}
	d.do("POST", "/api/v1/events", `{"name":"\u0061.b","subject":"\"q\""}`, "Content-Type", "application/json; charset=utf-8").want(202)
	if e := d.do("GET", "/api/v1/events?name=a.b&limit=1", nil).first(); e["subject"] != `"q"` {
		t.Errorf("escapes: %v", e)
	}
}

// A body of unknown length is bounded like one of known length.
func TestPublishChunked(t *testing.T) {
	d := newDesk(t)
	send := func(text string) int {
		req, _ := http.NewRequest("POST", d.url+"/api/v1/events", struct{ *bytes.Reader }{bytes.NewReader([]byte(text))})
		req.ContentLength = -1
		req.Header.Set("Authorization", "Bearer "+d.admin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if got := send(`{"name":"a.b"}`); got != 202 {
		t.Errorf("small: %d", got)
	}
	if got := send(`{"name":"a.b","other":"` + strings.Repeat("a", 2<<20) + `"}`); got != 413 {
		t.Errorf("large: %d", got)
	}
}

// The examples of the CloudEvents JSON format 1.0.2 (2.2, 2.3, 3.2, 4) and of the HTTP binding 1.0.2.
func TestCloudEvents(t *testing.T) {
	d := newDesk(t)
	const structured = "application/cloudevents+json; charset=UTF-8"
	for _, x := range []struct {
		name, kind, body string
		headers          []string
		event            [4]string // name, subject, external id, time
		data             string
	}{
		{"structured, XML as text", structured, `{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","subject":null,"id":"C234-1234-1234","time":"2018-04-05T17:31:00Z",
			"comexampleextension1":"value","comexampleothervalue":5,"datacontenttype":"application/xml","data":"<much wow=\"xml\"/>"}`, nil,
			[4]string{"com.example.someevent", "", "C234-1234-1234", "2018-04-05T17:31:00.000Z"}, `"<much wow=\"xml\"/>"`},
		{"structured, JSON", structured, `{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","subject":"cart","id":"E234-1234-1234","time":"2018-04-05T17:31:00Z",
			"datacontenttype":"application/json","data":{"appinfoA" : "abc","appinfoB":123,"appinfoC":true}}`, nil,
			[4]string{"com.example.someevent", "cart", "E234-1234-1234", "2018-04-05T17:31:00.000Z"}, `{"appinfoA" : "abc","appinfoB":123,"appinfoC":true}`},
		{"structured, binary", structured, `{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","id":"D234-1234-1234","time":"2018-04-05T17:31:00Z",
			"datacontenttype":"application/vnd.apache.thrift.binary","data_base64":"AP8="}`, nil,
			[4]string{"com.example.someevent", "", "D234-1234-1234", "2018-04-05T17:31:00.000Z"}, `"AP8="`},
		{"structured, JSON in base64", structured, `{"specversion":"1.0","type":"a.b","source":"/s","id":"1","time":"2018-04-05T17:31:00Z","data_base64":"eyJhIjogMX0="}`, nil,
			[4]string{"a.b", "", "1", "2018-04-05T17:31:00.000Z"}, `{"a": 1}`},
		{"structured, nothing", structured, `{"specversion":"1.0","type":"a.b","source":"/s","id":"2","time":"2018-04-05T17:31:00Z"}`, nil,
			[4]string{"a.b", "", "2", "2018-04-05T17:31:00.000Z"}, `null`},
		{"binary, JSON", "application/json; charset=utf-8", ` {"n": 9007199254740993} `,
			[]string{"ce-specversion", "1.0", "ce-type", "com.example.someevent", "ce-id", "1234-1234-1234", "ce-source", "/mycontext/subcontext", "ce-time", "2018-04-05T03:56:24Z", "ce-subject", `Euro%20%E2%82%AC%20%F0%9F%98%80`},
			[4]string{"com.example.someevent", "Euro € 😀", "1234-1234-1234", "2018-04-05T03:56:24.000Z"}, `{"n": 9007199254740993}`},
		{"binary, text", "text/plain", "line\n\"two\"",
			[]string{"ce-specversion", "1.0", "ce-type", "a.b", "ce-id", `"quoted \"id\""`, "ce-source", "/s", "ce-time", "2018-04-05T03:56:24Z", "ce-subject", "50%"},
			[4]string{"a.b", "50%", `quoted "id"`, "2018-04-05T03:56:24.000Z"}, `"line\n\"two\""`},
		{"binary, octets", "image/png", "\x89PNG",
			[]string{"ce-specversion", "1.0", "ce-type", "a.b", "ce-id", "3", "ce-source", "/s", "ce-time", "2018-04-05T03:56:24Z"},
			[4]string{"a.b", "", "3", "2018-04-05T03:56:24.000Z"}, `"iVBORw=="`},
		{"binary, nothing", "", "",
			[]string{"ce-specversion", "1.0", "ce-type", "a.b", "ce-id", "4", "ce-source", "/s", "ce-time", "2018-04-05T03:56:24Z"},
			[4]string{"a.b", "", "4", "2018-04-05T03:56:24.000Z"}, `null`},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := d.in(t)
			id := d.do("POST", "/api/v1/events", x.body, append([]string{"Content-Type", x.kind}, x.headers...)...).want(202).id()
			e := d.do("GET", "/api/v1/events/"+id, nil).want(200).object()
			got := [4]string{e["name"].(string), e["subject"].(string), e["external_id"].(string), e["time"].(string)}
			if diff := cmp.Diff(x.event, got); diff != "" {
				t.Error(diff)
			}
			if got := d.data(id); got != x.data {
				t.Errorf("data: want %s, got %s", x.data, got)
			}
		})
	}
	batch := `[{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext/4","id":"B234-1234-1234","time":"2018-04-05T17:31:00Z","datacontenttype":"application/vnd.apache.thrift.binary","data_base64":"AP8="},
		{"specversion":"1.0","type":"com.example.someotherevent","source":"/mycontext/9","id":"C234-1234-1234","time":"2018-04-05T17:31:05Z","datacontenttype":"application/json","data":{"appinfoA":"abc"}}]`
	for i, path := range []string{"/api/v1/events", "/api/v1/events/batch"} {
		items := d.do("POST", path, batch, "Content-Type", "application/cloudevents-batch+json").want(202).items()
		if len(items) != 2 || items[1].(map[string]any)["duplicate"] != (i == 1) {
			t.Errorf("%s: %v", path, items)
		}
	}
	// The same id from another source is another event.
	other := strings.ReplaceAll(batch, "/mycontext/", "/elsewhere/")
	if items := d.do("POST", "/api/v1/events", other, "Content-Type", "application/cloudevents-batch+json").want(202).items(); items[0].(map[string]any)["duplicate"] != false {
		t.Errorf("another source: %v", items)
	}
}

func TestCloudEventsRefused(t *testing.T) {
	d := newDesk(t)
	const structured = "application/cloudevents+json"
	d.do("POST", "/api/v1/events", `{"specversion":"0.3","type":"a.b"}`, "Content-Type", structured).fields("specversion", "id", "source")
	d.do("POST", "/api/v1/events", `{"specversion":"1.0","type":"a.b","id":"1","source":"s","data":1,"data_base64":"AA=="}`, "Content-Type", structured).fields("data_base64")
	d.do("POST", "/api/v1/events", `{"specversion":"1.0","type":"a.b","id":"1","source":"s","data_base64":"?"}`, "Content-Type", structured).fields("data_base64")
	d.do("POST", "/api/v1/events", `[{"specversion":"1.0","type":"a.b","id":"1"}]`, "Content-Type", "application/cloudevents-batch+json").fields("events[0].source")
	d.do("POST", "/api/v1/events/batch", `{}`, "Content-Type", structured).problem(415, "unsupported")
	ce := []string{"ce-specversion", "1.0", "ce-type", "a.b", "ce-id", "1", "ce-source", "/s"}
	d.do("POST", "/api/v1/events", `{"a":`, append(ce, "Content-Type", "application/json")...).problem(400, "malformed")
	d.do("POST", "/api/v1/events", "\xff", append(ce, "Content-Type", "text/plain")...).problem(400, "malformed")
	d.do("POST", "/api/v1/events", `{}`, "ce-type", "a.b", "Content-Type", "application/json").fields("ce-specversion", "ce-id", "ce-source")
	d.do("POST", "/api/v1/events", `{}`, append(ce, "ce-subject", "%ff")...).fields("ce-subject")
}

func TestTrace(t *testing.T) {
	d := newDesk(t)
	_, dest, _ := d.route("/ok", "order.created")
	small := d.do("POST", "/api/v1/actions", map[string]any{"name": "Large ones", "event": "order.*", "filter": "event.data.total > 100", "destination_id": dest}).want(201).id()
	d.do("POST", "/api/v1/actions", map[string]any{"name": "Off", "event": "order.**", "enabled": false, "destination_id": dest}).want(201)
	d.do("POST", "/api/v1/actions", map[string]any{"name": "Others", "event": "invoice.*", "destination_id": dest}).want(201)
	id := d.do("POST", "/api/v1/events", `{"name":"order.created","data":{"total":5}}`).want(202).id()
	d.do("POST", "/api/v1/actions", map[string]any{"name": "Later", "event": "order.*", "destination_id": dest}).want(201)

	got := map[string]map[string]any{}
	for _, i := range d.do("GET", "/api/v1/events/"+id+"/trace", nil).want(200).items() {
		got[i.(map[string]any)["name"].(string)] = i.(map[string]any)
	}
	results := map[string]string{}
	for name, i := range got {
		results[name] = i["result"].(string)
	}
	if diff := cmp.Diff(map[string]string{"Send /okorder.created": "sent", "Large ones": "filter_no", "Off": "action_off", "Others": "name_no"}, results); diff != "" {
		t.Fatal(diff)
	}
	no := got["Large ones"]
	if no["rule"] != "event.data.total > 100" || no["id"] != small || no["delivery_id"] != "" || no["kind"] != "action" {
		t.Errorf("filter: %v", no)
	}
	if diff := cmp.Diff([]any{map[string]any{"path": "event.data.total", "value": 5.0}}, no["values"]); diff != "" {
		t.Error(diff)
	}
	if got["Others"]["rule"] != "invoice.*" || got["Send /okorder.created"]["delivery_id"] == "" {
		t.Errorf("%v", got)
	}
	d.do("GET", "/api/v1/events/evt_none/trace", nil).problem(404, "")
}

func TestDeliveries(t *testing.T) {
	d := newDesk(t)
	_, dest, _ := d.route("/fail/{{ it.data[0].id }}", "a.b")
	id := d.do("POST", "/api/v1/events", `{"name":"a.b","data":{"id":"x/y"}}`).want(202).id()
	del := d.do("GET", "/api/v1/deliveries?event_id="+id, nil).want(200).first()["id"].(string)
	got := d.settled(del, "failed")
	if got["last_status_code"] != 400.0 || got["attempts"] != 1.0 || got["last_error"] == "" || got["settled_at"] == nil || got["next_attempt_at"] != nil {
		t.Errorf("failed: %v", got)
	}
	shape(t, got, []string{"event_id", "destination_id", "run_id", "step", "lane", "interruptions", "waiting_for", "user_message", "replay_of"})
	a := d.do("GET", "/api/v1/deliveries/"+del+"/attempts", nil).want(200).first()
	for _, name := range []string{"number", "started_at", "request", "response", "address", "timings_us", "error_class", "error", "verdict", "next_at"} {
		if _, ok := a[name]; !ok {
			t.Errorf("attempt without %s", name)
		}
	}
	req, res := a["request"].(map[string]any), a["response"].(map[string]any)
	if req["method"] != "POST" || req["body"] != `{"id":"x/y"}` || !strings.HasSuffix(req["url"].(string), "/fail/x%2Fy") || res["status"] != 400.0 || res["body"] != "thanks" {
		t.Errorf("attempt: %v", a)
	}
	again := d.do("POST", "/api/v1/deliveries/"+del+"/retry", nil).want(200).object()
	if s := again["status"]; s != "pending" && s != "sending" {
		t.Errorf("after retry: %v", s)
	}
	got = d.settled(del, "failed")
	if got["attempts"] != 2.0 {
		t.Errorf("attempts after retry: %v", got["attempts"])
	}
	d.do("POST", "/api/v1/deliveries/"+del+"/cancel", nil).problem(409, "settled")
	for _, q := range []string{"status=failed", "destination_id=" + dest, "lane=realtime", "from=2020-01-01T00:00:00Z&to=2090-01-01T00:00:00Z"} {
		if d.do("GET", "/api/v1/deliveries?"+q, nil).want(200).first()["id"] != del {
			t.Errorf("not listed by %s", q)
		}
	}
	for _, q := range []string{"status=delivered", "lane=bulk", "to=2020-01-01T00:00:00Z", "status=failed&run_id=run_1", "status=sending"} {
		if n := len(d.do("GET", "/api/v1/deliveries?"+q, nil).want(200).items()); n != 0 {
			t.Errorf("listed by %s", q)
		}
	}
	d.do("POST", "/api/v1/deliveries/dlv_none/retry", nil).problem(404, "")
	version := d.do("GET", "/api/v1/destinations/"+dest, nil).want(200).object()
	version["enabled"] = false
	d.do("PUT", "/api/v1/destinations/"+dest, version).want(200)
	d.do("POST", "/api/v1/deliveries/"+del+"/retry", nil).problem(409, "switched_off")
	d.do("GET", "/api/v1/deliveries/dlv_none/attempts", nil).problem(404, "")
}

func TestPreviewAndTest(t *testing.T) {
	d := newDesk(t)
	_, dest, _ := d.route("/ok", "a.b")
	path := "/api/v1/destinations/" + dest
	p := d.do("POST", path+"/preview", nil).want(200).object()
	if p["method"] != "POST" || p["url"] != d.rx.URL+"/ok" || p["body"] == "" || p["error"] != "" || p["problem"] != nil {
		t.Errorf("preview: %v", p)
	}
	id := d.do("POST", "/api/v1/events", `{"name":"x.y","data":{"a":[1]}}`).want(202).id()
	if got := d.do("POST", path+"/preview", map[string]any{"event_id": id}).want(200).object(); got["body"] != `{"a":[1]}` {
		t.Errorf("a stored event: %v", got)
	}
	d.do("POST", path+"/preview", `{"event_id":"evt_none"}`).fields("event_id")
	draft := map[string]any{"event": map[string]any{"name": "x.y", "data": map[string]any{"n": 3}},
		"destination": map[string]any{"name": "Draft", "path": "/draft", "template": "{{! return 'n=' + it.data[0].n; }}"}}
	if got := d.do("POST", path+"/preview", draft).want(200).object(); got["body"] != "n=3" || got["url"] != d.rx.URL+"/draft" {
		t.Errorf("a draft: %v", got)
	}
	draft["destination"].(map[string]any)["template"] = "{{! return ( }}"
	d.do("POST", path+"/preview", draft).fields("destination.template")
	draft["destination"].(map[string]any)["template"] = "{{! throw new Error('no'); }}"
	if got := d.do("POST", path+"/preview", draft).want(200).object(); got["problem"] == nil || got["error"] == "" {
		t.Errorf("a template that throws: %v", got)
	}
	a := d.do("POST", path+"/test", `{"event":{"name":"a.b","data":"hello"}}`).want(200).object()
	if a["verdict"] != "delivered" || a["response"].(map[string]any)["status"] != 200.0 {
		t.Errorf("test: %v", a)
	}
	d.do("POST", "/api/v1/destinations/dst_none/test", nil).problem(404, "")

	s := d.do("GET", path+"/secret", nil).want(200).object()["signing_secret"].(string)
	if !strings.HasPrefix(s, "whsec_") {
		t.Errorf("secret: %q", s)
	}
}

func TestCredentialTest(t *testing.T) {
	d := newDesk(t)
	id := d.do("POST", "/api/v1/credentials", `{"name":"K","type":"header","config":{"header_name":"X-Key","header_value":"sesame-canary"}}`).want(201).id()
	got := d.do("POST", "/api/v1/credentials/"+id+"/test", nil).want(200)
	if !strings.Contains(string(got.Text), `{"name":"X-Key","value":"•••"}`) || strings.Contains(string(got.Text), "sesame") {
		t.Errorf("test: %s", got.Text)
	}
}

// FuzzDecode: whatever is accepted is valid JSON, and reads like encoding/json reads it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a.b","data":{"a":1},"subject":"s"}`), byte(0))
	f.Add([]byte(`{"events":[{"name":"a.b","data":[1]}]}`), byte(1))
	f.Add([]byte(`{"specversion":"1.0","type":"t","source":"s","id":"1","data_base64":"e30="}`), byte(2))
	f.Add([]byte(`[{"specversion":"1.0"}]`), byte(3))
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		batch := kind&1 == 1
		how := map[bool]form{false: plainJSON, true: structured}[kind&2 != 0]
		if batch && how == structured {
			how = structuredBatch
		}
		events, err := read(how, batch, "", http.Header{}, text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		for _, e := range events {
			if len(e.Data) > 0 && !json.Valid(e.Data) {
				t.Fatalf("data %q of %q", e.Data, text)
			}
		}
		if batch || how != plainJSON {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		if name, _ := plain["name"].(string); name != events[0].Name {
			t.Fatalf("name %q of %q", events[0].Name, text)
		}
	})
}

// What is being sent is known in memory only, and shown all the same.
func TestSending(t *testing.T) {
	d := newDesk(t)
	release := make(chan struct{})
	d.hold = release
	d.route("/slow", "a.b")
	id := d.do("POST", "/api/v1/events", `{"name":"a.b"}`).want(202).id()
	del := d.do("GET", "/api/v1/deliveries?event_id="+id, nil).want(200).first()["id"].(string)
	d.settled(del, "sending")
	if got := d.do("GET", "/api/v1/deliveries?status=sending", nil).want(200).first(); got["id"] != del || got["status"] != "sending" {
		t.Errorf("sending: %v", got)
	}
	if n := len(d.do("GET", "/api/v1/deliveries?status=pending", nil).want(200).items()); n != 0 {
		t.Error("what is being sent is listed as pending too")
	}
	close(release)
	d.settled(del, "delivered")
}

// A server that is stopping takes nothing and says when to come back.
func TestStopping(t *testing.T) {
	d := newDesk(t)
	if err := d.jobs.Stop(0); err != nil {
		t.Fatal(err)
	}
	res := d.do("POST", "/api/v1/events", `{"name":"a.b"}`)
	res.problem(503, "stopping")
	if res.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
	}
}
