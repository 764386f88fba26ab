"""What the bot is told of by the Events API: only what it has subscribed to, and only what its scopes let it see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox import payloads
from integrations.sandbox.bot_line import Answer, BotLine
from integrations.sandbox.manifest import Manifest
from integrations.sandbox.members import Channel
from integrations.sandbox.message import Message
from integrations.sandbox.tokens import Token
from integrations.sandbox.workspace import Workspace

_SCOPES: Mapping[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "channel_archive": ("channels:read",),
    "channel_left": ("channels:read",),
    "channel_unarchive": ("channels:read",),
    "group_archive": ("groups:read",),
    "group_left": ("groups:read",),
    "group_unarchive": ("groups:read",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "member_left_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "subteam_members_changed": ("usergroups:read",),
    "subteam_updated": ("usergroups:read",),
    "user_change": ("users:read",),
}
"""Which scopes (one is enough) an event needs; those that are not here need none."""


class Events:
    """The events of all workspaces.

    ``echoes``: whether the bot also hears of what it has posted, changed and deleted itself, as it does in Slack. It is
    off unless a test or the page turns it on: one more request for each message. ``changed`` is told of these.
    """

    def __init__(self, *, line: BotLine, tokens: Mapping[str, Token], manifest: Manifest, clock: Clock) -> None:
        self.echoes = False
        self._line = line
        self._tokens = tokens
        self._manifest = manifest
        self._clock = clock
        self._echoing: set[asyncio.Task[Answer]] = set()

    @property
    def messages_read_only(self) -> bool:
        """Whether people can write nothing to the bot in its direct messages."""
        return self._manifest.messages_read_only

    async def tell(
        self, workspace: Workspace, inner: dict[str, Json], *, as_name: str | None = None, shared: bool = False
    ) -> Answer:
        """Tell the bot. ``as_name`` is what it subscribes to, where that is not the event's type; ``shared``: it happened
        in a channel of Slack Connect. Where the bot is not told at all, that is as good as content."""
        name = as_name or inner["type"]
        if not workspace.installed or name not in self._manifest.events or not self._may_see(workspace, name):
            return Answer(200)
        body = payloads.event(workspace, inner, event_time=int(self._clock.now().timestamp()), shared=shared)
        return await self._line.deliver("events_api", inner["type"], body)

    async def tell_message(self, workspace: Workspace, channel: Channel, inner: dict[str, Json]) -> Answer:
        """Tell the bot of something that was said, changed or deleted in a channel that it is in."""
        if workspace.bot.id not in channel.members:
            return Answer(200)
        name = f"message.{channel.kind}"
        return await self.tell(workspace, inner, as_name=name, shared=workspace.is_shared(channel))

    def changed(self, workspace: Workspace, channel: Channel, message: Message, before: Message | None) -> None:
        """The bot itself has posted a message, or changed or deleted what was there ``before``."""
        if not self.echoes:
            return
        if before is None:
            inner = payloads.said(workspace, channel, message)
        elif message.tombstone or workspace.message(channel.id, message.ts) is None:
            inner = payloads.message_deleted(workspace, channel, before)
        else:
            inner = payloads.message_changed(workspace, channel, message, before)
        task = asyncio.create_task(self.tell_message(workspace, channel, inner))
        self._echoing.add(task)
        task.add_done_callback(self._echoing.discard)

    async def close(self) -> None:
        """Stop what is still on its way."""
        for task in self._echoing:
            task.cancel()
        await asyncio.gather(*self._echoing, return_exceptions=True)

    def _may_see(self, workspace: Workspace, name: str) -> bool:
        needed = _SCOPES.get(name)
        granted = [
            token.scopes
            for token in self._tokens.values()
            if token.kind == "bot" and token.team_id == workspace.id and not token.revoked
        ]
        return needed is None or any(scopes & set(needed) for scopes in granted)
