"""What people are told about a wait besides its card: reminders, questions and answers, who else is asked, and what was
let go on without a decision.
"""

from __future__ import annotations

from bot.slack.views import kit, words
from bot.slack.views.buttons import explain_button
from bot.slack.views.card import Shown
from bot.slack.views.request import summary, title
from bot.slack.views.words import NO_GROUPS, Groups
from flows.effects import Note
from flows.ids import Ids
from flows.people import Person
from flows.run import Kind, Question
from flows.views import SuspensionView
from integrations.slack.text import clip, escape, mention

ANSWER_QUESTION = "answer_question"
"""The action id of the button under a question; its value is the reference of what it is about."""

# Characters.
_ASK = 500
_TEXT = 2_000
_TITLE = 150
_PEOPLE = 700

_ICONS = {Note.REMINDER: ":alarm_clock:", Note.NUDGE: ":bell:", Note.WOKEN: ":alarm_clock:"}


def reminder(
    view: SuspensionView, note: Note, person: Person, *, link: str | None, reference: str, threaded: bool
) -> Shown:
    """To somebody who has not answered. ``threaded``: it stands below their own card, and needs no link.

    It mentions them: in a thread that they have not written in, Slack tells them of nothing else.
    """
    to = f"{mention(person.slack)} " if threaded and person.slack is not None else ""
    why = {
        Note.NUDGE: f"{words.who(view.requester)} asks once more for your answer.",
        Note.WOKEN: "You wanted to be reminded of this now.",
    }.get(note, "This still waits for you.")
    text = f"{_ICONS[note]} {to}{why}"
    facts = [words.standing(view), words.until(view)]
    text += f"\n>{_ask(view)}\n{'  ·  '.join(filter(None, facts))}"
    said = {Note.NUDGE: f"{view.requester.name} asks once more", Note.WOKEN: "You wanted to be reminded"}
    told = said.get(note, "Still waits for you")
    blocks = [kit.section(text + _led(link, threaded))]
    if not threaded:
        blocks.append(kit.actions("note", [explain_button(reference)]))
    return Shown(_notification(f"{told}: {summary(view, 300)}"), blocks)


def question(view: SuspensionView, asked: Question, *, link: str | None, reference: str) -> Shown:
    """To the requester: somebody wants to know something first."""
    who = view.person(asked.person)
    text = f":question: {words.who(who)} asks about *{_title(view)}* before they decide:\n>{words.comment(asked.text, _TEXT)}"
    if view.suspension.clocks.stopped_at is not None:
        text += "\nThe clock is stopped until you answer."
    blocks = [
        kit.section(text + _led(link)),
        kit.actions("note", [kit.button(ANSWER_QUESTION, "Answer", value=reference, style="primary")]),
    ]
    return Shown(_notification(f"{who.name} asks: {asked.text}"), blocks)


def answer(view: SuspensionView, asked: Question, person: Person, *, link: str | None, threaded: bool) -> Shown:
    """To who asked: what the requester says."""
    assert asked.answer is not None  # only answers are told
    by = view.person(asked.answered_by) if asked.answered_by is not None else view.requester
    to = f"{mention(person.slack)} " if threaded and person.slack is not None else ""
    text = (
        f":speech_balloon: {to}{words.who(by)} has answered about *{_title(view)}*.\n"
        f">You: {words.comment(asked.text, 600)}\n>{words.who(by)}: {words.comment(asked.answer, _TEXT)}"
    )
    text += _led(link, threaded)
    return Shown(_notification(f"{by.name} has answered: {asked.answer}"), [kit.section(clip(text, kit.SECTION))])


def escalated(view: SuspensionView, times: int, *, link: str | None, groups: Groups = NO_GROUPS) -> Shown:
    """To the requester: nobody has answered in time, so others are asked. ``times`` counts the steps, from 1."""
    step = view.suspension.clocks.later[times - 1].approvers
    named = words.listed(words.seats(view, (*step.people, *step.groups), groups), "and")
    text = f":arrow_up: Nobody has decided *{_title(view)}* in time. {clip(named, _PEOPLE)} can decide it now."
    plainly = f"Others are asked now about {title(view)}"
    return Shown(_notification(plainly), [kit.section(text + _led(link))])


def reassigned(view: SuspensionView, *, link: str | None, groups: Groups = NO_GROUPS) -> Shown:
    """To the requester: somebody else is asked now."""
    named = words.listed(words.seats(view, words.present(view, view.waiting_for), groups), "or")
    text = f":handshake: *{_title(view)}* was handed on. It waits for {clip(named, _PEOPLE) or 'nobody'} now."
    return Shown(_notification(f"Somebody else is asked now about {title(view)}"), [kit.section(text + _led(link))])


def dropped(view: SuspensionView, ids: Ids, *, link: str | None) -> Shown:
    """To everybody concerned: an admin has let the run go on, and nobody has approved it."""
    closing = view.suspension.closing
    by = words.those(view.person(person) for person in closing.by) if closing is not None else ""
    what = "resumed" if view.suspension.kind is Kind.HOLD else "approved"
    run = f"<{ids.run_url(view.run.id)}|{ids.run(view.run.id)}>"
    text = f":rotating_light: {by or 'Somebody'} let *{_title(view)}* go on without a decision ({run}). Nobody has {what} it."
    if closing is not None and closing.reason:
        text += f"\n>{words.comment(closing.reason, _TEXT)}"
    text += f"\nIt asked: {_ask(view)}"
    plainly = f"{title(view)} goes on without a decision"
    return Shown(_notification(plainly), [kit.section(clip(text, kit.SECTION - 200) + _led(link))])


def _ask(view: SuspensionView) -> str:
    return clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"


def _title(view: SuspensionView) -> str:
    return clip(words.line(title(view)), _TITLE)


def _led(link: str | None, threaded: bool = False) -> str:
    return "" if link is None or threaded else f"\n<{link}|Open the card>"


def _notification(text: str) -> str:
    return clip(escape(" ".join(text.split())), kit.NOTIFICATION)
