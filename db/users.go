package db

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

// The last one is what roles that people made grant: an array of arrays.
const userColumns = `u.id, u.email, u.name, u.roles, u.disabled, u.created_at, u.updated_at, u.version, u.locale, u.zone, u.language,
  EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at > 0), (
  SELECT json_group_array(json(r.rights)) FROM roles r WHERE r.name IN (SELECT value FROM json_each(u.roles)))`

func userFields(u *model.User) []any {
	return []any{&u.ID, &u.Email, &u.Name, decode{&u.Roles}, &u.Disabled, at{&u.CreatedAt}, at{&u.UpdatedAt}, &u.Version, &u.Locale, &u.Zone, &u.Language,
		&u.SecondFactor, granted{&u.Granted}}
}

// granted scans an array of arrays of rights as one list without repeats, nil when it is empty.
type granted struct{ into *[]model.Right }

func (g granted) Scan(v any) error {
	var sets [][]model.Right
	if err := (decode{&sets}).Scan(v); err != nil {
		return err
	}
	list := slices.Concat(sets...)
	slices.Sort(list)
	*g.into = slices.Compact(list)
	return nil
}

func scanUser(r row) (model.User, error) {
	var u model.User
	err := r.Scan(userFields(&u)...)
	return u, err
}

const (
	userByID    = `SELECT ` + userColumns + ` FROM users u WHERE u.id = $1`
	userByEmail = `SELECT ` + userColumns + `, u.password FROM users u WHERE u.email = $1`
	countUsers  = `SELECT count(*) FROM users`
)

// User is one user.
func (s *Store) User(ctx context.Context, id model.UserID) (model.User, error) {
	return one(s.reader(ctx), "user", scanUser, userByID, id)
}

// UserByEmail is the user with this address, whatever its case, and the password's hash ("" = no password).
func (s *Store) UserByEmail(ctx context.Context, email string) (model.User, string, error) {
	var hash string
	u, err := one(s.reader(ctx), "user", func(r row) (u model.User, err error) {
		err = r.Scan(append(userFields(&u), &hash)...)
		return u, err
	}, userByEmail, lower(email))
	return u, hash, err
}

// Users lists users, newest first; query is a part of name or email, "" = all.
func (s *Store) Users(ctx context.Context, query string, p Page) ([]model.User, string, error) {
	q := selecting("SELECT " + userColumns + " FROM users u")
	q.and(query != "", `(u.email LIKE '%' || ? || '%' ESCAPE '\' OR u.name LIKE '%' || ? || '%' ESCAPE '\')`, like(query), like(query))
	return page(s.reader(ctx), q, p, keyed{"u.id", "usr_"}, scanUser, func(u model.User) string { return string(u.ID) })
}

// CountUsers says how many users there are; 0 = nobody has set this server up.
func (s *Store) CountUsers(ctx context.Context) (int64, error) {
	return one(s.reader(ctx), "user", number, countUsers)
}

func lower(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// tidy puts u into its stored form, fills in what its roles grant and says what is wrong with it.
func (tx *Tx) tidy(u *model.User) error {
	var bad fault.Check
	u.Email, u.Name = lower(u.Email), strings.Join(strings.Fields(u.Name), " ")
	if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email || len(u.Email) > 254 {
		bad.Add("email", "An email address, for instance ada@example.com.")
	}
	if u.Name == "" || len([]rune(u.Name)) > 120 {
		bad.Add("name", "A name of at most 120 characters.")
	}
	roles, err := tx.roles()
	if err != nil {
		return err
	}
	u.Roles, u.Granted = slices.Clone(u.Roles), nil
	for i, name := range u.Roles {
		r, known := named(roles, name)
		if !known {
			bad.Add("roles", "There is no role “%s”.", name)
			continue
		}
		if u.Roles[i] = r.Name; !r.Builtin {
			u.Granted = append(u.Granted, r.Rights...)
		}
	}
	slices.Sort(u.Granted)
	u.Granted = slices.Compact(u.Granted)
	u.Roles = slices.Compact(slices.Sorted(slices.Values(u.Roles)))
	if u.Roles == nil {
		u.Roles = []string{}
	}
	return bad.Err()
}

// mayGive is the Forbidden fault when somebody would hand out, or take away, a right that he does not hold himself.
func (tx *Tx) mayGive(sets ...model.Rights) error {
	for _, set := range sets {
		if right := tx.actor.Rights.Lacks(set); right != "" {
			f := fault.New(fault.Forbidden, "This needs the right “%s”: nobody hands out, or takes away, what he does not hold himself.", fault.Right(right))
			f.Right = string(right)
			return f
		}
	}
	return nil
}

// full are the rights of a user, whether or not he is disabled.
func full(u model.User) model.Rights {
	u.Disabled = false
	return u.Rights()
}

const insertUser = `
INSERT INTO users (id, email, name, password, roles, disabled, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)`

// CreateUser stores u with the hash of its password ("" = cannot sign in by password) and fills in ID, times and
// Version. The actor must hold every right that u gets; a taken address is a conflict ("duplicate_email").
func (tx *Tx) CreateUser(u *model.User, passwordHash string) error {
	n := *u
	if err := tx.tidy(&n); err != nil {
		return err
	}
	if err := tx.mayGive(full(n)); err != nil {
		return err
	}
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewUserID(tx.now), tx.stamp(), tx.stamp(), 1
	if err := tx.exec(insertUser, n.ID, n.Email, n.Name, passwordHash, encode(n.Roles), n.Disabled, ms(tx.now)); err != nil {
		return sameEmail(err, n.Email)
	}
	fill(tx, u, n)
	tx.touch()
	return tx.audit("user", "created", string(n.ID), n.Email, userChanges(model.User{}, n))
}

func sameEmail(err error, email string) error {
	if !taken(err) {
		return err
	}
	return fault.Coded(fault.Conflict, "duplicate_email", "There is already a user with the address %s.", email)
}

const updateUser = `UPDATE users SET email = $1, name = $2, roles = $3, disabled = $4, updated_at = $5, version = $6 WHERE id = $7`

// UpdateUser stores u over the row of its ID; versions count as in UpdateConnection. The actor must hold every right
// that u had and gets. Disabling ends the user's sessions. The last active
// Administrator stays one ("last_administrator").
func (tx *Tx) UpdateUser(u *model.User) error {
	old, err := one(tx, "user", scanUser, userByID, u.ID)
	if err != nil {
		return err
	}
	if err := current("user", u.Version, old.Version); err != nil {
		return err
	}
	n := *u
	if err := tx.tidy(&n); err != nil {
		return err
	}
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	n.SecondFactor, n.Locale, n.Zone, n.Language = old.SecondFactor, old.Locale, old.Zone, old.Language
	diff := userChanges(old, n)
	if len(diff) == 0 {
		fill(tx, u, n)
		return nil
	}
	if err := tx.mayGive(full(old), full(n)); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateUser, n.Email, n.Name, encode(n.Roles), n.Disabled, ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return sameEmail(err, n.Email)
	}
	if err := tx.keepAdministrator(old); err != nil {
		return err
	}
	if n.Disabled {
		if err := tx.exec(dropSessionsOf, n.ID, ""); err != nil {
			return err
		}
	}
	fill(tx, u, n)
	tx.touch()
	return tx.audit("user", disabling(diff, n.Disabled), string(n.ID), n.Email, diff)
}

