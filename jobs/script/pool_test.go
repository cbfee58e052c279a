package script

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

// lie is a worker that answers what no worker should.
func lie(kind string, in io.Reader, out io.Writer) {
	if kind == "start" {
		return
	}
	_, _ = out.Write(frame(nil, func(b []byte) []byte { return append(b, frameReady) }))
	if _, err := readFrame(in, nil, maxGroupBytes); err != nil {
		return
	}
	ok := func(index int, parts ...string) []byte {
		return frame(nil, func(b []byte) []byte { return appendAnswer(b, index, 0, Output{Parts: parts}, nil) })
	}
	done := frame(nil, func(b []byte) []byte { return append(b, frameDone, 0) })
	answers := map[string][]byte{
		"huge":     {0xff, 0xff, 0xff, 0xff, 1},
		"noise":    bytes.Repeat([]byte("noise"), 1000),
		"index":    ok(1, "x"),
		"early":    done,
		"parts":    append(ok(0, "x", "y"), done...),
		"nothing":  {0, 0, 0, 0},
		"twice":    append(ok(0, "x"), ok(0, "x")...),
		"overlong": append(binary.BigEndian.AppendUint32(nil, 6), frameResult, 0, 0, 0, 0xff, 0x7f),
		"exit":     nil,
	}
	_, _ = out.Write(answers[kind])
	fmt.Fprint(os.Stderr, strings.Repeat("chatter\n\x1b[31m", 10_000))
}

func TestWorkersAreNotTrusted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"huge", "noise", "index", "early", "parts", "nothing", "overlong", "exit"} {
		p := newTestPool(t, Options{Command: []string{self, "lie-" + kind}, Workers: 1})
		_, err := p.Render(t.Context(), job(body(Text, "{{ 1 }}"), order))
		var lost *Lost
		if !errors.As(err, &lost) || lost.Bound != BoundWorker && !raced { // the race detector lingers at exit
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestNoWorkerCanBeHad(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"/nowhere/at/all"}, {self, "lie-start"}} {
		p := newTestPool(t, Options{Command: command})
		_, err := p.Render(t.Context(), job(body(Text, "{{ 1 }}"), order))
		var lost *Lost
		var problem *Problem
		if err == nil || errors.As(err, &lost) || errors.As(err, &problem) || !strings.Contains(err.Error(), "start a render worker") {
			t.Errorf("%v", err)
		}
	}
}

// One version that hangs cannot hold all workers.
func TestOneVersionCannotHoldThePool(t *testing.T) {
	p := newTestPool(t, Options{Workers: 2})
	bad := &Template{Version: "bad", Parts: body(Text, `{{! for(;;); }}`).Parts}
	var ended atomic.Int32
	var wait sync.WaitGroup
	const jobs = 8
	for range jobs {
		wait.Go(func() {
			if _, err := p.Render(context.Background(), job(bad, order)); err == nil {
				t.Error("the endless template ended")
			}
			ended.Add(1)
		})
	}
	for i := range 20 {
		if got := say(t, p, Text, fmt.Sprintf("{{ %d }}", i), order); got != fmt.Sprint(i) {
			t.Error(got)
		}
	}
	if out, err := p.Preview(t.Context(), job(body(Text, "{{ 1 }}"), order)); err != nil || out.Parts[0] != "1" {
		t.Errorf("preview: %v %v", out, err)
	}
	if n := ended.Load(); n == jobs {
		t.Errorf("the other templates waited for all %d", n)
	}
	wait.Wait()
}

