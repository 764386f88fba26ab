"""Rows of the database as the engine's values, and back. Columns stand in the order of the migration."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic_core import from_json, to_json

from flows.effects import Lane
from flows.instants import from_ms, to_ms
from flows.people import Memberships, Person, Roster
from flows.run import (
    NOTHING,
    Approvers,
    Close,
    Closing,
    Decision,
    Door,
    Ending,
    Kind,
    Outcome,
    Run,
    StepRun,
    StepState,
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
    ]
)
OUTCOMES = _Codes([Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.EXPIRED, Outcome.CANCELLED, Outcome.FAILED])
KINDS = _Codes([Kind.APPROVAL, Kind.HOLD, Kind.DELAY])
VERDICTS = _Codes([Verdict.APPROVE, Verdict.REJECT, Verdict.RESUME])
DOORS = _Codes([Door.SLACK, Door.PAGE, Door.API])
CLOSES = _Codes([Close.APPROVED, Close.REJECTED, Close.RESUMED, Close.EXPIRED, Close.CANCELLED, Close.ELAPSED])
LANES = _Codes([Lane.ENGINE, Lane.PEOPLE, Lane.MESSAGES, Lane.ACTIONS])

OPEN_STATES: Final = tuple(STATES[s] for s in (StepState.ACTING, StepState.RESOLVING, StepState.SUSPENDED))


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

RUN = "id, requester, inputs, roster, started_at, acting, waiting, suspensions, version, outcome, ended_at, reason, ended_by"


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
    )


def run_update(run: Run) -> tuple[Any, ...]:
    """What a transition may change: all but ``id``, ``inputs`` and ``started_at``; how it ended where it has."""
    ending = run.ending
    moving = (
        run.requester,
        None if ending is not None or run.roster is None else _roster_text(run.roster),
        run.acting,
        run.waiting,
        run.suspensions,
        run.version,
    )
    if ending is None:
        return moving
    return (*moving, OUTCOMES[ending.outcome], to_ms(ending.at), ending.reason, dump(ending.by))


def run_of(row: tuple[Any, ...], flow: str) -> Run:
    (id_, requester, inputs, roster, started, acting, waiting, suspensions, version, outcome, ended, reason, by) = row
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
    )


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

STEP = "path, state, round, attempt, suspension, output, error"


def step_row(step: StepRun) -> tuple[Any, ...]:
    return (
        step.path,
        STATES[step.state],
        step.round,
        step.attempt,
        step.suspension,
        dump_output(step.output),
        step.error,
    )


def step_of(row: tuple[Any, ...]) -> StepRun:
    path, state, round_, attempt, suspension, output, error = row
    return StepRun(path, STATES.members[state], round_, attempt, suspension, load(output), error)


# -- suspensions ----------------------------------------------------------------------------------------------

SUSPENSION = (
    "n, path, kind, round, ordinal, opened_at, due, ask, show, defaults, people, groups, gaps, needed, digest, "
    "generation, how, closed_at, closed_by"
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
        *(closing_row(closing) if closing else (None, None, None)),
    )


def closing_row(closing: Closing) -> tuple[Any, ...]:
    """The last three columns: all that closing changes."""
    return CLOSES[closing.how], to_ms(closing.at), dump(closing.by)


def suspension_of(row: tuple[Any, ...]) -> Suspension:
    (n, path, kind, round_, ordinal, opened, due, ask, show, defaults) = row[:10]
    (people, groups, gaps, needed, digest, generation, how, closed, by) = row[10:]
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
        None if how is None else Closing(CLOSES.members[how], from_ms(closed), tuple(load(by) or ())),
    )


# -- decisions ------------------------------------------------------------------------------------------------

DECISION = "n, person, verdict, place, at, door, comment, form, digest, groups, groups_read_at"


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
    )


def decision_of(row: tuple[Any, ...]) -> Decision:
    n, person, verdict, place, at, door, comment, form, digest, groups, read_at = row
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
    )


PERSON = "id, name, email, slack, tz"


def person_of(row: tuple[Any, ...]) -> Person:
    return Person(*row)


def marks(count: int) -> str:
    """``?, ?, ?`` for an ``IN`` of that many values."""
    return ", ".join("?" * count)
