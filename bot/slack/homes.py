"""The home tabs that people have opened: whose they are, and what they looked at there. Kept in the database, so that a
tab goes on showing what its owner chose, also after a restart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.slack.views.home import Looking
from flows.instants import from_ms, to_ms
from flows.people import PersonId
from flows.store import inbox
from flows.store.inbox import Concerned
from flows.store.sqlite import SqliteStore

FRESH = timedelta(hours=24)
"""How long after somebody has looked at their tab it is kept up to date; later it is drawn when they come back."""

KEPT = timedelta(days=30)
"""How long it is remembered what they looked at."""

_OPEN = 5_000  # tabs that are kept up to date, those that were opened last; others are drawn when they are opened

# Whoever was merged since is there under the number that they have now.
_SELECT = (
    "SELECT h.team, h.user, coalesce(p.merged_into, p.id), h.opened_at, h.state FROM homes h "
    "JOIN people p ON p.id = h.person "
)
_ONE = _SELECT + "WHERE h.team = ? AND h.user = ?"
_FRESH = _SELECT + "WHERE h.opened_at >= ? ORDER BY h.opened_at DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Place:
    """A home tab: in which workspace, and of which of its users."""

    team: str
    user: str


@dataclass(frozen=True, slots=True)
class Opened:
    """One of them: whose it is, when they last did something there, and what they look at."""

    place: Place
    person: PersonId
    at: datetime
    looking: Looking


class Homes:
    """Reads and writes them."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def put(self, opened: Opened) -> None:
        """Somebody has opened their tab, or looks at something else there."""
        row = (opened.place.team, opened.place.user, opened.person, to_ms(opened.at), opened.looking.text())

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM homes WHERE opened_at < ?", (to_ms(opened.at - KEPT),))
            connection.execute(
                "INSERT OR REPLACE INTO homes (team, user, person, opened_at, state) VALUES (?, ?, ?, ?, ?)", row
            )

        await self._store.write(work)

    async def get(self, place: Place) -> Opened | None:
        """What is known of one; None where it was never opened."""
        found = await self._read(_ONE, (place.team, place.user))
        return found[0] if found else None

    async def fresh(self, now: datetime) -> list[Opened]:
        """Those that are kept up to date."""
        return await self._read(_FRESH, (to_ms(now - FRESH), _OPEN))

    async def forget(self, place: Place) -> None:
        """There is no such tab any more."""
        await self._store.write(
            lambda c: c.execute("DELETE FROM homes WHERE team = ? AND user = ?", (place.team, place.user))
        )

    async def concerned(self, runs: Iterable[int], *, since: datetime) -> Concerned:
        """Whose inbox may look different now that these runs have changed, at most ``since`` then."""
        return await self._store.read(lambda c, plans: inbox.concerned(c, plans, runs, since=since))

    async def _read(self, select: str, values: tuple[object, ...]) -> list[Opened]:
        rows = await self._store.read(lambda c, _: c.execute(select, values).fetchall())
        return [
            Opened(Place(team, user), person, from_ms(at), Looking.parse(state))
            for team, user, person, at, state in rows
        ]
