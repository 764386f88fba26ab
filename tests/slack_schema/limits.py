"""Slack's limits, which its types do not know: how long, how many, which have to differ.

A second opinion beside ``integrations.sandbox.blocks`` and ``slack_sdk.models``, taken from the reference pages of
docs.slack.dev (block by block, element by element): what all three let through has a good chance with Slack.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_TEXT = 4_000
"""Characters of a message's ``text`` that ``chat.update`` takes, and all of our messages are updated."""
BLOCKS_TEXT = 9_597
"""Characters over all blocks of a message, as measured in slackapi/bolt-js#2867; it is documented nowhere."""
VIEW_BYTES = 250_000
METADATA_BYTES = 8_000
ATTACHMENT_BLOCKS = 20
"""Blocks in one attachment, documented nowhere either: slackapi/bolt-python#914."""

# By the type of a block or element: the most characters of a text, the most items of a list. "a.b" looks inside.
_CHARACTERS: Mapping[str, Mapping[str, int]] = {
    "section": {"text.text": 3_000},
    "header": {"text.text": 150},
    "input": {"label.text": 2_000, "hint.text": 2_000},
    "image": {"alt_text": 2_000, "title.text": 2_000, "image_url": 3_000},
    "markdown": {"text": 12_000},
    "button": {"text.text": 75, "value": 2_000, "url": 3_000, "accessibility_label": 75},
    "plain_text_input": {"placeholder.text": 150, "initial_value": 3_000},
    **{
        kind: {"placeholder.text": 150}
        for kind in (
            "static_select", "multi_static_select", "users_select", "multi_users_select", "conversations_select",
            "multi_conversations_select", "external_select", "multi_external_select", "datepicker", "timepicker",
            "number_input", "email_text_input", "url_text_input", "rich_text_input",
        )
    },
}  # fmt: skip
_ITEMS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "section": {"fields": (1, 10)},
    "context": {"elements": (1, 10)},
    "actions": {"elements": (1, 25)},
    "table": {"rows": (1, 100), "column_settings": (0, 20)},
    "overflow": {"options": (1, 5)},
    "checkboxes": {"options": (1, 10)},
    "radio_buttons": {"options": (1, 10)},
    "static_select": {"options": (1, 100), "option_groups": (1, 100)},
    "multi_static_select": {"options": (1, 100), "option_groups": (1, 100)},
    "card": {"actions": (1, 5)},
    "carousel": {"elements": (1, 10)},
}
_OPTION = {"text.text": 75, "value": 150, "description.text": 75, "url": 3_000}
_CONFIRM = {"title.text": 100, "text.text": 300, "confirm.text": 30, "deny.text": 30}
_FIELD = 2_000  # characters of one of a section's fields
_CELL_TEXT = 10_000  # characters over all cells of a table
_COLUMNS = 20
_ELSEWHERE = {"message": {"alert"}, "modal": {"markdown", "table"}, "home": {"alert", "markdown", "table"}}
"""Blocks that a surface does not take."""


def over_message(text: str, blocks: list[Any] | None, attachments: Sequence[Mapping[str, Any]] = ()) -> Iterator[str]:
    """What of a message is over a limit."""
    if not text.strip():
        yield "text: is empty, so notifications and screen readers say nothing"
    if len(text) > MESSAGE_TEXT:
        yield f"text: has {len(text)} characters, and chat.update takes {MESSAGE_TEXT}"
    if blocks:
        yield from over_blocks(blocks, surface="message", most=MESSAGE_BLOCKS)
    together = list(blocks or [])
    for index, attachment in enumerate(attachments):
        inside = attachment.get("blocks", [])
        yield from over_blocks(inside, surface="message", most=ATTACHMENT_BLOCKS, at=f"attachments[{index}].blocks")
        together += inside
    said = sum(len(one) for block in together if block["type"] != "markdown" for one in _texts(block))
    if said > BLOCKS_TEXT:
        yield f"blocks: have {said} characters together, and Slack takes {BLOCKS_TEXT}"
    written = sum(len(block["text"]) for block in together if block["type"] == "markdown")
    if written > _CHARACTERS["markdown"]["text"]:
        yield f"blocks: have {written} characters of markdown together, and Slack takes 12000"
    if sum(block["type"] == "table" for block in together) > 1:
        yield "blocks: has more than one table, and Slack takes one"


def over_view(view: Mapping[str, Any]) -> Iterator[str]:
    """What of a modal or home tab is over a limit."""
    limits = {"private_metadata": 3_000, "callback_id": 255, "external_id": 255}
    limits |= {"title.text": 24, "submit.text": 24, "close.text": 24}
    yield from _characters(view, limits, "view")
    blocks = view["blocks"]
    yield from over_blocks(blocks, surface=view["type"], most=VIEW_BLOCKS, at="view.blocks")
    if (size := len(json.dumps(view).encode())) > VIEW_BYTES:
        yield f"view: has {size} bytes, and Slack takes {VIEW_BYTES}"
    if view["type"] == "modal" and "submit" not in view and any(block["type"] == "input" for block in blocks):
        yield "view.submit: is missing, and there are inputs"
    if sum(bool(element.get("focus_on_load")) for block in blocks for element, _ in _elements(block, "")) > 1:
        yield "view: has more than one element with focus_on_load"


