"""A transition: what one event changes, and the draft in which the machine puts it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flows.context import Context, Known, context
from flows.effects import Effect
from flows.errors import Refused
from flows.events import Event, Fact
from flows.ids import Ids
from flows.people import PersonId
from flows.plan import Plan, StepPlan
from flows.run import Answer, Decision, Path, Run, Slice, StepRun, StepState, Suspension

_ACTING = (StepState.ACTING, StepState.RESOLVING)


@dataclass(frozen=True, slots=True)
class Transition:
    """What changes: whole new rows, the facts, and the effects; ``refusal`` is raised after it was saved."""

    run: Run
    steps: tuple[StepRun, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
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


@dataclass
class Draft:
    """One transition in the making: the slice, with the new rows laid over it.

    The run's counters are kept beside its row until the end, so that the row is made anew once.
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

    def __post_init__(self) -> None:
        self.run = self.slice.run
        self.acting, self.waiting, self.newest = self.run.acting, self.run.waiting, self.run.suspensions
        self.steps = dict(self.slice.steps)
        self.suspensions = dict(self.slice.suspensions)
        self.answers = dict(self.slice.answers)

    def put(self, step: StepRun) -> None:
        """Lay a step run over the slice, and keep the run's counters true."""
        before = self.steps.get(step.path)
        self.steps[step.path] = step
        self.acting += (step.state in _ACTING) - (before is not None and before.state in _ACTING)
        self.waiting += (step.state is StepState.SUSPENDED) - (
            before is not None and before.state is StepState.SUSPENDED
        )

    def next_n(self, step: StepRun) -> int:
        """The number of the suspension that this step run opens: the one that it has, else a new one."""
        if step.suspension is not None:
            return step.suspension
        self.newest += 1
        return self.newest

    def decide(self, decision: Decision) -> None:
        self.decisions.append(decision)
        path = self.suspensions[decision.n].path
        known = self.answers.get(path)
        if known is not None:
            others = tuple(other for other in known.decisions if other.person != decision.person)
            self.answers[path] = known.but(decisions=(*others, decision))

    def recount(self, suspension: Suspension, before: list[Decision], kept: Mapping[PersonId, Decision]) -> None:
        self.decisions.extend(kept.values())
        self.removed.extend((suspension.n, old.person) for old in before if old.person not in kept)
        self.answers[suspension.path] = Answer(suspension, tuple(kept.values()))

    def context(self, plan: StepPlan) -> Context:
        return context(plan, Known(self.run, self.steps, self.answers, self.slice.people), self.ids)

    def transition(self, refusal: Refused | None = None) -> Transition:
        before = self.slice
        if not self.facts and self.run is before.run and self.steps == before.steps:
            return Transition(before.run, effects=tuple(self.effects), refusal=refusal)
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
            decisions=tuple(self.decisions),
            removed=tuple(self.removed),
            facts=tuple(self.facts),
            effects=tuple(self.effects),
            refusal=refusal,
            event=self.event,
            secrets=self.secrets,
            known=Known(run, self.steps, self.answers, self.slice.people),
            changed=True,
        )
