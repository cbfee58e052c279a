// Package bench is `waybill bench`: it drives the real program, as a process of its own on a data folder of its own,
// with a load and a receiver on loopback, and prints what it did beside a ceiling measured in the same run.
//
// The ceiling is a bare loop that posts the same bodies to the same receiver with net/http. Machines differ and are
// noisy; only the ratios mean something. It knows nothing of the other packages: it is an outsider with an API key.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options of a run.
type Options struct {
	Self        string        // the program
	Out         io.Writer     // the report
	Load        time.Duration // each load runs this long
	Connections int           // of the load
	Scenario    string        // one of Scenarios, "" = the first
	Stored      int           // events that scenario stored begins with
}

// Run measures and prints. Everything that it makes is gone afterwards.
func Run(ctx context.Context, o Options) error {
	rx, err := listen()
	if err != nil {
		return err
	}
	defer rx.close()
	s, err := begin(ctx, o, rx)
	if err != nil {
		return err
	}
	defer s.remove()
	for _, sc := range scenarios() {
		if sc.name == o.Scenario {
			return sc.run(ctx, s, rx)
		}
	}
	return s.report(ctx, rx)
}

func (s *server) say(format string, args ...any) { fmt.Fprintf(s.o.Out, format+"\n", args...) }

const benchPassword = "a password of the bench"

const template = `{{! return JSON.stringify(it.data[0]); }}`

func (s *server) report(ctx context.Context, rx *receiver) error {
	say := s.say
	say("%d connections, %s a load, events of %d bytes with ten flat fields; everything shares this machine", s.o.Connections, s.o.Load, len(payload(nil, 0)))
	say("start to ready   %d ms", s.ready.Milliseconds())
	time.Sleep(time.Second)
	say("idle memory      %.0f MiB (PSS of all its processes)", s.memory())

	calls, err := s.inbound(ctx)
	if err != nil {
		return err
	}
	fewer := *s
	fewer.o.Connections = max(1, s.o.Connections/4) // with more, events would come faster than they are delivered
	compared := []*comparison{
		{name: "no template", load: func() (result, error) { return s.saturate(ctx, rx, "bench.plain") }},
		{name: "inbound calls", load: func() (result, error) { return s.flatOut(ctx, rx, calls) }},
		{name: "ten a request", load: func() (result, error) { return fewer.flatOut(ctx, rx, fewer.lots("bench.plain", 10)) }},
		{name: "with template", load: func() (result, error) { return s.saturate(ctx, rx, "bench.template") }},
	}
	before, err := bareLoop(ctx, rx, s.o)
	if err != nil {
		return err
	}
	ceilings := []float64{before}
	for range turns {
		for _, c := range compared {
			r, err := c.load()
			if err != nil {
				return err
			}
			after, err := bareLoop(ctx, rx, s.o)
			if err != nil {
				return err
			}
			c.add(r, r.delivered/((before+after)/2))
			before, ceilings = after, append(ceilings, after)
		}
	}
	calm, err := s.calm(ctx, rx, "bench.plain", 200)
	if err != nil {
		return err
	}
	say("bare loop        %s/s: the ceiling; in what follows figures are medians of %d rounds [least-most], ratios those to the bare loops before and after", spread("%.0f", ceilings), turns)
	missing := calm.missing
	for _, c := range compared {
		lost, twice := 0, 0
		for _, r := range c.results {
			lost, twice = lost+r.missing, twice+r.twice
		}
		missing += lost
		say("%-16s %s of the bare loop: accepted %.0f/s, delivered %.0f/s; accept to received p50 %.1f ms, p99 %.1f ms; %.0f µs of processor an event; memory %.0f MiB; missing %d, more than once %d",
			c.name, spread("%.2f", c.ratio), middle(c.each(accepted)), middle(c.each(delivered)), middle(c.each(func(r result) float64 { return r.p50 })),
			middle(c.each(func(r result) float64 { return r.p99 })), middle(c.each(func(r result) float64 { return r.cpu })), middle(c.each(func(r result) float64 { return r.memory })), lost, twice)
	}
	plain, called, rendered := compared[0], compared[1], compared[3]
	say("template/plain   %s", spread("%.2f", ratios(rendered.each(delivered), plain.each(delivered))))
	say("inbound/events   %s (calls accepted on an inbound URL beside events accepted by POST /events)", spread("%.2f", ratios(called.each(accepted), plain.each(accepted))))
	say("at 200 events/s  accept to received p50 %.1f ms, p99 %.1f ms; memory %.0f MiB; missing %d", calm.p50, calm.p99, calm.memory, calm.missing)
	if missing > 0 {
		return fmt.Errorf("%d accepted events were not received", missing)
	}
	return nil
}

// turns is how often each load of the main scenario runs, in turns with the others and with the bare loop: a machine that
// does other work as well is not the same a minute later.
const turns = 3

// comparison is a load of several rounds, each beside others before and after it.
type comparison struct {
	name    string
	load    func() (result, error)
	results []result
	ratio   []float64 // of what counts, by that of the others
}

