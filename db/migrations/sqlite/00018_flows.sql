-- +goose Up
-- Whether the bytes of a file are still somebody's.
CREATE INDEX files_hash ON files (hash);
