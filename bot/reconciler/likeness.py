"""Whether a message in Slack shows what was drawn. Slack gives back other JSON than it got: ids and defaults are added,
``&`` is written as ``&amp;`` in one place and not in the other. What people see and press is compared. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence

from bot.slack.views.card import Shown
from bot.slack.views.kit import texts
from flows.ports import Json

Look = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""What can be read, and what can be pressed: its action id, and what it carries."""


def look(blocks: Sequence[Mapping[str, Json]]) -> Look:
    """What people see of blocks."""
    said = tuple(" ".join(html.unescape(text).split()) for text in texts(list(blocks)))
    return said, tuple(_elements(list(blocks)))


def shows(blocks: Sequence[Mapping[str, Json]], drawn: Shown) -> bool:
    """Whether these blocks say the same as those that were drawn, and have the same buttons."""
    return look(blocks) == look(drawn.blocks)


def _elements(node: Json) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        if isinstance(node.get("action_id"), str):
            yield node["action_id"], str(node.get("value") or "")
        for each in node.values():
            yield from _elements(each)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _elements(each)
