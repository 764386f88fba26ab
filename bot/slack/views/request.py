"""What is asked, as the card and the modals show it: the ask, the inputs, the outputs that go with it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.slack.views import kit, words
from flows.forms import readable
from flows.ports import Json
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

# Characters. With the card's other parts these stay under kit.MESSAGE_TEXT whatever is asked.
_ASK = 2_600
_INPUTS = 1_700
_SHOW = 1_700
_VALUE = 600


@dataclass(frozen=True, slots=True)
class Asked:
    """The blocks that say what is asked; ``cut`` where they say less than there is."""

    blocks: list[kit.Block]
    cut: bool


def title(view: SuspensionView) -> str:
    """The flow and the step, once where they have the same name."""
    request = view.request
    return request.flow if request.flow == request.step else f"{request.flow} · {request.step}"


def asked(view: SuspensionView) -> Asked:
    """The ask, then the inputs, then what ``show`` has."""
    request = view.request
    ask, ask_cut = _clipped(escape(request.ask.strip()), _ASK)
    blocks = [kit.section(ask or "_Nothing was written here._")]
    inputs = [
        _labelled(field.title, words.line(readable(field, request.inputs[field.name])))
        for field in view.plan.scope_of(view.suspension.path).flow.inputs
        if field.name in request.inputs
    ]
    shown = [_labelled(label, escape(_text(value))) for label, value in request.show.items()]
    cut = ask_cut
    for lines, limit in ((inputs, _INPUTS), (shown, _SHOW)):
        if lines:
            text, some_missing = kit.fit([text for text, _ in lines], limit)
            cut = cut or some_missing or any(clipped for _, clipped in lines)
            blocks.append(kit.section(text))
    return Asked(blocks, cut)


def summary(view: SuspensionView, limit: int) -> str:
    """The ask on one line, without markup and not escaped."""
    return clip(" ".join(view.request.ask.split()), limit)


def _labelled(label: str, value: str) -> tuple[str, bool]:
    text, cut = _clipped(value, _VALUE)
    # A value of several lines begins on its own, so that a table stays one.
    gap = "\n" if "\n" in text else " "
    return f"*{clip(words.line(label), 150)}:*{gap}{text}", cut


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    return "–" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _clipped(text: str, limit: int) -> tuple[str, bool]:
    return clip(text, limit), len(text) > limit
