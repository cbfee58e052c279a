package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
