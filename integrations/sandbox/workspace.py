"""One Slack workspace in memory: who is there, what was said where, and which views are open.

This is the truth that the API answers from and that people look at. It checks nothing that depends on who asks; the
API and the people do that. Everything here is lost when the sandbox stops.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.blocks import elements_of
from integrations.sandbox.changes import Changes

TRIGGER_LIFETIME = timedelta(seconds=3)
RESPONSE_LIFETIME = timedelta(minutes=30)
RESPONSE_USES = 5
Block = dict[str, Json]
StateValues = dict[str, dict[str, Json]]
"""What is filled in: block id, then action id, then the element's state as Slack writes it."""


@dataclass(slots=True)
class User:
    """A member, guest, bot or stranger, with Slack's own words for which it is."""

    id: str
    name: str
    real_name: str
    team_id: str
    email: str | None = None
    tz: str = "Europe/Berlin"
    deleted: bool = False
    is_admin: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    is_stranger: bool = False

    def as_json(self, *, with_email: bool, now: datetime) -> dict[str, Json]:
        """As ``users.info`` answers; the mail address only where the token may read it."""
        offset = now.astimezone(ZoneInfo(self.tz)).utcoffset() or timedelta()
        profile: dict[str, Json] = {"real_name": self.real_name, "display_name": self.name, "team": self.team_id}
        if with_email and self.email is not None:
            profile["email"] = self.email
        user: dict[str, Json] = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": int(offset.total_seconds()),
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": int(now.timestamp()),
        }
        if self.is_stranger:
            user["is_stranger"] = True
        if self.deleted:  # Slack leaves these out of a deactivated user
            for name in ("real_name", "tz", "tz_label", "tz_offset"):
                del user[name]
        return user


@dataclass(slots=True)
class Channel:
    """A channel, a direct message (``is_im``, with ``user``) or a group direct message (``is_mpim``)."""

    id: str
    name: str
    members: list[str]
    created: int
    is_private: bool = False
    is_archived: bool = False
    is_im: bool = False
    is_mpim: bool = False
    user: str | None = None

    @property
    def kind(self) -> str:
        """The word that Slack's scopes use: ``channels``, ``groups``, ``im`` or ``mpim``."""
        if self.is_im:
            return "im"
        if self.is_mpim:
            return "mpim"
        return "groups" if self.is_private else "channels"

    def as_json(self, *, member: str) -> dict[str, Json]:
        """As ``conversations.info`` answers, seen by ``member``."""
        if self.is_im:
            return {
                "id": self.id,
                "created": self.created,
                "is_im": True,
                "is_archived": self.is_archived,
                "is_org_shared": False,
                "user": self.user,
                "is_user_deleted": False,
                "is_open": True,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "created": self.created,
            "is_channel": not self.is_private and not self.is_mpim,
            "is_group": self.is_private and not self.is_mpim,
            "is_im": False,
            "is_mpim": self.is_mpim,
            "is_private": self.is_private or self.is_mpim,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_shared": False,
            "is_member": member in self.members,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True)
class UserGroup:
    """A user group: ``@handle`` and its members' ids."""

    id: str
    handle: str
    name: str
    users: list[str]
    disabled: bool = False


