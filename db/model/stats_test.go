package model

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, 3 * time.Millisecond, 312 * time.Millisecond, 7 * time.Second, 4 * time.Minute} {
		counts := map[string]int64{}
		for range 100 {
			counts[TookStep(d)]++
		}
		counts[TookStep(10*time.Minute)] = 4
		got := Percentile(counts, 0.5)
		low, high := time.Duration(float64(d)*0.88), max(time.Duration(float64(d)*1.12), 1200*time.Microsecond)
		if got < low || got > high {
			t.Errorf("the median of answers after %v is said to be %v", d, got)
		}
		if got := Percentile(counts, 1); got < 4*time.Minute {
			t.Errorf("the slowest answer is said to have come after %v", got)
		}
	}
}

func TestFirstDeliveryID(t *testing.T) {
	now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	id := NewDeliveryID(now)
	if first, next := FirstDeliveryID(now), FirstDeliveryID(now.Add(time.Millisecond)); id < first || id >= next {
		t.Errorf("%s is not in [%s, %s)", id, first, next)
	}
}
