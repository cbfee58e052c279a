-- +goose Up
-- The trace that a message of a run belongs to (W3C Trace Context), '' = none; those of events have their event's.
ALTER TABLE payloads ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

-- A link by which somebody who forgot his password sets another; one a user, the newest.
CREATE TABLE password_resets (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
