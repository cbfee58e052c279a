package script

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxRenders = 20_000   // of one process
	maxPrinted = 16 << 10 // bytes of a worker's stderr that are kept
	startLimit = 10 * time.Second
)

// process is one worker process. One goroutine uses it; kill may come from others.
type process struct {
	cmd        *exec.Cmd
	in         io.WriteCloser
	out        *bufio.Reader
	printed    *capped
	late       atomic.Bool // killed because a job met the hard limit
	renders    int
	spent      bool   // to be replaced before the next group
	runningJob int    // of group, as the worker said; -1 is not known
	buf        []byte // the group as it was sent
	parts      []byte
	frame      []byte // the last frame that came
	answer     cursor // what is left of it
}

func startProcess(command []string) (*process, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{} // nil would hand down ours
	cmd.Dir = "/"
	bind(cmd)
	p := &process{cmd: cmd, printed: &capped{}}
	cmd.Stderr = p.printed
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 64<<10)
	return p, nil
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// ready waits until the worker says that it has started, so that no job pays for that.
func (p *process) ready() error {
	timer := time.AfterFunc(startLimit, p.kill)
	defer timer.Stop()
	body, err := readFrame(p.out, nil, 1)
	if err != nil {
		return fmt.Errorf("read from the worker: %w", err)
	}
	if len(body) != 1 || body[0] != frameReady {
		return errWire
	}
	return nil
}

// stop kills the process and returns the beginning of what it printed.
func (p *process) stop() string {
	p.kill()
	_ = p.cmd.Wait()
	return p.printed.String()
}

// render sends the group and hands each task its answer. done counts the answers; an error means that the process is
// of no more use. Each job has its own hard limit.
func (p *process) render(group []*task) (done int, err error) {
	p.runningJob = -1
	timer := time.AfterFunc(hardLimit, func() {
		p.late.Store(true)
		p.kill()
	})
	defer timer.Stop()
	if _, err := p.in.Write(p.encode(group)); err != nil {
		return 0, fmt.Errorf("write to the worker: %w", err)
	}
	for {
		kind, err := p.next(len(group), done)
		switch {
		case err != nil:
			return done, err
		case kind == frameDone:
			p.renders += len(group)
			p.spent = p.spent || p.renders >= maxRenders || p.late.Load()
			return done, nil
		case kind == frameResult:
			out, problem, err := readAnswer(&p.answer, len(group[done].job.Template.Parts))
			if err != nil {
				return done, err
			}
			r := result{out: out}
			if problem != nil {
				r.err = problem
			}
			group[done].result <- r
			done++
			timer.Reset(hardLimit)
		}
	}
}

// next reads one frame and holds it against what may come: results in order, then the end.
func (p *process) next(jobs, done int) (kind byte, err error) {
	if p.frame, err = readFrame(p.out, p.frame[:0], maxAnswer); err != nil {
		return 0, fmt.Errorf("read from the worker: %w", err)
	}
	if cap(p.frame) > 256<<10 {
		defer func() { p.frame = nil }() // answer still points to it
	}
	p.answer = cursor{b: p.frame}
	c := &p.answer
	kind = byte(c.uint(frameDone))
	switch kind {
	case frameResult:
		if int(c.uint(maxGroup)) != done || done >= jobs {
			return 0, errWire
		}
	case frameRunning:
		if i := int(c.uint(maxGroup)); i >= done && i < jobs {
			p.runningJob = i
		}
	case frameDone:
		p.spent = c.uint(1) == 1
		if done != jobs {
			return 0, errWire
		}
	}
	if c.bad || kind == 0 {
		return 0, errWire
	}
	return kind, nil
}

// encode makes the frame of a group.
func (p *process) encode(group []*task) []byte {
	if cap(p.buf) > 256<<10 {
		p.buf = nil
	}
	p.buf = frame(p.buf[:0], func(b []byte) []byte {
		p.parts = appendTemplate(p.parts[:0], group[0].job.Template.Parts)
		b = binary.AppendUvarint(appendString(b, p.parts), uint64(len(group)))
		for _, t := range group {
			b = appendJob(b, &t.job, t.check)
		}
		return b
	})
	return p.buf
}

// verdict says what ended a lost process, from how it ended and what it printed.
func (p *process) verdict(printed string) *Lost {
	switch {
	case p.late.Load():
		return &Lost{BoundTime, fmt.Sprintf("the template did not stop within %v, so its worker was ended", hardLimit)}
	case strings.Contains(printed, "stack exceeds") || strings.Contains(printed, "stack overflow"):
		return &Lost{BoundDepth, "the template exhausted the stack of its worker"}
	case strings.Contains(printed, "out of memory") || strings.Contains(printed, "cannot allocate") || strings.Contains(printed, "SIGSEGV"):
		// Go's collector dereferences nil when the kernel refuses it memory.
		return &Lost{BoundMemory, "the template exhausted the memory of its worker"}
	}
	return &Lost{BoundWorker, "the worker died while it rendered this template"}
}

// capped keeps the beginning of what is written to it.
type capped struct {
	mu sync.Mutex
	b  []byte
}

func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b = append(c.b, p[:min(len(p), maxPrinted-len(c.b))]...)
	return len(p), nil
}

func (c *capped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return printable(string(c.b))
}
