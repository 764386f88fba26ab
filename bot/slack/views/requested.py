"""What somebody has asked for and where it stands, as ``/approvals mine`` answers."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.requester import run_link
from bot.slack.views.words import NO_GROUPS, Groups
from flows.ids import Ids
from flows.run import Kind
from flows.views import RunView, SuspensionView
from integrations.slack.text import clip, escape

ITEMS = 10
"""Runs that are listed; at one block and at most 800 characters each this stays within one message."""

_NAME = 100  # characters
_WAITS = 3
_WAIT = 140
_REASON = 150


def requested(runs: Sequence[RunView], ids: Ids, *, groups: Groups = NO_GROUPS) -> Shown:
    """The list: the open ones first, then the newest; one more than ``ITEMS`` means that there are more."""
    if not runs:
        nothing = "You have not asked for anything yet. `/approvals run` lists what you can start."
        return Shown(nothing, [kit.section(nothing)])
    blocks = [kit.header("What you asked for")]
    blocks += [kit.section(_run(view, ids, groups)) for view in runs[:ITEMS]]
    if len(runs) > ITEMS:
        blocks.append(kit.context("There is more. The home tab has all of it, page by page."))
    return Shown(f"What you asked for: {min(len(runs), ITEMS)}", blocks)


def _run(view: RunView, ids: Ids, groups: Groups) -> str:
    name = clip(words.line(view.plan.flow.name), _NAME)
    facts = [f"*{name}*", escape(view.status), words.moment(view.run.started_at), run_link(view.run.id, ids)]
    lines = ["  ·  ".join(facts)]
    waits = [one for one in view.suspensions if one.open and one.suspension.kind in (Kind.APPROVAL, Kind.HOLD)]
    lines += [_wait(one, groups) for one in waits[:_WAITS]]
    if len(waits) > _WAITS:
        lines.append(f"… and {len(waits) - _WAITS} more waits")
    if view.run.ending is not None and view.run.ending.reason:
        lines.append(f">{words.comment(view.run.ending.reason, _REASON)}")
    return "\n".join(lines)


def _wait(view: SuspensionView, groups: Groups) -> str:
    facts = [words.standing(view, groups), *filter(None, [words.until(view)])]
    return clip(f":hourglass_flowing_sand: {words.line(view.request.step)}: {', '.join(facts)}", _WAIT)
