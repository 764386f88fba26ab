"""A transition: what one event changes, and the draft in which the machine puts it together."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flows.context import Context, Known, Wanted, context, scope_inputs
from flows.effects import Effect, SyncCards, SyncRequest
from flows.errors import Refused
from flows.events import Event, Fact, RunQueued
from flows.ids import Ids
from flows.people import PersonId, Roster
from flows.plan import Plan, Reads, StepPlan
from flows.ports import Json
from flows.rules import Seat
from flows.run import (
    Answer,
    Callback,
    Decision,
    Early,
    Path,
    Place,
    Question,
    Run,
    Said,
    Slice,
    StepRun,
    StepState,
    Stop,
    Suspension,
)

_ACTING = (StepState.ACTING, StepState.RESOLVING, StepState.HELD)


@dataclass(frozen=True, slots=True)
class Transition:
    """What changes: whole new rows, the facts, and the effects; ``refusal`` is raised after it was saved."""

    run: Run
    steps: tuple[StepRun, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    opened: frozenset[int] = frozenset()
    """The numbers of those among ``suspensions`` that are new, or of which more has changed than that they are closed."""
    decisions: tuple[Decision, ...] = ()
    removed: tuple[tuple[int, PersonId], ...] = ()
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    refusal: Refused | None = None
    event: Event | None = None
    """What the ledger is to record in place of the event that came: the same, with references for its secrets."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secret values by the names that the rows refer to; to be sealed before they are stored."""
    known: Known | None = None
    """The rows that were loaded, with the new ones laid over them: what the next action may read."""
    changed: bool = False
    """Whether anything happened. A late event's transition has changed nothing."""
    items: Mapping[Path, Sequence[Json]] = field(default_factory=dict)
    """What loops that begin go over, by the path of the loop's step run."""
    callbacks: tuple[Callback, ...] = ()
    kept: tuple[Early, ...] = ()
    """Decisions that came before their approval."""
    used: tuple[tuple[PersonId, str | None], ...] = ()
    """Decisions of that kind that have been counted: person and step."""
    forgotten: tuple[int, ...] = ()
    """Suspensions whose early request is not one that they take."""
    unseated: tuple[tuple[int, Seat], ...] = ()
    """Who is not asked any more by a suspension that is open: people and groups."""
    questions: tuple[Question, ...] = ()
    """Those that are new, or answered now."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A step is to be entered."""

    plan: StepPlan
    path: Path


@dataclass(frozen=True, slots=True)
class Leave:
    """A step has ended in a way that lets the run go on."""

    step: StepRun
    state: StepState


@dataclass(frozen=True, slots=True)
class Halt:
    """A step has ended in a way that ends the run, unless something around it says otherwise."""

    step: StepRun
    stop: Stop


