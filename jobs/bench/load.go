package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// most is the longest run of sequence numbers.
const most = 1 << 20

// receiver takes deliveries and notes when each first came. Bodies carry their sequence number.
type receiver struct {
	url    string
	server *http.Server
	seen   []atomic.Int64 // nanoseconds since base, 0 = not yet
	twice  atomic.Int64
	count  atomic.Int64
	base   time.Time
	slow   atomic.Int64 // nanoseconds that every answer takes
	hangs  atomic.Bool  // whether what is sent to /hang is never answered
}

func listen() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	rx := &receiver{url: "http://" + l.Addr().String(), seen: make([]atomic.Int64, most), base: time.Now()}
	rx.server = &http.Server{Handler: http.HandlerFunc(rx.take)}
	go func() { _ = rx.server.Serve(l) }()
	return rx, nil
}

func (rx *receiver) close() { _ = rx.server.Close() }

func (rx *receiver) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if d := rx.slow.Load(); d > 0 {
		time.Sleep(time.Duration(d))
	}
	if r.URL.Path == "/hang" && rx.hangs.Load() {
		<-r.Context().Done()
		return
	}
	if r.URL.Path == "/hook" {
		if n := sequence(body); n >= 0 && n < most {
			if rx.seen[n].CompareAndSwap(0, int64(time.Since(rx.base))) {
				rx.count.Add(1)
			} else {
				rx.twice.Add(1)
			}
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

const mark = `{"n":`

// details are an event's data behind its number.
var details = `,"order":"A-100234","currency":"EUR","total":129.5,"paid":true,"customer":"Ada Lovelace","email":"ada@example.com","city":"Wellington","country":"NZ","note":"` +
	strings.Repeat("Ring twice, please. ", 41) + `"}`

// payload appends an event's data to b: ten flat fields, about 1 KiB, the first one its number.
func payload(b []byte, n int) []byte {
	return append(strconv.AppendInt(append(b, mark...), int64(1_000_000_000+n), 10), details...)
}

func sequence(body []byte) int {
	rest, ok := bytes.CutPrefix(body, []byte(mark))
	if !ok || len(rest) < 10 {
		return -1
	}
	n, err := strconv.Atoi(string(rest[:10]))
	if err != nil {
		return -1
	}
	return n - 1_000_000_000
}

// result of one load.
type result struct {
	accepted, delivered float64 // a second
	p50, p99            float64 // milliseconds from before the POST (or its due time) to arrival
	memory              float64 // MiB at the end of the load
	cpu                 float64 // microseconds of processor an event, all processes of the program
	meanwhile           float64 // received a second while events were accepted; the rest came after
	missing, twice      int
}

// saturate posts as fast as answers come, then waits until all that was accepted has arrived.
func (s *server) saturate(ctx context.Context, rx *receiver, event string) (result, error) {
	return s.flatOut(ctx, rx, s.events(event))
}

func (s *server) flatOut(ctx context.Context, rx *receiver, to target) (result, error) {
	return s.drive(ctx, rx, to, s.o.Connections, func(int) time.Time { return time.Now() })
}

// calm posts at a fixed rate, whether or not answers come (open loop).
func (s *server) calm(ctx context.Context, rx *receiver, event string, rate int) (result, error) {
	start := time.Now()
	return s.drive(ctx, rx, s.events(event), 32, func(i int) time.Time {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		return due
	})
}

// next makes sequence numbers over all loads of a run.
var next atomic.Int64

// target is where a load goes: a path, more lines of the head, and the body with a number.
type target struct {
	path, head string
	body       func(b []byte, n int) []byte // appends it; of several events, from n on, where lot says so
	lot        int                          // events in one request, 0 = 1
	lost       func(n int) bool             // those that are not expected to arrive, nil = all are
}

// events is the target of a load that publishes events of that name.
func (s *server) events(name string) target {
	return s.named(func(int) string { return name })
}

func (s *server) named(name func(n int) string) target {
	return target{path: "/api/v1/events", head: "Authorization: Bearer " + s.key + "\r\n", body: func(b []byte, n int) []byte {
		b = append(strconv.AppendQuote(append(b, `{"name":`...), name(n)), `,"data":`...)
		return append(payload(b, n), '}')
	}}
}

// lots is the target of a load that publishes so many events of a name with one request.
func (s *server) lots(name string, lot int) target {
	one := s.events(name)
	return target{path: one.path + "/batch", head: one.head, lot: lot, body: func(b []byte, n int) []byte {
		b = append(b, `{"events":[`...)
		for i := range lot {
			b = append(one.body(b, n+i), ',')
		}
		return append(b[:len(b)-1], "]}"...)
	}}
}

func (s *server) drive(ctx context.Context, rx *receiver, to target, connections int, due func(i int) time.Time) (result, error) {
	lot := int64(max(1, to.lot))
	first, twice, count := next.Load(), rx.twice.Load(), rx.count.Load()
	var accepted, expected, turn atomic.Int64
	sent := make([]time.Time, most-first)
	begin, worked := time.Now(), s.cpu()
	end := begin.Add(s.o.Load)
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			errs <- s.poster(to, func(post func(n int) error) error {
				for ctx.Err() == nil {
					when := due(int(turn.Add(1) - 1))
					if when.After(end) {
						return nil
					}
					n := next.Add(lot) - lot
					if n+lot > most {
						return nil
					}
					for i := range lot {
						sent[n-first+i] = when
					}
					if err := post(int(n)); err != nil {
						return err
					}
					accepted.Add(lot)
					if to.lost == nil || !to.lost(int(n)) {
						expected.Add(lot)
					}
				}
				return ctx.Err()
			})
		})
	}
	wg.Wait()
	for range connections {
		if err := <-errs; err != nil {
			return result{}, fmt.Errorf("%s: %w", strings.SplitAfter(to.path, "/")[1], err)
		}
	}
	spent := time.Since(begin)
	r := result{accepted: float64(accepted.Load()) / spent.Seconds(), meanwhile: float64(rx.count.Load()-count) / spent.Seconds(), memory: s.memory()}
	for wait := time.Now(); rx.count.Load()-count < expected.Load() && time.Since(wait) < 2*time.Minute; {
		time.Sleep(5 * time.Millisecond)
	}
	rx.measure(&r, first, next.Load(), sent)
	r.cpu = float64((s.cpu() - worked).Microseconds()) / float64(max(1, accepted.Load()))
	r.missing = int(expected.Load() - (rx.count.Load() - count))
	r.twice = int(rx.twice.Load() - twice)
	return r, nil
}

