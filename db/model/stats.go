package model

import (
	"math"
	"strconv"
	"time"
)

// Rollup is what attempts came to in one minute, at one destination or, with Destination "", everywhere.
type Rollup struct {
	Destination DestID     `json:"d"`
	What        string     `json:"w"`           // Recovered, a status, or a step of time (TookSteps)
	Minute      int64      `json:"m"`           // unix minutes
	N           int64      `json:"n"`           // how often
	Last        int64      `json:"l"`           // when the last time was, unix milliseconds
	Error       string     `json:"e,omitempty"` // the last one's, in words
	Delivery    DeliveryID `json:"i,omitempty"` // whose error that is
}

// Recovered is Delivered after an attempt that was not: what statistics count apart.
const Recovered = "recovered"

// How long roll-ups are kept: by the minute, by the hour, by the day.
const (
	MinutesLife = 49 * time.Hour
	HoursLife   = 10 * 24 * time.Hour
	StatsLife   = 90 * 24 * time.Hour
)

// TookMinutes is how many minutes the steps of time are counted together.
const TookMinutes = 5

// What is measured now and then instead of counted: a Rollup's What, whose N are the sum of all measurements. Samples, of no
// destination, are how many there were.
const (
	Backlogged = "backlog"
	Samples    = "samples"
)

// Minute is the unix minute of t.
func Minute(t time.Time) int64 { return t.Unix() / 60 }

// Times of answers are counted in steps, four to a doubling, from 1 ms on; the last step holds the rest (over 5 min).
const (
	tookPrefix = "took:"
	tookSteps  = 74
)

// TookStep is the step of time that an answer after d falls into.
func TookStep(d time.Duration) string {
	n := 0
	if ms := float64(d) / float64(time.Millisecond); ms > 1 {
		n = min(int(4*math.Log2(ms)), tookSteps-1)
	}
	return tookPrefix + strconv.Itoa(n)
}

// TookSteps are all steps, shortest first.
func TookSteps() []string {
	out := make([]string, tookSteps)
	for i := range out {
		out[i] = tookPrefix + strconv.Itoa(i)
	}
	return out
}

// Percentile is the time within which the share p (0 < p ≤ 1) of answers came, from how many fell into each step; it is
// off by at most a tenth. Zero without answers; what else is counted is not looked at.
func Percentile(counts map[string]int64, p float64) time.Duration {
	total := int64(0)
	steps := TookSteps()
	for _, step := range steps {
		total += counts[step]
	}
	if total == 0 {
		return 0
	}
	rank, below := p*float64(total), 0.0
	for i, step := range steps {
		n := float64(counts[step])
		if below+n >= rank && n > 0 {
			return time.Duration(math.Exp2((float64(i)+(rank-below)/n)/4) * float64(time.Millisecond))
		}
		below += n
	}
	return 0
}

// Try is one attempt in short: what it came to and how long it took.
type Try struct {
	Verdict Status
	Took    time.Duration
}

// Slot is what attempts came to in one stretch of time. Retried are attempts after which another one was planned. The times
// are those within which 50, 95 and 99 of 100 answers came, zero without answers. Backlog is how many deliveries were not
// settled, on the average of what was measured; negative when nothing was.
type Slot struct {
	At                                    time.Time // its beginning
	Delivered, Recovered, Failed, Retried int64
	P50, P95, P99                         time.Duration
	Backlog                               float64
}

// Series is one length of time in slots, oldest first, and all of it in one.
type Series struct {
	Span  Span
	Slots []Slot
	All   Slot
}

// Span is how far back figures go: so many slots of so many minutes, the last one still under way.
type Span struct {
	Key     string // as in URLs
	Slots   int
	Minutes int // of one slot
}

// Spans are those that can be asked for, the usual one first.
func Spans() []Span {
	return []Span{
		{"24h", 48, 30},
		{"1h", 60, 1},
		{"7d", 56, 180},
		{"30d", 30, 1440},
	}
}

// SpanOf is the span of that key, or the usual one.
func SpanOf(key string) Span {
	list := Spans()
	for _, s := range list {
		if s.Key == key {
			return s
		}
	}
	return list[0]
}

// Since is when the first slot of the span begins.
func (s Span) Since(now time.Time) time.Time {
	width := int64(s.Minutes)
	return time.Unix((Minute(now)/width-int64(s.Slots)+1)*width*60, 0).UTC()
}

// Backlog is what is not settled of a target.
type Backlog struct {
	N      int64     // in all, held ones included
	Idle   int64     // of those: held, or behind others in an order
	Oldest time.Time // when the first of the others was made, zero = there is none
}

// Open is what is not settled now. At is when it was measured, zero = it was counted just now; More: there is more than N.
type Open struct {
	Backlog
	At   time.Time
	More bool
}

// Add takes in what is not settled of another target.
func (o *Open) Add(x Open) {
	o.Backlog, o.More = o.Backlog.With(x.Backlog), o.More || x.More
	if !x.At.IsZero() && (o.At.IsZero() || x.At.Before(o.At)) {
		o.At = x.At
	}
}

// With is both together.
func (b Backlog) With(x Backlog) Backlog {
	if b.Oldest.IsZero() || !x.Oldest.IsZero() && x.Oldest.Before(b.Oldest) {
		b.Oldest = x.Oldest
	}
	b.N, b.Idle = b.N+x.N, b.Idle+x.Idle
	return b
}

// Trouble is a destination at which attempts did not go well.
type Trouble struct {
	Destination  DestID
	Name         string
	Connection   string
	ConnectionID ConnectionID
	Failed       int64 // deliveries that ended so
	Retried      int64 // attempts after which another one was planned
	Last         time.Time
	Error        string // the last one's, in words
	Delivery     DeliveryID
	Good         time.Time // when it last went well, zero = not since
}

// MostCounted is how far counting goes: beyond it "99+" is said.
const MostCounted = 99

// Waits are the deliveries that wait for another attempt.
type Waits struct {
	N    int
	More bool      // there are more than N
	Next time.Time // when the first of them may go; zero when unknown
	// Paused are those of them whose target is left alone for now.
	Paused int
}

// TargetWaits are the deliveries that wait for another attempt at one target.
type TargetWaits struct {
	Target TargetID
	N      int
	Next   time.Time // when the first of them is due
}

// Failures are the deliveries that are failed now: those that were sent again with success are none.
type Failures struct {
	N      int64
	More   bool  // there are more than N
	Lately int64 // those of N that failed within some time
}

// Add takes in those of another destination.
func (f *Failures) Add(x Failures) {
	f.N, f.More, f.Lately = f.N+x.N, f.More || x.More, f.Lately+x.Lately
}
