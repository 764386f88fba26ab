"""The reconciler's side of the database: which cards to compare, what to ask for, and who was told otherwise.

Functions over ``sqlite3.Connection``, to be called inside a transaction on the database's thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.effects import Leased, SendMail, SyncCard
from flows.instants import from_ms, to_ms
from flows.people import PersonId
from flows.store import outbox

Connection = sqlite3.Connection

WINDOW = 5_000
"""Cards that one read looks at, open or not: however many there have been, nobody waits long for it."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card as the store has it. ``behind``: it shows an older version than is wanted."""

    id: int
    run: int
    n: int
    channel: str | None
    person: PersonId | None
    team: str | None
    posted: str
    ts: str
    behind: bool = False
    open: bool = True


def _card(row: tuple[Any, ...]) -> Card:
    id_, run, n, channel, person, team, posted, ts, behind, open_ = row
    return Card(id_, run, n, channel, person, team, posted, ts, bool(behind), bool(open_))


def to_compare(connection: Connection, after: int, closed_since: datetime, most: int) -> tuple[list[Card], int | None]:
    """The cards that come after number ``after``, at most ``most``, in their order: of open waits, of those that closed
    lately, and requesters' messages of runs that go on. Those that are going to be drawn anyway are left out.

    Also where to go on: a card's number, or None where these were the last.
    """
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM cards").fetchone()
    found: list[Card] = []
    while after < last and len(found) < most:
        rows = connection.execute(
            "SELECT c.id, c.run, c.n, c.channel, c.person, c.team, c.posted, c.ts, c.wanted > c.shown, "
            "s.how IS NULL AND (c.n > 0 OR r.outcome IS NULL) FROM cards c "
            "JOIN runs r ON r.id = c.run LEFT JOIN suspensions s ON s.run = c.run AND s.n = c.n "
            "WHERE c.id > ? AND c.id <= ? AND c.ts IS NOT NULL "
            "AND CASE WHEN c.n > 0 THEN s.how IS NULL OR s.closed_at >= ? "
            "ELSE r.outcome IS NULL OR r.ended_at >= ? END "
            "AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.card = c.id) ORDER BY c.id LIMIT ?",
            (after, after + WINDOW, to_ms(closed_since), to_ms(closed_since), most - len(found)),
        ).fetchall()
        found += map(_card, rows)
        after = found[-1].id if len(found) >= most else min(after + WINDOW, last)
    return found, None if after >= last else after


def in_channel(connection: Connection, team: str | None, channel: str) -> list[Card]:
    """The cards of open waits that are in a channel."""
    rows = connection.execute(
        "SELECT c.id, c.run, c.n, c.channel, c.person, c.team, c.posted, c.ts, c.wanted > c.shown, 1 "
        "FROM cards c JOIN suspensions s ON s.run = c.run AND s.n = c.n "
        "WHERE s.how IS NULL AND c.posted = ? AND c.ts IS NOT NULL AND (c.team IS NULL OR ? IS NULL OR c.team = ?) "
        "ORDER BY c.id",
        (channel, team, team),
    )
    return [_card(row) for row in rows]


