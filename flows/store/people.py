"""People and their handles as rows. Functions over ``sqlite3.Connection``, inside a transaction.

A handle's row is that of its ``identity``: all the spellings of a mailbox are one row, and lead to one human.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
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


def are_two(slack: str | None, other: str | None) -> bool:
    """Whether these are two users of Slack. Nobody becomes another user; they may come to belong to another workspace."""
    return slack is not None and other is not None and slack.rpartition("/")[2] != other.rpartition("/")[2]


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
    # Two mails to one human would carry the same key: one of them is enough. Only mails name a person and no card.
    connection.execute(
        "DELETE FROM effects WHERE person = ?1 AND card IS NULL AND id NOT IN "
        "(SELECT min(id) FROM effects WHERE person = ?1 AND card IS NULL GROUP BY run, path, round, n)",
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
        "WHERE d.person = ?1 AND s.how IS NULL",
        (person,),
    )
    return [row[0] for row in rows]
