package script

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// ErrClosed is what renders get from a pool that is closed.
var ErrClosed = errors.New("the render pool is closed")

// Options of a pool. Zero values mean the defaults.
type Options struct {
	Command   []string      // starts a worker that calls ServeWorker; default: this program with "render-worker"
	Workers   int           // for deliveries; default: one more than the processors, at least 3. One more does previews
	IdleAfter time.Duration // a worker without work ends after it; default: a minute
	Log       *slog.Logger  // lost workers and the beginning of what they printed; default: nowhere
}

// Pool renders in worker processes. They start when they are needed. It is safe for concurrent use.
type Pool struct {
	options  Options
	renders  *lane
	previews *lane
	closed   chan struct{}
	once     sync.Once
	workers  sync.WaitGroup
	starts   chan func()

	mu    sync.Mutex
	procs map[*process]struct{}
}

// NewPool makes a pool; no process is started before the first render.
func NewPool(o Options) *Pool {
	if o.Workers <= 0 {
		o.Workers = max(3, runtime.NumCPU()+1)
	}
	if o.IdleAfter <= 0 {
		o.IdleAfter = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{options: o, closed: make(chan struct{}), starts: make(chan func()), procs: map[*process]struct{}{}}
	p.renders, p.previews = newLane(p, o.Workers), newLane(p, 1)
	go p.startProcesses()
	return p
}

// startProcesses starts all workers from one thread that lasts as long as the pool, because a worker is bound to the
// thread that started it.
func (p *Pool) startProcesses() {
	runtime.LockOSThread()
	for {
		select {
		case start := <-p.starts:
			start()
		case <-p.closed:
			return
		}
	}
}

// Render renders a job in the lane of the deliveries. The error is a *Problem when the template or its input is at
// fault, a *Lost when the render took its worker down, the error of ctx, ErrClosed, or another one when no worker
// could be had. A render that ctx abandons may still run.
func (p *Pool) Render(ctx context.Context, job Job) (Output, error) {
	return p.render(ctx, p.renders, job)
}

// Preview is Render with a worker of its own, so that editing never waits for deliveries, nor they for it.
func (p *Pool) Preview(ctx context.Context, job Job) (Output, error) {
	return p.render(ctx, p.previews, job)
}

// Check reports what is wrong with parts, at most one problem for each, without running any of them. It compiles in
// the worker of the previews. The error is that of ctx, ErrClosed, or says that no worker could be had.
func (p *Pool) Check(ctx context.Context, parts []Part) ([]Problem, error) {
	out := Check(parts)
	for _, part := range parts {
		if Plain(part.Source) || slices.ContainsFunc(out, func(x Problem) bool { return x.Part == part.Name || x.Part == "" }) {
			continue
		}
		_, err := p.run(ctx, p.previews, &task{job: Job{Template: &Template{Parts: []Part{part}}}, check: true})
		var problem *Problem
		var lost *Lost
		switch {
		case err == nil:
		case errors.As(err, &problem):
			out = append(out, *problem)
		case errors.As(err, &lost):
			out = append(out, Problem{Part: part.Name, Message: lost.Message, Bound: lost.Bound})
		default:
			return nil, err
		}
	}
	return out, nil
}

func (p *Pool) render(ctx context.Context, l *lane, job Job) (Output, error) {
	if problem := checkJob(&job); problem != nil {
		return Output{}, problem
	}
	if out, ok := plainOutput(job.Template.Parts); ok {
		return out, nil
	}
	return p.run(ctx, l, &task{job: job})
}

// run hands t to a lane and waits.
func (p *Pool) run(ctx context.Context, l *lane, t *task) (Output, error) {
	t.ctx, t.result = ctx, make(chan result, 1)
	if !l.submit(t) {
		return Output{}, ErrClosed
	}
	select {
	case r := <-t.result:
		return r.out, r.err
	case <-ctx.Done():
		return Output{}, ctx.Err()
	case <-p.closed:
		return Output{}, ErrClosed
	}
}

func checkJob(j *Job) *Problem {
	if problem := checkSize(j.Template.Parts); problem != nil {
		return problem
	}
	if len(j.Input) > MaxInput {
		return &Problem{Message: fmt.Sprintf("the input is %d bytes long; %d are allowed", len(j.Input), MaxInput), Bound: BoundSize}
	}
	return nil
}

// plainOutput is the result of parts without tags.
func plainOutput(parts []Part) (Output, bool) {
	out := Output{Parts: make([]string, len(parts))}
	total := 0
	for i, p := range parts {
		if !Plain(p.Source) {
			return Output{}, false
		}
		if out.Parts[i] = p.Source; p.Place == Header {
			out.Parts[i] = stripHeader(p.Source)
		}
		total += len(p.Source)
	}
	return out, total <= MaxOutput
}

// Close ends all workers; renders under way get ErrClosed. It returns when no worker is left.
func (p *Pool) Close() error {
	p.once.Do(func() {
		p.renders.close()
		p.previews.close()
		close(p.closed)
		p.mu.Lock()
		for proc := range p.procs {
			proc.kill()
		}
		p.mu.Unlock()
	})
	p.workers.Wait()
	return nil
}

// PIDs lists the processes of the workers that run now.
func (p *Pool) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []int
	for proc := range p.procs {
		out = append(out, proc.cmd.Process.Pid)
	}
	return out
}

// start starts a worker process.
func (p *Pool) start() (*process, error) {
	command := p.options.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		command = []string{self, "render-worker"}
	}
	var proc *process
	var err error
	started := make(chan struct{})
	select {
	case p.starts <- func() { proc, err = startProcess(command); close(started) }:
		<-started
	case <-p.closed:
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("start a render worker: %w", err)
	}
	p.mu.Lock()
	p.procs[proc] = struct{}{}
	select {
	case <-p.closed:
		proc.kill()
	default:
	}
	p.mu.Unlock()
	if err := proc.ready(); err != nil {
		return nil, fmt.Errorf("start a render worker: %w: %.500s", err, p.stop(proc))
	}
	return proc, nil
}

// stop ends a process and returns what it printed.
func (p *Pool) stop(proc *process) string {
	printed := proc.stop()
	p.mu.Lock()
	delete(p.procs, proc)
	p.mu.Unlock()
	return printed
}

func (j *Job) key() string {
	if v := j.Template.Version; v != "" {
		return v
	}
	sum := sha256.Sum256(appendTemplate(nil, j.Template.Parts))
	return string(sum[:])
}
