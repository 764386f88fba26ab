-- What a run is now: a tree with loops and handlers, paused or queued, with callbacks and decisions that come early.

ALTER TABLE runs ADD COLUMN stop TEXT;
ALTER TABLE runs ADD COLUMN paused_by INTEGER;
ALTER TABLE runs ADD COLUMN paused_at INTEGER;
ALTER TABLE runs ADD COLUMN place INTEGER;
ALTER TABLE runs ADD COLUMN supersede TEXT;
ALTER TABLE runs ADD COLUMN outputs TEXT;
CREATE INDEX runs_by_place ON runs (place, id) WHERE place IS NOT NULL;
CREATE INDEX runs_by_key ON runs (supersede) WHERE supersede IS NOT NULL;

ALTER TABLE step_runs ADD COLUMN inside TEXT;
ALTER TABLE step_runs ADD COLUMN context TEXT;
ALTER TABLE step_runs ADD COLUMN woken INTEGER;

ALTER TABLE suspensions ADD COLUMN closed_reason TEXT;
ALTER TABLE suspensions ADD COLUMN closed_option TEXT;
ALTER TABLE suspensions ADD COLUMN texts TEXT;
ALTER TABLE suspensions ADD COLUMN terms TEXT;
ALTER TABLE suspensions ADD COLUMN spec TEXT;

ALTER TABLE decisions ADD COLUMN option TEXT;
ALTER TABLE decisions ADD COLUMN unseen INTEGER;

-- What a loop goes over, a hundred items in a row: so that one item costs the same however many there are.
CREATE TABLE items (
  run INTEGER NOT NULL,
  path TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  items TEXT NOT NULL,
  PRIMARY KEY (run, path, chunk)
) WITHOUT ROWID, STRICT;

-- Requests that machines sent to resume and cancel links: one for each suspension, kept when early.
CREATE TABLE callbacks (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  request TEXT NOT NULL,
  cancels INTEGER NOT NULL,
  PRIMARY KEY (run, n)
) WITHOUT ROWID, STRICT;

-- Decisions that were given before their approval opened; a row goes when one of them counts. An empty step: any.
CREATE TABLE early (
  run INTEGER NOT NULL,
  person INTEGER NOT NULL,
  step TEXT NOT NULL,
  verdict INTEGER NOT NULL,
  at INTEGER NOT NULL,
  door INTEGER NOT NULL,
  comment TEXT,
  PRIMARY KEY (run, person, step)
) WITHOUT ROWID, STRICT;
