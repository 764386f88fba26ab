"""What the page of a decision in advance says, made of a run as it stands. Pure: a view in, plain values out.

Nothing is open yet, so nothing of it can be shown. Whether the decision counts is settled when an approval opens; what
is certain beforehand (that nothing can take it, that this person is none of those who may decide) is said at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.web import standing
from bot.web.approval_page import COMMENT, Choice, CommentBox, ended, labelled
from bot.web.personal_links import takes_early
from bot.web.standing import SAID, Moment, Moments
from bot.web.trouble import VERDICT, Trouble
from bot.web.widgets import Typed
from flows import waits
from flows.definition import Approval
from flows.errors import InvalidForm, NotAnApprover, NotWaiting, Refused, RunFinished, SelfApproval
from flows.expressions import ExpressionError, Template
from flows.forms import mask
from flows.handles import InvalidHandle, normalise
from flows.people import Person, PersonId
from flows.plan import StepPlan
from flows.run import Early, Path, Verdict
from flows.views import RunView, SuspensionView

_VERDICTS = (Verdict.APPROVE, Verdict.REJECT)


# -- what a decision may still count for ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chances:
    """The approvals that may still open and take a decision in advance. ``more``: a function may ask for others."""

    steps: tuple[StepPlan, ...]
    more: bool

    def __bool__(self) -> bool:
        return bool(self.steps) or self.more

    @property
    def approvals(self) -> list[Approval]:
        return [plan.step.approval for plan in self.steps if plan.step.approval is not None]

    def after(self, opened: Sequence[SuspensionView]) -> Chances:
        """Those that are left once these have had their turn."""
        turned = _paths(opened)
        return Chances(tuple(plan for plan in self.steps if plan.path not in turned), self.more)

    def takes(self, verdict: Verdict) -> bool:
        """Whether such a decision can count at all: of options nobody can choose one before they are shown."""
        return verdict is Verdict.REJECT or self.more or any(not one.options for one in self.approvals)

    def needs_reason(self, verdict: Verdict) -> bool:
        """Whether it certainly counts for nothing without a comment."""
        needing = ("both",) if verdict is Verdict.APPROVE else ("both", "reject")
        return not self.more and all(one.reason in needing for one in self.approvals)


def chances(view: RunView, step: str | None, now: datetime) -> Chances:
    """What a link for this step, by its id, or for the whole run may still count for."""
    if view.run.ending is not None:
        return Chances((), more=False)
    missed = {one.suspension.path for one in view.suspensions if one.open} - _paths(opened(view, step, now))
    coming = [
        plan
        for plan in view.plan.steps
        if step in (None, plan.step.id) and plan.path not in missed and not _over(view, plan)
    ]
    return Chances(
        tuple(plan for plan in coming if takes_early(plan.step)),
        more=any(plan.step.run is not None for plan in coming),
    )


def opened(view: RunView, step: str | None, now: datetime) -> list[SuspensionView]:
    """The open approvals that take a decision in advance, in the order in which one would count for them."""
    found = [
        one
        for one in view.suspensions
        if one.open
        and step in (None, one.step.id)
        and isinstance(one.wait, Approval)
        and waits.takes_early(one.wait, one.suspension)
        and (one.suspension.due is None or now < one.suspension.due)
    ]
    return sorted(found, key=lambda one: one.suspension.path)


def handles(view: RunView, coming: Chances) -> frozenset[str] | None:
    """Everybody whom these approvals name; None where that cannot be told for certain before they open."""
    found: set[str] = set()
    if coming.more:
        return None
    for plan in coming.steps:
        for template in plan.handles:
            rendered = _rendered(view, plan, template)
            if rendered is None:
                return None
            found.update(rendered)
    return frozenset(found)


def certain_refusal(view: RunView, coming: Chances, reader: PersonId, *, named: bool) -> Refused | None:
    """Why a decision of this person cannot count, where that is certain now. ``named``: whether they may be one of those
    whom the approvals name."""
    if view.run.ending is not None:
        return RunFinished("This run has ended, so there is nothing left to decide.")
    if not coming:
        waiting = any(one.open and one.wait is not None for one in view.suspensions)
        now = " What waits now is decided where people were asked." if waiting else ""
        return NotWaiting(f"Nothing that may still come in this run takes a decision in advance.{now}")
    if reader == view.run.requester and not coming.more and not any(one.self_approval for one in coming.approvals):
        return SelfApproval(
            "You started this run, and its flow does not let people approve their own requests: what you say here "
            "would not be counted."
        )
    if not named:
        return NotAnApprover(
            "You are not one of the people whom this run is going to ask, so what you say here would not be counted."
        )
    return None


def _paths(views: Iterable[SuspensionView]) -> set[Path]:
    """Where they stand. In a loop that is never the path of a plan: the step may come again."""
    return {one.suspension.path for one in views}


def _over(view: RunView, plan: StepPlan) -> bool:
    """Whether the step certainly does not begin any more: it has ended, or a step that holds it has. What has ended in
    a loop has another path than its plan, and may come again."""
    at: StepPlan | None = plan
    while at is not None:
        step = view.steps.get(at.path)
        if step is not None and step.state.ended:
            return True
        at = view.plan.at(at.owner) if at.owner is not None else None
    return False


def _rendered(view: RunView, plan: StepPlan, template: Template) -> list[str] | None:
    if not template.static and (plan.scope.path is not None or any(name[0] != "inputs" for name in template.names)):
        return None
    try:
        value = template.render({"inputs": view.run.inputs})
        return [normalise(one) for one in (value if isinstance(value, list | tuple) else [value])]
    except (ExpressionError, InvalidHandle):
        return None  # the run will say so when it comes there


# -- the page -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """A decision in advance that was counted, and for what."""

    step: str
    said: str
    at: Moment


@dataclass(frozen=True, slots=True)
class EarlyPage:
    """Everything that the template shows. ``form`` is whether anything that is sent could count."""

    flow: str
    step: str | None
    run: str
    reader: str
    requester: str
    started: Moment
    inputs: Sequence[tuple[str, str]]
    steps: Sequence[str]
    state: str
    paused: str | None
    counted: Sequence[Counted]
    kept: str | None
    kept_comment: str | None
    form: bool
    choices: Sequence[Choice]
    verdict_error: str | None
    options_hint: bool
    """Whether only a rejection can be given, since nobody can choose an option that they have not seen."""
    comment: CommentBox


def early_page(
    view: RunView,
    run: str,
    coming: Chances,
    reader: Person,
    *,
    step: str | None,
    now: datetime,
    refusal: Refused | None,
    kept: Early | None,
    typed: Typed | None = None,
    trouble: Trouble | None = None,
) -> EarlyPage:
    """The page for ``reader``; ``run`` is the run's id, ``kept`` what they have decided already, ``typed`` what they had
    filled in, kept where it has to be corrected."""
    moment, flow = Moments(reader, now), view.plan.flow
    problems = trouble.fields if trouble else {}
    chosen_before = trouble.choice if trouble else None
    return EarlyPage(
        flow=flow.name,
        step=next((plan.step.name for plan in view.plan.steps if plan.step.id == step), None),
        run=run,
        reader=reader.name,
        requester=view.person(view.run.requester).name,
        started=moment(view.run.started_at),
        inputs=labelled(flow.inputs, mask(flow.inputs, view.run.inputs)),
        steps=list(dict.fromkeys(plan.step.name for plan in coming.steps)),
        state=_state(view, moment, step, refusal),
        paused=standing.paused(view, decidable=refusal is None),
        counted=_counted(view, reader.id, moment),
        kept=_kept(kept, moment, replaceable=refusal is None),
        kept_comment=kept.comment if kept is not None else None,
        form=refusal is None,
        choices=[
            Choice(one.value, one.value.capitalize(), one.value == chosen_before)
            for one in _VERDICTS
            if coming.takes(one)
        ],
        verdict_error=problems.get(VERDICT),
        options_hint=not coming.takes(Verdict.APPROVE),
        comment=_comment(coming, typed, problems.get(COMMENT)),
    )


def chosen(coming: Chances, typed: Typed) -> tuple[Verdict, str | None]:
    """What was chosen, and the comment. Raises ``InvalidForm`` where nothing was, or it could not count like that."""
    said, comment = typed.get(VERDICT) or [], (typed.get(COMMENT) or [""])[0]
    if len(said) != 1 or said[0] not in [one.value for one in _VERDICTS if coming.takes(one)]:
        raise InvalidForm({VERDICT: "is needed: please choose one."})
    verdict = Verdict(said[0])
    if not comment.strip() and coming.needs_reason(verdict):
        raise InvalidForm({COMMENT: "is required: say why."})
    return verdict, comment


def _state(view: RunView, moment: Moments, step: str | None, refusal: Refused | None) -> str:
    ending = view.run.ending
    if ending is not None:
        when = moment(ending.at).words
        return f"This run has ended: {ending.outcome.value}, on {when}. There is nothing left to decide."
    if refusal is not None:
        return str(refusal)
    if any(one.open and one.step.id == step for one in view.suspensions):
        return "What is open now you have answered, or others are asked. What comes next cannot be shown yet."
    if step is None:
        return "No approval that you can decide here has opened yet, so nothing of it can be shown."
    return "This approval has not opened yet, so nothing of it can be shown."


def _counted(view: RunView, reader: PersonId, moment: Moments) -> list[Counted]:
    mine = [(one, one.decision_of(reader)) for one in view.suspensions]
    return [
        Counted(one.step.name, SAID[decision.verdict], moment(decision.at))
        for one, decision in mine
        if decision is not None and decision.unseen
    ]


def _kept(kept: Early | None, moment: Moments, *, replaceable: bool) -> str | None:
    if kept is None:
        return None
    said = f"You {SAID[kept.verdict]} in advance on {moment(kept.at).words}."
    if not replaceable:
        return f"{said} No approval has taken it."
    return f"{said} It is kept until an approval takes it. Until then, what you send here replaces it."


def _comment(coming: Chances, typed: Typed | None, error: str | None) -> CommentBox:
    always = coming.needs_reason(Verdict.APPROVE)
    label = "Comment"
    if always:
        label = "Comment (required)"
    elif coming.needs_reason(Verdict.REJECT):
        label = "Comment (required to reject)"
    return CommentBox(label, ((typed or {}).get(COMMENT) or [""])[0], always, ended(error))
