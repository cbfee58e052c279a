package script

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	maxGroup   = 64
	firstGroup = 8                     // while it is not known how long a version takes
	groupTime  = 10 * time.Millisecond // a group is meant to take no longer
)

// task is a job that waits for its result.
type task struct {
	job    Job
	ctx    context.Context
	result chan result // holds one
	check  bool        // compile it only
	alone  bool        // its worker was lost with others in the group: it is rendered by itself
}

type result struct {
	out Output
	err error
}

// lane is a queue with workers of its own. Versions take turns. A version may hold all workers but one, so that
// whatever a template does, the others go on.
type lane struct {
	pool    *Pool
	max     int // workers
	share   int // of one version
	wake    chan struct{}
	mu      sync.Mutex
	ready   []*bucket // with tasks, in turn
	buckets map[string]*bucket
	running int // workers
	idle    int // that wait and were not woken
	closed  bool
}

// bucket holds what waits of one version.
type bucket struct {
	key   string
	tasks []*task
	busy  int           // workers that render it
	mean  time.Duration // of a render; 0 is not known
}

func newLane(p *Pool, workers int) *lane {
	return &lane{pool: p, max: workers, share: max(1, workers-1), wake: make(chan struct{}, workers), buckets: map[string]*bucket{}}
}

// submit queues t and sees to it that a worker comes. It reports false on a closed pool.
func (l *lane) submit(t *task) bool {
	key := t.job.key()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	b := l.buckets[key]
	if b == nil {
		b = &bucket{key: key}
		l.buckets[key] = b
	}
	if b.tasks = append(b.tasks, t); len(b.tasks) == 1 {
		l.ready = append(l.ready, b)
	}
	switch {
	case b.busy >= l.share:
	case l.idle > 0:
		l.idle--
		l.wake <- struct{}{}
	case l.running < l.max:
		l.running++
		l.pool.workers.Add(1)
		go l.work()
	}
	return true
}

// take picks the next group, or counts the caller as idle.
func (l *lane) take() (*bucket, []*task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 0; i < len(l.ready); i++ {
		b := l.ready[i]
		if b.busy >= l.share {
			continue
		}
		l.ready = slices.Delete(l.ready, i, i+1)
		group := b.group()
		if len(b.tasks) > 0 {
			l.ready = append(l.ready, b)
		}
		if len(group) == 0 {
			l.forget(b)
			i--
			continue
		}
		b.busy++
		return b, group
	}
	l.idle++
	return nil, nil
}

// group takes the first tasks that may travel together.
func (b *bucket) group() []*task {
	limit := firstGroup
	if b.mean > 0 {
		limit = int(min(max(1, groupTime/b.mean), maxGroup))
	}
	var group []*task
	n, bytes := 0, 0
	for _, t := range b.tasks {
		bytes += len(t.job.Input)
		if len(group) > 0 && (len(group) >= limit || bytes > maxGroupBytes || t.alone || group[0].alone || !sameParts(group[0], t)) {
			break
		}
		if n++; t.ctx.Err() == nil {
			group = append(group, t)
		}
	}
	if b.tasks = b.tasks[n:]; len(b.tasks) == 0 {
		b.tasks = nil
	}
	return group
}

func sameParts(a, b *task) bool {
	return a.job.Template == b.job.Template || slices.Equal(a.job.Template.Parts, b.job.Template.Parts)
}

// release ends the work on a group. Tasks that were lost with its worker go to the front, each to be rendered alone.
func (l *lane) release(b *bucket, mean time.Duration, lost []*task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.busy--
	if mean > 0 {
		b.mean = (b.mean + mean + 1) / 2
	}
	if l.closed {
		return
	}
	for _, t := range lost {
		t.alone = true
	}
	if len(lost) > 0 {
		if len(b.tasks) == 0 {
			l.ready = append(l.ready, b)
		}
		b.tasks = append(lost, b.tasks...)
	}
	l.forget(b)
}

// forget drops a bucket that is empty and not worked on. The caller holds mu.
func (l *lane) forget(b *bucket) {
	if b.busy == 0 && len(b.tasks) == 0 {
		delete(l.buckets, b.key)
	}
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.ready, l.buckets = true, nil, map[string]*bucket{}
}

// wait blocks an idle worker until there is work. It reports false when the worker is to end.
func (l *lane) wait() bool {
	timer := time.NewTimer(l.pool.options.IdleAfter)
	defer timer.Stop()
	select {
	case <-l.wake:
		return true
	case <-l.pool.closed:
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle == 0 && !l.closed { // woken between the timer and the lock
		<-l.wake
		return true
	}
	l.idle--
	l.running--
	return false
}

// work is the life of one worker: it owns at most one process at a time.
func (l *lane) work() {
	defer l.pool.workers.Done()
	var proc *process
	for {
		b, group := l.take()
		if group == nil {
			if l.wait() {
				continue
			}
			break
		}
		proc = l.perform(proc, b, group)
	}
	if proc != nil {
		l.pool.stop(proc)
	}
}

// perform renders a group and returns the process for the next one, nil when it is gone.
func (l *lane) perform(proc *process, b *bucket, group []*task) *process {
	if proc == nil {
		var err error
		if proc, err = l.pool.start(); err != nil {
			answerAll(group, err)
			l.release(b, 0, nil)
			return nil
		}
	}
	started := time.Now()
	done, err := proc.render(group)
	mean := time.Since(started) / time.Duration(max(1, done))
	if err == nil {
		l.release(b, mean, nil)
		if proc.spent {
			l.pool.stop(proc)
			return nil
		}
		return proc
	}
	l.release(b, mean, l.bury(proc, group, done, err))
	return nil
}

// bury ends a lost process, tells the guilty task if it is known, and returns the others, to be rendered again. One
// that was in a process which died for a reason of its own is tried once more before it is called guilty.
func (l *lane) bury(proc *process, group []*task, done int, cause error) []*task {
	left := group[done:]
	printed := l.pool.stop(proc)
	select {
	case <-l.pool.closed:
		answerAll(left, ErrClosed)
		return nil
	default:
	}
	lost := proc.verdict(printed)
	l.pool.options.Log.Warn("render worker lost", "bound", lost.Bound, "cause", cause, "renders", proc.renders, "version", group[0].job.Template.Version, "stderr", printed)
	guilty := -1
	switch {
	case len(left) == 1 && (left[0].alone || lost.Bound == BoundTime):
		guilty = 0
	case proc.runningJob >= done && lost.Bound != BoundWorker:
		guilty = proc.runningJob - done
	}
	if guilty < 0 {
		return left
	}
	left[guilty].result <- result{err: lost}
	return slices.Delete(slices.Clone(left), guilty, guilty+1)
}

func answerAll(tasks []*task, err error) {
	for _, t := range tasks {
		t.result <- result{err: err}
	}
}
