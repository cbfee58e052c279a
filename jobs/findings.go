package jobs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs/dispatch"
)

// watched is what rules look at, read once for all of them.
type watched struct {
	s       *Service
	now     time.Time
	around  db.Routing
	backlog Measured
	disk    model.DiskUse
	storage model.Storage
	blocked string
	failing map[string]Failing
	// Read when the first rule asks, by window in minutes.
	lately map[int]map[model.DestID]model.Slot
	calls  map[int]map[model.InboundID]map[model.CallState]int64
}

func (s *Service) watched(ctx context.Context, now time.Time) (*watched, error) {
	w := &watched{s: s, now: now, backlog: s.Backlog(), disk: s.house.Use(), blocked: s.house.Blocked().String(), failing: s.failing(),
		lately: map[int]map[model.DestID]model.Slot{}, calls: map[int]map[model.InboundID]map[model.CallState]int64{}}
	var err error
	if w.around, err = s.o.Store.Routing(ctx); err != nil {
		return nil, err
	}
	w.storage, err = s.house.Policy(ctx)
	return w, err
}

// find is what a rule says now.
func (w *watched) find(ctx context.Context, r model.AlertRule) ([]model.Finding, error) {
	switch r.Kind {
	case model.AlertFailureRate:
		return w.failures(ctx, r)
	case model.AlertBreaker:
		return w.breakers(r), nil
	case model.AlertSwitchedOff:
		return w.switchedOff(r), nil
	case model.AlertBacklog:
		return w.waiting(r), nil
	case model.AlertDisk:
		return w.full(r), nil
	case model.AlertCredential:
		return w.ending(r), nil
	case model.AlertInbound:
		return w.inbound(ctx, r)
	case model.AlertJob:
		return w.background(ctx, r)
	}
	return nil, nil
}

// destinations are those that a rule is about, in order of their ids.
func (w *watched) destinations(r model.AlertRule) []model.Destination {
	var out []model.Destination
	for _, id := range slices.Sorted(maps.Keys(w.around.Destinations)) {
		if r.Scope == "" || r.Scope == string(id) {
			out = append(out, w.around.Destinations[id])
		}
	}
	return out
}

func (w *watched) name(d model.Destination) string {
	return w.around.Connections[d.ConnectionID].Name + " → " + d.Name
}

func about(d model.Destination) string { return model.AboutDestination(d.ID) }

func (w *watched) failures(ctx context.Context, r model.AlertRule) (out []model.Finding, err error) {
	if w.lately[r.WindowMinutes] == nil {
		ids := slices.Collect(maps.Keys(w.around.Destinations))
		if w.lately[r.WindowMinutes], err = w.s.o.Store.Lately(ctx, ids, w.now.Add(-time.Duration(r.WindowMinutes)*time.Minute)); err != nil {
			return nil, err
		}
	}
	for _, d := range w.destinations(r) {
		x := w.lately[r.WindowMinutes][d.ID]
		bad, all := x.Failed+x.Retried, x.Delivered+x.Failed+x.Retried
		if all == 0 || all < int64(r.Least) || bad*100 < int64(r.Threshold)*all {
			continue
		}
		out = append(out, model.Finding{About: about(d), Title: w.name(d) + ": " + strconv.FormatInt(bad*100/all, 10) + " % of the attempts fail",
			Detail: fmt.Sprintf("%d of %s in the last %s went wrong.", bad, several(all, "attempt"), several(r.WindowMinutes, "minute")), URL: "/destinations/" + string(d.ID) + "/activity?span=1h"})
	}
	return out, nil
}

func (w *watched) breakers(r model.AlertRule) (out []model.Finding) {
	ailing := map[model.TargetID]model.Health{}
	for _, h := range w.s.Ailing() {
		ailing[h.ID] = h
	}
	for _, d := range w.destinations(r) {
		h, ok := ailing[d.Target()]
		since := dispatch.StoppedSince(h)
		if !ok || since.IsZero() || w.now.Sub(since) < time.Duration(r.Threshold)*time.Minute {
			continue
		}
		words := "Nothing is sent since " + clockOf(since) + ". "
		if !h.FailingSince.IsZero() {
			words += "Failing since " + clockOf(h.FailingSince) + ". "
		}
		out = append(out, model.Finding{About: about(d), Title: w.name(d) + ": nothing is sent for now, it failed too often",
			Detail: strings.TrimSpace(words + h.LastError), URL: "/destinations/" + string(d.ID)})
	}
	return out
}

// clockOf is a time in a message.
func clockOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

func (w *watched) switchedOff(r model.AlertRule) (out []model.Finding) {
	for _, d := range w.destinations(r) {
		if !d.Enabled && d.DisabledReason != "" {
			out = append(out, model.Finding{About: about(d), Title: w.name(d) + " was switched off", Detail: d.DisabledReason + " Its deliveries are held until it is switched on.",
				URL: "/destinations/" + string(d.ID)})
		}
	}
	return out
}

