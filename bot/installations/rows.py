"""Installations as rows. Functions over ``sqlite3.Connection``, inside a transaction; tokens come and go sealed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.instants import from_ms, to_ms
from flows.people import PersonId

Connection = sqlite3.Connection

_COLUMNS = (
    "team, name, app, bot_user, scopes, token, refresh, expires_at, generation, installed_at, installed_by, greeting, "
    "broken, removed_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM installations"  # noqa: S608 - constants; likewise below


@dataclass(frozen=True, slots=True)
class Row:
    """One workspace. ``token`` and ``refresh`` are sealed; ``token`` is None once it is worth nothing any more."""

    team: str
    name: str
    app: str
    bot_user: str
    scopes: frozenset[str]
    token: bytes | None = field(repr=False)
    refresh: bytes | None = field(repr=False)
    expires_at: datetime | None
    generation: int
    installed_at: datetime
    installed_by: PersonId | None
    greeting: str | None = None
    broken: str | None = None
    removed_at: datetime | None = None


def every(connection: Connection) -> list[Row]:
    """All of them, in the order in which they were installed first; also those that were removed."""
    return [_row(found) for found in connection.execute(f"{_SELECT} ORDER BY place")]


def get(connection: Connection, team: str) -> Row | None:
    found = connection.execute(f"{_SELECT} WHERE team = ?", (team,)).fetchone()
    return None if found is None else _row(found)


def put(connection: Connection, row: Row) -> None:
    """Save what was installed now, in the place of what was there before. Its place in the order stays, unless it had
    been removed."""
    connection.execute(
        f"INSERT INTO installations ({_COLUMNS}, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, "  # noqa: S608
        "coalesce((SELECT generation + 1 FROM installations WHERE team = ?1), 1), ?, ?, NULL, NULL, NULL, "
        "coalesce((SELECT place FROM installations WHERE team = ?1 AND removed_at IS NULL), "
        "(SELECT coalesce(max(place), 0) + 1 FROM installations))) "
        "ON CONFLICT (team) DO UPDATE SET name = excluded.name, app = excluded.app, bot_user = excluded.bot_user, "
        "scopes = excluded.scopes, token = excluded.token, refresh = excluded.refresh, "
        "expires_at = excluded.expires_at, generation = excluded.generation, installed_at = excluded.installed_at, "
        "installed_by = excluded.installed_by, place = excluded.place, greeting = NULL, broken = NULL, removed_at = NULL",
        (
            row.team,
            row.name,
            row.app,
            row.bot_user,
            ",".join(sorted(row.scopes)),
            row.token,
            row.refresh,
            to_ms(row.expires_at) if row.expires_at else None,
            to_ms(row.installed_at),
            row.installed_by,
        ),
    )


def renewed(
    connection: Connection, team: str, generation: int, token: bytes, refresh: bytes, expires: datetime
) -> bool:
    """Put a renewed token in the place of token ``generation``. False where that was overtaken: it stays as it is."""
    changed = connection.execute(
        "UPDATE installations SET token = ?, refresh = ?, expires_at = ?, generation = generation + 1, broken = NULL "
        "WHERE team = ? AND generation = ? AND removed_at IS NULL",
        (token, refresh, to_ms(expires), team, generation),
    ).rowcount
    return changed == 1


def broken(connection: Connection, team: str, generation: int, why: str) -> bool:
    """The tokens of ``generation`` can be renewed no more. False where they were overtaken, or that is known."""
    changed = connection.execute(
        "UPDATE installations SET broken = ?, refresh = NULL "
        "WHERE team = ? AND generation = ? AND broken IS NULL AND removed_at IS NULL",
        (why, team, generation),
    ).rowcount
    return changed == 1


def revoked(connection: Connection, team: str, before: datetime, why: str) -> bool:
    """The bot's token is worth nothing any more. False where the app was installed anew since."""
    changed = connection.execute(
        "UPDATE installations SET broken = ?, token = NULL, refresh = NULL "
        "WHERE team = ? AND installed_at <= ? AND removed_at IS NULL AND token IS NOT NULL",
        (why, team, to_ms(before)),
    ).rowcount
    return changed == 1


def removed(connection: Connection, team: str, before: datetime, at: datetime) -> bool:
    """The app was taken out of a workspace: its tokens are forgotten. False where it was installed anew since."""
    changed = connection.execute(
        "UPDATE installations SET removed_at = ?, token = NULL, refresh = NULL, expires_at = NULL, broken = NULL "
        "WHERE team = ? AND installed_at <= ? AND removed_at IS NULL",
        (to_ms(at), team, to_ms(before)),
    ).rowcount
    return changed == 1


def greeted(connection: Connection, team: str, generation: int, greeting: str) -> None:
    """What came of the message to whoever has installed it."""
    connection.execute(
        "UPDATE installations SET greeting = ? WHERE team = ? AND generation = ?", (greeting, team, generation)
    )


def _row(found: tuple[Any, ...]) -> Row:
    (team, name, app, bot_user, scopes, token, refresh, expires, generation, at, by, greeting, why, removed_at) = found
    return Row(
        team,
        name,
        app,
        bot_user,
        frozenset(filter(None, scopes.split(","))),
        token,
        refresh,
        from_ms(expires) if expires is not None else None,
        generation,
        from_ms(at),
        by,
        greeting,
        why,
        from_ms(removed_at) if removed_at is not None else None,
    )
