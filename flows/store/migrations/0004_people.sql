-- Waiting for people: clocks, questions, whoever stands in for somebody, and the requester's message.

-- What few rows have is kept together as JSON in one column: a column costs a byte in every row, filled or not.
ALTER TABLE runs ADD COLUMN more TEXT;
UPDATE runs SET more = '{' || substr(
  coalesce(',"stop":' || stop, '') || coalesce(',"outputs":' || outputs, ''), 2) || '}'
  WHERE stop IS NOT NULL OR outputs IS NOT NULL;
ALTER TABLE runs DROP COLUMN stop;
ALTER TABLE runs DROP COLUMN outputs;

ALTER TABLE step_runs ADD COLUMN more TEXT;
UPDATE step_runs SET more = '{' || substr(
  coalesce(',"inside":' || inside, '') || coalesce(',"context":' || context, '') || coalesce(',"woken":' || woken, ''),
  2) || '}'
  WHERE inside IS NOT NULL OR context IS NOT NULL OR woken IS NOT NULL;
ALTER TABLE step_runs DROP COLUMN inside;
ALTER TABLE step_runs DROP COLUMN context;
ALTER TABLE step_runs DROP COLUMN woken;

ALTER TABLE suspensions ADD COLUMN more TEXT;
UPDATE suspensions SET more = '{' || substr(
  coalesce(',"texts":' || texts, '') || coalesce(',"terms":' || terms, '') || coalesce(',"spec":' || spec, ''),
  2) || '}'
  WHERE texts IS NOT NULL OR terms IS NOT NULL OR spec IS NOT NULL;
ALTER TABLE suspensions DROP COLUMN texts;
ALTER TABLE suspensions DROP COLUMN terms;
ALTER TABLE suspensions DROP COLUMN spec;

-- Who gave a decision for its person, where that was somebody else.
ALTER TABLE decisions ADD COLUMN acted INTEGER;

-- The place of the newest decision that the card's thread tells of. A card with n = 0 is the requester's, of the run.
ALTER TABLE cards ADD COLUMN told INTEGER;

CREATE TABLE questions (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  place INTEGER NOT NULL,
  person INTEGER NOT NULL,
  at INTEGER NOT NULL,
  text TEXT NOT NULL,
  answer TEXT,
  answered_by INTEGER,
  answered_at INTEGER,
  PRIMARY KEY (run, n, place)
) WITHOUT ROWID, STRICT;

-- Who has handed their approvals over to whom. `flows` are names, as JSON; null: all of them.
CREATE TABLE delegations (
  id INTEGER PRIMARY KEY,
  person INTEGER NOT NULL REFERENCES people,
  delegate INTEGER NOT NULL REFERENCES people,
  starts INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  flows TEXT,
  made_by INTEGER NOT NULL REFERENCES people,
  made_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX delegations_by_end ON delegations (ends) WHERE ended_at IS NULL;

-- Which run asks anew for what another one was refused.
CREATE INDEX runs_by_resubmits ON runs (json_extract(more, '$.resubmits'))
  WHERE json_extract(more, '$.resubmits') IS NOT NULL;
