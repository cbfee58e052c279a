package jobs

import (
	"errors"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"waybill/db/model"
)

// NextTime is when a schedule is due next after now. Where clocks are changed, what is due every hour, or oftener, goes by
// time that passes; what is due at an hour of the day is due once a day: in the hour that is repeated the first time, and
// in the hour that is left out as long after the change as it would have been before it.
func NextTime(tr model.Trigger, now time.Time) (time.Time, error) {
	zone, err := time.LoadLocation(tr.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	if passing(tr.Cron) {
		return nextPassing(tr.Cron, now.In(zone))
	}
	for wall := wallClock(now.In(zone)); ; {
		if wall, err = gronx.NextTickAfter(tr.Cron, wall, false); err != nil {
			return time.Time{}, err
		}
		if due, err := gronx.New().IsDue(tr.Cron, wall); err != nil || !due { // it gives some day for one that never comes, such as 31 February
			return time.Time{}, errNever
		}
		if at := instant(wall, zone); at.After(now) {
			return at, nil
		}
	}
}

var errNever = errors.New("the schedule never comes due")

// passing reports whether a schedule names no hour.
func passing(cron string) bool {
	fields := strings.Fields(cron)
	switch {
	case len(fields) == 1:
		return !strings.HasPrefix(cron, "@daily") && !strings.HasPrefix(cron, "@weekly") && !strings.HasPrefix(cron, "@monthly") && !strings.HasPrefix(cron, "@yearly") && !strings.HasPrefix(cron, "@annually")
	case len(fields) > 5: // seconds come first
		return strings.HasPrefix(fields[2], "*")
	case len(fields) > 1:
		return strings.HasPrefix(fields[1], "*")
	}
	return false
}

// nextPassing is the next time with the clocks as they are now, or, when they are changed before it, with the clocks as they
// are then.
func nextPassing(cron string, now time.Time) (time.Time, error) {
	zone := now.Location()
	_, was := now.Zone()
	next, err := gronx.NextTickAfter(cron, now.In(time.FixedZone("", was)), false)
	if err != nil {
		return next, err
	}
	if _, is := next.In(zone).Zone(); is == was {
		return next.In(zone), nil
	}
	_, change := now.ZoneBounds()
	_, is := change.Zone()
	next, err = gronx.NextTickAfter(cron, change.In(time.FixedZone("", is)), true)
	return next.In(zone), err
}

// wallClock is what clocks show, as if they were in UTC.
func wallClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant is when clocks in a zone show this, for the first time.
func instant(wall time.Time, zone *time.Location) time.Time {
	_, before := wall.Add(-36 * time.Hour).In(zone).Zone()
	_, after := wall.Add(36 * time.Hour).In(zone).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(zone)
	if _, is := first.Zone(); is == before || before == after {
		return first
	}
	if then := wall.Add(-time.Duration(after) * time.Second).In(zone); wallClock(then).Equal(wall) {
		return then
	}
	return first // clocks never show it
}