// Those that shared a group with a killer are rendered all the same.
func TestKillersTakeNobodyWithThem(t *testing.T) {
	p := newTestPool(t, Options{Workers: 2})
	template := &Template{Version: "v", Parts: body(Text, `{{! if (it.kill === "memory") "x".repeat(2**40); if (it.kill) Array.prototype.indexOf.call({length: 2**53 - 1}, 1); return it.n }}`).Parts}
	kill := map[int]string{17: "memory", 40: "time", 41: "memory"}
	var wait sync.WaitGroup
	for i := range 64 {
		wait.Go(func() {
			out, err := p.Render(context.Background(), job(template, fmt.Sprintf(`{"n":%d,"kill":%q}`, i, kill[i])))
			var lost *Lost
			switch {
			case kill[i] != "":
				if !errors.As(err, &lost) || lost.Bound != kill[i] && !raced { // the race detector dies in other words
					t.Errorf("%d should have killed its worker by %s: %v %v", i, kill[i], out, err)
				}
			case err != nil || out.Parts[0] != fmt.Sprint(i):
				t.Errorf("%d: %v %v", i, out, err)
			}
		})
	}
	wait.Wait()
}

// A worker that somebody else ended is nobody's fault.
func TestKilledFromOutside(t *testing.T) {
	p := newTestPool(t, Options{Workers: 1})
	for i := range 3 {
		if got := say(t, p, Text, "{{ 1 }}", order); got != "1" {
			t.Fatalf("round %d: %s", i, got)
		}
		for _, pid := range p.PIDs() {
			proc, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := proc.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWorkersComeAndGo(t *testing.T) {
	p := newTestPool(t, Options{IdleAfter: 20 * time.Millisecond})
	if pids := p.PIDs(); len(pids) != 0 {
		t.Errorf("workers before the first render: %v", pids)
	}
	if got := say(t, p, Text, "plain", order); got != "plain" || len(p.PIDs()) != 0 {
		t.Errorf("a plain text took a worker: %q", got)
	}
	for range 3 {
		if got := say(t, p, Text, "{{ 1 }}", order); got != "1" {
			t.Fatal(got)
		}
		for len(p.PIDs()) > 0 {
			time.Sleep(5 * time.Millisecond) // ends with the test's own deadline when a worker stays
		}
	}
}

func TestClose(t *testing.T) {
	p := NewPool(Options{})
	results := make(chan error, 5)
	for range cap(results) {
		go func() {
			_, err := p.Render(context.Background(), job(body(Text, `{{! for(;;); }}`), order))
			results <- err
		}()
	}
	for len(p.PIDs()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Errorf("render under way: %v", err)
		}
	}
	if pids := p.PIDs(); len(pids) != 0 {
		t.Errorf("workers after Close: %v", pids)
	}
	if _, err := p.Render(context.Background(), job(body(Text, "{{ 1 }}"), order)); !errors.Is(err, ErrClosed) {
		t.Errorf("render after Close: %v", err)
	}
}

func TestCancel(t *testing.T) {
	p := newTestPool(t, Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Render(ctx, job(body(Text, "{{ 1 }}"), order)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := say(t, p, Text, "{{ 2 }}", order); got != "2" {
		t.Error(got)
	}
}

func TestSizes(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, c := range []struct {
		template *Template
		input    string
		bound    string
	}{
		{body(Text, "{{ 1 }}"+strings.Repeat("x", MaxTemplate)), order, BoundSize},
		{body(Text, "{{ 1 }}"), `{"a":"` + strings.Repeat("x", MaxInput) + `"}`, BoundSize},
		{body(Text, "{{ it.a + it.a }}"), `{"a":"` + strings.Repeat("x", MaxOutput) + `"}`, BoundOutput},
		{&Template{Parts: make([]Part, maxParts+1)}, order, BoundSize},
	} {
		_, err := p.Render(t.Context(), job(c.template, c.input))
		var problem *Problem
		if !errors.As(err, &problem) || problem.Bound != c.bound {
			t.Errorf("%.100v, want bound %s", err, c.bound)
		}
	}
	text := strings.Repeat("ü", MaxOutput/2)
	if got := say(t, p, Text, "{{ it.data }}", `{"data":"`+text+`"}`); got != text {
		t.Errorf("%d bytes of the largest result", len(got))
	}
}

func TestWorkerIsConfined(t *testing.T) {
	if runtime.GOOS != "linux" || raced {
		t.Skip("all limits are set on Linux without the race detector only, where CI runs")
	}
	t.Setenv("WAYBILL_CANARY", "secret")
	p := newTestPool(t, Options{Workers: 1})
	say(t, p, Text, "{{ 1 }}", order)
	for _, pid := range p.PIDs() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || len(env) > 0 {
			t.Errorf("environment %q %v", env, err)
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(line[min(26, len(line)):]); len(f) > 0 {
				got[strings.TrimSpace(line[:26])] = f[0]
			}
		}
		for name, want := range map[string]string{"Max data size": "268435456", "Max open files": "32", "Max core file size": "0", "Max file size": "0"} {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s: want - got +\n%s", name, diff)
			}
		}
	}
}

// Many callers, many versions: every caller gets its own answer.
func TestEveryCallerGetsItsOwnAnswer(t *testing.T) {
	p := newTestPool(t, Options{})
	var templates []*Template
	for v := range 5 {
		templates = append(templates, &Template{Version: fmt.Sprint(v), Parts: body(JSONBody, fmt.Sprintf(`[%d,{{ it.n }}]`, v)).Parts})
	}
	var wait sync.WaitGroup
	for caller := range 20 {
		wait.Go(func() {
			for i := range 50 {
				v, n := (caller+i)%5, caller*1000+i
				out, err := p.Render(context.Background(), job(templates[v], fmt.Sprintf(`{"n":%d}`, n)))
				if want := fmt.Sprintf("[%d,%d]", v, n); err != nil || out.Parts[0] != want {
					t.Errorf("want %s, got %v %v", want, out, err)
				}
			}
		})
	}
	wait.Wait()
}

// Two templates under one version, which callers should not do, are not mixed up.
func TestVersionIsNotBelieved(t *testing.T) {
	p := newTestPool(t, Options{Workers: 1})
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			out, err := p.Render(context.Background(), job(&Template{Version: "same", Parts: body(Text, fmt.Sprintf("{{ %d }}", i%2)).Parts}, order))
			if err != nil || out.Parts[0] != fmt.Sprint(i%2) {
				t.Errorf("%d: %v %v", i, out, err)
			}
		})
	}
	wait.Wait()
}

