"""What stands where somebody's own card was, who is not asked any more: there is nothing for them to press."""

from __future__ import annotations

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.request import title
from bot.slack.views.words import NO_GROUPS, Groups
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

_PEOPLE = 700  # characters


def no_longer_asked(view: SuspensionView, *, groups: Groups = NO_GROUPS) -> Shown:
    """That they are not asked any more, and who is."""
    if view.open:
        named = words.listed(words.seats(view, words.present(view, view.waiting_for), groups), "or")
        now = f"It waits for {clip(named, _PEOPLE) or 'nobody'} now."
    else:
        now = f"It has ended: {clip(escape(words.ended_plainly(view)), _PEOPLE)}."
    text = f"*{clip(words.line(title(view)), kit.HEADER)}*\nYou are not asked any more. {now}"
    said = f"You are not asked any more: {title(view)}"
    return Shown(clip(escape(said), kit.NOTIFICATION), [kit.section(text)])
