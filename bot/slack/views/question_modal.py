"""The modals in which an approver asks the requester something first, and the requester answers."""

from __future__ import annotations

from collections.abc import Mapping

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.block_elements import PlainTextInputElement

from bot.slack.views import kit, modal, words
from bot.slack.views.request import summary
from flows.definition import Approval
from flows.ids import Ids
from flows.ports import Json
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

ASK_FORM = "ask_question"
ANSWER_FORM = "answer_question"
TEXT = "-text"
"""The block id of the input."""

_ACTION = "text"
_LENGTH = 3_000
_ASK = 500
_QUESTIONS = 2_500


def ask_modal(view: SuspensionView, origin: modal.Origin, ids: Ids) -> kit.Block:
    """The modal: what it is about, who will read the question, and what it does to the clock."""
    stops = isinstance(view.wait, Approval) and view.wait.questions == "stop_clock"
    clock = "The clock stops until it is answered." if stops else "The deadline stays as it is."
    blocks = [
        kit.section(_about(view)),
        kit.context(f"{words.who(view.requester)} is told, and so are you when they answer. {clock}"),
        _input("Your question"),
    ]
    return _form(ASK_FORM, "Ask a question", "Ask", origin, ids, blocks)


def answer_modal(view: SuspensionView, origin: modal.Origin, ids: Ids) -> kit.Block:
    """The modal: what is asked, all of which the answer is to."""
    asked = [f">{words.question(view, one, 600)}" for one in view.questions if one.open]
    blocks = [
        kit.section(_about(view)),
        kit.section(kit.fit(asked, _QUESTIONS)[0] or "_Nobody has an open question._"),
        _input("Your answer", "It is kept with the request, and everybody who reads the card reads it."),
    ]
    return _form(ANSWER_FORM, "Answer", "Answer", origin, ids, blocks)


def text(state: Mapping[str, Mapping[str, Json]]) -> str:
    """What was written; ``state`` is ``view.state.values``."""
    written = state.get(TEXT, {}).get(_ACTION, {}).get("value")
    return written if isinstance(written, str) else ""


def _about(view: SuspensionView) -> str:
    return clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"


def _input(label: str, hint: str | None = None) -> kit.Block:
    block = InputBlock(
        block_id=TEXT,
        label=kit.plain(label),
        element=PlainTextInputElement(action_id=_ACTION, multiline=True, max_length=_LENGTH, focus_on_load=True),
        hint=kit.plain(hint) if hint else None,
        optional=False,
    )
    return dict(block.to_dict())


def _form(
    callback_id: str, title: str, submit: str, origin: modal.Origin, ids: Ids, blocks: list[kit.Block]
) -> kit.Block:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": origin.text(ids),
        "title": kit.plain(title),
        "submit": kit.plain(submit),
        "close": kit.plain("Back"),
        "blocks": blocks,
    }
