"""What the approval page says, made of a suspension as it stands. Pure: a view in, plain values for a template out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.web import standing
from bot.web.standing import SAID, Moment, Moments
from bot.web.trouble import VERDICT, Trouble
from bot.web.widgets import Typed, Widget, widgets
from flows.definition import Approval
from flows.errors import InvalidForm
from flows.fields import MASK, StringField
from flows.forms import Field, fills_in, mask, readable
from flows.people import Person
from flows.ports import Json
from flows.run import Decision, Kind, Question, Verdict
from flows.views import SuspensionView

COMMENT = "comment"
TAKE_BACK = "take_back"
"""The field that has to be ticked for one's answer to be taken back."""
ANSWER = "questions.answer"
"""The field in which the requester answers what was asked. No field of a flow's form has a dot in its name."""


@dataclass(frozen=True, slots=True)
class Said:
    """One person's answer in the list of those who have decided."""

    name: str
    verdict: str
    option: str | None
    unseen: bool
    at: Moment
    comment: str | None
    values: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the requester, and its answer where there is one."""

    name: str
    text: str
    at: Moment
    answer: str | None
    answered_by: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that can be chosen. ``chosen`` only where the person had chosen it and is asked to correct the rest."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class CommentBox:
    """Where a comment is written. ``required``: whatever is chosen."""

    label: str
    text: str
    required: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class AnswerBox:
    """Where the requester answers all questions that are open."""

    text: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Everything that the template shows. ``form`` is whether there is anything for the reader to decide."""

    title: str
    flow: str
    place: str | None
    """Which of several step runs of the same step it is."""
    ask: str
    reader: str
    requester: str
    started: Moment
    inputs: Sequence[tuple[str, str]]
    show: Sequence[tuple[str, str]]
    asked: Sequence[str]
    gaps: Sequence[tuple[str, str]]
    decisions: Sequence[Said]
    questions: Sequence[Asked]
    answer: AnswerBox | None
    """Where the reader answers questions; None where nothing is open, or it is not theirs to answer."""
    risk: str | None
    progress: str
    rule: str | None
    waiting: Sequence[str]
    veto: Sequence[str]
    due: Moment | None
    open: bool
    state: str
    newer: str | None
    """The id of the run that took its place."""
    paused: str | None
    own: str | None
    form: bool
    choices: Sequence[Choice]
    widgets: Sequence[Widget]
    comment: CommentBox
    verdict_error: str | None
    take_back: bool
    """Whether there is an answer of the reader's, which they may take back while there is anything to decide."""
    take_back_error: str | None
    zone: str
    hold: bool
    without_form: str | None
    """What a rejection takes, where it takes no form and there is one."""


def approval_page(
    view: SuspensionView,
    reader: Person,
    *,
    now: datetime,
    newer: str | None = None,
    typed: Typed | None = None,
    trouble: Trouble | None = None,
) -> ApprovalPage:
    """The page for ``reader``. ``newer`` is the id of the run that took its place, where they may read that.
    ``typed`` is what they had filled in, kept where it has to be corrected."""
    request, suspension, moment = view.request, view.suspension, Moments(reader, now)
    problems = trouble.fields if trouble else {}
    kept = trouble.choice if trouble else None
    hold = suspension.kind is Kind.HOLD
    can_decide = view.open and not moment.passed(suspension.due)
    mine = view.decision_of(reader.id)
    answer = _answer(view, typed, problems.get(ANSWER)) if reader.id == view.requester.id else None
    return ApprovalPage(
        title=request.step,
        flow=request.flow,
        place=_place(view),
        ask=request.ask,
        reader=reader.name,
        requester=view.requester.name,
        started=moment(view.run.started_at),
        inputs=labelled(view.plan.scope_of(suspension.path).flow.inputs, request.inputs),
        show=[(label, _text(value)) for label, value in request.show.items()],
        asked=standing.named(view, (*suspension.approvers.people, *suspension.approvers.groups)),
        gaps=suspension.approvers.gaps,
        decisions=[_said(view, decision, moment(decision.at)) for decision in view.decisions],
        questions=[_asked(view, question, moment) for question in view.questions],
        answer=answer,
        risk=standing.risk(view),
        progress=standing.progress(view),
        rule=standing.rule(view),
        waiting=standing.waiting_for(view),
        veto=standing.may_veto(view),
        due=moment(suspension.due) if suspension.due else None,
        open=view.open,
        state=standing.state(view, moment),
        newer=newer,
        paused=standing.paused(view, decidable=can_decide),
        own=standing.own(view, mine, moment, changeable=can_decide),
        # Who came to answer a question is not asked for what they may not say.
        form=can_decide and (answer is None or view.self_approval),
        choices=[Choice(value, label, value == kept) for value, label in _answers(view)],
        widgets=widgets(request.form, request.defaults, zone=moment.zone, typed=typed, problems=problems),
        comment=_comment(view, typed, problems.get(COMMENT)),
        verdict_error=problems.get(VERDICT),
        take_back=mine is not None,
        take_back_error=problems.get(TAKE_BACK),
        zone=moment.zone,
        hold=hold,
        without_form=_without_form(view),
    )


