"""The requester's one message of a run: where it stands, who is waited for, what can be done, and how it ended.

Like a card it is drawn from state alone, so it can be drawn again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from slack_sdk.models.blocks.block_elements import ButtonElement

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.notes import ANSWER_QUESTION
from bot.slack.views.request import summary, title
from bot.slack.views.words import NO_GROUPS, Groups
from flows.forms import mask, readable
from flows.ids import Ids
from flows.run import Close, Kind, Outcome, RunId
from flows.views import RunView, SuspensionView
from integrations.slack.text import clip, escape

NUDGE = "nudge"
WITHDRAW_RUN = "withdraw_run"
RESUBMIT = "resubmit"

WAITS = 5
"""Open waits that are told one by one, each with its Nudge; of more, the rest is counted."""

AGAIN = frozenset(Outcome) - {Outcome.SUCCEEDED}
"""Outcomes after which the same can be asked for anew."""

# Characters. With WAITS times a wait's three parts these stay under kit.MESSAGE_TEXT whatever is asked.
_INPUTS = 900
_VALUE = 200
_ASK = 250
_SEATS = 350
_TITLE = 150
_QUESTIONS = 400
_QUESTION = 200
_DECIDED = 900
_COMMENT = 200
_REASON = 1_000

_ASKED = (Kind.APPROVAL, Kind.HOLD)
_OUTCOMES = {
    Outcome.SUCCEEDED: ":white_check_mark: *Succeeded*",
    Outcome.REJECTED: ":x: *Rejected*",
    Outcome.EXPIRED: ":hourglass: *Expired*",
    Outcome.CANCELLED: ":no_entry_sign: *Cancelled*",
    Outcome.FAILED: ":warning: *Failed*",
}


def requester(view: RunView, ids: Ids, *, groups: Groups = NO_GROUPS) -> Shown:
    """The message."""
    blocks = [kit.header(view.plan.flow.name), kit.context("  ·  ".join(_facts(view, ids)))]
    if inputs := _inputs(view):
        blocks.append(kit.section(inputs))
    if view.run.ending is not None:
        blocks += _ended(view, ids)
    else:
        blocks += _under_way(view, ids, groups)
    return Shown(notification(view), blocks)


def notification(view: RunView) -> str:
    """What is said of it where the message itself is not seen."""
    open_ = open_waits(view)
    stands = view.status
    if view.run.ending is None and len(open_) == 1:
        stands = words.progress(open_[0])
    return clip(escape(f"Your {view.plan.flow.name}: {stands}"), kit.NOTIFICATION)


def open_waits(view: RunView) -> list[SuspensionView]:
    """What people are asked in the run, and have not answered."""
    return [one for one in view.suspensions if one.open and one.suspension.kind in _ASKED]


def _facts(view: RunView, ids: Ids) -> Iterator[str]:
    run = view.run
    yield "You asked for this"
    yield f"started {words.moment(run.started_at)}"
    yield run_link(run.id, ids)
    if run.resubmits is not None:
        yield f"a new version of {run_link(run.resubmits, ids)}"


def run_link(run: RunId, ids: Ids) -> str:
    """A run's id, leading to its page."""
    return f"<{ids.run_url(run)}|{ids.run(run)}>"


def _inputs(view: RunView) -> str:
    """What was asked for, in short: enough to tell this request from another one."""
    given = mask(view.plan.flow.inputs, view.run.inputs)
    lines = [
        f"*{words.line(field.title)}:* {clip(words.line(readable(field, given[field.name])), _VALUE)}"
        for field in view.plan.flow.inputs
        if given.get(field.name) not in (None, "", [])
    ]
    return kit.fit(lines, _INPUTS)[0]


# -- under way ------------------------------------------------------------------------------------------------


def _under_way(view: RunView, ids: Ids, groups: Groups) -> Iterator[kit.Block]:
    if view.run.paused is not None:
        by = words.who(view.person(view.run.paused.by))
        yield kit.context(f":double_vertical_bar: Paused by {by}, {words.moment(view.run.paused.at)}.")
    waits = open_waits(view)
    for one in waits[:WAITS]:
        yield from _wait(one, ids, groups)
    if len(waits) > WAITS:
        yield kit.context(
            f"… and {len(waits) - WAITS} more waits. `/approvals show {ids.run(view.run.id)}` has them all."
        )
    elif not waits:
        yield kit.section(_meanwhile(view))
    if decided := _decided(view):
        yield kit.section(decided)
    yield from run_buttons(view, ids)


