"""Triggers as rows: when schedules come round, which deliveries have come, which runs came of it.

Functions over ``sqlite3.Connection``, to be called inside a transaction on the database's thread.

What a trigger starts, it starts once: what the start uses up (a planned time, a delivery, an effect) is a ``Claim``,
made in the transaction that opens the run. A crash leaves both or neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.instants import from_ms, to_ms
from flows.people import Person, PersonId
from flows.plan import Plan
from flows.run import Close, Decision, Run, RunId, Suspension
from flows.store.kept import Kept
from flows.store.rows import CLOSES
from flows.store.slices import load_decisions, load_people, load_run, load_suspension
from flows.triggers import MAX_DEPTH

Connection = sqlite3.Connection

Claim = Callable[[Connection, RunId, datetime], None]
"""Called with the new run's number and the present, after the run was found possible and before its rows are written.
Raises ``Taken`` where what it uses up is gone."""

KEEP_DELIVERIES = timedelta(days=30)
"""How long a delivery is remembered. GitHub lets one be sent again for three days."""

MAX_WAITS = 1000
"""Decided waits of a run whose approvers are told when it ends: a loop may have ten thousand."""

Place = tuple[str, str]
"""A flow's name and the key of one of its triggers."""


class Taken(Exception):
    """What a start would use up has been used already: by ``run``, where that is known. Nothing was written."""

    def __init__(self, run: RunId | None) -> None:
        self.run = run
        super().__init__("this has started its run already")


@dataclass(frozen=True, slots=True)
class Due:
    """When a schedule comes round next."""

    place: Place
    due: datetime


# -- schedules ------------------------------------------------------------------------------------------------


def set_schedules(
    connection: Connection, following: Mapping[Place, Callable[[datetime], datetime]], now: datetime
) -> None:
    """Let these be the schedules that there are; ``following`` gives each one's first planned time after an instant.

    What was missed while nobody looked stays due. A new schedule begins now; one that is gone is forgotten.
    """
    known = {
        (flow, trigger): (from_ms(due), None if planned is None else from_ms(planned))
        for flow, trigger, due, planned in connection.execute("SELECT flow, trigger, due, planned FROM schedules")
    }
    for place in known.keys() - following.keys():
        connection.execute("DELETE FROM schedules WHERE flow = ? AND trigger = ?", place)
    for place, first_after in following.items():
        if place not in known:
            connection.execute(
                "INSERT INTO schedules (flow, trigger, due) VALUES (?, ?, ?)", (*place, to_ms(first_after(now)))
            )
            continue
        due, planned = known[place]
        if due > now:
            # Worked out anew: the zone's rules may have changed since. Not from before the last one that was done,
            # where the wall clock was stepped back.
            due = first_after(now if planned is None else max(now, planned))
            connection.execute("UPDATE schedules SET due = ? WHERE flow = ? AND trigger = ?", (to_ms(due), *place))


def schedules(connection: Connection) -> list[Due]:
    """All schedules, the next one first."""
    rows = connection.execute("SELECT flow, trigger, due FROM schedules ORDER BY due, flow, trigger")
    return [Due((flow, trigger), from_ms(due)) for flow, trigger, due in rows]


def pass_over(connection: Connection, due: Due, planned: datetime, following: datetime) -> None:
    """The planned time starts nothing: on to the following one."""
    _advance(connection, due, planned, following, None)


def of_schedule(due: Due, planned: datetime, following: datetime) -> Claim:
    """Uses up what ``due`` says, up to ``planned``."""

    def claim(connection: Connection, run: RunId, _now: datetime) -> None:
        if not _advance(connection, due, planned, following, run):
            raise Taken(None)
        _say_where_from(connection, run, f"schedule {due.place[1]}")

    return claim


def _advance(connection: Connection, due: Due, planned: datetime, following: datetime, run: RunId | None) -> bool:
    """Whether it was due at that time still, and is at the following one now."""
    changed = connection.execute(
        "UPDATE schedules SET due = ?, planned = ?, run = coalesce(?, run) WHERE flow = ? AND trigger = ? AND due = ?",
        (to_ms(following), to_ms(planned), run, *due.place, to_ms(due.due)),
    ).rowcount
    return changed == 1


