package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// scenario is one question beside the report that a run without a name gives. It begins with the server running and
// setUp done.
type scenario struct {
	name string
	run  func(ctx context.Context, s *server, rx *receiver) error
}

func scenarios() []scenario {
	return []scenario{{"hanging", hanging}, {"idle", idle}, {"overload", overload}, {"stored", stored}}
}

// Scenarios are their names.
func Scenarios() (names []string) {
	for _, sc := range scenarios() {
		names = append(names, sc.name)
	}
	return names
}

// route makes a destination on a connection and the action that leads the event of its name there.
func (s *server) route(ctx context.Context, conn, name string, more map[string]any) error {
	body := map[string]any{"name": name, "path": "/hook", "sign": false}
	for k, v := range more {
		body[k] = v
	}
	dest, err := s.post(ctx, filepath.Join("connections", conn, "destinations"), body)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, "actions", map[string]any{"name": name, "event": name, "destination_id": dest})
	return err
}

func (s *server) connection(ctx context.Context, name, url string, timeout int) (string, error) {
	return s.post(ctx, "connections", map[string]any{"name": name, "type": "webhook", "base_url": url, "timeout_seconds": timeout})
}

// paced posts at a rate per second, whether or not answers come, for o.Load.
func (s *server) paced(ctx context.Context, rx *receiver, to target, rate int) (result, error) {
	start := time.Now()
	return s.drive(ctx, rx, to, s.o.Connections, func(i int) time.Time {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		return due
	})
}

const (
	siblings    = 50
	siblingRate = 2000
)

// hanging asks what one bad destination among 50 costs the others, at 2,000 events a second over all of them.
func hanging(ctx context.Context, s *server, rx *receiver) error {
	conn, err := s.connection(ctx, "Siblings", rx.url, 5)
	if err != nil {
		return err
	}
	for i := range siblings {
		if err := s.route(ctx, conn, fmt.Sprintf("sibling.%d", i), nil); err != nil {
			return err
		}
	}
	if err := s.route(ctx, conn, "bad.hang", map[string]any{"path": "/hang"}); err != nil {
		return err
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := closed.Close(); err != nil {
		return err
	}
	nobody, err := s.connection(ctx, "Nobody listens", "http://"+closed.Addr().String(), 5)
	if err != nil {
		return err
	}
	if err := s.route(ctx, nobody, "bad.refuse", nil); err != nil {
		return err
	}
	rx.hangs.Store(true)
	run := func(bad string) (result, error) {
		to := s.named(func(n int) string {
			if bad != "" && n%siblings == 0 {
				return bad
			}
			return fmt.Sprintf("sibling.%d", n%siblings)
		})
		if bad != "" {
			to.lost = func(n int) bool { return n%siblings == 0 }
		}
		return s.paced(ctx, rx, to, siblingRate)
	}
	s.say("%d destinations, %d events/s over all, %s each; a bad one takes every %dth event", siblings, siblingRate, s.o.Load, siblings)
	if _, err := run(""); err != nil { // connections are made
		return err
	}
	var quiet float64
	for _, c := range []struct{ name, event string }{{"all well", ""}, {"one hangs", "bad.hang"}, {"one refuses", "bad.refuse"}, {"all well again", ""}} {
		r, err := run(c.event)
		if err != nil {
			return err
		}
		if quiet == 0 {
			quiet = r.p99
		}
		s.say("%-16s the others: accept to received p50 %.1f ms, p99 %.1f ms = %.2f of the run without; memory %.0f MiB; missing %d", c.name, r.p50, r.p99, r.p99/quiet, r.memory, r.missing)
		if r.missing > 0 {
			return fmt.Errorf("%d accepted events were not received", r.missing)
		}
	}
	return nil
}

// idle asks what a thousand destinations cost that nothing is sent to.
func idle(ctx context.Context, s *server, rx *receiver) error {
	measure := func(name string) error {
		time.Sleep(2 * time.Second)
		worked := s.cpu()
		time.Sleep(s.o.Load)
		worked = s.cpu() - worked
		s.stop()
		if err := s.start(ctx); err != nil {
			return err
		}
		if _, err := s.calm(ctx, rx, "bench.plain", 200); err != nil { // warm
			return err
		}
		calm, err := s.calm(ctx, rx, "bench.plain", 200)
		if err != nil {
			return err
		}
		full, err := s.saturate(ctx, rx, "bench.plain")
		if err != nil {
			return err
		}
		s.say("%-20s idle: %.1f ms of processor a second, memory %.0f MiB; start to ready %d ms; at 200/s p50 %.1f ms, p99 %.1f ms; saturated %.0f/s, %.0f µs of processor an event",
			name, float64(worked.Milliseconds())/s.o.Load.Seconds(), s.memory(), s.ready.Milliseconds(), calm.p50, calm.p99, full.delivered, full.cpu)
		return nil
	}
	if err := measure("2 destinations"); err != nil {
		return err
	}
	conn, err := s.connection(ctx, "Idle", rx.url, 5)
	if err != nil {
		return err
	}
	for i := range 1000 {
		if err := s.route(ctx, conn, fmt.Sprintf("idle.%d", i), nil); err != nil {
			return err
		}
	}
	return measure("1,002 destinations")
}

// overload offers far more than a slow receiver takes: nothing is lost, memory stays flat, pages and health go on.
func overload(ctx context.Context, s *server, rx *receiver) error {
	conn, err := s.connection(ctx, "Slow receiver", rx.url, 30)
	if err != nil {
		return err
	}
	if err := s.route(ctx, conn, "slow", map[string]any{"max_in_flight": 4}); err != nil {
		return err
	}
	const offered, taken = 3000, 300
	s.say("a receiver that takes about %d events/s is offered %d/s", taken, offered)
	rx.slow.Store(int64(4 * time.Second / taken))
	began, lasts := time.Now(), 3*s.o.Load
	var ill atomic.Int64
	var slowest time.Duration
	watch, end := context.WithTimeout(ctx, lasts)
	defer end()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for next := time.Second; watch.Err() == nil; {
			for _, path := range []string{"/readyz", "/healthz", "/api/v1/deliveries?limit=50"} {
				asked := time.Now()
				if status, err := s.ask(watch, path); watch.Err() == nil && (err != nil || status != http.StatusOK) {
					ill.Add(1)
				}
				slowest = max(slowest, time.Since(asked))
			}
			if spent := time.Since(began); spent > next {
				s.say("after %2.0f s       received %d; memory %.0f MiB", spent.Seconds(), rx.count.Load(), s.memory())
				next += lasts / 6
			}
			time.Sleep(50 * time.Millisecond)
		}
		rx.slow.Store(0) // the receiver recovers
	}()
	longer := *s
	longer.o.Load = lasts
	r, err := longer.paced(ctx, rx, s.events("slow"), offered)
	if err != nil {
		return err
	}
	<-watched
	s.say("accepted %.0f/s; after it recovered all was received in %.0f s more; memory at the end %.0f MiB; missing %d, more than once %d",
		r.accepted, time.Since(began.Add(lasts)).Seconds(), s.memory(), r.missing, r.twice)
	s.say("health and the list of deliveries, asked all the while: not well %d times, slowest answer %d ms", ill.Load(), slowest.Milliseconds())
	if r.missing > 0 || ill.Load() > 0 {
		return fmt.Errorf("%d accepted events were not received, %d answers were not well", r.missing, ill.Load())
	}
	return nil
}

