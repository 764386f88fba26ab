"""Rows of ``google_accounts`` and ``google_consents``: plain functions, called inside the store's transactions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from sqlite3 import Connection

from flows.instants import from_ms, to_ms
from flows.people import PersonId


@dataclass(frozen=True, slots=True)
class Row:
    """An account as it is kept. ``sealed`` are its tokens."""

    id: int
    name: str
    email: str
    sealed: bytes = field(repr=False)
    connected_by: PersonId
    connected_at: datetime
    broken: str | None
    broken_at: datetime | None
    tested: str | None


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that was begun. ``sealed`` is what the one who began it has to come back with."""

    sealed: bytes = field(repr=False)
    name: str
    admin: PersonId
    began_at: datetime


def accounts(connection: Connection) -> list[Row]:
    """All of them, in the order in which they were first connected."""
    rows = connection.execute(
        "SELECT id, name, email, tokens, connected_by, connected_at, broken, broken_at, tested "
        "FROM google_accounts ORDER BY id"
    )
    return [
        Row(
            *(id_, name, email, sealed, by, from_ms(at), broken),
            None if broken_at is None else from_ms(broken_at),
            tested,
        )
        for id_, name, email, sealed, by, at, broken, broken_at, tested in rows
    ]


def save(connection: Connection, name: str, email: str, sealed: bytes, by: PersonId, now: datetime) -> None:
    """An account is connected, or connected again: it keeps its place then, and its name unless it is given another."""
    connection.execute(
        "INSERT INTO google_accounts (name, email, tokens, connected_by, connected_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (email) DO UPDATE SET name = excluded.name, tokens = excluded.tokens, "
        "connected_by = excluded.connected_by, connected_at = excluded.connected_at, refreshed_at = NULL, "
        "broken = NULL, broken_at = NULL, tested = NULL",
        (name, email, sealed, by, to_ms(now)),
    )


def renew(connection: Connection, email: str, sealed: bytes, now: datetime) -> None:
    connection.execute(
        "UPDATE google_accounts SET tokens = ?, refreshed_at = ?, broken = NULL, broken_at = NULL WHERE email = ?",
        (sealed, to_ms(now), email),
    )


def break_(connection: Connection, email: str, why: str, now: datetime) -> None:
    connection.execute(
        "UPDATE google_accounts SET broken = ?, broken_at = coalesce(broken_at, ?) WHERE email = ?",
        (why, to_ms(now), email),
    )


def test(connection: Connection, email: str, what: str) -> None:
    connection.execute("UPDATE google_accounts SET tested = ? WHERE email = ?", (what, email))


def remove(connection: Connection, email: str) -> None:
    connection.execute("DELETE FROM google_accounts WHERE email = ?", (email,))


def begin(connection: Connection, state: bytes, consent: Consent, forgotten: datetime) -> None:
    """Keep a consent; those from before ``forgotten`` are thrown away, since nobody comes back to them."""
    connection.execute("DELETE FROM google_consents WHERE began_at < ?", (to_ms(forgotten),))
    connection.execute(
        "INSERT INTO google_consents (state, sealed, name, admin, began_at) VALUES (?, ?, ?, ?, ?)",
        (state, consent.sealed, consent.name, consent.admin, to_ms(consent.began_at)),
    )


def take(connection: Connection, state: bytes) -> Consent | None:
    """The consent of that state, which is used up by it."""
    row = connection.execute(
        "DELETE FROM google_consents WHERE state = ? RETURNING sealed, name, admin, began_at", (state,)
    ).fetchone()
    return None if row is None else Consent(row[0], row[1], row[2], from_ms(row[3]))
