-- +goose Up
-- What this instance signs with: the tokens of platform keys. The private half is in sealed, under ('instance_key', id, 'private').
CREATE TABLE instance_keys (
  id TEXT PRIMARY KEY, -- kid
  public TEXT NOT NULL, -- JSON Web Key
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE credentials ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0; -- typed in by a person, 0 = none
ALTER TABLE credentials ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0; -- as the certificate or token itself says, 0 = it does not

-- When a credential was last used, and what went wrong with it last. Written every few seconds at most, never per
-- delivery; a crash may lose those seconds.
CREATE TABLE credential_life (
  credential_id TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
  used_at INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  failure TEXT NOT NULL -- in words, without secrets
) STRICT, WITHOUT ROWID;

-- A credential whose secret is being changed. Pending: config and the secrets under 'credential.pending' are on trial
-- beside the live ones. Live: they took the place of those that are kept here, and under 'credential.former'.
CREATE TABLE rotations (
  credential_id TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
  state TEXT NOT NULL, -- pending, live
  config TEXT NOT NULL, -- JSON object, nothing secret
  expires_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  by_name TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  until_at INTEGER NOT NULL, -- live: the former secrets are kept until then; pending: 0
  tried_at INTEGER NOT NULL, -- the last trial, 0 = none
  tried_on TEXT NOT NULL, -- the destination's name
  tried_status INTEGER NOT NULL, -- HTTP, 0 = no answer
  tried_error TEXT NOT NULL -- in words, '' = it went well
) STRICT, WITHOUT ROWID;
CREATE INDEX rotations_until ON rotations (until_at) WHERE state = 'live';
