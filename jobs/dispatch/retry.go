package dispatch

import (
	"fmt"
	"time"

	"waybill/db/model"
	"waybill/jobs/deliver"
)

// LateFrom is after how many attempts a delivery counts as bulk: fresh ones come before late retries.
const LateFrom = 3

// jitter is how far a wait is spread to both sides.
const jitter = 0.2

// Next turns what an attempt came to into what happens to the delivery (SEMANTICS 4). It is pure: schedule is in seconds
// before attempt 1, 2, …, now is the end of the attempt, and chance (0 ≤ chance < 1) places the wait within its ±20 %.
func Next(d model.Delivery, r deliver.Result, schedule []int, now time.Time, chance float64) model.Outcome {
	o := model.Outcome{Attempt: r.Attempt, Renewed: r.Renewed, Error: r.Error, Message: r.UserMessage, Disable: r.Disable, BodyIsData: r.BodyIsData}
	switch r.Kind {
	case deliver.Sent:
		o.Status = model.Delivered
	case deliver.Nothing:
		o.Status = model.Skipped
	case deliver.Final:
		o.Status = model.Failed
	case deliver.Taken:
		o.Status, o.Held, o.Follow = model.Pending, model.HeldOutcome, r.Follow
	case deliver.Crash:
		o.Crashed, o.Status, o.NextAt = true, waiting(d), now
		if d.Crashes+1 >= model.MaxCrashes {
			o.Status, o.Held, o.NextAt = model.Held, model.HeldParked, time.Time{}
			o.Error = fmt.Sprintf("The template took its render worker down %d times; the delivery is parked. Mend the template, then retry it. (%s)", d.Crashes+1, r.Error)
		}
	case deliver.Again:
		again(&o, d, r, schedule, now, chance)
	}
	if o.Attempt != nil {
		o.Attempt.NextAt, o.Attempt.Verdict = o.NextAt, o.Status
	}
	return o
}

func again(o *model.Outcome, d model.Delivery, r deliver.Result, schedule []int, now time.Time, chance float64) {
	n := d.Attempts - d.RoundStart
	if r.Attempt != nil {
		n++
	}
	if n >= len(schedule) {
		o.Status = model.Failed
		o.Error = fmt.Sprintf("Gave up after %d attempts. %s", n, r.Error)
		return
	}
	o.Status = model.Retrying
	if n >= LateFrom {
		o.Lane = model.Bulk
	}
	o.NextAt = now.Add(max(Spread(schedule[n], chance), r.RetryAfter))
}

// apart is what becomes of each delivery of a message whose answer told them apart; o is what becomes of the message.
func apart(o model.Outcome, w model.Work, r deliver.Result, schedule []int, now time.Time, chance float64) model.Outcome {
	o.Each = make([]model.Fate, len(r.Each))
	for i, m := range w.Each() {
		p := r.Each[i]
		one := deliver.Result{Kind: p.Kind, Error: p.Error, RetryAfter: p.RetryAfter}
		if r.Attempt != nil { // it counts for each, and belongs to none
			one.Attempt = &model.Attempt{}
		}
		x := Next(m.Delivery, one, schedule, now, chance)
		o.Each[i] = model.Fate{Status: x.Status, NextAt: x.NextAt, Lane: x.Lane, Held: x.Held, Error: x.Error, Said: p.Said}
	}
	return o
}

// Spread is a wait of seconds with its jitter.
func Spread(seconds int, chance float64) time.Duration {
	return time.Duration(float64(seconds) * (1 - jitter + 2*jitter*chance) * float64(time.Second))
}

// waiting is the status of a delivery that goes on without a further outcome.
func waiting(d model.Delivery) model.Status {
	if d.Attempts > d.RoundStart {
		return model.Retrying
	}
	return model.Pending
}

// outcome is Next for a batch too: one that meets a bound is taken apart, once.
func outcome(w model.Work, r deliver.Result, schedule []int, now time.Time, chance float64) model.Outcome {
	o := Next(w.Delivery, r, schedule, now, chance)
	if r.Each != nil {
		return apart(o, w, r, schedule, now, chance)
	}
	if len(w.Batch) < 2 || !r.Bound && r.Kind != deliver.Crash {
		return o
	}
	o.Status, o.NextAt, o.Held, o.Crashed, o.Lane, o.Split = model.Pending, now, "", false, "", true
	o.Error = "The batch was too much, so each of its events goes by itself now. " + r.Error
	if o.Attempt != nil {
		o.Attempt.Verdict, o.Attempt.NextAt = model.Retrying, now
	}
	return o
}
