"""The outbox: effects as rows, from the transition that asked for them until they were performed.

Functions over ``sqlite3.Connection``, to be called inside a transaction on the database's thread. The process
holds the database's lock, so an effect in flight needs no lease of its own: whoever opens the database next
finds every unsettled row free.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from flows.effects import (
    Effect,
    FireTimer,
    Lane,
    Leased,
    PerformAction,
    ResolvePeople,
    SendMail,
    StartTriggered,
    SyncCard,
    SyncCards,
    TellRequester,
    Withdraw,
)
from flows.instants import from_ms, to_ms
from flows.store.rows import LANES, dump, load

Connection = sqlite3.Connection

# A kind's number is in the database; a new kind goes to the end.
_KINDS = (PerformAction, ResolvePeople, FireTimer, SyncCard, SendMail, TellRequester, StartTriggered)
_FIRE = _KINDS.index(FireTimer)
_LANE_OF = {
    PerformAction: Lane.ACTIONS,
    ResolvePeople: Lane.PEOPLE,
    FireTimer: Lane.ENGINE,
    SyncCard: Lane.MESSAGES,
    SendMail: Lane.MESSAGES,
    TellRequester: Lane.MESSAGES,
    # With the messages: cancelling the run does not undo what others have heard of it.
    StartTriggered: Lane.MESSAGES,
}

_COLUMNS = "id, run, lane, kind, due, path, round, n, attempt, person, card, handles, deliveries, memo, payload"
_SELECT = f"SELECT {_COLUMNS} FROM effects"
_INSERT = (
    "INSERT INTO effects (id, run, lane, kind, due, path, round, n, attempt, person, card, handles, payload, deliveries) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)


def add(
    connection: Connection,
    run: int,
    effects: Iterable[Effect],
    now: datetime,
    numbers: Iterator[int],
    *,
    memo: str | None = None,
) -> list[Leased]:
    """Save the effects of a transition, in their order, and return them. ``numbers`` gives each its id.

    ``memo`` is what the effect that was settled by this transition remembered: another attempt at the same
    action carries it on, as it carries the key on.
    """
    ready: list[Leased] = []
    for effect in effects:
        match effect:
            case Withdraw(path, everything):
                _withdraw(connection, run, path, everything)
            case SyncCards(n):
                ready += _sync_cards(connection, run, n, now, numbers)
            case SyncCard():
                card = connection.execute(
                    "INSERT INTO cards (run, n, channel, person, wanted, shown) VALUES (?, ?, ?, ?, 1, 0) RETURNING id",
                    (run, effect.n, effect.channel, effect.person),
                ).fetchone()[0]
                ready.append(_insert(connection, run, effect, now, next(numbers), card=card))
            case PerformAction(attempt=attempt) if attempt > 1 and memo is not None:
                leased = _insert(connection, run, effect, now, next(numbers))
                connection.execute("UPDATE effects SET memo = ? WHERE id = ?", (memo, leased.id))
                ready.append(replace(leased, memo=memo))
            case _:
                ready.append(_insert(connection, run, effect, now, next(numbers)))
    return ready


def due(connection: Connection, lane: Lane, now: datetime, limit: int) -> list[Leased]:
    """Effects of a lane that are due, the longest due first."""
    rows = connection.execute(
        f"{_SELECT} WHERE lane = ? AND parked_at IS NULL AND due <= ? ORDER BY due, id LIMIT ?",
        (LANES[lane], to_ms(now), limit),
    )
    return [_leased(row) for row in rows]


def next_due(connection: Connection, after: datetime) -> datetime | None:
    """When the next effect falls due that is not due at ``after``; None where nothing is planned."""
    found = [
        row[0]
        for lane in LANES.values()
        for row in connection.execute(
            "SELECT due FROM effects WHERE lane = ? AND parked_at IS NULL AND due > ? ORDER BY due LIMIT 1",
            (lane, to_ms(after)),
        )
    ]
    return from_ms(min(found)) if found else None


def get(connection: Connection, effect: int) -> Leased | None:
    """One effect, parked or not; None where it was settled or withdrawn."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (effect,)).fetchone()
    return None if row is None else _leased(row)


def settle(connection: Connection, effect: int) -> str | None:
    """The effect was performed: forget it. Returns what it remembered."""
    row = connection.execute("DELETE FROM effects WHERE id = ? RETURNING memo", (effect,)).fetchone()
    return None if row is None else row[0]


def postpone(connection: Connection, effect: int, until: datetime, error: str) -> None:
    """The effect could not be performed now: not before ``until``."""
    connection.execute(
        "UPDATE effects SET due = ?, deliveries = deliveries + 1, error = ? WHERE id = ?",
        (to_ms(until), error, effect),
    )


def park(connection: Connection, effect: int, now: datetime, error: str) -> None:
    """Trying again does not help: leave the effect until a person has looked at it."""
    connection.execute(
        "UPDATE effects SET parked_at = ?, deliveries = deliveries + 1, error = ? WHERE id = ?",
        (to_ms(now), error, effect),
    )


