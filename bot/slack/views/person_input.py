"""The input that takes somebody of the workspace."""

from __future__ import annotations

from collections.abc import Mapping

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.block_elements import UserSelectElement

from bot.slack.views import kit
from flows.ports import Json

PERSON = "-person"
"""The input's block id. No field of a form can have that name."""

_ACTION = "person"


def person_input(label: str, hint: str | None = None) -> kit.Block:
    """The input; nobody is chosen at first."""
    block = InputBlock(
        block_id=PERSON,
        label=kit.plain(label),
        element=UserSelectElement(action_id=_ACTION),
        hint=kit.plain(hint) if hint else None,
        optional=False,
    )
    return dict(block.to_dict())


def person(state: Mapping[str, Mapping[str, Json]]) -> str | None:
    """The id of the user who was chosen; ``state`` is ``view.state.values``."""
    chosen = state.get(PERSON, {}).get(_ACTION, {}).get("selected_user")
    return str(chosen) if chosen else None
