-- +goose Up

-- What events of a name are, and what their data should look like.
CREATE TABLE event_definitions (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  schema TEXT NOT NULL, -- JSON Schema as typed, '' = none
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A named list of records. Those of the current generation with a number below count are its members; a replacement is
-- written as another generation and becomes the current one when it is whole.
CREATE TABLE audiences (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  subject_field TEXT NOT NULL, -- member of a record that runs take their subject from, '' = none
  generation INTEGER NOT NULL,
  count INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audience_members (
  audience_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  number INTEGER NOT NULL, -- from 0
  data TEXT NOT NULL, -- JSON object
  PRIMARY KEY (audience_id, generation, number)
) STRICT, WITHOUT ROWID;

-- A workflow started once for every record. It goes on from next after a restart.
CREATE TABLE audience_runs (
  id TEXT PRIMARY KEY,
  audience_id TEXT NOT NULL REFERENCES audiences (id) ON DELETE CASCADE,
  workflow_id TEXT NOT NULL,
  workflow_version INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  total INTEGER NOT NULL,
  next INTEGER NOT NULL, -- number of the first record that is not started yet
  rate INTEGER NOT NULL, -- runs a second, 0 = as fast as it goes
  status TEXT NOT NULL, -- running, stopped, completed, failed
  reason TEXT NOT NULL,
  started_by TEXT NOT NULL, -- JSON: who, as the audit log names it
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audience_runs_audience ON audience_runs (audience_id, id);
CREATE INDEX audience_runs_workflow ON audience_runs (workflow_id, id);
CREATE INDEX audience_runs_running ON audience_runs (status, id) WHERE status = 'running';

-- Reusable requests with a form of inputs. Steps use what is published; the draft is what is being edited.
CREATE TABLE integrations (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  draft TEXT NOT NULL, -- JSON: fields and request
  published TEXT NOT NULL, -- the same, '' = never published
  published_version INTEGER NOT NULL, -- how often it was published
  published_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
