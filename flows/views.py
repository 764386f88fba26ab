"""What readers get: a suspension or a run with all that is known of it, for cards, pages, mails and the API.

Every door draws from these, so that they cannot tell different stories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flows import quorum
from flows.definition import Approval, Choice, Hold, Step
from flows.definition import Callback as Callback_
from flows.delegation import Delegation
from flows.effects import Note
from flows.people import Person, PersonId
from flows.plan import Plan, wait_of
from flows.ports import Json
from flows.request import Request, request
from flows.run import Callback, Decision, Path, Question, Run, RunId, Said, StepRun, Suspension


@dataclass(frozen=True, slots=True)
class SuspensionView:
    """One suspension as it stands: what is asked, who has decided, what is still needed."""

    plan: Plan
    run: Run
    suspension: Suspension
    decisions: tuple[Decision, ...]
    people: Mapping[PersonId, Person]
    inputs: Mapping[str, Json] | None = None
    """Those of the child flow that asks; None where it is the run's own flow."""
    callback: Callback | None = None
    questions: tuple[Question, ...] = ()
    """What was asked of the requester, the oldest first, answered or not."""
    delegations: tuple[Delegation, ...] = ()
    """Those in force now for the people who are asked."""
    resubmitted: RunId | None = None
    """The newest run that asks for the same anew, once this one has ended."""

    @property
    def wait(self) -> Approval | Hold | Callback_ | None:
        """What is waited for: the step's own wait, or one that its function made. None for a delay."""
        return wait_of(self.plan.at(self.suspension.path), self.suspension)

    @property
    def step(self) -> Step:
        return self.plan.at(self.suspension.path).step

    @property
    def request(self) -> Request:
        flow = self.plan.scope_of(self.suspension.path).flow
        return request(flow, self.step, self.wait, self.run, self.suspension, inputs=self.inputs)

    @property
    def open(self) -> bool:
        return self.suspension.closing is None

    @property
    def approvals(self) -> int:
        """How many distinct people have said yes."""
        return quorum.approvals(self.standing)

    @property
    def standing(self) -> Mapping[PersonId, Said]:
        """What everybody has said, in the order in which they did."""
        return {one.person: one.said for one in sorted(self.decisions, key=lambda decision: decision.place)}

    @property
    def missing(self) -> int:
        """How many more distinct people it takes at least."""
        wait = self.wait
        return quorum.missing(wait, self.suspension, self.standing) if isinstance(wait, Approval | Hold) else 0

    @property
    def waiting_for(self) -> tuple[PersonId | str, ...]:
        """Whose seats are still empty: people, and groups by their handles."""
        wait = self.wait
        return quorum.waiting_for(wait, self.suspension, self.standing) if isinstance(wait, Approval | Hold) else ()

    @property
    def options(self) -> tuple[Choice, ...]:
        """What an approver chooses from, where there is a choice beyond a bare yes."""
        wait = self.wait
        return wait.options if isinstance(wait, Approval) else ()

    @property
    def self_approval(self) -> bool:
        wait = self.wait
        return not isinstance(wait, Approval) or wait.self_approval

    @property
    def requester(self) -> Person:
        return self.person(self.run.requester)

    @property
    def reason(self) -> str | None:
        """What was said with the decision that closed it, or with the newest one."""
        closing = self.suspension.closing
        if closing is not None and closing.reason:
            return closing.reason
        said = [d.comment for d in self.decisions if d.comment and self._settled_by(d)]
        return said[-1] if said else None

    def person(self, person: PersonId) -> Person:
        return self.people.get(person) or Person(person, "somebody")

    def decision_of(self, person: PersonId) -> Decision | None:
        """What this person has said: for themselves, or for somebody whom they stand in for."""
        own = next((decision for decision in self.decisions if decision.person == person), None)
        return own or next((decision for decision in self.decisions if decision.by == person), None)

    def may_be_asked(self, person: PersonId) -> bool:
        """Whether they are asked by name, or for somebody, or might be as a member of a group: who that is, is not known
        here."""
        suspension, who = self.suspension, self.person(person).id
        named = *suspension.approvers.people, *(suspension.terms.veto if suspension.terms else ())
        people = [*(one for one in named if isinstance(one, int)), *(one.delegate for one in self.delegations)]
        return bool(quorum.groups_asked(suspension)) or who in {self.person(one).id for one in people}

    def question(self, place: int) -> Question | None:
        """The question at that place in the order of those that were asked."""
        return next((one for one in self.questions if one.place == place), None)

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
    cut: bool = False
    """Whether the run has more steps than these."""
    resubmitted: RunId | None = None
    """The newest run that asks for the same anew, once this one has ended."""

    @property
    def others_answered(self) -> bool:
        """Whether people other than the requester have decided something in it, or were waited for in vain."""
        asked = (one.suspension for one in self.suspensions if isinstance(one.wait, Approval | Hold))
        return any(one.closing is not None and one.closing.by != (self.run.requester,) for one in asked)

    @property
    def status(self) -> str:
        """``running``, ``waiting``, or the outcome."""
        return self.run.ending.outcome.value if self.run.ending else self.run.status.value

    def person(self, person: PersonId) -> Person:
        return self.people.get(person) or Person(person, "somebody")


def note_wanted(view: SuspensionView, note: Note, person: PersonId | None, times: int, now: datetime) -> bool:
    """Whether a message about a wait still says something true to whom it is for: it may have been under way for long."""
    question = view.question(times)
    match note:
        case Note.REMINDER if person is not None and now < view.suspension.clocks.snoozed.get(person, now):
            return False
        case Note.REMINDER | Note.NUDGE | Note.WOKEN:
            answered = person is not None and view.decision_of(person) is not None
            asked = person is not None and view.may_be_asked(person)
            return view.open and asked and not answered and view.suspension.clocks.settles_at is None
        case Note.QUESTION:
            return view.open and question is not None and question.open
        case Note.ANSWER:
            return question is not None and not question.open
        case Note.ESCALATED | Note.REASSIGNED:
            return view.open
        case Note.DROPPED:
            return True


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
        or not ids.isdisjoint(one.suspension.terms.veto if one.suspension.terms else ())
        or not groups.isdisjoint(quorum.groups_asked(one.suspension))
        or any(decision.person in ids or decision.by in ids for decision in one.decisions)
        for one in views
    )


def groups_of(view: SuspensionView | RunView) -> tuple[str, ...]:
    """The groups whose members may read this, for ``may_read``."""
    views = (view,) if isinstance(view, SuspensionView) else view.suspensions
    return tuple(dict.fromkeys(group for one in views for group in quorum.groups_asked(one.suspension)))
