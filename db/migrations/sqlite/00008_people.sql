-- +goose Up
-- Roles that people made; the built-in ones are fixed in code. Users name their roles, so a new name is written to them too.
CREATE TABLE roles (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  rights TEXT NOT NULL, -- JSON array of names
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
