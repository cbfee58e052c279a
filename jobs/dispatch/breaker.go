package dispatch

import (
	"fmt"
	"time"

	"waybill/db/model"
	"waybill/jobs/deliver"
)

// When the breaker of a target opens, and for how long (SEMANTICS 4).
const (
	openInARow  = 10
	openOutOf   = 20 // … and half of them or more
	openFirst   = 30 * time.Second
	openLongest = 10 * time.Minute
	// A target is switched off when it failed for so long, so often, and never went well in between.
	offAfter = 5 * 24 * time.Hour
	offTries = 10
)

// health is what the attempts of a target said of it. It is pure: now is always a parameter.
type health struct {
	model.Health
	row    int // failures in a row
	recent window
	round  int  // grows when the breaker opens: attempts that began before say nothing any more
	probe  bool // the one that tries whether an open breaker can close is under way
	hand   bool // … and a person wanted it: when it fails, the pause is not longer than it was
	asked  bool // a person wants it tried before the pause is over
	ramp   int  // BreakerRamp: how many may be under way
	good   int  // … and how many went well since it was that many
}

// word is what one attempt says of its target.
type word int

const (
	silent word = iota // it did not get as far as the target
	well               // the target answered, whatever it thought of the message
	ill                // worth another attempt
)

// wordOf reads the result of an attempt.
func wordOf(r deliver.Result) word {
	switch {
	case r.Attempt == nil || r.Kind == deliver.Cut:
		return silent
	case r.Kind == deliver.Again && (r.Attempt.Class == model.ClassSetup || r.Attempt.Class == model.ClassTemplate):
		return silent // our own trouble
	case r.Kind == deliver.Again:
		return ill
	case r.Attempt.StatusCode != 0:
		return well
	}
	return silent
}

// heard takes in what an attempt said that began in round; most is how many may be under way when all is well. changed
// reports whether that is worth remembering over a restart.
func (h *health) heard(w word, delivered bool, why string, round, most int, now time.Time) (changed bool) {
	changed = h.fails(w, delivered, why, now)
	switch {
	case w == silent || round != h.round:
	case w == ill:
		return h.failed(now) || changed
	default:
		return h.went(most, now) || changed
	}
	return changed
}

// fails keeps since when the target fails: any attempt that reached for it and did not deliver.
func (h *health) fails(w word, delivered bool, why string, now time.Time) bool {
	switch {
	case delivered:
		was := !h.FailingSince.IsZero()
		h.FailingSince, h.Tries, h.LastError = time.Time{}, 0, ""
		return was
	case w == silent:
		return false
	}
	if h.FailingSince.IsZero() {
		h.FailingSince = now
	}
	h.Tries++
	h.LastError = why
	return h.Tries <= offTries
}

// failed is a failure that counts for the breaker.
func (h *health) failed(now time.Time) bool {
	if h.hand && h.Breaker == model.BreakerOpen {
		return false
	}
	h.row++
	h.recent.add(now, true)
	bad, all := h.recent.sum(now)
	if h.Breaker == model.BreakerClosed && h.row < openInARow && (all < openOutOf || bad*2 < all) {
		return false
	}
	h.Opens++
	h.Breaker, h.Until = model.BreakerOpen, now.Add(pauseOf(h.Opens))
	h.round, h.row, h.recent, h.probe, h.asked = h.round+1, 0, window{}, false, false
	return true
}

// pauseOf is how long the breaker stays open when it opens for the nth time in a row.
func pauseOf(n int) time.Duration { return min(openFirst<<min(n-1, 10), openLongest) }

// StoppedSince is since when nothing is sent to a target whose breaker is open. When it opened first is not remembered: it
// is what its pauses add up to, so the time is the latest that it can be. Of a breaker that is not open it is zero.
func StoppedSince(h model.Health) time.Time {
	if h.Breaker != model.BreakerOpen {
		return time.Time{}
	}
	since := h.Until
	for n := 1; n <= h.Opens; n++ {
		since = since.Add(-pauseOf(n))
	}
	if since.Before(h.FailingSince) { // something got through in between
		return h.FailingSince
	}
	return since
}

// went is an attempt that reached the target.
func (h *health) went(most int, now time.Time) bool {
	h.row = 0
	switch h.Breaker {
	case model.BreakerClosed:
		h.recent.add(now, false)
		return false
	case model.BreakerOpen: // the probe
		h.Breaker, h.Until, h.ramp, h.good, h.asked = model.BreakerRamp, time.Time{}, 1, 0, false
	default:
		h.ramp = max(1, h.ramp) // after a restart it begins anew
		if h.good++; h.good < h.ramp {
			return false
		}
		h.ramp, h.good = h.ramp*2, 0
	}
	if h.ramp < most {
		return true
	}
	return h.rested()
}

// rested ends the ramp early where a message got through and nothing else is to be sent for now: a target with little to send would
// else be in it for days, and be left alone again, longer than before, for a single failure.
func (h *health) rested() bool {
	if h.Breaker != model.BreakerRamp {
		return false
	}
	h.Breaker, h.Opens, h.recent = model.BreakerClosed, 0, window{}
	return true
}

// limit is how many of most may be under way; until is set when none may, before that time.
func (h *health) limit(most int, now time.Time) (n int, until time.Time) {
	switch {
	case h.Breaker == model.BreakerRamp:
		return max(1, min(most, h.ramp)), time.Time{}
	case h.Breaker == model.BreakerClosed:
		return most, time.Time{}
	case now.Before(h.Until) && !h.asked:
		return 0, h.Until
	}
	return 1, time.Time{}
}

// probing reports whether only a probe may go now.
func (h *health) probing() bool { return h.Breaker == model.BreakerOpen }

// hopeless says why the target is to be switched off, "" when it is not.
func (h *health) hopeless(now time.Time) string {
	if h.FailingSince.IsZero() || h.Tries < offTries || now.Sub(h.FailingSince) < offAfter {
		return ""
	}
	return fmt.Sprintf("Nothing got through for %d days: %d attempts in a row failed. The last one: %s", int(now.Sub(h.FailingSince).Hours()/24), h.Tries, h.LastError)
}

// window counts the last minute by seconds.
type window struct {
	sec  int64 // the newest second
	bad  [60]int32
	good [60]int32
}

func (w *window) move(now time.Time) int {
	sec := now.Unix()
	switch n := sec - w.sec; {
	case n >= 60 || n < -60: // the clock was set, or nothing happened for long
		*w = window{sec: sec}
	default:
		for ; w.sec < sec; w.sec++ {
			i := (w.sec + 1) % 60
			w.bad[i], w.good[i] = 0, 0
		}
	}
	return int(w.sec % 60)
}

func (w *window) add(now time.Time, bad bool) {
	if i := w.move(now); bad {
		w.bad[i]++
	} else {
		w.good[i]++
	}
}

func (w *window) sum(now time.Time) (bad, all int32) {
	w.move(now)
	for i := range w.bad {
		bad += w.bad[i]
		all += w.bad[i] + w.good[i]
	}
	return bad, all
}
