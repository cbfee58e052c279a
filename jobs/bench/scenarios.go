package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
	return []scenario{{"hanging", hanging}, {"idle", idle}, {"overload", overload}, {"stored", stored}, {"retention", retention}, {"flows", flows}, {"audience", audience}, {"flood", flood}, {"export", exported}, {"lots", lots}}
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
	s.say("%d destinations, %d events/s over all, %s each; a bad one takes every %dth event; medians [least-most] of runs in turns with such where all is well", siblings, siblingRate, s.o.Load, siblings)
	if _, err := run(""); err != nil { // connections are made
		return err
	}
	before, err := run("")
	if err != nil {
		return err
	}
	well := &comparison{name: "all well"}
	well.add(before, 1)
	bad := []*comparison{{name: "one hangs"}, {name: "one refuses"}}
	for range turns {
		for i, event := range []string{"bad.hang", "bad.refuse"} {
			r, err := run(event)
			if err != nil {
				return err
			}
			after, err := run("")
			if err != nil {
				return err
			}
			bad[i].add(r, r.p99/((before.p99+after.p99)/2))
			well.add(after, after.p99/before.p99)
			before = after
		}
	}
	missing := 0
	for _, c := range append([]*comparison{well}, bad...) {
		lost := 0
		for _, r := range c.results {
			lost += r.missing
		}
		missing += lost
		p99 := func(r result) float64 { return r.p99 }
		s.say("%-16s the others: accept to received p50 %.1f ms, p99 %s ms = %s of the runs before and after it; memory %.0f MiB; missing %d",
			c.name, middle(c.each(func(r result) float64 { return r.p50 })), spread("%.1f", c.each(p99)), spread("%.2f", c.ratio), middle(c.each(func(r result) float64 { return r.memory })), lost)
	}
	if missing > 0 {
		return fmt.Errorf("%d accepted events were not received", missing)
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
				if status, _, err := s.ask(watch, path); watch.Err() == nil && (err != nil || status != http.StatusOK) {
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
func (s *server) ask(ctx context.Context, path string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), err
}

// read is the text that a path answers with 200.
func (s *server) read(ctx context.Context, path string) (string, error) {
	status, text, err := s.ask(ctx, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s answered %d: %s", path, status, text)
	}
	return text, err
}

// retention asks whether removing what is old keeps up with 1,000 events/s, and what these notice of it.
func retention(ctx context.Context, s *server, rx *receiver) error {
	const rate = 1000
	s.more = []string{"WAYBILL_RETENTION_DAYS=1", "WAYBILL_BODY_DAYS=1"}
	if err := s.past(ctx, s.o.Stored); err != nil {
		return err
	}
	size := func() float64 {
		total := int64(0)
		for _, name := range []string{"waybill.db", "waybill.db-wal"} {
			if f, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
				total += f.Size()
			}
		}
		return float64(total) / (1 << 20)
	}
	quiet, err := s.paced(ctx, rx, s.events("bench.plain"), rate)
	if err != nil {
		return err
	}
	s.say("at %d events/s before anything is removed: accept to received p50 %.1f ms, p99 %.1f ms; file and log %.0f MiB", rate, quiet.p50, quiet.p99, size())
	removed := make(chan error, 1)
	go func() { removed <- s.removed(ctx, size, quiet.cpu*rate) }()
	for {
		r, err := s.paced(ctx, rx, s.events("bench.plain"), rate)
		if err != nil {
			return err
		}
		select {
		case err := <-removed:
			return err
		default:
			s.say("  accept to received p50 %.1f ms, p99 %.1f ms; memory %.0f MiB; missing %d", r.p50, r.p99, r.memory, r.missing)
		}
	}
}

// removed waits until the old part of the past is gone and says how fast that was, and what it cost beside what takes busy
// microseconds of processor a second by itself.
func (s *server) removed(ctx context.Context, size func() float64, busy float64) error {
	wait := func(path string) error {
		for ctx.Err() == nil {
			text, err := s.read(ctx, path)
			if err != nil {
				return err
			}
			if strings.Contains(text, `"items":[]`) {
				return nil
			}
			time.Sleep(20 * time.Millisecond)
		}
		return ctx.Err()
	}
	cut := url.QueryEscape(time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339))
	if err := wait("/api/v1/deliveries?limit=1&to=" + url.QueryEscape(time.Now().Add(-19*24*time.Hour-23*time.Hour).UTC().Format(time.RFC3339))); err != nil {
		return err
	}
	began, worked := time.Now(), s.cpu()
	if err := wait("/api/v1/events?limit=1&to=" + cut); err != nil {
		return err
	}
	spent, gone := time.Since(began), float64(s.o.Stored*19/20)
	cost := (float64((s.cpu() - worked).Microseconds()) - busy*spent.Seconds()) / gone
	s.say("removed %.0f events with their deliveries and attempts in %.0f s: %.0f/s; file and log %.0f MiB", gone, spent.Seconds(), gone/spent.Seconds(), size())
	s.say("that took %.0f µs of processor an event: %.0f %% of one processor for 1,000 a second", cost, cost/10)
	return nil
}

// past adds n events while the server is stopped.
func (s *server) past(ctx context.Context, n int, flags ...string) error {
	s.stop()
	began := time.Now()
	fill := exec.CommandContext(ctx, s.o.Self, append([]string{"history", fmt.Sprint(n)}, flags...)...)
	fill.Env = s.environment()
	if out, err := fill.CombinedOutput(); err != nil {
		return fmt.Errorf("store a past: %w\n%s", err, out)
	}
	spent := time.Since(began)
	if err := s.start(ctx); err != nil {
		return err
	}
	s.say("%d events, each with a delivery and an attempt, stored in %.0f s; start to ready %d ms", n, spent.Seconds(), s.ready.Milliseconds())
	return nil
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