def over_metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    """What of a message's metadata is over a limit."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", metadata["event_type"]):
        yield "metadata.event_type: is no name"
    if (size := len(json.dumps(metadata).encode())) > METADATA_BYTES:
        yield f"metadata: has {size} bytes, and Slack takes {METADATA_BYTES}"


def over_blocks(blocks: list[Any], *, surface: str, most: int, at: str = "blocks") -> Iterator[str]:
    """What of these blocks is over a limit."""
    if not 1 <= len(blocks) <= most:
        yield f"{at}: are {len(blocks)}, and a {surface} takes 1 to {most}"
    yield from _repeated([block["block_id"] for block in blocks if "block_id" in block], f"{at}: block_id")
    for index, block in enumerate(blocks):
        where = f"{at}[{index}]"
        if block["type"] in _ELSEWHERE[surface]:
            yield f"{where}: a {surface} takes no {block['type']} block"
        yield from _over(block, where)
        elements = list(_elements(block, where))
        for element, inside in elements:
            yield from _over(element, inside)
        yield from _repeated([one["action_id"] for one, _ in elements if "action_id" in one], f"{where}: action_id")


def _over(part: Mapping[str, Any], at: str) -> Iterator[str]:
    """One block or element by itself."""
    kind = part["type"]
    yield from _characters(part, {**_CHARACTERS.get(kind, {}), "block_id": 255, "action_id": 255}, at)
    for key, (least, most) in _ITEMS.get(kind, {}).items():
        if key in part and not least <= len(part[key]) <= most:
            yield f"{at}.{key}: are {len(part[key])}, and Slack takes {least} to {most}"
    if "confirm" in part:
        yield from _characters(part["confirm"], _CONFIRM, f"{at}.confirm")
    for index, option in enumerate(part.get("options", [])):
        yield from _characters(option, _OPTION, f"{at}.options[{index}]")
    yield from _RULES.get(kind, _nothing)(part, at)


def _section(part: Mapping[str, Any], at: str) -> Iterator[str]:
    if "text" not in part and "fields" not in part:
        yield f"{at}: has neither text nor fields"
    for index, field in enumerate(part.get("fields", [])):
        yield from _characters(field, {"text": _FIELD}, f"{at}.fields[{index}]")


def _choice(part: Mapping[str, Any], at: str) -> Iterator[str]:
    options = part.get("options", [])
    preset = part.get("initial_options", [part["initial_option"]] if "initial_option" in part else [])
    if any(one not in options for one in preset):
        yield f"{at}: begins with an option that is none of its own"
    yield from _repeated([one["value"] for one in options if "value" in one], f"{at}: value")


def _text_input(part: Mapping[str, Any], at: str) -> Iterator[str]:
    least, most = part.get("min_length", 0), part.get("max_length", 3_000)
    if not (0 <= least <= most and 1 <= most <= 3_000):
        yield f"{at}: takes {least} to {most} characters"
    if len(part.get("initial_value", "")) > most:
        yield f"{at}.initial_value: has more characters than it takes"


def _number(part: Mapping[str, Any], at: str) -> Iterator[str]:
    for key in ("initial_value", "min_value", "max_value"):
        if key in part and not re.fullmatch(r"-?\d+(\.\d+)?", part[key]):
            yield f"{at}.{key}: {part[key]!r} is no number without an exponent"


def _moment(key: str, shape: str) -> Callable[[Mapping[str, Any], str], Iterator[str]]:
    def rule(part: Mapping[str, Any], at: str) -> Iterator[str]:
        if key in part and not re.fullmatch(shape, str(part[key])):
            yield f"{at}.{key}: {part[key]!r} is not of Slack's shape"

    return rule


def _table(part: Mapping[str, Any], at: str) -> Iterator[str]:
    if any(len(row) > _COLUMNS for row in part["rows"]):
        yield f"{at}.rows: has more than {_COLUMNS} columns"
    if len({len(row) for row in part["rows"]}) > 1:
        yield f"{at}.rows: are not all of the same length"
    if (said := sum(len(text) for text in _texts(part))) > _CELL_TEXT:
        yield f"{at}.rows: have {said} characters together, and Slack takes {_CELL_TEXT}"


def _nothing(part: Mapping[str, Any], at: str) -> Iterator[str]:
    return iter(())


_RULES: Mapping[str, Callable[[Mapping[str, Any], str], Iterator[str]]] = {
    "section": _section,
    "table": _table,
    "plain_text_input": _text_input,
    "number_input": _number,
    "datepicker": _moment("initial_date", r"\d{4}-\d\d-\d\d"),
    "timepicker": _moment("initial_time", r"\d\d:\d\d"),
    "datetimepicker": _moment("initial_date_time", r"\d{10}"),
    **dict.fromkeys(("static_select", "multi_static_select", "checkboxes", "radio_buttons", "overflow"), _choice),
}


def _characters(part: Mapping[str, Any], limits: Mapping[str, int], at: str) -> Iterator[str]:
    for path, most in limits.items():
        value: Any = part
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and not 1 <= len(value) <= most and not (value == "" and path == "private_metadata"):
            yield f"{at}.{path}: has {len(value)} characters, and Slack takes 1 to {most}"


def _elements(block: Mapping[str, Any], at: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    for key in ("accessory", "element"):
        if key in block:
            yield block[key], f"{at}.{key}"
    if block["type"] in ("actions", "context"):
        yield from ((one, f"{at}.elements[{index}]") for index, one in enumerate(block["elements"]))


def _repeated(ids: list[str], what: str) -> Iterator[str]:
    yield from (f"{what} {id_!r} is there {count} times" for id_, count in Counter(ids).items() if count > 1)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
