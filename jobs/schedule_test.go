package jobs

import (
	"testing"
	"time"

	"waybill/db/model"
)

// Schedules around the days on which clocks are changed: nothing is left out and nothing happens twice.
func TestNextTime(t *testing.T) {
	for _, x := range []struct {
		cron, zone, from string
		want             []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2027-03-26T12:00:00Z", []string{"2027-03-27T02:30:00+01:00", "2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T02:30:00+01:00"}}, // the second 02:10
		{"0 * * * *", "Europe/Berlin", "2026-10-24T22:30:00Z", []string{"2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"0 * * * *", "Europe/Berlin", "2027-03-27T23:30:00Z", []string{"2027-03-28T01:00:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T04:00:00+02:00"}},
		{"*/20 * * * *", "America/New_York", "2026-11-01T05:30:00Z", []string{"2026-11-01T01:40:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:20:00-05:00"}},
		{"0 9 * * 1-5", "Europe/Berlin", "2027-03-26T12:00:00Z", []string{"2027-03-29T09:00:00+02:00", "2027-03-30T09:00:00+02:00"}},
		{"15 30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z", []string{"2027-03-28T03:30:15+02:00"}},
		{"0 9 * * *", "", "2027-03-27T12:00:00Z", []string{"2027-03-28T09:00:00Z"}},
		{"@daily", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", []string{"2026-10-04T00:00:00+10:30", "2026-10-05T00:00:00+11:00"}}, // by half an hour
	} {
		now, err := time.Parse(time.RFC3339, x.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range x.want {
			next, err := NextTime(model.Trigger{Cron: x.cron, Timezone: x.zone}, now)
			if err != nil || next.Format(time.RFC3339) != want {
				t.Errorf("%s in %s after %s: want %s, got %s (%v)", x.cron, x.zone, now.Format(time.RFC3339), want, next.Format(time.RFC3339), err)
				break
			}
			now = next
		}
	}
	for _, tr := range []model.Trigger{{Cron: "0 9 * * *", Timezone: "Nowhere/Else"}, {Cron: "0 0 31 2 *"}} {
		if next, err := NextTime(tr, time.Unix(1.8e9, 0)); err == nil {
			t.Errorf("%+v is due at %s", tr, next)
		}
	}
}
