package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

const roleColumns = `id, name, description, rights, created_at, updated_at, version`

func scanRole(r row) (model.Role, error) {
	var x model.Role
	err := r.Scan(&x.ID, &x.Name, &x.Description, decode{&x.Rights}, at{&x.CreatedAt}, at{&x.UpdatedAt}, &x.Version)
	return x, err
}

const (
	ownRoles  = `SELECT ` + roleColumns + ` FROM roles ORDER BY name`
	roleByID  = `SELECT ` + roleColumns + ` FROM roles WHERE id = $1`
	usersWith = `
SELECT 'user', u.id, u.email FROM users u WHERE EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = $1)
UNION ALL SELECT 'invitation', i.id, i.email FROM invitations i WHERE EXISTS (SELECT 1 FROM json_each(i.roles) WHERE value = $1)
UNION ALL SELECT 'workflow', w.id, w.name FROM workflows w CROSS JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = w.published
WHERE EXISTS (SELECT 1 FROM json_each(v.definition, '$.steps') s, json_each(s.value, '$.assignees') who WHERE who.value = 'role:' || $1)
LIMIT 200`
)

// everyRole are the built-in roles, then those that people made, by name.
func everyRole(q querier) ([]model.Role, error) {
	own, err := all(q, scanRole, ownRoles)
	return slices.Concat(model.BuiltinRoles(), own), err
}

func (tx *Tx) roles() ([]model.Role, error) { return everyRole(tx) }

// named finds a role by its name, whatever its case.
func named(roles []model.Role, name string) (model.Role, bool) {
	i := slices.IndexFunc(roles, func(r model.Role) bool { return strings.EqualFold(r.Name, name) })
	if i < 0 {
		return model.Role{}, false
	}
	return roles[i], true
}

// EveryRole are the built-in roles, then those that people made, by name: never more than MostRoles of these.
func (s *Store) EveryRole(ctx context.Context) ([]model.Role, error) { return everyRole(s.reader(ctx)) }

// Roles lists roles as lists are: newest first, the built-in ones last.
func (s *Store) Roles(ctx context.Context, p Page) ([]model.Role, string, error) {
	list, err := everyRole(s.reader(ctx))
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(list, func(a, b model.Role) int {
		if a.Builtin != b.Builtin {
			return map[bool]int{false: -1, true: 1}[a.Builtin]
		}
		return cmp.Compare(b.ID, a.ID)
	})
	if p.Cursor != "" {
		i := slices.IndexFunc(list, func(r model.Role) bool { return string(r.ID) == p.Cursor })
		if i < 0 { // it may have been deleted since
			last, err := p.After("rol_")
			if err != nil {
				return nil, "", err
			}
			i = slices.IndexFunc(list, func(r model.Role) bool { return r.Builtin || string(r.ID) < last.(string) }) - 1
		}
		list = list[i+1:]
	}
	if len(list) <= p.limit() {
		return list, "", nil
	}
	list = list[:p.limit()]
	return list, string(list[len(list)-1].ID), nil
}

// Role is one role, built in or not.
func (s *Store) Role(ctx context.Context, id model.RoleID) (model.Role, error) {
	return role(s.reader(ctx), id)
}

func role(q querier, id model.RoleID) (model.Role, error) {
	for _, r := range model.BuiltinRoles() {
		if r.ID == id {
			return r, nil
		}
	}
	return one(q, "role", scanRole, roleByID, id)
}

// UsersWith are up to 200 users who have the role, or are invited to.
func (s *Store) UsersWith(ctx context.Context, role string) ([]Use, error) {
	return all(s.reader(ctx), scanUserUse, usersWith, role)
}

const roleUse = `SELECT value, count(*) FROM users u, json_each(u.roles) GROUP BY value`

// RoleUse is how many users have each role, by its name; roles that nobody has are not in it.
func (s *Store) RoleUse(ctx context.Context) (map[string]int, error) {
	type count struct {
		name string
		n    int
	}
	list, err := all(s.reader(ctx), func(r row) (c count, err error) { err = r.Scan(&c.name, &c.n); return c, err }, roleUse)
	out := map[string]int{}
	for _, c := range list {
		out[c.name] = c.n
	}
	return out, err
}

func scanUserUse(r row) (Use, error) {
	var u Use
	err := r.Scan(&u.Kind, &u.ID, &u.Name)
	return u, err
}

