package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// spellings of this machine, each of which some software or other understands.
var spellings = []string{
	"127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0", "0.0.0.0",
	"127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]",
	"[64:ff9b::7f00:1]", "localhost", "localhost.", "LOCALHOST", "a.localhost", "127.8.9.10",
}

// loopbacks listens on 127.0.0.1 and ::1 at the same port and counts what connects.
func loopbacks(t *testing.T) (port string, hits *atomic.Int64) {
	t.Helper()
	hits = &atomic.Int64{}
	four, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(four.Addr().String())
	listeners := []net.Listener{four}
	if six, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		listeners = append(listeners, six)
	} else {
		t.Logf("without ::1: %v", err)
	}
	for _, l := range listeners {
		srv := &http.Server{Handler: http.NotFoundHandler(), ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				hits.Add(1)
			}
		}}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
	}
	return port, hits
}

// TestAddressSpellings sends to this machine in every spelling, over plain HTTP and HTTPS, when nothing is allowed.
func TestAddressSpellings(t *testing.T) {
	t.Parallel()
	port, hits := loopbacks(t)
	p := newProgram(t, "", "WAYBILL_ALLOW_HOSTS=", "HTTP_PROXY=http://127.0.0.1:"+port, "HTTPS_PROXY=http://127.0.0.1:"+port)
	p.start()
	sent := 0
	for i, host := range spellings {
		for _, scheme := range []string{"http", "https"} {
			base, event := scheme+"://"+host+":"+port, fmt.Sprintf("spelling.%d.%s", i, scheme)
			conn, err := p.api(http.MethodPost, "connections", map[string]any{"name": event, "base_url": base})
			if err != nil {
				t.Fatal(err)
			}
			if conn.status == http.StatusUnprocessableEntity && strings.Contains(conn.text, `"base_url"`) {
				continue // not even stored
			}
			if w, _ := conn.json["warnings"].([]any); conn.status != http.StatusCreated || len(w) == 0 {
				t.Errorf("%s: %d %s, want it stored with a warning", base, conn.status, conn.text)
				continue
			}
			dest := p.must(http.StatusCreated, http.MethodPost, "connections/"+conn.str("id")+"/destinations", map[string]any{"name": event}).str("id")
			p.must(http.StatusCreated, http.MethodPost, "actions", map[string]any{"name": event, "event": event, "destination_id": dest})
			e := p.must(http.StatusAccepted, http.MethodPost, "events", map[string]any{"name": event, "data": 1}).str("id")
			d := p.settled(e, "delivered", "failed", "held", "retrying")
			said, _ := d["last_error"].(string)
			if d["status"] != "failed" || !strings.Contains(said, "WAYBILL_ALLOW_HOSTS") || !strings.Contains(said, "(rule ") {
				t.Errorf("%s: %v, “%s”, want it to fail and to name the rule and the setting", base, d["status"], said)
			}
			sent++
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("this machine was reached %d times", n)
	}
	if sent < 20 {
		t.Errorf("%d deliveries show nothing", sent)
	}
	t.Logf("%d deliveries refused, %d addresses not stored", sent, 2*len(spellings)-sent)
}

// metric is one number of /metrics.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.url("/metrics"), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil {
				return value
			}
		}
	}
	p.t.Fatalf("no metric %s: %d", name, resp.StatusCode)
	return 0
}

// leaver is a client that goes away while it posts an event: within the headers, within the body, or without reading
// the answer.
func (p *program) leaver(n int) {
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		return
	}
	defer conn.Close()
	body := fmt.Sprintf(`{"name":"gone","data":{"n":%d,"text":%q}}`, -1-n, strings.Repeat("y", 2000))
	text := fmt.Sprintf("POST /api/v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", p.addr, p.key, len(body), body)
	switch n % 4 {
	case 0:
		text = text[:rand.IntN(len(text)-len(body))]
	case 1:
		text = text[:len(text)-1-rand.IntN(len(body)-1)]
	}
	_, _ = io.WriteString(conn, text)
	if n%4 == 3 {
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	}
}

