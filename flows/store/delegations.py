"""Delegations as rows. Functions over ``sqlite3.Connection``, inside a transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

from flows.delegation import Delegation
from flows.instants import to_ms
from flows.people import PersonId
from flows.store.kept import Kept
from flows.store.rows import DELEGATION, delegation_of, dump

Connection = sqlite3.Connection

_SELECT = f"SELECT {DELEGATION} FROM delegations"


def in_force(connection: Connection, kept: Kept) -> tuple[Delegation, ...]:
    """All that have not been ended. Whoever asks looks at their times and flows."""
    found = kept.delegations
    if found is None:
        rows = connection.execute(f"{_SELECT} WHERE ended_at IS NULL ORDER BY id")
        found = tuple(map(delegation_of, rows))
        kept.keep_delegations(found)
    return found


def add(connection: Connection, kept: Kept, new: Delegation) -> Delegation:
    """Save one; its id is given here."""
    row = connection.execute(
        "INSERT INTO delegations (person, delegate, starts, ends, flows, made_by, made_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            new.person,
            new.delegate,
            to_ms(new.starts),
            to_ms(new.ends),
            dump(new.flows),
            new.made_by,
            to_ms(new.made_at or new.starts),
        ),
    ).fetchone()
    kept.delegations_change()
    return replace(new, id=row[0])


def get(connection: Connection, delegation: int) -> Delegation | None:
    """One, whether or not it was ended."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (delegation,)).fetchone()
    return None if row is None else delegation_of(row)


def end(connection: Connection, kept: Kept, delegation: int, now: datetime) -> None:
    """From now on nobody answers for anybody by this one."""
    connection.execute(
        "UPDATE delegations SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (to_ms(now), delegation)
    )
    kept.delegations_change()


def close_those_over(connection: Connection, kept: Kept, now: datetime) -> None:
    """Mark those that have run out, so that nobody reads them with each click."""
    changed = connection.execute(
        "UPDATE delegations SET ended_at = ends WHERE ended_at IS NULL AND ends <= ?", (to_ms(now),)
    ).rowcount
    if changed:
        kept.delegations_change()


def of(connection: Connection, person: PersonId, now: datetime) -> list[Delegation]:
    """Those that this person has given or received, and that are not over."""
    rows = connection.execute(
        f"{_SELECT} WHERE (person = ?1 OR delegate = ?1) AND ended_at IS NULL AND ends > ?2 ORDER BY starts, id",
        (person, to_ms(now)),
    )
    return list(map(delegation_of, rows))


def turned(connection: Connection, since: datetime, until: datetime) -> frozenset[PersonId]:
    """Those for whom one began or ran out by the clock after ``since``, up to ``until``: who gave it and who received
    it."""
    rows = connection.execute(
        "SELECT person, delegate FROM delegations WHERE (ended_at IS NULL OR ended_at = ends) "
        "AND (starts > ?1 AND starts <= ?2 OR ends > ?1 AND ends <= ?2)",
        (to_ms(since), to_ms(until)),
    )
    return frozenset(person for row in rows for person in row)


def merge(connection: Connection, kept: Kept, stays: PersonId, gone: PersonId) -> None:
    """``gone`` is ``stays`` from now on; what one of them handed to the other is over."""
    for column in ("person", "delegate", "made_by"):
        connection.execute(f"UPDATE delegations SET {column} = ? WHERE {column} = ?", (stays, gone))
    connection.execute("UPDATE delegations SET ended_at = made_at WHERE person = delegate AND ended_at IS NULL")
    kept.delegations_change()
