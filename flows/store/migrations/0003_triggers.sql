-- What starts runs besides people.

-- One row for each schedule of the flows that can be started. `due` is the next planned time; `planned` and `run` say
-- what the last one was and which run it started. A start moves `due` in its own transaction.
CREATE TABLE schedules (
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  due INTEGER NOT NULL,
  planned INTEGER,
  run INTEGER,
  PRIMARY KEY (flow, trigger)
) WITHOUT ROWID, STRICT;

-- What webhooks were sent and what it started; a delivery that comes again starts nothing. Kept for thirty days.
CREATE TABLE deliveries (
  flow TEXT NOT NULL,
  webhook TEXT NOT NULL,
  key TEXT NOT NULL,
  run INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (flow, webhook, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX deliveries_by_age ON deliveries (at);

-- Where a run comes from that a trigger has started. `cause` and `n` are the run, and the wait of it, that was heard of
-- (0: its end); `depth` counts the runs that have started one another.
CREATE TABLE triggered (
  run INTEGER PRIMARY KEY,
  trigger TEXT NOT NULL,
  cause INTEGER,
  n INTEGER,
  depth INTEGER NOT NULL
) STRICT;

-- The trigger that an effect is for: flow, trigger and what it has heard of, as JSON.
ALTER TABLE effects ADD COLUMN payload TEXT;
