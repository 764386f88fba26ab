"""The modal in which an admin lets a run go on without a decision: with a reason, and the run's id typed out."""

from __future__ import annotations

from collections.abc import Mapping

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.block_elements import PlainTextInputElement

from bot.slack.views import kit, modal, words
from bot.slack.views.buttons import BREAK_GLASS
from bot.slack.views.reason_input import reason_input
from bot.slack.views.request import summary
from flows.ids import Ids
from flows.ports import Json
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

RUN = "-run"
"""The block id of the input that takes the run's id."""

TITLE = "Go on undecided"

_VALUE = "value"
_ASK = 500


def break_glass_modal(view: SuspensionView, origin: modal.Origin, ids: Ids) -> kit.Block:
    """The modal: what it does, and to which run."""
    ask = clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"
    run = ids.run(view.run.id)
    what = (
        ":rotating_light: *The run goes on without a decision.* Nobody's approval is recorded by this: it counts as "
        "dropped, under your name and with your reason. The requester, everybody who was asked and the admins are told."
    )
    facts = f"asked by {words.who(view.requester)}  ·  {words.progress(view)}  ·  `{run}`"
    typed = InputBlock(
        block_id=RUN,
        label=kit.plain("The run's id, to make sure that it is the right one"),
        element=PlainTextInputElement(action_id=_VALUE, max_length=100),
        hint=kit.plain(f"Type {run}"),
        optional=False,
    )
    return {
        "type": "modal",
        "callback_id": BREAK_GLASS,
        "private_metadata": origin.text(ids),
        "title": kit.plain(TITLE),
        "submit": kit.plain("Let it go on"),
        "close": kit.plain("Back"),
        "blocks": [
            kit.section(what),
            kit.section(f"{ask}\n{facts}"),
            reason_input(required=True, hint="It is kept in the ledger, and everybody who is told reads it."),
            dict(typed.to_dict()),
        ],
    }


def typed_run(state: Mapping[str, Mapping[str, Json]]) -> str:
    """What was typed for the run's id; ``state`` is ``view.state.values``."""
    return str(state.get(RUN, {}).get(_VALUE, {}).get("value") or "").strip().strip("`")
