"""Block Kit as Slack's server reads it: what it refuses, this refuses, with Slack's own kind of sentence.

Sources of the numbers: the limits that ``slack_sdk.models`` 3.47 enforces, the reference pages of docs.slack.dev,
and the messages of real refusals that people have posted (``must be less than 3001 characters``, ``invalid additional
property: emoji``, ``action_id "x" already exists``). Where the real limit is only known from observation, the comment
beside it says so, and the stricter reading is taken: a card that passes here passes there.

The blocks and elements are those that a bot which asks people needs. Others that Slack knows (video, cards, data tables)
are refused as unsupported types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flows.ports import Json

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000  # views.open: "view_too_large: greater than 250kb"
MARKDOWN_TEXT = 12_000  # over all markdown blocks of a message
# Undocumented: slackapi/bolt-js#2867 measured 9,597 characters of text over all blocks accepted and 11,341 refused.
BLOCKS_TEXT = 11_000
# Undocumented: slackapi/bolt-python#914 saw ``invalid_attachments`` past 20 blocks in one attachment.
ATTACHMENT_BLOCKS = 20


Block = dict[str, Json]


class _Report:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def say(self, sentence: str, pointer: str) -> None:
        self.errors.append(f"{sentence} [json-pointer:{pointer}]")


Rule = Callable[[_Report, Any, str], None]


def check_message_blocks(blocks: Json) -> list[str]:
    """What is wrong with the ``blocks`` of a message, one sentence each; empty if nothing is."""
    report = _Report()
    _blocks(report, blocks, "/blocks", maximum=MESSAGE_BLOCKS, surface="message")
    return report.errors


def check_attachments(attachments: Sequence[Mapping[str, Json]]) -> list[str]:
    """What is wrong with a message's ``attachments``, one sentence each; empty if nothing is.

    One that has blocks may have a colour and a fallback besides, and no other field ("invalid_keys",
    slackapi/node-slack-sdk#832); one without needs something to show.
    """
    report = _Report()
    for index, attachment in enumerate(attachments):
        pointer = f"/attachments/{index}"
        _ATTACHMENT(report, attachment, pointer)
        if "blocks" in attachment:
            if attachment.keys() - {"blocks", "color", "fallback"}:
                report.say("invalid_keys", pointer)
            blocks = attachment["blocks"]
            _blocks(report, blocks, f"{pointer}/blocks", maximum=ATTACHMENT_BLOCKS, surface="message")
        elif not any(attachment.get(name) for name in ("text", "title", "pretext", "fields", "image_url", "fallback")):
            report.say("no_text", pointer)
    return report.errors


def check_view(view: Json) -> list[str]:
    """What is wrong with a modal or a home tab, one sentence each; empty if nothing is."""
    report = _Report()
    if not isinstance(view, dict):
        report.say("must provide an object", "/view")
        return report.errors
    kind = view.get("type")
    if kind not in _VIEWS:
        report.say(f"unsupported type: {kind}", "/view/type")
        return report.errors
    _VIEWS[kind](report, view, "/view")
    blocks = view.get("blocks")
    _blocks(report, blocks, "/view/blocks", maximum=VIEW_BLOCKS, surface=kind)
    if kind == "modal" and "submit" not in view and any(block.get("type") == "input" for block in records(blocks)):
        report.say("missing required field: submit", "/view")
    return report.errors


def text_length(blocks: Sequence[Mapping[str, Json]]) -> tuple[int, int]:
    """Characters of text over all blocks: outside of markdown blocks, and in them."""
    markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    plain = sum(len(text) for block in blocks if block.get("type") != "markdown" for text in texts_of(block))
    return plain, markdown


def view_bytes(view: Json) -> int:
    """How large a view is for Slack's limit."""
    return len(json.dumps(view).encode())


def elements_of(block: Mapping[str, Json]) -> Iterator[Block]:
    """The elements of one block, in the order of reading: accessory, element, elements."""
    for key in ("accessory", "element"):
        if isinstance(block.get(key), dict):
            yield block[key]
    if block.get("type") == "actions":
        yield from records(block.get("elements"))


def records(value: Json) -> Iterator[Block]:
    """The objects in an array, whatever else is in it."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def texts_of(value: Json) -> Iterator[str]:
    """Everything that can be read in blocks, in the order of reading."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def with_ids(blocks: list[Block], new_id: Callable[[], str]) -> list[Block]:
    """A copy in which every block and every element has an id, as Slack stores it."""
    copied: list[Block] = json.loads(json.dumps(blocks))
    for block in copied:
        block.setdefault("block_id", new_id())
        for element in elements_of(block):
            if element.get("type") != "image":
                element.setdefault("action_id", new_id())
    return copied


# -- rules: each says what it finds wrong, and nothing otherwise ------------------------------------------------------


def _string(maximum: int = 255, minimum: int = 1, pattern: str | None = None, sort: str = "string") -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        if not isinstance(value, str):
            report.say("must provide a string", pointer)
        elif len(value) > maximum:
            report.say(f"must be less than {maximum + 1} characters", pointer)
        elif len(value) < minimum:
            report.say(f"must be more than {minimum - 1} characters", pointer)
        elif pattern is not None and not re.fullmatch(pattern, value):
            report.say(f"must be a valid {sort}", pointer)

    return rule


def _url(maximum: int = 3000) -> Rule:
    length = _string(maximum)

    def rule(report: _Report, value: Json, pointer: str) -> None:
        length(report, value, pointer)
        if isinstance(value, str) and not (urlsplit(value).scheme and value.split(":", 1)[1].strip("/")):
            report.say("must be a valid URL", pointer)

    return rule


def _boolean(report: _Report, value: Json, pointer: str) -> None:
    if not isinstance(value, bool):
        report.say("must provide a boolean", pointer)


def _integer(minimum: int, maximum: int) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.say("must provide an integer", pointer)
        elif value < minimum:
            report.say(f"must be greater than or equal to {minimum}", pointer)
        elif value > maximum:
            report.say(f"must be less than or equal to {maximum}", pointer)

    return rule


def _choice(*allowed: str) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        if value not in allowed:
            report.say(f"must be one of: {', '.join(allowed)}", pointer)

    return rule


def _each(item: Rule, maximum: int, minimum: int = 1) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        if not isinstance(value, list):
            report.say("must provide an array", pointer)
            return
        if len(value) > maximum:
            report.say(f"no more than {maximum} items allowed", pointer)
        if len(value) < minimum:
            report.say(f"no fewer than {minimum} items allowed", pointer)
        for index, each in enumerate(value):
            item(report, each, f"{pointer}/{index}")

    return rule


def _record(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    known = {**required, **(optional or {})}

    def rule(report: _Report, value: Json, pointer: str) -> None:
        if not isinstance(value, dict):
            report.say("must provide an object", pointer)
            return
        for name in required:
            if name not in value:
                report.say(f"missing required field: {name}", pointer)
        for name, each in value.items():
            if name in known:
                known[name](report, each, f"{pointer}/{name}")
            elif name != "type":
                report.say(f"invalid additional property: {name}", pointer)

    return rule


def _typed(table: Mapping[str, Rule], allowed: Sequence[str] | None = None) -> Rule:
    """One of several objects, told apart by their ``type``."""

    def rule(report: _Report, value: Json, pointer: str) -> None:
        if not isinstance(value, dict):
            report.say("must provide an object", pointer)
        elif "type" not in value:
            report.say("missing required field: type", pointer)
        elif value["type"] not in (table if allowed is None else allowed):
            report.say(f"unsupported type: {value['type']}", f"{pointer}/type")
        else:
            table[value["type"]](report, value, pointer)

    return rule


def _anything(_report: _Report, _value: Json, _pointer: str) -> None:
    """For what Slack takes in any form."""


def _text(maximum: int, *, mrkdwn: bool = True) -> Rule:
    kinds: dict[str, Rule] = {"plain_text": _record({"text": _string(maximum)}, {"emoji": _boolean})}
    if mrkdwn:
        # Slack refuses ``emoji`` here: "invalid additional property: emoji".
        kinds["mrkdwn"] = _record({"text": _string(maximum)}, {"verbatim": _boolean})
    return _typed(kinds)


def _plain(maximum: int) -> Rule:
    return _text(maximum, mrkdwn=False)


# -- composition objects and elements ---------------------------------------------------------------------------------

_NAME = _string(255)
_DATE = _string(10, 10, r"\d{4}-\d{2}-\d{2}", "date in the format YYYY-MM-DD")
_TIME = _string(5, 5, r"([01]\d|2[0-3]):[0-5]\d", "time in the format HH:mm")
_NUMBER = _string(64, 1, r"-?\d+(\.\d+)?", "number")
_CONFIRM = _record(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": _choice("primary", "danger")},
)
_OPTION = _record({"text": _plain(75), "value": _string(150)}, {"description": _plain(75)})
_RICH_OPTION = _record({"text": _text(75), "value": _string(150)}, {"description": _text(75)})
_LINK_OPTION = _record({"text": _plain(75), "value": _string(150)}, {"description": _plain(75), "url": _url()})
_OPTION_GROUP = _record({"label": _plain(75), "options": _each(_OPTION, 100)})
_DISPATCH = _record({}, {"trigger_actions_on": _each(_choice("on_enter_pressed", "on_character_entered"), 2)})
_FILTER = _record(
    {},
    {
        "include": _each(_choice("im", "mpim", "private", "public"), 4),
        "exclude_external_shared_channels": _boolean,
        "exclude_bot_users": _boolean,
    },
)
_COMMON: dict[str, Rule] = {"action_id": _NAME}
_FOCUS: dict[str, Rule] = {**_COMMON, "focus_on_load": _boolean}
_MENU: dict[str, Rule] = {**_FOCUS, "placeholder": _plain(150), "confirm": _CONFIRM}
_MULTI: dict[str, Rule] = {**_MENU, "max_selected_items": _integer(1, 100)}
_STATIC: dict[str, Rule] = {"options": _each(_OPTION, 100), "option_groups": _each(_OPTION_GROUP, 100)}
_TYPED_IN: dict[str, Rule] = {**_FOCUS, "placeholder": _plain(150), "dispatch_action_config": _DISPATCH}


def _options_or_groups(inner: Rule) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        inner(report, value, pointer)
        if ("options" in value) == ("option_groups" in value):
            report.say("must define exactly one of `options` and `option_groups`", pointer)
            return
        offered = [option for option in options_of(value) if isinstance(option, dict)]
        for key, chosen in (
            ("initial_option", [value.get("initial_option")]),
            ("initial_options", value.get("initial_options")),
        ):
            if key in value and any(option not in offered for option in chosen or []):
                report.say(f"`{key}` must exactly match one of the provided options", f"{pointer}/{key}")

    return rule


def options_of(element: Mapping[str, Json]) -> list[Json]:
    """The options that an element offers, those of its groups included."""
    grouped = [option for group in records(element.get("option_groups")) for option in group.get("options", [])]
    return [*(element.get("options") or []), *grouped]


def _ordered_lengths(inner: Rule) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        inner(report, value, pointer)
        least, most = value.get("min_length"), value.get("max_length")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            report.say("`min_length` must be less than or equal to `max_length`", pointer)

    return rule


_ELEMENTS: dict[str, Rule] = {
    "button": _record(
        {"text": _plain(75)},
        {
            **_COMMON,
            "url": _url(),
            "value": _string(2000),
            "style": _choice("primary", "danger"),
            "confirm": _CONFIRM,
            "accessibility_label": _string(75),
        },
    ),
    "overflow": _record({"options": _each(_LINK_OPTION, 5)}, {**_COMMON, "confirm": _CONFIRM}),
    "static_select": _options_or_groups(_record({}, {**_MENU, **_STATIC, "initial_option": _OPTION})),
    "multi_static_select": _options_or_groups(
        _record({}, {**_MULTI, **_STATIC, "initial_options": _each(_OPTION, 100)})
    ),
    "external_select": _record({}, {**_MENU, "min_query_length": _integer(0, 255), "initial_option": _OPTION}),
    "users_select": _record({}, {**_MENU, "initial_user": _NAME}),
    "multi_users_select": _record({}, {**_MULTI, "initial_users": _each(_NAME, 100, 0)}),
    "conversations_select": _record(
        {},
        {
            **_MENU,
            "initial_conversation": _NAME,
            "default_to_current_conversation": _boolean,
            "response_url_enabled": _boolean,
            "filter": _FILTER,
        },
    ),
    "multi_conversations_select": _record(
        {},
        {
            **_MULTI,
            "initial_conversations": _each(_NAME, 100, 0),
            "default_to_current_conversation": _boolean,
            "filter": _FILTER,
        },
    ),
    "channels_select": _record({}, {**_MENU, "initial_channel": _NAME, "response_url_enabled": _boolean}),
    "multi_channels_select": _record({}, {**_MULTI, "initial_channels": _each(_NAME, 100, 0)}),
    "datepicker": _record({}, {**_MENU, "initial_date": _DATE}),
    "timepicker": _record({}, {**_MENU, "initial_time": _TIME, "timezone": _string(100)}),
    "datetimepicker": _record(
        {}, {**_FOCUS, "confirm": _CONFIRM, "initial_date_time": _integer(1_000_000_000, 9_999_999_999)}
    ),
    "checkboxes": _options_or_groups(
        _record(
            {"options": _each(_RICH_OPTION, 10)},
            {**_FOCUS, "confirm": _CONFIRM, "initial_options": _each(_RICH_OPTION, 10)},
        )
    ),
    "radio_buttons": _options_or_groups(
        _record({"options": _each(_RICH_OPTION, 10)}, {**_FOCUS, "confirm": _CONFIRM, "initial_option": _RICH_OPTION})
    ),
    "plain_text_input": _ordered_lengths(
        _record(
            {},
            {
                **_TYPED_IN,
                "multiline": _boolean,
                "initial_value": _string(3000, 0),
                "min_length": _integer(0, 3000),
                "max_length": _integer(1, 3000),
            },
        )
    ),
    "number_input": _record(
        {"is_decimal_allowed": _boolean},
        {**_TYPED_IN, "initial_value": _NUMBER, "min_value": _NUMBER, "max_value": _NUMBER},
    ),
    "email_text_input": _record({}, {**_TYPED_IN, "initial_value": _string(3000, 0)}),
    "url_text_input": _record({}, {**_TYPED_IN, "initial_value": _string(3000, 0)}),
    "image": _record({"alt_text": _string(2000)}, {"image_url": _url(), "slack_file": _anything}),
}

_MENUS = (
    "static_select",
    "multi_static_select",
    "external_select",
    "users_select",
    "multi_users_select",
    "conversations_select",
    "multi_conversations_select",
    "channels_select",
    "multi_channels_select",
)
_PICKED = (*_MENUS, "datepicker", "timepicker", "checkboxes", "radio_buttons")
_IN_SECTION = (*_PICKED, "button", "overflow", "image")
_IN_ACTIONS = (*_PICKED, "button", "overflow", "datetimepicker")
_TYPED_INPUTS = ("plain_text_input", "number_input", "email_text_input", "url_text_input")
_IN_INPUT = (*_PICKED, *_TYPED_INPUTS, "datetimepicker")

# -- rich text --------------------------------------------------------------------------------------------------------

_STYLE = _record({}, dict.fromkeys(("bold", "italic", "strike", "code", "underline"), _boolean))
_RICH_INLINE: dict[str, Rule] = {
    "text": _record({"text": _string(40_000)}, {"style": _STYLE}),
    "link": _record({"url": _url()}, {"text": _string(40_000), "unsafe": _boolean, "style": _STYLE}),
    "emoji": _record({"name": _NAME}, {"unicode": _string(100), "style": _STYLE}),
    "user": _record({"user_id": _NAME}, {"style": _STYLE}),
    "usergroup": _record({"usergroup_id": _NAME}, {"style": _STYLE}),
    "channel": _record({"channel_id": _NAME}, {"style": _STYLE}),
    "broadcast": _record({"range": _choice("here", "channel", "everyone")}, {"style": _STYLE}),
    "date": _record(
        {"timestamp": _integer(0, 9_999_999_999), "format": _NAME}, {"url": _url(), "fallback": _NAME, "style": _STYLE}
    ),
    "color": _record({"value": _NAME}),
}
_INLINE = _each(_typed(_RICH_INLINE), 10_000, 0)
_BORDER: dict[str, Rule] = {"border": _integer(0, 1)}
_RICH_SECTION = _record({"elements": _INLINE})
_RICH: dict[str, Rule] = {
    "rich_text_section": _RICH_SECTION,
    "rich_text_quote": _record({"elements": _INLINE}, _BORDER),
    "rich_text_preformatted": _record({"elements": _INLINE}, {**_BORDER, "language": _NAME}),
    "rich_text_list": _record(
        {"style": _choice("bullet", "ordered"), "elements": _each(_typed({"rich_text_section": _RICH_SECTION}), 1000)},
        {**_BORDER, "indent": _integer(0, 8), "offset": _integer(0, 10_000)},
    ),
}

# -- blocks -----------------------------------------------------------------------------------------------------------

_ID: dict[str, Rule] = {"block_id": _string(255)}


def _text_or_fields(inner: Rule) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        inner(report, value, pointer)
        if "text" not in value and "fields" not in value:
            report.say("must define either `text` or `fields`", pointer)

    return rule


def _url_or_file(inner: Rule) -> Rule:
    def rule(report: _Report, value: Json, pointer: str) -> None:
        inner(report, value, pointer)
        if ("image_url" in value) == ("slack_file" in value):
            report.say("must define exactly one of `image_url` and `slack_file`", pointer)

    return rule


_ELEMENTS["image"] = _url_or_file(_ELEMENTS["image"])
_CONTEXT_ITEM: dict[str, Rule] = {
    "plain_text": _plain(3000),
    "mrkdwn": _text(3000),
    "image": _ELEMENTS["image"],
}
_CELL: dict[str, Rule] = {
    "raw_text": _record({"text": _string(10_000)}),
    "rich_text": _record({"elements": _each(_typed(_RICH), 1000, 0)}),
}
_COLUMNS = _each(_record({}, {"align": _choice("left", "center", "right"), "is_wrapped": _boolean}), 20)
_BLOCKS: dict[str, Rule] = {
    "section": _text_or_fields(
        _record(
            {},
            {
                **_ID,
                "text": _text(3000),
                "fields": _each(_text(2000), 10),
                "accessory": _typed(_ELEMENTS, _IN_SECTION),
                "expand": _boolean,
            },
        )
    ),
    "divider": _record({}, _ID),
    "header": _record({"text": _plain(150)}, _ID),
    "context": _record({"elements": _each(_typed(_CONTEXT_ITEM), 10)}, _ID),
    "actions": _record({"elements": _each(_typed(_ELEMENTS, _IN_ACTIONS), 25)}, _ID),
    "input": _record(
        {"label": _plain(2000), "element": _typed(_ELEMENTS, _IN_INPUT)},
        {**_ID, "hint": _plain(2000), "optional": _boolean, "dispatch_action": _boolean},
    ),
    "image": _url_or_file(
        _record(
            {"alt_text": _string(2000)}, {**_ID, "image_url": _url(), "slack_file": _anything, "title": _plain(2000)}
        )
    ),
    "rich_text": _record({"elements": _each(_typed(_RICH), 1000, 0)}, _ID),
    "markdown": _record({"text": _string(MARKDOWN_TEXT)}, _ID),
    "table": _record({"rows": _each(_each(_typed(_CELL), 20), 100)}, {**_ID, "column_settings": _COLUMNS}),
}
_MESSAGES_ONLY = ("markdown", "table")
_BY_SURFACE = {
    "message": tuple(_BLOCKS),
    "modal": tuple(name for name in _BLOCKS if name not in _MESSAGES_ONLY),
    "home": tuple(name for name in _BLOCKS if name not in _MESSAGES_ONLY),
}
_ANY_VIEW: dict[str, Rule] = {
    "private_metadata": _string(3000, 0),
    "callback_id": _string(255, 0),
    "external_id": _string(255, 0),
}
_VIEWS: dict[str, Rule] = {
    "modal": _record(
        {"title": _plain(24), "blocks": _anything},
        {
            **_ANY_VIEW,
            "submit": _plain(24),
            "close": _plain(24),
            "clear_on_close": _boolean,
            "notify_on_close": _boolean,
            "submit_disabled": _boolean,
        },
    ),
    "home": _record({"blocks": _anything}, _ANY_VIEW),
}


_ATTACHMENT = _record(
    {},
    {
        "color": _string(7, 4, r"good|warning|danger|#[0-9A-Fa-f]{6}", "colour: good, warning, danger or #RRGGBB"),
        "blocks": _anything,
        "fields": _each(_record({}, {"title": _string(3000, 0), "value": _string(3000, 0), "short": _boolean}), 100, 0),
        "mrkdwn_in": _each(_choice("text", "pretext", "fields"), 3, 0),
        "ts": _anything,
        **dict.fromkeys(("fallback", "pretext", "text", "title", "author_name", "footer"), _string(40_000, 0)),
        **dict.fromkeys(
            ("title_link", "author_link", "author_icon", "image_url", "thumb_url", "footer_icon", "callback_id"),
            _string(3000, 0),
        ),
    },
)


def _blocks(report: _Report, blocks: Json, pointer: str, *, maximum: int, surface: str) -> None:
    if blocks is None:
        return
    _each(_typed(_BLOCKS, _BY_SURFACE[surface]), maximum, 0)(report, blocks, pointer)
    _unique_ids(report, blocks, pointer)
    focused = [
        element for block in records(blocks) for element in elements_of(block) if element.get("focus_on_load") is True
    ]
    if sum(block.get("type") == "table" for block in records(blocks)) > 1:
        report.say("only_one_table_allowed", pointer)
    if len(focused) > 1:
        report.say("only one element can have `focus_on_load` set to true", pointer)


def _unique_ids(report: _Report, blocks: Json, pointer: str) -> None:
    """Block ids are unique in a message or view, action ids in their block."""
    seen: set[str] = set()
    for index, block in enumerate(blocks if isinstance(blocks, list) else []):
        if not isinstance(block, dict):
            continue
        block_id = block.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                report.say(f'`block_id` "{block_id}" already exists', f"{pointer}/{index}/block_id")
            seen.add(block_id)
        actions: set[str] = set()
        for place, element in enumerate(elements_of(block)):
            action_id = element.get("action_id")
            if isinstance(action_id, str):
                if action_id in actions:
                    where = f"{pointer}/{index}/elements/{place}/action_id"
                    report.say(f'`action_id` "{action_id}" already exists', where)
                actions.add(action_id)