// TestGoneCaller posts events from clients that stay and, at the same time, from clients that go away at any moment.
func TestGoneCaller(t *testing.T) {
	rx := newCatcher(t)
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "gone", nil, nil)
	p.must(http.StatusAccepted, http.MethodPost, "events", `{"name":"gone","data":{"n":0}}`)
	p.eventually("the first event is received", func() bool { return rx.missing(map[int]bool{0: true}) == 0 })
	before := p.metric("go_goroutines")

	const staying, each = 8, 150
	ctx, stop := context.WithCancel(context.Background())
	var leaving, wg sync.WaitGroup
	var left atomic.Int64
	for range 8 {
		leaving.Go(func() {
			for ctx.Err() == nil {
				p.leaver(int(left.Add(1)))
			}
		})
	}
	accepted := map[int]bool{}
	for i := range staying * each {
		accepted[1+i] = true
	}
	for i := range staying {
		wg.Go(func() {
			for j := range each {
				n := 1 + i*each + j
				a, err := p.api(http.MethodPost, "events", fmt.Sprintf(`{"name":"gone","data":{"n":%d}}`, n))
				if err != nil || a.status != http.StatusAccepted {
					t.Errorf("event %d: %d %s %v, want 202", n, a.status, a.text, err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	leaving.Wait()
	p.eventually("every event that was answered is received", func() bool { return rx.missing(accepted) == 0 })
	p.eventually("nothing is open any more", func() bool {
		return len(p.must(http.StatusOK, http.MethodGet, "deliveries?status=pending", nil).items()) == 0
	})
	rx.CloseClientConnections()
	http.DefaultClient.CloseIdleConnections()
	p.eventually("the goroutines are as few as before", func() bool { return p.metric("go_goroutines") <= before+10 })
	t.Logf("%d clients left, %d stayed; goroutines %v before, %v after", left.Load(), len(accepted), before, p.metric("go_goroutines"))
	if left.Load() < staying*each/4 {
		t.Error("too few clients left to show anything")
	}
}

// hostile are the worst of the templates that jobs/script is tested with: one or two of each kind.
var hostile = []string{
	`for(;;);`,
	`let a=[];for(;;)a.push(new Array(1000).fill("x"))`,
	`/(a+)+\1$/.test("a".repeat(40)+"b")`,
	`"x".repeat(2**40)`,
	`"\u1E9B\u0323".repeat(1e7).normalize("NFKD")`,
	`Array.prototype.indexOf.call({length:2**53-1},1)`,
	`new Array(2**32-1).fill(0)`,
	`let a=[];a[1e8]=1;a.sort()`,
	`"x".repeat(1e5).replaceAll("x","y".repeat(1e5))`,
	`new Uint8Array(2**40)`,
	`JSON["par"+"se"]("[".repeat(5e6))`,
	`(function f(){f()})()`,
	`return "x".repeat(2**21)`,
	`return {toJSON(){for(;;);}}`,
}

// bounds are the words by which an error names the bound that was met.
var bounds = []string{"ran longer than 250 ms", "did not stop within 1s", "memory of its worker", "stack of its worker", "nested deeper than 300", "longer than 1 MiB"}

// TestHostileTemplates sends events through the worst templates while a destination with a harmless one gets its own.
func TestHostileTemplates(t *testing.T) {
	rx := newCatcher(t)
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "good", nil, map[string]any{"template": "{{! return JSON.stringify(it.data[0]); }}"})
	events := map[string]string{}
	for i, code := range hostile {
		p.route(rx.URL, fmt.Sprintf("bad.%d", i), nil, map[string]any{"template": "{{! " + code + " }}", "retry_schedule": []int{0, 0, 0, 0}})
	}
	post := func(n int) {
		p.must(http.StatusAccepted, http.MethodPost, "events", fmt.Sprintf(`{"name":"good","data":{"n":%d}}`, n))
	}
	post(0)
	p.eventually("the first event is received", func() bool { return rx.missing(map[int]bool{0: true}) == 0 })
	before, most := residentKB(t, p.cmd.Process.Pid), 0
	for i := range hostile {
		for range 1 + i%2 { // alone, and beside another one of its kind
			e := p.must(http.StatusAccepted, http.MethodPost, "events", fmt.Sprintf(`{"name":"bad.%d","data":{"n":-1}}`, i)).str("id")
			events[e] = hostile[i]
		}
	}
	const atOnce = 4 // harmless ones under way
	good, statuses, turns := map[int]bool{0: true}, map[string]int{}, 0
	for ; len(events) > 0; turns++ {
		if rx.missing(good) < atOnce {
			post(len(good))
			good[len(good)] = true
		}
		most = max(most, residentKB(t, p.cmd.Process.Pid))
		for e, code := range events {
			d := p.must(http.StatusOK, http.MethodGet, "deliveries?event_id="+e, nil).items()[0]
			status, said := d["status"].(string), fmt.Sprint(d["last_error"])
			if status == "pending" || status == "sending" || status == "retrying" {
				break // one look a turn is enough
			}
			delete(events, e)
			statuses[status]++
			if status != "failed" && status != "held" {
				t.Errorf("%s: %s", code, status)
			}
			if !containsAny(said, bounds) {
				t.Errorf("%s: “%s” names no bound", code, said)
			}
			t.Logf("%-50s %-7s %s", code, status, said)
		}
		if turns > 5000 {
			t.Fatalf("not settled: %v", events)
		}
		time.Sleep(5 * time.Millisecond)
	}
	// What has to wait until the hostile ones are done gets through once at most; how fast this machine is does not count.
	if through := len(good) - rx.missing(good); through < 3*atOnce {
		t.Errorf("only %d harmless deliveries got through while hostile ones were under way", through)
	}
	p.eventually("every event of the harmless template is received", func() bool { return rx.missing(good) == 0 })
	t.Logf("%v; %d other deliveries in %d turns; server %d MB before, %d MB at most", statuses, len(good), turns, before>>10, most>>10)
	if grown := most - before; grown > 96<<10 {
		t.Errorf("the server grew by %d KB", grown)
	}
	if len(rx.ids[-1]) != 0 {
		t.Error("a hostile template sent something")
	}
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// residentKB is VmRSS of a process.
func residentKB(t *testing.T, pid int) (n int) {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("no /proc here; CI runs this on Linux")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return n
}
