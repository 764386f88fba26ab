"""Rows of the database as the engine's values, and back. Columns stand in the order of the migration."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic_core import from_json, to_json

from flows.effects import Lane
from flows.instants import from_ms, to_ms
from flows.people import Memberships, Person, Roster
from flows.rules import Terms
from flows.run import (
    NOTHING,
    Approvers,
    Callback,
    Close,
    Closing,
    Decision,
    Door,
    Early,
    Ending,
    Inside,
    Kind,
    Outcome,
    Paused,
    Place,
    Run,
    StepRun,
    StepState,
    Stop,
    Suspension,
    Verdict,
)

E = TypeVar("E")


class _Codes(dict[E, int]):
    """An enum's numbers in the database: its order of declaration. A new member goes to the end of its list."""

    def __init__(self, members: list[E]) -> None:
        super().__init__({member: number for number, member in enumerate(members)})
        self.members: Final = members


STATES = _Codes(
    [
        StepState.ACTING,
        StepState.RESOLVING,
        StepState.SUSPENDED,
        StepState.SUCCEEDED,
        StepState.SKIPPED,
        StepState.REJECTED,
        StepState.EXPIRED,
        StepState.CANCELLED,
        StepState.FAILED,
        StepState.RUNNING,
        StepState.HELD,
        StepState.DROPPED,
    ]
)
OUTCOMES = _Codes([Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.EXPIRED, Outcome.CANCELLED, Outcome.FAILED])
KINDS = _Codes([Kind.APPROVAL, Kind.HOLD, Kind.DELAY, Kind.CALLBACK, Kind.RERUN])
VERDICTS = _Codes([Verdict.APPROVE, Verdict.REJECT, Verdict.RESUME])
DOORS = _Codes([Door.SLACK, Door.PAGE, Door.API])
CLOSES = _Codes(
    [
        Close.APPROVED,
        Close.REJECTED,
        Close.RESUMED,
        Close.EXPIRED,
        Close.CANCELLED,
        Close.ELAPSED,
        Close.SUPERSEDED,
        Close.DROPPED,
        Close.ANSWERED,
        Close.REFUSED,
    ]
)
PLACES = _Codes([Place.HELD, Place.WANTED, Place.FREE])
LANES = _Codes([Lane.ENGINE, Lane.PEOPLE, Lane.MESSAGES, Lane.ACTIONS])

OPEN_STATES: Final = tuple(number for state, number in STATES.items() if not state.ended)
ASKING: Final = (KINDS[Kind.APPROVAL], KINDS[Kind.HOLD])
"""The kinds of suspension that people answer."""


def dump(value: object) -> str | None:
    """Compact JSON; None for what is empty, which costs no disk at all."""
    return to_json(value).decode() if value or value in (False, 0) else None


def dump_output(value: object) -> str | None:
    """Like ``dump``, but only null is nothing: an empty list is an output."""
    return None if value is None else to_json(value).decode()


