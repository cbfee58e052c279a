-- +goose Up
-- A replay makes new deliveries of settled ones, a few at a time, until its cursor is at the end.
CREATE TABLE replays (
  id TEXT PRIMARY KEY,
  filter TEXT NOT NULL, -- JSON object
  status TEXT NOT NULL, -- running, done, cancelled
  by_name TEXT NOT NULL,
  total INTEGER NOT NULL, -- as counted before the start
  counted INTEGER NOT NULL, -- 1 = total is exact
  before_id TEXT NOT NULL, -- only deliveries with lesser ids
  after_id TEXT NOT NULL, -- the last delivery that was looked at
  made INTEGER NOT NULL,
  passed_over INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER, -- NULL = there is something left to do
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_open ON replays (id) WHERE finished_at IS NULL;

-- Deliveries of replays that are not known to be settled. tried: 1 = an attempt was made, or a person is needed.
CREATE TABLE replay_items (
  replay_id TEXT NOT NULL REFERENCES replays (id) ON DELETE CASCADE,
  tried INTEGER NOT NULL,
  delivery_id TEXT NOT NULL,
  PRIMARY KEY (replay_id, tried, delivery_id)
) STRICT, WITHOUT ROWID;

-- What is set for the whole instance, by part: storage, network, mail.
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL, -- JSON object
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How much of the disk was used, by hour, for 90 days.
CREATE TABLE disk_use (
  hour INTEGER PRIMARY KEY, -- unix hours
  used INTEGER NOT NULL, -- bytes
  free INTEGER NOT NULL -- bytes of the disk
) STRICT;

-- Public keys by which receivers check signatures; the private ones are sealed. until_at: 0 = without end.
CREATE TABLE signing_public (
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  public TEXT NOT NULL, -- whpk_…
  until_at INTEGER NOT NULL,
  PRIMARY KEY (destination_id, public)
) STRICT, WITHOUT ROWID;