// ask gets a path with the key.
func (s *server) ask(ctx context.Context, path string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// little is the past of the store that a full one is measured beside: enough that every list has a page of rows.
const little = 10_000

// stored asks what a store full of settled deliveries costs, beside one with few in the same run.
func stored(ctx context.Context, s *server, rx *receiver) error {
	before, err := s.withPast(ctx, rx, little)
	if err != nil {
		return err
	}
	after, err := s.withPast(ctx, rx, s.o.Stored)
	if err != nil {
		return err
	}
	s.say("%-58s %9s %9s  ratio", "", "few", "many")
	for i, b := range before {
		s.say("%-58s %9.2f %9.2f  %.2f", b.name, b.value, after[i].value, after[i].value/b.value)
	}
	return nil
}

// withPast adds n events to what is stored and measures.
func (s *server) withPast(ctx context.Context, rx *receiver, n int) ([]figure, error) {
	s.stop()
	began := time.Now()
	fill := exec.CommandContext(ctx, s.o.Self, "history", fmt.Sprint(n))
	fill.Env = s.environment()
	if out, err := fill.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("store a past: %w\n%s", err, out)
	}
	spent := time.Since(began)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	s.say("%d events, each with a delivery and an attempt, stored in %.0f s; start to ready %d ms", n, spent.Seconds(), s.ready.Milliseconds())
	if _, err := s.saturate(ctx, rx, "bench.plain"); err != nil { // warm
		return nil, err
	}
	return s.portrait(ctx, rx)
}

type figure struct {
	name  string
	value float64
}

// portrait measures what users wait for.
func (s *server) portrait(ctx context.Context, rx *receiver) (out []figure, err error) {
	full, err := s.saturate(ctx, rx, "bench.plain")
	if err != nil {
		return nil, err
	}
	calm, err := s.calm(ctx, rx, "bench.plain", 200)
	if err != nil {
		return nil, err
	}
	out = append(out, figure{"delivered/s (more is better)", full.delivered}, figure{"µs of processor an event", full.cpu}, figure{"ms accept to received at 200/s, p50", calm.p50}, figure{"  p99", calm.p99})
	client, err := s.signIn(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{"/", "/deliveries", "/deliveries?status=failed", "/deliveries?status=delivered", "/events", "/events?name=history.3", "/events?subject=order-4711",
		"/connections", "/search?q=order", "/api/v1/deliveries?limit=100", "/api/v1/events?limit=100&name=bench.plain", "/api/v1/deliveries?status=failed&limit=100"} {
		var waits []time.Duration
		for range 31 {
			asked := time.Now()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
			if err != nil {
				return nil, err
			}
			c := client
			if strings.HasPrefix(path, "/api/") {
				req.Header.Set("Authorization", "Bearer "+s.key)
				c = http.DefaultClient
			}
			resp, err := c.Do(req)
			if err != nil {
				return nil, err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				return nil, fmt.Errorf("GET %s answered %d, %v", path, resp.StatusCode, err)
			}
			waits = append(waits, time.Since(asked))
		}
		slices.Sort(waits)
		out = append(out, figure{"ms GET " + path + ", median", float64(waits[len(waits)/2].Microseconds()) / 1000})
	}
	return out, nil
}

// signIn is a client with the session of the bench's own user.
func (s *server) signIn(ctx context.Context) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar}
	form := url.Values{"email": {"bench@example.com"}, "password": {benchPassword}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "http://"+s.addr)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path == "/login" {
		return nil, fmt.Errorf("sign in: answered %d at %s", resp.StatusCode, resp.Request.URL.Path)
	}
	return c, nil
}
