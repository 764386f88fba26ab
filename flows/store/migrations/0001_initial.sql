-- The engine's tables. Instants are milliseconds since 1970 (UTC). Integer keys inside, prefixed ids outside.
-- Whoever adds a column or an index here pays for it in every waiting run: the aim is 1 KiB for all of it.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) WITHOUT ROWID, STRICT;

-- A run goes on by the definition that it started with: canonical JSON, one row per content.
CREATE TABLE definitions (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  flow TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

-- One row per human; merged_into names the row that took over, once two turned out to be one.
CREATE TABLE people (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT,
  slack TEXT,
  tz TEXT,
  merged_into INTEGER REFERENCES people
) STRICT;

CREATE TABLE handles (
  handle TEXT PRIMARY KEY,
  person INTEGER NOT NULL REFERENCES people
) WITHOUT ROWID, STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  definition INTEGER NOT NULL REFERENCES definitions,
  requester INTEGER NOT NULL REFERENCES people,
  inputs TEXT,
  roster TEXT,
  started_at INTEGER NOT NULL,
  acting INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  suspensions INTEGER NOT NULL,
  version INTEGER NOT NULL,
  outcome INTEGER,
  ended_at INTEGER,
  reason TEXT,
  ended_by TEXT
) STRICT;

CREATE TABLE step_runs (
  run INTEGER NOT NULL,
  path TEXT NOT NULL,
  state INTEGER NOT NULL,
  round INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  suspension INTEGER,
  output TEXT,
  error TEXT,
  PRIMARY KEY (run, path)
) WITHOUT ROWID, STRICT;

CREATE TABLE suspensions (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  path TEXT NOT NULL,
  kind INTEGER NOT NULL,
  round INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  due INTEGER,
  ask TEXT,
  show TEXT,
  defaults TEXT,
  people TEXT,
  groups TEXT,
  gaps TEXT,
  needed INTEGER NOT NULL,
  digest BLOB,
  generation INTEGER NOT NULL,
  how INTEGER,
  closed_at INTEGER,
  closed_by TEXT,
  PRIMARY KEY (run, n)
) WITHOUT ROWID, STRICT;

-- Who may answer an open suspension: a person's number or a group's handle. Rows go when it closes.
CREATE TABLE seats (
  who ANY NOT NULL,
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (who, run, n)
) WITHOUT ROWID, STRICT;

CREATE TABLE decisions (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  person INTEGER NOT NULL,
  verdict INTEGER NOT NULL,
  place INTEGER NOT NULL,
  at INTEGER NOT NULL,
  door INTEGER NOT NULL,
  comment TEXT,
  form TEXT,
  digest BLOB,
  groups TEXT,
  groups_read_at INTEGER,
  PRIMARY KEY (run, n, person)
) WITHOUT ROWID, STRICT;

-- A card is wanted in `channel`, or in the direct messages of `person`; `posted` and `ts` say where it is.
CREATE TABLE cards (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  channel TEXT,
  person INTEGER,
  posted TEXT,
  ts TEXT,
  wanted INTEGER NOT NULL,
  shown INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_of_suspension ON cards (run, n);

-- The outbox. A row goes when its effect was performed; `parked_at` is set when only a person can help.
-- A process never gives a number twice: whoever still holds the one of a row that is gone must not meet another
-- effect. It counts in memory, because AUTOINCREMENT would write a second row with each.
CREATE TABLE effects (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  due INTEGER NOT NULL,
  path TEXT,
  round INTEGER,
  n INTEGER,
  attempt INTEGER,
  person INTEGER,
  card INTEGER,
  handles TEXT,
  deliveries INTEGER NOT NULL,
  memo TEXT,
  error TEXT,
  parked_at INTEGER
) STRICT;
CREATE INDEX effects_due ON effects (lane, due) WHERE parked_at IS NULL;
CREATE INDEX effects_of_run ON effects (run);
CREATE UNIQUE INDEX effects_of_card ON effects (card) WHERE card IS NOT NULL;

-- `salt` is the payload's commitment once the payload was erased.
CREATE TABLE ledger (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT,
  salt BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID, STRICT;

-- Secret values of a run, encrypted; inputs hold `{"$secret": name}` in their place.
CREATE TABLE secrets (
  run INTEGER NOT NULL,
  name TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (run, name)
) WITHOUT ROWID, STRICT;

-- API tokens: only the SHA-256 is stored. A token is 256 random bits, so it needs no slow hash.
CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  person INTEGER NOT NULL REFERENCES people,
  scopes TEXT NOT NULL,
  issued_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;

-- Starts that carried an Idempotency-Key; kept for 24 hours.
CREATE TABLE starts (
  token INTEGER NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL,
  run INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (token, key)
) WITHOUT ROWID, STRICT;
