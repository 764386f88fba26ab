"""Waiting for something to become true in the sandbox, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NeverHappened(AssertionError):
    """What was waited for did not come about in time. An ``AssertionError``: in a test it is the failure itself."""


class Changes:
    """Wakes whoever waits, each time that something in the sandbox changes."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.count = 0

    def notify(self) -> None:
        """Something changed."""
        self.count += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def next(self) -> None:
        """Return at the next change."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def until(self, condition: Callable[[], T | None], *, within: float = 30.0, what: str = "") -> T:
        """The first truthy value of ``condition``, asked now and after each change.

        ``within`` is in seconds of the machine's own clock: it bounds a hanging test, and is no rule of Slack's.
        Raises ``NeverHappened``.
        """
        try:
            async with asyncio.timeout(within):
                while not (value := condition()):
                    await self.next()
                return value
        except TimeoutError:
            raise NeverHappened(f"not within {within:g} s: {what or condition}") from None
