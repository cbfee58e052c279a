package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs"
)

// What is collected is well formed, and says what the store did.
func TestGauges(t *testing.T) {
	store := dbtest.Open(t)
	x := dbtest.Fill(t, store)
	s := jobs.New(jobs.Options{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Version: "test", Node: model.NewNodeID(time.Now())})
	s.Counted(model.Delivery{DestinationID: x.Destination.ID}, model.Outcome{Status: model.Delivered, Attempt: &model.Attempt{StatusCode: 204, Timings: model.Timings{Total: 30_000}}})
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(newGauges(store, s)); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			seen[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if seen["waybill_destination_attempts_total"] != 1 || seen["waybill_destination_answer_seconds"] != 1 || seen["waybill_store_commits_total"] < 1 ||
		seen["waybill_store_writes_total"] < seen["waybill_store_commits_total"] {
		t.Errorf("collected %v", seen)
	}
	if _, there := seen["waybill_destination_backlog"]; !there || len(seen) != 13 {
		t.Errorf("%d families: %v", len(seen), seen)
	}
}

// A server that has just started tells how it stands with destinations that it has not sent anything to.
func TestGaugesAfterStart(t *testing.T) {
	store := dbtest.Open(t)
	x := dbtest.Fill(t, store)
	other := x.Destination
	other.ID, other.Name = "", "Calm"
	paused := model.Health{ID: x.Destination.Target(), FailingSince: time.Now(), Tries: 10, Breaker: model.BreakerOpen, Opens: 1, Until: time.Now().Add(time.Minute)}
	dbtest.Write(t, store, func(tx *db.Tx) error {
		if err := tx.CreateDestination(&other, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"); err != nil {
			return err
		}
		return tx.SaveHealth(paused)
	})
	s := jobs.New(jobs.Options{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Version: "test", Node: model.NewNodeID(time.Now())})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); len(s.Ailing()) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(newGauges(store, s)); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()]++
			if labels := m.GetLabel(); f.GetName() == "waybill_destination_breaker_open" && (m.GetGauge().GetValue() == 1) != (labels[2].GetValue() == string(x.Destination.ID)) {
				t.Errorf("%v: %v", labels, m.GetGauge())
			}
		}
	}
	for _, name := range []string{"waybill_destination_backlog", "waybill_destination_oldest_seconds", "waybill_destination_breaker_open"} {
		if got[name] != 2 {
			t.Errorf("%d of %s, want one of each destination", got[name], name)
		}
	}
}