const flat = `{"data":[{"id":"ord_1029384756","name":"Ann Example","email":"ann.example@example.org","phone":"+64 21 555 0101","street":"12 Long Street, Apartment 4","city":"Wellington","zip":"6011","country":"NZ","total":129.95,"note":"` + "Please leave the parcel at the door if nobody is at home, and ring the bell twice; the dog is friendly. " + `"}],"events":[{"id":"evt_1","name":"order.created","subject":"ord_1","time":"2026-02-03T04:05:06Z","data":{"id":"ord_1029384756","name":"Ann Example"}}],"delivery":{"id":"dlv_1"},"destination":{"id":"dst_1","name":"Shop"},"connection":{"id":"con_1","name":"ERP"}}`

// BenchmarkPool renders the identity of ten flat fields through two workers, with as many callers as a busy server has.
func BenchmarkPool(b *testing.B) {
	for _, source := range []string{identity, `{"id":"{{ it.data[0].id }}","total":{{ it.data[0].total }},"tags":{{ ["a","b"].map(x => x + it.data[0].city) }}}`} {
		b.Run(source[:min(20, len(source))], func(b *testing.B) {
			p := newTestPool(b, Options{Workers: 3})
			template := &Template{Version: "v", Parts: body(JSONBody, source).Parts}
			say(b, p, JSONBody, source, flat)
			b.SetParallelism(64)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.Render(context.Background(), job(template, flat)); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renders/s")
		})
	}
}

// BenchmarkAlone is the time of one render when nothing else goes on.
func BenchmarkAlone(b *testing.B) {
	p := newTestPool(b, Options{})
	template := &Template{Version: "v", Parts: body(JSONBody, identity).Parts}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Render(context.Background(), job(template, flat)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInProcess is what a worker does for one render.
func BenchmarkInProcess(b *testing.B) {
	program := compileProgram(body(JSONBody, identity).Parts)
	b.ReportAllocs()
	for b.Loop() {
		if _, problem := program.render(flat, testNow, "msg_1", func(*goja.Runtime) {}); problem != nil {
			b.Fatal(problem)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renders/s")
}
