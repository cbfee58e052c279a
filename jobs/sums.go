package jobs

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"waybill/db/model"
)

// LatencyBounds are the upper bounds of the buckets in which the times of answers are counted for metrics, in seconds.
func LatencyBounds() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// Sum is what attempts at one destination came to since the start.
type Sum struct {
	Destination                       model.DestID // "" = of steps, and of those that are too many to be named
	Delivered, Failed, Retried, Other int64
	Answers                           uint64
	Seconds                           float64  // of all answers together
	Buckets                           []uint64 // by LatencyBounds, each without those below
}

// MostSums is how many destinations are told apart: each is a dozen and more series in who collects them.
const MostSums = 200

// sums are guarded by the mutex of activity.
type sums struct{ by map[model.DestID]*Sum }

func (s *sums) add(id model.DestID, what string, o model.Outcome) {
	if s.by == nil {
		s.by = map[model.DestID]*Sum{}
	}
	x := s.by[id]
	if x == nil && len(s.by) >= MostSums {
		id = ""
		x = s.by[id]
	}
	if x == nil {
		x = &Sum{Destination: id, Buckets: make([]uint64, len(LatencyBounds()))}
		s.by[id] = x
	}
	switch what {
	case string(model.Delivered), model.Recovered:
		x.Delivered++
	case string(model.Failed):
		x.Failed++
	case string(model.Retrying):
		x.Retried++
	default:
		x.Other++
	}
	if o.Attempt.StatusCode == 0 {
		return
	}
	took := (time.Duration(o.Attempt.Timings.Total) * time.Microsecond).Seconds()
	x.Answers++
	x.Seconds += took
	if i, _ := slices.BinarySearch(LatencyBounds(), took); i < len(x.Buckets) {
		x.Buckets[i]++
	}
}

// Sums tells what attempts came to since the start, by destination.
func (s *Service) Sums() []Sum {
	s.activity.mu.Lock()
	defer s.activity.mu.Unlock()
	out := make([]Sum, 0, len(s.activity.sums.by))
	for x := range maps.Values(s.activity.sums.by) {
		c := *x
		c.Buckets = slices.Clone(x.Buckets)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Sum) int { return cmp.Compare(a.Destination, b.Destination) })
	return out
}
