"""Read the slice of a run that one event needs, and save what a transition made of it.

Functions over ``sqlite3.Connection``, to be called inside a transaction on the database's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from flows import quorum
from flows.definition import Approval, Hold
from flows.errors import UnknownRun
from flows.events import CancelRequested, DecisionMade, Event, PeopleMerged, PeopleResolved, TimerFired
from flows.people import Person, PersonId
from flows.plan import Plan, Reads
from flows.run import Answer, Decision, Path, Run, Slice, StepRun, Suspension, Verdict
from flows.store.kept import Kept
from flows.store.rows import (
    DECISION,
    OPEN_STATES,
    PERSON,
    RUN,
    STEP,
    SUSPENSION,
    VERDICTS,
    closing_row,
    decision_of,
    decision_row,
    marks,
    person_of,
    run_of,
    run_row,
    run_update,
    step_of,
    step_row,
    suspension_of,
    suspension_row,
)
from flows.transition import Transition

Connection = sqlite3.Connection

FEW = 16
"""A quorum up to which all decisions of an open suspension are read at once, whole."""

NO_ANSWERS: Mapping[int, Answer] = MappingProxyType({})

_INSERT_RUN = f"INSERT INTO runs (definition, {RUN}) VALUES ({marks(14)})"
_UPDATE_RUN = "UPDATE runs SET requester = ?, roster = ?, acting = ?, waiting = ?, suspensions = ?, version = ? WHERE id = ? AND version = ?"
_UPDATE_ENDED_RUN = _UPDATE_RUN.replace(" WHERE", ", outcome = ?, ended_at = ?, reason = ?, ended_by = ? WHERE")
_REPLACE_STEP = f"INSERT OR REPLACE INTO step_runs (run, {STEP}) VALUES ({marks(8)})"
_REPLACE_SUSPENSION = f"INSERT OR REPLACE INTO suspensions (run, {SUSPENSION}) VALUES ({marks(20)})"
_CLOSE_SUSPENSION = "UPDATE suspensions SET how = ?, closed_at = ?, closed_by = ? WHERE run = ? AND n = ?"
_REPLACE_DECISION = f"INSERT OR REPLACE INTO decisions (run, {DECISION}) VALUES ({marks(12)})"

_SELECT_RUN = f"SELECT definition, {RUN} FROM runs WHERE id = ?"
_SELECT_STEP = f"SELECT {STEP} FROM step_runs WHERE run = ? AND path = ?"
_SELECT_OPEN_STEPS = f"SELECT {STEP} FROM step_runs WHERE run = ? AND state IN ({marks(len(OPEN_STATES))})"
_SELECT_ALL_STEPS = f"SELECT {STEP} FROM step_runs WHERE run = ?"
_SELECT_SUSPENSION = f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND n = ?"
_SELECT_OPEN_SUSPENSIONS = f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND how IS NULL"
_SELECT_DECISIONS = f"SELECT {DECISION} FROM decisions WHERE run = ? AND n = ? ORDER BY place"
_SELECT_MINE = f"SELECT {DECISION} FROM decisions WHERE run = ? AND n = ? AND person = ?"
_SELECT_STANDING = "SELECT person, verdict FROM decisions WHERE run = ? AND n = ? ORDER BY place"


def load_run(connection: Connection, kept: Kept, run_id: int) -> tuple[Plan, Run]:
    """The run's row and its pinned plan. Raises ``UnknownRun``."""
    row = connection.execute(_SELECT_RUN, (run_id,)).fetchone()
    if row is None:
        raise UnknownRun("There is no such run.")
    plan = kept.plan(connection, row[0])
    return plan, run_of(row[1:], plan.flow.flow)


def load_slice(connection: Connection, kept: Kept, run_id: int, event: Event, *, now: datetime) -> tuple[Plan, Slice]:
    """What ``event`` needs of the run, and the run's plan. Raises ``UnknownRun``."""
    plan, run = load_run(connection, kept, run_id)
    match event:
        case DecisionMade():
            return plan, _for_decision(connection, kept, plan, run, event, now)
        case CancelRequested():
            return plan, _for_cancel(connection, kept, run, event)
        case PeopleMerged():
            return plan, _for_merge(connection, kept, run, event)
        case TimerFired():
            suspension = load_suspension(connection, run.id, event.n)
            return plan, _at(connection, kept, plan, run, event.path, [suspension] if suspension else [])
        case PeopleResolved():
            return plan, _at(connection, kept, plan, run, event.path, [], *event.roster.ids())
        case _:
            return plan, _at(connection, kept, plan, run, event.path, [])