func (rx *receiver) measure(r *result, from, to int64, sent []time.Time) {
	var waits []time.Duration
	last, start := time.Duration(0), sent[0].Sub(rx.base)
	for n := from; n < min(to, most); n++ {
		at := time.Duration(rx.seen[n].Load())
		if at == 0 {
			continue
		}
		waits = append(waits, at-sent[n-from].Sub(rx.base))
		last = max(last, at)
		start = min(start, sent[n-from].Sub(rx.base))
	}
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	r.p50 = float64(waits[len(waits)/2]) / 1e6
	r.p99 = float64(waits[len(waits)*99/100]) / 1e6
	r.delivered = float64(len(waits)) / (last - start).Seconds()
}

// poster keeps one connection and posts events on it. It is lean: the generator shares the machine with the program.
func (s *server) poster(to target, run func(post func(n int) error) error) error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	head := "POST " + to.path + " HTTP/1.1\r\nHost: " + s.addr + "\r\n" + to.head + "Content-Type: application/json\r\nContent-Length: "
	var out, body []byte
	return run(func(n int) error {
		body = to.body(body[:0], n)
		out = append(append(strconv.AppendInt(append(out[:0], head...), int64(len(body)), 10), "\r\n\r\n"...), body...)
		if _, err := conn.Write(out); err != nil {
			return err
		}
		return taken(in)
	})
}

// taken reads an answer, and is nil where it is 202. Of its head it reads what it needs.
func taken(in *bufio.Reader) error {
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	accepted := bytes.HasPrefix(status, []byte("HTTP/1.1 202"))
	said, length := "", -1
	if !accepted {
		said = string(bytes.TrimSpace(status))
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if number, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(number))); err != nil {
				return fmt.Errorf("an answer without a length that can be read: %s", line)
			}
		}
	}
	if length < 0 {
		err = passChunks(in)
	} else if accepted {
		_, err = in.Discard(length)
	}
	if accepted || err != nil {
		return err
	}
	text := make([]byte, max(0, length))
	if _, err := io.ReadFull(in, text); err != nil {
		return err
	}
	return fmt.Errorf("an event was answered %s: %s", said, text)
}

// passChunks reads over a body that comes in chunks (RFC 9112, 7.1).
func passChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("an answer whose length cannot be read: %w", err)
		}
		if _, err := in.Discard(int(size) + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

// bareLoop posts the same bodies straight to the receiver with net/http: what a deliverer without any work could reach.
func bareLoop(ctx context.Context, rx *receiver, o Options) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.Connections}}
	defer client.CloseIdleConnections()
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, o.Connections)
	begin := time.Now()
	for range o.Connections {
		wg.Go(func() {
			for i := 0; time.Since(begin) < o.Load; i++ {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, rx.url+"/bare", bytes.NewReader(payload(make([]byte, 0, 1100), i)))
				if err != nil {
					errs <- err
					return
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					errs <- err
					return
				}
				_ = resp.Body.Close()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, fmt.Errorf("bare loop: %w", err)
	default:
		return float64(done.Load()) / time.Since(begin).Seconds(), nil
	}
}

// memory is the proportional set size of the program and its children, in MiB; 0 where the system does not tell.
func (s *server) memory() float64 {
	total := 0.0
	for _, pid := range s.pids() {
		rollup, err := os.ReadFile(filepath.Join("/proc", pid, "smaps_rollup"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rollup)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.ParseFloat(f[1], 64)
				total += kb / 1024
			}
		}
	}
	return total
}

// cpu is the processor time that the program and its children have used; 0 where the system does not tell.
func (s *server) cpu() time.Duration {
	var ticks int64
	for _, pid := range s.pids() {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.ParseInt(f[11], 10, 64)
			system, _ := strconv.ParseInt(f[12], 10, 64)
			ticks += user + system
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on every Linux that Go runs on
}

// pids are the program's process and its children's.
func (s *server) pids() []string {
	out := []string{strconv.Itoa(s.cmd.Process.Pid)}
	for i := 0; i < len(out); i++ {
		tasks, _ := filepath.Glob(filepath.Join("/proc", out[i], "task", "*", "children"))
		for _, t := range tasks {
			if children, err := os.ReadFile(t); err == nil {
				out = append(out, strings.Fields(string(children))...)
			}
		}
	}
	return out
}
