"""What the approval page says, made of a suspension as it stands. Pure: a view in, plain values for a template out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.web.moments import from_now, in_words, zone_named
from bot.web.widgets import Typed, Widget, widgets
from flows.fields import MASK, StringField
from flows.forms import Field, mask, readable
from flows.people import Person
from flows.ports import Json
from flows.run import Close, Decision, Kind, Verdict
from flows.views import SuspensionView

VERDICT = "verdict"
COMMENT = "comment"

_SAID = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RESUME: "resumed"}


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant for a ``time`` element."""

    iso: str
    words: str
    from_now: str


MomentOf = Callable[[datetime], Moment]


@dataclass(frozen=True, slots=True)
class Said:
    """One person's answer in the list of those who have decided."""

    name: str
    verdict: str
    at: Moment
    comment: str | None
    values: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """One verdict that can be chosen. ``chosen`` only where the person had chosen it and is asked to correct the rest."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why what was sent did not count: the sentence, and what is wrong with which value."""

    title: str
    sentence: str
    fields: Mapping[str, str]
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Everything that the template shows. ``form`` is whether there is anything to decide."""

    title: str
    flow: str
    ask: str
    reader: str
    requester: str
    started: Moment
    inputs: Sequence[tuple[str, str]]
    show: Sequence[tuple[str, str]]
    asked: Sequence[str]
    gaps: Sequence[tuple[str, str]]
    decisions: Sequence[Said]
    progress: str
    due: Moment | None
    open: bool
    state: str
    own: str | None
    form: bool
    choices: Sequence[Choice]
    widgets: Sequence[Widget]
    comment: str
    comment_error: str | None
    verdict_error: str | None
    zone: str
    hold: bool


def approval_page(
    view: SuspensionView,
    reader: Person,
    *,
    now: datetime,
    typed: Typed | None = None,
    trouble: Trouble | None = None,
) -> ApprovalPage:
    """The page for ``reader``. ``typed`` is what they had filled in, kept where it has to be corrected."""
    request, suspension = view.request, view.suspension
    zone = zone_named(reader.tz)
    zone_name = zone.key if isinstance(zone, ZoneInfo) else "UTC"

    def moment(instant: datetime) -> Moment:
        return Moment(instant.isoformat(), in_words(instant, zone), from_now(instant, now))

    problems = trouble.fields if trouble else {}
    kept = trouble.choice if trouble else None
    hold = suspension.kind is Kind.HOLD
    verdicts = (Verdict.RESUME,) if hold else (Verdict.APPROVE, Verdict.REJECT)
    overdue = suspension.due is not None and now >= suspension.due
    can_decide = view.open and not overdue
    mine = view.decision_of(reader.id)
    return ApprovalPage(
        title=request.step,
        flow=request.flow,
        ask=request.ask,
        reader=reader.name,
        requester=view.requester.name,
        started=moment(view.run.started_at),
        inputs=_values(view.plan.flow.inputs, request.inputs),
        show=[(label, _text(value)) for label, value in request.show.items()],
        asked=[view.person(person).name for person in suspension.approvers.people] + list(suspension.approvers.groups),
        gaps=suspension.approvers.gaps,
        decisions=[_said(view, decision, moment(decision.at)) for decision in view.decisions],
        progress=_progress(view, hold),
        due=moment(suspension.due) if suspension.due else None,
        open=view.open,
        state=_state(view, moment, overdue=overdue),
        own=_own(mine, moment, changeable=can_decide and not hold),
        form=can_decide,
        choices=[Choice(one.value, one.value.capitalize(), one.value == kept) for one in verdicts],
        widgets=widgets(request.form, request.defaults, zone=zone_name, typed=typed, problems=problems),
        comment=((typed or {}).get(COMMENT) or [""])[0],
        comment_error=problems.get(COMMENT),
        verdict_error=problems.get(VERDICT),
        zone=zone_name,
        hold=hold,
    )


def _progress(view: SuspensionView, hold: bool) -> str:
    needed, approvals, missing = view.suspension.needed, view.approvals, view.missing
    if hold:
        return "Any one of those who were asked can resume it."
    counted = f"{approvals} of {needed} approval{'s' if needed != 1 else ''}"
    return f"{counted}; {missing} more needed" if missing and view.open else counted


def _state(view: SuspensionView, moment: MomentOf, *, overdue: bool) -> str:
    """What has become of it, in one sentence."""
    closing = view.suspension.closing
    if closing is None:
        if overdue:
            return "The deadline has passed, so this can no longer be decided."
        return "This waits to be resumed." if view.suspension.kind is Kind.HOLD else "This waits for a decision."
    at = moment(closing.at).words
    # It may have been acted on later: while the bot is down a deadline passes all the same.
    due = moment(view.suspension.due or closing.at).words
    by = f" by {_names([view.person(person).name for person in closing.by])}" if closing.by else ""
    match closing.how:
        case Close.APPROVED if not closing.by:
            return f"Approved because the deadline passed on {due}, as the flow has it."
        case Close.APPROVED:
            return f"Approved{by} on {at}."
        case Close.REJECTED:
            return f"Rejected{by} on {at}."
        case Close.RESUMED:
            return f"Resumed{by} on {at}."
        case Close.CANCELLED:
            return f"Cancelled{by} on {at}. There is nothing to decide any more."
        case _:
            return f"The deadline passed on {due} before it was decided."


def _own(mine: Decision | None, moment: MomentOf, *, changeable: bool) -> str | None:
    if mine is None:
        return None
    said = f"You {_SAID[mine.verdict]} this on {moment(mine.at).words}."
    return f"{said} As long as it is open, you may change your answer." if changeable else said


def _said(view: SuspensionView, decision: Decision, at: Moment) -> Said:
    form = view.request.form
    values = _values(form, {name: value for name, value in mask(form, decision.values).items() if value is not None})
    return Said(view.person(decision.person).name, _SAID[decision.verdict], at, decision.comment, values)


def _values(fields: Sequence[Field], values: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [(field.title, _value(field, values[field.name])) for field in fields if field.name in values]


def _value(field: Field, value: Json) -> str:
    if isinstance(field, StringField) and isinstance(value, str) and value != MASK:
        return value  # with its line breaks
    return readable(field, value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=dict)


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
