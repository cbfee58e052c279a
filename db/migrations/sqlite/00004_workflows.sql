-- +goose Up
CREATE TABLE workflows (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  draft TEXT NOT NULL, -- JSON definition
  changed INTEGER NOT NULL, -- 1 = the draft is not what is published
  published INTEGER NOT NULL, -- number of the version that new runs get, 0 = none
  published_at INTEGER NOT NULL,
  form_token TEXT, -- of the public form's address
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX workflows_form ON workflows (form_token) WHERE form_token IS NOT NULL;

-- What was published; rows never change.
CREATE TABLE workflow_versions (
  workflow_id TEXT NOT NULL REFERENCES workflows (id),
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  definition TEXT NOT NULL, -- JSON
  awaits INTEGER NOT NULL, -- 1 = a step waits for an event
  note TEXT NOT NULL,
  published_by TEXT NOT NULL,
  published_at INTEGER NOT NULL,
  PRIMARY KEY (workflow_id, number)
) STRICT, WITHOUT ROWID;

-- How many runs a workflow had, apart from its row: each run counts here.
CREATE TABLE run_numbers (
  workflow_id TEXT PRIMARY KEY REFERENCES workflows (id),
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a run with all that its steps did: a run is read and written whole.
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  definition INTEGER NOT NULL, -- number of the version that it keeps
  status TEXT NOT NULL,
  lane TEXT NOT NULL,
  trigger TEXT NOT NULL,
  audience_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  initiator TEXT NOT NULL, -- email
  actor_id TEXT NOT NULL,
  depth INTEGER NOT NULL,
  error TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL, -- 0 = it goes on
  version INTEGER NOT NULL,
  paused TEXT NOT NULL, -- JSON, '' = it is not: the status before, and what was finished meanwhile
  event TEXT NOT NULL, -- JSON, '' = none: what started it
  form TEXT NOT NULL, -- JSON, '' = none: what its form was filled in with
  steps TEXT NOT NULL, -- JSON array
  data BLOB -- NULL = removed by retention
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_workflow ON runs (workflow_id, id);
-- The statuses that people filter for, and those that go on; completed ones are found by walking the ids.
CREATE INDEX runs_status ON runs (status, id) WHERE status <> 'completed';
CREATE INDEX runs_audience ON runs (audience_id, id) WHERE audience_id <> '';

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  step_run_id TEXT NOT NULL,
  step TEXT NOT NULL,
  step_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  assignees TEXT NOT NULL, -- JSON array
  due_at INTEGER NOT NULL, -- 0 = none
  reminded_at INTEGER NOT NULL,
  completed_at INTEGER NOT NULL,
  completed_by TEXT NOT NULL, -- email
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_run ON tasks (run_id, id);
CREATE INDEX tasks_open ON tasks (id) WHERE status = 'open';
CREATE INDEX tasks_done ON tasks (completed_by, id) WHERE completed_by <> '';

-- Who may do an open task: 'user:ID' or 'role:NAME'.
CREATE TABLE task_assignees (
  assignee TEXT NOT NULL,
  task_id TEXT NOT NULL REFERENCES tasks (id),
  PRIMARY KEY (assignee, task_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_assignees_task ON task_assignees (task_id);

-- Step runs that wait for an event.
CREATE TABLE awaits (
  step_run_id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  event TEXT NOT NULL, -- name or pattern
  wild INTEGER NOT NULL, -- 1 = a pattern with wildcards
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX awaits_event ON awaits (event, step_run_id) WHERE wild = 0;
CREATE INDEX awaits_wild ON awaits (step_run_id) WHERE wild = 1;

-- What is to happen at a time.
CREATE TABLE timers (
  id TEXT PRIMARY KEY,
  due_at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  ref TEXT NOT NULL, -- what it is about: a step run, a task, a workflow, an event
  run_id TEXT NOT NULL, -- '' = of no run
  part TEXT NOT NULL -- how far it got, for those that take several rounds
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at, id);
CREATE INDEX timers_ref ON timers (ref, kind);

-- Files that people gave in forms; their bytes are in the data folder.
CREATE TABLE files (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  hash TEXT NOT NULL, -- hex SHA-256
  created_by TEXT NOT NULL, -- a user's id, '' = somebody at a public form
  run_id TEXT NOT NULL, -- '' = not yet part of a run
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_run ON files (run_id, id);
