package main

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collecting is a collector that takes OTLP over HTTP.
type collecting struct {
	*httptest.Server
	t     *testing.T
	mu    sync.Mutex
	spans []*wire.Span
	about []*common.KeyValue
	keys  []string // that came in its header
}

func newCollecting(t *testing.T) *collecting {
	c := &collecting{t: t}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			http.Error(w, "not spans", http.StatusBadRequest)
			return
		}
		text, err := io.ReadAll(z)
		var in collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(text, &in) != nil {
			http.Error(w, "not protobuf", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keys = append(c.keys, r.Header.Get("X-Key"))
		for _, rs := range in.ResourceSpans {
			c.about = rs.Resource.Attributes
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named is the only span with a name; n of them are the nth that ended.
func (c *collecting) named(name string) []*wire.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*wire.Span
	for _, s := range c.spans {
		if s.Name == name {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *wire.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	return out
}

// one is the only span with a name, which is part of parent and in its trace.
func (c *collecting) one(name string, parent []byte) *wire.Span {
	c.t.Helper()
	list := c.named(name)
	if len(list) != 1 {
		c.t.Fatalf("%d spans “%s”; there are %s", len(list), name, c.names())
	}
	c.under(list[0], parent)
	return list[0]
}

const sentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func (c *collecting) under(s *wire.Span, parent []byte) {
	c.t.Helper()
	if string(s.ParentSpanId) != string(parent) || hex.EncodeToString(s.TraceId) != sentTrace {
		c.t.Errorf("“%s” is part of %x in %x, want %x in %s", s.Name, s.ParentSpanId, s.TraceId, parent, sentTrace)
	}
}

func (c *collecting) names() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, s := range c.spans {
		out = append(out, s.Name)
	}
	return strings.Join(out, ", ")
}

func says(s *wire.Span, key string) string { return saysOf(s.Attributes, key) }

func saysOf(list []*common.KeyValue, key string) string {
	for _, a := range list {
		if a.Key == key {
			if n, is := a.Value.Value.(*common.AnyValue_IntValue); is {
				return fmt.Sprint(n.IntValue)
			}
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// The trace of a third party goes on through the call, the event, its delivery over two processes, a run and its step, to
// the requests that are sent; a collector hears of all of it, and nothing waits for one that is away.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := newCollecting(t)
	f := &flowing{newProgram(t, "", "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20key", "OTEL_SERVICE_NAME=desk", "OTEL_RESOURCE_ATTRIBUTES=team=orders"), newListener(t), t}
	f.say = func(path string, n int) (int, string) {
		if path == "/hook" && n == 1 {
			return 503, "{}"
		}
		return 200, "{}"
	}
	f.start()
	f.route(f.URL, "parcel.came", map[string]any{"name": "Shop"}, map[string]any{"name": "Orders", "retry_schedule": []int{0, 3600}})
	f.publishes(`{"name":"Told","trigger":{"kind":"event","event":"parcel.came"},"steps":[{"key":"ask","kind":"outgoing","request":{"name":"Ask","url":"RX/ask"},"webhooks":[{"name":"Done","trigger":"completed","url":"RX/done"}]}]}`)
	in := f.endpoint("Door", map[string]any{"event": "parcel.came"})
	receipt := f.accepted(in.str("url"), "application/json", `{"n":1}`, "Traceparent", "00-"+sentTrace+"-00f067aa0ba902b7-01")
	event := dig(f.became(in.str("url"), receipt, "accepted"), "events.0.id")
	first := f.settled(event, "retrying")
	f.hears("/done", 1)
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	f.start()
	f.must(200, "POST", "deliveries/"+first["id"].(string)+"/retry", nil)
	f.settled(event, "delivered")
	f.route("http://203.0.113.9", "never.sent", map[string]any{"name": "Nobody"}, map[string]any{"name": "Later", "retry_schedule": []int{3600}})
	given := f.must(202, "POST", "events", `{"name":"never.sent","data":{}}`, "Traceparent", "00-"+sentTrace+"-00f067aa0ba902b7-01").str("id")
	f.must(200, "POST", "deliveries/"+f.settled(given, "pending")["id"].(string)+"/cancel", nil)
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}

	caller, _ := hex.DecodeString("00f067aa0ba902b7")
	call := c.one("POST /in/{key}", caller)
	published := c.one("publish parcel.came", call.SpanId)
	delivery := c.one("deliver Orders", published.SpanId)
	tries := c.named("POST Orders")
	if len(tries) != 2 {
		t.Fatalf("%d attempts; there are %s", len(tries), c.names())
	}
	for i, s := range tries {
		c.under(s, delivery.SpanId)
		if got, want := f.at("/hook")[i].header.Get("Traceparent"), fmt.Sprintf("00-%s-%x-01", sentTrace, s.SpanId); got != want {
			t.Errorf("request %d carries %s, want %s", i+1, got, want)
		}
	}
	if tries[0].Status.Code != wire.Status_STATUS_CODE_ERROR || says(tries[0], "http.response.status_code") != "503" || tries[1].Status.Code != 0 || says(delivery, "waybill.attempts") != "2" || says(delivery, "waybill.delivery.status") != "delivered" {
		t.Errorf("the attempts are told of as %v, %v, the delivery as %v", tries[0], tries[1], delivery)
	}
	if call.Kind != wire.Span_SPAN_KIND_SERVER || says(call, "http.response.status_code") != "202" || says(call, "waybill.endpoint.name") != "Door" || strings.Contains(call.String(), "wbi_") {
		t.Errorf("the call is told of as %v", call)
	}
	if given := c.one("deliver Later", c.one("publish never.sent", caller).SpanId); says(given, "waybill.delivery.status") != "cancelled" || says(given, "waybill.attempts") != "0" {
		t.Errorf("what was cancelled is told of as %v", given)
	}
	run := c.one("run Told", published.SpanId)
	step := c.one("step ask", run.SpanId)
	for i, path := range []string{"/ask", "/done"} {
		message, sent := c.named("deliver ask")[i], c.named("POST ask")[i]
		c.under(message, step.SpanId)
		c.under(sent, message.SpanId)
		if got := f.at(path)[0].header.Get("Traceparent"); got != fmt.Sprintf("00-%s-%x-01", sentTrace, sent.SpanId) {
			t.Errorf("%s carries %s", path, got)
		}
	}
	c.one("publish webhook.response", step.SpanId)
	if saysOf(c.about, "service.name") != "desk" || saysOf(c.about, "team") != "orders" || slices.ContainsFunc(c.keys, func(k string) bool { return k != "a key" }) {
		t.Errorf("resource %v, keys %v", c.about, c.keys)
	}

	c.Close()
	f.start()
	var last string
	for range 50 {
		last = f.must(202, "POST", "events", `{"name":"parcel.came","data":{}}`, "Traceparent", "00-"+sentTrace+"-00f067aa0ba902b7-00").str("id")
	}
	f.settled(last, "delivered")
	f.hears("/hook", 52)
	if got := f.at("/hook")[51].header.Get("Traceparent"); got != "00-"+sentTrace+"-00f067aa0ba902b7-00" {
		t.Errorf("a trace that is not told of goes on as %s", got)
	}
	byHand := f.publishes(`{"name":"By hand","trigger":{"kind":"manual"},"steps":[{"key":"tell","kind":"outgoing","request":{"name":"Tell","url":"RX/tell"}}]}`)
	f.must(201, "POST", "workflows/"+byHand+"/runs", map[string]any{}, "Traceparent", "00-"+sentTrace+"-00f067aa0ba902b7-01")
	f.hears("/tell", 1)
	if got := f.at("/tell")[0].header.Get("Traceparent"); !strings.HasPrefix(got, "00-"+sentTrace+"-") {
		t.Errorf("the trace of who starts a run goes on as %q", got)
	}
	f.must(202, "POST", "events", `{"name":"parcel.came","data":{}}`)
	f.eventually("the log says that the collector is away", func() bool { return strings.Contains(f.log.String(), "the trace collector does not take spans") })
	f.must(200, "GET", "events", nil)
}

func TestTraceConfiguration(t *testing.T) {
	good := traceConfig{TraceSampler: "parentbased_always_on", TraceName: "waybill"}
	for name, tt := range map[string]struct {
		change func(*traceConfig)
		env    map[string]string
		want   string // in the error; "off", or the endpoint
	}{
		"nothing set":     {func(*traceConfig) {}, nil, "off"},
		"base":            {func(c *traceConfig) { c.TraceBase = "http://otel:4318/" }, nil, "http://otel:4318/v1/traces"},
		"whole":           {func(c *traceConfig) { c.TraceBase, c.TraceEndpoint = "http://otel:4318", "https://x.example/spans" }, nil, "https://x.example/spans"},
		"switched off":    {func(c *traceConfig) { c.TraceBase, c.TracesOff = "http://otel:4318", true }, nil, "off"},
		"exporter none":   {func(c *traceConfig) { c.TraceBase = "http://otel:4318" }, map[string]string{"OTEL_TRACES_EXPORTER": "none"}, "off"},
		"gRPC":            {func(c *traceConfig) { c.TraceBase, c.TraceProtocol = "http://otel:4317", "grpc" }, nil, "set http/protobuf"},
		"no URL":          {func(c *traceConfig) { c.TraceBase = "otel:4317" }, nil, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"unknown sampler": {func(c *traceConfig) { c.TraceBase, c.TraceSampler = "http://otel:4318", "some" }, nil, "OTEL_TRACES_SAMPLER"},
		"ratio": {func(c *traceConfig) {
			c.TraceBase, c.TraceSampler, c.TraceRatio = "http://otel:4318", "traceidratio", "1.5"
		}, nil, "from 0 to 1"},
		"header":           {func(c *traceConfig) { c.TraceBase = "http://otel:4318" }, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a b=sesame"}, "OTEL_EXPORTER_OTLP_HEADERS"},
		"certificate":      {func(c *traceConfig) { c.TraceBase, c.TraceCA = "https://otel:4318", "go.mod" }, nil, "no certificate"},
		"attributes wrong": {func(c *traceConfig) { c.TraceBase, c.TraceAbout = "http://otel:4318", "team" }, nil, "OTEL_RESOURCE_ATTRIBUTES"},
	} {
		c := good
		tt.change(&c)
		o, err := c.read(func(name string) string { return tt.env[name] })
		got := "off"
		if err != nil {
			got = err.Error()
		} else if o != nil {
			got = o.Endpoint
		}
		if !strings.Contains(got, tt.want) || strings.Contains(got, "sesame") {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}
