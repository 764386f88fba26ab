-- Mail: the threads that mails are in, codes that were mistyped, digests, and the Google accounts that mail is sent by.

-- The mails of one request to one person: of a suspension to whoever is asked, of a run to its requester (n = 0).
-- `account` is the mailbox that they are sent from, whose id of the thread `thread` is. `root` and `newest` are
-- Message-IDs, which readers' programs put a thread together by. `open` is 1 until the person was told how it was closed;
-- `memo`, `error` and `again_at` are those of that last mail, while it is being sent.
CREATE TABLE mail_threads (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  person INTEGER NOT NULL,
  account TEXT NOT NULL,
  subject TEXT NOT NULL,
  root TEXT NOT NULL,
  newest TEXT,
  thread TEXT,
  open INTEGER NOT NULL,
  memo TEXT,
  error TEXT,
  again_at INTEGER,
  PRIMARY KEY (run, n, person)
) WITHOUT ROWID, STRICT;
CREATE INDEX mail_threads_open ON mail_threads (run, n) WHERE open = 1;

-- Codes that were typed and are not the one in the mail.
CREATE TABLE code_tries (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  person INTEGER NOT NULL,
  wrong INTEGER NOT NULL,
  locked_until INTEGER,
  PRIMARY KEY (run, n, person)
) WITHOUT ROWID, STRICT;

-- Who wants one mail in place of many; `due` is when the next one goes, null while there is nothing to tell.
CREATE TABLE digests (
  person INTEGER PRIMARY KEY REFERENCES people,
  every INTEGER NOT NULL,
  due INTEGER,
  memo TEXT,
  error TEXT
) STRICT;
CREATE INDEX digests_by_due ON digests (due) WHERE due IS NOT NULL;

-- What the next one tells of.
CREATE TABLE digest_items (
  person INTEGER NOT NULL,
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (person, run, n)
) WITHOUT ROWID, STRICT;

-- Accounts that an admin has let Signoff send from. The tokens are sealed with a key of their own. The first by id is
-- the default; steps name the others by `name`. `broken` says why Google takes its tokens no more, `tested` what became of
-- the mail that was sent when it was connected.
CREATE TABLE google_accounts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE,
  tokens BLOB NOT NULL,
  connected_by INTEGER NOT NULL REFERENCES people,
  connected_at INTEGER NOT NULL,
  refreshed_at INTEGER,
  broken TEXT,
  broken_at INTEGER,
  tested TEXT
) STRICT;

-- Consents under way at Google: what brings the answer back to who began it, by a hash of its state. Each is used once.
CREATE TABLE google_consents (
  state BLOB PRIMARY KEY,
  sealed BLOB NOT NULL,
  name TEXT NOT NULL,
  admin INTEGER NOT NULL REFERENCES people,
  began_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
