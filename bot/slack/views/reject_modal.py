"""The modal that asks for the reason of a rejection."""

from __future__ import annotations

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.block_elements import PlainTextInputElement

from bot.slack.views import kit, modal
from bot.slack.views.form_inputs import ACTION
from flows.ids import Ids
from flows.views import SuspensionView

REJECT_REASON = "reject_reason"
REASON = "reason"
"""The input's block id."""

_LENGTH = 3_000


def reject_modal(view: SuspensionView, origin: modal.Origin, ids: Ids, *, note: str | None = None) -> kit.Block:
    """The modal. A reason may be left out, as at every other door."""
    reason = InputBlock(
        block_id=REASON,
        label=kit.plain("Reason"),
        element=PlainTextInputElement(action_id=ACTION, multiline=True, max_length=_LENGTH),
        hint=kit.plain("The person who asked will read it."),
        optional=True,
    )
    return modal.form(
        view,
        origin,
        ids,
        callback_id=REJECT_REASON,
        title="Reject",
        submit="Reject",
        inputs=[dict(reason.to_dict())],
        note=note,
    )