# -- webhooks -------------------------------------------------------------------------------------------------


def delivered(connection: Connection, place: Place, key: str) -> RunId | None:
    """The run that this delivery has started already."""
    row = connection.execute(
        "SELECT run FROM deliveries WHERE flow = ? AND webhook = ? AND key = ?", (*place, key)
    ).fetchone()
    return None if row is None else int(row[0])


def of_delivery(place: Place, key: str) -> Claim:
    """Uses up a delivery to a webhook."""

    def claim(connection: Connection, run: RunId, now: datetime) -> None:
        before = delivered(connection, place, key)
        if before is not None:
            raise Taken(before)
        connection.execute("DELETE FROM deliveries WHERE at < ?", (to_ms(now - KEEP_DELIVERIES),))
        connection.execute(
            "INSERT INTO deliveries (flow, webhook, key, run, at) VALUES (?, ?, ?, ?, ?)",
            (*place, key, run, to_ms(now)),
        )
        _say_where_from(connection, run, f"webhook {place[1]}")

    return claim


# -- other runs -----------------------------------------------------------------------------------------------


def depth(connection: Connection, run: RunId) -> int:
    """How many runs have started one another down to this one; 0 for a run that no other has started."""
    row = connection.execute("SELECT depth FROM triggered WHERE run = ?", (run,)).fetchone()
    return 0 if row is None else int(row[0])


def ended(
    connection: Connection, kept: Kept, run_id: RunId
) -> tuple[Plan, Run, list[tuple[Suspension, tuple[Decision, ...]]], dict[PersonId, Person]]:
    """A run that has ended, with the last of its waits that people have decided, in their order, and the people in it."""
    plan, run = load_run(connection, kept, run_id)
    numbers = connection.execute(
        "SELECT n FROM (SELECT n FROM suspensions WHERE run = ? AND how IN (?, ?) AND closed_by IS NOT NULL "
        "ORDER BY n DESC LIMIT ?) ORDER BY n",
        (run_id, CLOSES[Close.APPROVED], CLOSES[Close.RESUMED], MAX_WAITS),
    ).fetchall()
    waits = [
        (suspension, load_decisions(connection, run_id, n))
        for (n,) in numbers
        if (suspension := load_suspension(connection, run_id, n)) is not None
    ]
    said = [one for _, decisions in waits for one in decisions]
    persons = {run.requester, *(who for one in said for who in (one.person, one.human))}
    return plan, run, waits, load_people(connection, kept, persons)


def of_effect(effect: int, trigger: str, cause: RunId, n: int) -> Claim:
    """Uses up the effect that one run has left for another flow to be started by."""

    def claim(connection: Connection, run: RunId, _now: datetime) -> None:
        if connection.execute("DELETE FROM effects WHERE id = ?", (effect,)).rowcount != 1:
            raise Taken(None)
        _say_where_from(connection, run, trigger, cause, n, depth(connection, cause) + 1)

    return claim


class TooDeep(Exception):
    """Too many runs have started one another: they would not end by themselves."""


def of_action(cause: RunId, how: str) -> Claim:
    """Uses up nothing: says that an action of the run ``cause`` has started this one. Raises ``TooDeep``."""

    def claim(connection: Connection, run: RunId, _now: datetime) -> None:
        down = depth(connection, cause) + 1
        if down > MAX_DEPTH:
            raise TooDeep(f"{MAX_DEPTH} runs have started one another; the next is not started")
        _say_where_from(connection, run, how, cause, 0, down)

    return claim


def _say_where_from(
    connection: Connection, run: RunId, trigger: str, cause: RunId | None = None, n: int | None = None, depth_: int = 0
) -> None:
    connection.execute(
        "INSERT INTO triggered (run, trigger, cause, n, depth) VALUES (?, ?, ?, ?, ?)", (run, trigger, cause, n, depth_)
    )
