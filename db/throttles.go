package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"waybill/db/model"
)

// Sign-in throttle: from the 5th failure in a row on, a key waits 1 s, 2 s, 4 s … at most 15 min; a day without failures
// forgets them.
const (
	freeFailures = 5
	longestWait  = 15 * time.Minute
	throttleLife = 24 * time.Hour
)

// ThrottleKeys are what a sign-in is throttled by: the account and the network of the address (/24, /64 for IPv6).
func ThrottleKeys(email, address string) []string {
	sum := sha256.Sum256([]byte(lower(email)))
	return []string{"account:" + hex.EncodeToString(sum[:16]), "network:" + network(address)}
}

func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if with, err := netip.ParseAddrPort(address); err == nil {
			ip = with.Addr()
		} else {
			return "unknown"
		}
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	net, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return net.String()
}

const (
	throttledUntil = `SELECT max(until_at) FROM throttles WHERE key IN (SELECT value FROM json_each($1)) AND until_at > $2`
	failuresOf     = `SELECT failures FROM throttles WHERE key = $1 AND updated_at > $2`
	keepFailure    = `
INSERT INTO throttles (key, failures, until_at, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, until_at = excluded.until_at, updated_at = excluded.updated_at`
	dropThrottle = `DELETE FROM throttles WHERE key = $1`
	oldThrottles = `DELETE FROM throttles WHERE key IN (SELECT key FROM throttles WHERE updated_at <= $1 LIMIT 500)`
)

// Throttled is until when none of keys may try again, zero when all may now.
func (s *Store) Throttled(ctx context.Context, keys []string, now time.Time) (time.Time, error) {
	return one(s.reader(ctx), "throttle", func(r row) (t time.Time, err error) {
		err = r.Scan(at{&t})
		return t, err
	}, throttledUntil, encode(keys), ms(now))
}

// Failed counts a failure against every key; bookkeeping, the audit row is RefuseSession's.
func (tx *Tx) Failed(keys ...string) error {
	for _, key := range keys {
		before, err := all(tx, number, failuresOf, key, ms(tx.now.Add(-throttleLife)))
		if err != nil {
			return err
		}
		n := int64(1)
		if len(before) > 0 {
			n += before[0]
		}
		if err := tx.exec(keepFailure, key, n, ms(tx.now.Add(wait(n))), ms(tx.now)); err != nil {
			return err
		}
	}
	return nil
}

// wait is how long a key waits after its n-th failure.
func wait(n int64) time.Duration {
	if n < freeFailures {
		return 0
	}
	return min(time.Second<<min(n-freeFailures, 20), longestWait)
}

// Cleared forgets the failures of a key: its owner got in.
func (tx *Tx) Cleared(key string) error { return tx.exec(dropThrottle, key) }

// ForgetThrottles removes up to 500 keys without failures for a day and says how many went.
func (s *Store) ForgetThrottles(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(oldThrottles, ms(now.Add(-throttleLife)))
		return err
	})
	return n, err
}
