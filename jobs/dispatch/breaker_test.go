package dispatch

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db/model"
	"waybill/jobs/deliver"
)

func TestBreakerOpens(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var h health
	for i := range openInARow {
		if h.Breaker != model.BreakerClosed {
			t.Fatalf("open after %d failures", i)
		}
		h.heard(ill, false, "503", h.round, 8, now)
	}
	if h.Breaker != model.BreakerOpen || h.Until != now.Add(openFirst) {
		t.Fatalf("after 10 failures: %+v", h.Health)
	}
	h.heard(well, true, "", h.round-1, 8, now) // one that was under way says nothing
	if h.Breaker != model.BreakerOpen {
		t.Error("a straggler closed it")
	}

	h = health{}
	for i := range 19 { // every second one fails
		h.heard([]word{ill, well}[i%2], i%2 == 1, "503", h.round, 8, now.Add(time.Duration(i)*time.Second))
	}
	if h.Breaker != model.BreakerClosed {
		t.Error("open with 19 attempts")
	}
	h.heard(ill, false, "503", h.round, 8, now.Add(20*time.Second))
	if h.Breaker != model.BreakerOpen {
		t.Error("half of 20 failed within a minute, yet it is closed")
	}

	h = health{}
	for i := range 40 { // as above, over more than a minute
		h.heard([]word{ill, well}[i%2], i%2 == 1, "503", h.round, 8, now.Add(time.Duration(i)*4*time.Second))
	}
	if h.Breaker != model.BreakerClosed {
		t.Error("failures of more than a minute ago count")
	}
}

func TestBreakerRecovers(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var h health
	h.heard(ill, false, "503", h.round, 8, now.Add(-time.Hour))
	for range openInARow - 1 {
		h.heard(ill, false, "503", h.round, 8, now)
	}
	stopped := now
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 20, 20} {
		if wait := h.Until.Sub(now); wait != want*openFirst {
			t.Errorf("open for %s the %d. time, want %s", wait, i+1, want*openFirst)
		}
		if since := StoppedSince(h.Health); !since.Equal(stopped) {
			t.Errorf("open for the %d. time since %s, want %s: it failed for an hour before", i+1, since, stopped)
		}
		if n, until := h.limit(8, now); n != 0 || until != h.Until {
			t.Errorf("%d may go while it is open, until %v", n, until)
		}
		now = h.Until
		if n, until := h.limit(8, now); n != 1 || !until.IsZero() || !h.probing() {
			t.Errorf("%d may go as a probe", n)
		}
		h.heard(ill, false, "503", h.round, 8, now)
	}
	now = h.Until
	limits := []int{}
	for range 8 {
		h.heard(well, true, "", h.round, 8, now)
		n, _ := h.limit(8, now)
		limits = append(limits, n)
	}
	if !StoppedSince(h.Health).IsZero() {
		t.Errorf("it is not sent to since %s, though it recovered", StoppedSince(h.Health))
	}
	if want := []int{1, 2, 2, 4, 4, 4, 4, 8}; h.Breaker != model.BreakerClosed || !slices.Equal(limits, want) {
		t.Errorf("it recovered by %v to %+v, want %v", limits, h.Health, want)
	}
	for range openInARow {
		h.heard(ill, false, "503", h.round, 8, now)
	}
	now = h.Until
	h.heard(well, true, "", h.round, 8, now)
	h.heard(ill, false, "503", h.round, 8, now)
	if h.Breaker != model.BreakerOpen || h.Until.Sub(now) != 2*openFirst || !StoppedSince(h.Health).Equal(now) {
		t.Errorf("a failure while it recovers: %+v", h.Health)
	}
}

