"""The only reader of the clock.

Everything else is handed the instant (``now``) or a ``Clock``; so a test travels through weeks without
waiting, and a rule about time can be read where it stands.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from, and how one waits for more of it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return after ``duration`` (at once where it is not positive)."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary point that never step back; for measuring, never for deadlines."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(max(0.0, duration.total_seconds()))

    def monotonic(self) -> float:
        return time.monotonic()