func (c *comparison) add(r result, ratio float64) {
	c.results, c.ratio = append(c.results, r), append(c.ratio, ratio)
}

func accepted(r result) float64  { return r.accepted }
func delivered(r result) float64 { return r.delivered }

func (c *comparison) each(figure func(result) float64) []float64 {
	out := make([]float64, len(c.results))
	for i, r := range c.results {
		out[i] = figure(r)
	}
	return out
}

func middle(figures []float64) float64 { return slices.Sorted(slices.Values(figures))[len(figures)/2] }

// spread is the median, and in brackets the least and the most.
func spread(format string, figures []float64) string {
	return fmt.Sprintf(format+" ["+format+"-"+format+"]", middle(figures), slices.Min(figures), slices.Max(figures))
}

func ratios(of, by []float64) []float64 {
	out := make([]float64, len(of))
	for i := range of {
		out[i] = of[i] / by[i]
	}
	return out
}

// server is the program under load.
type server struct {
	o     Options
	dir   string
	addr  string
	key   string
	cmd   *exec.Cmd
	ready time.Duration
	log   bytes.Buffer
	more  []string // environment of a scenario
}

// begin starts a server on a folder of its own and makes what events are sent to.
func begin(ctx context.Context, o Options, rx *receiver) (_ *server, err error) {
	s := &server{o: o}
	if s.dir, err = os.MkdirTemp("", "waybill-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.key, err = s.account(ctx); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, s.setUp(ctx, rx.url)
}

// remove stops the server and removes its folder.
func (s *server) remove() {
	s.stop()
	_ = os.RemoveAll(s.dir)
}

// environment of the program: nothing of ours but what it needs.
func (s *server) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "WAYBILL_DATA_DIR=" + s.dir, "WAYBILL_ADDR=" + s.addr, "WAYBILL_ALLOW_HOSTS=127.0.0.1/32", "WAYBILL_BASE_URL=http://" + s.addr}, s.more...)
}

func (s *server) start(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	s.cmd = exec.CommandContext(ctx, s.o.Self, "serve")
	s.cmd.Env, s.cmd.Stderr, s.cmd.Stdout = s.environment(), &s.log, &s.log
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the program: %w", err)
	}
	for time.Since(begin) < 20*time.Second {
		if r, err := http.Get("http://" + s.addr + "/readyz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				s.ready = time.Since(begin)
				return nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("the program did not get ready:\n%s", s.log.String())
}

// account makes a user and a key by the program's own commands.
func (s *server) account(ctx context.Context) (string, error) {
	run := func(stdin string, args ...string) (string, error) {
		c := exec.CommandContext(ctx, s.o.Self, args...)
		c.Env, c.Stdin = s.environment(), strings.NewReader(stdin)
		out, err := c.Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return "", fmt.Errorf("%s: %s", strings.Join(args, " "), failed.Stderr)
		}
		return strings.TrimSpace(string(out)), err
	}
	if _, err := run(benchPassword+"\n", "user", "create", "--email", "bench@example.com", "--name", "Bench", "--role", "Administrator", "--password-stdin"); err != nil {
		return "", err
	}
	return run("", "apikey", "create", "--name", "bench", "--user", "bench@example.com")
}

func (s *server) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// setUp makes a connection, two destinations and their actions through the API.
func (s *server) setUp(ctx context.Context, url string) error {
	conn, err := s.post(ctx, "connections", map[string]any{"name": "Bench receiver", "type": "webhook", "base_url": url})
	if err != nil {
		return err
	}
	for _, d := range []struct{ event, template string }{{"bench.plain", ""}, {"bench.template", template}} {
		dest, err := s.post(ctx, filepath.Join("connections", conn, "destinations"), map[string]any{"name": d.event, "path": "/hook", "template": d.template,
			"sign": false, "max_in_flight": 256})
		if err != nil {
			return err
		}
		if _, err := s.post(ctx, "actions", map[string]any{"name": d.event, "event": d.event, "destination_id": dest}); err != nil {
			return err
		}
	}
	return nil
}

// inbound is the target of a load on an inbound URL whose calls raise what POST /events raises in the load without a template.
func (s *server) inbound(ctx context.Context) (to target, err error) {
	user, err := s.post(ctx, "users", map[string]any{"email": "calls@example.com", "name": "Calls", "roles": []string{"Viewer"}})
	if err != nil {
		return to, err
	}
	id, err := s.post(ctx, "inbound-endpoints", map[string]any{"name": "Calls", "service_user_id": user, "event": "bench.plain", "rate_per_second": 100_000})
	if err != nil {
		return to, err
	}
	var made struct{ URL string }
	if err := s.object(ctx, "inbound-endpoints/"+id, &made); err != nil {
		return to, err
	}
	return target{path: made.URL[strings.Index(made.URL, "/in/"):], body: payload}, nil
}

// post makes one object and gives its id.
func (s *server) post(ctx context.Context, path string, body any) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/api/v1/"+path, bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK || json.Unmarshal(text, &made) != nil {
		return "", fmt.Errorf("POST %s answered %d: %s", path, resp.StatusCode, text)
	}
	return made.ID, nil
}
