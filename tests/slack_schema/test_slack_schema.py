"""The checks themselves: each kind of fault is found and named, and what is right is let through."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.slack_schema.check import check_blocks, check_manifest, check_message, check_view

HERE = Path(__file__).parent


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def md(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "Ship it?", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": md(text), **more}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "approve", "text": plain("Approve"), "value": "x", **more}


def actions(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **more}


def asking(element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "input", "label": plain("Why?"), "element": {"action_id": "value", **element}}


OPTION = {"text": plain("Red"), "value": "red"}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"type": "sektion"}, r"^blocks\[0\]: Slack has no block 'sektion'$"),
    (section(colour="red"), r"^blocks\[0\]: Additional properties are not allowed \('colour' was unexpected\)$"),
    ({"type": "header", "text": md("Release")}, r"^blocks\[0\]\.text\.type: 'plain_text' was expected$"),
    ({"type": "header"}, r"^blocks\[0\]: 'text' is a required property$"),
    (actions(button(style="green")), r"^blocks\[0\]\.elements\[0\]\.style: 'green' is not one of"),
    (actions(button(text=md("*Approve*"))), r"^blocks\[0\]\.elements\[0\]\.text\.type: 'plain_text' was expected$"),
    (section(""), r"text\.text: has 0 characters, and Slack takes 1 to 3000$"),
    (section("x" * 3_001), r"text\.text: has 3001 characters"),
    (section(fields=[md("x" * 2_001)]), r"fields\[0\]\.text: has 2001 characters"),
    ({"type": "section"}, r"has neither text nor fields"),
    ({"type": "header", "text": plain("x" * 151)}, r"has 151 characters, and Slack takes 1 to 150"),
    ({"type": "context", "elements": [md("x")] * 11}, r"elements: are 11, and Slack takes 1 to 10"),
    (actions(*(button(action_id=f"a{n}") for n in range(26))), r"elements: are 26, and Slack takes 1 to 25"),
    (actions(button(), button()), r"action_id 'approve' is there 2 times"),
    (actions(button(value="x" * 2_001)), r"value: has 2001 characters"),
    (actions(button(text=plain("x" * 76))), r"text\.text: has 76 characters"),
    (section(accessory=button(action_id="x" * 256)), r"accessory\.action_id: has 256 characters"),
    (section(block_id="x" * 256), r"block_id: has 256 characters"),
    (asking({"type": "static_select", "options": []}), r"options: are 0, and Slack takes 1 to 100"),
    (
        asking({"type": "static_select", "options": [OPTION], "initial_option": {**OPTION, "value": "blue"}}),
        r"begins with an option that is none of its own",
    ),
    (asking({"type": "static_select", "options": [OPTION, OPTION]}), r"value 'red' is there 2 times"),
    (asking({"type": "plain_text_input", "max_length": 3_001}), r"takes 0 to 3001 characters"),
    (asking({"type": "plain_text_input", "max_length": 2, "initial_value": "abc"}), r"more characters than it takes"),
    (asking({"type": "number_input", "is_decimal_allowed": True, "initial_value": "1e-7"}), r"no number without an"),
    (asking({"type": "datepicker", "initial_date": "1.2.2026"}), r"initial_date: '1.2.2026' is not of Slack's shape"),
]


@pytest.mark.parametrize(("block", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_block_that_slack_refuses_is_named_with_the_place_and_the_fault(block, said):
    found = check_blocks([block])

    assert any(re.search(said, one) for one in found), found


def test_blocks_together_have_limits_and_ids_of_their_own():
    assert any("are 51, and a message takes 1 to 50" in one for one in check_blocks([section()] * 51))
    assert any("block_id 'a' is there 2 times" in one for one in check_blocks([section(block_id="a")] * 2))
    assert any("have 12000 characters together" in one for one in check_message("x", [section("x" * 3_000)] * 4))
    assert any("takes no alert block" in one for one in check_blocks([{"type": "alert", "text": plain("x")}]))


def test_a_message_says_something_without_its_blocks_and_its_metadata_is_small_and_named():
    assert check_message("Ship it?", [section()], {"event_type": "card", "event_payload": {"key": "x"}}) == []
    assert check_message(" ", [section()]) == ["text: is empty, so notifications and screen readers say nothing"]
    assert any("4001 characters" in one for one in check_message("x" * 4_001))
    assert any("event_payload" in one for one in check_message("x", None, {"event_type": "card"}))
    assert any("bytes" in one for one in check_message("x", None, {"event_type": "a", "event_payload": {"k": "x" * 9_000}}))  # fmt: skip


def test_what_stands_beside_a_bar_of_colour_is_checked_too():
    def bar(**more: Any) -> list[str]:
        return check_message("Ship it?", None, None, [{"color": "#d33f49", "blocks": [section()], **more}])

    assert bar() == []
    assert any("attachments[0]: Additional properties" in one for one in bar(colour="red"))
    assert any("attachments[0].blocks[0]: Slack has no block" in one for one in bar(blocks=[{"type": "sektion"}]))
    assert any("are 21, and a message takes 1 to 20" in one for one in bar(blocks=[section()] * 21))
    assert any("have 12000 characters together" in one for one in bar(blocks=[section("x" * 3_000)] * 4))


def modal(**more: Any) -> dict[str, Any]:
    asks = {"submit": plain("Send"), "blocks": [asking({"type": "plain_text_input"})]}
    return {"type": "modal", "title": plain("Reject"), **asks, **more}


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (modal(title=plain("x" * 25)), "view.title.text: has 25 characters"),
        (modal(private_metadata="x" * 3_001), "view.private_metadata: has 3001 characters"),
        (modal(callback_id="x" * 256), "view.callback_id: has 256 characters"),
        (modal(blocks=[section()] * 101), "view.blocks: are 101, and a modal takes 1 to 100"),
        (modal(submitt=plain("Send")), "'submitt' was unexpected"),
        ({"type": "modal", "blocks": [section()]}, "'title' is a required property"),
        ({key: value for key, value in modal().items() if key != "submit"}, "view.submit: is missing"),
        ({"type": "home", "title": plain("Home"), "blocks": [section()]}, "'title' was unexpected"),
        ({"type": "dialog"}, "view: is of type 'dialog'"),
    ],
)
def test_a_view_that_slack_refuses_is_named_with_the_fault(view, said):
    assert check_view(modal()) == []
    assert check_view({"type": "home", "blocks": [section()]}) == []
    found = check_view(view)

    assert any(said in one for one in found), found


def test_a_manifest_with_an_unknown_scope_event_or_key_is_named():
    def manifest(*scopes: str, **settings: Any) -> dict[str, Any]:
        about = {"display_information": {"name": "Signoff"}}
        return {**about, "oauth_config": {"scopes": {"bot": list(scopes)}}, "settings": settings}

    assert check_manifest(manifest("chat:write", event_subscriptions={"bot_events": ["user_change"]})) == []
    assert any("oauth_config.scopes.bot[0]: 'chat:wrote' is not one" in one for one in check_manifest(manifest("chat:wrote")))  # fmt: skip
    assert any("'user_changes' is not one of" in one for one in check_manifest(manifest(event_subscriptions={"bot_events": ["user_changes"]})))  # fmt: skip
    assert any("'sockets' was unexpected" in one for one in check_manifest(manifest(sockets=True)))
    assert any("'colour' was unexpected" in one for one in check_manifest({**manifest(), "colour": "red"}))


def test_the_versions_that_are_written_down_are_those_that_are_made_from():
    packages = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    told = (HERE / "README.md").read_text("utf-8")

    for name, exact in packages.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", exact)
        assert re.search(rf"`{re.escape(name)}`[^\n]* {re.escape(exact)}\b", told), name
