package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// Timer is something that is to happen at a time. They are bookkeeping: what happens then is the record.
type Timer struct {
	ID    model.TimerID
	Due   time.Time
	Kind  string
	Ref   string      // what it is about: a step run, a workflow, an event
	RunID model.RunID // "" = of no run
	Part  string      // how far it got, for those that take several rounds
}

const timerColumns = `id, due_at, kind, ref, run_id, part`

func scanTimer(r row) (Timer, error) {
	var t Timer
	err := r.Scan(&t.ID, at{&t.Due}, &t.Kind, &t.Ref, &t.RunID, &t.Part)
	return t, err
}

const (
	dueTimers     = `SELECT ` + timerColumns + ` FROM timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT +$2`
	nextTimer     = `SELECT min(due_at) FROM timers`
	insertTimer   = `INSERT INTO timers (id, due_at, kind, ref, run_id, part) VALUES ($1, $2, $3, $4, $5, $6)`
	dropTimer     = `DELETE FROM timers WHERE id = $1`
	clearTimersOf = `DELETE FROM timers WHERE ref = $1`
	moveTimer     = `UPDATE timers SET due_at = $1, part = $2 WHERE id = $3`
)

// DueTimers lists up to limit timers that are due at now, oldest first.
func (s *Store) DueTimers(ctx context.Context, now time.Time, limit int) ([]Timer, error) {
	return all(s.reader(ctx), scanTimer, dueTimers, ms(now), limit)
}

// NextTimer is when the first timer is due, zero when there is none.
func (s *Store) NextTimer(ctx context.Context) (t time.Time, err error) {
	return one(s.reader(ctx), "timer", func(r row) (t time.Time, err error) { err = r.Scan(at{&t}); return }, nextTimer)
}

const timersOf = `SELECT t.ref, min(t.due_at) FROM json_each($1) i CROSS JOIN timers t ON t.ref = i.value AND t.kind = 'wait' GROUP BY t.ref`

// WaitsUntil tells until when the waiting steps of a run wait at most, as far as there is such a time.
func (s *Store) WaitsUntil(ctx context.Context, r model.Run) (map[model.StepRunID]time.Time, error) {
	var ids []model.StepRunID
	for _, x := range r.Steps {
		if x.Kind == model.StepWait && x.Status.Active() {
			ids = append(ids, x.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	type wait struct {
		id    model.StepRunID
		until time.Time
	}
	list, err := all(s.reader(ctx), func(r row) (w wait, err error) { err = r.Scan(&w.id, at{&w.until}); return }, timersOf, encode(ids))
	out := make(map[model.StepRunID]time.Time, len(list))
	for _, w := range list {
		out[w.id] = w.until
	}
	return out, err
}

// SetTimer stores a timer; its ID is made here.
func (tx *Tx) SetTimer(t Timer) error {
	return tx.exec(insertTimer, model.NewTimerID(tx.now), ms(t.Due), t.Kind, t.Ref, t.RunID, t.Part)
}

// DropTimer removes a timer that went off. It reports whether it was still there: if not, it no longer counts.
func (tx *Tx) DropTimer(id model.TimerID) (bool, error) {
	n, err := tx.count(dropTimer, id)
	return n > 0, err
}

// ClearTimers removes every timer about ref.
func (tx *Tx) ClearTimers(ref string) error { return tx.exec(clearTimersOf, ref) }

// MoveTimer lets a timer go off again at due, with part as how far it got.
func (tx *Tx) MoveTimer(id model.TimerID, due time.Time, part string) error {
	return tx.exec(moveTimer, ms(due), part, id)
}

// Awaiting is a step run that waits for an event.
type Awaiting struct {
	StepRunID model.StepRunID
	RunID     model.RunID
}

const (
	insertAwait = `INSERT INTO awaits (step_run_id, run_id, event, wild, since) VALUES ($1, $2, $3, $4, $5)`
	dropAwait   = `DELETE FROM awaits WHERE step_run_id = $1`
	anyAwaits   = `SELECT EXISTS (SELECT 1 FROM awaits WHERE event = $1 AND wild = 0) OR EXISTS (SELECT 1 FROM awaits WHERE wild = 1 AND step_run_id > '')`
	awaitsExact = `SELECT step_run_id, run_id FROM awaits WHERE event = $1 AND wild = 0 AND step_run_id > $2 AND since <= $3 ORDER BY step_run_id LIMIT +$4`
	awaitsWild  = `SELECT step_run_id, run_id, event FROM awaits WHERE wild = 1 AND step_run_id > $1 AND since <= $2 ORDER BY step_run_id LIMIT +$3`
)

// Await notes that a step run waits for an event with this name or pattern.
func (tx *Tx) Await(run model.RunID, step model.StepRunID, event string) error {
	return tx.exec(insertAwait, step, run, event, wild(event), ms(tx.now))
}

// Unawait forgets that a step run waits.
func (tx *Tx) Unawait(step model.StepRunID) error { return tx.exec(dropAwait, step) }

// Awaited reports whether some step run may wait for an event with this name.
func (tx *Tx) Awaited(name string) (bool, error) { return tx.has(anyAwaits, name) }

// Awaiting lists up to limit step runs that waited for an event with this name at a time, by id, behind after: those
// that named it, or with patterns those whose pattern fits it. last is where the next ones begin, "" at the end.
func (s *Store) Awaiting(ctx context.Context, name string, patterns bool, at time.Time, after model.StepRunID, limit int) (out []Awaiting, last model.StepRunID, err error) {
	pattern := name
	scan := func(r row) (a Awaiting, err error) {
		into := []any{&a.StepRunID, &a.RunID}
		if patterns {
			into = append(into, &pattern)
		}
		err = r.Scan(into...)
		if last = a.StepRunID; !patterns || model.Matches(pattern, name) {
			out = append(out, a)
		}
		return a, err
	}
	var seen []Awaiting
	if patterns {
		seen, err = all(s.reader(ctx), scan, awaitsWild, after, ms(at), limit)
	} else {
		seen, err = all(s.reader(ctx), scan, awaitsExact, name, after, ms(at), limit)
	}
	if len(seen) < limit {
		last = ""
	}
	return out, last, err
}

func wild(pattern string) bool {
	for i := range len(pattern) {
		if pattern[i] == '*' {
			return true
		}
	}
	return false
}