def chosen(view: SuspensionView, typed: Typed) -> tuple[Verdict, str | None]:
    """The verdict that was chosen on the page, and the option. Raises ``InvalidForm`` where none was: silence is no
    verdict."""
    said = typed.get(VERDICT) or []
    if len(said) != 1 or said[0] not in (value for value, _ in _answers(view)):
        raise InvalidForm({VERDICT: "is needed: please choose one."})
    verdict, _, option = said[0].partition(":")
    return Verdict(verdict), option or None


def _answers(view: SuspensionView) -> list[tuple[str, str]]:
    """What can be chosen: each as the form sends it, and as it is called."""
    if view.suspension.kind is Kind.HOLD:
        return [(Verdict.RESUME.value, "Resume")]
    yes = [(f"{Verdict.APPROVE.value}:{option.name}", option.title) for option in view.options]
    return [*(yes or [(Verdict.APPROVE.value, "Approve")]), (Verdict.REJECT.value, "Reject")]


def _comment(view: SuspensionView, typed: Typed | None, error: str | None) -> CommentBox:
    wait = view.wait
    label = "Comment"
    if isinstance(wait, Approval) and wait.reason == "never":
        label = "Comment, or why you reject"
    elif isinstance(wait, Approval):
        label = "Comment (required)" if wait.reason == "both" else "Comment (required to reject)"
    text = ((typed or {}).get(COMMENT) or [""])[0]
    return CommentBox(label, text, isinstance(wait, Approval) and wait.reason == "both", ended(error))


def _answer(view: SuspensionView, typed: Typed | None, error: str | None) -> AnswerBox | None:
    if not view.open or not any(question.open for question in view.questions):
        return None
    return AnswerBox(((typed or {}).get(ANSWER) or [""])[0], ended(error))


def ended(problem: str | None) -> str | None:
    """What is wrong with a value, with a full stop."""
    return f"{problem.rstrip('.')}." if problem else None


def _without_form(view: SuspensionView) -> str | None:
    wait = view.wait
    if not isinstance(wait, Approval) or not wait.form or fills_in(wait, Verdict.REJECT):
        return None
    return f"A rejection needs only the verdict{'' if wait.reason == 'never' else ' and the comment'} below."


def _place(view: SuspensionView) -> str | None:
    path, round_ = view.suspension.path, view.suspension.round
    if path == view.step.id and round_ == 1:
        return None
    return path if round_ == 1 else f"{path}, round {round_}"


def _said(view: SuspensionView, decision: Decision, at: Moment) -> Said:
    form = view.request.form
    values = labelled(form, {name: value for name, value in mask(form, decision.values).items() if value is not None})
    return Said(
        view.person(decision.person).name,
        SAID[decision.verdict],
        standing.choice(view.options, decision.option),
        decision.unseen,
        at,
        decision.comment,
        values,
    )


def _asked(view: SuspensionView, question: Question, moment: Moments) -> Asked:
    by = view.person(question.answered_by) if question.answered_by is not None else view.requester
    return Asked(view.person(question.person).name, question.text, moment(question.at), question.answer, by.name)


def labelled(fields: Sequence[Field], values: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Values as people read them, each with its label."""
    return [(field.title, _value(field, values[field.name])) for field in fields if field.name in values]


def _value(field: Field, value: Json) -> str:
    if isinstance(field, StringField) and isinstance(value, str) and value != MASK:
        return value  # with its line breaks
    return readable(field, value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=dict)