const (
	insertRole = `INSERT INTO roles (id, name, description, rights, created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $5, 1)`
	countRoles = `SELECT count(*) FROM roles`
	updateRole = `UPDATE roles SET name = $1, description = $2, rights = $3, updated_at = $4, version = $5 WHERE id = $6`
	deleteRole = `DELETE FROM roles WHERE id = $1`
	renameRole = `
UPDATE users SET version = version + 1, updated_at = $1,
  roles = (SELECT json_group_array(name) FROM (SELECT CASE value WHEN $2 THEN $3 ELSE value END AS name FROM json_each(users.roles) ORDER BY name))
WHERE EXISTS (SELECT 1 FROM json_each(users.roles) WHERE value = $2)`
	renameInvited = `
UPDATE invitations SET
  roles = (SELECT json_group_array(name) FROM (SELECT CASE value WHEN $1 THEN $2 ELSE value END AS name FROM json_each(invitations.roles) ORDER BY name))
WHERE EXISTS (SELECT 1 FROM json_each(invitations.roles) WHERE value = $1)`
)

// CreateRole stores a role and fills in ID, times and Version. The actor must hold every right of it.
func (tx *Tx) CreateRole(r *model.Role) error {
	n := *r
	if err := n.Check(); err != nil {
		return err
	}
	n.Clean()
	if err := tx.mayGive(model.NewRights(n.Rights...)); err != nil {
		return err
	}
	have, err := one(tx, "role", number, countRoles)
	if err == nil && have >= model.MostRoles {
		err = fault.Coded(fault.Conflict, "too_many", "There are %d roles already; delete one that nobody has.", model.MostRoles)
	}
	if err != nil {
		return err
	}
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version, n.Builtin = model.NewRoleID(tx.now), tx.stamp(), tx.stamp(), 1, false
	if err := tx.exec(insertRole, n.ID, n.Name, n.Description, encode(n.Rights), ms(tx.now)); err != nil {
		return duplicate(err, "role", n.Name)
	}
	fill(tx, r, n)
	tx.touch()
	return tx.audit("role", "created", string(n.ID), n.Name, roleChanges(model.Role{}, n))
}

// UpdateRole stores r over the row of its ID; versions count as in UpdateConnection. The actor must hold every right that
// the role had and gets. Users who have it get its new name.
func (tx *Tx) UpdateRole(r *model.Role) error {
	old, err := role(tx, r.ID)
	if err == nil {
		err = builtin(old)
	}
	if err == nil {
		err = current("role", r.Version, old.Version)
	}
	if err != nil {
		return err
	}
	n := *r
	if err := n.Check(); err != nil {
		return err
	}
	n.Clean()
	n.CreatedAt, n.UpdatedAt, n.Version, n.Builtin = old.CreatedAt, old.UpdatedAt, old.Version, false
	diff := roleChanges(old, n)
	if len(diff) == 0 {
		fill(tx, r, n)
		return nil
	}
	if err := tx.mayGive(model.NewRights(old.Rights...), model.NewRights(n.Rights...)); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateRole, n.Name, n.Description, encode(n.Rights), ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "role", n.Name)
	}
	if n.Name != old.Name {
		if err := errors.Join(tx.exec(renameRole, ms(tx.now), old.Name, n.Name), tx.exec(renameInvited, old.Name, n.Name)); err != nil {
			return err
		}
	}
	fill(tx, r, n)
	tx.touch()
	return tx.audit("role", "updated", string(n.ID), n.Name, diff)
}

// DeleteRole removes a role that nobody has and no published workflow asks; else it is a conflict ("in_use") that names them.
func (tx *Tx) DeleteRole(id model.RoleID) error {
	old, err := role(tx, id)
	if err == nil {
		err = builtin(old)
	}
	if err == nil {
		err = tx.mayGive(model.NewRights(old.Rights...))
	}
	if err != nil {
		return err
	}
	have, err := all(tx, scanUserUse, usersWith, old.Name)
	if err != nil {
		return err
	}
	if len(have) > 0 {
		return inUse("role", have, 0)
	}
	if err := tx.exec(deleteRole, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("role", "deleted", string(id), old.Name, roleChanges(old, model.Role{}))
}

func builtin(r model.Role) error {
	if !r.Builtin {
		return nil
	}
	return fault.Coded(fault.Conflict, "builtin", "The role “%s” is built in and stays as it is. Duplicate it to make one of your own.", r.Name)
}

func roleChanges(a, b model.Role) []model.Change {
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "rights", rightsText(a.Rights), rightsText(b.Rights))
}

func rightsText(list []model.Right) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprintf("%q", list), `" "`, ", "), `[]"`)
}
