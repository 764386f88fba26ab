"""The modal behind "Ask approval for this message": what, whom, how many of them, until when."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import (
    InputInteractiveElement,
    PlainTextInputElement,
    StaticSelectElement,
    UserMultiSelectElement,
)

from bot.slack.views import kit
from flows.ports import Json
from integrations.slack.text import clip, escape

ASK_MESSAGE = "ask_message"
"""The callback id of the shortcut, and of its modal."""

TITLE = "Ask for an approval"

REQUEST, USERS, GROUPS, QUORUM, DEADLINE = "-request", "-users", "-groups", "-quorum", "-deadline"
"""The inputs' block ids."""

PEOPLE = 20
"""People who can be chosen one by one."""

_VALUE = "value"
_TEXT = 3_000  # characters of an input
_QUORUMS = (("1", "One of them"), ("2", "Two of them"), ("3", "Three of them"), ("all", "All of them"))
_DEADLINES = (("4h", "4 hours"), ("1d", "1 day"), ("3d", "3 days"), ("7d", "1 week"), ("14d", "2 weeks"))
_LABELLED = re.compile(r"<(?:@|#|!subteam\^|!)?([^<>|]*)\|([^<>]*)>")
_BARE = re.compile(r"<([@#!]?)([^<>|]*)>")


@dataclass(frozen=True, slots=True)
class Message:
    """Which message it is about, and where the answer goes. ``link`` is its permalink."""

    channel: str
    link: str

    def text(self) -> str:
        """For ``private_metadata``."""
        return json.dumps([self.channel, self.link], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            channel, link = json.loads(text)
        except (ValueError, TypeError):
            return None
        return cls(channel, link) if isinstance(channel, str) and isinstance(link, str) else None


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in: ``users`` are ids, ``groups`` handles as they were typed, ``quorum`` a number or ``all``."""

    request: str = ""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    quorum: str = "1"
    deadline: str = "3d"

    @classmethod
    def of(cls, state: Mapping[str, Mapping[str, Json]]) -> Self:
        """``state`` is ``view.state.values``."""

        def entered(name: str) -> Mapping[str, Json]:
            found = state.get(name, {}).get(_VALUE, {})
            return found if isinstance(found, Mapping) else {}

        typed = re.split(r"[,\s]+", str(entered(GROUPS).get("value") or ""))
        return cls(
            request=str(entered(REQUEST).get("value") or "").strip(),
            users=tuple(entered(USERS).get("selected_users") or ()),
            groups=tuple(one if one.startswith("@") or "@" in one else f"@{one}" for one in typed if one),
            quorum=str((entered(QUORUM).get("selected_option") or {}).get("value") or "1"),
            deadline=str((entered(DEADLINE).get("selected_option") or {}).get("value") or "3d"),
        )


def ask_modal(message: Message, filled: Filled, *, note: str | None = None) -> kit.Block:
    """The modal; ``note`` stands above it all, in plain words."""
    blocks = [kit.section(clip(f":warning: {escape(note)}", kit.SECTION))] if note else []
    request = PlainTextInputElement(
        action_id=_VALUE, multiline=True, initial_value=clip(filled.request, _TEXT) or None, max_length=_TEXT
    )
    users = UserMultiSelectElement(
        action_id=_VALUE, initial_users=list(filled.users) or None, max_selected_items=PEOPLE
    )
    groups = PlainTextInputElement(
        action_id=_VALUE, initial_value=clip(" ".join(filled.groups), 500) or None, max_length=500
    )
    return {
        **_modal(
            [
                *blocks,
                kit.context(f"The card links to <{message.link}|the message>."),
                _input(REQUEST, "What do you ask for?", request),
                _input(USERS, "Who is asked", users, optional=True),
                _input(GROUPS, "And which user groups", groups, optional=True, hint="Such as @hr-leads."),
                _input(QUORUM, "How many have to approve", _select(_QUORUMS, filled.quorum)),
                _input(DEADLINE, "How long they have", _select(_DEADLINES, filled.deadline)),
            ]
        ),
        "private_metadata": message.text(),
        "submit": kit.plain("Ask"),
    }


def asking() -> kit.Block:
    """What stands there while the run is started."""
    return _modal([kit.section(":hourglass_flowing_sand: Asking them…")])


def loading() -> kit.Block:
    """What stands there until the message's address is known."""
    return _modal([kit.section(":hourglass_flowing_sand: One moment…")])


def plainly(text: str) -> str:
    """A message's text as people read it: without Slack's markup for names, links and the three letters it escapes."""
    text = _LABELLED.sub(r"\2", text)
    text = _BARE.sub(
        lambda found: f"{'' if found[1] == '' else '@'}{found[2]}" if found[1] != "#" else f"#{found[2]}", text
    )
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _modal(blocks: list[kit.Block]) -> kit.Block:
    return {
        "type": "modal",
        "callback_id": ASK_MESSAGE,
        "title": kit.plain(TITLE),
        "close": kit.plain("Cancel"),
        "blocks": blocks,
    }


def _input(
    block_id: str, label: str, element: InputInteractiveElement, *, optional: bool = False, hint: str | None = None
) -> kit.Block:
    block = InputBlock(
        block_id=block_id,
        label=kit.plain(label),
        element=element,
        optional=optional,
        hint=kit.plain(hint) if hint else None,
    )
    return dict(block.to_dict())


def _select(offered: tuple[tuple[str, str], ...], chosen: str) -> StaticSelectElement:
    options = [Option(value=value, text=kit.plain(text)) for value, text in offered]
    preset = next((one for one in options if one.value == chosen), options[0])
    return StaticSelectElement(action_id=_VALUE, options=options, initial_option=preset)