@dataclass(slots=True)
class Message:
    """A message in a channel, or one that only ``ephemeral_to`` sees. ``version`` counts its edits."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    metadata: Json = None
    thread_ts: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    edited_ts: str | None = None
    ephemeral_to: str | None = None
    version: int = 1

    def elements(self) -> Iterator[tuple[Block, dict[str, Json]]]:
        """Each interactive element with its block."""
        for block in self.blocks:
            for element in elements_of(block):
                yield block, element

    def buttons(self) -> list[str]:
        """The texts of the buttons that it shows."""
        return [element["text"]["text"] for _, element in self.elements() if element.get("type") == "button"]

    def shown_text(self) -> str:
        """Everything that can be read on it: all texts of its blocks, or the plain text where it has none."""
        return "\n".join(_texts(self.blocks)) if self.blocks else self.text

    def snapshot(self) -> Message:
        """A copy that later edits leave alone: what somebody saw."""
        return copy.deepcopy(self)

    def as_json(self, *, with_metadata: bool) -> dict[str, Json]:
        """As ``conversations.history`` answers."""
        message: dict[str, Json] = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.bot_id is not None:
            message |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.blocks:
            message["blocks"] = copy.deepcopy(self.blocks)
        if self.thread_ts is not None:
            message["thread_ts"] = self.thread_ts
        if self.edited_ts is not None:
            message["edited"] = {"user": self.user, "ts": self.edited_ts}
        if with_metadata and self.metadata is not None:
            message["metadata"] = copy.deepcopy(self.metadata)
        return message


@dataclass(slots=True)
class View:
    """A modal or a home tab as it stands. ``errors`` are those shown under the inputs, by block id."""

    id: str
    user: str
    team_id: str
    app_id: str
    bot_id: str
    content: dict[str, Json]
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    values: StateValues = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """``modal`` or ``home``."""
        return str(self.content["type"])

    @property
    def callback_id(self) -> str:
        """The bot's name for this sort of view; empty if it gave none."""
        return str(self.content.get("callback_id", ""))

    @property
    def title(self) -> str:
        """The modal's title; empty for a home tab."""
        return str(self.content.get("title", {}).get("text", ""))

    @property
    def blocks(self) -> list[Block]:
        """Its blocks, every one with an id."""
        blocks: list[Block] = self.content["blocks"]
        return blocks

    def elements(self) -> Iterator[tuple[Block, dict[str, Json]]]:
        """Each interactive element with its block."""
        for block in self.blocks:
            for element in elements_of(block):
                yield block, element

    def buttons(self) -> list[str]:
        """The texts of the buttons inside it (submit and close are not among them)."""
        return [element["text"]["text"] for _, element in self.elements() if element.get("type") == "button"]

    def shown_text(self) -> str:
        """Everything that can be read on it, title first."""
        return "\n".join([self.title, *_texts(self.blocks)])

    def as_json(self, state: StateValues | None = None) -> dict[str, Json]:
        """As Slack hands it to the bot, with the state that the person has filled in."""
        content = copy.deepcopy(self.content)
        return {
            "id": self.id,
            "team_id": self.team_id,
            "type": self.type,
            "blocks": content["blocks"],
            "private_metadata": content.get("private_metadata", ""),
            "callback_id": self.callback_id,
            "state": {"values": copy.deepcopy(state if state is not None else self.values)},
            "hash": self.hash,
            "title": content.get("title"),
            "clear_on_close": content.get("clear_on_close", False),
            "notify_on_close": content.get("notify_on_close", False),
            "close": content.get("close"),
            "submit": content.get("submit"),
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": self.app_id,
            "external_id": content.get("external_id", ""),
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
        }


@dataclass(slots=True)
class Trigger:
    """The right to open one modal for ``user``: within three seconds, once. ``view_id``: it came from a modal."""

    id: str
    user: str
    issued_at: datetime
    view_id: str | None = None
    used: bool = False


@dataclass(slots=True)
class ResponseAddress:
    """A ``response_url``: five messages within thirty minutes to where a person acted."""

    token: str
    user: str
    channel: str
    message_ts: str | None
    issued_at: datetime
    uses: int = 0


