package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

// resourceSpans are spans as they are sent; all are of this program.
func resourceSpans(list []sdk.ReadOnlySpan) []*wire.ResourceSpans {
	if len(list) == 0 {
		return nil
	}
	out, scope := make([]*wire.Span, len(list)), list[0].InstrumentationScope()
	for i, s := range list {
		out[i] = wireSpan(s)
	}
	return []*wire.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: wireAttributes(list[0].Resource().Attributes())},
		ScopeSpans: []*wire.ScopeSpans{{Scope: &common.InstrumentationScope{Name: scope.Name, Version: scope.Version}, Spans: out}},
	}}
}

func wireSpan(s sdk.ReadOnlySpan) *wire.Span {
	c, parent := s.SpanContext(), s.Parent()
	id, trace := c.SpanID(), c.TraceID()
	out := &wire.Span{TraceId: trace[:], SpanId: id[:], TraceState: c.TraceState().String(), Flags: wireFlags(c.TraceFlags(), parent), Name: s.Name(), Kind: wireKind(s.SpanKind()),
		StartTimeUnixNano: nano(s.StartTime()), EndTimeUnixNano: nano(s.EndTime()), Attributes: wireAttributes(s.Attributes()), Status: &wire.Status{}}
	if parent.IsValid() {
		above := parent.SpanID()
		out.ParentSpanId = above[:]
	}
	if status := s.Status(); status.Code == codes.Error {
		out.Status = &wire.Status{Code: wire.Status_STATUS_CODE_ERROR, Message: status.Description}
	}
	for _, l := range s.Links() {
		to, in := l.SpanContext.SpanID(), l.SpanContext.TraceID()
		out.Links = append(out.Links, &wire.Span_Link{TraceId: in[:], SpanId: to[:], Flags: uint32(l.SpanContext.TraceFlags())})
	}
	return out
}

// wireFlags are the trace flags, and whether the parent is elsewhere: all of ours may be, since processes end before spans.
func wireFlags(f trace.TraceFlags, parent trace.SpanContext) uint32 {
	out := uint32(f) | uint32(wire.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if parent.IsRemote() {
		out |= uint32(wire.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return out
}

func wireKind(k trace.SpanKind) wire.Span_SpanKind {
	switch k {
	case trace.SpanKindServer:
		return wire.Span_SPAN_KIND_SERVER
	case trace.SpanKindClient:
		return wire.Span_SPAN_KIND_CLIENT
	case trace.SpanKindProducer:
		return wire.Span_SPAN_KIND_PRODUCER
	}
	return wire.Span_SPAN_KIND_INTERNAL
}

// nano is a time in unix nanoseconds; what is before 1970 is 0.
func nano(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func wireAttributes(list []attribute.KeyValue) []*common.KeyValue {
	out := make([]*common.KeyValue, len(list))
	for i, a := range list {
		v := &common.AnyValue{}
		switch a.Value.Type() {
		case attribute.BOOL:
			v.Value = &common.AnyValue_BoolValue{BoolValue: a.Value.AsBool()}
		case attribute.INT64:
			v.Value = &common.AnyValue_IntValue{IntValue: a.Value.AsInt64()}
		case attribute.FLOAT64:
			v.Value = &common.AnyValue_DoubleValue{DoubleValue: a.Value.AsFloat64()}
		default:
			v.Value = &common.AnyValue_StringValue{StringValue: a.Value.String()}
		}
		out[i] = &common.KeyValue{Key: string(a.Key), Value: v}
	}
	return out
}