func disabling(diff []model.Change, disabled bool) string {
	switch {
	case len(diff) != 1 || diff[0].Field != "disabled":
		return "updated"
	case disabled:
		return "disabled"
	}
	return "enabled"
}

const activeAdministrators = `
SELECT count(*) FROM users
WHERE disabled = 0 AND EXISTS (SELECT 1 FROM json_each(users.roles) WHERE value = '` + model.Administrator + `')`

// keepAdministrator refuses a change of old that left nobody who may do everything.
func (tx *Tx) keepAdministrator(old model.User) error {
	if old.Disabled || !slices.Contains(old.Roles, model.Administrator) {
		return nil
	}
	n, err := one(tx, "user", number, activeAdministrators)
	if err == nil && n == 0 {
		err = fault.Coded(fault.Conflict, "last_administrator", "%s is the last active Administrator; make another one first.", old.Email)
	}
	return err
}

func userChanges(a, b model.User) []model.Change {
	return changes("email", a.Email, b.Email, "name", a.Name, b.Name, "roles", strings.Join(a.Roles, ", "), strings.Join(b.Roles, ", "),
		"disabled", yes(a.ID != "", a.Disabled), yes(b.ID != "", b.Disabled))
}

const setPassword = `UPDATE users SET password = $1, updated_at = $2, version = version + 1 WHERE id = $3`

// SetPassword replaces the hash of a user's password and ends all of his sessions but keep ("" = all). Somebody else's
// password needs every right that he holds.
func (tx *Tx) SetPassword(id model.UserID, hash string, keep model.SessionID) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	if tx.actor.UserID != id {
		if err := tx.mayGive(full(u)); err != nil {
			return err
		}
	}
	if err := tx.exec(setPassword, hash, ms(tx.now), id); err != nil {
		return err
	}
	if err := tx.exec(dropReset, id); err != nil {
		return err
	}
	if err := tx.exec(dropSessionsOf, id, keep); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("user", "password_set", string(id), u.Email, []model.Change{{Field: "password", Before: model.Mask, After: model.Mask}})
}

const (
	keysOfUser = `SELECT id, name FROM api_keys WHERE user_id = $1 ORDER BY name`
	deleteUser = `DELETE FROM users WHERE id = $1`
	setFormat  = `UPDATE users SET locale = $1, zone = $2, language = $3, updated_at = $4, version = version + 1 WHERE id = $5`
)

// SetFormat stores how a user reads dates and numbers, and in which language the rest; all are known to the views, "" = as the browser says.
func (tx *Tx) SetFormat(id model.UserID, locale, zone, language string) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	diff := changes("locale", u.Locale, locale, "zone", u.Zone, zone, "language", u.Language, language)
	if len(diff) == 0 {
		return nil
	}
	if err := tx.exec(setFormat, locale, zone, language, ms(tx.now), id); err != nil {
		return err
	}
	return tx.audit("user", "format_set", string(id), u.Email, diff)
}

// DeleteUser removes a user who has no API keys, with his sessions; the audit log keeps his name.
func (tx *Tx) DeleteUser(id model.UserID) error {
	u, err := one(tx, "user", scanUser, userByID, id)
	if err != nil {
		return err
	}
	if err := tx.mayGive(full(u)); err != nil {
		return err
	}
	keys, err := all(tx, func(r row) (Use, error) {
		k := Use{Kind: "API key"}
		err := r.Scan(&k.ID, &k.Name)
		return k, err
	}, keysOfUser, id)
	if err != nil {
		return err
	}
	endpoints, err := all(tx, scanInbound, inboundOfUser, id)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		keys = append(keys, Use{Kind: "inbound endpoint", ID: string(e.ID), Name: e.Name})
	}
	if len(keys) > 0 {
		return inUse("user", keys, 0)
	}
	if err := errors.Join(tx.exec(dropSealed, factorKind, id), tx.exec(deleteUser, id)); err != nil {
		return err
	}
	if err := tx.keepAdministrator(u); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("user", "deleted", string(id), u.Email, userChanges(u, model.User{}))
}
