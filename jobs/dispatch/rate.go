package dispatch

import "time"

// pace bounds how often something starts. The zero value has never been used. It is pure: now is always a parameter.
type pace struct {
	next time.Time // when the next one is due, had all come evenly
}

// slack is how far one may start ahead of its time: timers are not exact, and a fast target is not woken for each.
const slack = 50 * time.Millisecond

// interval is the time between two at so many a second.
func interval(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }

// ready is when another one may start at this rate: now or earlier, or later. rate 0 is unbounded.
func (p *pace) ready(now time.Time, rate float64) time.Time {
	if rate <= 0 {
		return now
	}
	step := interval(rate)
	if limit := now.Add(step); p.next.After(limit) { // the rate was raised
		p.next = limit
	}
	if step > slack { // a slow one is exact: two in a row are never closer than its interval
		return p.next
	}
	return p.next.Add(-slack)
}

// take notes that one starts now.
func (p *pace) take(now time.Time, rate float64) {
	if rate <= 0 {
		p.next = time.Time{}
		return
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(interval(rate))
}

// bulkRate is the share of a target's rate that bulk may use.
const bulkRate = 0.8
