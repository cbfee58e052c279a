package db

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// A signing secret that was replaced is sealed under its name and the time until which it still signs, in unix milliseconds.
const signingUntil = signingName + "@"

// maxOlder is how many replaced secrets may sign at once.
const maxOlder = 5

// SigningSecrets are the secret that a destination's messages are signed with, and those that were replaced and still sign at now,
// the latest first.
func (s *Store) SigningSecrets(ctx context.Context, id model.DestID, now time.Time) (model.Secret, []model.OlderSecret, error) {
	secrets, err := s.unseal(s.reader(ctx), destinationKind, string(id))
	if err != nil {
		return "", nil, err
	}
	secret, ok := secrets[signingName]
	if !ok {
		return "", nil, fault.Absent("signing secret")
	}
	var older []model.OlderSecret
	for name, x := range secrets {
		if until, ok := untilOf(name); ok && until.After(now) {
			older = append(older, model.OlderSecret{Secret: x, Until: until})
		}
	}
	slices.SortFunc(older, func(a, b model.OlderSecret) int { return b.Until.Compare(a.Until) })
	return secret, older, nil
}

func untilOf(name string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, signingUntil)
	n, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(n).UTC(), ok && err == nil
}

const (
	touchDestination = `UPDATE destinations SET updated_at = $1, version = version + 1 WHERE id = $2`
	dropSealedName   = `DELETE FROM sealed WHERE kind = $1 AND row_id = $2 AND name = $3`
	moveSealed       = `SELECT name FROM sealed WHERE kind = $1 AND row_id = $2`
	putPublic        = `INSERT INTO signing_public (destination_id, public, until_at) VALUES ($1, $2, 0) ON CONFLICT (destination_id, public) DO UPDATE SET until_at = 0`
	endPublic        = `UPDATE signing_public SET until_at = $1 WHERE destination_id = $2 AND (until_at = 0 OR until_at > $1)`
	dropPublic       = `DELETE FROM signing_public WHERE destination_id = $1 AND until_at > 0 AND until_at <= $2`
	livePublic       = `SELECT destination_id, public FROM signing_public WHERE until_at = 0 OR until_at > $1`
)

// PublicKey is one by which receivers check signatures.
type PublicKey struct {
	Destination model.DestID
	Text        string // whpk_…
}

// PublicKeys lists those that sign at now.
func (s *Store) PublicKeys(ctx context.Context, now time.Time) ([]PublicKey, error) {
	return all(s.reader(ctx), func(r row) (k PublicKey, err error) { err = r.Scan(&k.Destination, &k.Text); return k, err }, livePublic, ms(now))
}

// RotateSigning replaces old, the signing secret of a destination, by secret; old goes on signing until then. public is the public
// key of secret, "" when it has none. Without secret nothing is replaced, and those that were end.
func (tx *Tx) RotateSigning(id model.DestID, old, secret model.Secret, public string, until time.Time) error {
	d, err := one(tx, "destination", scanDestination, destinationByID, id)
	if err != nil {
		return err
	}
	names, err := all(tx, text[string], moveSealed, destinationKind, id)
	if err != nil {
		return err
	}
	left := 0
	for _, name := range names {
		if end, ok := untilOf(name); ok && (secret == "" || !end.After(tx.now)) {
			if err := tx.exec(dropSealedName, destinationKind, id, name); err != nil {
				return err
			}
		} else if ok {
			left++
		}
	}
	verb, change := "signing_ended", model.Change{Field: signingName, After: "replaced ones end"}
	if secret != "" {
		if left >= maxOlder {
			return fault.Coded(fault.Conflict, "too_many_secrets", "%d replaced secrets still sign; end those first.", left)
		}
		if verb, change = "signing_rotated", (model.Change{Field: signingName, Before: model.Mask, After: model.Mask}); until.After(tx.now) {
			if err := tx.seal(destinationKind, string(id), signingUntil+strconv.FormatInt(ms(until), 10), old); err != nil {
				return err
			}
		}
		if err := tx.seal(destinationKind, string(id), signingName, secret); err != nil {
			return err
		}
	}
	if err := tx.public(id, public, secret, until); err != nil {
		return err
	}
	if err := tx.exec(touchDestination, ms(tx.now), id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("destination", verb, string(id), d.Name, []model.Change{change})
}

// public keeps the list of public keys in step.
func (tx *Tx) public(id model.DestID, public string, secret model.Secret, until time.Time) error {
	if secret != "" {
		if err := tx.exec(endPublic, ms(maxTime(until, tx.now)), id); err != nil {
			return err
		}
	}
	if err := tx.exec(dropPublic, id, ms(maxTime(tx.now, time.Time{}))); err != nil || public == "" {
		return err
	}
	return tx.exec(putPublic, id, public)
}

func maxTime(a, b time.Time) time.Time {
	if cmp.Compare(ms(a), ms(b)) < 0 {
		return b
	}
	return a
}
