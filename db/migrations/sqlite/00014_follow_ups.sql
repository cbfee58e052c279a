-- +goose Up
-- Messages that the other side took and has not told the outcome of: it is asked until it does.
CREATE TABLE follow_ups (
  message_id TEXT PRIMARY KEY, -- the delivery or the batch
  target_id TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  members TEXT NOT NULL, -- JSON array: its deliveries in the order in which they were sent
  reference TEXT NOT NULL, -- by which the other side knows it
  since INTEGER NOT NULL, -- when it was taken
  due_at INTEGER NOT NULL, -- when it is asked next
  asked INTEGER NOT NULL, -- how often it was asked
  words TEXT NOT NULL -- what it said the last time, '' = it was not asked yet
) STRICT, WITHOUT ROWID;
CREATE INDEX follow_ups_due ON follow_ups (target_id, due_at);

-- What an attempt came to for one delivery, where the answer told those of a message apart.
CREATE TABLE fates (
  delivery_id TEXT NOT NULL,
  attempt_id TEXT NOT NULL,
  status TEXT NOT NULL,
  words TEXT NOT NULL,
  PRIMARY KEY (delivery_id, attempt_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE attempts ADD COLUMN follow_up INTEGER NOT NULL DEFAULT 0; -- 1 = it asked what became of an earlier one; not counted
