package db

import (
	"context"
	"strconv"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

const (
	factorKind = "second_factor" // of what is sealed
	factorName = "totp"

	factorOf      = `SELECT confirmed_at, last_step, (SELECT count(*) FROM recovery_codes c WHERE c.user_id = f.user_id) FROM second_factors f WHERE user_id = $1`
	beginFactor   = `INSERT INTO second_factors (user_id, confirmed_at, last_step) VALUES ($1, 0, 0) ON CONFLICT (user_id) DO NOTHING`
	confirmFactor = `UPDATE second_factors SET confirmed_at = $1, last_step = $2 WHERE user_id = $3`
	useStep       = `UPDATE second_factors SET last_step = $1 WHERE user_id = $2 AND last_step < $1`
	dropFactor    = `DELETE FROM second_factors WHERE user_id = $1`
	addCode       = `INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)`
	useCode       = `DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2`
	dropCodes     = `DELETE FROM recovery_codes WHERE user_id = $1`
	grownUser     = `UPDATE users SET version = version + 1, updated_at = $1 WHERE id = $2`
)

func scanFactor(r row) (model.SecondFactor, error) {
	var f model.SecondFactor
	err := r.Scan(at{&f.ConfirmedAt}, &f.LastStep, &f.Codes)
	return f, err
}

// SecondFactor is that of a user; its zero value when there is none and none was begun.
func (s *Store) SecondFactor(ctx context.Context, id model.UserID) (model.SecondFactor, error) {
	f, err := one(s.reader(ctx), "second factor", scanFactor, factorOf, id)
	if fault.Is(err, fault.NotFound) {
		return model.SecondFactor{}, nil
	}
	f.Begun = err == nil
	return f, err
}

// OpenSecondFactor opens the secret of a user's second factor, confirmed or not; only signing in and enrolling call it.
func (s *Store) OpenSecondFactor(ctx context.Context, id model.UserID) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), factorKind, string(id))
	if err == nil && secrets[factorName] == "" {
		err = fault.Absent("second factor")
	}
	return secrets[factorName], err
}

// BeginSecondFactor stores the secret of a second factor that is not asked for until it is confirmed, in place of one that
// was only begun.
func (tx *Tx) BeginSecondFactor(id model.UserID, secret model.Secret) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	if u.SecondFactor {
		return fault.Coded(fault.Conflict, "active", "There is a second factor already; remove it first.")
	}
	if err := tx.exec(beginFactor, id); err != nil {
		return err
	}
	if err := tx.seal(factorKind, string(id), factorName, secret); err != nil {
		return err
	}
	return tx.audit("user", "second_factor_begun", string(id), u.Email, nil)
}

// ConfirmSecondFactor makes the second factor count from now on: its owner has shown a code, of period step. The hashes
// are those of his recovery codes.
func (tx *Tx) ConfirmSecondFactor(id model.UserID, step int64, codes [][]byte) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	f, err := one(tx, "second factor", scanFactor, factorOf, id)
	if err != nil {
		return err
	}
	if !f.ConfirmedAt.IsZero() {
		return fault.Coded(fault.Conflict, "active", "The second factor is active already.")
	}
	if err := tx.exec(confirmFactor, ms(tx.now), step, id); err != nil {
		return err
	}
	if err := tx.keepCodes(id, codes); err != nil {
		return err
	}
	return tx.factorChanged(u, "second_factor_added", changes("second_factor", "no", "yes"))
}

// RenewRecoveryCodes puts other recovery codes in the place of those that are left.
func (tx *Tx) RenewRecoveryCodes(id model.UserID, codes [][]byte) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	if !u.SecondFactor {
		return fault.Absent("second factor")
	}
	if err := tx.keepCodes(id, codes); err != nil {
		return err
	}
	return tx.audit("user", "recovery_codes_renewed", string(id), u.Email, nil)
}

func (tx *Tx) keepCodes(id model.UserID, codes [][]byte) error {
	err := tx.exec(dropCodes, id)
	for _, c := range codes {
		if err == nil {
			err = tx.exec(addCode, id, c)
		}
	}
	return err
}

// UseStep uses up the codes of a period and those before it; SignedOut when that happened already, so that a code that was
// seen over a shoulder works once (RFC 6238 5.2). Bookkeeping: the audit row is the session's.
func (tx *Tx) UseStep(id model.UserID, step int64) error {
	n, err := tx.count(useStep, step, id)
	if err == nil && n == 0 {
		err = fault.New(fault.SignedOut, "This code was used already. Wait for the next one.")
	}
	return err
}

// UseRecoveryCode uses up one recovery code; SignedOut when it is none of the user's.
func (tx *Tx) UseRecoveryCode(id model.UserID, hash []byte) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	n, err := tx.count(useCode, id, hash)
	if err == nil && n == 0 {
		err = fault.New(fault.SignedOut, "This code is wrong.")
	}
	if err != nil {
		return err
	}
	f, err := one(tx, "second factor", scanFactor, factorOf, id)
	if err != nil {
		return err
	}
	return tx.audit("user", "recovery_code_used", string(id), u.Email, changes("recovery_codes_left", strconv.Itoa(f.Codes+1), strconv.Itoa(f.Codes)))
}

// DropSecondFactor removes a second factor, begun or active, with its recovery codes. Somebody else's needs every right
// that he holds.
func (tx *Tx) DropSecondFactor(id model.UserID) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	if tx.actor.UserID != id {
		if err := tx.mayGive(full(u)); err != nil {
			return err
		}
	}
	n, err := tx.count(dropFactor, id)
	if err != nil || n == 0 {
		return err
	}
	if err := tx.exec(dropCodes, id); err != nil {
		return err
	}
	if err := tx.exec(dropSealed, factorKind, id); err != nil {
		return err
	}
	return tx.factorChanged(u, "second_factor_removed", changes("second_factor", "yes", "no"))
}

// factorChanged ends sign-ins that stand between password and code, by the user's version.
func (tx *Tx) factorChanged(u model.User, word string, diff []model.Change) error {
	if err := tx.exec(grownUser, ms(tx.now), u.ID); err != nil {
		return err
	}
	return tx.audit("user", word, string(u.ID), u.Email, diff)
}

// plainCode is a recovery code as it is hashed: without dashes and spaces, look-alikes put right.
func plainCode(typed string) string {
	return strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1", "u", "v").Replace(strings.ToLower(strings.TrimSpace(typed)))
}

// HashCode is what is stored of a recovery code, however it was typed.
func HashCode(id model.UserID, typed string) []byte {
	return HashKey(string(id) + ":" + plainCode(typed))
}

// NewCodes makes recovery codes of 60 bits each, as they are shown, and their hashes.
func NewCodes(id model.UserID) (shown []string, hashes [][]byte) {
	for range model.RecoveryCodes {
		text := NewToken()[:12]
		shown = append(shown, text[:4]+"-"+text[4:8]+"-"+text[8:])
		hashes = append(hashes, HashCode(id, text))
	}
	return shown, hashes
}
