-- +goose Up
-- What attempts came to, by minute: what pages count from, instead of counting rows. Gains rows and numbers every few
-- seconds, never per delivery; a crash may lose those seconds. Kept for 90 days.
CREATE TABLE stats (
  destination_id TEXT NOT NULL, -- '' = all together
  what TEXT NOT NULL, -- an outcome, or 'took:N' = an answer in the Nth step of time
  minute INTEGER NOT NULL, -- unix minutes; for 'took:N' that of the hour's start
  n INTEGER NOT NULL,
  last_at INTEGER NOT NULL, -- when the last of them was
  last_error TEXT NOT NULL, -- of the last one of a destination that did not go well, '' = none
  delivery_id TEXT NOT NULL, -- whose error that was
  PRIMARY KEY (destination_id, what, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX stats_minute ON stats (minute);
