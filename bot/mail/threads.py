"""Which mails belong together: one thread for each request and person. Rows of ``mail_threads``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from flows.instants import to_ms
from flows.people import PersonId
from integrations.mail.messages import Thread

TO_REQUESTER = 0
"""In place of a suspension's number: the thread of the run, with its requester."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose mails about what: a suspension's with somebody who is asked, or a run's with its requester."""

    run: int
    n: int
    person: PersonId


@dataclass(frozen=True, slots=True)
class Kept:
    """A thread as it stands: what its mails are called, and what they refer to."""

    subject: str
    thread: Thread


@dataclass(frozen=True, slots=True)
class Closing:
    """Somebody who has had mails about what is over now, and has not been told. ``memo`` is that of the mail."""

    place: Place
    memo: str | None


def find(connection: Connection, place: Place) -> Kept | None:
    row = connection.execute(
        "SELECT subject, root, newest, thread, account FROM mail_threads WHERE run = ? AND n = ? AND person = ?",
        (place.run, place.n, place.person),
    ).fetchone()
    return None if row is None else Kept(row[0], Thread(*row[1:]))


def keep(connection: Connection, place: Place, kept: Kept) -> None:
    """Another mail has gone into the thread, which is new with its first one."""
    thread = kept.thread
    connection.execute(
        "INSERT INTO mail_threads (run, n, person, account, subject, root, newest, thread, open) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, n, person) DO UPDATE SET account = excluded.account, "
        "newest = excluded.newest, thread = excluded.thread",
        (
            *(place.run, place.n, place.person, thread.account or "", kept.subject),
            *(thread.root, thread.newest, thread.id, int(place.n != TO_REQUESTER)),
        ),
    )


def closings(connection: Connection, now: datetime, limit: int) -> list[Closing]:
    """Whom to tell that what they were mailed about is over."""
    rows = connection.execute(
        "SELECT t.run, t.n, t.person, t.memo FROM mail_threads t JOIN suspensions s ON s.run = t.run AND s.n = t.n "
        "WHERE t.open = 1 AND s.how IS NOT NULL AND (t.again_at IS NULL OR t.again_at <= ?) LIMIT ?",
        (to_ms(now), limit),
    )
    return [Closing(Place(run, n, person), memo) for run, n, person, memo in rows]


def remember(connection: Connection, place: Place, memo: str) -> None:
    connection.execute(
        "UPDATE mail_threads SET memo = ? WHERE run = ? AND n = ? AND person = ?",
        (memo, place.run, place.n, place.person),
    )


def close(connection: Connection, place: Place, error: str | None = None) -> None:
    """There is nothing more to tell; ``error`` is why the last mail may not have arrived."""
    connection.execute(
        "UPDATE mail_threads SET open = 0, memo = NULL, again_at = NULL, error = ? WHERE run = ? AND n = ? AND person = ?",
        (error, place.run, place.n, place.person),
    )


def postpone(connection: Connection, place: Place, until: datetime, error: str) -> None:
    connection.execute(
        "UPDATE mail_threads SET again_at = ?, error = ? WHERE run = ? AND n = ? AND person = ?",
        (to_ms(until), error, place.run, place.n, place.person),
    )
