-- +goose Up
-- Rules of people about what may be called, and what may not. Both ids NULL = for all of this Waybill.
CREATE TABLE network_rules (
  id TEXT PRIMARY KEY,
  effect TEXT NOT NULL, -- allow, deny
  pattern TEXT NOT NULL, -- host, host:port, address, network
  connection_id TEXT REFERENCES connections (id) ON DELETE CASCADE,
  destination_id TEXT REFERENCES destinations (id) ON DELETE CASCADE,
  note TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX network_rules_pattern ON network_rules (pattern, coalesce(connection_id, ''), coalesce(destination_id, ''));
CREATE INDEX network_rules_connection ON network_rules (connection_id);
CREATE INDEX network_rules_destination ON network_rules (destination_id);

ALTER TABLE connections ADD COLUMN direct INTEGER NOT NULL DEFAULT 0; -- 1 = never through the proxy
