"""The modal behind "Start a flow": which one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import StaticSelectElement

from bot.slack.views import kit
from bot.slack.views.delegation_modal import grouped
from flows.definition import Flow
from flows.ports import Json
from integrations.slack.text import clip

START_FLOW = "start_flow"
"""The callback id of the shortcut, and of its modal."""

FLOW = "-flow"
"""The input's block id."""

_VALUE = "value"
_MOST = 10_000  # options of a menu: a hundred groups of a hundred
_GROUP = 100
_TEXT = 75  # characters of an option, and of its description


def start_modal(flows: Sequence[Flow]) -> kit.Block:
    """The modal; ``flows`` are those that its reader may start."""
    if not flows:
        return _modal([kit.section("There is no flow that you may start.")])
    options = [_option(flow) for flow in flows[:_MOST]]
    if len(options) <= _GROUP:
        element = StaticSelectElement(action_id=_VALUE, options=options)
    else:
        element = StaticSelectElement(action_id=_VALUE, option_groups=grouped(options))
    block = InputBlock(block_id=FLOW, label=kit.plain("Which one"), element=element, optional=False)
    return {**_modal([dict(block.to_dict())]), "submit": kit.plain("Next")}


def loading() -> kit.Block:
    """What stands there until it is known which flows there are for this person."""
    return _modal([kit.section(":hourglass_flowing_sand: One moment…")])


def flow(state: Mapping[str, Mapping[str, Json]]) -> str | None:
    """The name of the flow that was chosen; ``state`` is ``view.state.values``."""
    chosen = state.get(FLOW, {}).get(_VALUE, {}).get("selected_option") or {}
    return chosen.get("value")


def _modal(blocks: list[kit.Block]) -> kit.Block:
    return {
        "type": "modal",
        "callback_id": START_FLOW,
        "title": kit.plain("Start a flow"),
        "close": kit.plain("Cancel"),
        "blocks": blocks,
    }


def _option(flow: Flow) -> Option:
    about = " ".join((flow.description or "").split())
    return Option(
        value=flow.flow,
        text=kit.plain(clip(" ".join(flow.name.split()), _TEXT) or flow.flow),
        description=kit.plain(clip(about, _TEXT)) if about else None,
    )