def load_known(
    connection: Connection, run: Run, paths: Iterable[Path], reads: Reads, answered: Mapping[int, Answer] = NO_ANSWERS
) -> tuple[dict[Path, StepRun], dict[Path, Answer]]:
    """Step runs at ``paths`` and those that ``reads`` names, and the answers that it names.

    ``answered`` are answers that were read already, by their suspension's number.
    """
    steps: dict[Path, StepRun] = {}
    for path in {*paths, *reads.outputs, *reads.answers}:
        row = connection.execute(_SELECT_STEP, (run.id, path)).fetchone()
        if row is not None:
            steps[path] = step_of(row)
    answers: dict[Path, Answer] = {}
    for path in reads.answers:
        n = steps[path].suspension if path in steps else None
        if n is None:
            continue
        if n in answered:
            answers[path] = answered[n]
        elif (suspension := load_suspension(connection, run.id, n)) is not None:
            answers[path] = Answer(suspension, load_decisions(connection, run.id, n))
    return steps, answers


def load_all_steps(connection: Connection, run_id: int) -> dict[Path, StepRun]:
    return {step.path: step for step in map(step_of, connection.execute(_SELECT_ALL_STEPS, (run_id,)))}


def load_suspension(connection: Connection, run_id: int, n: int) -> Suspension | None:
    row = connection.execute(_SELECT_SUSPENSION, (run_id, n)).fetchone()
    return None if row is None else suspension_of(row)


def load_decisions(connection: Connection, run_id: int, n: int) -> tuple[Decision, ...]:
    """All decisions of a suspension, in the order in which they were made."""
    return tuple(map(decision_of, connection.execute(_SELECT_DECISIONS, (run_id, n))))


def load_people(connection: Connection, kept: Kept, ids: Iterable[PersonId]) -> dict[PersonId, Person]:
    """People by the ids that were asked for; an id that was merged away leads to who took over, who is there too."""
    found: dict[PersonId, Person] = {}
    missing: list[PersonId] = []
    for one in ids:
        person = kept.person(one)
        if person is None:
            missing.append(one)
        else:
            found[one] = found[person.id] = person
    if missing:
        read = _read_people(connection, missing)
        kept.keep(read)
        found |= read
        found |= {person.id: person for person in read.values()}
    return found


def _read_people(connection: Connection, ids: list[PersonId]) -> dict[PersonId, Person]:
    found: dict[PersonId, Person] = {}
    for start in range(0, len(ids), 500):  # SQLite's limit on parameters is 999 in old builds
        some = ids[start : start + 500]
        rows = connection.execute(f"SELECT merged_into, {PERSON} FROM people WHERE id IN ({marks(len(some))})", some)
        for merged_into, *rest in rows.fetchall():
            person = person_of(tuple(rest))
            found[person.id] = person
            if merged_into is not None:
                found[person.id] = _read_people(connection, [merged_into]).get(merged_into, person)
    return found


def insert_run(connection: Connection, transition: Transition, definition: int) -> None:
    """Save the transition that ``machine.start`` made."""
    run = transition.run
    connection.execute(_INSERT_RUN, (definition, run.id, *run_row(run)))
    _save_rows(connection, transition)


def save(connection: Connection, transition: Transition) -> None:
    """Save the rows of a transition that ``machine.advance`` made."""
    run = transition.run
    values = run_update(run)
    statement = _UPDATE_RUN if run.ending is None else _UPDATE_ENDED_RUN
    changed = connection.execute(statement, (*values, run.id, run.version - 1)).rowcount
    if changed != 1:
        raise AssertionError(f"run {run.id} was changed outside of its transaction")
    _save_rows(connection, transition)


def _save_rows(connection: Connection, transition: Transition) -> None:
    run = transition.run.id
    for step in transition.steps:
        connection.execute(_REPLACE_STEP, (run, *step_row(step)))
    for suspension in transition.suspensions:
        closing = suspension.closing
        if closing is None:
            connection.execute(_REPLACE_SUSPENSION, (run, *suspension_row(suspension)))
        else:
            connection.execute(_CLOSE_SUSPENSION, (*closing_row(closing), run, suspension.n))
        _save_seats(connection, run, suspension)
    for n, person in transition.removed:
        connection.execute("DELETE FROM decisions WHERE run = ? AND n = ? AND person = ?", (run, n, person))
    for decision in transition.decisions:
        connection.execute(_REPLACE_DECISION, (run, *decision_row(decision)))


def _save_seats(connection: Connection, run: int, suspension: Suspension) -> None:
    seats: tuple[PersonId | str, ...] = (*suspension.approvers.people, *suspension.approvers.groups)
    if suspension.closing is not None:
        connection.executemany(
            "DELETE FROM seats WHERE who = ? AND run = ? AND n = ?", [(who, run, suspension.n) for who in seats]
        )
    else:
        connection.executemany(
            "INSERT OR IGNORE INTO seats (who, run, n) VALUES (?, ?, ?)", [(who, run, suspension.n) for who in seats]
        )