func TestWordOf(t *testing.T) {
	answered, none := &model.Attempt{StatusCode: 400}, &model.Attempt{}
	for _, c := range []struct {
		r    deliver.Result
		want word
	}{
		{deliver.Result{Kind: deliver.Sent, Attempt: &model.Attempt{StatusCode: 200}}, well},
		{deliver.Result{Kind: deliver.Final, Attempt: answered}, well},
		{deliver.Result{Kind: deliver.Final, Attempt: none}, silent}, // refused by our own rules, template error
		{deliver.Result{Kind: deliver.Again, Attempt: none}, ill},
		{deliver.Result{Kind: deliver.Again, Attempt: &model.Attempt{Class: model.ClassSetup}}, silent},
		{deliver.Result{Kind: deliver.Nothing}, silent},
		{deliver.Result{Kind: deliver.Crash}, silent},
		{deliver.Result{Kind: deliver.Cut}, silent},
	} {
		if got := wordOf(c.r); got != c.want {
			t.Errorf("%+v: %d, want %d", c.r, got, c.want)
		}
	}
}

// A target that fails is left alone, also after a restart, and the oldest message is the one that tries whether it works.
func TestBreakerInTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		var log book
		schedule := make([]int, 40)
		for i := range schedule {
			schedule[i] = min(i, 1)
		}
		fails := func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			return failing(ctx, w)
		}
		b := asks(Target{Schedule: schedule}, fails)
		b.limit = 1
		old := b.publish("dst_a")
		time.Sleep(15 * time.Second)
		if got := len(log.read()); got != openInARow {
			t.Errorf("%d attempts until it opened, want %d", got, openInARow)
		}
		fresh := b.publish("dst_a")
		time.Sleep(5 * time.Second)
		if s := b.d.Shown("dst_a"); s.Waits != WaitsBreaker || s.Until.IsZero() || s.Health.Tries != openInARow || s.Health.LastError == "" {
			t.Errorf("shown as %+v", s)
		}
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		b.boot(Options{})
		time.Sleep(5 * time.Second)
		if got := len(log.read()); got != openInARow {
			t.Errorf("%d attempts after a restart while it is open, want %d", got, openInARow)
		}
		b.plays(func(ctx context.Context, w model.Work) deliver.Result {
			log.note("%s", data(w))
			return sent(ctx, w)
		})
		time.Sleep(time.Minute)
		b.become(old, model.Delivered)
		b.become(fresh, model.Delivered)
		if got := log.read(); len(got) != openInARow+2 || got[openInARow] != "1" {
			t.Errorf("after it opened: %v", got[openInARow:])
		}
		if s := b.d.Shown("dst_a"); s != (Shown{}) {
			t.Errorf("shown as %+v when all is well", s)
		}
		if list, err := b.store.Ailing(context.Background()); err != nil || len(list) != 0 {
			t.Errorf("remembered: %+v, %v", list, err)
		}
	})
}

// After five days of nothing but failures a target is switched off, over restarts, and says why.
func TestHopeless(t *testing.T) {
	bubble(t, func(t *testing.T, asks func(Target, func(context.Context, model.Work) deliver.Result) *bed) {
		schedule := make([]int, 60) // jitter shortens it: more than seven days all the same
		for i := 1; i < len(schedule); i++ {
			schedule[i] = 6 * 3600
		}
		b := asks(Target{Schedule: schedule}, failing)
		id := b.publish("dst_a")
		time.Sleep(3 * 24 * time.Hour)
		if err := b.d.Stop(time.Second); err != nil {
			t.Fatal(err)
		}
		var why atomic.Value // string
		b.boot(Options{Settle: settling(func(o model.Outcome) {
			if o.Disable != "" {
				why.CompareAndSwap(nil, o.Disable)
			}
		})})
		time.Sleep(24 * time.Hour)
		if why := why.Load(); why != nil {
			t.Errorf("after 4 days: %s", why)
		}
		time.Sleep(3 * 24 * time.Hour)
		if why, _ := why.Load().(string); !strings.Contains(why, "5 days") {
			t.Errorf("after 7 days: %q", why)
		}
		b.become(id, model.Retrying)
	})
}
