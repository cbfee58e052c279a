package jobs

import (
	"context"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// A whole schedule is played in no time, by the code that delivers.
func TestFastForward(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		path     string
		schedule []int
		attempts int
		last     model.Status
		span     time.Duration
	}{
		{"anything", []int{0, 5}, 1, model.Delivered, 0},
		{"fail/2", []int{0, 3600, 7200, 10}, 3, model.Delivered, 3 * time.Hour},
		{"status/503", []int{0, 60, 600}, 3, model.Failed, 11 * time.Minute},
		{"status/400", []int{0, 60, 600}, 1, model.Failed, 0},
		{"busy/900", []int{0, 5}, 2, model.Delivered, 15 * time.Minute},
		{"cut", []int{0, 30}, 2, model.Failed, 30 * time.Second},
		{"tls", []int{0, 30}, 2, model.Failed, 30 * time.Second},
		{"huge/2", []int{0}, 1, model.Delivered, 0},
		{"slow/5", []int{0}, 1, model.Failed, 0},
		{"endless", []int{0}, 1, model.Failed, 0},
	} {
		list, err := d.FastForward(context.Background(), c.path, c.schedule)
		if err != nil || len(list) != c.attempts {
			t.Errorf("%s: %+v, %v", c.path, list, err)
			continue
		}
		if last := list[len(list)-1]; last.Verdict != c.last || last.At != c.span {
			t.Errorf("%s: ended %s after %s, want %s after %s: %s", c.path, last.Verdict, last.At, c.last, c.span, last.Error)
		}
	}
	if _, err := d.FastForward(context.Background(), "a", []int{-1}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong schedule: %v", err)
	}
}
