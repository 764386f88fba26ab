"""What pages, cards and the API read. Functions over ``sqlite3.Connection``, inside one snapshot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from flows import opening
from flows.context import Brief, context
from flows.definition import Wait
from flows.delegation import Delegation, delegates, for_wait, principals
from flows.effects import Leased, PerformAction
from flows.ids import Ids
from flows.instants import from_ms
from flows.people import PersonId
from flows.plan import Plan, wait_of
from flows.run import Early, Kind, Outcome, Path, Run, RunId, StepState, Suspension, Verdict
from flows.store import delegations, outbox
from flows.store.kept import Kept
from flows.store.rows import EARLY, SUSPENSION, VERDICTS, early_of, suspension_of
from flows.store.slices import (
    load_callback,
    load_decisions,
    load_known,
    load_people,
    load_questions,
    load_run,
    load_some_steps,
    load_step,
    load_suspension,
)
from flows.views import ParkedEffect, RunView, SuspensionView

Connection = sqlite3.Connection


# Somebody may be asked by name and as a member of a group at once.
_SEATED = "SELECT DISTINCT seats.run, seats.n FROM json_each(?) seat JOIN seats ON seats.who = seat.value"
_REQUESTED = (
    "SELECT s.run, s.n FROM suspensions s JOIN runs r ON r.id = s.run "
    "WHERE s.how IS NULL AND s.kind < 2 AND r.requester = ?"
)


@dataclass(frozen=True, slots=True)
class CardView:
    """A card that is to be drawn: what it shows, where it is wanted, and where it was posted (if it was)."""

    view: SuspensionView
    version: int
    channel: str | None
    person: PersonId | None
    posted: str | None
    ts: str | None
    team: str | None = None
    """The workspace that it is in, or that its channel is in; None where nobody has said."""
    told: int = 0
    """The place of the newest decision that the card's thread tells of."""
    plain: bool = False
    """Whether it is to be drawn as plainly as can be, because the card itself was refused."""


@dataclass(frozen=True, slots=True)
class RequestCard:
    """The requester's one message of a run: what it shows, whose it is, and where it was posted (if it was)."""

    view: RunView
    version: int
    person: PersonId
    posted: str | None
    ts: str | None
    plain: bool = False
    """Whether it is shown in its plainest form, where Slack does not take the other one."""


def suspension_view(
    connection: Connection,
    kept: Kept,
    run_id: int,
    n: int,
    *,
    reader: PersonId | None = None,
    now: datetime | None = None,
) -> SuspensionView | None:
    """One suspension, or None where there is no such one.

    ``reader`` is somebody whom it is shown to: asked as a member of a group, they are not in it otherwise. Who stands in
    for whom is told as it is ``now``, where that is given.
    """
    suspension = load_suspension(connection, run_id, n)
    if suspension is None:
        return None
    plan, run = load_run(connection, kept, run_id)
    return _view(connection, kept, plan, run, suspension, reader, now)


MOST = 1_000
"""Steps, and suspensions, of one run that are shown at once: a loop may have a hundred thousand."""


def run_view(connection: Connection, kept: Kept, run_id: int, *, most: int = MOST) -> RunView:
    """One run with its steps and suspensions: those that are open, and of the others the first ``most`` steps by path
    and the newest suspensions. Raises ``UnknownRun``."""
    plan, run = load_run(connection, kept, run_id)
    rows = connection.execute(
        f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? ORDER BY how IS NULL DESC, n DESC LIMIT ?", (run_id, most)
    ).fetchall()
    rows.sort(key=lambda row: row[0])
    suspensions = tuple(_view(connection, kept, plan, run, suspension_of(row)) for row in rows)
    ids = {run.requester, *(run.ending.by if run.ending else ()), *((run.paused.by,) if run.paused else ())}
    people = load_people(connection, kept, ids)
    for view in suspensions:
        people |= view.people
    steps = load_some_steps(connection, run_id, most + 1)
    cut = len(steps) > most or len(rows) == most
    shown = dict(list(steps.items())[:most])
    again = resubmitted(connection, run)
    return RunView(plan, run, shown, suspensions, people, troubled(connection, run_id), cut, again)


