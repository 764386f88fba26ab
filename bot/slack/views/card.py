"""The card: one suspension as a message, open or closed. Drawn from state alone, so it can be drawn again at any time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from slack_sdk.models.blocks.block_elements import ButtonElement

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.request import asked, summary, title
from flows.forms import mask, readable
from flows.ids import Ids
from flows.run import Decision, Kind, Outcome
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

APPROVE = "approve"
APPROVE_WITH = "approve_with"
"""Approve where a form goes with it. Told apart here, where the form is at hand, so that a click need not look for it."""
REJECT = "reject"
RESUME = "resume"
RESUME_WITH = "resume_with"
OPEN_WHOLE = "open_whole"
OPEN_PAGE = "open_page"

DECIDE = "decide"
"""The block id of a card's buttons."""

_DECISIONS = 1_200  # characters, see request.py
_MAY_DECIDE = 500
_GAPS = 400
_REASON = 400
_ANSWERS = 300


@dataclass(frozen=True, slots=True)
class Shown:
    """A message: ``text`` is what notifications and screen readers say."""

    text: str
    blocks: list[kit.Block]


def card(view: SuspensionView, ids: Ids, *, page: str | None = None) -> Shown:
    """The card of a suspension.

    ``page`` is the personal page of its only reader; a card that many can see has none, and where it is cut it
    gets a button that tells each person theirs.
    """
    request = asked(view)
    blocks = [kit.header(title(view)), *request.blocks]
    if request.cut:
        blocks.append(kit.context(kit.CUT))
    blocks.append(kit.context(_standing(view, ids)))
    if view.open:
        blocks += _who_may_decide(view)
    else:
        blocks.append(kit.section(_ending(view)))
    if view.decisions:
        blocks.append(kit.section(kit.fit(_decisions(view), _DECISIONS)[0]))
    if view.suspension.approvers.gaps:
        blocks.append(kit.context(_gaps(view)))
    reference = Reference.to(view).text(ids)
    buttons = list(_buttons(view, reference)) if view.open else []
    if request.cut:
        whole = "Open the whole"
        buttons.append(
            kit.link_button(OPEN_PAGE, whole, page) if page else kit.button(OPEN_WHOLE, whole, value=reference)
        )
    if buttons:
        blocks.append(kit.actions(DECIDE, buttons))
    return Shown(_notification(view), blocks)


def decision_buttons(view: SuspensionView, reference: str) -> list[ButtonElement]:
    """Approve and Reject, or Resume, for any surface."""
    return list(_buttons(view, reference))


def _buttons(view: SuspensionView, reference: str) -> Iterator[ButtonElement]:
    form = bool(view.request.form)
    if view.suspension.kind is Kind.HOLD:
        yield kit.button(RESUME_WITH if form else RESUME, "Resume", value=reference, style="primary")
    else:
        yield kit.button(APPROVE_WITH if form else APPROVE, "Approve", value=reference, style="primary")
        yield kit.button(REJECT, "Reject", value=reference, style="danger")


def _notification(view: SuspensionView) -> str:
    """The ask itself: who sees the notification knows what is wanted without opening Slack."""
    ask = summary(view, kit.NOTIFICATION // 2)
    if view.open:
        text = f"{ask} ({title(view)}, asked by {view.requester.name})"
    else:
        text = f"{words.ended_plainly(view)}: {ask} ({title(view)})"
    return clip(escape(text), kit.NOTIFICATION)


def _standing(view: SuspensionView, ids: Ids) -> str:
    parts = [f"Asked by {words.who(view.requester)}"]
    if view.suspension.kind is Kind.APPROVAL or view.open:
        parts.append(f"*{words.progress(view)}*")
    if view.open and view.suspension.due is not None:
        parts.append(f"until {words.moment(view.suspension.due)}")
    parts.append(f"<{ids.run_url(view.run.id)}|{ids.run(view.run.id)}>")
    return "  ·  ".join(parts)


def _who_may_decide(view: SuspensionView) -> Iterator[kit.Block]:
    approvers = view.suspension.approvers
    named = [words.who(view.person(person)) for person in approvers.people]
    named += [words.line(group) for group in approvers.groups]
    if named:
        text, _ = kit.fit(named, _MAY_DECIDE)
        verb = "resume this" if view.suspension.kind is Kind.HOLD else "decide"
        yield kit.context(f"Can {verb}: {', '.join(text.splitlines())}")


def _ending(view: SuspensionView) -> str:
    reason = _reason(view)
    return words.ended(view) + (f"\n>{clip(words.line(reason), _REASON)}" if reason else "")


def _reason(view: SuspensionView) -> str | None:
    """Why: what was said with the decision that closed it, or with the cancelling of the run."""
    ending = view.run.ending
    cancelled = ending is not None and ending.outcome is Outcome.CANCELLED
    return view.reason or (ending.reason if ending is not None and cancelled else None)


def _decisions(view: SuspensionView) -> list[str]:
    return [_decision(view, decision) for decision in view.decisions]


def _decision(view: SuspensionView, decision: Decision) -> str:
    text = f"{words.ICONS[decision.verdict]} {words.who(view.person(decision.person))} {words.DONE[decision.verdict]}"
    text += f", {words.moment(decision.at)}"
    if decision.comment:
        text += f": {words.comment(decision.comment, _ANSWERS)}"
    answers = mask(view.request.form, decision.values)
    said = [
        f"{field.title}: {readable(field, answers[field.name])}"
        for field in view.request.form
        if answers.get(field.name) not in (None, "", [])
    ]
    if said:
        text += f"\n>{clip(words.line('; '.join(said)), _ANSWERS)}"
    return text


def _gaps(view: SuspensionView) -> str:
    gaps = [f"{words.line(handle)} ({words.line(reason)})" for handle, reason in view.suspension.approvers.gaps]
    return clip(f"Not asked: {', '.join(gaps)}", _GAPS)
