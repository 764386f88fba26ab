"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from flows.durations import parse_duration

MONDAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""Where a test begins that says nothing else: nine in the morning, no change of any zone's time near."""


def span(duration: timedelta | str) -> timedelta:
    """A length of time, also as flow files write it: ``2d``, ``1h30m``."""
    return parse_duration(duration) if isinstance(duration, str) else duration


class FakeClock:
    """``flows.clock.Clock`` for tests. Time passes in ``advance`` and nowhere else."""

    def __init__(self, start: datetime = MONDAY) -> None:
        self._now = _aware(start)
        self._passed = timedelta(0)
        self._sleepers: list[tuple[timedelta, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed.total_seconds()

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        wakes = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + duration, wakes))
        await wakes

    def advance(self, duration: timedelta | str) -> None:
        """Let time pass, and wake whoever has slept long enough, the earliest first."""
        duration = span(duration)
        if duration < timedelta(0):
            raise ValueError("time does not pass backwards; step the clock back with set()")
        self._now += duration
        self._passed += duration
        awake = sorted((one for one in self._sleepers if one[0] <= self._passed), key=lambda one: one[0])
        self._sleepers = [one for one in self._sleepers if one[0] > self._passed and not one[1].done()]
        for _, wakes in awake:
            if not wakes.done():
                wakes.set_result(None)

    def set(self, now: datetime) -> None:
        """Set the clock on the wall, also backwards. No time passes by that: nobody wakes."""
        self._now = _aware(now)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone: datetime(..., tzinfo=UTC)")
    return instant.astimezone(UTC)
