-- +goose Up
-- The templates that a destination has had, by the version with which each came. The newest 50 of each are kept.
CREATE TABLE destination_templates (
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  template TEXT NOT NULL,
  made_by TEXT NOT NULL, -- name of who saved it
  made_at INTEGER NOT NULL,
  PRIMARY KEY (destination_id, version)
) STRICT, WITHOUT ROWID;
INSERT INTO destination_templates (destination_id, version, template, made_by, made_at)
SELECT id, version, template, '', updated_at FROM destinations;

-- Filters of the list of deliveries that somebody keeps under a name; shared ones are everybody's to use.
CREATE TABLE saved_filters (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL COLLATE NOCASE,
  query TEXT NOT NULL, -- as it stands in the address
  shared INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (user_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX saved_filters_shared ON saved_filters (name) WHERE shared = 1;
