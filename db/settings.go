package db

import (
	"context"
	"slices"
	"time"

	"waybill/db/model"
)

// setting is one row of settings.
type setting[T any] struct {
	value   T
	at      time.Time
	version int64
}

const settingByName = `SELECT value, updated_at, version FROM settings WHERE name = $1`

// settingOf reads the part of that name over what it is by default.
func settingOf[T any](q querier, name string, byDefault T) (setting[T], error) {
	out := setting[T]{value: byDefault}
	list, err := all(q, func(r row) (s setting[T], err error) {
		s.value = byDefault
		err = r.Scan(decode{&s.value}, at{&s.at}, &s.version)
		return s, err
	}, settingByName, name)
	if len(list) == 1 {
		out = list[0]
	}
	return out, err
}

const putSetting = `
INSERT INTO settings (name, value, updated_at, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, version = excluded.version`

// putSetting stores the part of that name. version is the one that it was edited from, 0 = whatever is there.
func (tx *Tx) putSetting(name string, value any, old, version int64, diff []model.Change) error {
	if err := current("setting", version, old); err != nil {
		return err
	}
	if len(diff) == 0 {
		return nil
	}
	if err := tx.exec(putSetting, name, encode(value), ms(tx.now), old+1); err != nil {
		return err
	}
	return tx.audit("settings", "updated", name, name, diff)
}

const storageName = "storage"

// Storage is how long and how much is kept, as it was set by people.
func (s *Store) Storage(ctx context.Context) (model.Storage, error) { return storageOf(s.reader(ctx)) }

func storageOf(q querier) (model.Storage, error) {
	got, err := settingOf(q, storageName, model.DefaultStorage())
	out := got.value
	out.Changed, out.Version = got.at, got.version
	return out, err
}

// UpdateStorage stores n, which is checked; versions count as in UpdateConnection.
func (tx *Tx) UpdateStorage(n model.Storage) error {
	old, err := storageOf(tx)
	if err != nil {
		return err
	}
	diff := changes("row_days", positive(old.RowDays), positive(n.RowDays), "body_days", positive(old.BodyDays), positive(n.BodyDays),
		"budget", positive(int(old.Budget)), positive(int(n.Budget)), "min_free", positive(int(old.MinFree)), positive(int(n.MinFree)))
	return tx.putSetting(storageName, model.Storage{RowDays: n.RowDays, BodyDays: n.BodyDays, Budget: n.Budget, MinFree: n.MinFree}, old.Version, n.Version, diff)
}

const featuresName = "features"

// Features says which parts of Waybill are switched off.
func (s *Store) Features(ctx context.Context) (model.Features, error) {
	return featuresOf(s.reader(ctx))
}

func featuresOf(q querier) (model.Features, error) {
	got, err := settingOf(q, featuresName, []model.Feature{})
	return model.Features{Off: got.value, Changed: got.at, Version: got.version}, err
}

// UpdateFeatures stores which are off; versions count as in UpdateConnection.
func (tx *Tx) UpdateFeatures(n model.Features) error {
	old, err := featuresOf(tx)
	if err != nil {
		return err
	}
	var diff []model.Change
	for _, f := range model.AllFeatures() {
		diff = append(diff, changes(string(f), yes(true, old.Has(f)), yes(true, n.Has(f)))...)
	}
	off := slices.DeleteFunc(model.AllFeatures(), n.Has)
	if err := tx.putSetting(featuresName, off, old.Version, n.Version, diff); err != nil {
		return err
	}
	if len(diff) > 0 {
		tx.touch()
	}
	return nil
}
