-- Keeping what Slack shows true: where the comparison stands, who was told in another way, and notes about trouble.

-- What a parked effect waits for, where it is something that may be mended outside: `slack:T...` is a workspace that has
-- to be connected again. Null: a person has to look at it.
ALTER TABLE effects ADD COLUMN waits_for TEXT;
CREATE INDEX effects_parked ON effects (parked_at) WHERE parked_at IS NOT NULL;

-- The card up to which all have been compared, so that a restart goes on from there.
CREATE TABLE reconciler (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  place INTEGER NOT NULL,
  begun_at INTEGER
) STRICT;

-- Who was told of a wait in another way than its flow says, because that one did not work: each once. Person 0: that it
-- did not work has been said.
CREATE TABLE told_otherwise (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  person INTEGER NOT NULL,
  PRIMARY KEY (run, n, person)
) WITHOUT ROWID, STRICT;

-- One note for each cause and reader (a handle, or `admins`). `sent_at` is null while it is on its way; `times` counts
-- what the note does not tell of by itself.
CREATE TABLE trouble_notes (
  cause TEXT NOT NULL,
  reader TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL,
  sent_at INTEGER,
  times INTEGER NOT NULL,
  PRIMARY KEY (cause, reader)
) WITHOUT ROWID, STRICT;
