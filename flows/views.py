"""What readers get: a suspension or a run with all that is known of it, for cards, pages, mails and the API.

Every door draws from these, so that they cannot tell different stories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flows import quorum
from flows.definition import Step
from flows.people import Person, PersonId
from flows.plan import Plan
from flows.request import Request, request
from flows.run import Decision, Path, Run, StepRun, Suspension


@dataclass(frozen=True, slots=True)
class SuspensionView:
    """One suspension as it stands: what is asked, who has decided, what is still needed."""

    plan: Plan
    run: Run
    suspension: Suspension
    decisions: tuple[Decision, ...]
    people: Mapping[PersonId, Person]

    @property
    def step(self) -> Step:
        return self.plan.at(self.suspension.path).step

    @property
    def request(self) -> Request:
        return request(self.plan.flow, self.step, self.run, self.suspension)

    @property
    def open(self) -> bool:
        return self.suspension.closing is None

    @property
    def approvals(self) -> int:
        """How many distinct people have said yes."""
        return quorum.approvals({decision.person: decision.verdict for decision in self.decisions})

    @property
    def missing(self) -> int:
        """How many more it takes."""
        return max(0, self.suspension.needed - self.approvals)

    @property
    def self_approval(self) -> bool:
        approval = self.step.approval
        return approval is None or approval.self_approval

    @property
    def requester(self) -> Person:
        return self.person(self.run.requester)

    @property
    def reason(self) -> str | None:
        """What was said with the decision that closed it, or with the newest one."""
        said = [d.comment for d in self.decisions if d.comment and self._settled_by(d)]
        return said[-1] if said else None

    def person(self, person: PersonId) -> Person:
        return self.people.get(person) or Person(person, "somebody")

    def decision_of(self, person: PersonId) -> Decision | None:
        return next((decision for decision in self.decisions if decision.person == person), None)

    def _settled_by(self, decision: Decision) -> bool:
        closing = self.suspension.closing
        return closing is None or decision.person in closing.by


@dataclass(frozen=True, slots=True)
class ParkedEffect:
    """An effect that only a person can help: what it is, why it failed, and since when."""

    id: int
    run: int
    what: str
    path: Path | None
    error: str
    deliveries: int
    parked_at: datetime | None
    due: datetime


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as it stands. ``troubled`` are the effects that failed at least once: parked, or to be tried again."""

    plan: Plan
    run: Run
    steps: Mapping[Path, StepRun]
    suspensions: tuple[SuspensionView, ...]
    people: Mapping[PersonId, Person]
    troubled: tuple[ParkedEffect, ...] = ()

    @property
    def status(self) -> str:
        """``running``, ``waiting``, or the outcome."""
        return self.run.ending.outcome.value if self.run.ending else self.run.status.value

    def person(self, person: PersonId) -> Person:
        return self.people.get(person) or Person(person, "somebody")


def may_read(
    view: SuspensionView | RunView, reader: PersonId, *, admin: bool, groups: frozenset[str] = frozenset()
) -> bool:
    """Whether a person may read this: the requester, whoever was asked or has decided, and admins may.

    ``groups`` are those that the reader belongs to.
    """
    # What has ended keeps the ids that it had: somebody who was merged since is there under an older one.
    ids = {reader, *(id_ for id_, person in view.people.items() if person.id == reader)}
    if admin or view.run.requester in ids:
        return True
    views = (view,) if isinstance(view, SuspensionView) else view.suspensions
    return any(
        not ids.isdisjoint(one.suspension.approvers.people)
        or not groups.isdisjoint(one.suspension.approvers.groups)
        or any(decision.person in ids for decision in one.decisions)
        for one in views
    )


def groups_of(view: SuspensionView | RunView) -> tuple[str, ...]:
    """The groups whose members may read this, for ``may_read``."""
    views = (view,) if isinstance(view, SuspensionView) else view.suspensions
    return tuple(dict.fromkeys(group for one in views for group in one.suspension.approvers.groups))
