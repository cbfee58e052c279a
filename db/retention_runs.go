package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// What retention takes of runs: their data with the bodies, the rest with the rows, and then the files that people gave.
// Runs that go on are spared, and those with messages that are not settled: a message is rendered anew for each attempt.

const (
	runsWithData = `SELECT id, data IS NOT NULL AND ended_at > 0 AND ended_at < $3 FROM runs WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$4`
	dropRunData  = `
UPDATE runs SET data = NULL WHERE id IN (SELECT value FROM json_each($1)) AND ended_at > 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = runs.id AND d.run_id <> '' AND d.settled_at IS NULL)`
)

// DropRunData removes what runs began with that ended before t, from w on.
func (s *Store) DropRunData(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	w, ids, err := s.oldRuns(ctx, runsWithData, before, w)
	if err != nil {
		return w, err
	}
	return s.drop(ctx, w, ids, by(dropRunData))
}

// oldRuns looks at runs made before t, from w on, and picks up to a closure's worth of those that find says yes to.
func (s *Store) oldRuns(ctx context.Context, find string, before time.Time, w Sweep) (Sweep, []string, error) {
	w, err := s.look(ctx, w, scanSight, find, w.After, model.FirstID("run_", before), ms(before), looked)
	if err != nil {
		return w, nil, err
	}
	w, ids := w.take(removed / 2)
	return w, ids, nil
}

const (
	endedRuns = `SELECT id, ended_at > 0 AND ended_at < $3 FROM runs WHERE id > $1 AND id < $2 ORDER BY id LIMIT +$4`
	dropRuns  = `
DELETE FROM runs WHERE id IN (SELECT value FROM json_each($1)) AND ended_at > 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = runs.id AND d.run_id <> '' AND d.settled_at IS NULL)
RETURNING id`
	dropTasks   = `DELETE FROM tasks WHERE run_id IN (SELECT value FROM json_each($1))`
	detachFiles = `UPDATE files SET run_id = '' WHERE run_id IN (SELECT value FROM json_each($1))`
)

// DropRuns removes runs that ended before t with their tasks, from w on. Their files belong to nothing then.
func (s *Store) DropRuns(ctx context.Context, before time.Time, w Sweep) (Sweep, error) {
	w, ids, err := s.oldRuns(ctx, endedRuns, before, w)
	if err != nil {
		return w, err
	}
	return s.drop(ctx, w, ids, func(tx *Tx, keys string) (int64, error) {
		gone, err := all(tx, text[string], dropRuns, keys) // a message may have been sent again meanwhile
		if err != nil {
			return 0, err
		}
		if err := tx.exec(dropTasks, encode(gone)); err != nil {
			return 0, err
		}
		return int64(len(gone)), tx.exec(detachFiles, encode(gone))
	})
}

const hashesUsed = `
SELECT DISTINCT hash FROM files WHERE hash IN (SELECT value FROM json_each($1)) AND id NOT IN (SELECT value FROM json_each($2))`

// HashesBeside tells which of the files' bytes other files have too.
func (s *Store) HashesBeside(ctx context.Context, list []File) (map[string]bool, error) {
	hashes, ids := make([]string, len(list)), make([]model.FileID, len(list))
	for i, f := range list {
		hashes[i], ids[i] = f.Hash, f.ID
	}
	used, err := all(s.reader(ctx), text[string], hashesUsed, encode(hashes), encode(ids))
	out := map[string]bool{}
	for _, h := range used {
		out[h] = true
	}
	return out, err
}

// DropFiles forgets files that are part of no run.
func (s *Store) DropFiles(ctx context.Context, list []File) error {
	return s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) error {
		for _, f := range list {
			if err := tx.exec(dropFile, f.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	looseFiles = `SELECT ` + fileColumns + ` FROM files WHERE run_id = '' AND created_at <= $1 ORDER BY id LIMIT +$2`
	dropFile   = `DELETE FROM files WHERE id = $1 AND run_id = ''`
)

// LooseFiles lists some files that were given at t or before and are part of no run.
func (s *Store) LooseFiles(ctx context.Context, t time.Time) ([]File, error) {
	return all(s.reader(ctx), scanFile, looseFiles, ms(t), removed/2)
}
