-- +goose Up
-- Times are unix milliseconds, 0 or NULL = none. Ids sort by time of making, so lists page by id.

-- Grows with every change of routing, keys, users or roles; other processes see by it that their caches are old.
CREATE TABLE config_version (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO config_version (one, value) VALUES (1, 1);

-- One row a server process; deliveries in work carry its id.
CREATE TABLE nodes (
  id TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  heartbeat_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The master keys that sealed something here: a known text under each, so that a wrong key shows at once.
CREATE TABLE seal_keys (
  id TEXT PRIMARY KEY,
  proof BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every secret, sealed and bound to (kind, row_id, name).
CREATE TABLE sealed (
  kind TEXT NOT NULL,
  row_id TEXT NOT NULL,
  name TEXT NOT NULL,
  key_id TEXT NOT NULL,
  box BLOB NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (kind, row_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password TEXT NOT NULL, -- PHC string, '' = cannot sign in by password
  roles TEXT NOT NULL, -- JSON array of names
  disabled INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  agent TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);

-- Failed sign-ins by account and by address, so that guessing stays slow over restarts.
CREATE TABLE throttles (
  key TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  until_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id),
  hash BLOB NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  actor_name TEXT NOT NULL,
  via TEXT NOT NULL,
  address TEXT NOT NULL,
  request_id TEXT NOT NULL,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  object_id TEXT NOT NULL,
  object TEXT NOT NULL,
  changes TEXT NOT NULL, -- JSON array of {field, before, after}
  hash TEXT NOT NULL -- hex SHA-256 over the row before's hash and this row
) STRICT;
CREATE INDEX audit_object ON audit (object_id, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);
-- +goose StatementBegin
CREATE TRIGGER audit_keep BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows never change'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_stay BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows never go'); END;
-- +goose StatementEnd

CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  type TEXT NOT NULL,
  description TEXT NOT NULL,
  config TEXT NOT NULL, -- JSON object, nothing secret
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  type TEXT NOT NULL,
  base_url TEXT NOT NULL,
  port INTEGER NOT NULL,
  credential_id TEXT REFERENCES credentials (id),
  timeout_seconds INTEGER NOT NULL,
  timeout_message TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  settings TEXT NOT NULL, -- JSON object
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_credential ON connections (credential_id);

CREATE TABLE destinations (
  id TEXT PRIMARY KEY,
  connection_id TEXT NOT NULL REFERENCES connections (id),
  name TEXT NOT NULL COLLATE NOCASE,
  description TEXT NOT NULL,
  method TEXT NOT NULL,
  content_type TEXT NOT NULL,
  path TEXT NOT NULL,
  headers TEXT NOT NULL, -- JSON array of {name, value}
  template TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  disabled_at INTEGER NOT NULL,
  disabled_reason TEXT NOT NULL,
  sign INTEGER NOT NULL,
  retry_schedule TEXT NOT NULL, -- JSON array of seconds
  max_in_flight INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  UNIQUE (connection_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE actions (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  event TEXT NOT NULL,
  filter TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id),
  enabled INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX actions_destination ON actions (destination_id);

-- With row ids, unlike the others: its rows are long, and in a tree by id they would fill the inner pages, too. (A database
-- made before that has it by id; nothing depends on which.)
CREATE TABLE events (
  id TEXT PRIMARY KEY NOT NULL,
  external_id TEXT NOT NULL,
  name TEXT NOT NULL,
  subject TEXT NOT NULL,
  time INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  met TEXT NOT NULL, -- JSON array, '' = no action matched by name
  created_at INTEGER NOT NULL,
  -- Last, so that lists need not read it. In the row and not in a table of its own: a row costs as much as a commit's
  -- share of everything else, and every event has exactly one. NULL = removed by retention.
  data BLOB
) STRICT;
CREATE INDEX events_name ON events (name, id);
CREATE INDEX events_subject ON events (subject, id) WHERE subject <> '';

-- What was published under which key; kept for 7 days whatever retention does to events.
CREATE TABLE dedupe (
  user_id TEXT NOT NULL,
  key TEXT NOT NULL,
  body_hash BLOB NOT NULL,
  event_id TEXT NOT NULL,
  external_id TEXT NOT NULL,
  deliveries INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_expiry ON dedupe (expires_at);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  event_id TEXT NOT NULL,
  target_id TEXT NOT NULL,
  destination_id TEXT NOT NULL, -- '' for targets that are not destinations; no foreign key: history outlives them
  action_id TEXT NOT NULL,
  lane TEXT NOT NULL,
  status TEXT NOT NULL,
  owner TEXT NOT NULL, -- the node that has it in memory, '' = it waits here
  next_attempt_at INTEGER, -- NULL = none planned
  attempts INTEGER NOT NULL,
  round_start INTEGER NOT NULL,
  interruptions INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  held TEXT NOT NULL, -- why it is held, '' = it is not
  last_status_code INTEGER NOT NULL,
  last_error TEXT NOT NULL,
  user_message TEXT NOT NULL,
  replay_of TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  settled_at INTEGER, -- NULL = open
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Claims (owner = '') and rescue (owner = a dead node). Settled rows are not in it, so it stays small.
CREATE INDEX deliveries_open ON deliveries (owner, target_id, lane, next_attempt_at) WHERE settled_at IS NULL;
CREATE INDEX deliveries_event ON deliveries (event_id);
CREATE INDEX deliveries_destination ON deliveries (destination_id, id);
-- The statuses that people filter for; delivered ones are found by walking the ids. (Not IN: SQLite would build its list
-- anew for every row that is written.)
CREATE INDEX deliveries_status ON deliveries (status, id) WHERE status <> 'delivered' AND status <> 'pending';

CREATE TABLE attempts (
  delivery_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  id TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  method TEXT NOT NULL,
  url TEXT NOT NULL,
  address TEXT NOT NULL,
  status_code INTEGER NOT NULL,
  class TEXT NOT NULL,
  error TEXT NOT NULL,
  template INTEGER NOT NULL, -- version of the destination that was rendered
  verdict TEXT NOT NULL,
  next_at INTEGER NOT NULL,
  timings TEXT NOT NULL, -- JSON, microseconds
  request_headers TEXT NOT NULL, -- JSON array of {name, value}, secrets masked
  response_headers TEXT NOT NULL,
  response_cut INTEGER NOT NULL, -- 1 = the stored body is not the whole one
  request_size INTEGER NOT NULL,
  response_size INTEGER NOT NULL,
  request_body BLOB, -- NULL = empty, removed, or the event's data as it stands
  body_is_data INTEGER NOT NULL, -- 1 = the request's body was the event's data, stored there once
  response_body BLOB,
  PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;
