"""The input that takes one of an approval's options, where these have no buttons of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import StaticSelectElement

from bot.slack.views import kit
from flows.definition import Choice
from flows.ports import Json

OPTION = "-option"
"""The input's block id. No field of a form can have that name."""

_ACTION = "option"
_MOST = 100  # options of a select, in Slack


def fits(options: Sequence[Choice]) -> bool:
    """Whether Slack can show them all in one menu."""
    return len(options) <= _MOST


def option_input(options: Sequence[Choice], chosen: str | None = None) -> kit.Block:
    """The menu; it has to be one that ``fits``. ``chosen`` is what stands there at first."""
    offered = [Option(value=one.name, text=kit.plain(one.title.strip() or one.name)) for one in options]
    preset = next((one for one in offered if one.value == chosen), None)
    element = StaticSelectElement(action_id=_ACTION, options=offered, initial_option=preset)
    block = InputBlock(block_id=OPTION, label=kit.plain("Your choice"), element=element, optional=False)
    return dict(block.to_dict())


def option(state: Mapping[str, Mapping[str, Json]]) -> str | None:
    """The name of what was chosen; ``state`` is ``view.state.values``."""
    selected = state.get(OPTION, {}).get(_ACTION, {}).get("selected_option") or {}
    return selected.get("value")