class Workspace:
    """A workspace with one installed bot."""

    def __init__(self, *, clock: Clock, changes: Changes, name: str, domain: str, number: int = 1) -> None:
        self.clock = clock
        self.changes = changes
        self.name = name
        self.domain = domain
        self.id = f"T{number:08d}"
        self.app_id = "A00000001"
        self.bot_id = f"B{number:08d}"
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, UserGroup] = {}
        # By channel, then by ts, in the order of posting: thousands of cards are found as fast as one.
        self.messages: dict[str, dict[str, Message]] = {}
        self.ephemerals: list[Message] = []
        self.modals: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.responses: dict[str, ResponseAddress] = {}
        self._number = 0
        self._last_ts = 0
        self.bot = self.add_user("signoff", "Signoff", is_bot=True)

    # -- who and where

    def add_user(
        self,
        name: str,
        real_name: str | None = None,
        *,
        email: str | None = None,
        tz: str = "Europe/Berlin",
        team_id: str | None = None,
        deleted: bool = False,
        is_admin: bool = False,
        is_restricted: bool = False,
        is_ultra_restricted: bool = False,
        is_bot: bool = False,
        is_stranger: bool = False,
    ) -> User:
        """A new user. A ``team_id`` of another workspace makes a person of Slack Connect."""
        user = User(
            id=self.new_id("U", name),
            name=name,
            real_name=real_name or name.capitalize(),
            team_id=team_id or self.id,
            email=email,
            tz=tz,
            deleted=deleted,
            is_admin=is_admin,
            is_restricted=is_restricted,
            is_ultra_restricted=is_ultra_restricted,
            is_bot=is_bot,
            is_stranger=is_stranger,
        )
        self.users[user.id] = user
        return user

    def add_channel(
        self, name: str, members: Iterable[User] = (), *, is_private: bool = False, with_bot: bool = True
    ) -> Channel:
        """A new channel. The bot is in it, unless ``with_bot`` is false."""
        ids = [member.id for member in members] + ([self.bot.id] if with_bot else [])
        channel = Channel(self.new_id("C", name), name, ids, self._created(), is_private=is_private)
        self.channels[channel.id] = channel
        return channel

    def add_group(self, handle: str, members: Iterable[User] = (), name: str | None = None) -> UserGroup:
        """A new user group, mentioned as ``@handle``."""
        group = UserGroup(self.new_id("S", handle), handle, name or handle, [member.id for member in members])
        self.groups[group.id] = group
        return group

    def direct_message(self, user_id: str) -> Channel:
        """The direct message between the bot and a user; made if there is none."""
        for channel in self.channels.values():
            if channel.is_im and channel.user == user_id:
                return channel
        channel = Channel(
            self.new_id("D", ""), "directmessage", [user_id, self.bot.id], self._created(), is_im=True, user=user_id
        )
        self.channels[channel.id] = channel
        return channel

    def group_message(self, user_ids: Iterable[str]) -> Channel:
        """The group direct message of the bot and these users; made if there is none."""
        members = sorted({*user_ids, self.bot.id})
        for channel in self.channels.values():
            if channel.is_mpim and channel.members == members:
                return channel
        name = "mpdm-" + "--".join(self.users[member].name for member in members) + "-1"
        channel = Channel(self.new_id("G", ""), name, members, self._created(), is_private=True, is_mpim=True)
        self.channels[channel.id] = channel
        return channel

    def channel_named(self, name: str) -> Channel | None:
        """By name, with or without ``#``."""
        wanted = name.removeprefix("#")
        named = (channel for channel in self.channels.values() if not channel.is_im and channel.name == wanted)
        return next(named, None)

    def user_named(self, name: str) -> User | None:
        """By the short name."""
        return next((user for user in self.users.values() if user.name == name), None)

    # -- messages

    def post(
        self,
        channel: Channel,
        user: str,
        text: str,
        *,
        blocks: list[Block] | None = None,
        metadata: Json = None,
        thread_ts: str | None = None,
        ephemeral_to: str | None = None,
    ) -> Message:
        """Put a message into a channel, or show it to one person there."""
        by_bot = user == self.bot.id
        message = Message(
            channel=channel.id,
            ts=self.new_ts(),
            user=user,
            text=text,
            blocks=blocks or [],
            metadata=metadata,
            thread_ts=thread_ts,
            bot_id=self.bot_id if by_bot else None,
            app_id=self.app_id if by_bot else None,
            ephemeral_to=ephemeral_to,
        )
        if ephemeral_to is None:
            self.messages.setdefault(channel.id, {})[message.ts] = message
        else:
            self.ephemerals.append(message)
        self.changes.notify()
        return message

    def edit(self, message: Message, text: str, blocks: list[Block], *, metadata: Json = None) -> None:
        """Replace what a message says. Without metadata the old ones stay."""
        message.text = text
        message.blocks = blocks
        if metadata is not None:
            message.metadata = metadata
        # An update by blocks does not show "(edited)".
        message.edited_ts = None if blocks else self.new_ts()
        message.version += 1
        self.changes.notify()

    def remove(self, message: Message) -> None:
        """Take a message away."""
        if message.ephemeral_to is not None:
            self.ephemerals.remove(message)
        else:
            del self.messages[message.channel][message.ts]
        self.changes.notify()

    def message(self, channel_id: str, ts: str) -> Message | None:
        """The message in that channel with that ``ts``; ephemeral ones are not found, as in Slack."""
        return self.messages.get(channel_id, {}).get(ts)

    def messages_in(self, channel_id: str) -> list[Message]:
        """Everything that stands in a channel, oldest first."""
        return list(self.messages.get(channel_id, {}).values())

    def ephemeral(self, channel_id: str, ts: str) -> Message | None:
        """The ephemeral message in that channel with that ``ts``."""
        return next((each for each in self.ephemerals if (each.channel, each.ts) == (channel_id, ts)), None)

    # -- views

    def new_view(self, user: str, content: dict[str, Json], *, previous: View | None = None) -> View:
        """A view for ``user``; whoever calls puts it where it belongs."""
        view_id = self.new_id("V", "")
        return View(
            id=view_id,
            user=user,
            team_id=self.id,
            app_id=self.app_id,
            bot_id=self.bot_id,
            content=content,
            hash=self.new_hash(),
            root_view_id=previous.root_view_id if previous else view_id,
            previous_view_id=previous.id if previous else None,
        )

    def change_view(self, view: View, content: dict[str, Json]) -> None:
        """Replace a view's content; what was typed into inputs that are still there stays."""
        view.content = content
        view.hash = self.new_hash()
        view.errors = {}
        kept = {block["block_id"] for block in view.blocks}
        view.values = {block_id: state for block_id, state in view.values.items() if block_id in kept}
        self.changes.notify()

    def all_views(self) -> list[View]:
        """Every open modal and every home tab."""
        return [*(view for stack in self.modals.values() for view in stack), *self.homes.values()]

    # -- rights to answer a person

    def new_trigger(self, user: str, *, view_id: str | None = None) -> Trigger:
        """A trigger for what ``user`` has just done."""
        # Slack's own shape: "132456.7890123.abcdef".
        self._number += 1
        trigger_id = f"{self._number}.{int(self.clock.now().timestamp())}.{secrets.token_hex(16)}"
        trigger = Trigger(trigger_id, user, self.clock.now(), view_id)
        self.triggers[trigger_id] = trigger
        return trigger

    def new_response(self, user: str, channel: str, message_ts: str | None) -> ResponseAddress:
        """A response address for what ``user`` has just done."""
        response = ResponseAddress(secrets.token_urlsafe(18), user, channel, message_ts, self.clock.now())
        self.responses[response.token] = response
        return response

    # -- ids

    def new_id(self, prefix: str, label: str) -> str:
        """Nine or more capitals and digits, like Slack's, with a hint of whose it is: ``UANN00001``."""
        self._number += 1
        hint = "".join(letter for letter in label.upper() if letter.isascii() and letter.isalnum())[:4]
        return f"{prefix}{hint}{self._number:0{8 - len(hint)}d}"

    def new_short_id(self) -> str:
        """What Slack gives to a block or element that came without an id."""
        self._number += 1
        return f"z{self._number:04d}"

    def new_hash(self) -> str:
        """The state of a view, for ``hash_conflict``."""
        return f"{int(self.clock.now().timestamp())}.{secrets.token_hex(4)}"

    def new_ts(self) -> str:
        """A timestamp that is also an id: seconds and microseconds, each later than the one before."""
        now = int(self.clock.now().timestamp() * 1_000_000)
        self._last_ts = max(now, self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _created(self) -> int:
        return int(self.clock.now().timestamp())


def at(ts: str) -> datetime:
    """The instant that a ``ts`` names."""
    return datetime.fromtimestamp(float(ts), UTC)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
