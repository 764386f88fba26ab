"""What Slack tells of channels by itself: archived or not, the bot put in or taken out, messages deleted.

Slack tells it of the channels that the bot is in, as far as the app has subscribed to it. Whatever is not told is found
out by the next pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.reconciler.passes import Reconciler
from flows.ports import Json

CLOSED = ("channel_archive", "group_archive", "channel_left", "group_left")
OPENED = ("channel_unarchive", "group_unarchive")
JOINED = "member_joined_channel"
EVENTS = (*CLOSED, *OPENED, JOINED)
MESSAGE_DELETED = "message_deleted"
"""The subtype of the event ``message``."""


class ChannelEvents:
    """The listeners."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    def listen(self, app: AsyncApp) -> None:
        """Register them. Before any that take all messages: Bolt asks the first one that fits, and no other."""
        for event in CLOSED:
            app.event(event)(self.closed)
        for event in OPENED:
            app.event(event)(self.opened)
        app.event(JOINED)(self.joined)
        app.event({"type": "message", "subtype": MESSAGE_DELETED})(self.message_deleted)

    async def closed(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """A channel takes no messages of the bot any more."""
        if channel := _channel(event):
            await self._reconciler.channel_changed(body.get("team_id"), channel, open_=False)

    async def opened(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """A channel takes messages again."""
        if channel := _channel(event):
            await self._reconciler.channel_changed(body.get("team_id"), channel, open_=True)

    async def joined(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """Somebody was put into a channel: is it the bot?"""
        bots = {str(one.get("user_id")) for one in body.get("authorizations") or () if one.get("is_bot")}
        if event.get("user") in bots:
            await self.opened(event, body)

    async def message_deleted(self, event: Mapping[str, Json]) -> None:
        """A message is gone: was it a card?"""
        if (channel := _channel(event)) and event.get("deleted_ts"):
            await self._reconciler.deleted(channel, str(event["deleted_ts"]))


def _channel(event: Mapping[str, Json]) -> str | None:
    channel = event.get("channel")
    return channel if isinstance(channel, str) else None
