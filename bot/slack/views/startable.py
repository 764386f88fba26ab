"""The flows that somebody may start, as ``/approvals run`` lists them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from flows.definition import Flow
from integrations.slack.text import clip, escape

START = "start:"
"""The action id of a flow's button; the flow's name follows."""

FLOWS = 40
"""Flows that are listed; at one block and at most 230 characters each this stays within one message."""

_TITLE = 60  # characters
_DESCRIPTION = 90


def startable(flows: Sequence[Flow], command: str) -> Shown:
    """The flows by name, each with a button."""
    if not flows:
        nothing = "There is no flow that you may start."
        return Shown(nothing, [kit.section(nothing)])
    blocks = [kit.header("What you can start")]
    blocks += [_flow(flow) for flow in flows[:FLOWS]]
    if len(flows) > FLOWS:
        more = f"{len(flows) - FLOWS} more are not listed. `{command} run FLOW` starts any of them by its name."
        blocks.append(kit.context(more))
    return Shown(f"What you can start: {len(flows)}", blocks)


def _flow(flow: Flow) -> kit.Block:
    text = f"*{clip(words.line(flow.name), _TITLE)}*  `{flow.flow}`"
    if flow.description is not None and flow.description.strip():
        text += f"\n{clip(escape(' '.join(flow.description.split())), _DESCRIPTION)}"
    return kit.section(text, button=kit.button(f"{START}{flow.flow}", "Start", value=flow.flow))