def free(connection: Connection, effect: int, now: datetime) -> Leased | None:
    """A person has freed a parked effect: it is due now. None where no such effect is parked."""
    connection.execute(
        "UPDATE effects SET parked_at = NULL, due = ? WHERE id = ? AND parked_at IS NOT NULL", (to_ms(now), effect)
    )
    if connection.execute("SELECT changes()").fetchone()[0] != 1:
        return None
    return get(connection, effect)


def remember(connection: Connection, effect: int, memo: object) -> None:
    """Keep a note for the effect's next delivery."""
    connection.execute("UPDATE effects SET memo = ? WHERE id = ?", (dump(memo), effect))


def settle_card(
    connection: Connection, leased: Leased, shown: int, posted: str, ts: str, now: datetime
) -> Leased | None:
    """The card shows version ``shown`` at ``posted``/``ts``. Returns its next effect where it is behind already."""
    row = connection.execute(
        "UPDATE cards SET shown = max(shown, ?), posted = ?, ts = ? WHERE id = ? RETURNING wanted, shown",
        (shown, posted, ts, leased.card),
    ).fetchone()
    if row is not None and row[0] > row[1]:
        connection.execute(
            "UPDATE effects SET due = ?, deliveries = 0, error = NULL, memo = NULL WHERE id = ?",
            (to_ms(now), leased.id),
        )
        return get(connection, leased.id)
    settle(connection, leased.id)
    return None


def _insert(
    connection: Connection, run: int, effect: Any, now: datetime, number: int, *, card: int | None = None
) -> Leased:
    when = effect.due if isinstance(effect, PerformAction | FireTimer) and effect.due is not None else now
    lane = _LANE_OF[type(effect)]
    connection.execute(
        _INSERT,
        (
            number,
            run,
            LANES[lane],
            _KINDS.index(type(effect)),
            to_ms(when),
            getattr(effect, "path", None),
            getattr(effect, "round", None),
            getattr(effect, "n", None),
            getattr(effect, "attempt", None),
            getattr(effect, "person", None),
            card,
            dump(getattr(effect, "handles", None)),
            dump([effect.flow, effect.trigger, effect.on]) if isinstance(effect, StartTriggered) else None,
        ),
    )
    return Leased(number, run, lane, effect, when, card=card)


def _leased(row: tuple[Any, ...]) -> Leased:
    (id_, run, lane, kind, due_, path, round_, n, attempt, person, card, handles, deliveries, memo, payload) = row
    when = from_ms(due_)
    effect: PerformAction | ResolvePeople | FireTimer | SyncCard | SendMail | TellRequester | StartTriggered
    if _KINDS[kind] is PerformAction:
        effect = PerformAction(path, round_, attempt, when)
    elif _KINDS[kind] is ResolvePeople:
        effect = ResolvePeople(path, round_, tuple(load(handles) or ()))
    elif _KINDS[kind] is FireTimer:
        effect = FireTimer(path, round_, n, when)
    elif _KINDS[kind] is SyncCard:
        effect = SyncCard(path, round_, n, person=person)
    elif _KINDS[kind] is SendMail:
        effect = SendMail(path, round_, n, person)
    elif _KINDS[kind] is StartTriggered:
        flow, trigger, on = load(payload)
        effect = StartTriggered(flow, trigger, on, n)
    else:
        effect = TellRequester()
    return Leased(id_, run, LANES.members[lane], effect, when, deliveries, card, memo)


def _withdraw(connection: Connection, run: int, path: str | None, everything: bool) -> None:
    # Messages stay: the cards have to say how it ended.
    if path is None:
        connection.execute("DELETE FROM effects WHERE run = ? AND lane <> ?", (run, LANES[Lane.MESSAGES]))
    elif everything:
        connection.execute(
            "DELETE FROM effects WHERE run = ? AND path = ? AND lane <> ?", (run, path, LANES[Lane.MESSAGES])
        )
    else:
        connection.execute("DELETE FROM effects WHERE run = ? AND path = ? AND kind = ?", (run, path, _FIRE))


def _sync_cards(connection: Connection, run: int, n: int, now: datetime, numbers: Iterator[int]) -> list[Leased]:
    """Ask for a redraw of each card; one that waits to be redrawn anyway, or is being redrawn, gets no second effect."""
    changed = connection.execute("UPDATE cards SET wanted = wanted + 1 WHERE run = ? AND n = ?", (run, n)).rowcount
    if not changed:
        return []
    rows = connection.execute(
        "SELECT c.id, c.person, s.path, s.round FROM cards c JOIN suspensions s ON s.run = c.run AND s.n = c.n "
        "WHERE c.run = ? AND c.n = ? AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.card = c.id)",
        (run, n),
    ).fetchall()
    return [
        _insert(connection, run, SyncCard(path, round_, n, person=person), now, next(numbers), card=card)
        for card, person, path, round_ in rows
    ]


def name_of(kind: int) -> str:
    """What an effect of that kind does, in words for people."""
    return _WORDS[kind]


_WORDS = (
    "perform the action",
    "look up the people",
    "fire the timer",
    "show the card",
    "send the mail",
    "tell the requester",
    "start another flow",
)
