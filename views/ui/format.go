package ui

import (
	"context"
	"time"
)

// AgoIn says how long before (or after) now a time is, in the reader's language: "just now", "5 min ago", "in 40 s". The
// zero time is "never".
func AgoIn(ctx context.Context, at, now time.Time) string {
	if at.IsZero() {
		return say(ctx, "never")
	}
	d := now.Sub(at)
	if d > -time.Second && d < 5*time.Second {
		return say(ctx, "just now")
	}
	if d < 0 {
		return say(ctx, "in {time}", "time", Span(ctx, Ahead(-d)))
	}
	return say(ctx, "{time} ago", "time", Span(ctx, d))
}

// Ahead is a length of time that is still to come, for Span: what was set to a day a moment ago is not 23 hours.
func Ahead(d time.Duration) time.Duration {
	switch {
	case d < time.Minute:
		return d
	case d < 59*time.Minute+30*time.Second:
		return d + 30*time.Second
	case d < 47*time.Hour+30*time.Minute:
		return d + 30*time.Minute
	}
	return d + 12*time.Hour
}

// Span is a length of time in its largest unit: "40 s", "5 min", "3 d".
func Span(ctx context.Context, d time.Duration) string {
	switch {
	case d < time.Minute:
		return say(ctx, "{n} s", "n", itoa(int(d.Seconds())))
	case d < time.Hour:
		return say(ctx, "{n} min", "n", itoa(int(d.Minutes())))
	case d < 48*time.Hour:
		return say(ctx, "{n} h", "n", itoa(int(d.Hours())))
	}
	return say(ctx, "{n} d", "n", itoa(int(d.Hours()/24)))
}
