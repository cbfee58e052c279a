package script

import (
	"bufio"
	"container/list"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const (
	heapLimit    = 128 << 20 // JavaScript is interrupted above it
	memoryLimit  = 160 << 20 // the garbage collector works against it
	stackLimit   = 64 << 20
	cacheBytes   = 8 << 20 // source of the compiled templates that are kept
	watchEvery   = 5 * time.Millisecond
	announce     = 20 * time.Millisecond // a job that takes longer is announced as running
	flushAfter   = time.Millisecond
	flushAtBytes = 64 << 10
)

// ServeWorker renders what arrives on in until it ends. It takes the process over: it bounds its memory, files and
// stack for good, sets its time zone to UTC, and ignores the signals that ask a server to stop; the end of in stops it.
func ServeWorker(in io.Reader, out io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	runtime.GOMAXPROCS(2)
	debug.SetMaxStack(stackLimit)
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(200)
	time.Local = time.UTC
	if err := limitProcess(); err != nil {
		return err
	}
	w := &worker{out: out, cache: cache{order: list.New(), programs: map[string]*list.Element{}}, wake: make(chan struct{}, 1)}
	if _, err := out.Write(frame(nil, func(b []byte) []byte { return append(b, frameReady) })); err != nil {
		return err
	}
	go w.watch()
	r := bufio.NewReaderSize(in, 64<<10)
	var buf []byte
	for {
		body, err := readFrame(r, buf, maxGroupBytes+MaxTemplate+MaxInput)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.group(body); err != nil {
			return err
		}
		if buf = body[:0]; cap(buf) > 256<<10 {
			buf = nil
		}
	}
}

// worker renders one job after another. mu guards what the watching goroutine looks at.
type worker struct {
	out   io.Writer
	cache cache
	wake  chan struct{}

	mu        sync.Mutex
	busy      bool
	pending   []byte // answers that are not written yet
	flushed   time.Time
	rt        *goja.Runtime // of the running job
	index     int
	started   time.Time
	looked    time.Time     // when the job started that was looked at last
	before    time.Duration // the processor time that was used when it was
	announced bool
	failed    error
}

func (w *worker) group(body []byte) error {
	c := &cursor{b: body}
	template := c.bytes()
	n := int(c.uint(uint64(len(c.b))))
	w.begin()
	for i := range n {
		check, now, seed, input := c.uint(1) == 1, c.int64(), c.string(), c.string()
		if c.bad {
			return errWire
		}
		started := w.start(i)
		program := w.cache.program(template) // counted with the job: compiling takes its time too
		if program == nil {
			return errWire
		}
		out, problem := Output{Parts: make([]string, len(program.parts))}, program.problem
		if !check && problem == nil {
			out, problem = program.render(input, time.Unix(0, now).UTC(), seed, w.running)
		}
		w.answer(i, time.Since(started), out, problem)
	}
	return w.finish()
}

func (w *worker) begin() {
	w.mu.Lock()
	w.busy, w.flushed = true, time.Now()
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) start(index int) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index, w.started, w.announced = index, time.Now(), false
	if len(w.pending) > flushAtBytes || w.started.Sub(w.flushed) > flushAfter {
		w.flush()
	}
	return w.started
}

func (w *worker) running(rt *goja.Runtime) {
	w.mu.Lock()
	w.rt = rt
	w.mu.Unlock()
}

func (w *worker) answer(index int, took time.Duration, out Output, problem *Problem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rt = nil
	w.pending = frame(w.pending, func(b []byte) []byte { return appendAnswer(b, index, took, out, problem) })
}

func (w *worker) finish() error {
	recycle := byte(0)
	if memoryHeld("/memory/classes/total:bytes")-memoryHeld("/memory/classes/heap/released:bytes") > heapLimit {
		recycle = 1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = frame(w.pending, func(b []byte) []byte { return append(b, frameDone, recycle) })
	w.busy = false
	w.flush()
	return w.failed
}

// flush writes the pending answers. The caller holds mu.
func (w *worker) flush() {
	if w.flushed = time.Now(); len(w.pending) == 0 {
		return
	}
	if _, err := w.out.Write(w.pending); err != nil && w.failed == nil {
		w.failed = err
	}
	if w.pending = w.pending[:0]; cap(w.pending) > 1<<20 {
		w.pending = nil
	}
}

// watch interrupts what takes too long or too much memory, and keeps the pool informed meanwhile.
func (w *worker) watch() {
	for range w.wake {
		for w.look() {
			time.Sleep(watchEvery)
		}
	}
}

func (w *worker) look() (busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy {
		return false
	}
	took := time.Since(w.started)
	if w.rt != nil {
		switch {
		case w.tooLong(took):
			w.rt.Interrupt(BoundTime)
		case memoryHeld("/memory/classes/heap/objects:bytes") > heapLimit:
			w.rt.Interrupt(BoundMemory)
		}
	}
	if took > announce && !w.announced {
		w.announced = true
		w.pending = frame(w.pending, func(b []byte) []byte {
			return binary.AppendUvarint(append(b, frameRunning), uint64(w.index))
		})
	}
	w.flush()
	return true
}

// tooLong reports whether the job that is under way had its time. On a machine with much else to do it is the job's own work
// that counts, for what stops it fails a message for good. The first look comes soon after a start.
func (w *worker) tooLong(took time.Duration) bool {
	if w.looked != w.started {
		w.looked, w.before = w.started, processorTime()
	}
	return took > softLimit && (took > slowLimit || processorTime()-w.before > softLimit-2*watchEvery)
}

func memoryHeld(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// cache keeps compiled templates by their encoded text, the latest used first.
type cache struct {
	order    *list.List
	programs map[string]*list.Element
	size     int
}

type cached struct {
	key     string
	program *program
}

// program compiles the encoded template, or finds it. It is nil when the encoding is broken.
func (c *cache) program(encoded []byte) *program {
	if e, ok := c.programs[string(encoded)]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*cached).program
	}
	parts, ok := readTemplate(encoded)
	if !ok {
		return nil
	}
	entry := &cached{key: string(encoded), program: compileProgram(parts)}
	c.programs[entry.key] = c.order.PushFront(entry)
	for c.size += len(entry.key) + 1024; c.size > cacheBytes && c.order.Len() > 1; {
		old := c.order.Remove(c.order.Back()).(*cached)
		delete(c.programs, old.key)
		c.size -= len(old.key) + 1024
	}
	return entry.program
}

// printable makes text of a worker fit for logs and pages.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxMessage)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return ' '
	}, s)
}