def waiting(
    connection: Connection,
    kept: Kept,
    seats: Iterable[PersonId | str] | None,
    *,
    requester: PersonId | None = None,
    limit: int,
    offset: int = 0,
) -> list[SuspensionView]:
    """Open suspensions that people answer, the nearest deadline first.

    ``seats`` are a person's number and the groups they belong to; None gives everybody's. ``requester`` adds
    those of the runs that this person has started.
    """
    if seats is None:
        rows = connection.execute(
            "WITH page (run, n) AS ("
            " SELECT run, n FROM suspensions WHERE how IS NULL AND kind < 2"
            " ORDER BY due IS NULL, due, run, n LIMIT ? OFFSET ?) "
            f"SELECT run, {SUSPENSION} FROM page JOIN suspensions USING (run, n) ORDER BY due IS NULL, due, run, n",
            (limit, offset),
        ).fetchall()
    else:
        around = _SEATED if requester is None else f"{_SEATED} UNION {_REQUESTED}"
        given = (json.dumps(list(seats)), *(() if requester is None else (requester,)))
        # In order before they are read: a row may be large, and only those of one page are wanted.
        rows = connection.execute(
            f"WITH around (run, n) AS ({around}), "
            "page (run, n) AS ("
            " SELECT run, n FROM around JOIN suspensions USING (run, n)"
            " ORDER BY due IS NULL, due, run, n LIMIT ? OFFSET ?) "
            f"SELECT run, {SUSPENSION} FROM page JOIN suspensions USING (run, n) ORDER BY due IS NULL, due, run, n",
            (*given, limit, offset),
        ).fetchall()
    views = []
    for run_id, *row in rows:
        plan, run = load_run(connection, kept, run_id)
        views.append(_view(connection, kept, plan, run, suspension_of(tuple(row))))
    return views


def seated(connection: Connection, seats: Iterable[PersonId | str]) -> list[tuple[int, int]]:
    """The open suspensions that any of these seats may answer: run and number."""
    return connection.execute(_SEATED, (json.dumps(list(seats)),)).fetchall()


def kept(connection: Connection, run_id: int, person: PersonId, step: str | None) -> Early | None:
    """The decision that this person gave early, and that still waits for its approval."""
    row = connection.execute(
        f"SELECT {EARLY} FROM early WHERE run = ? AND person = ? AND step = ?", (run_id, person, step or "")
    ).fetchone()
    return None if row is None else early_of(row)


def handles_of(connection: Connection, kept: Kept, run_id: int, path: Path, ids: Ids) -> tuple[str, ...]:
    """The handles of the wait that a step has, as they come out now."""
    plan, run = load_run(connection, kept, run_id)
    step = plan.at(path)
    known = load_known(connection, plan, run, path, step.opening_reads, gather=True)
    return opening.flat(opening.handles(step, context(plan, step, path, known, ids, reads=step.opening_reads)))


def is_open(connection: Connection, run_id: int, path: Path, round_: int) -> bool:
    """Whether the step run at ``path`` has a suspension in this round."""
    row = connection.execute(
        "SELECT 1 FROM step_runs t JOIN suspensions s ON s.run = t.run AND s.n = t.suspension "
        "WHERE t.run = ? AND t.path = ? AND t.round = ? AND s.round = t.round",
        (run_id, path, round_),
    ).fetchone()
    return row is not None


_LOOKED_BACK = 20_000  # runs among which those of one flow are looked for, the newest first


def runs_of(connection: Connection, flow: str, *, limit: int) -> list[int]:
    """The newest runs of a flow."""
    rows = connection.execute(
        "SELECT r.id FROM runs r JOIN definitions d ON d.id = r.definition "
        "WHERE d.flow = ? AND r.id > (SELECT coalesce(max(id), 0) FROM runs) - ? ORDER BY r.id DESC LIMIT ?",
        (flow, _LOOKED_BACK, limit),
    )
    return [row[0] for row in rows]


def groups_waiting(connection: Connection) -> list[str]:
    """The groups that are asked by suspensions which are open now."""
    # In SQLite's order every text comes after every number, so this reads the groups' part of the index only.
    return [row[0] for row in connection.execute("SELECT DISTINCT who FROM seats WHERE who >= ''")]


