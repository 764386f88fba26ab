"""The actions ``slack.post_message``, ``slack.send_direct_message`` and ``slack.update_message``: a flow says something
in Slack, and takes it back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from flows.ports import ActionCall, Json
from integrations.slack.answers import Posted
from integrations.slack.client import SlackClient
from integrations.slack.delivery import Message, deliver, deliver_each, permalink
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import SlackError
from integrations.slack.text import POSTED_TEXT, UPDATED_TEXT, clip

_BLOCKS = 50  # Slack's limit for one message
_RECIPIENTS = 100  # one message each, at about one a second

_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{6,}")
_CHANNEL = re.compile(rf"#[^\s#@,<>&]{{1,80}}|{_CHANNEL_ID.pattern}")
_USER = re.compile(r"(?:[TE][A-Z0-9]{2,20}/)?([UW][A-Z0-9]{2,20})")
_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}")
_THREAD = re.compile(r"[0-9]{1,12}\.[0-9]{6}")


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError("is no channel; write #vacation or a channel id like C024BE91L")
    return value


def _place(value: str) -> str:
    if not _CHANNEL_ID.fullmatch(value):
        # Slack changes messages by the channel's id alone.
        raise ValueError("is no channel id like C024BE91L; the output of the step that posted has it as 'channel'")
    return value


def _recipient(value: str) -> str:
    user = _USER.fullmatch(value)
    if user is not None:
        return user[1]
    if _EMAIL.fullmatch(value):
        return value.lower()
    raise ValueError("is nobody; write a mail address or a Slack user id like U024BE7LH")


def said(value: str) -> str:
    """A text that Slack posts. Raises ``ValueError``."""
    if not value.strip():
        raise ValueError("is empty; Slack posts no empty message")
    return value


def _thread(value: str) -> str:
    if not _THREAD.fullmatch(value):
        raise ValueError("is no ts of a message, like '1700000000.000100'")
    return value


Recipient = Annotated[str, AfterValidator(_recipient)]


class _Said(BaseModel):
    """What both actions say. ``text`` arrives ready for Slack: what people wrote escaped, people rendered as mentions.

    With ``blocks`` (Block Kit, at most 50) it is what notifications show.
    """

    # Texts may hold what an error must not repeat.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    text: Annotated[str, AfterValidator(said)] = Field(repr=False)
    blocks: list[dict[str, Json]] | None = Field(default=None, max_length=_BLOCKS, repr=False)


class PostMessageParams(_Said):
    """``with`` of ``slack.post_message``. ``thread_ts`` is the ``ts`` of the message that is answered."""

    channel: Annotated[str, AfterValidator(_channel)]
    thread_ts: Annotated[str, AfterValidator(_thread)] | None = None


class UpdateMessageParams(_Said):
    """``with`` of ``slack.update_message``: ``channel`` and ``ts`` of one of the bot's own messages, as the step's output
    has them that posted it. Without ``blocks`` the message has none any more."""

    channel: Annotated[str, AfterValidator(_place)]
    ts: Annotated[str, AfterValidator(_thread)]


class SendDirectMessageParams(_Said):
    """``with`` of ``slack.send_direct_message``. ``to`` is a mail address or a Slack user id, or a list of them."""

    to: Recipient | Annotated[list[Recipient], Field(min_length=1, max_length=_RECIPIENTS)]


class PostMessage:
    """Performs ``slack.post_message``. The client stays its owner's to close; ``now`` gives aware UTC."""

    name: ClassVar[str] = "slack.post_message"
    params: ClassVar[type[BaseModel]] = PostMessageParams

    def __init__(self, slack: SlackClient, *, now: Callable[[], datetime]) -> None:
        self._slack = slack
        self._now = now

    async def perform(self, call: ActionCall, params: PostMessageParams) -> Json:
        """``{channel, ts, permalink}``: the channel's id, the message's id in it, its address or null."""
        message = Message(_fitting(params.text), params.blocks, params.thread_ts)
        (posted,) = await deliver(self._slack, call, [params.channel], message, now=self._now)
        return await _output(self._slack, posted)


Others = Callable[[], Iterable[tuple[SlackClient, SlackDirectory]]]
"""Client and directory of each further workspace, as they are by then."""


def alone() -> Iterable[tuple[SlackClient, SlackDirectory]]:
    """There is one workspace."""
    return ()


class SendDirectMessage:
    """Performs ``slack.send_direct_message``. Client and directory stay their owner's; ``now`` gives aware UTC.

    ``others`` are those of further workspaces, in which an address is looked for that nobody has here.
    """

    name: ClassVar[str] = "slack.send_direct_message"
    params: ClassVar[type[BaseModel]] = SendDirectMessageParams

    def __init__(
        self, slack: SlackClient, directory: SlackDirectory, *, now: Callable[[], datetime], others: Others = alone
    ) -> None:
        self._slack = slack
        self._directory = directory
        self._now = now
        self._others = others

    async def perform(self, call: ActionCall, params: SendDirectMessageParams) -> Json:
        """As ``slack.post_message`` for one recipient; for a list ``{messages: [{to, channel, ts, permalink}]}``.

        Somebody who stands in the list twice, as address and as id, gets one message. Nothing is sent unless every
        recipient is found.
        """
        recipients = [params.to] if isinstance(params.to, str) else params.to
        found = {to: await self._place(to) for to in recipients}
        places = {to: place for to, (_, place) in found.items()}
        through = {place: client for client, place in found.values()}
        message = Message(_fitting(params.text), params.blocks)
        messages = dict.fromkeys(places.values(), message)
        posted = await deliver_each(self._slack, call, messages, now=self._now, through=through)
        outputs = {place: await _output(through[place], posted[place]) for place in messages}
        if isinstance(params.to, str):
            return outputs[places[params.to]]
        return {"messages": [{"to": to, **outputs[place]} for to, place in places.items()]}

    async def _place(self, to: str) -> tuple[SlackClient, str]:
        """The channel of somebody's direct messages, and the client of the workspace that it is in."""
        if "@" not in to:
            return self._slack, await self._slack.open_direct(to)
        for client, directory in ((self._slack, self._directory), *self._others()):
            user = (await directory.by_email(to)).value
            if user is not None:
                return client, await client.open_direct(user.id)
        raise SlackError(f"Nobody in Slack has the mail address {to}.", code="users_not_found")


class UpdateMessage:
    """Performs ``slack.update_message``. The client stays its owner's to close."""

    name: ClassVar[str] = "slack.update_message"
    params: ClassVar[type[BaseModel]] = UpdateMessageParams

    def __init__(self, slack: SlackClient) -> None:
        self._slack = slack

    async def perform(self, call: ActionCall, params: UpdateMessageParams) -> Json:  # noqa: ARG002 - twice is as once
        """As ``slack.post_message``. Raises ``SlackError``: ``cant_update_message`` for somebody else's message,
        ``message_not_found`` for one that is gone."""
        text = _fitting(params.text, UPDATED_TEXT)
        await self._slack.update(params.channel, params.ts, text=text, blocks=params.blocks)
        return await _output(self._slack, Posted(params.channel, params.ts))


def _fitting(text: str, limit: int = POSTED_TEXT) -> str:
    """The text, or as much as Slack shows, with a note of how much is missing."""
    if len(text) <= limit:
        return text
    note = f"\n(cut: Slack shows {limit:,} of {len(text):,} characters)"
    return clip(text, limit - len(note)) + note


async def _output(slack: SlackClient, posted: Posted) -> dict[str, Json]:
    return {"channel": posted.channel, "ts": posted.ts, "permalink": await permalink(slack, posted)}
