-- +goose Up
-- The trace that a message of a run belongs to (W3C Trace Context), '' = none; those of events have their event's.
ALTER TABLE payloads ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