SHOWN = 20
"""Suspensions of a run, and steps, that its requester's message is drawn from."""


def card_view(
    connection: Connection, kept: Kept, leased: Leased, now: datetime | None = None
) -> CardView | RequestCard | None:
    """What a ``SyncCard`` is about, or None where the effect is gone. A card with n = 0 is the requester's."""
    if outbox.get(connection, leased.id) is None:
        return None
    row = connection.execute(
        "SELECT run, n, wanted, channel, person, posted, ts, team, told FROM cards WHERE id = ?", (leased.card,)
    ).fetchone()
    if row is None:
        return None
    run_id, n, wanted, channel, person, posted, ts, team, told = row
    if n == 0:
        return RequestCard(run_view(connection, kept, run_id, most=SHOWN), wanted, person, posted, ts)
    view = suspension_view(connection, kept, run_id, n, reader=person, now=now)
    if view is None:
        return None
    return CardView(view, wanted, channel, person, posted, ts, team, told or 0)


def progress(connection: Connection, run_id: int, n: int) -> tuple[int, int] | None:
    """How many distinct people have said yes to a suspension, and how many it takes."""
    row = connection.execute("SELECT needed FROM suspensions WHERE run = ? AND n = ?", (run_id, n)).fetchone()
    if row is None:
        return None
    (yes,) = connection.execute(
        "SELECT count(*) FROM decisions WHERE run = ? AND n = ? AND verdict <> ?",
        (run_id, n, VERDICTS[Verdict.REJECT]),
    ).fetchone()
    return yes, row[0]


def settles_at(connection: Connection, run_id: int, n: int) -> datetime | None:
    """Until when what completes a suspension can still be undone; None where nothing does, or it is closed."""
    suspension = load_suspension(connection, run_id, n)
    return suspension.clocks.settles_at if suspension is not None and suspension.closing is None else None


def cards_of(connection: Connection, run_id: int, n: int) -> list[tuple[str, str]]:
    """Where the cards of a suspension are: channel and ts of those that were posted."""
    return connection.execute(
        "SELECT posted, ts FROM cards WHERE run = ? AND n = ? AND ts IS NOT NULL", (run_id, n)
    ).fetchall()


def card_at(connection: Connection, posted: str, ts: str) -> tuple[int, int] | None:
    """Which card is at that place: its run and suspension, 0 for the requester's message; None where none is."""
    row: tuple[int, int] | None = connection.execute(
        "SELECT run, n FROM cards WHERE ts = ? AND posted = ?", (ts, posted)
    ).fetchone()
    return row


