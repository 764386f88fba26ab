"""A message that is posted once, redrawn from state ever after, and found again when nobody knows whether it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bot.slack.views.card import Shown
from flows.ports import ActionCall
from flows.runner import Posted
from integrations.slack.client import SlackClient, tag
from integrations.slack.failures import GONE, SlackError, Untraceable

_POSTING = "posting"  # in the memo: since when a post may be there that nobody has heard of


@dataclass(frozen=True, slots=True)
class Lasting:
    """Such messages in one workspace. ``event`` is their metadata's event type; the key in it is the effect's."""

    client: SlackClient
    event: str
    now: Callable[[], datetime]

    async def sync(
        self,
        shown: Shown,
        at: tuple[str, str] | None,
        channel: Callable[[], Awaitable[str]],
        call: ActionCall,
        *,
        wanted: bool,
    ) -> Posted | None:
        """Make it say ``shown``: ``at`` channel and ts where it was posted, else in ``channel``.

        ``wanted``: whether it is worth a new message; what is over is only redrawn. None: there is nothing to show it
        on (any more). Raises ``SlackError``; the same call with the memo that it left goes on from there.
        """
        if at is not None and await self.updated(*at, shown):
            return Posted(*at)
        begun = call.memo.get(_POSTING)
        if begun is None and not wanted:
            return None  # never posted, or taken away by somebody
        place = await channel()
        if begun is not None:
            found = await self._find(place, call.key, datetime.fromisoformat(begun))
            if found is not None and await self.updated(found.channel, found.ts, shown):
                return found
            if not wanted:
                return None
        return await self._post(place, shown, call, first=begun is None)

    async def updated(self, channel: str, ts: str, shown: Shown) -> bool:
        """Whether the message shows it now; False where there is no such message."""
        try:
            await self.client.update(channel, ts, text=shown.text, blocks=shown.blocks)
        except SlackError as error:
            if error.code in GONE:
                return False
            raise
        return True

    async def _find(self, channel: str, key: str, since: datetime) -> Posted | None:
        with suppress(Untraceable):  # twice is better than not at all; a click on either is counted
            found = await self.client.find_post(channel, event_type=self.event, key=key, since=since)
            return Posted(found.channel, found.ts) if found is not None else None
        return None

    async def _post(self, channel: str, shown: Shown, call: ActionCall, *, first: bool) -> Posted:
        if first:
            await call.remember({_POSTING: self.now().isoformat()})
        try:
            posted = await self.client.post(
                channel, text=shown.text, blocks=shown.blocks, metadata=tag(self.event, call.key)
            )
        except SlackError as error:
            if first and not error.uncertain:
                # Surely not there: the next delivery need not look for it, at a time when Slack may be short of patience.
                await call.remember({})
            raise
        return Posted(posted.channel, posted.ts)