def load(text: str | None) -> Any:
    return None if text is None else from_json(text)


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else to_ms(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


# -- runs -----------------------------------------------------------------------------------------------------

RUN = (
    "id, requester, inputs, roster, started_at, acting, waiting, suspensions, version, outcome, ended_at, reason, "
    "ended_by, stop, paused_by, paused_at, place, supersede, outputs"
)
MOVING = "requester, roster, acting, waiting, suspensions, version, stop, paused_by, paused_at, place, outputs"
"""What any transition may change of a run."""


def run_row(run: Run) -> tuple[Any, ...]:
    """The values of ``RUN`` behind ``id``."""
    ending = run.ending
    return (
        run.requester,
        dump(dict(run.inputs)),
        # Only the approvals that are still to open need it.
        None if ending is not None or run.roster is None else _roster_text(run.roster),
        to_ms(run.started_at),
        run.acting,
        run.waiting,
        run.suspensions,
        run.version,
        OUTCOMES[ending.outcome] if ending else None,
        to_ms(ending.at) if ending else None,
        ending.reason if ending else None,
        dump(ending.by) if ending else None,
        _stop_text(run.stop),
        run.paused.by if run.paused else None,
        to_ms(run.paused.at) if run.paused else None,
        PLACES[run.place] if run.place else None,
        run.supersede,
        dump(dict(run.outputs)),
    )


def run_update(run: Run) -> tuple[Any, ...]:
    """What a transition may change: the values of ``MOVING``; where it has ended also how."""
    ending = run.ending
    moving = (
        run.requester,
        None if ending is not None or run.roster is None else _roster_text(run.roster),
        run.acting,
        run.waiting,
        run.suspensions,
        run.version,
        _stop_text(run.stop),
        run.paused.by if run.paused else None,
        to_ms(run.paused.at) if run.paused else None,
        PLACES[run.place] if run.place else None,
        dump(dict(run.outputs)),
    )
    if ending is None:
        return moving
    return (*moving, OUTCOMES[ending.outcome], to_ms(ending.at), ending.reason, dump(ending.by))


def run_of(row: tuple[Any, ...], flow: str) -> Run:
    (id_, requester, inputs, roster, started, acting, waiting, suspensions, version, outcome, ended, reason, by) = row[
        :13
    ]
    (stop, paused_by, paused_at, place, supersede, outputs) = row[13:]
    return Run(
        id_,
        flow,
        requester,
        load(inputs) or NOTHING,
        from_ms(started),
        None if roster is None else _roster(roster),
        acting,
        waiting,
        suspensions,
        version,
        None if outcome is None else Ending(OUTCOMES.members[outcome], from_ms(ended), reason, tuple(load(by) or ())),
        None if stop is None else _stop(load(stop)),
        None if paused_by is None else Paused(paused_by, from_ms(paused_at)),
        None if place is None else PLACES.members[place],
        supersede,
        load(outputs) or NOTHING,
    )


def _stop_text(stop: Stop | None) -> str | None:
    return None if stop is None else to_json(_stop_row(stop)).decode()


def _stop_row(stop: Stop) -> list[Any]:
    return [OUTCOMES[stop.outcome], stop.reason, stop.by, stop.step]


def _stop(row: list[Any]) -> Stop:
    outcome, reason, by, step = row
    return Stop(OUTCOMES.members[outcome], reason, tuple(by), step)


def _roster_text(roster: Roster) -> str:
    people, groups, gaps = (dict(part) or None for part in (roster.people, roster.groups, roster.gaps))
    return to_json([to_ms(roster.read_at), people, groups, gaps]).decode()


def _roster(text: str) -> Roster:
    read_at, people, groups, gaps = from_json(text)
    return Roster(
        from_ms(read_at),
        people or NOTHING,
        {handle: tuple(members) for handle, members in (groups or NOTHING).items()},
        gaps or NOTHING,
    )


# -- step runs ------------------------------------------------------------------------------------------------

STEP = "path, state, round, attempt, suspension, output, error, inside, context, woken"


def step_row(step: StepRun) -> tuple[Any, ...]:
    return (
        step.path,
        STATES[step.state],
        step.round,
        step.attempt,
        step.suspension,
        dump_output(step.output),
        step.error,
        None if step.inside is None else _inside_text(step.inside),
        dump_output(step.context),
        step.woken,
    )


def step_of(row: tuple[Any, ...]) -> StepRun:
    path, state, round_, attempt, suspension, output, error, within, context, woken = row
    return StepRun(
        path,
        STATES.members[state],
        round_,
        attempt,
        suspension,
        load(output),
        error,
        None if within is None else _inside(load(within)),
        load(context),
        woken,
    )


def _inside_text(inside: Inside) -> str:
    row = [inside.total, inside.next, inside.active, inside.branch, inside.handling]
    return to_json([*row, _stop_row(inside.stop)] if inside.stop else row).decode()


def _inside(row: list[Any]) -> Inside:
    total, next_, active, branch, handling, *stop = row
    return Inside(total, next_, active, branch, handling, _stop(stop[0]) if stop else None)


# -- suspensions ----------------------------------------------------------------------------------------------

SUSPENSION = (
    "n, path, kind, round, ordinal, opened_at, due, ask, show, defaults, people, groups, gaps, needed, digest, "
    "generation, how, closed_at, closed_by, closed_reason, closed_option, texts, terms, spec"
)


def suspension_row(suspension: Suspension) -> tuple[Any, ...]:
    approvers, closing = suspension.approvers, suspension.closing
    return (
        suspension.n,
        suspension.path,
        KINDS[suspension.kind],
        suspension.round,
        suspension.ordinal,
        to_ms(suspension.opened_at),
        _ms(suspension.due),
        suspension.ask or None,
        dump(dict(suspension.show)),
        dump(dict(suspension.defaults)),
        dump(approvers.people),
        dump(approvers.groups),
        dump(approvers.gaps),
        suspension.needed,
        suspension.digest or None,
        suspension.generation,
        *(closing_row(closing) if closing else (None, None, None, None, None)),
        dump(dict(suspension.texts)),
        dump(suspension.terms.to_json()) if suspension.terms else None,
        None if suspension.spec is None else to_json(dict(suspension.spec)).decode(),
    )


def closing_row(closing: Closing) -> tuple[Any, ...]:
    """The columns from ``how`` to ``closed_option``: all that closing changes."""
    return CLOSES[closing.how], to_ms(closing.at), dump(closing.by), closing.reason, closing.option


def suspension_of(row: tuple[Any, ...]) -> Suspension:
    (n, path, kind, round_, ordinal, opened, due, ask, show, defaults) = row[:10]
    (people, groups, gaps, needed, digest, generation, how, closed, by, reason, option) = row[10:21]
    (texts, terms, spec) = row[21:]
    return Suspension(
        n,
        path,
        KINDS.members[kind],
        from_ms(opened),
        _instant(due),
        round_,
        ordinal,
        ask or "",
        load(show) or NOTHING,
        load(defaults) or NOTHING,
        Approvers(
            tuple(load(people) or ()), tuple(load(groups) or ()), tuple((one, why) for one, why in load(gaps) or ())
        ),
        needed,
        digest or b"",
        generation,
        None if how is None else Closing(CLOSES.members[how], from_ms(closed), tuple(load(by) or ()), reason, option),
        load(texts) or NOTHING,
        None if terms is None else Terms.from_json(load(terms)),
        load(spec),
    )


# -- decisions ------------------------------------------------------------------------------------------------

DECISION = "n, person, verdict, place, at, door, comment, form, digest, groups, groups_read_at, option, unseen"


def decision_row(decision: Decision) -> tuple[Any, ...]:
    memberships = decision.memberships
    return (
        decision.n,
        decision.person,
        VERDICTS[decision.verdict],
        decision.place,
        to_ms(decision.at),
        DOORS[decision.door],
        decision.comment,
        dump(dict(decision.values)),
        decision.digest,
        dump(sorted(memberships.groups)) if memberships else None,
        to_ms(memberships.read_at) if memberships else None,
        decision.option,
        1 if decision.unseen else None,
    )


def decision_of(row: tuple[Any, ...]) -> Decision:
    n, person, verdict, place, at, door, comment, form, digest, groups, read_at, option, unseen = row
    return Decision(
        n,
        person,
        VERDICTS.members[verdict],
        from_ms(at),
        DOORS.members[door],
        place,
        comment,
        load(form) or NOTHING,
        digest,
        None if read_at is None else Memberships(frozenset(load(groups) or ()), from_ms(read_at)),
        option,
        bool(unseen),
    )


# -- what comes early -----------------------------------------------------------------------------------------

CALLBACK = "n, at, request, cancels"
EARLY = "person, step, verdict, at, door, comment"


def callback_row(callback: Callback) -> tuple[Any, ...]:
    return callback.n, to_ms(callback.at), to_json(dict(callback.request)).decode(), int(callback.cancels)


def callback_of(row: tuple[Any, ...]) -> Callback:
    n, at, request, cancels = row
    return Callback(n, from_ms(at), load(request), bool(cancels))


def early_row(early: Early) -> tuple[Any, ...]:
    return (
        early.person,
        early.step or "",
        VERDICTS[early.verdict],
        to_ms(early.at),
        DOORS[early.door],
        early.comment,
    )


def early_of(row: tuple[Any, ...]) -> Early:
    person, step, verdict, at, door, comment = row
    return Early(person, step or None, VERDICTS.members[verdict], from_ms(at), DOORS.members[door], comment)


PERSON = "id, name, email, slack, tz"


def person_of(row: tuple[Any, ...]) -> Person:
    return Person(*row)


def marks(count: int) -> str:
    """``?, ?, ?`` for an ``IN`` of that many values."""
    return ", ".join("?" * count)
