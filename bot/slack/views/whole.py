"""The whole of a request, as a modal: for where its card shows a part of it. What one modal cannot hold comes in pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks.block_elements import ButtonElement

from bot.slack.reference import Reference
from bot.slack.views import kit, modal
from bot.slack.views.buttons import OPEN_PAGE
from bot.slack.views.request import title, whole
from flows.ids import Ids
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

TURN = "turn:"
"""The beginning of the action ids of the buttons that turn pages; their value is the page to turn to, from 0."""

WHOLE = "whole"
"""The callback id of the modal that only shows."""

PAGING = "paging"
"""The block id of the row of these buttons."""

LAST = -1
"""The last page, whichever that is."""

_BLOCKS = 60  # of one page; Slack takes 100, and inputs may follow
_BYTES = 100_000  # of one page; Slack takes 250,000 in all


def pages(view: SuspensionView) -> list[list[kit.Block]]:
    """All of it, page by page; at least one."""
    found: list[list[kit.Block]] = [[]]
    size = 0
    for block in whole(view):
        more = len(json.dumps(block))
        if found[-1] and (len(found[-1]) == _BLOCKS or size + more > _BYTES):
            found.append([])
            size = 0
        found[-1].append(block)
        size += more
    return found


def room(page: Sequence[kit.Block], more: Sequence[kit.Block]) -> bool:
    """Whether these blocks fit below a page."""
    return len(page) + len(more) <= kit.VIEW_BLOCKS - 6 and len(json.dumps(more)) <= _BYTES


def paging(number: int, of: int) -> list[kit.Block]:
    """Which page it is, and what leads to the others; nothing where it is the only one."""
    if of == 1:
        return []
    return [kit.context(f"Page {number + 1} of {of}"), kit.actions(PAGING, list(_turns(number, of)))]


def whole_modal(view: SuspensionView, ids: Ids, *, page: int = 0, link: str | None = None) -> kit.Block:
    """One page of it. ``link`` is the personal page of whoever reads it."""
    found = pages(view)
    number = max(0, min(page, len(found) - 1))
    blocks = [kit.context(f"*{clip(escape(title(view)), kit.HEADER)}*"), *found[number], *paging(number, len(found))]
    if link is not None:
        blocks.append(kit.actions("page", [kit.link_button(OPEN_PAGE, "Open the page", link)]))
        blocks.append(kit.context("The link is yours alone: whoever has it acts as you."))
    return {
        "type": "modal",
        "callback_id": WHOLE,
        "private_metadata": modal.Origin(Reference.to(view)).text(ids),
        "title": kit.plain("All that is asked"),
        "close": kit.plain("Close"),
        "blocks": blocks,
    }


def _turns(number: int, of: int) -> Iterator[ButtonElement]:
    if number > 0:
        yield kit.button(f"{TURN}back", "Back", value=str(number - 1))
    if number < of - 1:
        yield kit.button(f"{TURN}next", "Next", value=str(number + 1), style="primary")
    if number < of - 2:
        yield kit.button(f"{TURN}last", "Last page", value=str(of - 1))
