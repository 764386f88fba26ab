"""One mail a day, or an hour, in place of many: for whoever wants that.

What would be a mail of its own waits for the next digest, unless its deadline comes first. Both the wish and what waits are
rows, so nothing is forgotten over a restart. A digest holds what is still open when it is sent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from sqlite3 import Connection

from bot.mail import render
from bot.mail.post import Post
from bot.mail.render import Envelope
from bot.web.moments import zone_named
from flows.clock import Clock
from flows.errors import ActionError, InvalidForm
from flows.instants import from_ms, to_ms
from flows.people import Person, PersonId
from flows.ports import Json
from flows.runner import MAIL_REPEAT
from flows.store import reads
from flows.store.kept import Kept
from flows.store.people import get as get_person
from flows.store.sqlite import SqliteStore
from flows.views import SuspensionView

log = logging.getLogger(__name__)

MORNING = time(8)
"""When a daily digest is sent, on its reader's clock."""

SHORTEST, LONGEST = timedelta(minutes=15), timedelta(days=1)

_MOST = 15  # requests in one digest; the others come with the next one
_PAUSE = timedelta(minutes=5)  # before a digest that did not go through is tried again
_LAST = 0  # in place of how often: one more for what has been collected, and none after it


@dataclass(frozen=True, slots=True)
class _Due:
    person: PersonId
    every: timedelta
    memo: str | None


class Digests:
    """Who wants digests, and what goes into them."""

    def __init__(self, store: SqliteStore, post: Post, clock: Clock) -> None:
        self._store = store
        self._post = post
        self._clock = clock

    # -- what people want ---------------------------------------------------------------------------------------

    async def prefer(self, person: PersonId, every: timedelta | None) -> None:
        """Send this person one mail each ``every`` (a quarter of an hour to a day); None: single mails again, and what
        was collected at once.

        Raises ``InvalidForm`` where that is too seldom or too often.
        """
        if every is not None and not SHORTEST <= every <= LONGEST:
            raise InvalidForm({"every": "must be between 15 minutes and a day, like 1h or 1d."})
        now = self._clock.now()
        await self._store.write(lambda c: _prefer(c, person, every, now))

    async def preference(self, person: PersonId) -> timedelta | None:
        """How often this person gets a digest; None: they get single mails."""
        return await self._store.read(lambda c, _: _preference(c, person))

    async def take(self, view: SuspensionView, who: Person) -> bool:
        """Put a request into the person's next digest. False where it has to be mailed alone: they want no digests, or
        the next one comes too late for it."""
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            every = _preference(connection, who.id)
            if every is None:
                return False
            due = following(every, who.tz, now)
            if view.suspension.due is not None and view.suspension.due <= due:
                return False
            connection.execute(
                "INSERT OR IGNORE INTO digest_items (person, run, n, at) VALUES (?, ?, ?, ?)",
                (who.id, view.run.id, view.suspension.n, to_ms(now)),
            )
            connection.execute("UPDATE digests SET due = coalesce(due, ?) WHERE person = ?", (to_ms(due), who.id))
            return True

        return await self._store.write(work)

    # -- sending ------------------------------------------------------------------------------------------------

    async def next_due(self) -> datetime | None:
        """When the next one is to be sent."""
        return await self._store.read(lambda c, _: _next_due(c))

    async def send_due(self) -> None:
        """Send what is due. What does not go through is tried again later, and said in the log."""
        now = self._clock.now()
        for due in await self._store.read(lambda c, _: _due(c, now)):
            try:
                await self._send(due)
            except ActionError as error:
                pause = MAIL_REPEAT if error.uncertain else max(_PAUSE, error.retry_after or _PAUSE)
                if not error.retryable:
                    log.warning("a digest was not sent", extra={"person": due.person, "error": str(error)})
                await self._postpone(due.person, now + pause, str(error))

    async def _postpone(self, person: PersonId, until: datetime, error: str) -> None:
        await self._store.write(
            lambda c: c.execute("UPDATE digests SET due = ?, error = ? WHERE person = ?", (to_ms(until), error, person))
        )

    async def _send(self, due: _Due) -> None:
        now = self._clock.now()
        who, collected, views = await self._store.read(lambda c, kept: _collected(c, kept, due.person, now))
        if who is not None and who.email is not None and views:
            waiting = [(view, self._post.envelope(view, who)) for view in views]
            await self._mail(due, who, collected[0][2], waiting)
        told = [row[:2] for row in collected]
        zone = who.tz if who is not None else None
        await self._store.write(lambda c: _sent(c, due, told, zone, now))

    async def _mail(
        self, due: _Due, who: Person, since: int, waiting: Sequence[tuple[SuspensionView, Envelope]]
    ) -> None:
        async def remember(memo: Mapping[str, Json]) -> None:
            text = json.dumps(dict(memo))
            await self._store.write(
                lambda c: c.execute("UPDATE digests SET memo = ? WHERE person = ?", (text, due.person))
            )

        letter = render.digest(waiting, who, due.every)
        memo = json.loads(due.memo) if due.memo else {}
        await self._post.alone(who, letter, key=f"digest/{due.person}/{since}", memo=memo, remember=remember)