@dataclass
class Draft:
    """One transition in the making: the slice, with the new rows laid over it.

    The run's counters are kept beside its row until the end, so that the row is made anew once. ``agenda`` is what is
    still to be done to steps: a loop over ten thousand items must not be a recursion that deep.
    """

    plan: Plan
    slice: Slice
    now: datetime
    ids: Ids
    run: Run = field(init=False)
    acting: int = field(init=False)
    waiting: int = field(init=False)
    newest: int = field(init=False)
    steps: dict[Path, StepRun] = field(init=False)
    suspensions: dict[int, Suspension] = field(init=False)
    answers: dict[Path, Answer] = field(init=False)
    decisions: list[Decision] = field(default_factory=list)
    removed: list[tuple[int, PersonId]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    event: Event | None = None
    facts: list[Fact] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    agenda: deque[Enter | Leave | Halt] = field(default_factory=deque)
    entered: int = 0
    opened: list[tuple[int, Roster]] = field(default_factory=list)
    """Suspensions that have opened in this transition, which may have been answered early."""
    items: dict[Path, Sequence[Json]] = field(default_factory=dict)
    indexed: dict[Path, Mapping[int, Json]] = field(default_factory=dict)
    """The same by their indexes, made once: each step of the loop may read one."""
    callbacks: list[Callback] = field(default_factory=list)
    early: list[Early] = field(init=False)
    kept: list[Early] = field(default_factory=list)
    used: list[tuple[PersonId, str | None]] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    recounted: set[int] = field(default_factory=set)
    unseated: list[tuple[int, Seat]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    standing: dict[int, dict[PersonId, Said]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.run = self.slice.run
        self.acting, self.waiting, self.newest = self.run.acting, self.run.waiting, self.run.suspensions
        self.steps = dict(self.slice.steps)
        self.suspensions = dict(self.slice.suspensions)
        self.answers = dict(self.slice.answers)
        self.early = list(self.slice.early)

    def put(self, step: StepRun) -> None:
        """Lay a step run over the slice, and keep the run's counters true."""
        before = self.steps.get(step.path)
        self.steps[step.path] = step
        self.acting += (step.state in _ACTING) - (before is not None and before.state in _ACTING)
        self.waiting += (step.state is StepState.SUSPENDED) - (
            before is not None and before.state is StepState.SUSPENDED
        )

    def number(self) -> int:
        """The number of a new suspension."""
        self.newest += 1
        return self.newest

    def halted(self) -> bool:
        """Whether nothing new may start: the run is paused, or waits for a place. Asking takes the place, if it is free."""
        if self.run.paused is not None:
            return True
        if self.run.stop is not None:
            return False  # what always runs at the end is no new work
        if self.plan.flow.concurrency is None or self.run.place is Place.HELD:
            return False
        if self.slice.place_free:
            self.run = self.run.but(place=Place.HELD)
            return False
        if self.run.place is not Place.WANTED:
            self.run = self.run.but(place=Place.WANTED)
            self.facts.append(RunQueued())
        return True

    def standing_of(self, n: int) -> dict[PersonId, Said]:
        """What everybody has said to a suspension, in the order in which they did."""
        if n not in self.standing:
            self.standing[n] = dict(self.slice.standing) if n == self.slice.deciding else {}
        return self.standing[n]

    def decide(self, decision: Decision) -> None:
        self.decisions.append(decision)
        path = self.suspensions[decision.n].path
        known = self.answers.get(path)
        if known is not None:
            others = tuple(other for other in known.decisions if other.person != decision.person)
            self.answers[path] = known.but(decisions=(*others, decision))

    def withdraw(self, n: int, person: PersonId) -> None:
        """Forget what a person had said."""
        self.removed.append((n, person))
        self.standing_of(n).pop(person, None)
        path = self.suspensions[n].path
        known = self.answers.get(path)
        if known is not None:
            self.answers[path] = known.but(decisions=tuple(one for one in known.decisions if one.person != person))

    def call(self, callback: Callback) -> None:
        """Keep a machine's request."""
        self.callbacks.append(callback)
        suspension = self.suspensions.get(callback.n)
        if suspension is not None:
            self.answers[suspension.path] = Answer(suspension, (), callback)

    def recount(self, suspension: Suspension, before: list[Decision], kept: Mapping[PersonId, Decision]) -> None:
        self.decisions.extend(kept.values())
        self.removed.extend((suspension.n, old.person) for old in before if old.person not in kept)
        self.answers[suspension.path] = Answer(suspension, tuple(kept.values()))
        self.recounted.add(suspension.n)

    def unseat(self, before: Suspension, after: Suspension) -> None:
        """Some are not asked any more; who may veto all the same keeps that seat."""
        left = {*after.approvers.people, *after.approvers.groups, *(after.terms.veto if after.terms else ())}
        seats: tuple[Seat, ...] = (*before.approvers.people, *before.approvers.groups)
        self.unseated.extend((before.n, seat) for seat in seats if seat not in left)

    @property
    def known(self) -> Known:
        before = self.slice
        return Known(
            self.run,
            self.steps,
            self.answers,
            before.people,
            {**before.items, **self.indexed},
            before.gathered,
            looked=before.looked,
            asked=before.asked,
        )

    def goes_over(self, path: Path, items: Sequence[Json]) -> None:
        """The loop at ``path`` begins."""
        self.items[path] = items
        self.indexed[path] = dict(enumerate(items))

    def context(self, plan: StepPlan, path: Path, reads: Reads, *, answered: tuple[Path, ...] | None = None) -> Context:
        """The values for expressions that read ``reads``, seen from the step run at ``path``."""
        return context(self.plan, plan, path, self.known, self.ids, reads=reads, answered=answered)

    def shown_inputs(self, path: Path) -> Mapping[str, Json]:
        """The inputs of the flow that the step run at ``path`` stands in."""
        return scope_inputs(self.plan.at(path), path, self.run, self.steps)

    def need_open(self, path: Path) -> None:
        """Raise ``Wanted`` unless everything that is open below ``path`` was read. The empty path is the whole run."""
        if not any(path == one or not one or path.startswith((f"{one}.", f"{one}[")) for one in self.slice.opened):
            raise Wanted(opened=path)

    def transition(self, refusal: Refused | None = None) -> Transition:
        before = self.slice
        if not self.facts and self.run is before.run and self.steps == before.steps:
            return Transition(before.run, effects=tuple(self.effects), refusal=refusal)
        ended = self.run.ending is not None and before.run.ending is None
        if ended or any(isinstance(effect, SyncCards) for effect in self.effects):
            self.effects.append(SyncRequest())
        run = self.run.but(
            version=self.run.version + 1,
            acting=self.acting,
            waiting=self.waiting,
            suspensions=self.newest,
        )
        return Transition(
            run=run,
            steps=tuple(step for path, step in self.steps.items() if before.steps.get(path) is not step),
            suspensions=tuple(s for n, s in self.suspensions.items() if before.suspensions.get(n) is not s),
            opened=frozenset(n for n in self.suspensions if n not in before.suspensions or n in self.recounted),
            decisions=tuple(self.decisions),
            removed=tuple(self.removed),
            facts=tuple(self.facts),
            effects=tuple(self.effects),
            refusal=refusal,
            event=self.event,
            secrets=self.secrets,
            known=self.known.but(run=run),
            changed=True,
            items=self.items,
            callbacks=tuple(self.callbacks),
            kept=tuple(self.kept),
            used=tuple(self.used),
            forgotten=tuple(self.forgotten),
            unseated=tuple(self.unseated),
            questions=tuple(self.questions),
        )
