package db

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const audienceColumns = `id, name, description, subject_field, generation, count, created_at, updated_at, version`

func scanAudience(r row) (model.Audience, error) {
	var a model.Audience
	err := r.Scan(&a.ID, &a.Name, &a.Description, &a.SubjectField, &a.Generation, &a.Count, at{&a.CreatedAt}, at{&a.UpdatedAt}, &a.Version)
	return a, err
}

const audienceByID = `SELECT ` + audienceColumns + ` FROM audiences WHERE id = $1`

// Audience is one audience.
func (s *Store) Audience(ctx context.Context, id model.AudienceID) (model.Audience, error) {
	return one(s.reader(ctx), "audience", scanAudience, audienceByID, id)
}

// Audience is one audience as it stands in this transaction.
func (tx *Tx) Audience(id model.AudienceID) (model.Audience, error) {
	return one(tx, "audience", scanAudience, audienceByID, id)
}

// AudienceFilter narrows a list of audiences; zero values do not.
type AudienceFilter struct {
	Query string // a part of the name
}

// Audiences lists audiences, newest first.
func (s *Store) Audiences(ctx context.Context, f AudienceFilter, p Page) ([]model.Audience, string, error) {
	q := selecting("SELECT " + audienceColumns + " FROM audiences")
	q.and(f.Query != "", `name LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	return page(s.reader(ctx), q, p, keyed{"id", "adn_"}, scanAudience, func(a model.Audience) string { return string(a.ID) })
}

const insertAudience = `
INSERT INTO audiences (id, name, description, subject_field, generation, count, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, 1, 0, $5, $5, 1)`

// CreateAudience stores a, which is clean and checked, without records, and fills in ID, times and Version.
func (tx *Tx) CreateAudience(a *model.Audience) error {
	n := *a
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewAudienceID(tx.now), tx.stamp(), tx.stamp(), 1
	n.Generation, n.Count = 1, 0
	if err := tx.exec(insertAudience, n.ID, n.Name, n.Description, n.SubjectField, ms(tx.now)); err != nil {
		return duplicate(err, "audience", n.Name)
	}
	fill(tx, a, n)
	return tx.audit("audience", "created", string(n.ID), n.Name, audienceChanges(model.Audience{}, n))
}

const updateAudience = `
UPDATE audiences SET name = $1, description = $2, subject_field = $3, updated_at = $4, version = $5
WHERE id = $6`

// UpdateAudience stores what a says over the row of its ID, records apart; versions count as in UpdateConnection.
func (tx *Tx) UpdateAudience(a *model.Audience) error {
	old, err := one(tx, "audience", scanAudience, audienceByID, a.ID)
	if err != nil {
		return err
	}
	if err := current("audience", a.Version, old.Version); err != nil {
		return err
	}
	n := *a
	n.Generation, n.Count, n.CreatedAt, n.UpdatedAt, n.Version = old.Generation, old.Count, old.CreatedAt, old.UpdatedAt, old.Version
	diff := audienceChanges(old, n)
	if len(diff) == 0 {
		fill(tx, a, n)
		return nil
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateAudience, n.Name, n.Description, n.SubjectField, ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "audience", n.Name)
	}
	fill(tx, a, n)
	return tx.audit("audience", "updated", string(n.ID), n.Name, diff)
}

func audienceChanges(a, b model.Audience) []model.Change {
	return changes("name", a.Name, b.Name, "description", a.Description, b.Description, "subject_field", a.SubjectField, b.SubjectField)
}

const (
	deleteAudience = `DELETE FROM audiences WHERE id = $1`
	runningOver    = `SELECT EXISTS (SELECT 1 FROM audience_runs WHERE audience_id = $1 AND status = 'running')`
)

// AudienceUsage lists the workflows whose draft or published version names an audience.
func (s *Store) AudienceUsage(ctx context.Context, id model.AudienceID) ([]Use, error) {
	return audienceUsage(s.reader(ctx), id)
}

func audienceUsage(q querier, id model.AudienceID) ([]Use, error) {
	return all(q, scanUse, workflowsNaming, `"`+string(id)+`"`)
}

// DeleteAudience removes an audience; its records go in steps (ForgetMembers). One that a workflow is started over now is
// a conflict ("in_use"); so is one that is the trigger of a workflow, unless force.
func (tx *Tx) DeleteAudience(id model.AudienceID, force bool) error {
	a, err := one(tx, "audience", scanAudience, audienceByID, id)
	if err != nil {
		return err
	}
	if busy, err := tx.has(runningOver, id); err != nil {
		return err
	} else if busy {
		return fault.Coded(fault.Conflict, "in_use", "A workflow is being started for every record of this audience; stop that first.")
	}
	users, err := audienceUsage(tx, id)
	if err != nil {
		return err
	}
	if len(users) > 0 && !force {
		return inUse("audience", users, 0)
	}
	if err := tx.exec(deleteAudience, id); err != nil {
		return err
	}
	return tx.audit("audience", "deleted", string(id), a.Name, append(audienceChanges(a, model.Audience{}), changes("count", positive(int(a.Count)), "")...))
}

const (
	insertMember = `
INSERT INTO audience_members (audience_id, generation, number, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (audience_id, generation, number) DO UPDATE SET data = excluded.data`
	countMembers = `UPDATE audiences SET generation = $1, count = $2, updated_at = $3, version = version + 1 WHERE id = $4`
	membersOf    = `
SELECT number, data FROM audience_members
WHERE audience_id = $1 AND generation = $2 AND number >= $3 AND number < $4 ORDER BY number`
)

// MaxAdded is how many records one closure adds.
const MaxAdded = maxRows - 2

// AddMembers appends records, objects all of them and at most MaxAdded, to an audience and tells its count then.
func (tx *Tx) AddMembers(id model.AudienceID, list []json.RawMessage) (int64, error) {
	a, err := one(tx, "audience", scanAudience, audienceByID, id)
	if err != nil {
		return 0, err
	}
	if a.Count+int64(len(list)) > model.MaxMembers {
		return 0, tooManyMembers()
	}
	for i, data := range list {
		if err := tx.exec(insertMember, id, a.Generation, a.Count+int64(i), string(data)); err != nil {
			return 0, err
		}
	}
	n := a.Count + int64(len(list))
	if err := tx.exec(countMembers, a.Generation, n, ms(tx.now), id); err != nil {
		return 0, err
	}
	return n, tx.audit("audience", "records_added", string(id), a.Name, changes("count", strconv.FormatInt(a.Count, 10), strconv.FormatInt(n, 10)))
}

func tooManyMembers() error {
	return fault.New(fault.Invalid, "An audience holds at most %d records.", model.MaxMembers)
}

// StageMembers writes records, at most MaxAdded, of a list that is not the current one, from number first on. Its
// generation is the time at which it was begun, in unix milliseconds.
func (tx *Tx) StageMembers(id model.AudienceID, generation, first int64, list []json.RawMessage) error {
	if _, err := one(tx, "audience", scanAudience, audienceByID, id); err != nil {
		return err
	}
	for i, data := range list {
		if err := tx.exec(insertMember, id, generation, first+int64(i), string(data)); err != nil {
			return err
		}
	}
	return nil
}

// ReplaceMembers makes a staged list of n records the current one, provided that the list before is still of the
// generation old.
func (tx *Tx) ReplaceMembers(id model.AudienceID, old, generation, n int64) error {
	a, err := one(tx, "audience", scanAudience, audienceByID, id)
	if err != nil {
		return err
	}
	if a.Generation != old {
		return fault.New(fault.Stale, "Somebody replaced the records of this audience meanwhile. Look at it and repeat the upload.")
	}
	if err := tx.exec(countMembers, generation, n, ms(tx.now), id); err != nil {
		return err
	}
	return tx.audit("audience", "records_replaced", string(id), a.Name, changes("count", strconv.FormatInt(a.Count, 10), strconv.FormatInt(n, 10)))
}

func scanMember(r row) (model.Member, error) {
	var m model.Member
	var data string
	err := r.Scan(&m.Number, &data)
	m.Data = json.RawMessage(data)
	return m, err
}

// Members lists records of one generation in their order, from number first on, before the number end.
func (s *Store) Members(ctx context.Context, id model.AudienceID, generation, first, end int64) ([]model.Member, error) {
	return all(s.reader(ctx), scanMember, membersOf, id, generation, first, end)
}

// oldMembers is one generation that nobody needs: of an audience that is gone, or neither its current one nor that of a run.
const oldMembers = `
WITH RECURSIVE lists (audience_id, generation) AS (
  SELECT audience_id, generation FROM (SELECT audience_id, generation FROM audience_members ORDER BY audience_id, generation LIMIT 1)
  UNION ALL
  SELECT (SELECT m.audience_id FROM audience_members m WHERE (m.audience_id, m.generation) > (lists.audience_id, lists.generation)
            ORDER BY m.audience_id, m.generation LIMIT 1),
         (SELECT m.generation FROM audience_members m WHERE (m.audience_id, m.generation) > (lists.audience_id, lists.generation)
            ORDER BY m.audience_id, m.generation LIMIT 1)
  FROM lists WHERE lists.audience_id IS NOT NULL)
SELECT l.audience_id, l.generation FROM lists l
WHERE l.audience_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM audiences a WHERE a.id = l.audience_id AND (a.generation = l.generation OR l.generation > $1))
  AND NOT EXISTS (SELECT 1 FROM audience_runs r WHERE r.audience_id = l.audience_id AND r.generation = l.generation AND r.status = 'running')
LIMIT 1`

const dropMembers = `
DELETE FROM audience_members
WHERE (audience_id, generation, number) IN
  (SELECT audience_id, generation, number FROM audience_members WHERE audience_id = $1 AND generation = $2 LIMIT 500)`

// staging is how long a list may take to be written before it counts as given up, in milliseconds.
const staging = 24 * 3600 * 1000

// ForgetMembers removes up to 500 records that at now belong to no audience any more and says how many went.
func (s *Store) ForgetMembers(ctx context.Context, now time.Time) (n int64, err error) {
	type list struct {
		id         model.AudienceID
		generation int64
	}
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		n = 0
		old, err := all(tx, func(r row) (l list, err error) {
			err = r.Scan(&l.id, &l.generation)
			return l, err
		}, oldMembers, ms(now)-staging)
		if err != nil || len(old) == 0 {
			return err
		}
		n, err = tx.count(dropMembers, old[0].id, old[0].generation)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove old records of audiences: %w", err)
	}
	return n, nil
}
