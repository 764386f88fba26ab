"""What is asked, as the card and the modals show it: the ask, the inputs, the outputs that go with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.slack.views import kit, values, words
from bot.slack.views.values import How, Read
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

# Characters. With the card's other parts these stay under kit.MESSAGE_TEXT whatever is asked.
_ASK = 2_300
_INPUTS = 1_500
_SHOW = 1_500
_VALUE = 800
_LABEL = 150
_PIECE = kit.SECTION - _LABEL - 10  # the marks around the label

_NOTHING = "_Nothing was written here._"


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
    """The ask, then the inputs, then what ``show`` has, each as far as there is room."""
    ask = escape(view.request.ask.strip())
    cut = len(ask) > _ASK
    blocks = [kit.section(clip(ask, _ASK) or _NOTHING)]
    for found, limit in ((_inputs(view), _INPUTS), (_show(view), _SHOW)):
        if found:
            read = [(label, *values.shown(value, _VALUE)) for label, value in found]
            text, some_missing = kit.fit([_labelled(label, value) for label, value, _ in read], limit)
            cut = cut or some_missing or any(clipped for _, _, clipped in read)
            blocks.append(kit.section(text))
    return Asked(blocks, cut)


def is_cut(view: SuspensionView) -> bool:
    """Whether a card says less than there is."""
    return asked(view).cut


def whole(view: SuspensionView) -> Iterator[kit.Block]:
    """All of it: as many blocks as that takes."""
    ask = list(values.pieces(Read(How.LINES, view.request.ask.strip()), _PIECE))
    yield from map(kit.section, ask or [_NOTHING])
    for label, value in (*_inputs(view), *_show(view)):
        yield from _whole_value(label, value)


def summary(view: SuspensionView, limit: int) -> str:
    """The ask on one line, without markup and not escaped."""
    return clip(" ".join(view.request.ask.split()), limit)


def _inputs(view: SuspensionView) -> list[tuple[str, Read]]:
    given = view.request.inputs
    fields = view.plan.scope_of(view.suspension.path).flow.inputs
    return [(field.title, values.filled_in(field, given[field.name])) for field in fields if field.name in given]


def _show(view: SuspensionView) -> list[tuple[str, Read]]:
    return [(label, values.read(value)) for label, value in view.request.show.items()]


def _labelled(label: str, text: str) -> str:
    # A value of several lines begins on its own, so that a table stays one.
    gap = "\n" if "\n" in text else " "
    return f"*{clip(words.line(label), _LABEL)}:*{gap}{text}"


def _whole_value(label: str, value: Read) -> Iterator[kit.Block]:
    first, *rest = [*values.pieces(value, _PIECE)] or ["–"]
    yield kit.section(_labelled(label, first))
    yield from map(kit.section, rest)
