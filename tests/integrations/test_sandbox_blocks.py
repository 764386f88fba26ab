"""The stand-in for Slack refuses the blocks and views that Slack refuses."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.blocks import check_message_blocks, check_view

Block = dict[str, Any]


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def button(**changes: Any) -> Block:
    return {"type": "button", "text": plain("Approve"), "action_id": "approve", **changes}


def option(value: str, **changes: Any) -> Block:
    return {"text": plain(value), "value": value, **changes}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def section(**changes: Any) -> Block:
    return {"type": "section", "text": mrkdwn("*Ask*"), **changes}


def asked(element: Block, **changes: Any) -> Block:
    return {"type": "input", "label": plain("Why"), "element": element, **changes}


def modal(*blocks: Block, **changes: Any) -> Block:
    return {"type": "modal", "title": plain("Reject"), "submit": plain("Send"), "blocks": list(blocks), **changes}


CONFIRM = {"title": plain("Sure?"), "text": mrkdwn("*Really*"), "confirm": plain("Yes"), "deny": plain("No")}
OPTIONS = [option("a"), option("b")]

ACCEPTED = {
    "section at its limit": section(text=mrkdwn("x" * 3000)),
    "fields": {"type": "section", "fields": [plain("x" * 2000)] * 10},
    "accessory": section(accessory=button(confirm=CONFIRM, style="danger", value="x" * 2000)),
    "divider": {"type": "divider"},
    "header": {"type": "header", "text": {**plain("x" * 150), "emoji": True}},
    "context": {
        "type": "context",
        "elements": [mrkdwn("a"), {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}],
    },
    "25 buttons": actions(*[button(action_id=f"b{n}") for n in range(25)]),
    "overflow": actions({"type": "overflow", "action_id": "o", "options": [option("a", url="https://a.example")]}),
    "static_select": actions({"type": "static_select", "options": OPTIONS, "initial_option": OPTIONS[1]}),
    "groups": actions({"type": "static_select", "option_groups": [{"label": plain("g"), "options": OPTIONS}]}),
    "multi_static_select": asked({"type": "multi_static_select", "options": OPTIONS, "max_selected_items": 2}),
    "users_select": actions({"type": "users_select", "placeholder": plain("who"), "initial_user": "U1"}),
    "multi_users_select": asked({"type": "multi_users_select", "initial_users": ["U1"]}),
    "conversations_select": asked({"type": "conversations_select", "default_to_current_conversation": True}),
    "external_select": actions({"type": "external_select", "min_query_length": 0}),
    "datepicker": actions({"type": "datepicker", "initial_date": "2026-02-28"}),
    "timepicker": actions({"type": "timepicker", "initial_time": "23:59"}),
    "datetimepicker": asked({"type": "datetimepicker", "initial_date_time": 1_795_000_000}),
    "checkboxes": asked({"type": "checkboxes", "options": [{"text": mrkdwn("*a*"), "value": "a"}]}),
    "radio_buttons": asked({"type": "radio_buttons", "options": OPTIONS, "initial_option": OPTIONS[0]}),
    "plain_text_input": asked({"type": "plain_text_input", "min_length": 1, "max_length": 3000, "multiline": True}),
    "number_input": asked({"type": "number_input", "is_decimal_allowed": False, "min_value": "0"}),
    "email_text_input": asked({"type": "email_text_input"}, hint=plain("x"), optional=True),
    "url_text_input": asked({"type": "url_text_input"}, dispatch_action=True),
    "image": {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i", "title": plain("t")},
    "markdown": {"type": "markdown", "text": "**x**"},
    "rich_text": {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "x", "style": {"bold": True}}]},
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U1"}]}],
            },
        ],
    },
}

REFUSED = {
    "section past its limit": (section(text=mrkdwn("x" * 3001)), "must be less than 3001 characters", "0/text/text"),
    "empty section": (section(text=mrkdwn("")), "must be more than 0 characters", "0/text/text"),
    "section without text": ({"type": "section"}, "must define either `text` or `fields`", "0"),
    "text for a text object": (section(text="hello"), "must provide an object", "0/text"),
    "long field": ({"type": "section", "fields": [plain("x" * 2001)]}, "less than 2001", "0/fields/0/text"),
    "11 fields": ({"type": "section", "fields": [plain("x")] * 11}, "no more than 10 items", "0/fields"),
    "header past its limit": ({"type": "header", "text": plain("x" * 151)}, "less than 151", "0/text/text"),
    "mrkdwn header": ({"type": "header", "text": mrkdwn("x")}, "unsupported type: mrkdwn", "0/text/type"),
    "emoji in mrkdwn": (section(text={**mrkdwn("x"), "emoji": True}), "invalid additional property: emoji", "0/text"),
    "unknown block": ({"type": "banner"}, "unsupported type: banner", "0/type"),
    "no type": ({"text": plain("x")}, "missing required field: type", "0"),
    "unknown key": (section(colour="red"), "invalid additional property: colour", "0"),
    "long block id": (section(block_id="x" * 256), "less than 256", "0/block_id"),
    "mrkdwn in a button": (actions(button(text=mrkdwn("x"))), "unsupported type: mrkdwn", "0/elements/0/text/type"),
    "long button": (actions(button(text=plain("x" * 76))), "less than 76", "0/elements/0/text/text"),
    "long value": (actions(button(value="x" * 2001)), "less than 2001", "0/elements/0/value"),
    "long action id": (actions(button(action_id="x" * 256)), "less than 256", "0/elements/0/action_id"),
    "bad style": (actions(button(style="green")), "must be one of: primary, danger", "0/elements/0/style"),
    "bad url": (actions(button(url="nowhere")), "must be a valid URL", "0/elements/0/url"),
    "half a confirm": (
        actions(button(confirm={"title": plain("Sure?")})),
        "missing required field: text",
        "0/elements/0/confirm",
    ),
    "26 buttons": (
        actions(*[button(action_id=f"b{n}") for n in range(26)]),
        "no more than 25 items allowed",
        "0/elements",
    ),
    "no buttons": (actions(), "no fewer than 1 items allowed", "0/elements"),
    "same action id twice": (
        actions(button(), button()),
        '`action_id` "approve" already exists',
        "0/elements/1/action_id",
    ),
    "11 in a context": ({"type": "context", "elements": [plain("x")] * 11}, "no more than 10", "0/elements"),
    "button in a context": (
        {"type": "context", "elements": [button()]},
        "unsupported type: button",
        "0/elements/0/type",
    ),
    "six in an overflow": (
        actions({"type": "overflow", "options": [option(str(n)) for n in range(6)]}),
        "no more than 5",
        "0/elements/0/options",
    ),
    "101 options": (
        actions({"type": "static_select", "options": [option(str(n)) for n in range(101)]}),
        "no more than 100",
        "0/elements/0/options",
    ),
    "no options": (
        actions({"type": "static_select"}),
        "exactly one of `options` and `option_groups`",
        "0/elements/0",
    ),
    "long option": (
        actions({"type": "static_select", "options": [{"text": plain("x" * 76), "value": "a"}]}),
        "less than 76",
        "0/elements/0/options/0/text/text",
    ),
    "long option value": (
        actions({"type": "static_select", "options": [{"text": plain("x"), "value": "a" * 151}]}),
        "less than 151",
        "0/elements/0/options/0/value",
    ),
    "initial option from elsewhere": (
        actions({"type": "static_select", "options": OPTIONS, "initial_option": option("c")}),
        "`initial_option` must exactly match",
        "0/elements/0/initial_option",
    ),
    "impossible date": (
        actions({"type": "datepicker", "initial_date": "28.02.2026"}),
        "must be a valid date",
        "0/elements/0/initial_date",
    ),
    "text input among buttons": (
        actions({"type": "plain_text_input"}),
        "unsupported type: plain_text_input",
        "0/elements/0/type",
    ),
    "button as an input": (asked(button()), "unsupported type: button", "0/element/type"),
    "long label": (asked({"type": "plain_text_input"}, label=plain("x" * 2001)), "less than 2001", "0/label/text"),
    "input without label": (
        {"type": "input", "element": {"type": "plain_text_input"}},
        "missing required field: label",
        "0",
    ),
    "long placeholder": (
        asked({"type": "plain_text_input", "placeholder": plain("x" * 151)}),
        "less than 151",
        "0/element/placeholder/text",
    ),
    "max_length past its limit": (
        asked({"type": "plain_text_input", "max_length": 3001}),
        "less than or equal to 3000",
        "0/element/max_length",
    ),
    "lengths the wrong way round": (
        asked({"type": "plain_text_input", "min_length": 5, "max_length": 2}),
        "`min_length` must be",
        "0/element",
    ),
    "number without its rule": (
        asked({"type": "number_input"}),
        "missing required field: is_decimal_allowed",
        "0/element",
    ),
    "bound as a number": (
        asked({"type": "number_input", "is_decimal_allowed": True, "min_value": 1}),
        "must provide a string",
        "0/element/min_value",
    ),
    "long markdown": ({"type": "markdown", "text": "x" * 12_001}, "less than 12001", "0/text"),
    "image without alt": (
        {"type": "image", "image_url": "https://a.example/i.png"},
        "missing required field: alt_text",
        "0",
    ),
}


@pytest.mark.parametrize("block", ACCEPTED.values(), ids=ACCEPTED)
def test_a_block_within_the_limits_is_taken(block: Block) -> None:
    assert check_message_blocks([block]) == []


@pytest.mark.parametrize(("block", "sentence", "pointer"), REFUSED.values(), ids=REFUSED)
def test_a_block_that_slack_refuses_is_refused_with_the_place(block: Block, sentence: str, pointer: str) -> None:
    errors = check_message_blocks([block])

    assert any(sentence in error and error.endswith(f"[json-pointer:/blocks/{pointer}]") for error in errors), errors


def test_a_message_takes_50_blocks_and_not_51() -> None:
    divider = {"type": "divider"}

    assert check_message_blocks([divider] * 50) == []
    assert check_message_blocks([divider] * 51) == ["no more than 50 items allowed [json-pointer:/blocks]"]


def test_block_ids_are_unique_and_action_ids_only_within_their_block() -> None:
    rows = [actions(button()) | {"block_id": "one"}, actions(button()) | {"block_id": "two"}]

    assert check_message_blocks(rows) == []
    assert check_message_blocks([row | {"block_id": "one"} for row in rows]) == [
        '`block_id` "one" already exists [json-pointer:/blocks/1/block_id]'
    ]


def test_a_modal_within_the_limits_is_taken() -> None:
    text = {"type": "plain_text_input", "action_id": "reason"}

    assert check_view(modal(asked(text), private_metadata="x" * 3000, notify_on_close=True)) == []
    assert check_view(modal(*[{"type": "divider"}] * 100)) == []


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(submit=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/submit/text]"),
        (modal(close=mrkdwn("x")), "unsupported type: mrkdwn [json-pointer:/view/close/type]"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters [json-pointer:/view/private_metadata]"),
        (modal(callback_id="x" * 256), "must be less than 256 characters [json-pointer:/view/callback_id]"),
        (modal(*[{"type": "divider"}] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
        (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown [json-pointer:/view/blocks/0/type]"),
        (modal(colour="red"), "invalid additional property: colour [json-pointer:/view]"),
        ({"type": "modal", "blocks": []}, "missing required field: title [json-pointer:/view]"),
        ({"type": "home"}, "missing required field: blocks [json-pointer:/view]"),
        (
            {"type": "home", "blocks": [], "title": plain("x")},
            "invalid additional property: title [json-pointer:/view]",
        ),
        ({"type": "dialog"}, "unsupported type: dialog [json-pointer:/view/type]"),
        (
            {"type": "modal", "title": plain("x"), "blocks": [asked({"type": "plain_text_input"})]},
            "missing required field: submit [json-pointer:/view]",
        ),
        (
            modal(
                asked({"type": "plain_text_input", "focus_on_load": True}),
                asked({"type": "plain_text_input", "focus_on_load": True}),
            ),
            "only one element can have `focus_on_load` set to true [json-pointer:/view/blocks]",
        ),
    ],
)
def test_a_view_that_slack_refuses_is_refused_with_the_place(view: Block, sentence: str) -> None:
    assert sentence in check_view(view)


def test_a_message_has_one_table_at_most_of_a_hundred_rows_and_twenty_columns() -> None:
    cell = {"type": "raw_text", "text": "x"}

    def table(rows: int, columns: int) -> Block:
        return {"type": "table", "rows": [[cell] * columns] * rows, "column_settings": [{"align": "right"}]}

    assert check_message_blocks([table(100, 20)]) == []
    assert check_message_blocks([table(1, 1), table(1, 1)]) == ["only_one_table_allowed [json-pointer:/blocks]"]
    assert check_message_blocks([table(101, 1)]) == ["no more than 100 items allowed [json-pointer:/blocks/0/rows]"]
    assert check_message_blocks([table(1, 21)]) == ["no more than 20 items allowed [json-pointer:/blocks/0/rows/0]"]
    assert check_view(modal(table(1, 1))) == ["unsupported type: table [json-pointer:/view/blocks/0/type]"]
