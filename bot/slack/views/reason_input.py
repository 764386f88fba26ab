"""The input that asks why."""

from __future__ import annotations

from collections.abc import Mapping

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.block_elements import PlainTextInputElement

from bot.slack.views import kit
from flows.ports import Json

REASON = "-reason"
"""The input's block id. No field of a form can have that name."""

_ACTION = "reason"
_LENGTH = 3_000


def reason_input(*, required: bool, hint: str) -> kit.Block:
    """The input; without ``required`` it may be left empty."""
    block = InputBlock(
        block_id=REASON,
        label=kit.plain("Reason"),
        element=PlainTextInputElement(action_id=_ACTION, multiline=True, max_length=_LENGTH),
        hint=kit.plain(hint),
        optional=not required,
    )
    return dict(block.to_dict())


def reason(state: Mapping[str, Mapping[str, Json]]) -> str | None:
    """What was written; ``state`` is ``view.state.values``. None where nothing was, or nobody was asked."""
    written = state.get(REASON, {}).get(_ACTION, {}).get("value")
    return written if isinstance(written, str) else None
