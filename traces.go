package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/tracing"
)

// traceConfig says where traces go, under the names that OpenTelemetry gives them (Environment Variable Specification).
type traceConfig struct {
	TraceBase     string `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318; traces go to /v1/traces there. Unset, nothing is traced (${env}). Headers for it come from the environment variable OTEL_EXPORTER_OTLP_HEADERS alone."`
	TraceEndpoint string `name:"otlp-traces-endpoint" env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" placeholder:"URL" help:"The whole URL for traces, in place of it (${env})."`
	TraceProtocol string `name:"otlp-protocol" env:"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,OTEL_EXPORTER_OTLP_PROTOCOL" placeholder:"NAME" help:"http/protobuf, the only one (${env})."`
	TraceCA       string `name:"otlp-certificate" env:"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE,OTEL_EXPORTER_OTLP_CERTIFICATE" placeholder:"FILE" help:"Certificates that the collector is trusted by, PEM (${env})."`
	TraceSampler  string `name:"traces-sampler" env:"OTEL_TRACES_SAMPLER" default:"parentbased_always_on" placeholder:"NAME" help:"Which traces are told of: always_on, always_off, traceidratio, or these with parentbased_ before (${env})."`
	TraceRatio    string `name:"traces-sampler-arg" env:"OTEL_TRACES_SAMPLER_ARG" placeholder:"RATIO" help:"Share of the traces for traceidratio, 0 to 1 (${env})."`
	TraceName     string `name:"service-name" env:"OTEL_SERVICE_NAME" default:"waybill" placeholder:"NAME" help:"What this program is called in traces (${env})."`
	TraceAbout    string `name:"resource-attributes" env:"OTEL_RESOURCE_ATTRIBUTES" placeholder:"LIST" help:"What else is told of it, as name=value,name=value (${env})."`
	TracesOff     bool   `name:"otel-disabled" env:"OTEL_SDK_DISABLED" help:"Trace nothing whatever else is set (${env})."`
}

// Variables only: they may hold keys, and what stands on a command line, everybody sees who may list processes.
const (
	traceHeaders     = "OTEL_EXPORTER_OTLP_HEADERS"
	onlyTraceHeaders = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
)

// read is the configuration as the tracer takes it, nil when nothing is to be traced.
func (c traceConfig) read(getenv func(string) string) (*tracing.Options, error) {
	if c.TracesOff || getenv("OTEL_TRACES_EXPORTER") == "none" || c.TraceBase == "" && c.TraceEndpoint == "" {
		return nil, nil
	}
	o := &tracing.Options{Endpoint: c.TraceEndpoint, Service: c.TraceName, Version: programVersion()}
	name, text := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.TraceEndpoint
	if text == "" {
		name, text = "OTEL_EXPORTER_OTLP_ENDPOINT", strings.TrimSuffix(c.TraceBase, "/")+"/v1/traces"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: a URL such as http://localhost:4318 is needed", name) // not the text: it may hold a password
	}
	if o.Endpoint = text; c.TraceProtocol != "" && c.TraceProtocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken here; set http/protobuf and the collector's port for it, 4318 as a rule", c.TraceProtocol)
	}
	if o.Sample, err = sampleOf(c.TraceSampler, c.TraceRatio); err != nil {
		return nil, err
	}
	for _, name := range []string{traceHeaders, onlyTraceHeaders} {
		if err := headersOf(o, name, getenv(name)); err != nil {
			return nil, err
		}
	}
	if o.More, err = pairs("OTEL_RESOURCE_ATTRIBUTES", c.TraceAbout); err != nil {
		return nil, err
	}
	o.Transport, err = c.transport()
	return o, err
}

func (c traceConfig) transport() (http.RoundTripper, error) {
	if c.TraceCA == "" {
		return egress.Collector(nil), nil
	}
	text, err := os.ReadFile(c.TraceCA)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE: the file holds no certificate in PEM")
	}
	return egress.Collector(pool), nil
}

// sampleOf reads a sampler by its OpenTelemetry name.
func sampleOf(name, arg string) (s tracing.Sample, err error) {
	word, byParent := strings.CutPrefix(name, "parentbased_")
	s.Always = !byParent
	switch word {
	case "always_on":
		s.Ratio = 1
	case "always_off":
	case "traceidratio":
		s.Ratio = 1
		if arg != "" {
			if s.Ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(s.Ratio >= 0 && s.Ratio <= 1) {
				return s, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not a number from 0 to 1", arg)
			}
		}
	default:
		return s, fmt.Errorf("OTEL_TRACES_SAMPLER: %q is none of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio", name)
	}
	return s, nil
}

// headersOf adds the headers of a variable; its text stands in no message, since it may hold keys.
func headersOf(o *tracing.Options, name, text string) error {
	list, err := pairs(name, text)
	if err != nil {
		return err
	}
	for i := 0; i < len(list); i += 2 {
		if !httpguts.ValidHeaderFieldName(list[i]) || !httpguts.ValidHeaderFieldValue(list[i+1]) {
			return fmt.Errorf("%s: what stands there cannot be a header", name)
		}
		if o.Header == nil {
			o.Header = http.Header{}
		}
		o.Header[textproto.CanonicalMIMEHeaderKey(list[i])] = []string{list[i+1]}
	}
	return nil
}

// pairs reads name=value,name=value with percent-encoding (W3C Baggage, as OpenTelemetry has it).
func pairs(name, text string) (out []string, err error) {
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			return nil, fmt.Errorf("%s: name=value,name=value is needed, with what is special percent-encoded", name)
		}
		out = append(out, key, value)
	}
	return out, nil
}

// tracer starts what is configured; nil = nothing is traced.
func (s settings) tracer(node model.NodeID, log *slog.Logger) *tracing.Tracer {
	if s.traces == nil {
		return nil
	}
	o := *s.traces
	o.Node, o.Log = node, log
	return tracing.New(o)
}

// stopTracing sends what is left; a collector that is away keeps nobody waiting for long.
func stopTracing(t *tracing.Tracer) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	t.Stop(ctx)
}
