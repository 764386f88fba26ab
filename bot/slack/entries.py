"""Entries in the threads of cards: who has decided what, one message for all that have come since the last one.

They follow the card and never hold it up. What cannot be told now is told with the next change; of a card that has seen
its last one, the outbox tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.slack.views.entry import entry
from bot.slack.views.words import Groups
from flows.ports import ActionCall
from flows.run import Decision
from flows.runner import Posted
from flows.store.reads import CardView
from integrations.slack.client import SlackClient, tag
from integrations.slack.failures import SlackError, Untraceable

log = logging.getLogger(__name__)

EVENT = "signoff_entry"
"""The metadata's event type of entries; the key in them is the effect's, and the place of the last decision in them."""

_TELLING = "telling"  # in the memo: an entry that may be there, as the place it tells up to and since when


class Entries:
    """Writes below the cards that many see."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    async def tell(
        self, client: SlackClient, card: CardView, posted: Posted, call: ActionCall, groups: Groups
    ) -> Posted:
        """Tell below a card, which stands there already, what nobody was told yet. Returns where the card is, and up to
        which decision its thread tells now. Raises ``SlackError`` only where nothing else would try again."""
        new = _untold(card.view.decisions, card.told)
        if card.person is not None or card.posted is None or not new:
            return posted
        left = call.memo.get(_TELLING)
        if left is not None and await self._is_there(client, posted, call, *left):
            posted = replace(posted, told=left[0])
            new = _untold(new, left[0])
        if not new:
            return posted
        try:
            await self._post(client, card, posted, call, new, groups)
        except SlackError as error:
            log.info("a thread was not told of a decision", extra={"error": str(error)})
            if error.retryable and not card.view.open:
                raise
            return posted
        return replace(posted, told=new[-1].place)

    async def _post(
        self,
        client: SlackClient,
        card: CardView,
        posted: Posted,
        call: ActionCall,
        new: Sequence[Decision],
        groups: Groups,
    ) -> None:
        place, since = new[-1].place, self._now()
        shown = entry(card.view, new, groups)
        await call.remember({_TELLING: [place, since.isoformat()]})
        try:
            await client.post(
                posted.channel,
                text=shown.text,
                blocks=shown.blocks,
                metadata=tag(EVENT, _key(call, place)),
                thread_ts=posted.ts,
            )
        except SlackError as error:
            if not error.uncertain:
                await call.remember({})
            raise

    async def _is_there(self, client: SlackClient, posted: Posted, call: ActionCall, place: int, since: str) -> bool:
        """Whether the entry is there that nobody has heard of; where nobody can tell, it is taken to be."""
        try:
            found = await client.find_post(
                posted.channel,
                event_type=EVENT,
                key=_key(call, place),
                since=datetime.fromisoformat(since),
                thread_ts=posted.ts,
            )
        except Untraceable:
            return True
        except SlackError as error:
            log.info("an entry was not looked for", extra={"error": str(error)})
            return True
        return found is not None


def _untold(decisions: Sequence[Decision], told: int) -> list[Decision]:
    return sorted((one for one in decisions if one.place > told), key=lambda decision: decision.place)


def _key(call: ActionCall, place: int) -> str:
    return f"{call.key}#{place}"