func (w *watched) waiting(r model.AlertRule) (out []model.Finding) {
	for _, d := range w.destinations(r) {
		b := w.backlog.Targets[d.Target()]
		if b.Oldest.IsZero() || w.now.Sub(b.Oldest) < time.Duration(r.Threshold)*time.Minute {
			continue
		}
		out = append(out, model.Finding{About: about(d), Title: w.name(d) + ": deliveries wait for long",
			Detail: fmt.Sprintf("The oldest one was made at %s. Not settled: %d.", clockOf(b.Oldest), b.N), URL: "/destinations/" + string(d.ID) + "/activity"})
	}
	return out
}

func (w *watched) full(r model.AlertRule) []model.Finding {
	size := w.disk.File - w.disk.Spare
	switch {
	case w.blocked != "":
		return []model.Finding{{About: "disk", Title: "Nothing is accepted: the disk is too full", Detail: w.blocked, URL: "/settings/storage"}}
	case w.storage.Budget > 0 && size*100 >= w.storage.Budget*int64(r.Threshold):
		return []model.Finding{{About: "disk", Title: fmt.Sprintf("The database takes %d %% of its budget", size*100/w.storage.Budget),
			Detail: fmt.Sprintf("%d of %d MiB; what is old goes earlier when it is full. %d MiB of the disk are free.", size>>20, w.storage.Budget>>20, w.disk.Free>>20), URL: "/settings/storage"}}
	}
	return nil
}

func (w *watched) ending(r model.AlertRule) (out []model.Finding) {
	for _, id := range slices.Sorted(maps.Keys(w.around.Credentials)) {
		c := w.around.Credentials[id]
		ends := c.Ends()
		if ends.IsZero() || ends.Sub(w.now) > time.Duration(r.Threshold)*24*time.Hour {
			continue
		}
		words := "ends on " + clockOf(ends)
		if !ends.After(w.now) {
			words = "has ended on " + clockOf(ends)
		}
		out = append(out, model.Finding{About: "credential:" + string(id), Title: "The credential " + c.Name + " " + words, Detail: "What uses it will no longer be let in.", URL: "/credentials/" + string(id)})
	}
	return out
}

func (w *watched) inbound(ctx context.Context, r model.AlertRule) (out []model.Finding, err error) {
	if w.calls[r.WindowMinutes] == nil {
		if w.calls[r.WindowMinutes], err = w.s.o.Store.CallsSince(ctx, w.now.Add(-time.Duration(r.WindowMinutes)*time.Minute)); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.calls[r.WindowMinutes])) {
		if r.Scope != "" && r.Scope != string(id) {
			continue
		}
		var all int64
		for state, n := range w.calls[r.WindowMinutes][id] {
			if state != model.CallSample {
				all += n
			}
		}
		bad := w.calls[r.WindowMinutes][id][model.CallRefused] + w.calls[r.WindowMinutes][id][model.CallFailed]
		if all == 0 || all < int64(r.Least) || bad*100 < all*int64(r.Threshold) {
			continue
		}
		e, err := w.s.o.Store.InboundEndpoint(ctx, id)
		if err != nil { // deleted meanwhile
			continue
		}
		out = append(out, model.Finding{About: "endpoint:" + string(id), Title: fmt.Sprintf("Inbound URL %s: %d %% of the calls go wrong", e.Name, bad*100/all),
			Detail: fmt.Sprintf("Refused or failed: %d of %s in the last %s.", bad, several(all, "call"), several(r.WindowMinutes, "minute")), URL: "/inbound/" + string(id) + "/calls"})
	}
	return out, nil
}

func (w *watched) background(ctx context.Context, r model.AlertRule) (out []model.Finding, err error) {
	long := time.Duration(r.Threshold) * time.Minute
	for _, name := range slices.Sorted(maps.Keys(w.failing)) {
		if f := w.failing[name]; w.now.Sub(f.Since) >= long {
			out = append(out, model.Finding{About: "job:" + name, Title: cmp.Or(workNames[name], name) + " does not get on", Detail: "Since " + clockOf(f.Since) + ": " + f.Last, URL: "/settings"})
		}
	}
	n, first, words, err := w.s.o.Store.FailedExports(ctx)
	if err != nil || n == 0 || w.now.Sub(first) < time.Hour+long { // an hour is written when it has ended
		return out, err
	}
	return append(out, model.Finding{About: "job:export", Title: "Hourly exports do not get on", Detail: fmt.Sprintf("%s not written yet, from that of %s on: %s", several(n, "hour"), clockOf(first), words), URL: "/settings"}), nil
}

// several is a number of things in words: "1 minute", "5 minutes".
func several[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// workNames are the names of background work for people.
var workNames = map[string]string{"mail": "Sending mail", "statistics": "Keeping statistics", "housekeeping": "Housekeeping", "traces": "Sending traces"}