def requester_of(connection: Connection, run_id: int) -> PersonId | None:
    """Who started a run; None where there is none."""
    row = connection.execute("SELECT requester FROM runs WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else row[0]


def card_teams(connection: Connection, run_id: int, n: int) -> dict[str, str]:
    """The workspaces of the channels that cards of a suspension are in, by channel id, where they are known."""
    return dict(
        connection.execute(
            "SELECT posted, team FROM cards WHERE run = ? AND n = ? AND posted IS NOT NULL AND team IS NOT NULL",
            (run_id, n),
        ).fetchall()
    )


def brief(connection: Connection, kept: Kept, leased: Leased) -> tuple[Leased, Brief] | None:
    """The effect as it is now and what performing it takes; None where it is no longer wanted."""
    effect = leased.effect
    assert isinstance(effect, PerformAction)  # only these have one
    current = outbox.get(connection, leased.id)
    if current is None:
        return None
    plan, run = load_run(connection, kept, leased.run)
    step = plan.at(effect.path)
    known = load_known(connection, plan, run, effect.path, step.performing_reads, gather=True)
    mine = known.steps.get(effect.path)
    if mine is None or mine.state is not StepState.ACTING:
        return None
    persons = {run.requester}
    for answer in known.answers.values():
        persons.update(one for decision in answer.decisions for one in (decision.person, decision.human))
    woken = None if mine.woken is None else load_callback(connection, run.id, mine.woken)
    known = replace(known, people=load_people(connection, kept, persons), woken=woken)
    secrets: dict[str, bytes] = {}
    if plan.has_secrets:
        secrets |= connection.execute("SELECT name, sealed FROM secrets WHERE run = ?", (run.id,)).fetchall()
    return current, Brief(plan, step, known, secrets, effect.path)


def troubled(
    connection: Connection, run_id: int | None = None, *, parked_only: bool = False
) -> tuple[ParkedEffect, ...]:
    """Effects that failed at least once, of one run or of all, oldest first."""
    rows = connection.execute(
        "SELECT id, run, kind, path, error, deliveries, parked_at, due FROM effects "
        "WHERE error IS NOT NULL AND (? IS NULL OR run = ?) AND (NOT ? OR parked_at IS NOT NULL) ORDER BY id LIMIT 1000",
        (run_id, run_id, parked_only),
    )
    return tuple(
        ParkedEffect(
            id_,
            run,
            outbox.name_of(kind),
            path,
            error,
            deliveries,
            None if parked is None else from_ms(parked),
            from_ms(due),
        )
        for id_, run, kind, path, error, deliveries, parked, due in rows
    )


def _view(
    connection: Connection,
    kept: Kept,
    plan: Plan,
    run: Run,
    suspension: Suspension,
    reader: PersonId | None = None,
    now: datetime | None = None,
) -> SuspensionView:
    decisions = load_decisions(connection, run.id, suspension.n)
    closing = suspension.closing
    persons = {
        run.requester,
        *suspension.approvers.people,
        *(decision.person for decision in decisions),
        *(decision.by for decision in decisions if decision.by is not None),
        *(closing.by if closing else ()),
        *(() if run.paused is None else (run.paused.by,)),
        *(seat for seat in (suspension.terms.veto if suspension.terms else ()) if isinstance(seat, int)),
        *(() if reader is None else (reader,)),
    }
    scope = plan.scope_of(suspension.path).path
    inputs = None
    if scope is not None:
        holder = load_step(connection, run.id, ".".join(suspension.path.split(".")[: scope.count(".") + 1]))
        inputs = holder.context if holder is not None else {}
    if suspension.kind in (Kind.CALLBACK, Kind.RERUN):
        callback = load_callback(connection, run.id, suspension.n)
        return SuspensionView(
            plan, run, suspension, decisions, load_people(connection, kept, persons), inputs, callback
        )
    questions = load_questions(connection, run.id, suspension.n)
    persons |= {who for one in questions for who in (one.person, one.answered_by) if who is not None}
    standing_in = _standing_in(connection, kept, plan, run, suspension, reader, now) if closing is None else ()
    persons |= {who for one in standing_in for who in (one.person, one.delegate)}
    people = load_people(connection, kept, persons)
    return SuspensionView(
        plan,
        run,
        suspension,
        decisions,
        people,
        inputs,
        questions=questions,
        delegations=standing_in,
        resubmitted=resubmitted(connection, run),
    )


def resubmitted(connection: Connection, run: Run) -> RunId | None:
    """The newest run that asks anew for what this one, which has ended, was refused."""
    if run.ending is None or run.ending.outcome is Outcome.SUCCEEDED:
        return None
    row = connection.execute(
        "SELECT max(id) FROM runs WHERE json_extract(more, '$.resubmits') = ?", (run.id,)
    ).fetchone()
    return None if row is None else row[0]


def _standing_in(
    connection: Connection,
    kept: Kept,
    plan: Plan,
    run: Run,
    suspension: Suspension,
    reader: PersonId | None,
    now: datetime | None,
) -> tuple[Delegation, ...]:
    """Who stands in for somebody who is asked by name, and for whom its reader does."""
    if now is None:
        return ()
    found = [one for one in delegations.in_force(connection, kept) if one.holds(run.flow, now)]
    wait = wait_of(plan.at(suspension.path), suspension)
    found = list(for_wait(found, wait, requester=run.requester)) if isinstance(wait, Wait) else []
    if not found:
        return ()
    named = {*suspension.approvers.people, *(suspension.terms.veto if suspension.terms else ())}
    through = {who for person in named if isinstance(person, int) for who in (person, *delegates(found, person))}
    mine = {reader, *(principals(found, reader) if reader is not None else ())}
    return tuple(one for one in found if one.person in through or (one.delegate in mine and one.person in mine))
