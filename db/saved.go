package db

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
)

const savedFilters = `
SELECT f.id, f.user_id, u.name, f.name, f.query, f.shared, f.created_at FROM saved_filters f JOIN users u ON u.id = f.user_id
WHERE f.user_id = $1
UNION ALL
SELECT f.id, f.user_id, u.name, f.name, f.query, f.shared, f.created_at FROM saved_filters f JOIN users u ON u.id = f.user_id
WHERE f.shared = 1 AND f.user_id <> $1
ORDER BY 4, 1`

func scanSavedFilter(r row) (model.SavedFilter, error) {
	var f model.SavedFilter
	err := r.Scan(&f.ID, &f.UserID, &f.Owner, &f.Name, &f.Query, &f.Shared, at{&f.CreatedAt})
	return f, err
}

// SavedFilters lists the filters that somebody may use, by name: his own, and those that others share.
func (s *Store) SavedFilters(ctx context.Context, of model.UserID) ([]model.SavedFilter, error) {
	return all(s.reader(ctx), scanSavedFilter, savedFilters, of)
}

const (
	countSaved  = `SELECT count(*) FROM saved_filters WHERE user_id = $1`
	insertSaved = `
INSERT INTO saved_filters (id, user_id, name, query, shared, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, name) DO UPDATE SET query = excluded.query, shared = excluded.shared`
	savedByID = `
SELECT f.id, f.user_id, u.name, f.name, f.query, f.shared, f.created_at FROM saved_filters f JOIN users u ON u.id = f.user_id WHERE f.id = $1`
	dropSaved = `DELETE FROM saved_filters WHERE id = $1`
)

// SaveFilter keeps f, which is clean and checked; one that its owner has under that name is replaced.
func (tx *Tx) SaveFilter(f *model.SavedFilter) error {
	n, err := one(tx, "count", number, countSaved, f.UserID)
	if err != nil {
		return err
	}
	if n >= model.MaxSavedFilters {
		return complain("name", "You keep %d filters, which is the most. Remove one first.", n)
	}
	made := *f
	made.ID, made.CreatedAt = model.NewSavedFilterID(tx.now), tx.stamp()
	if err := tx.exec(insertSaved, made.ID, made.UserID, made.Name, made.Query, made.Shared, ms(tx.now)); err != nil {
		return err
	}
	fill(tx, f, made)
	diff := changes("name", "", made.Name, "query", "", made.Query, "shared", "", yes(true, made.Shared))
	return tx.audit("saved_filter", "created", string(made.ID), made.Name, diff)
}

// DropFilter removes a filter of its owner; of anybody else's it says that there is none.
func (tx *Tx) DropFilter(id model.SavedFilterID, owner model.UserID) error {
	f, err := one(tx, "saved filter", scanSavedFilter, savedByID, id)
	if err != nil {
		return err
	}
	if f.UserID != owner {
		return fault.Absent("saved filter of yours")
	}
	if err := tx.exec(dropSaved, id); err != nil {
		return err
	}
	return tx.audit("saved_filter", "deleted", string(id), f.Name, changes("name", f.Name, "", "query", f.Query, ""))
}
