package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/model"
)

// Tx is one closure's view of the open transaction. It must not leave the closure.
type Tx struct {
	w       *writer
	now     time.Time
	actor   model.Actor
	version int64     // config_version at the group's start
	touched bool      // config_version grows with this commit
	undo    *[]func() // takes back what the closure filled in, nil = nobody asks
	op      *op       // whose closure runs
}

// Now is the time of the commit group.
func (tx *Tx) Now() time.Time { return tx.now }

// After runs fn in the keeper's goroutine once the closure's changes are on disk, before its caller returns; not at all when they
// are rolled back. fn must not block.
func (tx *Tx) After(fn func()) { tx.op.after = append(tx.op.after, fn) }

// Otherwise runs fn in the keeper's goroutine if the closure's changes do not stand: it failed, or was rolled back with others
// and runs again. It gives back what the closure took outside of the database. fn must not block.
func (tx *Tx) Otherwise(fn func()) { tx.op.taken = append(tx.op.taken, fn) }

// As runs fn on behalf of another actor: what it changes is that one's doing.
func (tx *Tx) As(actor model.Actor, fn func() error) error {
	before := tx.actor
	tx.actor = actor
	defer func() { tx.actor = before }()
	return fn()
}

// Actor is who makes the change.
func (tx *Tx) Actor() model.Actor { return tx.actor }

func (tx *Tx) prepare(q string) (*sql.Stmt, error) { return tx.w.stmts.get(q) }
func (tx *Tx) context() context.Context            { return tx.w.ctx }

func (tx *Tx) exec(query string, args ...any) error {
	_, err := tx.count(query, args...)
	return err
}

// count runs query and says how many rows it changed.
func (tx *Tx) count(query string, args ...any) (int64, error) {
	st, err := tx.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(tx.w.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// lean is count for what runs for every event; query has at most 32 parameters.
func (tx *Tx) lean(query string, args ...any) (int64, error) {
	return tx.w.lean.exec(tx.w.ctx, query, args...)
}

// touch marks the change as one of routing, keys, users or roles.
func (tx *Tx) touch() { tx.touched = true }

// Write runs fn in a transaction on behalf of actor and returns when it is on disk, or rolled back. fn may run more
// than once, touches nothing outside tx, at most 500 rows, and holds no slow work (argon2, templates, network).
func (s *Store) Write(ctx context.Context, actor model.Actor, fn func(tx *Tx) error) error {
	return s.write(ctx, actor, fn, false)
}

// Durable returns when all that can be read now is on disk: before something is done outside that cannot be taken back.
func (s *Store) Durable(ctx context.Context) error {
	return s.Write(ctx, model.System("store"), func(*Tx) error { return nil })
}

// WriteBulk is Write behind all realtime writes: for work of many closures.
func (s *Store) WriteBulk(ctx context.Context, actor model.Actor, fn func(tx *Tx) error) error {
	return s.write(ctx, actor, fn, true)
}

func (s *Store) write(ctx context.Context, actor model.Actor, fn func(tx *Tx) error, bulk bool) error {
	if actor.Kind == "" {
		return errors.New("a write without an actor")
	}
	var undo []func()
	restore := func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
		undo = nil
	}
	done := make(chan error, 1)
	s.writer.submit(&op{
		run: func(tx *Tx) error {
			restore() // what an earlier run, rolled back, had filled in
			tx.actor, tx.undo = actor, &undo
			return fn(tx)
		},
		done: func(err error) {
			if err != nil {
				restore()
			}
			done <- err
		},
		gone: func() bool { return ctx.Err() != nil },
	}, bulk)
	return <-done
}

// fill sets *into to v for as long as the closure stands: when it fails or runs again, *into is as the caller gave it.
func fill[T any](tx *Tx, into *T, v T) {
	if before := *into; tx.undo != nil {
		*tx.undo = append(*tx.undo, func() { *into = before })
	}
	*into = v
}

const lastHash = `SELECT hash FROM audit ORDER BY seq DESC LIMIT 1`

const insertAudit = `
INSERT INTO audit (id, at, actor_kind, actor_id, actor_name, via, address, request_id, action, kind, object_id, object, changes, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

// audit writes the line for one change: word is what happened to the object ("updated").
func (tx *Tx) audit(kind, word string, id, name string, changes []model.Change) error {
	hashes, err := all(tx, text[string], lastHash)
	if err != nil {
		return err
	}
	name, changes = plain(name), slices.Clone(changes)
	for i, c := range changes {
		changes[i] = model.Change{Field: plain(c.Field), Before: plain(c.Before), After: plain(c.After)}
	}
	a := model.Audit{ID: model.NewAuditID(tx.now), At: tx.now, ActorKind: tx.actor.Kind, ActorID: string(tx.actor.UserID), ActorName: tx.actor.Name,
		Via: string(tx.actor.KeyID), Address: tx.actor.Address, RequestID: tx.actor.RequestID, Action: kind + "." + word, Kind: kind,
		ObjectID: id, Object: name, Changes: changes}
	a.ActorName, a.Address, a.RequestID = plain(a.ActorName), plain(a.Address), plain(a.RequestID)
	if len(hashes) == 1 {
		a.Hash = hashes[0]
	}
	a.Hash = chain(a.Hash, a)
	return tx.exec(insertAudit, a.ID, ms(a.At), a.ActorKind, a.ActorID, a.ActorName, a.Via, a.Address, a.RequestID, a.Action, a.Kind,
		a.ObjectID, a.Object, encode(a.Changes), a.Hash)
}

// maxAudited is how much of one text the audit log keeps, in bytes.
const maxAudited = 4096

// plain is text as the audit log keeps it: valid UTF-8, so that it reads back as it was hashed, and not too long.
func plain(s string) string {
	if len(s) > maxAudited {
		s = fmt.Sprintf("%s… (%d bytes)", s[:maxAudited], len(s))
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// chain is the hash of row a after a row with hash before. It names the fields one by one, so that rows keep their hash
// when model.Audit grows.
func chain(before string, a model.Audit) string {
	sum := sha256.Sum256([]byte(encode([]string{before, string(a.ID), strconv.FormatInt(ms(a.At), 10), string(a.ActorKind), a.ActorID, a.ActorName, a.Via,
		a.Address, a.RequestID, a.Action, a.Kind, a.ObjectID, a.Object, encode(a.Changes)})))
	return hex.EncodeToString(sum[:])
}

// changes lists the fields that differ, from pairs of name, before, after.
func changes(triples ...string) []model.Change {
	var out []model.Change
	for i := 0; i+2 < len(triples); i += 3 {
		if triples[i+1] != triples[i+2] {
			out = append(out, model.Change{Field: triples[i], Before: triples[i+1], After: triples[i+2]})
		}
	}
	return out
}
