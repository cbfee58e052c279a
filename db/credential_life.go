package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const (
	addLives = `
INSERT INTO credential_life (credential_id, used_at, failed_at, failure)
SELECT value ->> 'c', value ->> 'u', value ->> 'x', value ->> 'f' FROM json_each($1) WHERE EXISTS (SELECT 1 FROM credentials WHERE id = value ->> 'c')
ON CONFLICT (credential_id) DO UPDATE SET used_at = max(used_at, excluded.used_at),
  failure = CASE WHEN excluded.failed_at >= failed_at AND excluded.failed_at > 0 THEN excluded.failure ELSE failure END,
  failed_at = max(failed_at, excluded.failed_at)`
	allLives = `SELECT credential_id, used_at, failed_at, failure FROM credential_life`
	lifeOf   = allLives + ` WHERE credential_id = $1`
)

func scanLife(r row) (l model.CredentialLife, err error) {
	err = r.Scan(&l.ID, at{&l.UsedAt}, at{&l.FailedAt}, &l.Failure)
	return l, err
}

// AddCredentialLives adds what was seen of credentials since the last time, in one statement that rides with other
// writes. Those of credentials that are gone are left out.
func (s *Store) AddCredentialLives(list []model.CredentialLife) error {
	if len(list) == 0 {
		return nil
	}
	type life struct {
		model.CredentialLife
		Used   int64 `json:"u"`
		Failed int64 `json:"x"`
	}
	rows := make([]life, len(list))
	for i, l := range list {
		rows[i] = life{l, ms(l.UsedAt), ms(l.FailedAt)}
	}
	text, done := encode(rows), make(chan error, 1)
	s.writer.submit(&op{plain: true, rides: time.Now().Add(groupWaits), done: func(err error) { done <- err },
		run: func(tx *Tx) error { return tx.exec(addLives, text) }}, false)
	return <-done
}

// CredentialLife is what became of one credential in use; the zero value when it was never used.
func (s *Store) CredentialLife(ctx context.Context, id model.CredentialID) (model.CredentialLife, error) {
	list, err := all(s.reader(ctx), scanLife, lifeOf, id)
	if err != nil || len(list) == 0 {
		return model.CredentialLife{ID: id}, err
	}
	return list[0], nil
}

// CredentialLives is what became of all credentials that were used.
func (s *Store) CredentialLives(ctx context.Context) (map[model.CredentialID]model.CredentialLife, error) {
	return byID(s.reader(ctx), scanLife, func(l model.CredentialLife) model.CredentialID { return l.ID }, allLives)
}
