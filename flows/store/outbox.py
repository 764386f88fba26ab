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
    Note,
    PerformAction,
    ResolvePeople,
    SendMail,
    StartTriggered,
    SyncCard,
    SyncCards,
    SyncRequest,
    Tell,
    TellRequester,
    Withdraw,
)
from flows.instants import from_ms, to_ms
from flows.run import Timer
from flows.store.rows import LANES, NOTES, TIMERS, dump, load

Connection = sqlite3.Connection

# A kind's number is in the database; a new kind goes to the end.
_KINDS = (PerformAction, ResolvePeople, FireTimer, SyncCard, SendMail, TellRequester, StartTriggered, Tell)
_FIRE = _KINDS.index(FireTimer)
_LANE_OF = {
    PerformAction: Lane.ACTIONS,
    ResolvePeople: Lane.PEOPLE,
    FireTimer: Lane.ENGINE,
    SyncCard: Lane.MESSAGES,
    SendMail: Lane.MESSAGES,
    Tell: Lane.MESSAGES,
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
            case Withdraw(path, everything, timer):
                _withdraw(connection, run, path, everything, timer)
            case SyncCards(n):
                ready += _sync_cards(connection, run, n, now, numbers)
            case SyncRequest(begins):
                ready += _sync_request(connection, run, now, numbers, begins=begins)
            case SyncCard():
                card = connection.execute(
                    "INSERT INTO cards (run, n, channel, person, team, wanted, shown) VALUES (?, ?, ?, ?, ?, 1, 0) "
                    "RETURNING id",
                    (run, effect.n, effect.channel, effect.person, effect.team),
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


def postpone(connection: Connection, effect: int, until: datetime, error: str, *, counts: bool = True) -> None:
    """The effect could not be performed now: not before ``until``. ``counts``: it was tried."""
    connection.execute(
        "UPDATE effects SET due = ?, deliveries = deliveries + ?, error = ? WHERE id = ?",
        (to_ms(until), int(counts), error, effect),
    )


def park(connection: Connection, effect: int, now: datetime, error: str, waits_for: str | None = None) -> None:
    """Trying again does not help: leave the effect until a person has looked at it, or ``waits_for`` is there."""
    connection.execute(
        "UPDATE effects SET parked_at = ?, deliveries = deliveries + 1, error = ?, waits_for = ? WHERE id = ?",
        (to_ms(now), error, waits_for, effect),
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
    connection: Connection,
    leased: Leased,
    shown: int,
    posted: str,
    ts: str,
    now: datetime,
    *,
    told: int | None = None,
    team: str | None = None,
) -> Leased | None:
    """The card shows version ``shown`` at ``posted``/``ts`` in the workspace ``team``, and its thread tells of all
    decisions up to ``told``. Returns its next effect where it is behind already."""
    row = connection.execute(
        "UPDATE cards SET shown = max(shown, ?), posted = ?, ts = ?, told = coalesce(max(told, ?), ?, told), "
        "team = coalesce(?, team) WHERE id = ? RETURNING wanted, shown",
        (shown, posted, ts, told, told, team, leased.card),
    ).fetchone()
    if row is not None and row[0] > row[1]:
        connection.execute(
            "UPDATE effects SET due = ?, deliveries = 0, error = NULL, memo = NULL WHERE id = ?",
            (to_ms(now), leased.id),
        )
        return get(connection, leased.id)
    settle(connection, leased.id)
    return None


def redraw(connection: Connection, card: int, now: datetime, numbers: Iterator[int]) -> list[Leased]:
    """Ask for one card to be drawn anew, whatever it shows; nothing where it is going to be drawn anyway."""
    row = connection.execute(
        "UPDATE cards SET wanted = wanted + 1 WHERE id = ? AND NOT EXISTS (SELECT 1 FROM effects WHERE card = cards.id) "
        "RETURNING run, n, person",
        (card,),
    ).fetchone()
    if row is None:
        return []
    run, n, person = row
    at = connection.execute("SELECT path, round FROM suspensions WHERE run = ? AND n = ?", (run, n)).fetchone()
    path, round_ = at or ("", 1)  # the requester's message is about no suspension
    return [_insert(connection, run, SyncCard(path, round_, n, person=person), now, next(numbers), card=card)]


def _insert(
    connection: Connection, run: int, effect: Any, now: datetime, number: int, *, card: int | None = None
) -> Leased:
    when = effect.due if isinstance(effect, PerformAction | FireTimer | Tell) and effect.due is not None else now
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
            getattr(effect, "n", None) or (0 if isinstance(effect, FireTimer | SyncCard | StartTriggered) else None),
            _attempt(effect),
            getattr(effect, "person", None),
            card,
            dump(getattr(effect, "handles", None)),
            _payload(effect),
        ),
    )
    return Leased(number, run, lane, effect, when, card=card)


