package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// shelf is a store that speaks as much S3 as an export needs; it keeps nothing but the number of bytes.
type shelf struct {
	url    string
	server *http.Server
	bytes  atomic.Int64
}

func newShelf() (*shelf, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	x := &shelf{url: "http://" + l.Addr().String()}
	x.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		q := r.URL.Query()
		switch {
		case r.Method == http.MethodPost && q.Has("uploads"):
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>`)
		case r.Method == http.MethodPut:
			x.bytes.Add(n)
			w.Header().Set("ETag", `"1"`)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		}
	})}
	go func() { _ = x.server.Serve(l) }()
	return x, nil
}

// exported asks what realtime notices of the export of an hour of o.Stored deliveries.
func exported(ctx context.Context, s *server, rx *receiver) error {
	if s.o.Stored < 1 {
		return fmt.Errorf("--stored is at least 1")
	}
	if err := s.past(ctx, s.o.Stored, "--hour"); err != nil {
		return err
	}
	to, err := newShelf()
	if err != nil {
		return err
	}
	defer to.server.Close()
	key, err := s.post(ctx, "credentials", map[string]any{"name": "Bench", "type": "aws_sigv4", "config": map[string]any{"access_key_id": "BENCH", "secret_access_key": "bench", "service": "s3", "region": "eu-west-1"}})
	if err != nil {
		return err
	}
	bucket, err := s.post(ctx, "connections", map[string]any{"name": "Bench bucket", "type": "s3", "base_url": to.url, "credential_id": key, "settings": map[string]any{"bucket": "bench"}})
	if err != nil {
		return err
	}
	if err := s.put(ctx, "settings/export", map[string]any{"connection_id": bucket, "datasets": []string{"events", "deliveries"}}); err != nil {
		return err
	}
	const rate = 200
	round := func() (result, error) { return s.calm(ctx, rx, "bench.plain", rate) }
	if _, err := round(); err != nil { // warm
		return err
	}
	var before, beside []result
	measure := func(into *[]result, name string) error {
		r, err := round()
		if err != nil {
			return err
		}
		*into = append(*into, r)
		s.say("%-22s accept to received p50 %.1f ms, p99 %.1f ms; %.0f µs of processor an event; memory %.0f MiB; missing %d", name, r.p50, r.p99, r.cpu, r.memory, r.missing)
		if r.missing > 0 {
			return fmt.Errorf("%d accepted events were not received", r.missing)
		}
		return nil
	}
	s.say("%d events/s, %s a round; beside it the hour of %d events and deliveries is written", rate, s.o.Load, s.o.Stored)
	for range 3 {
		if err := measure(&before, "nothing else"); err != nil {
			return err
		}
	}
	now := time.Now().UTC().Truncate(time.Hour)
	began := time.Now()
	fill, err := s.post(ctx, "backfills", map[string]any{"from": now.Add(-4 * time.Hour), "to": now.Add(-time.Hour)})
	if err != nil {
		return err
	}
	for {
		var far struct{ Status string }
		if err := s.object(ctx, "backfills/"+fill, &far); err != nil {
			return err
		}
		if far.Status != "running" {
			break
		}
		if time.Since(began) > 20*time.Minute {
			return fmt.Errorf("the hour was not written in 20 minutes")
		}
		if err := measure(&beside, "beside the export"); err != nil {
			return err
		}
	}
	took := time.Since(began)
	if len(beside) > 1 {
		beside = beside[:len(beside)-1] // the hour ended in the last round
	}
	var hours struct {
		Items []struct{ Records, Bytes int64 }
	}
	if err := s.object(ctx, "exports", &hours); err != nil {
		return err
	}
	records := int64(0)
	for _, h := range hours.Items {
		records += h.Records
	}
	if records < 2*int64(s.o.Stored) {
		return fmt.Errorf("only %d records were written", records)
	}
	for range 2 {
		if err := measure(&before, "nothing else again"); err != nil {
			return err
		}
	}
	p50, p99, memory := mean(before)
	busy50, busy99, more := mean(beside)
	s.say("%d records in %.0f s, at most, as %.1f MiB", records, took.Seconds(), float64(to.bytes.Load())/(1<<20))
	s.say("beside/alone     p50 %.1f to %.1f ms = %.2f, p99 %.1f to %.1f ms = %.2f; memory %.0f to %.0f MiB", p50, busy50, busy50/p50, p99, busy99, busy99/p99, memory, more)
	return nil
}

// mean is the geometric mean of the latencies of rounds, which one bad round of a noisy machine does not carry away, and the
// greatest memory.
func mean(list []result) (p50, p99, memory float64) {
	for _, r := range list {
		p50, p99, memory = p50+math.Log(r.p50), p99+math.Log(r.p99), max(memory, r.memory)
	}
	n := float64(len(list))
	return math.Exp(p50 / n), math.Exp(p99 / n), memory
}

// put replaces a singleton of the API.
func (s *server) put(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.addr+"/api/v1/"+path, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("PUT %s answered %d: %s", path, resp.StatusCode, said)
	}
	return nil
}