def _at(
    connection: Connection,
    kept: Kept,
    plan: Plan,
    run: Run,
    path: Path,
    suspensions: list[Suspension],
    *more: PersonId,
    alone: bool = False,
    answered: Mapping[int, Answer] = NO_ANSWERS,
) -> Slice:
    """The step run at ``path``, and unless it is ``alone`` what the steps that may come next read."""
    if run.ending is not None:
        return Slice(run, steps={}, suspensions=_by_n(suspensions))
    steps, answers = load_known(connection, run, (path,), Reads() if alone else plan.at(path).event_reads, answered)
    return Slice(
        run,
        steps,
        _by_n(suspensions),
        answers=answers,
        people=load_people(connection, kept, _people_in(run, answers, more)),
    )


def _for_decision(
    connection: Connection, kept: Kept, plan: Plan, run: Run, event: DecisionMade, now: datetime
) -> Slice:
    suspension = load_suspension(connection, run.id, event.n)
    if suspension is None:
        return Slice(run, steps={})
    if suspension.closing is not None:
        return Slice(
            run,
            steps={},
            suspensions=_by_n([suspension]),
            mine=_mine(connection, run.id, event),
            people=load_people(connection, kept, suspension.closing.by),
        )
    answered: dict[int, Answer] = {}
    if suspension.needed <= FEW:
        # While it is open, fewer people have said yes than it takes, and nobody has said no: all of them in one go.
        decisions = load_decisions(connection, run.id, event.n)
        standing = {decision.person: decision.verdict for decision in decisions}
        mine = next((decision for decision in decisions if decision.person == event.person), None)
        answered[suspension.n] = Answer(suspension, decisions)
    else:
        standing = _standing(connection, run.id, event.n)
        mine = _mine(connection, run.id, event)
    wait = plan.at(suspension.path).step.wait
    overdue = suspension.due is not None and now >= suspension.due
    # Nothing follows a decision that leaves it open. With a thousand people on one card, whose answers a later
    # step reads, each click would else read all the answers before it.
    stays = (
        isinstance(wait, Approval | Hold)
        and not overdue
        and quorum.tally(wait, suspension, {**standing, event.person: event.verdict}) is None
    )
    slice_ = _at(
        connection, kept, plan, run, suspension.path, [suspension], event.person, alone=stays, answered=answered
    )
    return Slice(
        run,
        slice_.steps,
        slice_.suspensions,
        standing=standing,
        mine=mine,
        answers=slice_.answers,
        people=slice_.people,
    )


def _mine(connection: Connection, run_id: int, event: DecisionMade) -> Decision | None:
    row = connection.execute(_SELECT_MINE, (run_id, event.n, event.person)).fetchone()
    return None if row is None else decision_of(row)


def _standing(connection: Connection, run_id: int, n: int) -> dict[PersonId, Verdict]:
    # As bare pairs: with a thousand people on one card, this is what each further click reads.
    verdicts = VERDICTS.members
    return {person: verdicts[verdict] for person, verdict in connection.execute(_SELECT_STANDING, (run_id, n))}


def _for_cancel(connection: Connection, kept: Kept, run: Run, event: CancelRequested) -> Slice:
    steps = {step.path: step for step in map(step_of, connection.execute(_SELECT_OPEN_STEPS, (run.id, *OPEN_STATES)))}
    suspensions = list(map(suspension_of, connection.execute(_SELECT_OPEN_SUSPENSIONS, (run.id,))))
    return Slice(run, steps, _by_n(suspensions), people=load_people(connection, kept, [event.person, run.requester]))


def _for_merge(connection: Connection, kept: Kept, run: Run, event: PeopleMerged) -> Slice:
    suspensions = list(map(suspension_of, connection.execute(_SELECT_OPEN_SUSPENSIONS, (run.id,))))
    answers = {one.path: Answer(one, load_decisions(connection, run.id, one.n)) for one in suspensions}
    return Slice(
        run,
        steps={},
        suspensions=_by_n(suspensions),
        answers=answers,
        people=load_people(connection, kept, [event.kept]),
    )


def _people_in(run: Run, answers: Mapping[Path, Answer], more: Iterable[PersonId]) -> set[PersonId]:
    people = {run.requester, *more}
    if run.roster is not None:
        people |= run.roster.ids()
    for answer in answers.values():
        people.update(decision.person for decision in answer.decisions)
    return people


def _by_n(suspensions: Iterable[Suspension]) -> dict[int, Suspension]:
    return {suspension.n: suspension for suspension in suspensions}
