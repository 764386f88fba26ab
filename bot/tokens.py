"""API tokens: made, listed and revoked by who can reach the database; a token acts as one person, within its scopes.

Only a token's SHA-256 is stored: it is 256 random bits, so it needs no slow hash. The database is written to
directly, in one short transaction each, so that this also works while a server has it open.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from flows.clock import Clock
from flows.errors import ConfigError
from flows.findings import did_you_mean
from flows.handles import InvalidHandle, is_email, normalise
from flows.ids import Ids
from flows.instants import from_ms, to_ms
from flows.people import Person
from flows.store import people
from flows.store.migrations import available, version
from flows.store.sqlite import SqliteStore

T = TypeVar("T")

SCOPES = ("start", "read", "decide", "links", "admin")
DEFAULT_SCOPES = ("start", "read")
PREFIX = "sgn_"
"""Every token starts so, which lets scanners for leaked secrets find it."""

_BUSY = 10.0  # seconds to wait for a server that is committing; it takes milliseconds


class InvalidToken(ValueError):
    """What is asked for cannot be made; the text says why."""


class UnknownToken(LookupError):
    """No token has that id."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was just made. ``secret`` is to be shown once; it cannot be read again."""

    id: str
    secret: str = field(repr=False)
    person: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed."""

    id: str
    person: str
    scopes: tuple[str, ...]
    issued_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


def digest(secret: str) -> bytes:
    """What is stored of a token, and looked for when it comes: SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def parse_scopes(text: str) -> tuple[str, ...]:
    """Scopes from ``start,read``, in their usual order. Raises ``InvalidToken``."""
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    unknown = sorted(wanted - set(SCOPES))
    if unknown:
        hints = [did_you_mean(name, SCOPES) for name in unknown]
        raise InvalidToken("; ".join(f"there is no scope {n!r} ({h})" for n, h in zip(unknown, hints, strict=True)))
    if not wanted:
        raise InvalidToken(f"a token needs a scope: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


async def create(
    database: Path,
    clock: Clock,
    *,
    person: str,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    lifetime: timedelta | None,
    issued_by: str,
) -> Issued:
    """Make a token for whoever is reached by the mail address ``person``; None as ``lifetime`` is for ever.

    Raises ``InvalidToken`` and ``ConfigError``.
    """
    try:
        email = normalise(person)
    except InvalidHandle:
        email = ""
    if not is_email(email):
        raise InvalidToken(f"{person!r} is no mail address")
    given = tuple(scopes)
    now = clock.now()
    expires_at = None if lifetime is None else now + lifetime
    secret = PREFIX + secrets.token_urlsafe(32)

    def work(connection: sqlite3.Connection, ids: Ids) -> str:
        known = people.find(connection, email)
        who = known or people.add(connection, Person(0, email, email=email), [email])
        row = connection.execute(
            "INSERT INTO tokens (hash, person, scopes, issued_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            (
                digest(secret),
                who.id,
                ",".join(given),
                issued_by,
                to_ms(now),
                to_ms(expires_at) if expires_at else None,
            ),
        ).fetchone()
        return ids.token(row[0])

    return Issued(await _write(database, clock, work), secret, email, given, expires_at)


async def listed(database: Path, clock: Clock) -> list[Token]:
    """Every token, the newest first. Raises ``ConfigError``."""

    def work(connection: sqlite3.Connection, ids: Ids) -> list[Token]:
        rows = connection.execute(
            "SELECT t.id, coalesce(p.email, p.name), t.scopes, t.issued_by, t.created_at, t.expires_at, t.revoked_at "
            "FROM tokens t JOIN people p ON p.id = t.person ORDER BY t.id DESC"
        )
        return [
            Token(
                ids.token(id_),
                person,
                tuple(scopes.split(",")),
                issued_by,
                from_ms(created),
                None if expires is None else from_ms(expires),
                None if revoked is None else from_ms(revoked),
            )
            for id_, person, scopes, issued_by, created, expires, revoked in rows
        ]

    return await _write(database, clock, work)


async def revoke(database: Path, clock: Clock, token: str) -> bool:
    """Let a token be worth nothing from now on. False where it was revoked before. Raises ``UnknownToken``, ``ConfigError``."""

    def work(connection: sqlite3.Connection, ids: Ids) -> bool:
        number = ids.parse_token(token)
        row = connection.execute("SELECT revoked_at FROM tokens WHERE id = ?", (number,)).fetchone()
        if number is None or row is None:
            raise UnknownToken(f"There is no token {token!r}; `signoff token list` shows them by their ids.")
        connection.execute("UPDATE tokens SET revoked_at = ? WHERE id = ?", (row[0] or to_ms(clock.now()), number))
        return row[0] is None

    return await _write(database, clock, work)


async def _write(database: Path, clock: Clock, work: Callable[[sqlite3.Connection, Ids], T]) -> T:
    if not _is_ready(database):
        # Whoever has the store open has migrated it, so this fails only where a server is just doing so.
        store = await SqliteStore.open(database, clock=clock)
        await store.close()
    try:
        with closing(sqlite3.connect(database, timeout=_BUSY, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                (seed,) = connection.execute("SELECT value FROM meta WHERE key = 'seed'").fetchone()
                result = work(connection, Ids(seed))
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            return result
    except sqlite3.Error as error:
        raise ConfigError([f"{database} cannot be used: {error}"]) from error


def _is_ready(database: Path) -> bool:
    """Whether the database is there and as this version of Signoff has it."""
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY)) as connection:
            at = version(connection)
            return at == len(available()) and bool(
                connection.execute("SELECT 1 FROM meta WHERE key = 'seed'").fetchall()
            )
    except sqlite3.Error:
        return False