def following(every: timedelta, tz: str | None, now: datetime) -> datetime:
    """When the next digest is sent, by its reader's clock: at eight each day, or at every multiple since midnight."""
    local = now.astimezone(zone_named(tz))
    if every >= LONGEST:
        morning = local.replace(hour=MORNING.hour, minute=0, second=0, microsecond=0)
        return (morning if morning > local else morning + timedelta(days=1)).astimezone(now.tzinfo)
    # As if the clock on the wall were not set forward or back in between: then it is an hour off, once, and never behind.
    wall = local.replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = min(midnight + every * ((wall - midnight) // every + 1), midnight + timedelta(days=1))
    return now + (ahead - wall)


# -- rows -----------------------------------------------------------------------------------------------------


def _preference(connection: Connection, person: PersonId) -> timedelta | None:
    row = connection.execute("SELECT every FROM digests WHERE person = ? AND every <> ?", (person, _LAST)).fetchone()
    return None if row is None else timedelta(milliseconds=row[0])


def _prefer(connection: Connection, person: PersonId, every: timedelta | None, now: datetime) -> None:
    if every is not None:
        connection.execute(
            "INSERT INTO digests (person, every) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET every = excluded.every",
            (person, every // timedelta(milliseconds=1)),
        )
        return
    connection.execute(
        "DELETE FROM digests WHERE person = ? AND NOT EXISTS (SELECT 1 FROM digest_items WHERE person = ?)",
        (person, person),
    )
    connection.execute("UPDATE digests SET every = ?, due = ? WHERE person = ?", (_LAST, to_ms(now), person))


def _next_due(connection: Connection) -> datetime | None:
    (at,) = connection.execute("SELECT min(due) FROM digests WHERE due IS NOT NULL").fetchone()
    return None if at is None else from_ms(at)


def _due(connection: Connection, now: datetime) -> list[_Due]:
    rows = connection.execute(
        "SELECT person, every, memo FROM digests WHERE due <= ? ORDER BY due LIMIT 1000", (to_ms(now),)
    )
    return [_Due(person, timedelta(milliseconds=every), memo) for person, every, memo in rows]


def _collected(
    connection: Connection, kept: Kept, person: PersonId, now: datetime
) -> tuple[Person | None, list[tuple[int, int, int]], list[SuspensionView]]:
    """Whose digest it is, what was collected (run, number, when), and what of it is still to be decided by them."""
    rows = connection.execute(
        "SELECT run, n, at FROM digest_items WHERE person = ? ORDER BY at, run, n LIMIT ?", (person, _MOST)
    ).fetchall()
    views = [reads.suspension_view(connection, kept, run, n, reader=person, now=now) for run, n, _ in rows]
    open_ = [
        view
        for view in views
        if view is not None and view.open and not view.suspension.overdue(now) and view.decision_of(person) is None
    ]
    open_.sort(key=lambda view: (view.suspension.due is None, view.suspension.due))
    return get_person(connection, person), rows, open_


def _sent(connection: Connection, due: _Due, told: Sequence[tuple[int, int]], zone: str | None, now: datetime) -> None:
    """Forget what was told, and what was over before it could be."""
    connection.executemany(
        "DELETE FROM digest_items WHERE person = ? AND run = ? AND n = ?", [(due.person, *one) for one in told]
    )
    left = connection.execute("SELECT 1 FROM digest_items WHERE person = ? LIMIT 1", (due.person,)).fetchone()
    if due.every == timedelta(0) and left is None:
        connection.execute("DELETE FROM digests WHERE person = ? AND every = ?", (due.person, _LAST))
        return
    following_ = to_ms(following(due.every, zone, now) if due.every else now) if left else None
    connection.execute(
        "UPDATE digests SET due = ?, memo = NULL, error = NULL WHERE person = ?", (following_, due.person)
    )
