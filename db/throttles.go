package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"waybill/db/model"
)

// throttle is how keys of one kind are held back: from the failure after so many free ones on, a key waits 1 s, 2 s, 4 s … at
// most longest; each time fade has passed, one failure is forgotten (0 = none is), and after a day without failures all are.
type throttle struct {
	free    int64
	longest time.Duration
	fade    time.Duration
}

const throttleLife = 24 * time.Hour

// throttleOf is how a key is held back. Strict are those of one who guesses: an account from one network, codes of one account,
// links asked for one account. What many people share, a network or an account that others try from elsewhere, bears far more,
// so that the mistakes of some do not lock out the rest.
func throttleOf(key string) throttle {
	switch kind, _, _ := strings.Cut(key, ":"); kind {
	case "account":
		return throttle{100, time.Minute, 36 * time.Second}
	case "network", "reset network":
		return throttle{100, 15 * time.Minute, 36 * time.Second}
	}
	return throttle{4, 15 * time.Minute, 0}
}

// wait is how long a key waits after its n-th failure.
func (t throttle) wait(n int64) time.Duration {
	if n <= t.free {
		return 0
	}
	return min(time.Second<<min(n-t.free-1, 20), t.longest)
}

// left is what remains at now of failures that were counted at some time, and from when the next fades.
func (t throttle) left(failures int64, at, now time.Time) (int64, time.Time) {
	if t.fade == 0 {
		return failures, now
	}
	gone := max(0, int64(now.Sub(at)/t.fade))
	if gone >= failures {
		return 0, now
	}
	return failures - gone, at.Add(time.Duration(gone) * t.fade)
}

// SignInKeys are what a sign-in is throttled by: the account from this network (/24, /64 for IPv6), the account from anywhere,
// and the network.
func SignInKeys(email, address string) []string {
	account := accountKey(email)
	return []string{"pair:" + account + " " + network(address), "account:" + account, NetworkKey(address)}
}

// ResetKeys are what asking for a new password is throttled by.
func ResetKeys(email, address string) []string {
	return []string{"reset account:" + accountKey(email), "reset " + NetworkKey(address)}
}

// NetworkKey is the one of the network of an address.
func NetworkKey(address string) string { return "network:" + network(address) }

func accountKey(email string) string {
	sum := sha256.Sum256([]byte(lower(email)))
	return hex.EncodeToString(sum[:16])
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
	failuresOf     = `SELECT failures, until_at, updated_at FROM throttles WHERE key = $1 AND updated_at > $2`
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
		t := throttleOf(key)
		f, err := tx.failures(key)
		if err != nil {
			return err
		}
		n, at := t.left(f.count, f.at, tx.now)
		if err := tx.exec(keepFailure, key, n+1, ms(tx.now.Add(t.wait(n+1))), ms(at)); err != nil {
			return err
		}
	}
	return nil
}

type failures struct {
	count     int64
	until, at time.Time
}

func (tx *Tx) failures(key string) (failures, error) {
	list, err := all(tx, func(r row) (f failures, err error) {
		err = r.Scan(&f.count, at{&f.until}, at{&f.at})
		return f, err
	}, failuresOf, key, ms(tx.now.Add(-throttleLife)))
	if err != nil || len(list) == 0 {
		return failures{}, err
	}
	return list[0], nil
}

// Cleared forgets the failures of a key: its owner got in. They no longer count against the keys that he shares with others.
func (tx *Tx) Cleared(key string, shared ...string) error {
	own, err := tx.failures(key)
	if err != nil {
		return err
	}
	if own.count == 0 {
		shared = nil
	}
	for _, other := range shared {
		t := throttleOf(other)
		f, err := tx.failures(other)
		if err != nil {
			return err
		}
		n, at := t.left(f.count, f.at, tx.now)
		n = max(0, n-own.count)
		until := f.until
		if n <= t.free {
			until = time.Time{}
		}
		if err := tx.exec(keepFailure, other, n, ms(until), ms(at)); err != nil {
			return err
		}
	}
	return tx.exec(dropThrottle, key)
}

// ForgetThrottles removes up to 500 keys without failures for a day and says how many went.
func (s *Store) ForgetThrottles(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(oldThrottles, ms(now.Add(-throttleLife)))
		return err
	})
	return n, err
}
