"""The action ``slack.request_approval``: each of those whom a wait asks gets a message with their own link, and no other's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from slack_sdk.models.blocks import ActionsBlock, ContextBlock, SectionBlock
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, PlainTextObject
from slack_sdk.models.blocks.block_elements import ButtonElement

from flows.people import Person
from flows.ports import ActionCall, Asked, Json, PersonalLink
from integrations.recipients import Recipients, as_json, links_of, wanted
from integrations.slack.actions import said
from integrations.slack.client import SlackClient
from integrations.slack.delivery import Message, deliver_each
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import SlackError
from integrations.slack.text import POSTED_TEXT, clip, escape, mention

OPEN_PAGE = "open_page"
"""The action id of a button that leads to a page. Slack tells of the click, and shows a warning until that is answered."""

_SECTION = 3_000  # Slack's limit
_OWN_BLOCKS = 48  # of Slack's 50; two are ours
_YOURS = "Opening the page decides nothing yet. The link was made for you: whoever has it can answer in your name."

_CHANNEL = re.compile(r"#[^\s#@,<>&]{1,80}|[CG][A-Z0-9]{6,}")


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError("is no channel; write #vacation or a channel id like C024BE91L")
    return value


class SlackRequestApprovalParams(BaseModel):
    """``with`` of ``slack.request_approval``, all of it optional. ``to``: without it everybody whom the wait asks.

    ``text`` and ``blocks`` stand above the button that leads to the page; without them, what the wait asks.
    ``channel`` is told too, without a link.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: Recipients | None = None
    text: Annotated[str, AfterValidator(said)] | None = Field(default=None, repr=False)
    blocks: list[dict[str, Json]] | None = Field(default=None, max_length=_OWN_BLOCKS, repr=False)
    channel: Annotated[str, AfterValidator(_channel)] | None = None


class SlackRequestApproval:
    """Performs ``slack.request_approval``. Client and directory stay their owner's; ``now`` gives aware UTC."""

    name: ClassVar[str] = "slack.request_approval"
    params: ClassVar[type[BaseModel]] = SlackRequestApprovalParams

    def __init__(self, slack: SlackClient, directory: SlackDirectory, *, now: Callable[[], datetime]) -> None:
        self._slack = slack
        self._directory = directory
        self._now = now

    async def perform(self, call: ActionCall, params: SlackRequestApprovalParams) -> Json:
        """``[{person, channel, ts}]``, in the order in which they were asked; of the channel, ``person`` is null.

        Nobody gets anything unless all can be reached in Slack. A repeat goes on where the delivery before it stopped:
        nobody gets a second message, and who has answered meanwhile gets none.
        """
        links = links_of(call, self.name)
        asked = await links.request()
        people: dict[str, Json] = dict(call.memo.get(_PEOPLE, {}))
        messages: dict[str, Message] = {}
        mentioned: list[Person] = []
        for place, link in (await self._places(await wanted(links, params.to))).items():
            people[place] = as_json(link.person)
            mentioned.append(link.person)
            messages[place] = _message(params, asked, link)
        if params.channel is not None and (mentioned or params.channel in people):
            people[params.channel] = None
            messages[params.channel] = Message(_notice(params, asked, mentioned))

        async def remember(memo: Mapping[str, Json]) -> None:
            await call.remember({**memo, _PEOPLE: people})

        posted = await deliver_each(self._slack, replace(call, remember=remember), messages, now=self._now)
        return [
            {"person": person, "channel": posted[place].channel, "ts": posted[place].ts}
            for place, person in people.items()
            if place in posted
        ]

    async def _places(self, links: Iterable[PersonalLink]) -> dict[str, PersonalLink]:
        """Each person's direct messages. Raises ``SlackError`` where anybody has none."""
        found: dict[str, PersonalLink] = {}
        absent = []
        for link in links:
            user = await self._user(link.person)
            if user is None:
                absent.append(link.person.name)
            else:
                found.setdefault(await self._slack.open_direct(user), link)
        if absent:
            raise SlackError(
                f"Not in this Slack: {', '.join(absent)}. Name in 'to' those who are, or ask by gmail.request_approval.",
                code="users_not_found",
            )
        return found

    async def _user(self, person: Person) -> str | None:
        team, _, user = (person.slack or "").rpartition("/")
        if user and team == self._directory.team_id:
            return user
        if person.email is None:
            return None
        # This may be another workspace than the one in which they are known.
        member = (await self._directory.by_email(person.email)).value
        return member.id if member is not None and not member.deleted else None


_PEOPLE = "people"


def _message(params: SlackRequestApprovalParams, asked: Asked, link: PersonalLink) -> Message:
    text = _text(params, asked)
    label = "Open to resume" if asked.hold else "Open to approve or reject"
    button = ButtonElement(
        action_id=OPEN_PAGE, text=PlainTextObject(text=label, emoji=False), url=link.url, style="primary"
    )
    blocks = [
        *(params.blocks or [SectionBlock(text=_markup(clip(text, _SECTION))).to_dict()]),
        ActionsBlock(elements=[button]).to_dict(),
        ContextBlock(elements=[_markup(_YOURS)]).to_dict(),
    ]
    return Message(clip(text, POSTED_TEXT), blocks)


def _notice(params: SlackRequestApprovalParams, asked: Asked, people: Iterable[Person]) -> str:
    names = [mention(person.slack) if person.slack else escape(person.name) for person in people]
    last = f"\nAsked: {', '.join(names)}"
    return clip(_text(params, asked), POSTED_TEXT - len(last)) + last


def _text(params: SlackRequestApprovalParams, asked: Asked) -> str:
    if params.text is not None:
        return params.text
    return f"*{escape(asked.title)}*\n{escape(asked.ask)}\nAsked by {escape(asked.requester)}"


def _markup(text: str) -> MarkdownTextObject:
    # Verbatim: Slack would make links of addresses and channel names that people wrote.
    return MarkdownTextObject(text=text, verbatim=True)
