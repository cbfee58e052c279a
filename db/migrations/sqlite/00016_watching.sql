-- +goose Up
-- Roll-ups of stats, which keeps minutes for two days only: hours for ten days, days for 90.
CREATE TABLE stats_hours (
  destination_id TEXT NOT NULL,
  what TEXT NOT NULL,
  hour INTEGER NOT NULL, -- unix hours
  n INTEGER NOT NULL,
  PRIMARY KEY (destination_id, what, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX stats_hours_hour ON stats_hours (hour);
CREATE TABLE stats_days (
  destination_id TEXT NOT NULL,
  what TEXT NOT NULL,
  day INTEGER NOT NULL, -- unix days
  n INTEGER NOT NULL,
  PRIMARY KEY (destination_id, what, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX stats_days_day ON stats_days (day);
-- How far rolling up has come: the first hour and the first day that are not done.
CREATE TABLE stats_rolled (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  hours INTEGER NOT NULL,
  days INTEGER NOT NULL
) STRICT;
INSERT INTO stats_rolled (one, hours, days) VALUES (1, 0, 0);
-- Each count once, as coarse as it is kept; minute is that of the beginning.
CREATE VIEW stats_all AS
SELECT destination_id, what, minute, n FROM stats WHERE minute >= (SELECT 60 * hours FROM stats_rolled WHERE one = 1)
UNION ALL SELECT destination_id, what, 60 * hour, n FROM stats_hours WHERE hour >= (SELECT 24 * days FROM stats_rolled WHERE one = 1)
UNION ALL SELECT destination_id, what, 1440 * day, n FROM stats_days;

-- What people want to be told of.
CREATE TABLE alert_rules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL, -- id of a destination, endpoint or credential; '' = any
  threshold INTEGER NOT NULL, -- percent, minutes or days, as the kind says
  window_minutes INTEGER NOT NULL,
  least INTEGER NOT NULL, -- fewer attempts or calls than these say nothing
  emails TEXT NOT NULL, -- JSON array
  destination_id TEXT NOT NULL, -- where messages go, '' = nowhere
  enabled INTEGER NOT NULL,
  snoozed_until INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_rules_destination ON alert_rules (destination_id) WHERE destination_id <> '';

-- What rules found: one row from when it began until it was over. about: what it concerns, once a rule at a time.
CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  rule_id TEXT NOT NULL,
  rule TEXT NOT NULL, -- its name then
  kind TEXT NOT NULL,
  about TEXT NOT NULL,
  title TEXT NOT NULL,
  detail TEXT NOT NULL,
  url TEXT NOT NULL, -- path of the page that shows more
  told INTEGER NOT NULL, -- when the message was made, 0 = not yet
  seen_at INTEGER NOT NULL, -- when it last held
  ended_at INTEGER NOT NULL, -- 0 = it goes on
  end_told INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_rule ON alerts (rule_id, id);
CREATE UNIQUE INDEX alerts_open ON alerts (rule_id, about) WHERE ended_at = 0;

-- Letters on their way, and those of the last days. What they say is sealed, since it may hold a link that opens something.
CREATE TABLE mails (
  id TEXT PRIMARY KEY,
  to_address TEXT NOT NULL,
  subject TEXT NOT NULL,
  why TEXT NOT NULL, -- alert, invitation, test
  due_at INTEGER, -- NULL = nothing is left to do
  attempts INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, -- 0 = not
  last_error TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mails_due ON mails (due_at, id) WHERE due_at IS NOT NULL;

-- The trace that an event belongs to, a W3C traceparent; '' = none. It goes on with its deliveries.
ALTER TABLE events ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
