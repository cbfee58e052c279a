package db

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
)

const uploadName = "uploads"

type storedUploads struct {
	ConnectionID model.ConnectionID `json:"connection_id"`
	Proxied      bool               `json:"proxied"`
	Moving       bool               `json:"moving"`
}

// UploadSettings are where the files of forms are kept.
func (s *Store) UploadSettings(ctx context.Context) (model.UploadSettings, error) {
	return uploadSettings(s.reader(ctx))
}

func uploadSettings(q querier) (model.UploadSettings, error) {
	got, err := settingOf(q, uploadName, storedUploads{})
	return model.UploadSettings{ConnectionID: got.value.ConnectionID, Proxied: got.value.Proxied, Moving: got.value.Moving, Changed: got.at, Version: got.version}, err
}

// UpdateUploads stores n; versions count as in UpdateConnection. New files go to the new place from then on; Moving asks
// for the others to follow.
func (tx *Tx) UpdateUploads(n model.UploadSettings) error {
	old, err := uploadSettings(tx)
	if err != nil {
		return err
	}
	if err := tx.wantBucket(n.ConnectionID); err != nil {
		return err
	}
	diff := changes("connection_id", string(old.ConnectionID), string(n.ConnectionID), "proxied", yes(old.Version > 0, old.Proxied), yes(true, n.Proxied),
		"moving", yes(old.Version > 0, old.Moving), yes(true, n.Moving))
	return tx.putSetting(uploadName, storedUploads{n.ConnectionID, n.Proxied, n.Moving}, old.Version, n.Version, diff)
}

const (
	// It jumps from place to place in the index.
	filePlaces = `
WITH RECURSIVE places (id) AS (
  SELECT min(connection_id) FROM files
  UNION ALL SELECT (SELECT min(connection_id) FROM files WHERE connection_id > places.id) FROM places WHERE places.id IS NOT NULL)
SELECT id FROM places WHERE id IS NOT NULL LIMIT 100`
	fileUse = `SELECT count(*), coalesce(sum(size), 0) FROM (SELECT max(size) AS size FROM files WHERE connection_id = $1 GROUP BY hash)`
	filesAt = `
SELECT hash, connection_id, max(object_key), max(size), max(content_type) FROM files WHERE connection_id = $1 AND hash > $2 GROUP BY hash ORDER BY hash LIMIT +$3`
	keptAt    = `SELECT EXISTS (SELECT 1 FROM files WHERE connection_id = $1 AND hash = $2)`
	moveFiles = `UPDATE files SET connection_id = $1, object_key = $2 WHERE connection_id = $3 AND hash = $4`
)

// FileUses tells how much is kept in each place that holds files.
func (s *Store) FileUses(ctx context.Context) ([]model.FileUse, error) {
	places, err := all(s.reader(ctx), text[model.ConnectionID], filePlaces)
	if err != nil {
		return nil, err
	}
	out := make([]model.FileUse, len(places))
	for i, id := range places {
		u := model.FileUse{ConnectionID: id}
		if _, err := one(s.reader(ctx), "size", func(r row) (int, error) { return 0, r.Scan(&u.Files, &u.Bytes) }, fileUse, id); err != nil {
			return nil, err
		}
		out[i] = u
	}
	return out, nil
}

// FilesAt lists up to limit of what is kept in a place, by hash, behind after.
func (s *Store) FilesAt(ctx context.Context, place model.ConnectionID, after string, limit int) ([]model.PlacedFile, error) {
	return all(s.reader(ctx), func(r row) (f model.PlacedFile, err error) {
		err = r.Scan(&f.Hash, &f.ConnectionID, &f.Key, &f.Size, &f.ContentType)
		return f, err
	}, filesAt, place, after, limit)
}

// FileKept reports whether a file has its bytes in a place.
func (s *Store) FileKept(ctx context.Context, place model.ConnectionID, hash string) (bool, error) {
	return one(s.reader(ctx), "file", func(r row) (is bool, err error) { err = r.Scan(&is); return is, err }, keptAt, place, hash)
}

// MoveFiles notes that bytes are in another place now, and says of how many files.
func (s *Store) MoveFiles(ctx context.Context, f model.PlacedFile, to model.ConnectionID, key string) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("files"), func(tx *Tx) (err error) {
		n, err = tx.count(moveFiles, to, key, f.ConnectionID, f.Hash)
		return err
	})
	return n, err
}

// vacateBucket keeps a bucket that is written to, or that holds files, from losing its connection. With force what is
// written goes elsewhere; files stay, and have to be moved first.
func (tx *Tx) vacateBucket(c model.Connection, force bool) error {
	if c.Type != model.ConnectionS3 {
		return nil
	}
	held, err := one(tx, "file", func(r row) (n int64, err error) { var bytes int64; err = r.Scan(&n, &bytes); return n, err }, fileUse, c.ID)
	if err == nil && held > 0 {
		return fault.Coded(fault.Conflict, "in_use", "%d files of forms are in this bucket. Move them elsewhere first (Settings, Files).", held)
	}
	if err != nil {
		return err
	}
	exports, err := exportSettings(tx)
	if err != nil {
		return err
	}
	uploads, err := uploadSettings(tx)
	if err != nil {
		return err
	}
	var users []Use
	if exports.ConnectionID == c.ID {
		users = append(users, Use{"setting", exportName, "Hourly export"})
	}
	if uploads.ConnectionID == c.ID {
		users = append(users, Use{"setting", uploadName, "Files"})
	}
	if len(users) > 0 && !force {
		return inUse("connection", users, 0)
	}
	if exports.ConnectionID == c.ID {
		exports.Enabled, exports.ConnectionID = false, ""
		if err := tx.UpdateExport(exports); err != nil {
			return err
		}
	}
	if uploads.ConnectionID != c.ID {
		return nil
	}
	uploads.ConnectionID, uploads.Moving = "", false
	return tx.UpdateUploads(uploads)
}
