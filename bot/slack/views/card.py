"""The card: one suspension as a message, open or closed. Drawn from state alone, so it can be drawn again at any time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slack_sdk.models.blocks.block_elements import InteractiveElement

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.buttons import OPEN_PAGE, OPTIONS, ROW, decision_buttons, more_menu, show_all, undo
from bot.slack.views.request import asked, summary, title
from bot.slack.views.words import NO_GROUPS, Groups
from flows.definition import Approval, Hold
from flows.forms import mask, readable
from flows.ids import Ids
from flows.run import Close, Decision, Kind, Outcome
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

DECIDE = "decide"
"""The block id of a card's buttons."""

BESIDE = "beside"
"""The block id of those for which there is no room in that row."""

# Characters; see request.py.
_MAY_DECIDE = 400
_MAY_VETO = 200
_STAND_INS = 200
_ESCALATED = 250
_QUESTIONS = 600
_QUESTION = 250
_DECISIONS = 900
_GAPS = 300
_REASON = 400
_ANSWERS = 300


@dataclass(frozen=True, slots=True)
class Shown:
    """A message: ``text`` is what notifications and screen readers say."""

    text: str
    blocks: list[kit.Block]


def card(
    view: SuspensionView, ids: Ids, *, page: str | None = None, groups: Groups = NO_GROUPS, droppable: bool = True
) -> Shown:
    """The card of a suspension. Where it is cut, it says so, has a button that shows all, and Approve shows all first.

    ``page`` is the personal page of its only reader; a card that many can see has none. ``droppable``: it offers to let
    the run go on without a decision.
    """
    drawn = _card(view, ids, page, groups, options=OPTIONS, droppable=droppable)
    if view.options and sum(map(len, kit.texts(drawn.blocks))) > kit.MESSAGE_TEXT:
        return _card(view, ids, page, groups, options=0, droppable=droppable)
    return drawn


def _card(view: SuspensionView, ids: Ids, page: str | None, groups: Groups, *, options: int, droppable: bool) -> Shown:
    request = asked(view)
    blocks = [kit.header(title(view))]
    if risk := words.risk(view):
        blocks.append(kit.context(risk))
    blocks += request.blocks
    if request.cut:
        blocks.append(kit.context(kit.CUT))
    blocks.append(kit.context(_standing(view, ids, groups)))
    if not view.open:
        blocks.append(kit.section(_ending(view, ids)))
        if view.resubmitted is not None:
            blocks.append(kit.context(words.anew(view.resubmitted, ids)))
    else:
        blocks += map(kit.context, _circumstances(view, groups))
    if view.run.paused is not None and view.run.ending is None:
        blocks.append(kit.context(_paused(view)))
    if questions := _questions(view):
        blocks.append(kit.section(questions))
    if decisions := [_decision(view, one) for one in view.decisions if one is not _sole(view)]:
        blocks.append(kit.section(kit.fit(decisions, _DECISIONS)[0]))
    if view.suspension.approvers.gaps:
        blocks.append(kit.context(_gaps(view)))
    page = page if request.cut else None
    reference = Reference.to(view).text(ids)
    buttons = list(_buttons(view, reference, page, cut=request.cut, options=options, droppable=droppable))
    for row, start in ((DECIDE, 0), (BESIDE, ROW)):
        if found := buttons[start : start + ROW]:
            blocks.append(kit.actions(row, found))
    return Shown(_notification(view), blocks)


def _buttons(
    view: SuspensionView, reference: str, page: str | None, *, cut: bool, options: int, droppable: bool
) -> Iterator[InteractiveElement]:
    if view.open:
        if view.suspension.clocks.settles_at is not None:
            yield undo(reference)
        yield from decision_buttons(view, reference, options=options)
    if cut:
        yield show_all(reference)
    if page is not None:
        yield kit.link_button(OPEN_PAGE, "Open the page", page)
    if view.open:
        yield more_menu(reference, droppable=droppable)


