package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// catcher is a receiver that remembers every request by the sequence number in its body.
type catcher struct {
	*httptest.Server
	mu   sync.Mutex
	ids  map[int]map[string]int // number → webhook-id → times
	fail func(n int) int        // status to answer instead of 200; 0 = 200
}

func newCatcher(t testing.TB) *catcher {
	c := &catcher{ids: map[int]map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data struct{ N int }
		if err != nil || json.Unmarshal(body, &data) != nil {
			http.Error(w, "not ours", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		if c.ids[data.N] == nil {
			c.ids[data.N] = map[string]int{}
		}
		c.ids[data.N][r.Header.Get("Webhook-Id")]++
		status := 0
		if c.fail != nil {
			status = c.fail(data.N)
		}
		c.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *catcher) missing(accepted map[int]bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range accepted {
		if len(c.ids[i]) == 0 {
			n++
		}
	}
	return n
}

// interrupted are the deliveries that a server had in hand when it was killed.
func (p *program) interrupted() map[string]bool {
	out := map[string]bool{}
	for path := "deliveries?interrupted=true&limit=200"; ; {
		a := p.must(200, "GET", path, nil)
		for _, d := range a.items() {
			if out[d["id"].(string)] = true; d["interruptions"].(float64) < 1 {
				p.t.Errorf("%v is listed as interrupted and was not", d["id"])
			}
		}
		cursor := a.str("next_cursor")
		if cursor == "" {
			return out
		}
		path = "deliveries?interrupted=true&limit=200&cursor=" + cursor
	}
}

// rounds of the kill test: few in a plain run, WAYBILL_KILL_ROUNDS of them when set.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("WAYBILL_KILL_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 8
}

// TestKill kills the program with signal 9 at random points under load, again and again on the same data folder.
// Every event that was answered 202 must arrive, redeliveries keep their webhook-id, and nothing is stuck.
func TestKill(t *testing.T) {
	t.Parallel()
	rx := newCatcher(t)
	rx.fail = func(n int) int { // one in nine fails at first; those of all rounds failing together would open the breaker
		if n%9 == 0 {
			total := 0
			for _, times := range rx.ids[n] {
				total += times
			}
			if total <= 1 {
				return http.StatusServiceUnavailable
			}
		}
		return 0
	}
	p := newProgram(t, "")
	p.start()
	schedule := []int{0, 1, 1, 1, 1, 1, 1, 1}
	p.route(rx.URL, "kill.plain", nil, map[string]any{"retry_schedule": schedule})
	p.route(rx.URL, "kill.template", nil, map[string]any{"retry_schedule": schedule, "template": "{{! return JSON.stringify(it.data[0]); }}"})

	accepted, next := map[int]bool{}, 0
	var mu sync.Mutex
	for round := range rounds() {
		if round > 0 {
			p.start()
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					mu.Lock()
					n := next
					next++
					mu.Unlock()
					name := []string{"kill.plain", "kill.template"}[n%2]
					a, err := p.api("POST", "events", fmt.Sprintf(`{"name":%q,"data":{"n":%d,"text":%q}}`, name, n, strings.Repeat("x", 300)))
					if err == nil && a.status == http.StatusAccepted {
						mu.Lock()
						accepted[n] = true
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.kill()
		close(stop)
		wg.Wait()
	}
	p.start()
	p.eventually("every accepted event is received", func() bool { return rx.missing(accepted) == 0 })
	p.eventually("nothing is open any more", func() bool {
		for _, s := range []string{"pending", "sending", "retrying", "held", "failed"} {
			if len(p.must(200, "GET", "deliveries?status="+s, nil).items()) > 0 {
				return false
			}
		}
		return true
	})
	interrupted, again := p.interrupted(), 0
	for n, ids := range rx.ids {
		if len(ids) != 1 {
			t.Errorf("event %d came under %d webhook-ids: %v", n, len(ids), ids)
		}
		for id, times := range ids {
			if n%9 == 0 || times == 1 {
				continue
			}
			again += times - 1
			if !interrupted[id] {
				t.Errorf("%s came %d times and is not listed among those that were interrupted", id, times)
			}
		}
	}
	if again > 0 { // which people are told
		_, page := p.get(p.signIn("ada@example.com", password), "/deliveries?interrupted=true")
		if !strings.Contains(page, "In hand when the server ended without warning") {
			t.Error("the list does not say what it is of")
		}
	}
	t.Logf("%d kills, %d events answered 202, all received; %d redeliveries", rounds(), len(accepted), again)
	if len(accepted) == 0 {
		t.Error("no event was accepted: the test shows nothing")
	}
}

// TestDiskFull fills the disk under the data folder: nothing is accepted that is not stored, nothing that was accepted
// is lost, and all goes on by itself when there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("E2E") == "require" {
			t.Fatalf("mount a small disk: %v\n%s", err, out)
		}
		t.Skipf("needs the right to mount a small tmpfs, as CI has: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	rx := newCatcher(t)
	p := newProgram(t, dir)
	p.start()
	p.route(rx.URL, "full", nil, nil)
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	accepted, refused := map[int]bool{}, 0
	post := func(n int) answer {
		a, err := p.api("POST", "events", fmt.Sprintf(`{"name":"full","data":{"n":%d,"text":%q}}`, n, strings.Repeat("x", 60_000)))
		if err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		if a.status == http.StatusAccepted {
			accepted[n] = true
		}
		return a
	}
	n := 0
	for ; refused < 20 && n < 2000; n++ {
		if a := post(n); a.status != http.StatusAccepted {
			refused++
			if code := a.str("code"); a.status != http.StatusServiceUnavailable || code != "disk_full" && code != "disk_low" || a.header.Get("Retry-After") == "" {
				t.Fatalf("full disk: answered %d %s, want 503 disk_full or disk_low with Retry-After", a.status, a.text)
			}
		}
	}
	if refused == 0 {
		t.Fatal("the disk never got full")
	}
	p.must(200, "GET", "events", nil) // reading goes on
	p.eventually("/readyz says that nothing is accepted", func() bool {
		status, why := p.get(http.DefaultClient, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(why, "disk")
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	before := len(accepted)
	p.eventually("events are accepted again", func() bool { n++; return post(n).status == http.StatusAccepted })
	p.eventually("every accepted event is received", func() bool { return rx.missing(accepted) == 0 })
	p.eventually("nothing is open any more", func() bool { return len(p.must(200, "GET", "deliveries?status=pending", nil).items()) == 0 })
	for i := range rx.ids {
		if !accepted[i] {
			t.Errorf("event %d was refused and sent all the same", i)
		}
	}
	t.Logf("%d accepted before the disk was full, %d refused", before, refused)
}

// TestStop ends the program in order under load: what was accepted and not sent is sent by the next one, uncounted.
func TestStop(t *testing.T) {
	t.Parallel()
	rx := newCatcher(t)
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "stop", nil, map[string]any{"max_in_flight": 1})
	accepted := map[int]bool{}
	for n := range 200 {
		p.must(202, "POST", "events", fmt.Sprintf(`{"name":"stop","data":{"n":%d}}`, n))
		accepted[n] = true
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, tail(p.log.String(), 2000))
	}
	p.start()
	p.eventually("every accepted event is received", func() bool { return rx.missing(accepted) == 0 })
	for n, ids := range rx.ids {
		for id, times := range ids {
			if times != 1 {
				t.Errorf("event %d (%s) was sent %d times; an orderly stop repeats nothing", n, id, times)
			}
		}
	}
	for _, d := range p.must(200, "GET", "deliveries?limit=200", nil).items() {
		if d["interruptions"] != 0.0 || d["attempts"] != 1.0 {
			t.Errorf("delivery %v: interruptions %v, attempts %v, want 0 and 1", d["id"], d["interruptions"], d["attempts"])
		}
	}
}
