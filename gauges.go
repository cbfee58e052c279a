package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs"
)

// gauges collects what is known by destination, and of the store. Destinations are bounded by jobs; a name is looked up when
// it is collected, so that one that was changed shows at once.
type gauges struct {
	store *db.Store
	jobs  *jobs.Service

	attempts, latency, backlog, oldest, breakers *prometheus.Desc
	groups, closures, waiting, wal, file, free   *prometheus.Desc
	workers, measured                            *prometheus.Desc
}

func newGauges(store *db.Store, s *jobs.Service) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("waybill_"+name, help, labels, nil)
	}
	who := []string{"destination_id", "connection", "destination"}
	return &gauges{store: store, jobs: s,
		attempts: desc("destination_attempts_total", "Attempts since the start, by what they came to: delivered, failed, retrying, other.", append(who, "outcome")...),
		latency:  desc("destination_answer_seconds", "Time from the look-up of the name to the last byte of the answer.", who...),
		backlog:  desc("destination_backlog", "Deliveries that are not settled.", who...),
		oldest:   desc("destination_oldest_seconds", "Age of the oldest delivery that is not settled and not held.", who...),
		breakers: desc("destination_breaker_open", "1 when nothing is sent since it failed too often.", who...),
		groups:   desc("store_commits_total", "Commits of the writer since the start."),
		closures: desc("store_writes_total", "Writes in those commits: their ratio is the size of a group."),
		waiting:  desc("store_writes_waiting", "Writes that wait for a commit."),
		wal:      desc("store_log_bytes", "The log of writes (WAL)."),
		file:     desc("store_file_bytes", "The database file, what is spare included."),
		free:     desc("store_disk_free_bytes", "Free bytes of the disk."),
		workers:  desc("render_workers", "Render workers that run."),
		measured: desc("backlog", "Deliveries that are not settled, of all destinations and steps."),
	}
}

// Describe is of prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.attempts, g.latency, g.backlog, g.oldest, g.breakers, g.groups, g.closures, g.waiting, g.wal, g.file, g.free, g.workers, g.measured} {
		out <- d
	}
}

// Collect is of prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	level := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	load, use, backlog := g.store.WriterLoad(), g.jobs.House().Use(), g.jobs.Backlog()
	count(g.groups, load.Groups)
	count(g.closures, load.Closures)
	level(g.waiting, float64(load.Waiting))
	level(g.wal, float64(use.Log))
	level(g.file, float64(use.File))
	level(g.free, float64(use.Free))
	level(g.workers, float64(len(g.jobs.Pool())))
	level(g.measured, float64(backlog.All.N))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	around, err := g.store.Routing(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(g.attempts, err)
		return
	}
	for _, x := range g.jobs.Sums() {
		d := around.Destinations[x.Destination]
		who := []string{string(x.Destination), around.Connections[d.ConnectionID].Name, d.Name}
		for word, n := range map[string]int64{"delivered": x.Delivered, "failed": x.Failed, "retrying": x.Retried, "other": x.Other} {
			count(g.attempts, n, append(who, word)...)
		}
		buckets, below := map[float64]uint64{}, uint64(0)
		for i, bound := range jobs.LatencyBounds() {
			below += x.Buckets[i]
			buckets[bound] = below
		}
		out <- prometheus.MustNewConstHistogram(g.latency, x.Answers, x.Seconds, buckets, who...)
	}
	g.standing(out, around, backlog)
}

// standing tells how it stands with each destination now, also with those that nothing was sent to since the start: an alert
// on these must not end because the server was started again. Those with something to tell come first, up to as many as
// sums are kept of.
func (g *gauges) standing(out chan<- prometheus.Metric, around db.Routing, backlog jobs.Measured) {
	ids := slices.Sorted(maps.Keys(around.Destinations))
	open := map[model.DestID]bool{}
	for _, h := range g.jobs.Ailing() {
		open[model.DestID(h.ID)] = h.Breaker == model.BreakerOpen
	}
	calm := func(id model.DestID) int {
		if open[id] || backlog.Targets[model.TargetID(id)].N > 0 {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(ids, func(a, b model.DestID) int { return calm(a) - calm(b) })
	for _, id := range ids[:min(len(ids), jobs.MostSums)] {
		d, b := around.Destinations[id], backlog.Targets[model.TargetID(id)]
		age, shut := 0.0, 0.0
		if !b.Oldest.IsZero() {
			age = max(0, backlog.At.Sub(b.Oldest).Seconds())
		}
		if open[id] {
			shut = 1
		}
		who := []string{string(id), around.Connections[d.ConnectionID].Name, d.Name}
		for desc, v := range map[*prometheus.Desc]float64{g.backlog: float64(b.N), g.oldest: age, g.breakers: shut} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, who...)
		}
	}
}
