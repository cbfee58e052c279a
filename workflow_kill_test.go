package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

const killed = `{"name":"Kill","trigger":{"kind":"event","event":"kill.run"},"steps":[
 {"key":"one","kind":"outgoing","request":{"url":"RX/one","body":"{\"n\":{{ it.data[0].n }}}"},"next":[{"to":"two","when":"steps.one.response.body.ok"},{"to":"side"}],
  "webhooks":[{"name":"New","trigger":"created","url":"RX/hook"},{"name":"Done","url":"RX/hook"}]},
 {"key":"two","kind":"script","script":"return it.data[0].n","next":[{"to":"three"}],"webhooks":[{"name":"Done","url":"RX/hook"}]},
 {"key":"side","kind":"wait","wait":{"seconds":1},"next":[{"to":"three"}]},
 {"key":"three","kind":"outgoing","wait_for_all":true,"request":{"url":"RX/three","body":"{\"n\":{{ it.steps.two.output }}}"},"next":[{"to":"end"}],"webhooks":[{"name":"New","trigger":"created","url":"RX/hook"}]},
 {"key":"end","kind":"end","webhooks":[{"name":"Done","url":"RX/hook"}]}]}`

// TestKillRuns kills the program with signal 9 while runs are under way, again and again. No run and no step is lost or done
// twice, and every message of every step arrives under one id, that of its only delivery, however often it was sent.
func TestKillRuns(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	begun := time.Now()
	f.say = func(path string, n int) (int, string) {
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // some are under way when it is killed
		if n%10 == 0 && time.Since(begun) < 3*time.Second {         // its second try comes later than that, after more kills
			return 503, ""
		}
		return 200, `{"ok":true}`
	}
	id := f.publishes(killed)
	accepted := f.killedUnderLoad(4)
	f.eventually("every run ends", func() bool {
		for _, s := range []string{"running", "waiting"} {
			if len(f.must(200, "GET", "runs?limit=1&status="+s, nil).items()) > 0 {
				return false
			}
		}
		return true
	})
	f.eventually("nothing is left to deliver", func() bool {
		for range 2 { // a retry that begins between two questions is seen by the next ones
			for _, s := range []string{"retrying", "pending", "sending"} {
				if len(f.must(200, "GET", "deliveries?limit=1&status="+s, nil).items()) > 0 {
					return false
				}
			}
		}
		return true
	})
	heard := f.heardIDs(t)
	runs := f.all("runs?workflow_id=" + id)
	began := map[string]int{}
	want := map[string]bool{} // ids of deliveries
	for _, run := range runs {
		began[dig(run, "data.n")]++
		f.wholeRun(t, run, heard, want)
	}
	for n := range accepted {
		if began[n] != 1 {
			t.Errorf("event %s was accepted and started %d runs", n, began[n])
		}
	}
	for _, d := range f.all("deliveries?status=delivered") {
		if id := dig(d, "id"); !want[id] {
			t.Errorf("no step knows delivery %s of step %s", id, dig(d, "step"))
		}
		delete(want, dig(d, "id"))
	}
	for id := range want {
		t.Errorf("not delivered: %s", f.must(200, "GET", "deliveries/"+id, nil).text)
	}
	for _, name := range []string{"webhook.request", "webhook.response"} {
		if n := len(f.all("events?name=" + name)); n != 2*len(runs) {
			t.Errorf("%d events %s of %d requests", n, name, 2*len(runs))
		}
	}
	t.Logf("%d events accepted, %d runs", len(accepted), len(runs))
}

// killedUnderLoad sends events while the program is killed so many times, starts it once more, and gives what was accepted.
func (f *flowing) killedUnderLoad(rounds int) map[string]bool {
	f.t.Helper()
	accepted := map[string]bool{}
	n := 0
	for round := range rounds {
		if round > 0 {
			f.start()
		}
		end := time.Now().Add(time.Duration(250+rand.IntN(350)) * time.Millisecond)
		for time.Now().Before(end) {
			n++
			a, err := f.api("POST", "events", fmt.Sprintf(`{"name":"kill.run","id":"k%d","data":{"n":%d}}`, n, n))
			if err == nil && a.status == http.StatusAccepted {
				accepted[fmt.Sprint(n)] = true
			}
		}
		f.kill()
	}
	f.start()
	return accepted
}

// heardIDs are the ids under which each message came: by what it is about for webhooks, by the run's number for requests.
func (f *flowing) heardIDs(t *testing.T) map[string]map[string]int {
	ids := map[string]map[string]int{}
	hear := func(key string, h heard) {
		if ids[key] == nil {
			ids[key] = map[string]int{}
		}
		ids[key][h.header.Get("webhook-id")]++
	}
	for _, h := range f.at("/hook") {
		hear(dig(h.body, "step.id")+" "+dig(h.body, "webhook.id"), h)
	}
	for _, step := range []string{"one", "three"} {
		for _, h := range f.at("/" + step) {
			hear(step+" "+dig(h.body, "n"), h)
		}
	}
	again := 0
	for key, list := range ids {
		if len(list) != 1 {
			t.Errorf("%s came under %d ids: %v", key, len(list), list)
		}
		for _, n := range list {
			again += n - 1
		}
	}
	t.Logf("%d messages, %d of them repeated", len(ids), again)
	return ids
}

// wholeRun checks that a run went once through every step and that each message of it was heard under the id of its delivery,
// which is added to want.
func (f *flowing) wholeRun(t *testing.T, run map[string]any, heard map[string]map[string]int, want map[string]bool) {
	t.Helper()
	steps := map[string]int{}
	list, _ := run["steps"].([]any)
	for _, s := range list {
		key, hooks := dig(s, "key"), 0
		steps[key]++
		if key == "one" || key == "three" {
			if id := dig(s, "delivery_id"); heard[key+" "+dig(run, "data.n")][id] == 0 {
				t.Errorf("run %v: the request of %s never came as %s", run["number"], key, id)
			} else {
				want[id] = true
			}
		}
		for i := 0; dig(s, fmt.Sprintf("webhooks.%d.id", i)) != "<none>"; i++ {
			hooks++
			id := dig(s, fmt.Sprintf("webhooks.%d.delivery_id", i))
			if heard[dig(s, "id")+" "+dig(s, fmt.Sprintf("webhooks.%d.id", i))][id] == 0 {
				t.Errorf("run %v: webhook %d of %s never came as %s", run["number"], i, key, id)
			}
			want[id] = true
		}
		if n := map[string]int{"one": 2, "two": 1, "three": 1, "end": 1}[key]; hooks != n {
			t.Errorf("run %v: %s has %d messages, want %d", run["number"], key, hooks, n)
		}
	}
	if got, want := fmt.Sprint(run["status"], " ", steps), "completed map[end:1 one:1 side:1 three:1 two:1]"; got != want {
		t.Errorf("run %v: want %s, got %s", run["number"], want, got)
	}
}

// all are the items of a list, over all its pages.
func (f *flowing) all(path string) (out []map[string]any) {
	f.t.Helper()
	for cursor := ""; ; {
		page := f.must(200, "GET", path+"&limit=200&cursor="+cursor, nil)
		out = append(out, page.items()...)
		if cursor = page.str("next_cursor"); cursor == "" {
			return out
		}
	}
}
