-- +goose Up
-- URLs that third parties call. Keys and secrets are sealed (kind 'inbound_key' and 'inbound_secret'); keys are hashed too.
CREATE TABLE inbound_endpoints (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  connection_id TEXT UNIQUE REFERENCES connections (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  verification TEXT NOT NULL, -- JSON, nothing secret
  dedupe TEXT NOT NULL, -- JSON
  content_types TEXT NOT NULL, -- JSON array, empty = all
  max_bytes INTEGER NOT NULL,
  rate INTEGER NOT NULL, -- calls a second
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  mapping TEXT NOT NULL,
  effects TEXT NOT NULL, -- JSON: what is done besides raising an event
  response TEXT NOT NULL, -- JSON
  partner_rotates INTEGER NOT NULL,
  sample_until INTEGER NOT NULL, -- until then it waits for a sample, 0 = it does not
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_endpoints_user ON inbound_endpoints (user_id);

CREATE TABLE inbound_keys (
  id TEXT PRIMARY KEY,
  endpoint_id TEXT NOT NULL REFERENCES inbound_endpoints (id) ON DELETE CASCADE,
  hash BLOB NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_keys_endpoint ON inbound_keys (endpoint_id);

-- What calls are verified with; several may be live while one takes the place of another.
CREATE TABLE inbound_secrets (
  id TEXT PRIMARY KEY,
  endpoint_id TEXT NOT NULL REFERENCES inbound_endpoints (id) ON DELETE CASCADE,
  name TEXT NOT NULL, -- field of the verification
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_secrets_endpoint ON inbound_secrets (endpoint_id);

-- Every call that was accepted, with its receipt; of refused and repeated ones so many that a flood cannot fill the disk.
CREATE TABLE inbound_calls (
  endpoint_id TEXT NOT NULL, -- no foreign key: receipts outlive endpoints
  id TEXT NOT NULL, -- the receipt
  key_id TEXT NOT NULL,
  state TEXT NOT NULL,
  status_code INTEGER NOT NULL,
  reason TEXT NOT NULL,
  line INTEGER NOT NULL,
  col INTEGER NOT NULL,
  method TEXT NOT NULL,
  address TEXT NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  query TEXT NOT NULL,
  headers TEXT NOT NULL, -- JSON array of {name, value}, secrets masked
  events TEXT NOT NULL, -- JSON array of ids, '' = none
  runs TEXT NOT NULL, -- JSON array of ids, '' = none
  first_id TEXT NOT NULL, -- the call that this one repeats
  created_at INTEGER NOT NULL,
  settled_at INTEGER NOT NULL,
  body_is_data INTEGER NOT NULL, -- 1 = the body is the data of its event, stored there once
  body BLOB, -- NULL = empty, removed, or the event's data
  PRIMARY KEY (endpoint_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_calls_mapping ON inbound_calls (id) WHERE state = 'mapping';

CREATE TABLE inbound_dedupe (
  endpoint_id TEXT NOT NULL,
  key BLOB NOT NULL,
  call_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (endpoint_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_dedupe_expiry ON inbound_dedupe (expires_at);

-- How calls ended, by minute; also those of which no row is kept.
CREATE TABLE inbound_counts (
  endpoint_id TEXT NOT NULL,
  minute INTEGER NOT NULL, -- unix minutes
  what TEXT NOT NULL, -- a state of calls
  n INTEGER NOT NULL,
  PRIMARY KEY (endpoint_id, minute, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_counts_minute ON inbound_counts (minute);
