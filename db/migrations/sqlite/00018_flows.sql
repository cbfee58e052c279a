-- +goose Up
-- Whether the bytes of a file are still somebody's.
CREATE INDEX files_hash ON files (hash);

-- The event that started a run, for what asks which runs came of an event; '' = none. Runs from before are found too.
ALTER TABLE runs ADD COLUMN event_id TEXT NOT NULL DEFAULT '';
UPDATE runs SET event_id = json_extract(event, '$.id') WHERE event <> '';
CREATE INDEX runs_event ON runs (event_id, id) WHERE event_id <> '';
