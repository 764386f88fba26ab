"""Makes somebody's personal link, for an admin who passes it on by another way than Slack or mail.

For a step that waits now it leads to the person's page. Else it takes a decision that comes before its approval opens,
where that may count at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.links import PageLinks
from bot.people import People
from flows.definition import Approval, Hold, Step
from flows.engine import Engine
from flows.errors import InvalidForm, NotAllowed, NotAnApprover, NotWaiting, RunFinished, SelfApproval
from flows.findings import did_you_mean
from flows.forms import needs_no_answer
from flows.handles import InvalidHandle, is_group, normalise
from flows.people import Person
from flows.plan import StepPlan, bare
from flows.run import Path
from flows.views import RunView, SuspensionView

_UNKNOWN = "is nobody who is known."
_ALLOWING = "an approval takes one only where its flow says `pre_approval: allow` and its form needs no answer"


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """The address of a page on which its opener acts as ``person``.

    ``waiting`` is the suspension whose page it is; None where it takes a decision that comes first.
    """

    page: str
    person: Person
    waiting: SuspensionView | None

    @property
    def due(self) -> datetime | None:
        return self.waiting.suspension.due if self.waiting is not None else None


class PersonalLinks:
    """Derives links. Who may ask for one is for the caller to say."""

    def __init__(self, engine: Engine, people: People, links: PageLinks) -> None:
        self._engine = engine
        self._people = people
        self._links = links

    async def make(self, view: RunView, who: str, step: str | None) -> PersonalLink:
        """The link of ``who`` (a mail address, a Slack user, a ``per_`` id) for a step, by its id or its path; None: for
        whatever comes first in the run.

        Raises ``InvalidForm``, ``RunFinished``, ``NotWaiting`` where nothing can be decided there, ``NotAllowed`` where
        the person may not decide it, ``TryAgain``.
        """
        if view.run.ending is not None:
            raise RunFinished("This run has ended; there is nothing left to decide.")
        steps = _named(view, step) if step is not None else view.plan.steps
        waiting = _waiting(view, step, steps) if step is not None else None
        if waiting is None:
            _check_comes_early(step, steps)
        person = await self._person(who)
        if waiting is None:
            early = self._links.early(view.run, person.id, steps[0].step.id if step is not None else None)
            return PersonalLink(early, person, None)
        try:
            await self._engine.check_may_decide(waiting, person.id)
        except (NotAnApprover, SelfApproval):
            raise NotAllowed(f"{person.name} is not one of those who may decide this.") from None
        return PersonalLink(self._links.url(waiting, person.id), person, waiting)

    async def _person(self, who: str) -> Person:
        number = self._engine.ids.parse_person(who)
        if number is None:
            try:
                handle = normalise(who)
            except InvalidHandle:
                handle = ""
            if not handle or is_group(handle):
                raise InvalidForm({"person": "must be a mail address, a Slack user or the id of a person."})
            roster = await self._people.resolve([handle])
            if handle not in roster.people:
                raise InvalidForm({"person": f"{roster.gaps.get(handle) or _UNKNOWN}"})
            number = roster.people[handle]
        found = await self._people.by_id(number)
        if found is None:
            raise InvalidForm({"person": _UNKNOWN})
        return found


def _named(view: RunView, step: str) -> Sequence[StepPlan]:
    """The steps that are meant by an id or a path. Raises ``InvalidForm`` where there is none."""
    found = [one for one in view.plan.steps if step == one.step.id or bare(step) == one.path]
    if not found:
        asking = dict.fromkeys(one.step.id for one in view.plan.steps if one.step.wait is not None)
        hint = did_you_mean(step, asking, within="people are asked at") or "this flow asks nobody"
        raise InvalidForm({"step": f"is no step of this flow; {hint}" + ("" if hint.endswith("?") else ".")})
    return found


def _waiting(view: RunView, step: str, steps: Sequence[StepPlan]) -> SuspensionView | None:
    """What waits for people at the step now. Raises ``InvalidForm`` where several do."""
    paths = {one.path for one in steps}
    found: dict[Path, SuspensionView] = {
        one.suspension.path: one
        for one in view.suspensions
        if one.open and isinstance(one.wait, Approval | Hold) and bare(one.suspension.path) in paths
    }
    if step in found or len(found) < 2:
        return found.get(step) or next(iter(found.values()), None)
    raise InvalidForm({"step": f"waits several times; say which: {', '.join(list(found)[:10])}."})


def _check_comes_early(step: str | None, steps: Sequence[StepPlan]) -> None:
    """Return if a decision may come before it is asked for; else raise what says why not."""
    if any(takes_early(one.step) for one in steps):
        return
    if step is None:
        if any(one.step.run is not None for one in steps):
            return  # a function may make an approval that takes one
        raise NotWaiting(f"Nothing of this run can be decided beforehand: {_ALLOWING}.")
    raise NotWaiting(f"{step} does not wait now, and cannot be decided beforehand: {_ALLOWING}.")


def takes_early(step: Step) -> bool:
    """Whether a decision may come before this step's approval opens, as far as its definition tells."""
    approval = step.approval
    return approval is not None and approval.pre_approval == "allow" and needs_no_answer(approval.form)
