"""Rows of the database as the engine's values, and back. Columns stand in the order of the migration."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic_core import from_json, to_json

from flows.delegation import Delegation
from flows.effects import Lane, Note
from flows.instants import from_ms, to_ms
from flows.people import Memberships, Person, Roster
from flows.rules import Terms
from flows.run import (
    NO_CLOCKS,
    NOTHING,
    Approvers,
    Callback,
    Clocks,
    Close,
    Closing,
    Decision,
    Door,
    Early,
    Ending,
    Inside,
    Kind,
    Later,
    Outcome,
    Paused,
    Place,
    Question,
    Run,
    StepRun,
    StepState,
    Stop,
    Suspension,
    Timer,
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
TIMERS = _Codes([Timer.DUE, Timer.REMIND, Timer.ESCALATE, Timer.SETTLE, Timer.WAKE, Timer.RESTART])
NOTES = _Codes(
    [
        Note.REMINDER,
        Note.NUDGE,
        Note.WOKEN,
        Note.QUESTION,
        Note.ANSWER,
        Note.ESCALATED,
        Note.REASSIGNED,
        Note.DROPPED,
    ]
)
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
    "ended_by, paused_by, paused_at, place, supersede, more"
)
MOVING = "requester, roster, acting, waiting, suspensions, version, paused_by, paused_at, place, more"
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
        run.paused.by if run.paused else None,
        to_ms(run.paused.at) if run.paused else None,
        PLACES[run.place] if run.place else None,
        run.supersede,
        _more_of_run(run),
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
        run.paused.by if run.paused else None,
        to_ms(run.paused.at) if run.paused else None,
        PLACES[run.place] if run.place else None,
        _more_of_run(run),
    )
    if ending is None:
        return moving
    return (*moving, OUTCOMES[ending.outcome], to_ms(ending.at), ending.reason, dump(ending.by))


def run_of(row: tuple[Any, ...], flow: str) -> Run:
    (id_, requester, inputs, roster, started, acting, waiting, suspensions, version, outcome, ended, reason, by) = row[
        :13
    ]
    (paused_by, paused_at, place, supersede, text) = row[13:]
    more = NOTHING if text is None else from_json(text)
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
        _stop(more["stop"]) if "stop" in more else None,
        None if paused_by is None else Paused(paused_by, from_ms(paused_at)),
        None if place is None else PLACES.members[place],
        supersede,
        more.get("outputs", NOTHING),
        more.get("resubmits"),
    )


def _more_of_run(run: Run) -> str | None:
    """What few runs have, as JSON."""
    more: dict[str, Any] = {}
    if run.stop is not None:
        more["stop"] = _stop_row(run.stop)
    if run.outputs:
        more["outputs"] = dict(run.outputs)
    if run.resubmits is not None:
        more["resubmits"] = run.resubmits
    return to_json(more).decode() if more else None


def _stop_row(stop: Stop) -> list[Any]:
    return [OUTCOMES[stop.outcome], stop.reason, stop.by, stop.step]


def _stop(row: list[Any]) -> Stop:
    outcome, reason, by, step = row
    return Stop(OUTCOMES.members[outcome], reason, tuple(by), step)


def _roster_text(roster: Roster) -> str:
    people, groups, gaps = (dict(part) or None for part in (roster.people, roster.groups, roster.gaps))
    named = [dict(roster.named)] if roster.named else []
    return to_json([to_ms(roster.read_at), people, groups, gaps, *named]).decode()


def _roster(text: str) -> Roster:
    read_at, people, groups, gaps, *named = from_json(text)
    return Roster(
        from_ms(read_at),
        people or NOTHING,
        {handle: tuple(members) for handle, members in (groups or NOTHING).items()},
        gaps or NOTHING,
        named[0] if named else NOTHING,
    )


# -- step runs ------------------------------------------------------------------------------------------------

STEP = "path, state, round, attempt, suspension, output, error, more"


def step_row(step: StepRun) -> tuple[Any, ...]:
    return (
        step.path,
        STATES[step.state],
        step.round,
        step.attempt,
        step.suspension,
        dump_output(step.output),
        step.error,
        _more_of_step(step),
    )


def step_of(row: tuple[Any, ...]) -> StepRun:
    path, state, round_, attempt, suspension, output, error, text = row
    more = NOTHING if text is None else from_json(text)
    return StepRun(
        path,
        STATES.members[state],
        round_,
        attempt,
        suspension,
        load(output),
        error,
        _inside(more["inside"]) if "inside" in more else None,
        more.get("context"),
        more.get("woken"),
    )


def _more_of_step(step: StepRun) -> str | None:
    """What few step runs have, as JSON."""
    more: dict[str, Any] = {}
    if step.inside is not None:
        more["inside"] = _inside_row(step.inside)
    if step.context is not None:
        more["context"] = step.context
    if step.woken is not None:
        more["woken"] = step.woken
    return to_json(more).decode() if more else None


def _inside_row(inside: Inside) -> list[Any]:
    row = [inside.total, inside.next, inside.active, inside.branch, inside.handling]
    return [*row, _stop_row(inside.stop)] if inside.stop else row


def _inside(row: list[Any]) -> Inside:
    total, next_, active, branch, handling, *stop = row
    return Inside(total, next_, active, branch, handling, _stop(stop[0]) if stop else None)


# -- suspensions ----------------------------------------------------------------------------------------------

SUSPENSION = (
    "n, path, kind, round, ordinal, opened_at, due, ask, show, defaults, people, groups, gaps, needed, digest, "
    "generation, how, closed_at, closed_by, closed_reason, closed_option, more"
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
        _more_of_suspension(suspension),
    )


def closing_row(closing: Closing) -> tuple[Any, ...]:
    """The columns from ``how`` to ``closed_option``: all that closing changes."""
    return CLOSES[closing.how], to_ms(closing.at), dump(closing.by), closing.reason, closing.option


def suspension_of(row: tuple[Any, ...]) -> Suspension:
    (n, path, kind, round_, ordinal, opened, due, ask, show, defaults) = row[:10]
    (people, groups, gaps, needed, digest, generation, how, closed, by, reason, option) = row[10:21]
    more = NOTHING if row[21] is None else from_json(row[21])
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
        more.get("texts", NOTHING),
        Terms.from_json(more["terms"]) if "terms" in more else None,
        more.get("spec"),
        _clocks(more["clocks"]) if "clocks" in more else NO_CLOCKS,
    )


def _more_of_suspension(suspension: Suspension) -> str | None:
    """What few suspensions have, as JSON."""
    more: dict[str, Any] = {}
    if suspension.texts:
        more["texts"] = dict(suspension.texts)
    if suspension.terms is not None:
        more["terms"] = suspension.terms.to_json()
    if suspension.spec is not None:
        more["spec"] = dict(suspension.spec)
    if suspension.clocks != NO_CLOCKS:
        more["clocks"] = _clocks_row(suspension.clocks)
    return to_json(more).decode() if more else None


def _clocks_row(clocks: Clocks) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stopped_at": _ms(clocks.stopped_at),
        "settles_at": _ms(clocks.settles_at),
        "reminded": clocks.reminded,
        "escalated": clocks.escalated,
        "nudged_at": _ms(clocks.nudged_at),
        "snoozed": {str(person): to_ms(until) for person, until in clocks.snoozed.items()},
        "later": [
            [to_ms(one.at), one.approvers.people, one.approvers.groups, one.approvers.gaps, one.asked]
            for one in clocks.later
        ],
        "relieved": clocks.relieved,
    }
    return {name: value for name, value in row.items() if value}


def _clocks(row: dict[str, Any]) -> Clocks:
    return Clocks(
        _instant(row.get("stopped_at")),
        _instant(row.get("settles_at")),
        row.get("reminded", 0),
        row.get("escalated", 0),
        _instant(row.get("nudged_at")),
        {int(person): from_ms(until) for person, until in row.get("snoozed", {}).items()},
        tuple(
            Later(
                from_ms(at),
                Approvers(tuple(people), tuple(groups), tuple((one, why) for one, why in gaps)),
                tuple(asked),
            )
            for at, people, groups, gaps, asked in row.get("later", ())
        ),
        tuple(row.get("relieved", ())),
    )


# -- decisions ------------------------------------------------------------------------------------------------

DECISION = "n, person, verdict, place, at, door, comment, form, digest, groups, groups_read_at, option, unseen, acted"


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
        decision.by,
    )


def decision_of(row: tuple[Any, ...]) -> Decision:
    n, person, verdict, place, at, door, comment, form, digest, groups, read_at, option, unseen, acted = row
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
        acted,
    )


# -- questions and delegations --------------------------------------------------------------------------------

QUESTION = "n, place, person, at, text, answer, answered_by, answered_at"
DELEGATION = "id, person, delegate, starts, ends, flows, made_by, made_at, ended_at"


def question_row(question: Question) -> tuple[Any, ...]:
    return (
        question.n,
        question.place,
        question.person,
        to_ms(question.at),
        question.text,
        question.answer,
        question.answered_by,
        _ms(question.answered_at),
    )


def question_of(row: tuple[Any, ...]) -> Question:
    n, place, person, at, text, answer, answered_by, answered_at = row
    return Question(n, place, person, from_ms(at), text, answer, answered_by, _instant(answered_at))


def delegation_of(row: tuple[Any, ...]) -> Delegation:
    id_, person, delegate, starts, ends, flows, made_by, made_at, ended_at = row
    return Delegation(
        id_,
        person,
        delegate,
        from_ms(starts),
        from_ms(ends),
        tuple(load(flows) or ()),
        made_by,
        from_ms(made_at),
        _instant(ended_at),
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