def _notification(view: SuspensionView) -> str:
    """The ask itself: who sees the notification knows what is wanted without opening Slack."""
    ask = summary(view, kit.NOTIFICATION // 2)
    if view.open:
        wait = view.wait
        high = isinstance(wait, Approval | Hold) and wait.risk == "high"
        text = f"{'High risk: ' if high else ''}{ask} ({title(view)}, asked by {view.requester.name})"
    else:
        text = f"{words.ended_plainly(view)}: {ask} ({title(view)})"
    return clip(escape(text), kit.NOTIFICATION)


# -- how it stands ----------------------------------------------------------------------------------------------


def _standing(view: SuspensionView, ids: Ids, groups: Groups) -> str:
    parts = [f"Asked by {words.who(view.requester)}"]
    if view.suspension.kind is Kind.APPROVAL or view.open:
        parts.append(f"*{words.progress(view)}*{words.waiting_for(view, groups, plain=True)}")
    if view.open and (rejections := words.rejections(view)):
        parts.append(rejections)
    if view.open and (until := words.until(view)):
        parts.append(until)
    parts.append(f"<{ids.run_url(view.run.id)}|{ids.run(view.run.id)}>")
    return "  ·  ".join(parts)


def _circumstances(view: SuspensionView, groups: Groups) -> Iterator[str]:
    """Of an open one: who may decide, who stands in for them, whom else it has come to, and that it can be undone."""
    if may := _who_may_decide(view, groups):
        yield may
    if stand_ins := words.stand_ins(view):
        yield clip(", ".join(stand_ins), _STAND_INS)
    clocks = view.suspension.clocks
    if clocks.escalated:
        reached = [one.approvers for one in clocks.later[: clocks.escalated]]
        named = [name for one in reached for name in words.seats(view, (*one.people, *one.groups), groups)]
        yield f":arrow_up: Escalated to {clip(words.listed(named, 'and'), _ESCALATED)}"
    if clocks.settles_at is not None:
        yield f":hourglass_flowing_sand: Complete, and takes effect at {words.exactly(clocks.settles_at)}. Until then it can be undone."


def _who_may_decide(view: SuspensionView, groups: Groups) -> str:
    approvers, terms = view.suspension.approvers, view.suspension.terms
    verb = "resume this" if view.suspension.kind is Kind.HOLD else "decide"
    there = words.present(view, (*approvers.people, *approvers.groups))
    lines = [
        _named(f"Can {verb}", words.seats(view, there, groups), _MAY_DECIDE),
        _named("Can veto", words.seats(view, terms.veto if terms else (), groups), _MAY_VETO),
    ]
    return "\n".join(filter(None, lines))


def _named(what: str, names: Iterable[str], limit: int) -> str:
    fitting = kit.fit(names, limit)[0].splitlines()
    return f"{what}: {', '.join(fitting)}" if fitting else ""


def _paused(view: SuspensionView) -> str:
    paused = view.run.paused
    assert paused is not None  # the caller has looked
    by = words.who(view.person(paused.by))
    return (
        f":double_vertical_bar: The run is paused by {by} since {words.moment(paused.at)}. "
        "Answers are counted; what comes next starts when it is resumed."
    )


def _gaps(view: SuspensionView) -> str:
    who = {handle: words.who(person) for person in view.people.values() for handle in words.handles(person)}
    gaps = [
        f"{who.get(handle) or words.line(handle)} ({words.line(reason)})"
        for handle, reason in view.suspension.approvers.gaps
    ]
    return clip(f"Not asked: {', '.join(gaps)}", _GAPS)


# -- who has decided what ---------------------------------------------------------------------------------------


def _sole(view: SuspensionView) -> Decision | None:
    """The decision that alone has closed it: how it ended says all of that one, and nothing has to be said twice."""
    closing = view.suspension.closing
    if closing is None or len(closing.by) != 1:
        return None
    if closing.how not in (Close.APPROVED, Close.REJECTED, Close.RESUMED):
        return None
    mine = view.decision_of(closing.by[0])
    return mine if mine is not None and not mine.unseen else None


def _ending(view: SuspensionView, ids: Ids) -> str:
    sole = _sole(view)
    reason = sole.comment if sole is not None else _reason(view)
    text = words.ended(view, ids) + (f"\n>{clip(words.line(reason), _REASON)}" if reason else "")
    return text + (_answers(view, sole) if sole is not None else "")


def _reason(view: SuspensionView) -> str | None:
    """Why, where none of the decisions that are listed says so."""
    closing, ending = view.suspension.closing, view.run.ending
    assert closing is not None  # asked of closed ones only
    if closing.how is Close.SUPERSEDED:
        return None  # its reason is the newer run, which has been named
    # What ended the run at the same instant closed this along with it.
    together = ending is not None and (ending.outcome is Outcome.CANCELLED or ending.at == closing.at)
    also = ending.reason if ending is not None and together and closing.how is Close.CANCELLED else None
    reason = closing.reason or also
    return None if any(one.comment == reason for one in view.decisions) else reason


def _questions(view: SuspensionView) -> str:
    """What was asked, the newest first; of a closed one nothing, where it was decided without."""
    asked = [one for one in reversed(view.questions) if view.open or one.answer is not None]
    lines = [
        f"{':question:' if one.open else ':speech_balloon:'} {words.question(view, one, _QUESTION)}" for one in asked
    ]
    return kit.fit(lines, _QUESTIONS, more="… and {} more questions")[0] if lines else ""


def _decision(view: SuspensionView, decision: Decision) -> str:
    who, said = words.gave(view, decision), words.said(view, decision)
    text = f"{words.ICONS[decision.verdict]} {who} {said}, {words.moment(decision.at)}"
    if decision.comment:
        text += f": {words.comment(decision.comment, _ANSWERS)}"
    return text + _answers(view, decision)


def _answers(view: SuspensionView, decision: Decision) -> str:
    """What was filled in, on a line of its own."""
    answers = mask(view.request.form, decision.values)
    said = [
        f"{field.title}: {readable(field, answers[field.name])}"
        for field in view.request.form
        if answers.get(field.name) not in (None, "", [])
    ]
    return f"\n>{clip(words.line('; '.join(said)), _ANSWERS)}" if said else ""
