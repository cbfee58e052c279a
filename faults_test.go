package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// injected is one fault of the operating system: strace makes a system call of one of the server's threads, on the
// database or its WAL, fail or end the process at its entry.
type injected struct {
	name   string
	inject string
	ends   bool // the process ends by it: killed, or because after a failed sync nothing can be promised any more
}

// The n-th call is that of one thread; the server's writer runs now on this one, now on that.
func injections() []injected {
	var all []injected
	writes, syncs := []int{2, 8, 13, 34, 55, 89}, []int{1, 3, 5}
	if n, err := strconv.Atoi(os.Getenv("WAYBILL_KILL_ROUNDS")); err == nil && n > 0 {
		writes, syncs = upTo(n), upTo(n/2)
	}
	for _, n := range writes {
		all = append(all, injected{fmt.Sprintf("killed at write %d", n), fmt.Sprintf("pwrite64:signal=KILL:when=%d", n), true})
	}
	for _, n := range syncs {
		all = append(all, injected{fmt.Sprintf("killed at sync %d", n), fmt.Sprintf("fsync:signal=KILL:when=%d", n), true})
	}
	return append(all,
		injected{"a write fails once", "pwrite64:error=EIO:when=60", false},
		injected{"no room for some writes", "pwrite64:error=ENOSPC:when=7..11", false},
		injected{"a sync fails once", "fsync:error=EIO:when=3", true},
		injected{"every sync fails", "fsync:error=EIO:when=6+", true},
	)
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

// TestInjectedFaults puts the server through every injection under load, on one data folder: what was answered 202
// arrives under one webhook-id, nothing is stuck, the database stays whole, and a server that cannot write says so.
func TestInjectedFaults(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fsync", "true").Run()
	}
	if err != nil {
		if os.Getenv("E2E") == "require" {
			t.Fatalf("strace: %v", err)
		}
		t.Skipf("needs strace, as CI has: %v", err)
	}
	rx := newCatcher(t)
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "fault", nil, map[string]any{"retry_schedule": []int{0, 1, 1, 1, 1, 1}})
	accepted, next := map[int]bool{}, 0
	for _, f := range injections() {
		if err := p.stop(); err != nil {
			t.Fatalf("before %q: %v", f.name, err)
		}
		answers := p.underFault(strace, f, accepted, &next)
		t.Logf("%-26s %v", f.name, answers)
		for status := range answers {
			if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
				t.Errorf("%s: answered %d", f.name, status)
			}
		}
		p.start()
	}
	p.eventually("every accepted event is received", func() bool { return rx.missing(accepted) == 0 })
	p.eventually("nothing is open any more", func() bool {
		for _, s := range []string{"pending", "sending", "retrying", "held", "failed"} {
			if len(p.must(200, "GET", "deliveries?status="+s, nil).items()) > 0 {
				return false
			}
		}
		return true
	})
	for n, ids := range rx.ids {
		if len(ids) != 1 {
			t.Errorf("event %d came under %d webhook-ids: %v", n, len(ids), ids)
		}
	}
	if out := p.command("", "doctor"); !strings.Contains(out, "ok") {
		t.Errorf("doctor: %s", out)
	}
	t.Logf("%d events answered 202, all received", len(accepted))
}

// underFault runs the server with f under load until it ends, or for a second and a half of it; it gives how often each
// status was answered.
func (p *program) underFault(strace string, f injected, accepted map[int]bool, next *int) map[int]int {
	p.t.Helper()
	cmd := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-P", filepath.Join(p.dir, "waybill.db"), "-P", filepath.Join(p.dir, "waybill.db-wal"),
		"-e", "trace=pwrite64,fsync", "-e", "inject="+f.inject, p.bin, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = p.environment(), p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := make(chan struct{})
	answers := map[int]int{}
	var mu sync.Mutex
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				n := *next
				*next++
				mu.Unlock()
				a, err := p.api("POST", "events", fmt.Sprintf(`{"name":"fault","data":{"n":%d,"text":%q}}`, n, strings.Repeat("x", 300)))
				if err != nil { // not there yet, or no more
					time.Sleep(5 * time.Millisecond)
					continue
				}
				mu.Lock()
				answers[a.status]++
				if a.status == http.StatusAccepted {
					accepted[n] = true
				}
				mu.Unlock()
			}
		})
	}
	enough := time.After(1500 * time.Millisecond)
	if f.ends {
		enough = time.After(patience)
	}
	select {
	case err := <-ended:
		if err == nil {
			p.t.Errorf("%s: the server ended as if all was well", f.name)
		}
	case <-enough:
		if f.ends {
			p.t.Errorf("%s: the server goes on", f.name)
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	close(stop)
	load.Wait()
	p.eventually("nobody listens any more", func() bool { _, err := http.Get(p.url("/healthz")); return err != nil })
	return answers
}