def at(connection: Connection, channel: str, ts: str) -> Card | None:
    """The card that is there, if it is one: of a wait, or of a run."""
    row = connection.execute(
        "SELECT c.id, c.run, c.n, c.channel, c.person, c.team, c.posted, c.ts, c.wanted > c.shown, 1 "
        "FROM cards c WHERE c.posted = ? AND c.ts = ?",
        (channel, ts),
    ).fetchone()
    return None if row is None else _card(row)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card is wanted, and where it is, if it is anywhere."""

    id: int
    channel: str | None
    person: PersonId | None
    team: str | None
    posted: str | None
    ts: str | None


def places(connection: Connection, run: int, n: int) -> list[Place]:
    """All cards of a suspension, posted or not."""
    rows = connection.execute(
        "SELECT id, channel, person, team, posted, ts FROM cards WHERE run = ? AND n = ? ORDER BY id", (run, n)
    )
    return [Place(*row) for row in rows]


def place(connection: Connection, card: int, run: int) -> Place | None:
    """One card of a run."""
    row = connection.execute(
        "SELECT id, channel, person, team, posted, ts FROM cards WHERE id = ? AND run = ?", (card, run)
    ).fetchone()
    return None if row is None else Place(*row)


def adopt(connection: Connection, card: Place, channel: str, ts: str, team: str | None) -> bool:
    """From now on the card is there; False where it has moved in the meantime."""
    changed = connection.execute(
        "UPDATE cards SET posted = ?, ts = ?, team = coalesce(?, team) WHERE id = ? AND ts IS ?",
        (channel, ts, team, card.id, card.ts),
    )
    return changed.rowcount == 1


def show_again(connection: Connection, cards: Iterable[int], now: datetime, numbers: Iterator[int]) -> list[Leased]:
    """Ask for these cards to be drawn anew: updated, or posted again where they are gone."""
    return [leased for card in cards for leased in outbox.redraw(connection, card, now, numbers)]


# -- told otherwise -------------------------------------------------------------------------------------------------


def tell_otherwise(
    connection: Connection,
    run: int,
    n: int,
    people: Iterable[tuple[PersonId, bool]],
    now: datetime,
    numbers: Iterator[int],
) -> tuple[bool, list[Leased]]:
    """Tell each of these people of an open wait, by a card (True) or a mail (False), whoever has no card and was not
    told so before. Also whether anything of it was new: if not, all of it has been said."""
    row = connection.execute(
        "SELECT path, round FROM suspensions WHERE run = ? AND n = ? AND how IS NULL", (run, n)
    ).fetchone()
    if row is None:
        return False, []
    path, round_ = row
    new = _first(connection, run, n, 0)
    leased: list[Leased] = []
    for person, by_card in people:
        has_card = connection.execute("SELECT 1 FROM cards WHERE run = ? AND n = ? AND person = ?", (run, n, person))
        if (by_card and has_card.fetchone() is not None) or not _first(connection, run, n, person):
            continue
        effect = SyncCard(path, round_, n, person=person) if by_card else SendMail(path, round_, n, person)
        leased += outbox.add(connection, run, [effect], now, numbers)
    return new or bool(leased), leased


def _first(connection: Connection, run: int, n: int, person: PersonId) -> bool:
    inserted = connection.execute(
        "INSERT OR IGNORE INTO told_otherwise (run, n, person) VALUES (?, ?, ?)", (run, n, person)
    )
    return inserted.rowcount == 1


# -- parked effects ---------------------------------------------------------------------------------------------------

_MESSAGES = json.dumps([outbox.kind_of(name) for name in ("SyncCard", "Tell", "TellRequester")])
"""Messages in Slack that have surely not been sent where they are parked: trying again costs a call and no more."""


def free_account(connection: Connection, account: str, now: datetime) -> list[Leased]:
    """An account is connected: whatever was parked for the want of it is due now, and messages that were parked."""
    rows = connection.execute(
        "SELECT id FROM effects WHERE parked_at IS NOT NULL "
        "AND (waits_for = ? OR kind IN (SELECT value FROM json_each(?))) ORDER BY id",
        (account, _MESSAGES),
    ).fetchall()
    return _freed(connection, (row[0] for row in rows), now)


def free_messages(connection: Connection, parked_before: datetime, now: datetime, most: int) -> list[Leased]:
    """Of the parked messages about what is not over, those that have been parked longest: somebody may have invited the
    bot, or unarchived the channel. Whatever is still so parks them again, behind the others."""
    rows = connection.execute(
        "SELECT e.id FROM effects e LEFT JOIN suspensions s ON s.run = e.run AND s.n = e.n "
        "WHERE e.parked_at <= ? AND e.kind IN (SELECT value FROM json_each(?)) AND e.waits_for IS NULL "
        "AND s.how IS NULL ORDER BY e.parked_at, e.id LIMIT ?",
        (to_ms(parked_before), _MESSAGES, most),
    ).fetchall()
    return _freed(connection, (row[0] for row in rows), now)


def free_channel(connection: Connection, channels: Iterable[str], now: datetime) -> list[Leased]:
    """A channel takes messages again: its cards that were parked are due now. It may be known by several names."""
    names = json.dumps(list(channels))
    rows = connection.execute(
        "SELECT e.id FROM effects e JOIN cards c ON c.id = e.card "
        "WHERE e.parked_at IS NOT NULL AND (c.posted IN (SELECT value FROM json_each(?1)) "
        "OR c.channel IN (SELECT value FROM json_each(?1))) ORDER BY e.id",
        (names,),
    ).fetchall()
    return _freed(connection, (row[0] for row in rows), now)


def _freed(connection: Connection, effects: Iterable[int], now: datetime) -> list[Leased]:
    return [leased for effect in effects if (leased := outbox.free(connection, effect, now)) is not None]


# -- where the comparison stands ----------------------------------------------------------------------------------------


def standing(connection: Connection) -> tuple[int, datetime | None]:
    """The card up to which all were compared, and when the round that is under way began."""
    row = connection.execute("SELECT place, begun_at FROM reconciler WHERE id = 1").fetchone()
    if row is None:
        return 0, None
    return row[0], None if row[1] is None else from_ms(row[1])


def stand(connection: Connection, place: int, begun_at: datetime | None) -> None:
    """Remember it."""
    connection.execute(
        "INSERT OR REPLACE INTO reconciler (id, place, begun_at) VALUES (1, ?, ?)",
        (place, None if begun_at is None else to_ms(begun_at)),
    )
