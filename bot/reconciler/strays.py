"""Copies of a card that the store does not know.

One comes of a post whose answer was lost, where the bot may not read to look for it, or of a database that was restored.
There is one card only: a copy is adopted where the card itself is gone or was never heard of, and else retired: it says
where the card is, or goes away where nobody has written below it.
"""

from __future__ import annotations

import logging
import re
from enum import Enum

from bot.reconciler import rows
from bot.slack.cards import EVENT
from bot.slack.views.retired import retired
from bot.workspaces import Workspaces
from flows.store.sqlite import SqliteStore
from integrations.slack.answers import Seen
from integrations.slack.client import tag
from integrations.slack.failures import SlackError, Untraceable

log = logging.getLogger(__name__)

RETIRED = "signoff_retired"
"""The metadata's event type of copies that say where the card is."""

_KEY = re.compile(r"(?P<run>run_[^/]+)/.*/card-\d+-(?P<card>\d+)", re.DOTALL)


class Fate(Enum):
    """What became of a copy."""

    KNOWN = "known"
    """It is the card."""
    ADOPTED = "adopted"
    """It is the card from now on."""
    RETIRED = "retired"
    UNKNOWN = "unknown"
    """There is nothing that it could be a copy of."""


class Strays:
    """Adopts and retires. Every method raises ``SlackError``."""

    def __init__(self, store: SqliteStore, workspaces: Workspaces) -> None:
        self._store = store
        self._workspaces = workspaces

    async def clicked(self, run: int, n: int, channel: str, ts: str, team: str | None) -> Fate:
        """Somebody has clicked on a copy of a suspension's card at ``channel`` and ``ts``."""
        card = await self._meant(run, n, channel, ts, team)
        if card is None:
            return Fate.UNKNOWN
        return await self.settle(card, channel, ts, team, replies=1)

    async def copied(self, message: Seen, channel: str) -> rows.Place | None:
        """The card that a message in a channel is a copy of; None where it is none, or the card itself."""
        card = await self._named(message.key or "") if message.event_type == EVENT else None
        return None if card is None or (card.posted, card.ts) == (channel, message.ts) else card

    async def settle(self, card: rows.Place, channel: str, ts: str, team: str | None, *, replies: int) -> Fate:
        """Make what stands at ``channel`` and ``ts`` the card, or retire it. Without ``replies`` it can go away."""
        if (card.posted, card.ts) == (channel, ts):
            return Fate.KNOWN
        client = self._workspaces.client(team)
        link = None
        if card.posted is not None and card.ts is not None:
            try:
                link = await self._workspaces.client(card.team or team).permalink(card.posted, card.ts)
            except SlackError as error:
                if error.code not in ("message_not_found", "channel_not_found"):
                    raise
        if link is None:
            adopted = await self._store.write(lambda c: rows.adopt(c, card, channel, ts, team))
            return Fate.ADOPTED if adopted else Fate.KNOWN
        try:
            if replies:
                shown = retired(link)
                # Marked anew: else the next pass would take it for a card again.
                mark = tag(RETIRED, str(card.id))
                await client.update(channel, ts, text=shown.text, blocks=shown.blocks, metadata=mark)
            else:
                await client.delete(channel, ts)
        except SlackError as error:
            if error.code != "message_not_found":
                raise
        log.info("a second copy of a card was retired", extra={"channel": channel, "ts": ts})
        return Fate.RETIRED

    async def _meant(self, run: int, n: int, channel: str, ts: str, team: str | None) -> rows.Place | None:
        """The card that a copy is one of: by its metadata, else by where it stands."""
        try:
            page = await self._workspaces.client(team).page(channel, latest=ts, limit=1)
            for message in page.messages:
                if message.ts == ts and message.key is not None:
                    return await self._named(message.key)
        except (Untraceable, SlackError) as error:
            log.info("a copy cannot be read", extra={"error": str(error)})
        direct = channel.startswith("D")
        found = await self._store.read(lambda c, _: rows.places(c, run, n))
        here = [one for one in found if one.posted == channel]
        nowhere = [one for one in found if one.ts is None and (one.person is not None) == direct]
        # More than one that has never been heard of: nobody knows which of them it is.
        return here[0] if here else nowhere[0] if len(nowhere) == 1 else None

    async def _named(self, key: str) -> rows.Place | None:
        parts = _KEY.fullmatch(key)
        run = self._store.ids.parse_run(parts["run"]) if parts else None
        if parts is None or run is None:
            return None
        card = int(parts["card"])
        return await self._store.read(lambda c, _: rows.place(c, card, run))