def run_buttons(view: RunView, ids: Ids) -> Iterator[kit.Block]:
    """What the requester may do with the whole run; nothing, where there is nothing more to do."""
    row = f"request:{ids.run(view.run.id)}"
    if view.run.ending is None:
        yield kit.actions(row, [withdraw(view.run.id, ids)])
    elif view.run.ending.outcome in AGAIN and view.resubmitted is None:
        again = kit.button(RESUBMIT, "Edit and resubmit", value=ids.run(view.run.id), style="primary")
        yield kit.actions(row, [again])


def wait_buttons(view: SuspensionView, ids: Ids) -> kit.Block:
    """What the requester may do with one open wait."""
    reference = Reference.to(view).text(ids)
    buttons = [kit.button(NUDGE, "Nudge", value=reference)]
    if any(one.open for one in view.questions):
        buttons.insert(0, kit.button(ANSWER_QUESTION, "Answer", value=reference, style="primary"))
    return kit.actions(f"{NUDGE}:{ids.suspension(view.run.id, view.suspension.n)}", buttons)


def withdraw(run: RunId, ids: Ids) -> ButtonElement:
    """What takes the whole request back, after one more question."""
    return kit.button(WITHDRAW_RUN, "Withdraw", value=ids.run(run), style="danger")


def _wait(view: SuspensionView, ids: Ids, groups: Groups) -> Iterator[kit.Block]:
    suspension = view.suspension
    ask = clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"
    facts = [f"*{words.progress(view)}*"]
    # What has been said takes effect in a moment: nobody is waited for.
    seats = () if suspension.clocks.settles_at is not None else words.present(view, view.waiting_for)
    waited = words.listed(words.seats(view, seats, groups), "or")
    if waited and suspension.kind is Kind.APPROVAL:
        facts.append(f"waiting for {clip(waited, _SEATS)}")
    elif waited:
        facts.append(f"{clip(waited, _SEATS)} can resume it")
    facts += _clocks(view)
    yield kit.section(f"*{clip(words.line(title(view)), _TITLE)}*\n{ask}\n{'  ·  '.join(facts)}")
    questions = [one for one in view.questions if one.open]
    if questions:
        asked = [
            f":speech_balloon: {words.who(view.person(one.person))} asks: {words.comment(one.text, _QUESTION)}"
            for one in questions
        ]
        yield kit.context(kit.fit(asked, _QUESTIONS)[0])
    yield wait_buttons(view, ids)


def _clocks(view: SuspensionView) -> Iterator[str]:
    """When it ends, and what its clocks have done by now."""
    if until := words.until(view):
        yield until
    if view.suspension.clocks.escalated:
        yield "others are asked too by now"


def _meanwhile(view: RunView) -> str:
    """What an open run does that asks nobody right now."""
    others = {one.suspension.kind for one in view.suspensions if one.open}
    if Kind.CALLBACK in others:
        return ":hourglass_flowing_sand: Waits for another system to answer."
    if others:
        return ":hourglass_flowing_sand: Waits for its time to come."
    return ":gear: Nobody is asked at the moment; the run goes on by itself."


def _decided(view: RunView, *, told: str | None = None) -> str:
    """What people have said so far, the newest first; ``told`` is a reason that stands above already."""
    said = sorted(
        ((one, decision) for one in view.suspensions for decision in one.decisions),
        key=lambda pair: pair[1].at,
        reverse=True,
    )
    lines = []
    for one, decision in said:
        text = f"{words.ICONS[decision.verdict]} {words.gave(one, decision)} {words.said(one, decision)}"
        text += f": {words.line(one.request.step)}, {words.moment(decision.at)}"
        comment = decision.comment if decision.comment != told else None
        lines.append(text + (f"\n>{words.comment(comment, _COMMENT)}" if comment else ""))
    return kit.fit(lines, _DECIDED)[0]


# -- ended ----------------------------------------------------------------------------------------------------


def _ended(view: RunView, ids: Ids) -> Iterator[kit.Block]:
    ending = view.run.ending
    assert ending is not None  # the caller has looked
    by = words.those(view.person(person) for person in ending.by)
    text = f"{_OUTCOMES[ending.outcome]}{f' by {by}' if by else ''}, {words.moment(ending.at)}"
    if ending.reason:
        text += f"\n>{words.comment(ending.reason, _REASON)}"
    yield kit.section(text)
    if any(one.suspension.closing and one.suspension.closing.how is Close.DROPPED for one in view.suspensions):
        yield kit.context(":rotating_light: Somebody let it go on without a decision; the cards say who, and why.")
    if decided := _decided(view, told=ending.reason):
        yield kit.section(decided)
    if view.resubmitted is not None:
        yield kit.context(words.anew(view.resubmitted, ids))
    yield from run_buttons(view, ids)
