package ui

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Ago says how long before (or after) now a time is, in English: "just now", "5 min ago",
// "in 40 s". The zero time is "never". Pages use AgoIn.
func Ago(at, now time.Time) string { return AgoIn(context.Background(), at, now) }

// AgoIn is Ago in the reader's language.
func AgoIn(ctx context.Context, at, now time.Time) string {
	if at.IsZero() {
		return say(ctx, "never")
	}
	d := now.Sub(at)
	if d > -time.Second && d < 5*time.Second {
		return say(ctx, "just now")
	}
	if d < 0 {
		return say(ctx, "in {time}", "time", Span(ctx, -d))
	}
	return say(ctx, "{time} ago", "time", Span(ctx, d))
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

// Moment is a time in full, UTC, to the second; empty for the zero time.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// Took writes a duration for people: "870 µs", "247 ms", "3.1 s", "2 min".
func Took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return Span(context.Background(), d)
}

// Count writes a number with thousands separated: 2481 is "2,481".
func Count[N ~int | ~int64 | ~uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Bytes writes a size in binary units: "196 B", "1.5 KiB".
func Bytes[N ~int | ~int64](n N) string {
	f := float64(n)
	if f < 1024 {
		return fmt.Sprintf("%d B", int64(n))
	}
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		f /= 1024
		if f < 1024 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f TiB", f/1024)
}

// Plural writes a count with its noun, in English: Plural(1, "action") is "1 action",
// Plural(3, "delivery") is "3 deliveries". Pages use Many.
func Plural[N ~int | ~int64](n N, noun string) string {
	return Many(context.Background(), n, noun)
}
