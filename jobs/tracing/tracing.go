// Package tracing tells an OpenTelemetry collector what became of events, calls, deliveries and runs.
//
// What is traced lives longer than a process: a delivery may be retried for days. So nothing is kept: the ids of spans are
// derived from the ids of the things themselves, and a span is made whole when its thing has ended, by whichever process
// that is. Of an attempt alone the id is drawn, since it stands in the request.
//
// Spans are handed to a queue of bounded size that a goroutine of its own empties; what does not fit, or what no collector
// takes, is dropped and counted in the log. A nil *Tracer is switched off: it costs nothing and passes on what callers sent.
//
// It knows nothing but the nouns; jobs calls it at the places where things begin and end.
package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"waybill/db/model"
)

// Options say where spans go, and which.
type Options struct {
	Endpoint  string            // URL that takes spans, such as http://localhost:4318/v1/traces
	Header    http.Header       // sent with each request; nil = none
	Transport http.RoundTripper // required
	Service   string            // service.name
	Version   string            // service.version
	Node      model.NodeID      // service.instance.id
	More      []string          // further attributes of this program: name, value, name, value …
	Sample    Sample
	Log       *slog.Logger // required
}

// Sample is which traces are told of.
type Sample struct {
	Ratio  float64 // of those that begin here, 0 to 1
	Always bool    // the ratio counts for those that come with a caller's word too, whatever that says
}

// queue is how many spans wait for the collector at most; an average one has about half a kilobyte.
const queue = 8192

// Tracer makes spans. Its methods may be called on nil and by any goroutine.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	root     sdk.Sampler
	always   bool
}

// New starts to send.
func New(o Options) *Tracer {
	root := sdk.TraceIDRatioBased(o.Sample.Ratio)
	sampler := root
	if !o.Sample.Always {
		sampler = sdk.ParentBased(root)
	}
	about := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Version), attribute.String("service.instance.id", string(o.Node))}
	for i := 0; i+1 < len(o.More); i += 2 {
		about = append(about, attribute.String(o.More[i], o.More[i+1]))
	}
	p := sdk.NewTracerProvider(sdk.WithSampler(sampler), sdk.WithIDGenerator(ids{}), sdk.WithResource(resource.NewSchemaless(about...)),
		sdk.WithSpanProcessor(sdk.NewBatchSpanProcessor(newExporter(o), sdk.WithMaxQueueSize(queue), sdk.WithBatchTimeout(sendEvery), sdk.WithExportTimeout(sendFor))))
	return &Tracer{provider: p, tracer: p.Tracer("waybill", trace.WithInstrumentationVersion(o.Version)), root: root, always: o.Sample.Always}
}

// Stop sends what is left, for as long as ctx allows.
func (t *Tracer) Stop(ctx context.Context) {
	if t != nil {
		_ = t.provider.Shutdown(ctx) // the exporter says in the log what could not be sent
	}
}

// place is where a thing stands: its own span, and the one that it is part of.
type place struct {
	own, parent trace.SpanContext // parent is not valid when there is none
}

// in is the place of a thing with an id under the traceparent of what it is part of; "" = it begins a trace, which has its
// id from it too.
func (t *Tracer) in(traceparent, id string) place {
	sum := sha256.Sum256([]byte(id))
	c := trace.SpanContextConfig{SpanID: trace.SpanID(sum[:8]), TraceFlags: trace.FlagsSampled}
	parent := parse(traceparent)
	if c.TraceID = trace.TraceID(sum[8:24]); parent.IsValid() {
		c.TraceID = parent.TraceID()
	}
	if parent.IsValid() && !t.always {
		c.TraceFlags = parent.TraceFlags()
	} else if t.root.ShouldSample(sdk.SamplingParameters{TraceID: c.TraceID}).Decision != sdk.RecordAndSample {
		c.TraceFlags = 0
	}
	return place{own: trace.NewSpanContext(c), parent: parent}
}

// under is the place of a thing that is part of p.
func (p place) under(id string) place {
	sum := sha256.Sum256([]byte(id))
	return place{own: p.own.WithSpanID(trace.SpanID(sum[:8])), parent: p.own}
}

// fresh is a new place in p.
func (p place) fresh() place {
	var id trace.SpanID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return place{own: p.own.WithSpanID(id), parent: p.own}
}

// told reports whether the collector is to hear of it.
func (p place) told() bool { return p.own.IsSampled() }

// text is the traceparent of what is part of this (W3C Trace Context, version 00).
func (p place) text() string {
	return "00-" + p.own.TraceID().String() + "-" + p.own.SpanID().String() + "-" + p.own.TraceFlags().String()
}

// parse reads a traceparent; what is none gives a context that is not valid.
func parse(text string) trace.SpanContext {
	if text = model.Traceparent(text); text == "" {
		return trace.SpanContext{}
	}
	var c trace.SpanContextConfig
	var flags [1]byte
	_, _ = hex.Decode(c.TraceID[:], []byte(text[3:35])) // model.Traceparent has looked
	_, _ = hex.Decode(c.SpanID[:], []byte(text[36:52]))
	_, _ = hex.Decode(flags[:], []byte(text[53:55]))
	c.TraceFlags, c.Remote = trace.TraceFlags(flags[0])&trace.FlagsSampled, true
	return trace.NewSpanContext(c)
}

// span is a thing that has ended.
type span struct {
	name       string
	kind       trace.SpanKind
	from, to   time.Time
	failed     string // why, "" = it went well
	attributes []attribute.KeyValue
	links      []trace.Link
}

// tell queues a span.
func (t *Tracer) tell(p place, s span) {
	if s.to.Before(s.from) { // the clock was set back meanwhile
		s.to = s.from
	}
	ctx := context.WithValue(context.Background(), wanted{}, p.own)
	if p.parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, p.parent)
	}
	_, x := t.tracer.Start(ctx, s.name, trace.WithTimestamp(s.from), trace.WithSpanKind(s.kind), trace.WithAttributes(s.attributes...), trace.WithLinks(s.links...))
	if s.failed != "" {
		x.SetStatus(codes.Error, s.failed)
	}
	x.End(trace.WithTimestamp(s.to))
}

// wanted is the key of the ids that a span is to have.
type wanted struct{}

// ids gives spans the ids that tell asks for.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	own, _ := ctx.Value(wanted{}).(trace.SpanContext)
	return own.TraceID(), own.SpanID()
}

func (g ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, id := g.NewIDs(ctx)
	return id
}
