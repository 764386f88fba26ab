"""People and their handles as rows. Functions over ``sqlite3.Connection``, inside a transaction.

A handle's row is that of its ``identity``: all the spellings of a mailbox are one row, and lead to one human.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import replace

from flows.handles import identity
from flows.people import Person, PersonId
from flows.store.kept import Kept
from flows.store.slices import load_people

Connection = sqlite3.Connection


def find(connection: Connection, handle: str) -> Person | None:
    """Who stands behind a handle that was seen before."""
    row = connection.execute("SELECT person FROM handles WHERE handle = ?", (identity(handle),)).fetchone()
    return None if row is None else load_people(connection, Kept(), [row[0]]).get(row[0])


def get(connection: Connection, person: PersonId) -> Person | None:
    """A person by id; an id that was merged away leads to who took over."""
    return load_people(connection, Kept(), [person]).get(person)


def add(connection: Connection, who: Person, handles: Iterable[str]) -> Person:
    """A new human with these handles. ``who.id`` is given here."""
    row = connection.execute(
        "INSERT INTO people (name, email, slack, tz) VALUES (?, ?, ?, ?) RETURNING id",
        (who.name, who.email, who.slack, who.tz),
    ).fetchone()
    person = replace(who, id=row[0])
    attach(connection, person.id, handles)
    return person


def attach(connection: Connection, person: PersonId, handles: Iterable[str]) -> None:
    """Let handles that stand for nobody yet stand for this person."""
    connection.executemany(
        "INSERT OR IGNORE INTO handles (handle, person) VALUES (?, ?)",
        [(identity(handle), person) for handle in handles],
    )


def hand_over(connection: Connection, handle: str, holder: Person, to: PersonId) -> None:
    """An address is ``to``'s from now on: no mail for its former holder goes there any more."""
    connection.execute("UPDATE handles SET person = ? WHERE handle = ?", (to, identity(handle)))
    if holder.email == handle:
        update(connection, replace(holder, email=None))


def slack_ids(connection: Connection, person: PersonId) -> tuple[str, ...]:
    """Their Slack ids (``T.../U...``), one for each workspace that they were seen in."""
    rows = connection.execute(
        "SELECT handle FROM handles WHERE person = ? AND handle GLOB '[TE]*/[UW]*' ORDER BY handle", (person,)
    )
    return tuple(row[0] for row in rows)


def addresses(connection: Connection, person: PersonId) -> tuple[str, ...]:
    """Their mail addresses, without tags."""
    rows = connection.execute(
        "SELECT handle FROM handles WHERE person = ? AND handle LIKE '%@%' ORDER BY handle", (person,)
    )
    return tuple(row[0] for row in rows)


def are_two(connection: Connection, one: Person, slack: str | None, same: Collection[PersonId] = ()) -> bool:
    """Whether somebody is another human than the user ``slack``.

    In one workspace, nobody is two users. A user of another workspace is the same human where the directory says so
    (``same``), or where the user's id is the same: they have come to belong to another workspace of their organisation.
    """
    if slack is None or one.slack is None:
        return False
    team, _, user = slack.rpartition("/")
    accounts = [tuple(account.rpartition("/")[::2]) for account in {one.slack, *slack_ids(connection, one.id)}]
    if any(theirs == user for _, theirs in accounts):
        return False
    return one.id not in same or any(of == team for of, _ in accounts)


def described(before: Person | None, who: Person, teams: Collection[str]) -> Person:
    """What is kept of a person: what ``who`` says, unless they are known by another account in one of ``teams``."""
    if before is None:
        return who
    team, _, user = (before.slack or "").rpartition("/")
    if who.slack is None or team not in teams or user == who.slack.rpartition("/")[2]:
        kept = Person(before.id, who.name, who.email or before.email, who.slack or before.slack, who.tz or before.tz)
    else:
        kept = Person(before.id, before.name, before.email or who.email, before.slack, before.tz or who.tz)
    return kept


def update(connection: Connection, who: Person) -> None:
    """Keep what the directory says of a person now."""
    connection.execute(
        "UPDATE people SET name = ?, email = ?, slack = ?, tz = ? WHERE id = ?",
        (who.name, who.email, who.slack, who.tz, who.id),
    )


def merge(connection: Connection, kept: PersonId, gone: PersonId) -> None:
    """``gone`` is ``kept`` from now on: its handles and everything that names it lead there."""
    connection.execute("UPDATE handles SET person = ? WHERE person = ?", (kept, gone))
    connection.execute("UPDATE people SET merged_into = ? WHERE id = ? OR merged_into = ?", (kept, gone, gone))
    connection.execute("UPDATE tokens SET person = ? WHERE person = ?", (kept, gone))
    connection.execute("UPDATE cards SET person = ? WHERE person = ?", (kept, gone))
    connection.execute("UPDATE effects SET person = ? WHERE person = ?", (kept, gone))
    # What waits for a digest comes with the one that is left; of two threads about the same, one goes on.
    connection.execute(
        "UPDATE digests SET due = (SELECT min(due) FROM digests WHERE person IN (?1, ?2)) WHERE person = ?1",
        (kept, gone),
    )
    for table in ("mail_threads", "digests", "digest_items"):
        connection.execute(f"UPDATE OR IGNORE {table} SET person = ? WHERE person = ?", (kept, gone))
        connection.execute(f"DELETE FROM {table} WHERE person = ?", (gone,))
    # Two mails to one human would carry the same key: one of them is enough. Timers and notes that name one likewise.
    connection.execute(
        "DELETE FROM effects WHERE person = ?1 AND card IS NULL AND id NOT IN "
        "(SELECT min(id) FROM effects WHERE person = ?1 AND card IS NULL GROUP BY run, path, round, n, kind, attempt, payload)",
        (kept,),
    )
    connection.execute("UPDATE runs SET paused_by = ? WHERE paused_by = ?", (kept, gone))
    # Of two that were given for the same step, the later one stands.
    connection.execute(
        "DELETE FROM early WHERE person = ?2 AND EXISTS (SELECT 1 FROM early other WHERE other.run = early.run "
        "AND other.person = ?1 AND other.step = early.step AND other.at > early.at)",
        (kept, gone),
    )
    connection.execute("UPDATE OR REPLACE early SET person = ? WHERE person = ?", (kept, gone))
    connection.execute("UPDATE OR IGNORE seats SET who = ? WHERE who = ?", (kept, gone))
    connection.execute("DELETE FROM seats WHERE who = ?", (gone,))


def concerned(connection: Connection, person: PersonId) -> list[int]:
    """The runs in which a merge of this person may change something: theirs, and open ones that they may decide."""
    rows = connection.execute(
        "SELECT id FROM runs WHERE requester = ?1 AND outcome IS NULL "
        "UNION SELECT run FROM seats WHERE who = ?1 "
        "UNION SELECT d.run FROM decisions d JOIN suspensions s ON s.run = d.run AND s.n = d.n "
        "WHERE (d.person = ?1 OR d.acted = ?1) AND s.how IS NULL",
        (person,),
    )
    return [row[0] for row in rows]
