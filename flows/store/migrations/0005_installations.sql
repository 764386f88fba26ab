-- Slack workspaces that the app was installed in, and where cards are now that there may be several.

-- The tokens are sealed with a key of their own, and null once they are worth nothing. `place` orders the workspaces: the
-- first one is the default. `expires_at` is null for a token that does not expire; `generation` counts the tokens, so that
-- one that was overtaken is not put back. `broken` says why they can be renewed no more. Where the app was taken out,
-- `removed_at` is set: people and cards still name the workspace. `greeting` is what came of the message that tells
-- whoever installed it that it works: the message's address, or why there is none.
CREATE TABLE installations (
  team TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  place INTEGER NOT NULL,
  app TEXT NOT NULL,
  bot_user TEXT NOT NULL,
  scopes TEXT NOT NULL,
  token BLOB,
  refresh BLOB,
  expires_at INTEGER,
  generation INTEGER NOT NULL,
  installed_at INTEGER NOT NULL,
  installed_by INTEGER REFERENCES people,
  greeting TEXT,
  broken TEXT,
  removed_at INTEGER
) WITHOUT ROWID, STRICT;

-- Installings under way at Slack: a hash of the state that comes back, and one of what the browser keeps that began it.
-- Each is used once.
CREATE TABLE installings (
  state BLOB PRIMARY KEY,
  browser BLOB NOT NULL,
  admin INTEGER NOT NULL REFERENCES people,
  began_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Which workspace a card is in, or is wanted in. Null: in the only one that there was.
ALTER TABLE cards ADD COLUMN team TEXT;

-- Everything that one human is known by.
CREATE INDEX handles_by_person ON handles (person);
