"""Readings that are kept for a while, one call at a time for each thing that is read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from flows.errors import ActionError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MANY = 10_000  # kept readings; more are looked through for expired ones


class Reading(NamedTuple, Generic[V]):
    """What was read, and when it was asked for: it may have changed since."""

    value: V
    read_at: datetime


class Allowance:
    """How many calls of a method still fit into Slack's limit, as far as this process has made them: ``calls`` within
    ``span``. It only counts; who may do without a call asks first whether there is one ``left``."""

    def __init__(self, calls: int, span: timedelta, *, monotonic: Callable[[], float]) -> None:
        self._calls = calls
        self._span = span.total_seconds()
        self._monotonic = monotonic
        self._made: deque[float] = deque(maxlen=calls)

    def count(self) -> None:
        """One call is made now."""
        self._made.append(self._monotonic())

    @property
    def left(self) -> bool:
        return len(self._made) < self._calls or self._monotonic() - self._made[0] >= self._span


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    reading: Reading[V]
    expires: float  # by the monotonic clock: a wall clock that is stepped back keeps nothing too long


class Readings(Generic[K, V]):
    """Reads by key through ``read`` and keeps what it gets for ``ttl``. Errors are not kept.

    However many ask for a key at once, one call is made, and all get its result or its error. ``allowance`` counts the
    calls, and says to ``newest`` when what is kept has to do.
    """

    def __init__(
        self,
        read: Callable[[K], Awaitable[V]],
        *,
        ttl: timedelta,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        allowance: Allowance | None = None,
    ) -> None:
        self._allowance = allowance
        self._read = read
        self._ttl = ttl.total_seconds()
        self._now = now
        self._monotonic = monotonic
        self._kept: dict[K, _Kept[V]] = {}
        self._under_way: dict[K, asyncio.Task[Reading[V]]] = {}

    async def get(self, key: K, *, fresh: bool = False) -> Reading[V]:
        """The reading for ``key``; ``fresh`` passes over what is kept, and joins a call that is under way."""
        kept = None if fresh else self.kept(key)
        if kept is not None:
            return kept
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._renew(key))
            task.add_done_callback(_heard)
        # Shared, so somebody who gives up must not stop it for the others.
        return await asyncio.shield(task)

    async def newest(self, key: K) -> Reading[V]:
        """The reading for ``key`` as it is now, where the allowance lets it be asked for and it can be had; otherwise what
        is kept. Raises what the call raises only where nothing is."""
        spare = self._allowance is None or self._allowance.left
        try:
            return await self.get(key, fresh=spare or key in self._under_way)
        except ActionError:
            kept = self.kept(key)
            if kept is None:
                raise
            return kept

    def kept(self, key: K) -> Reading[V] | None:
        """The reading for ``key`` if there is one that has not expired."""
        kept = self._kept.get(key)
        return kept.reading if kept is not None and self._monotonic() < kept.expires else None

    def keep(self, key: K, reading: Reading[V]) -> None:
        """Keep what was read in another way, for ``ttl`` from now."""
        now = self._monotonic()
        if len(self._kept) >= _MANY:
            self._kept = {key: kept for key, kept in self._kept.items() if now < kept.expires}
        self._kept[key] = _Kept(reading, now + self._ttl)

    def forget(self, *keys: K) -> None:
        """What was read of these may be wrong by now. Whoever asks from now on is told what a new call says."""
        for key in keys:
            self._kept.pop(key, None)
            # Whoever waits for a call that began before the change is told what it says; nobody else is.
            self._under_way.pop(key, None)

    def last(self, key: K) -> V | None:
        """What was read last for ``key``, however long ago; None where nothing was, or that has been forgotten."""
        kept = self._kept.get(key)
        return None if kept is None else kept.reading.value

    def kept_where(self, fits: Callable[[V], bool]) -> list[K]:
        """The keys of the readings, expired or not, whose value fits."""
        return [key for key, kept in self._kept.items() if fits(kept.reading.value)]

    async def _renew(self, key: K) -> Reading[V]:
        # The instant before the call, so that a reading never claims to be younger than it is.
        read_at = self._now()
        this = asyncio.current_task()
        if self._allowance is not None:
            self._allowance.count()
        try:
            reading = Reading(await self._read(key), read_at)
            if self._under_way.get(key) is this:
                self.keep(key, reading)
        finally:
            if self._under_way.get(key) is this:
                del self._under_way[key]
        return reading


def _heard(task: asyncio.Task[Reading[V]]) -> None:
    """Look at the error, so that one nobody waits for any more is not reported as never retrieved."""
    if not task.cancelled():
        task.exception()
