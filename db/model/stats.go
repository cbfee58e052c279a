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

// StatsLife is how long roll-ups are kept.
const StatsLife = 90 * 24 * time.Hour

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
// off by at most a tenth. Zero without answers.
func Percentile(counts map[string]int64, p float64) time.Duration {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, below := p*float64(total), 0.0
	for i, step := range TookSteps() {
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

// Slot is what attempts came to in one stretch of time.
type Slot struct {
	At                           time.Time // its beginning
	Delivered, Recovered, Failed int64
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
	Next time.Time // when the first of them is due; zero when unknown
}
