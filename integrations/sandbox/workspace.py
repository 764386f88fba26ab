"""One Slack workspace in memory: who is there, what was said where, and which views are open.

This is the truth that the API answers from and that people look at. It checks nothing that depends on who asks; the
API and the people do that. Everything here is lost when the sandbox stops.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.blocks import Block
from integrations.sandbox.changes import Changes
from integrations.sandbox.members import Channel, User, UserGroup
from integrations.sandbox.message import Attachment, Message
from integrations.sandbox.view import View

TRIGGER_LIFETIME = timedelta(seconds=3)
RESPONSE_LIFETIME = timedelta(minutes=30)
RESPONSE_USES = 5


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
        self.installed = True
        """Whether the bot is in it; where it is not, it hears nothing and nobody can use it."""
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
        self._number = (number - 1) * 10_000  # Slack gives an id once, whichever workspace it is for
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
        attachments: list[Attachment] | None = None,
        metadata: Json = None,
        thread_ts: str | None = None,
        broadcast: bool = False,
        ephemeral_to: str | None = None,
    ) -> Message:
        """Put a message into a channel or, with ``thread_ts``, into the thread of the message with that ``ts``.

        With ``broadcast`` a reply stands in the channel as well; with ``ephemeral_to`` only that person sees it.
        """
        by_bot = user == self.bot.id
        parent = self.message(channel.id, thread_ts) if thread_ts is not None else None
        author = self.users.get(user)
        message = Message(
            channel=channel.id,
            ts=self.new_ts(),
            user=user,
            text=text,
            blocks=blocks or [],
            attachments=attachments or [],
            metadata=metadata,
            team=author.team_id if author is not None else self.id,
            thread_ts=thread_ts,
            parent_user=parent.user if parent is not None else None,
            broadcast=broadcast and thread_ts is not None,
            bot_id=self.bot_id if by_bot else None,
            app_id=self.app_id if by_bot else None,
            ephemeral_to=ephemeral_to,
        )
        if ephemeral_to is None:
            self.messages.setdefault(channel.id, {})[message.ts] = message
            if parent is not None:
                parent.thread_ts = parent.ts
                parent.replies.append((message.ts, user))
        else:
            self.ephemerals.append(message)
        self.changes.notify()
        return message

    def edit(
        self,
        message: Message,
        text: str,
        blocks: list[Block],
        *,
        attachments: list[Attachment] | None = None,
        metadata: Json = None,
    ) -> None:
        """Replace what a message says. Without attachments or metadata the old ones stay; empty ones take them away."""
        message.text = text
        message.blocks = blocks
        if attachments is not None:
            message.attachments = attachments
        if metadata is not None:
            message.metadata = metadata or None
        # An update by blocks does not show "(edited)".
        message.edited_ts = None if blocks else self.new_ts()
        message.version += 1
        self.changes.notify()

    def remove(self, message: Message) -> None:
        """Take a message away. Of a parent that has replies a tombstone stays, so that the thread can still be read."""
        if message.ephemeral_to is not None:
            self.ephemerals.remove(message)
        elif message.replies:
            message.text = "This message was deleted."
            message.blocks, message.attachments, message.metadata = [], [], None
            message.tombstone = True
            message.version += 1
        else:
            del self.messages[message.channel][message.ts]
            self._leave_thread(message)
        self.changes.notify()

    def _leave_thread(self, message: Message) -> None:
        parent = self.message(message.channel, message.thread_ts) if message.is_reply and message.thread_ts else None
        if parent is None:
            return
        parent.replies = [reply for reply in parent.replies if reply[0] != message.ts]
        if not parent.replies:
            parent.thread_ts = None
            if parent.tombstone:  # nothing is left that it would hold together
                del self.messages[parent.channel][parent.ts]

    def message(self, channel_id: str, ts: str) -> Message | None:
        """The message in that channel with that ``ts``; ephemeral ones are not found, as in Slack."""
        return self.messages.get(channel_id, {}).get(ts)

    def messages_in(self, channel_id: str) -> list[Message]:
        """Everything that stands in a channel, oldest first."""
        return list(self.messages.get(channel_id, {}).values())

    def thread(self, channel_id: str, ts: str) -> list[Message]:
        """A parent and its replies, oldest first; empty if there is no such message."""
        parent = self.message(channel_id, ts)
        if parent is None:
            return []
        replies = (self.message(channel_id, reply) for reply, _ in parent.replies)
        return [parent, *(reply for reply in replies if reply is not None)]

    def is_shared(self, channel: Channel) -> bool:
        """Whether people of another workspace are in it (Slack Connect)."""
        return any(self.users[member].team_id != self.id for member in channel.members if member in self.users)

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
        """Replace a view's content; what was typed into inputs that are still there stays.

        They are the same where block id and action id are (slackapi/bolt-js#290); an initial value does not replace it.
        """
        view.content = content
        view.hash = self.new_hash()
        view.errors = {}
        kept = {
            (block["block_id"], element["action_id"]) for block, element in view.elements() if "action_id" in element
        }
        typed = {
            block_id: {action_id: state for action_id, state in states.items() if (block_id, action_id) in kept}
            for block_id, states in view.values.items()
        }
        view.values = {block_id: states for block_id, states in typed.items() if states}
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
