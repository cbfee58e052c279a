-- +goose Up
-- What was settled in an hour, in that order: for exports. A row gains its entry when it is settled, always at the end.
CREATE INDEX deliveries_settled ON deliveries (settled_at, id) WHERE settled_at IS NOT NULL;

-- Hours that are written to a store, or are to be.
CREATE TABLE exports (
  hour INTEGER PRIMARY KEY, -- its beginning
  auto INTEGER NOT NULL, -- 1 = its turn came by the clock, 0 = somebody asked for it
  backfill TEXT NOT NULL, -- who asks for it now, '' = nobody
  status TEXT NOT NULL, -- waiting, writing, written, failed
  connection_id TEXT NOT NULL, -- where it was written to, '' = not yet
  manifest TEXT NOT NULL, -- key
  files TEXT NOT NULL, -- JSON array
  records INTEGER NOT NULL,
  bytes INTEGER NOT NULL, -- as stored
  attempts INTEGER NOT NULL, -- since it was last written
  error TEXT NOT NULL, -- in words, of the last attempt
  next_at INTEGER NOT NULL, -- not before then
  started_at INTEGER NOT NULL, -- 0 = never
  written_at INTEGER NOT NULL, -- 0 = never
  uploads TEXT NOT NULL -- JSON array: begun in parts and not known to be finished
) STRICT;
CREATE INDEX exports_open ON exports (auto, hour) WHERE status <> 'written';
CREATE INDEX exports_backfill ON exports (backfill, status) WHERE backfill <> '';

-- Ranges of hours that somebody asked for.
CREATE TABLE backfills (
  id TEXT PRIMARY KEY,
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  hours INTEGER NOT NULL,
  by_name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  cancelled_at INTEGER, -- NULL = it was not
  finished_at INTEGER -- NULL = there is something left to do
) STRICT, WITHOUT ROWID;

-- Where the bytes of a file are: '' = in the data folder, else in the bucket of that connection under that key.
ALTER TABLE files ADD COLUMN connection_id TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN object_key TEXT NOT NULL DEFAULT '';
CREATE INDEX files_place ON files (connection_id, hash, size);
