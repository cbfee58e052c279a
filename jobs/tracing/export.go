package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// How spans leave: in batches at least every so often, each batch tried for so long, and then given up.
const (
	sendEvery = 2 * time.Second
	sendFor   = 10 * time.Second
	sayEvery  = time.Minute // that the collector does not answer is told at most so often
)

// exporter sends spans by OTLP over HTTP in protobuf (OpenTelemetry Protocol 1.x). That the collector is away is its own to tell: the
// SDK hears of no failure, since it would write to standard error.
type exporter struct {
	o Options

	mu   sync.Mutex
	said time.Time
	lost int // since it went away
	away bool
}

func newExporter(o Options) *exporter { return &exporter{o: o} }

// ExportSpans sends a batch; what cannot be sent is dropped.
func (x *exporter) ExportSpans(ctx context.Context, list []sdk.ReadOnlySpan) error {
	body, err := encode(list)
	if err == nil {
		err = x.post(ctx, body)
	}
	x.ended(len(list), err)
	return nil
}

// Shutdown says what was lost last.
func (x *exporter) Shutdown(context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lost > 0 {
		x.o.Log.Warn("traces were not taken by the collector", "spans_dropped", x.lost)
	}
	return nil
}

func encode(list []sdk.ReadOnlySpan) ([]byte, error) {
	plain, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: resourceSpans(list)})
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(plain) // a buffer takes everything
	err = w.Close()
	return b.Bytes(), err
}

// post sends until it is taken, refused, or ctx ends.
func (x *exporter) post(ctx context.Context, body []byte) error {
	for wait := 500 * time.Millisecond; ; wait *= 2 {
		again, err := x.once(ctx, body)
		if err == nil {
			return nil
		}
		x.refused(err)
		if !again {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// once sends; again says that another try may go better (OTLP, "Failures").
func (x *exporter) once(ctx context.Context, body []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.o.Endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for name, values := range x.o.Header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("User-Agent", "Waybill/"+x.o.Version)
	res, err := x.o.Transport.RoundTrip(r)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	if res.StatusCode/100 != 2 {
		return again, fmt.Errorf("it answered %s", res.Status)
	}
	return false, nil
}

// refused says in the log that the collector does not take what it is sent.
func (x *exporter) refused(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); !x.away || now.Sub(x.said) >= sayEvery {
		x.o.Log.Warn("the trace collector does not take spans; deliveries go on", "endpoint", shown(x.o.Endpoint), "spans_dropped", x.lost, "error", err)
		x.away, x.said = true, now
	}
}

// ended notes what became of a batch.
func (x *exporter) ended(n int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.lost += n
		return
	}
	if x.away {
		x.o.Log.Info("the trace collector takes spans again", "spans_dropped", x.lost)
	}
	x.away, x.lost = false, 0
}

// shown is a URL without its password.
func shown(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
