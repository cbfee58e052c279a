package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// workflow makes and publishes one, and gives its id.
func (s *server) workflow(ctx context.Context, definition map[string]any) (string, error) {
	id, err := s.post(ctx, "workflows", definition)
	if err != nil {
		return "", err
	}
	_, err = s.post(ctx, "workflows/"+id+"/publish", map[string]any{})
	return id, err
}

// asks is a workflow that an event starts: a filter, a request that carries what the event said, a condition on its answer, the
// end.
func (s *server) asks(ctx context.Context, name, url string) (string, error) {
	return s.workflow(ctx, map[string]any{"name": name, "trigger": map[string]any{"kind": "event", "event": "bench.flow", "filter": "event.data.paid && event.data.total > 100"}, "steps": []any{
		map[string]any{"key": "send", "kind": "outgoing", "request": map[string]any{"name": "bench", "url": url + "/hook"}, "next": []any{map[string]any{"to": "end", "when": "steps.send.response.status == 204"}}},
		map[string]any{"key": "end", "kind": "end"}}})
}

// ran waits until a workflow has no runs that go on, and gives how long that took.
func (s *server) ran(ctx context.Context, workflow string, within time.Duration) error {
	for begin := time.Now(); time.Since(begin) < within; time.Sleep(20 * time.Millisecond) {
		going := false
		for _, status := range []string{"running", "waiting", "failed"} {
			var list struct{ Items []struct{ Error string } }
			if err := s.object(ctx, "runs?limit=1&workflow_id="+workflow+"&status="+status, &list); err != nil {
				return err
			}
			if len(list.Items) > 0 && status == "failed" {
				return fmt.Errorf("a run failed: %s", list.Items[0].Error)
			}
			going = going || len(list.Items) > 0
		}
		if !going {
			return nil
		}
	}
	return fmt.Errorf("runs of the bench did not end in %s", within)
}

// object gets an object of the API.
func (s *server) object(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s was answered %d", path, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// flows asks what a run of three steps that an event starts costs beside a plain delivery of the same event.
func flows(ctx context.Context, s *server, rx *receiver) error {
	id, err := s.asks(ctx, "Bench", rx.url)
	if err != nil {
		return err
	}
	if _, err := s.saturate(ctx, rx, "bench.plain"); err != nil { // warm
		return err
	}
	s.say("%d connections, %s a load; a run: an event and a filter, a request, a condition on its answer, the end; the request and its answer are events too", s.o.Connections, s.o.Load)
	var plain, flow float64
	for range 2 {
		p, err := s.saturate(ctx, rx, "bench.plain")
		if err != nil {
			return err
		}
		f, err := s.saturate(ctx, rx, "bench.flow")
		if err != nil {
			return err
		}
		if err := s.ran(ctx, id, time.Minute); err != nil {
			return err
		}
		plain, flow = plain+p.delivered/2, flow+f.delivered/2
		for _, r := range []struct {
			name string
			result
		}{{"plain deliveries", p}, {"runs", f}} {
			s.say("%-16s accepted %.0f/s, delivered %.0f/s; accept to received p50 %.1f ms, p99 %.1f ms; %.0f µs of processor an event; memory %.0f MiB; missing %d, more than once %d",
				r.name, r.accepted, r.delivered, r.p50, r.p99, r.cpu, r.memory, r.missing, r.twice)
			if r.missing > 0 {
				return fmt.Errorf("%d accepted events were not received", r.missing)
			}
		}
	}
	s.say("runs/plain       %.2f (%.0f runs/s beside %.0f deliveries/s)", flow/plain, flow, plain)
	return nil
}

// readers is how many records the audience of the bench holds.
const readers = 100_000

// audience asks whether realtime deliveries and runs are delayed while a workflow runs over 100,000 records.
func audience(ctx context.Context, s *server, rx *receiver) error {
	quick, err := s.asks(ctx, "Realtime", rx.url)
	if err != nil {
		return err
	}
	id, err := s.post(ctx, "audiences", map[string]any{"name": "Readers", "subject_field": "email"})
	if err != nil {
		return err
	}
	for first := 0; first < readers; first += 20_000 {
		if err := s.records(ctx, id, first, 20_000); err != nil {
			return err
		}
	}
	bulk, err := s.workflow(ctx, map[string]any{"name": "Over all", "trigger": map[string]any{"kind": "audience", "audience_id": id}, "steps": []any{
		map[string]any{"key": "send", "kind": "outgoing", "request": map[string]any{"name": "bulk", "url": rx.url + "/bulk"}, "next": []any{map[string]any{"to": "end"}}}, map[string]any{"key": "end", "kind": "end"}}})
	if err != nil {
		return err
	}
	measure := func(name string, before *[2]result) error {
		for i, event := range []string{"bench.plain", "bench.flow"} {
			if _, err := s.calm(ctx, rx, event, 100); err != nil { // warm
				return err
			}
			r, err := s.calm(ctx, rx, event, 100)
			if err != nil {
				return err
			}
			more := ""
			if before[i].p99 > 0 {
				more = fmt.Sprintf(" = %.2f and %.2f of before", r.p50/before[i].p50, r.p99/before[i].p99)
			} else {
				before[i] = r
			}
			s.say("%-24s %-11s at 100/s: accept to received p50 %.1f ms, p99 %.1f ms%s; missing %d", name, event[6:], r.p50, r.p99, more, r.missing)
			if r.missing > 0 {
				return fmt.Errorf("%d accepted events were not received", r.missing)
			}
		}
		return nil
	}
	var before [2]result
	if err := measure("nothing else", &before); err != nil {
		return err
	}
	run, err := s.post(ctx, "audiences/"+id+"/runs", map[string]any{"workflow_id": bulk})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := measure("beside the audience", &before); err != nil {
		return err
	}
	var far struct {
		Status         string
		Started, Total int64
		PerSecond      float64 `json:"per_second"`
	}
	for far.Status = "running"; far.Status == "running"; time.Sleep(200 * time.Millisecond) {
		if err := s.object(ctx, "audience-runs/"+run, &far); err != nil {
			return err
		}
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("after 10 minutes %d of %d runs had begun", far.Started, far.Total)
		}
	}
	s.say("%d runs over the audience: %s, begun at %.0f/s in %.0f s; memory %.0f MiB", far.Started, far.Status, far.PerSecond, time.Since(began).Seconds(), s.memory())
	if err := s.ran(ctx, bulk, 10*time.Minute); err != nil {
		return err
	}
	s.say("all had ended %.0f s after the start", time.Since(began).Seconds())
	return s.ran(ctx, quick, time.Minute)
}

// records adds n records to an audience.
func (s *server) records(ctx context.Context, id string, first, n int) error {
	var b strings.Builder
	b.WriteString("email,paid,total\n")
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, "p%d@example.com,true,120\n", i)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/api/v1/audiences/"+id+"/members", bytes.NewReader([]byte(b.String())))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "text/csv")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("records were answered %d", resp.StatusCode)
	}
	return nil
}
