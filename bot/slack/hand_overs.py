"""Approvals that are handed over from a day to a day: when the clock makes that begin or end, what waits for whom has
changed, and nothing else says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from flows.clock import Clock
from flows.engine import Engine
from flows.store.connection import StoreError

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
"""How often it is looked at the clock; nobody hands over from one second to the next."""


class HandOvers:
    """Tells of it. ``touch`` is told whom it concerns (``Home.touch``)."""

    def __init__(self, engine: Engine, clock: Clock, touch: Callable[..., None]) -> None:
        self._engine = engine
        self._clock = clock
        self._touch = touch
        self._since = clock.now()
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look at the clock from now on."""
        self._work = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            now = self._clock.now()
            try:
                people = await self._engine.handed_over(self._since, now)
            except StoreError as error:
                log.warning("who stands in for whom was not looked at", extra={"error": str(error)})
                continue
            self._since = now
            if people:
                self._touch(*people)
