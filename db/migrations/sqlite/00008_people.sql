-- +goose Up
-- Roles that people made; the built-in ones are fixed in code. Users name their roles, so a new name is written to them too.
CREATE TABLE roles (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  rights TEXT NOT NULL, -- JSON array of names
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Invitations that wait: accepted, revoked and renewed ones are in the audit log alone.
CREATE TABLE invitations (
  id TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE,
  roles TEXT NOT NULL, -- JSON array of names
  invited_by TEXT NOT NULL, -- the user whose rights bound it; '' = the machine's administrator
  invited_by_name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How somebody reads dates and numbers: '' = as the browser says.
ALTER TABLE users ADD COLUMN locale TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN zone TEXT NOT NULL DEFAULT '';

-- The second factor of sign-in (RFC 6238); its secret is sealed.
CREATE TABLE second_factors (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  confirmed_at INTEGER NOT NULL, -- 0 = not yet: it is not asked for
  last_step INTEGER NOT NULL -- a code of this period or an earlier one is used up
) STRICT, WITHOUT ROWID;
CREATE TABLE recovery_codes (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  hash BLOB NOT NULL,
  PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- A key may be limited to some of its user's rights ('' = all of them); a rotated one lives on for a while.
ALTER TABLE api_keys ADD COLUMN rights TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN previous_hash BLOB;
ALTER TABLE api_keys ADD COLUMN previous_hint TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN previous_until INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX api_keys_previous ON api_keys (previous_hash) WHERE previous_hash IS NOT NULL;