def _attempt(effect: Any) -> int | None:
    """What stands in the column ``attempt``: of a timer, which it is."""
    if isinstance(effect, FireTimer):
        return TIMERS[effect.timer] or None
    if isinstance(effect, ResolvePeople):
        return effect.times if effect.n else None
    return getattr(effect, "attempt", None)


def _payload(effect: Any) -> str | None:
    match effect:
        case StartTriggered():
            return dump([effect.flow, effect.trigger, effect.on])
        case Tell():
            return dump([NOTES[effect.note], effect.times])
        case ResolvePeople(note=Note() as note):
            return dump([NOTES[note]])
        case _:
            return None


def _leased(row: tuple[Any, ...]) -> Leased:
    (id_, run, lane, kind, due_, path, round_, n, attempt, person, card, handles, deliveries, memo, payload) = row
    when = from_ms(due_)
    effect: PerformAction | ResolvePeople | FireTimer | SyncCard | SendMail | Tell | TellRequester | StartTriggered
    if _KINDS[kind] is PerformAction:
        effect = PerformAction(path, round_, attempt, when)
    elif _KINDS[kind] is ResolvePeople:
        note = NOTES.members[load(payload)[0]] if payload is not None else None
        effect = ResolvePeople(path, round_, tuple(load(handles) or ()), n or 0, note, attempt or 1)
    elif _KINDS[kind] is FireTimer:
        effect = FireTimer(path, round_, n, when, TIMERS.members[attempt or 0], person)
    elif _KINDS[kind] is SyncCard:
        effect = SyncCard(path, round_, n, person=person)
    elif _KINDS[kind] is SendMail:
        effect = SendMail(path, round_, n, person)
    elif _KINDS[kind] is Tell:
        code, times = load(payload)
        effect = Tell(path, round_, n, NOTES.members[code], person, times, when)
    elif _KINDS[kind] is StartTriggered:
        flow, trigger, on = load(payload)
        effect = StartTriggered(flow, trigger, on, n)
    else:
        effect = TellRequester()
    return Leased(id_, run, LANES.members[lane], effect, when, deliveries, card, memo)


def _withdraw(connection: Connection, run: int, path: str | None, everything: bool, timer: Timer | None) -> None:
    # Messages stay: the cards have to say how it ended.
    if timer is not None:
        connection.execute(
            "DELETE FROM effects WHERE run = ? AND path = ? AND kind = ? AND coalesce(attempt, 0) = ? AND n > 0",
            (run, path, _FIRE, TIMERS[timer]),
        )
    elif path is None:
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
    parked = connection.execute(
        "SELECT id FROM effects WHERE run = ? AND n = ? AND card IS NOT NULL AND parked_at IS NOT NULL", (run, n)
    ).fetchall()
    # What was refused was another card: it is tried as it is now.
    freed = [leased for (effect,) in parked if (leased := free(connection, effect, now)) is not None]
    return freed + [
        _insert(connection, run, SyncCard(path, round_, n, person=person), now, next(numbers), card=card)
        for card, person, path, round_ in rows
    ]


def _sync_request(
    connection: Connection, run: int, now: datetime, numbers: Iterator[int], *, begins: bool
) -> list[Leased]:
    """The same for the requester's message of a run: a card with n = 0, which is there once the run has asked people."""
    row = connection.execute(
        "UPDATE cards SET wanted = wanted + 1 WHERE run = ? AND n = 0 RETURNING id, person", (run,)
    ).fetchone()
    if row is None:
        if not begins:
            return []
        row = connection.execute(
            "INSERT INTO cards (run, n, person, wanted, shown) SELECT id, 0, requester, 1, 0 FROM runs WHERE id = ? "
            "RETURNING id, person",
            (run,),
        ).fetchone()
    elif connection.execute("SELECT 1 FROM effects WHERE card = ?", (row[0],)).fetchone() is not None:
        return []
    return [_insert(connection, run, SyncCard("", 1, 0, person=row[1]), now, next(numbers), card=row[0])]


def kind_of(effect: str) -> int:
    """The number that effects of a class have, by the name of the class."""
    return next(number for number, kind in enumerate(_KINDS) if kind.__name__ == effect)


def suspensions_shown(connection: Connection, run: int) -> list[int]:
    """The newest suspensions of a run that have cards, a few of them."""
    rows = connection.execute("SELECT DISTINCT n FROM cards WHERE run = ? AND n > 0 ORDER BY n DESC LIMIT 20", (run,))
    return [row[0] for row in rows]


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
    "send a note",
)
