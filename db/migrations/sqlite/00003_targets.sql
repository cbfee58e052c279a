-- +goose Up
-- Deliveries of workflow runs, and what order and batches need.
ALTER TABLE deliveries ADD COLUMN run_id TEXT NOT NULL DEFAULT ''; -- '' = made of an event by an action
ALTER TABLE deliveries ADD COLUMN step TEXT NOT NULL DEFAULT ''; -- key of the step
ALTER TABLE deliveries ADD COLUMN step_run_id TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN webhook_id TEXT NOT NULL DEFAULT ''; -- '' = the step's own request
ALTER TABLE deliveries ADD COLUMN seq INTEGER NOT NULL DEFAULT 0; -- place in the order of its destination, 0 = none is kept
ALTER TABLE deliveries ADD COLUMN order_key TEXT NOT NULL DEFAULT ''; -- the subject within which order is kept
ALTER TABLE deliveries ADD COLUMN batch_id TEXT NOT NULL DEFAULT ''; -- the message that it is part of; its own id = never part of one
ALTER TABLE deliveries ADD COLUMN split_of TEXT NOT NULL DEFAULT ''; -- the message that it was part of before that was taken apart
CREATE INDEX deliveries_run ON deliveries (run_id, id) WHERE run_id <> '';
CREATE INDEX deliveries_order ON deliveries (target_id, order_key, seq) WHERE settled_at IS NULL AND seq > 0;
CREATE INDEX deliveries_batch ON deliveries (batch_id, id) WHERE batch_id <> '';

-- What a delivery of a step says; those of events are made of the event.
CREATE TABLE payloads (
  delivery_id TEXT PRIMARY KEY,
  depth INTEGER NOT NULL, -- how many events led to its run
  data BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The last place that was given in any order.
CREATE TABLE sequence (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO sequence (one, value) VALUES (1, 0);

-- What is known of a target's health; one that is well has no row.
CREATE TABLE targets (
  id TEXT PRIMARY KEY,
  failing_since INTEGER NOT NULL, -- first failure since the last success
  tries INTEGER NOT NULL, -- failures since then
  breaker TEXT NOT NULL, -- '' = closed, 'open', 'ramp'
  opens INTEGER NOT NULL, -- how often it opened in a row
  until_at INTEGER NOT NULL, -- open: until when
  last_error TEXT NOT NULL,
  disabled_at INTEGER NOT NULL, -- of targets that are not destinations, 0 = on
  disabled_reason TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE destinations ADD COLUMN retry_on TEXT NOT NULL DEFAULT '';
ALTER TABLE destinations ADD COLUMN rate REAL NOT NULL DEFAULT 0; -- a second, 0 = unbounded
ALTER TABLE destinations ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destinations ADD COLUMN batch_size INTEGER NOT NULL DEFAULT 1;
ALTER TABLE destinations ADD COLUMN batch_wait_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN retry_schedule TEXT NOT NULL DEFAULT '[]'; -- JSON array of seconds, empty = the usual one
ALTER TABLE connections ADD COLUMN retry_on TEXT NOT NULL DEFAULT '';
