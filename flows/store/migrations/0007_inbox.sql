-- What each person's inbox reads: what they asked for, what they decided, and the home tabs that show it.

-- Open runs first, and the newest of them: read from its end, this is that order. Ten thousand waiting runs of one person
-- are otherwise found by reading all runs that there ever were, each time that somebody's home tab is drawn. It takes 13
-- bytes of a waiting run; whether it is open takes none of them.
CREATE INDEX runs_by_requester ON runs (requester, outcome IS NULL);

-- A run that waits for its first answer has no row in these two.
CREATE INDEX decisions_by_person ON decisions (person, at) WHERE acted IS NULL;
CREATE INDEX decisions_by_stand_in ON decisions (acted, at) WHERE acted IS NOT NULL;

-- What has ended keeps the ids that it had: whoever took over looks for those as well.
CREATE INDEX people_merged ON people (merged_into) WHERE merged_into IS NOT NULL;

-- Home tabs that somebody has opened: whose, when, and what they looked at there (filter and pages).
CREATE TABLE homes (
  team TEXT NOT NULL,
  user TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people,
  opened_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (team, user)
) WITHOUT ROWID, STRICT;
CREATE INDEX homes_by_age ON homes (opened_at);
