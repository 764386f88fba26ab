"""What a card's thread says of decisions: one message for all that have come since the last one."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.words import NO_GROUPS, Groups
from flows.run import Decision
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

LISTED = 40
"""Decisions that one entry lists; of more, the rest is counted."""

# Characters.
_LINES = 2_800
_COMMENT = 300
_CONTEXT = 1_000


def entry(view: SuspensionView, decisions: Sequence[Decision], groups: Groups = NO_GROUPS) -> Shown:
    """What a card's thread says of these decisions, in the order in which they were given."""
    lines = [_entry_line(view, one) for one in decisions[:LISTED]]
    if len(decisions) > LISTED:
        lines.append(f"… and {len(decisions) - LISTED:,} more")
    text = kit.fit(lines, _LINES)[0]
    first = decisions[0]
    plainly = f"{words.gave_plainly(view, first)} {words.said(view, first)}"
    more = f" and {len(decisions) - 1:,} more" if len(decisions) > 1 else ""
    blocks = [kit.section(text), kit.context(clip(_stands(view, groups), _CONTEXT))]
    return Shown(clip(escape(f"{plainly}{more}"), kit.NOTIFICATION), blocks)


def _stands(view: SuspensionView, groups: Groups) -> str:
    if not view.open:
        return f"{escape(words.ended_plainly(view))}."
    until = words.until(view) if view.suspension.clocks.settles_at is not None else None
    return "  ·  ".join(filter(None, [words.standing(view, groups), until]))


def _entry_line(view: SuspensionView, decision: Decision) -> str:
    text = f"{words.ICONS[decision.verdict]} {words.gave(view, decision)} {words.said(view, decision)}"
    return f"{text}: {words.comment(decision.comment, _COMMENT)}" if decision.comment else text
