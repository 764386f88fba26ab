"""What is done after a click was acknowledged: answers, lists, redrawn copies. Tracked, so that a stop waits for them.

Nothing here may be needed for a decision to count: a process that dies loses these.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta

from flows.errors import ActionError

log = logging.getLogger(__name__)

PLACES = 32
"""Errands under way at once: a thousand clicks in a second must not keep Slack's clients from being answered."""


class Errands:
    """Runs errands beside the requests that they come from."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = asyncio.Semaphore(places)
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, errand: Coroutine[None, None, None], *, at_once: bool = False) -> None:
        """Begin an errand as soon as there is a place for it; ``at_once`` for what Slack lets wait only three seconds."""
        task = asyncio.create_task(self._guarded(errand) if at_once else self._in_turn(errand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Wait for those under way and those that come meanwhile, at most ``patience``; what is late is given up."""
        try:
            async with asyncio.timeout(patience.total_seconds()):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            late = list(self._tasks)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _in_turn(self, errand: Coroutine[None, None, None]) -> None:
        try:
            await self._places.acquire()
        except BaseException:
            errand.close()
            raise
        try:
            await self._guarded(errand)
        finally:
            self._places.release()

    async def _guarded(self, errand: Coroutine[None, None, None]) -> None:
        try:
            await errand
        except ActionError as error:
            log.warning("Slack was not told", extra={"error": str(error)})
        except Exception:
            log.exception("an errand failed for a reason that nobody foresaw")
