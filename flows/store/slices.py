"""Read the slice of a run that one event needs, and save what a transition made of it.

Functions over ``sqlite3.Connection``, to be called inside a transaction on the database's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from pydantic_core import to_json

from flows import quorum
from flows.context import Known, Wanted
from flows.definition import Approval, Hold
from flows.delegation import Delegation
from flows.errors import UnknownRun
from flows.events import (
    CallbackReceived,
    CancelRequested,
    DecidedEarly,
    DecisionMade,
    DropRequested,
    Event,
    LinkMade,
    NudgeRequested,
    PauseRequested,
    PeopleMerged,
    PeopleResolved,
    PlaceGiven,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    ResumeRequested,
    RosterReread,
    SnoozeRequested,
    Superseded,
    SuspendRequested,
    TimerFired,
)
from flows.people import Person, PersonId
from flows.plan import NOTHING_READ, Plan, Reads, Shape, ancestors, bare, bind, indexes, wait_of
from flows.ports import Json
from flows.run import (
    Answer,
    Callback,
    Decision,
    Early,
    Kind,
    Path,
    Place,
    Question,
    Run,
    Said,
    Slice,
    StepRun,
    StepState,
    Suspension,
    Timer,
    Verdict,
)
from flows.store import delegations
from flows.store.kept import Kept
from flows.store.rows import (
    CALLBACK,
    DECISION,
    EARLY,
    MOVING,
    OPEN_STATES,
    PERSON,
    PLACES,
    QUESTION,
    RUN,
    STATES,
    STEP,
    SUSPENSION,
    VERDICTS,
    callback_of,
    callback_row,
    closing_row,
    decision_of,
    decision_row,
    early_of,
    early_row,
    load,
    marks,
    person_of,
    question_of,
    question_row,
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

CHUNK = 100
"""Items of a loop in one row."""

NO_ANSWERS: Mapping[int, Answer] = MappingProxyType({})


def _columns(names: str) -> int:
    return names.count(",") + 1


_INSERT_RUN = f"INSERT INTO runs (definition, {RUN}) VALUES ({marks(1 + _columns(RUN))})"
_UPDATE_RUN = f"UPDATE runs SET {MOVING.replace(',', ' = ?,')} = ? WHERE id = ? AND version = ?"
_UPDATE_ENDED_RUN = _UPDATE_RUN.replace(" WHERE", ", outcome = ?, ended_at = ?, reason = ?, ended_by = ? WHERE")
_REPLACE_STEP = f"INSERT OR REPLACE INTO step_runs (run, {STEP}) VALUES ({marks(1 + _columns(STEP))})"
_REPLACE_SUSPENSION = (
    f"INSERT OR REPLACE INTO suspensions (run, {SUSPENSION}) VALUES ({marks(1 + _columns(SUSPENSION))})"
)
_CLOSE_SUSPENSION = (
    "UPDATE suspensions SET how = ?, closed_at = ?, closed_by = ?, closed_reason = ?, closed_option = ? "
    "WHERE run = ? AND n = ?"
)
_REPLACE_DECISION = f"INSERT OR REPLACE INTO decisions (run, {DECISION}) VALUES ({marks(1 + _columns(DECISION))})"
_REPLACE_CALLBACK = f"INSERT OR REPLACE INTO callbacks (run, {CALLBACK}) VALUES ({marks(1 + _columns(CALLBACK))})"
_REPLACE_QUESTION = f"INSERT OR REPLACE INTO questions (run, {QUESTION}) VALUES ({marks(1 + _columns(QUESTION))})"
_REPLACE_EARLY = f"INSERT OR REPLACE INTO early (run, {EARLY}) VALUES ({marks(1 + _columns(EARLY))})"

_SELECT_RUN = f"SELECT definition, {RUN} FROM runs WHERE id = ?"
_SELECT_STEP = f"SELECT {STEP} FROM step_runs WHERE run = ? AND path = ?"
_SELECT_OPEN_STEPS = f"SELECT {STEP} FROM step_runs WHERE run = ? AND state IN ({marks(len(OPEN_STATES))})"
_SELECT_SOME_STEPS = (
    f"SELECT {STEP} FROM step_runs WHERE run = ? ORDER BY state IN ({marks(len(OPEN_STATES))}) DESC, path LIMIT ?"
)
_SELECT_SUSPENSION = f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND n = ?"
_SELECT_OPEN_SUSPENSIONS = f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND how IS NULL"
_SELECT_DECISIONS = f"SELECT {DECISION} FROM decisions WHERE run = ? AND n = ? ORDER BY place"
_SELECT_MINE = f"SELECT {DECISION} FROM decisions WHERE run = ? AND n = ? AND person = ?"
_SELECT_ACTED = f"SELECT {DECISION} FROM decisions WHERE run = ? AND n = ? AND acted = ? LIMIT 1"
_SELECT_STANDING = "SELECT person, verdict, option, acted, groups FROM decisions WHERE run = ? AND n = ? ORDER BY place"
_SELECT_STEPS_IN = f"SELECT {STEP} FROM step_runs WHERE run = ? AND state = ?"
_SELECT_STEP_OF = f"SELECT {STEP} FROM step_runs WHERE run = ? AND suspension = ?"
_SELECT_STEPS_BETWEEN = f"SELECT {STEP} FROM step_runs WHERE run = ? AND path > ? AND path < ?"
_SELECT_ITEMS = "SELECT items FROM items WHERE run = ? AND path = ? AND chunk = ?"
_SELECT_CALLBACK = f"SELECT {CALLBACK} FROM callbacks WHERE run = ? AND n = ?"
_SELECT_QUESTIONS = f"SELECT {QUESTION} FROM questions WHERE run = ? AND n = ? ORDER BY place"
_SELECT_OPEN_QUESTIONS = _SELECT_QUESTIONS.replace(" ORDER", " AND answered_at IS NULL ORDER")
_SELECT_EARLY = f"SELECT {EARLY} FROM early WHERE run = ? ORDER BY at, person, step"
_OF_FLOW = "FROM runs JOIN definitions d ON d.id = runs.definition WHERE runs.place = ? AND d.flow = ?"
_COUNT_PLACES = f"SELECT count(*) {_OF_FLOW}"
_NEXT_PLACE = f"SELECT min(runs.id) {_OF_FLOW} AND runs.paused_by IS NULL HAVING count(*) > 0"


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
    reading = _Reading(connection, kept, plan, run, now)
    match event:
        case DecisionMade():
            return plan, reading.for_decision(event)
        case CallbackReceived():
            return plan, reading.for_callback(event)
        case DropRequested():
            return plan, reading.around(event.n, event.person)
        case NudgeRequested() | SnoozeRequested() | QuestionAsked() | QuestionAnswered():
            return plan, reading.asking(event.n, event.person)
        case ReassignRequested():
            return plan, reading.asking(event.n, event.person, event.to, event.by)
        case RosterReread():
            return plan, reading.around(event.n, *event.roster.ids(), standing=True)
        case CancelRequested() | Superseded():
            return plan, reading.open(event.person if isinstance(event, CancelRequested) else run.requester)
        case LinkMade():
            return plan, Slice(run, steps={})
        case PauseRequested() | ResumeRequested() | PlaceGiven():
            return plan, reading.held()
        case DecidedEarly():
            return plan, reading.for_early(event)
        case PeopleMerged():
            return plan, reading.for_merge(event)
        case TimerFired():
            return plan, reading.for_timer(event)
        case PeopleResolved(n=n) if n:
            return plan, reading.asking(n, *event.roster.ids())
        case PeopleResolved():
            return plan, reading.at(event.path, event.roster.ids())
        case SuspendRequested():
            return plan, reading.at(event.path, event.roster.ids() if event.roster else (), early=True)
        case _:
            return plan, reading.at(event.path)


def extend(connection: Connection, kept: Kept, plan: Plan, slice_: Slice, wanted: Wanted) -> Slice:
    """The same slice with the rows that a transition turned out to need."""
    run = slice_.run
    if wanted.outputs is not None:
        turns = load_turns(connection, plan, run.id, wanted.outputs)
        gathered = slice_.gathered | _gathered(plan, wanted.outputs, turns)
        return slice_.but(steps={**slice_.steps, **turns}, gathered=gathered)
    if wanted.reads is not None:
        known = load_known(connection, plan, run, wanted.path or "", wanted.reads, next_items=True)
        people = load_people(connection, kept, _people_in(run, known.answers, ()))
        return _both(
            slice_,
            Slice(
                run,
                known.steps,
                answers=known.answers,
                people=people,
                items=known.items,
                looked=known.looked,
                asked=known.asked,
            ),
        )
    path = wanted.opened or ""
    found = {step.path: step for step in _open_below(connection, run.id, path)}
    suspensions = dict(slice_.suspensions)
    for step in found.values():
        if step.suspension is not None and step.suspension not in suspensions:
            one = load_suspension(connection, run.id, step.suspension)
            if one is not None:
                suspensions[one.n] = one
    return slice_.but(
        steps={**found, **slice_.steps},
        suspensions=suspensions,
        opened=slice_.opened | {path},
    )


def load_known(
    connection: Connection,
    plan: Plan,
    run: Run,
    path: Path,
    reads: Reads,
    answered: Mapping[int, Answer] = NO_ANSWERS,
    *,
    next_items: bool = False,
    gather: bool = False,
) -> Known:
    """What the step run at ``path`` may read of the run: its own row, those around it, and what ``reads`` names.

    ``answered`` are answers that were read already, by their suspension's number. ``next_items``: also the items
    with which the loops around it go on. ``gather``: also what loops came to. Nobody's name is read.
    """
    around = list(ancestors(plan, path)) if path else []
    wanted = {path, *around}
    answering: list[Path] = []
    for target in reads.outputs | reads.answers:
        bound = bind(target, plan.at(target).loops, path)
        if bound is not None:
            wanted.add(bound)
            if target in reads.answers:
                answering.append(bound)
    steps: dict[Path, StepRun] = {}
    for one in wanted:
        row = connection.execute(_SELECT_STEP, (run.id, one)).fetchone()
        if row is not None:
            steps[one] = step_of(row)
    answers: dict[Path, Answer] = {}
    for one in answering:
        n = steps[one].suspension if one in steps else None
        if n is None:
            continue
        if n in answered:
            answers[one] = answered[n]
        elif (suspension := load_suspension(connection, run.id, n)) is not None:
            answers[one] = load_answer(connection, run.id, suspension)
    gathered: set[Path] = set()
    if gather:
        for target in reads.outputs:
            bound = bind(target, plan.at(target).loops, path)
            if bound is not None and plan.at(target).shape in (Shape.LOOP, Shape.REPEAT):
                turns = load_turns(connection, plan, run.id, bound)
                steps |= turns
                gathered |= _gathered(plan, bound, turns)
    items = load_items(connection, run.id, path, steps, reads, next_items=next_items) if reads.items else {}
    return Known(
        run, steps, answers, {}, items, frozenset(gathered), looked=frozenset(wanted), asked=frozenset(answering)
    )


def load_answer(connection: Connection, run_id: int, suspension: Suspension) -> Answer:
    """What a suspension came to so far."""
    if suspension.kind in (Kind.CALLBACK, Kind.RERUN):
        return Answer(suspension, (), load_callback(connection, run_id, suspension.n))
    return Answer(suspension, load_decisions(connection, run_id, suspension.n))


def load_callback(connection: Connection, run_id: int, n: int) -> Callback | None:
    row = connection.execute(_SELECT_CALLBACK, (run_id, n)).fetchone()
    return None if row is None else callback_of(row)


def load_items(
    connection: Connection,
    run_id: int,
    path: Path,
    steps: Mapping[Path, StepRun],
    reads: Reads,
    *,
    next_items: bool,
) -> dict[Path, dict[int, Json]]:
    """The items of the loops around ``path`` that ``reads`` names, by the loop's path and the index."""
    found: dict[Path, dict[int, Json]] = {}
    for target, (loop, index) in indexes(path).items():
        if target not in reads.items:
            continue
        wanted = {index}
        row = steps.get(loop)
        if next_items and row is not None and row.inside is not None:
            wanted.add(row.inside.next)
        found[loop] = {}
        for chunk in {one // CHUNK for one in wanted}:
            stored = connection.execute(_SELECT_ITEMS, (run_id, loop, chunk)).fetchone()
            if stored is not None:
                # All of them: items whose steps are skipped are over at once, and the next ones begin.
                found[loop] |= enumerate(load(stored[0]), chunk * CHUNK)
    return found


def load_turns(connection: Connection, plan: Plan, run_id: int, path: Path) -> dict[Path, StepRun]:
    """The rows that the items or rounds of the loop at ``path`` came to: many, so only for who asks for all of them."""
    # '\\' is the letter after '[': everything below the loop, by the index.
    rows = connection.execute(_SELECT_STEPS_BETWEEN, (run_id, f"{path}[", f"{path}\\"))
    step = plan.at(path)
    last = "" if step.output is not None else step.blocks[""].last.path
    return {one.path: one for one in map(step_of, rows) if not last or bare(one.path).startswith(last)}


def _gathered(plan: Plan, path: Path, turns: Mapping[Path, StepRun]) -> set[Path]:
    """The loops whose items' outputs are all there, once ``load_turns`` has read those of the loop at ``path``: also
    loops inside it, where what an item comes to is what they come to."""
    loops = (Shape.LOOP, Shape.REPEAT)
    return {path, *(one for one in turns if not one.endswith("]") and plan.at(one).shape in loops)}


def _open_below(connection: Connection, run_id: int, path: Path) -> list[StepRun]:
    if not path:
        rows = connection.execute(_SELECT_OPEN_STEPS, (run_id, *OPEN_STATES))
    else:
        below = f"{_SELECT_OPEN_STEPS} AND path > ? AND path < ?"
        # '.' and '[' are the letters that stand between a path and what is inside it; '/' and '\\' follow them.
        rows = connection.execute(
            f"{below} UNION ALL {below}",
            (run_id, *OPEN_STATES, f"{path}.", f"{path}/", run_id, *OPEN_STATES, f"{path}[", f"{path}\\"),
        )
    return [step_of(row) for row in rows]


def load_step(connection: Connection, run_id: int, path: Path) -> StepRun | None:
    row = connection.execute(_SELECT_STEP, (run_id, path)).fetchone()
    return None if row is None else step_of(row)


def load_some_steps(connection: Connection, run_id: int, limit: int) -> dict[Path, StepRun]:
    """Steps of a run, at most ``limit``: the open ones first, then by path."""
    rows = connection.execute(_SELECT_SOME_STEPS, (run_id, *OPEN_STATES, limit))
    return {step.path: step for step in map(step_of, rows)}


def load_suspension(connection: Connection, run_id: int, n: int) -> Suspension | None:
    row = connection.execute(_SELECT_SUSPENSION, (run_id, n)).fetchone()
    return None if row is None else suspension_of(row)


def load_decisions(connection: Connection, run_id: int, n: int) -> tuple[Decision, ...]:
    """All decisions of a suspension, in the order in which they were made."""
    return tuple(map(decision_of, connection.execute(_SELECT_DECISIONS, (run_id, n))))


def load_questions(connection: Connection, run_id: int, n: int, *, open_only: bool = False) -> tuple[Question, ...]:
    """What was asked about a suspension, the oldest first."""
    rows = connection.execute(_SELECT_OPEN_QUESTIONS if open_only else _SELECT_QUESTIONS, (run_id, n))
    return tuple(map(question_of, rows))


def load_people(connection: Connection, kept: Kept, ids: Iterable[PersonId]) -> dict[PersonId, Person]:
    """People by the ids that were asked for; an id that was merged away leads to who took over, who is there too."""
    found: dict[PersonId, Person] = {}
    missing: list[PersonId] = []
    for one in ids:
        person = kept.person(one)
        if person is None:
            missing.append(one)
        else:
            found[one] = person
    if missing:
        read = _read_people(connection, missing)
        kept.keep(read)
        found |= read
    return found | {person.id: person for person in found.values()}


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
        if closing is None or suspension.n in transition.opened:
            connection.execute(_REPLACE_SUSPENSION, (run, *suspension_row(suspension)))
        else:
            connection.execute(_CLOSE_SUSPENSION, (*closing_row(closing), run, suspension.n))
        _save_seats(connection, run, suspension)
    for n, person in transition.unseated:
        connection.execute("DELETE FROM seats WHERE run = ? AND n = ? AND who = ?", (run, n, person))
    for n, person in transition.removed:
        connection.execute("DELETE FROM decisions WHERE run = ? AND n = ? AND person = ?", (run, n, person))
    for decision in transition.decisions:
        connection.execute(_REPLACE_DECISION, (run, *decision_row(decision)))
    for path, items in transition.items.items():
        connection.executemany(
            "INSERT OR REPLACE INTO items (run, path, chunk, items) VALUES (?, ?, ?, ?)",
            [
                (run, path, start // CHUNK, to_json(list(items[start : start + CHUNK])).decode())
                for start in range(0, len(items), CHUNK)
            ],
        )
    for question in transition.questions:
        connection.execute(_REPLACE_QUESTION, (run, *question_row(question)))
    for callback in transition.callbacks:
        connection.execute(_REPLACE_CALLBACK, (run, *callback_row(callback)))
    for n in transition.forgotten:
        connection.execute("DELETE FROM callbacks WHERE run = ? AND n = ?", (run, n))
    for early in transition.kept:
        connection.execute(_REPLACE_EARLY, (run, *early_row(early)))
    for person, step_id in transition.used:
        connection.execute("DELETE FROM early WHERE run = ? AND person = ? AND step = ?", (run, person, step_id or ""))


def _save_seats(connection: Connection, run: int, suspension: Suspension) -> None:
    veto = suspension.terms.veto if suspension.terms else ()
    seats: tuple[PersonId | str, ...] = (*suspension.approvers.people, *suspension.approvers.groups, *veto)
    if not seats:
        return
    if suspension.closing is not None:
        connection.executemany(
            "DELETE FROM seats WHERE who = ? AND run = ? AND n = ?", [(who, run, suspension.n) for who in seats]
        )
    else:
        connection.executemany(
            "INSERT OR IGNORE INTO seats (who, run, n) VALUES (?, ?, ?)", [(who, run, suspension.n) for who in seats]
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the slice of one run for one event."""

    connection: Connection
    kept: Kept
    plan: Plan
    run: Run
    now: datetime

    def at(
        self,
        path: Path,
        more: Iterable[PersonId] = (),
        *,
        suspensions: Iterable[Suspension] = (),
        alone: bool = False,
        answered: Mapping[int, Answer] = NO_ANSWERS,
        early: bool = False,
        entering: bool = False,
    ) -> Slice:
        """The step run at ``path``, those around it, and unless it is ``alone`` what the steps that may come next read.

        ``early``: what came early is read whatever the definition says of it. ``entering``: the step is still to be
        gone into, so what it reads itself is read too.
        """
        run, plan = self.run, self.plan
        known_suspensions = {suspension.n: suspension for suspension in suspensions}
        if run.ending is not None:
            return Slice(run, steps={}, suspensions=known_suspensions)
        reads = NOTHING_READ if alone else plan.event_reads(path)
        if entering:
            reads |= plan.entering(plan.at(path))
        known = load_known(self.connection, plan, run, path, reads, answered, next_items=True)
        callbacks: dict[int, Callback] = {}
        for one in (path, *ancestors(plan, path)):
            step = known.steps.get(one)
            n = step.suspension if step is not None else None
            if n is None or (one == path and not plan.at(one).reserves):
                continue
            if n not in known_suspensions and (suspension := load_suspension(self.connection, run.id, n)) is not None:
                known_suspensions[n] = suspension
            if one == path and (called := load_callback(self.connection, run.id, n)) is not None:
                callbacks[n] = called
        standing_in = self.delegations()
        more = [*more, *(one.delegate for one in standing_in)]
        waiting = self.early() if not alone and (early or plan.takes_early) else ()
        persons = _people_in(run, known.answers, [*more, *(each.person for each in waiting)])
        return Slice(
            run,
            known.steps,
            known_suspensions,
            answers=known.answers,
            people=load_people(self.connection, self.kept, persons),
            items=known.items,
            callbacks=callbacks,
            early=waiting,
            place_free=self.place_free(),
            looked=known.looked,
            asked=known.asked,
            delegations=standing_in,
        )

    def early(self) -> tuple[Early, ...]:
        """Decisions that wait for their approval, in the order in which they were given."""
        return tuple(map(early_of, self.connection.execute(_SELECT_EARLY, (self.run.id,))))

    def place_free(self) -> bool:
        limit = self.plan.flow.concurrency
        if limit is None or self.run.place is Place.HELD:
            return True
        return places_held(self.connection, self.run.flow) < limit.limit

    def around(self, n: int, *more: PersonId, standing: bool = False) -> Slice:
        """The suspension ``n`` and its step run."""
        suspension = load_suspension(self.connection, self.run.id, n)
        if suspension is None:
            return Slice(self.run, steps={})
        persons = [*more, *(suspension.closing.by if suspension.closing else ()), *suspension.approvers.people]
        slice_ = self.at(suspension.path, persons, suspensions=[suspension])
        if suspension.closing is not None:
            slice_ = slice_.but(people=load_people(self.connection, self.kept, persons))
        if not standing:
            return slice_
        return slice_.but(standing=_standing(self.connection, self.run.id, suspension), deciding=n)

    def asking(self, n: int, *people: PersonId) -> Slice:
        """The suspension ``n`` with what everybody has said, and the questions that nobody has answered."""
        suspension = load_suspension(self.connection, self.run.id, n)
        if suspension is None:
            return Slice(self.run, steps={})
        later = [one for step in suspension.clocks.later for one in step.asked]
        slice_ = self.around(n, *people, *later, standing=True)
        answer = load_answer(self.connection, self.run.id, suspension)
        return slice_.but(
            answers={**slice_.answers, suspension.path: answer},
            questions=load_questions(self.connection, self.run.id, n, open_only=True),
        )

    def for_timer(self, event: TimerFired) -> Slice:
        if event.timer is not Timer.DUE:
            return self.asking(event.n)
        suspension = load_suspension(self.connection, self.run.id, event.n) if event.n > 0 else None
        if suspension is not None and suspension.clocks.settles_at is not None:
            return self.asking(event.n)  # what was said may take effect
        if not event.path:
            return self.open(self.run.requester)
        return self.at(event.path, suspensions=[suspension] if suspension else [], entering=event.n <= 0)

    def for_callback(self, event: CallbackReceived) -> Slice:
        suspension = load_suspension(self.connection, self.run.id, event.n)
        called = load_callback(self.connection, self.run.id, event.n)
        if suspension is None:
            # Early: the step that gave the link away has the number already.
            row = self.connection.execute(_SELECT_STEP_OF, (self.run.id, event.n)).fetchone()
            steps = {} if row is None else {row[0]: step_of(row)}
            slice_ = Slice(self.run, steps)
        elif suspension.closing is not None:
            slice_ = Slice(
                self.run,
                steps={},
                suspensions={suspension.n: suspension},
                people=load_people(self.connection, self.kept, suspension.closing.by),
            )
        else:
            slice_ = self.at(suspension.path, suspensions=[suspension])
        return slice_.but(callbacks={} if called is None else {called.n: called})

    def for_decision(self, event: DecisionMade) -> Slice:
        connection, run, now = self.connection, self.run, self.now
        suspension = load_suspension(connection, run.id, event.n)
        if suspension is None:
            return Slice(run, steps={})
        if suspension.closing is not None:
            return Slice(
                run,
                steps={},
                suspensions={suspension.n: suspension},
                mine=_mine(connection, run.id, event),
                people=load_people(connection, self.kept, suspension.closing.by),
            )
        answered: dict[int, Answer] = {}
        if suspension.needed <= FEW:
            # While it is open, few people have said anything: all of it in one go.
            decisions = load_decisions(connection, run.id, event.n)
            standing = {decision.person: decision.said for decision in decisions}
            mine = next((decision for decision in decisions if decision.person == event.person), None)
            mine = mine or next((decision for decision in decisions if decision.by == event.person), None)
            answered[suspension.n] = Answer(suspension, decisions)
        else:
            standing = _standing(connection, run.id, suspension)
            mine = _mine(connection, run.id, event)
            if suspension.settled(now):
                answered[suspension.n] = load_answer(connection, run.id, suspension)
        wait = wait_of(self.plan.at(suspension.path), suspension)
        overdue = suspension.overdue(now) or suspension.settled(now)
        # Nothing follows a decision that leaves it open. With a thousand people on one card, whose answers a later
        # step reads, each click would else read all the answers before it.
        groups = event.memberships.groups if event.memberships else frozenset()
        said = Said(event.verdict, event.option, groups)
        stays = (
            isinstance(wait, Approval | Hold)
            and not overdue
            and (
                event.verdict is Verdict.WITHDRAW
                or quorum.tally(wait, suspension, {**standing, event.person: said}) is None
            )
        )
        standing_in = self.delegations()
        concerned = [event.person, *(one.person for one in standing_in)]
        if not stays:
            concerned += [who for person, said in standing.items() for who in (person, said.by) if who is not None]
        slice_ = self.at(suspension.path, concerned, suspensions=[suspension], alone=stays, answered=answered)
        questions: tuple[Question, ...] = ()
        if suspension.clocks.stopped_at is not None:
            questions = load_questions(connection, run.id, suspension.n, open_only=True)
        answers = slice_.answers
        if suspension.n in answered:
            answers = {**answers, suspension.path: answered[suspension.n]}
        return slice_.but(
            answers=answers,
            standing=standing,
            mine=mine,
            deciding=suspension.n,
            questions=questions,
            delegations=standing_in,
        )

    def delegations(self) -> tuple[Delegation, ...]:
        """Those that are in force now, for this flow."""
        kept = delegations.in_force(self.connection, self.kept)
        return tuple(one for one in kept if one.holds(self.run.flow, self.now)) if kept else ()

    def open(self, person: PersonId) -> Slice:
        """Everything of the run that is open."""
        steps = {step.path: step for step in _open_below(self.connection, self.run.id, "")}
        rows = self.connection.execute(_SELECT_OPEN_SUSPENSIONS, (self.run.id,))
        return self._with_endings(
            Slice(
                self.run,
                steps,
                {one.n: one for one in map(suspension_of, rows)},
                people=load_people(self.connection, self.kept, [person, self.run.requester]),
                opened=frozenset({""}),
                place_free=self.place_free(),
            )
        )

    def _with_endings(self, slice_: Slice) -> Slice:
        """Also what the steps that always run at the end read."""
        if not any(name in self.plan.blocks for name in ("finally", "on_error")) or self.run.ending is not None:
            return slice_
        reads = self.plan.ending_reads
        known = load_known(self.connection, self.plan, self.run, "", reads)
        persons = _people_in(self.run, known.answers, slice_.people)
        return slice_.but(
            steps={**known.steps, **slice_.steps},
            answers=known.answers,
            people=load_people(self.connection, self.kept, persons),
            looked=known.looked,
            asked=known.asked,
        )

    def held(self) -> Slice:
        """The steps that are next, what they read, and what is open."""
        rows = self.connection.execute(_SELECT_STEPS_IN, (self.run.id, STATES[StepState.HELD])).fetchall()
        asking = self.connection.execute(_SELECT_OPEN_SUSPENSIONS, (self.run.id,)).fetchall()
        slice_ = Slice(
            self.run,
            steps={},
            suspensions={one.n: one for one in map(suspension_of, asking)},
            people=load_people(self.connection, self.kept, [self.run.requester]),
            place_free=self.place_free(),
        )
        for step in map(step_of, rows):
            slice_ = _both(slice_, self.at(step.path, entering=True))
        return slice_

    def for_early(self, event: DecidedEarly) -> Slice:
        rows = self.connection.execute(_SELECT_OPEN_SUSPENSIONS, (self.run.id,)).fetchall()
        people = load_people(self.connection, self.kept, [event.person, self.run.requester])
        slice_ = Slice(self.run, steps={}, people=people, place_free=self.place_free())
        for suspension in map(suspension_of, rows):
            if suspension.kind is not Kind.APPROVAL:
                continue
            answer = load_answer(self.connection, self.run.id, suspension)
            one = self.at(suspension.path, [event.person], suspensions=[suspension], answered={suspension.n: answer})
            slice_ = _both(slice_, one.but(answers={**one.answers, suspension.path: answer}))
        return slice_

    def for_merge(self, event: PeopleMerged) -> Slice:
        rows = self.connection.execute(_SELECT_OPEN_SUSPENSIONS, (self.run.id,)).fetchall()
        people = load_people(self.connection, self.kept, [event.kept, self.run.requester])
        slice_ = Slice(self.run, steps={}, people=people, place_free=self.place_free())
        for suspension in map(suspension_of, rows):
            answer = load_answer(self.connection, self.run.id, suspension)
            one = self.at(suspension.path, suspensions=[suspension], answered={suspension.n: answer})
            slice_ = _both(slice_, one.but(answers={**one.answers, suspension.path: answer}))
        return slice_


def places_held(connection: Connection, flow: str) -> int:
    """How many runs of a flow hold one of its places."""
    (count,) = connection.execute(_COUNT_PLACES, (PLACES[Place.HELD], flow)).fetchone()
    return int(count)


def next_in_line(connection: Connection, flow: str) -> int | None:
    """The oldest run of a flow that waits for a place, and could use it."""
    row = connection.execute(_NEXT_PLACE, (PLACES[Place.WANTED], flow)).fetchone()
    return None if row is None else int(row[0])


def older_with_key(connection: Connection, flow: str, key: str, run_id: int) -> list[int]:
    """The older runs of a flow that have this ``supersede`` key and have not ended."""
    rows = connection.execute(
        "SELECT runs.id FROM runs JOIN definitions d ON d.id = runs.definition "
        "WHERE runs.supersede = ? AND d.flow = ? AND runs.ended_at IS NULL AND runs.id < ? ORDER BY runs.id",
        (key, flow, run_id),
    )
    return [int(row[0]) for row in rows]


def newer_with_key(connection: Connection, flow: str, key: str, run_id: int) -> int | None:
    """The newest run of a flow that has this ``supersede`` key, if it is newer than ``run_id``."""
    (newest,) = connection.execute(
        "SELECT max(runs.id) FROM runs JOIN definitions d ON d.id = runs.definition "
        "WHERE runs.supersede = ? AND d.flow = ? AND runs.id > ?",
        (key, flow, run_id),
    ).fetchone()
    return None if newest is None else int(newest)


def _both(one: Slice, other: Slice) -> Slice:
    return one.but(
        steps={**one.steps, **other.steps},
        suspensions={**one.suspensions, **other.suspensions},
        answers={**one.answers, **other.answers},
        people={**one.people, **other.people},
        items={path: {**one.items.get(path, {}), **values} for path, values in {**one.items, **other.items}.items()},
        callbacks={**one.callbacks, **other.callbacks},
        early=one.early or other.early,
        looked=(one.looked or frozenset()) | (other.looked or frozenset()),
        asked=(one.asked or frozenset()) | (other.asked or frozenset()),
    )


def _mine(connection: Connection, run_id: int, event: DecisionMade) -> Decision | None:
    row = connection.execute(_SELECT_MINE, (run_id, event.n, event.person)).fetchone()
    row = row or connection.execute(_SELECT_ACTED, (run_id, event.n, event.person)).fetchone()
    return None if row is None else decision_of(row)


def _standing(connection: Connection, run_id: int, suspension: Suspension) -> dict[PersonId, Said]:
    """What everybody has said. Their groups are read only where they count: for a nested quorum, or a veto."""
    # With a thousand people on one card, this is what each further click reads.
    rows = connection.execute(_SELECT_STANDING, (run_id, suspension.n))
    if suspension.terms is None:
        return {person: _said(verdict, option, acted) for person, verdict, option, acted, _ in rows}
    return {
        person: Said(VERDICTS.members[verdict], option, frozenset(load(groups) if groups else ()), acted)
        for person, verdict, option, acted, groups in rows
    }


@lru_cache(maxsize=256)
def _said(verdict: int, option: str | None, acted: PersonId | None) -> Said:
    return Said(VERDICTS.members[verdict], option, by=acted)


def _people_in(run: Run, answers: Mapping[Path, Answer], more: Iterable[PersonId]) -> set[PersonId]:
    people = {run.requester, *more}
    if run.roster is not None:
        people |= run.roster.ids()
    for answer in answers.values():
        people.update(one for decision in answer.decisions for one in (decision.person, decision.human))
    return people
