"""What mail does by the clock: tells people who were mailed that there is nothing left to do, and sends digests.

The outbox tells of what is asked. That it is over is told by looking at the threads that are open, every few seconds,
because a decision must not take longer for everybody who was mailed. Both are rows: a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from bot.digests import Digests
from bot.mail import threads
from bot.mail.post import Post
from bot.mail.threads import Closing
from flows.clock import Clock
from flows.errors import ActionError, UnknownAction
from flows.ports import ActionCall, Json
from flows.store import reads
from flows.store.connection import StoreError
from flows.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

PAUSE = timedelta(seconds=15)
"""Between one look and the next. Who was not told in time has decided nothing in vain: the page says it at once."""

_AT_ONCE = 100  # closings that are told in one round
_AGAIN = timedelta(minutes=2)  # before one that did not go through is tried again


class MailRounds:
    """``start`` it once the bot serves, ``stop`` it before the store closes."""

    def __init__(self, store: SqliteStore, post: Post, digests: Digests, clock: Clock) -> None:
        self._store = store
        self._post = post
        self._digests = digests
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._round = asyncio.Lock()

    def start(self) -> None:
        """Begin: with what became due while nobody looked."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Send nothing more. What is cut off is tried again after the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def go(self) -> None:
        """One round: everything that is due now."""
        if not self._post.ready:
            return
        async with self._round:  # two at once would tell everybody twice
            now = self._clock.now()
            for closing in await self._store.read(lambda c, _: threads.closings(c, now, _AT_ONCE)):
                await self._close(closing)
            await self._digests.send_due()

    async def _watch(self) -> None:
        while True:
            wake = self._clock.now() + PAUSE
            try:
                await self.go()
                due = await self._digests.next_due()
                if due is not None and self._post.ready:
                    wake = max(self._clock.now() + timedelta(seconds=1), min(wake, due))
            except StoreError as error:
                log.error("mail cannot be looked after", extra={"error": str(error)})
            except Exception:
                # Whatever it was, the next round comes all the same.
                log.exception("a round of mail failed")
            await self._clock.sleep(wake - self._clock.now())

    async def _close(self, closing: Closing) -> None:
        place, now = closing.place, self._clock.now()
        view = await self._store.read(
            lambda c, kept: reads.suspension_view(c, kept, place.run, place.n, reader=place.person, now=now)
        )
        who = view.person(place.person) if view is not None else None
        if view is None or who is None or view.decision_of(who.id) is not None:
            # They know: they were the ones.
            await self._store.write(lambda c: threads.close(c, place))
            return

        async def remember(memo: Mapping[str, Json]) -> None:
            text = json.dumps(dict(memo))
            await self._store.write(lambda c: threads.remember(c, place, text))

        memo = json.loads(closing.memo) if closing.memo else {}
        call = ActionCall(f"{self._store.ids.run(place.run)}/{place.n}/closed/{place.person}", 1, memo, remember)
        try:
            await self._post.closed(view, who, call)
        except (ActionError, UnknownAction) as error:
            await self._failed(closing, error, now)
        else:
            await self._store.write(lambda c: threads.close(c, place))

    async def _failed(self, closing: Closing, error: ActionError | UnknownAction, now: datetime) -> None:
        place, said = closing.place, str(error)
        if isinstance(error, ActionError) and error.retryable:
            until = now + max(_AGAIN, error.retry_after or _AGAIN)
            await self._store.write(lambda c: threads.postpone(c, place, until, said))
            return
        # It asks nothing of anybody, so it is not worth a second one, nor somebody's attention.
        log.warning("a mail that something is over was not sent", extra={"error": said})
        await self._store.write(lambda c: threads.close(c, place, said))
