"""The blocks that all surfaces are made of, within Slack's limits.

``slack_sdk.models`` refuses a block that is over a limit when it is written out, so a limit that was overlooked
is a failing test and no refused message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from slack_sdk.models.blocks import ActionsBlock, ContextBlock, HeaderBlock, SectionBlock
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, Option, PlainTextObject
from slack_sdk.models.blocks.block_elements import ButtonElement, InteractiveElement, OverflowMenuElement

from flows.ports import Json
from integrations.slack.text import clip, unturned

Block = dict[str, Json]

HEADER = 150
SECTION = 3_000
BUTTON = 75
MODAL_TITLE = 24
MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100

MESSAGE_TEXT = 9_500
"""Characters over all blocks of a message. Slack documents no limit and has one: slackapi/bolt-js#2867 measured
9,597 accepted and 11,341 refused as ``msg_blocks_too_long``."""

NOTIFICATION = 1_000
"""Characters of a message's ``text``: what notifications show is shorter, what ``chat.update`` takes is 4,000."""

CUT = "_… cut; see the whole_"


def plain(text: str) -> Block:
    """Text that nothing is read into, not even an emoji."""
    return dict(PlainTextObject(text=unturned(text), emoji=False).to_dict())


def header(text: str) -> Block:
    """A large line. Its text is plain: it takes no markup, and is not escaped."""
    return dict(HeaderBlock(text=plain(clip(" ".join(text.split()), HEADER) or "–")).to_dict())


def section(text: str, *, block_id: str | None = None, button: InteractiveElement | None = None) -> Block:
    """A paragraph in Slack's markup, with a button beside it; what people wrote in it has to be escaped by then."""
    return dict(SectionBlock(text=_markup(text), block_id=block_id, accessory=button).to_dict())


def context(text: str) -> Block:
    """A small grey line in Slack's markup."""
    return dict(ContextBlock(elements=[_markup(text)]).to_dict())


def actions(block_id: str, buttons: Sequence[InteractiveElement]) -> Block:
    """A row of buttons, and of menus beside them."""
    return dict(ActionsBlock(block_id=block_id, elements=list(buttons)).to_dict())


def button(
    action_id: str, text: str, *, value: str, style: Literal["primary", "danger"] | None = None
) -> ButtonElement:
    """A button whose click comes to us."""
    label = PlainTextObject(text=clip(" ".join(unturned(text).split()), BUTTON), emoji=False)
    return ButtonElement(action_id=action_id, text=label, value=value, style=style)


def link_button(action_id: str, text: str, url: str) -> ButtonElement:
    """A button that opens an address. Slack tells us of the click all the same, and wants it acknowledged."""
    return ButtonElement(action_id=action_id, text=PlainTextObject(text=text, emoji=False), url=url)


def menu(action_id: str, options: Sequence[tuple[str, str]]) -> OverflowMenuElement:
    """Three dots that open at most five options, each with what it says and the value that comes with its click."""
    offered = [Option(text=PlainTextObject(text=text, emoji=False), value=value) for text, value in options]
    return OverflowMenuElement(action_id=action_id, options=offered)


def fit(lines: Iterable[str], limit: int, *, more: str = "… and {} more") -> tuple[str, bool]:
    """The lines that fit into ``limit`` characters, and whether any are missing; then the last line says how many."""
    lines = list(lines)
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole, False
    kept: list[str] = []
    room = limit - len(more) - 10  # the number, and the line break before it
    for line in lines:
        if len(line) + 1 > room:
            break
        kept.append(line)
        room -= len(line) + 1
    return "\n".join([*kept, more.format(len(lines) - len(kept))]), True


def texts(blocks: Json) -> Iterator[str]:
    """Everything that can be read in blocks; what ``MESSAGE_TEXT`` counts."""
    if isinstance(blocks, dict):
        if isinstance(blocks.get("text"), str):
            yield blocks["text"]
        for each in blocks.values():
            yield from texts(each)
    elif isinstance(blocks, list):
        for each in blocks:
            yield from texts(each)


def _markup(text: str) -> MarkdownTextObject:
    # Verbatim: Slack would make links of addresses and channel names that people wrote.
    return MarkdownTextObject(text=text, verbatim=True)
