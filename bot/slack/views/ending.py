"""How a run ended, as its requester is told in a direct message."""

from __future__ import annotations

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from flows.people import Person
from flows.run import Outcome
from flows.views import RunView
from integrations.slack.text import clip, escape

_OUTCOMES = {
    Outcome.SUCCEEDED: (":white_check_mark:", "has succeeded"),
    Outcome.REJECTED: (":x:", "was rejected"),
    Outcome.EXPIRED: (":hourglass:", "has expired"),
    Outcome.CANCELLED: (":no_entry_sign:", "was cancelled"),
    Outcome.FAILED: (":warning:", "has failed"),
}


def ending(view: RunView, person: Person, link: str | None) -> Shown:
    """The outcome, who, and why; ``link`` leads to the card. ``person`` is who is told: Slack notifies of a reply in a
    thread for certain only where it mentions them."""
    end = view.run.ending
    assert end is not None  # only ended runs are told of
    icon, verb = _OUTCOMES[end.outcome]
    name = clip(words.line(view.plan.flow.name), kit.HEADER)
    by = words.those(view.person(person) for person in end.by)
    text = f"{icon} {words.who(person)}: Your *{name}* {verb}{f' by {by}' if by else ''}, {words.moment(end.at)}"
    if end.reason:
        text += f"\n>{words.comment(end.reason, 1_000)}"
    if link is not None:
        text += f"\n<{link}|Open the card>"
    people = ", ".join(view.person(person).name for person in end.by)
    said = (
        f"Your {view.plan.flow.name} {verb}{f' by {people}' if people else ''}{f': {end.reason}' if end.reason else ''}"
    )
    return Shown(clip(escape(said), kit.NOTIFICATION), [kit.section(text)])
