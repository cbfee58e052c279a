package db

import (
	"context"
	"errors"
	"slices"
	"time"

	"waybill/db/model"
)

const (
	rolledSoFar = `SELECT hours, days FROM stats_rolled WHERE one = 1`
	nextHour    = `SELECT min(minute) / 60 FROM stats WHERE minute >= $1`
	hourSums    = `SELECT destination_id, what, sum(n) FROM stats WHERE minute >= $1 AND minute < $2 GROUP BY destination_id, what`
	nextDay     = `SELECT min(hour) / 24 FROM stats_hours WHERE hour >= $1`
	daySums     = `SELECT destination_id, what, sum(n) FROM stats_hours WHERE hour >= $1 AND hour < $2 GROUP BY destination_id, what`
	putHours    = `
INSERT INTO stats_hours (destination_id, what, hour, n)
SELECT value ->> 'd', value ->> 'w', $2, value ->> 'n' FROM json_each($1) WHERE true
ON CONFLICT (destination_id, what, hour) DO UPDATE SET n = excluded.n`
	putDays = `
INSERT INTO stats_days (destination_id, what, day, n)
SELECT value ->> 'd', value ->> 'w', $2, value ->> 'n' FROM json_each($1) WHERE true
ON CONFLICT (destination_id, what, day) DO UPDATE SET n = excluded.n`
	markHours = `UPDATE stats_rolled SET hours = $1 WHERE one = 1`
	markDays  = `UPDATE stats_rolled SET days = $1 WHERE one = 1`
)

// sum is one row of a roll-up.
type sum struct {
	D string `json:"d"`
	W string `json:"w"`
	N int64  `json:"n"`
}

// late is how long after its end counts of an hour may still come.
const late = time.Minute

// dayLag is how many days are read by the hour before they are read as one.
const dayLag = 8

// RollStats adds up one hour or one day that is over, and says how many it did: call it until that is none. What it writes
// replaces what an earlier try wrote, so it may be cut off anywhere; the mark that others read by moves last.
func (s *Store) RollStats(ctx context.Context, now time.Time) (n int64, err error) {
	var hours, days int64
	if _, err := one(s.reader(ctx), "mark", func(r row) (int, error) { return 0, r.Scan(&hours, &days) }, rolledSoFar); err != nil {
		return 0, err
	}
	over := now.Add(-late).Unix() / 3600
	if hours > over || days > max(0, over/24-dayLag) { // the clock was set back: those hours come again
		hours, days = min(hours, over), max(0, min(days, over/24-dayLag))
		if err := s.WriteBulk(ctx, model.System("statistics"), func(tx *Tx) error { return errors.Join(tx.exec(markHours, hours), tx.exec(markDays, days)) }); err != nil {
			return 0, err
		}
	}
	hour, err := one(s.reader(ctx), "hour", number, nextHour, hours*60)
	if err != nil {
		return 0, err
	}
	if hour > 0 && hour < over {
		return 1, s.roll(ctx, hourSums, 60, putHours, markHours, hour)
	}
	day, err := one(s.reader(ctx), "day", number, nextDay, days*24)
	if err != nil || day == 0 || day >= over/24-dayLag {
		return 0, err
	}
	return 1, s.roll(ctx, daySums, 24, putDays, markDays, day)
}

// roll adds up one stretch, which has so many of the finer ones, in small writes.
func (s *Store) roll(ctx context.Context, read string, parts int64, write, mark string, at int64) error {
	list, err := all(s.reader(ctx), func(r row) (x sum, err error) { err = r.Scan(&x.D, &x.W, &x.N); return }, read, at*parts, (at+1)*parts)
	if err != nil {
		return err
	}
	for rows := range slices.Chunk(list, 2*removed) {
		if err := s.WriteBulk(ctx, model.System("statistics"), func(tx *Tx) error { return tx.exec(write, encode(rows), at) }); err != nil {
			return err
		}
	}
	return s.WriteBulk(ctx, model.System("statistics"), func(tx *Tx) error { return tx.exec(mark, at+1) })
}

const (
	forgetMinutes = `
DELETE FROM stats WHERE (destination_id, what, minute) IN (SELECT destination_id, what, minute FROM stats
  WHERE minute < min($1, (SELECT 60 * hours FROM stats_rolled WHERE one = 1)) LIMIT 500)`
	forgetHours = `
DELETE FROM stats_hours WHERE (destination_id, what, hour) IN (SELECT destination_id, what, hour FROM stats_hours
  WHERE hour < min($1, (SELECT 24 * days FROM stats_rolled WHERE one = 1)) LIMIT 500)`
	forgetDays = `
DELETE FROM stats_days WHERE (destination_id, what, day) IN (SELECT destination_id, what, day FROM stats_days WHERE day < $1 LIMIT 500)`
)

// ForgetStats removes up to 500 of each kind of roll-ups whose life is over and that stand in a coarser one. It returns how many.
func (s *Store) ForgetStats(ctx context.Context, now time.Time) (n int64, err error) {
	unit := func(life time.Duration, seconds int64) int64 { return now.Add(-life).Unix() / seconds }
	for _, x := range []struct {
		query  string
		before int64
	}{{forgetMinutes, unit(model.MinutesLife, 60)}, {forgetHours, unit(model.HoursLife, 3600)}, {forgetDays, unit(model.StatsLife, 24*3600)}} {
		err := s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
			gone, err := tx.count(x.query, x.before)
			n += gone
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
