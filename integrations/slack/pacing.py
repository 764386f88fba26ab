"""Slack's rate limits, kept for each method of one workspace: what would be too much waits outside, in the outbox.

Slack counts by method, workspace and app, in tiers that are "n+ per minute", and posts by channel, "one per second;
short bursts allowed" (docs.slack.dev/apis/web-api/rate-limits; a method's tier stands on its page). A 429 concerns the
method in the whole workspace: the others of that method wait, other methods go on.

What people wait for (a modal, an answer to a click, who they are) is urgent: it is never held back by our own count,
only by Slack's word, and what is held back leaves room for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from flows.clock import Clock

PATIENCE = timedelta(seconds=2)
"""An urgent call waits so long itself: a modal has to be opened within three seconds of the click."""

UNSAID = timedelta(seconds=5)
"""How long a method is left alone after a 429 that does not say."""

_SLACK = 0.05  # seconds; the outbox counts in milliseconds, and may come back a little before the time


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in any ``seconds``."""

    calls: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.calls} in {self.seconds:g} s"


TIER_2 = Limit(20, 60)
TIER_3 = Limit(50, 60)
TIER_4 = Limit(100, 60)

_VOLUME = Limit(300, 60)
"""Posts of an app in a workspace: "several hundred messages per minute"."""

LIMITS = {
    "chat.postMessage": _VOLUME,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "conversations.open": TIER_3,
    "conversations.info": TIER_3,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "conversations.list": TIER_2,
    "users.info": TIER_4,
    "users.lookupByEmail": TIER_3,
    "users.list": TIER_2,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "views.open": TIER_4,
    "views.update": TIER_4,
    "views.publish": TIER_4,
    "chat.postEphemeral": TIER_4,
}
"""By method, for the workspace. What is not here (auth.test, chat.getPermalink) has limits that nobody reaches."""

CHANNEL_LIMITS = {"chat.postMessage": Limit(10, 10)}
"""By method, for each channel: one post a second, ten of them at once."""

URGENT = frozenset(
    {
        "chat.postEphemeral",
        "usergroups.list",
        "usergroups.users.list",
        "users.info",
        "users.list",
        "users.lookupByEmail",
        "views.open",
        "views.publish",
        "views.update",
    }
)
"""Somebody has clicked and waits."""

_CALM = 60.0  # seconds without bursts after a 429

_RESERVE = 10  # one call in so many is left to urgent ones

_MANY = 1_000  # channels that are counted; those in which nothing was said lately are forgotten


class _Gate:
    """One thing that Slack counts.

    Whoever has to wait is promised a time, each a later one, so that a thousand do not come back at once. Nobody is
    known by name: whoever comes at a time that was promised takes it.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._taken: deque[float] = deque(maxlen=limit.calls)
        self._promised: deque[float] = deque()
        self._blocked_until = 0.0
        self._even_until = 0.0

    def opens(self, now: float, *, urgent: bool) -> float:
        """When the next one may pass: ``now``, or a time that nobody else has been promised."""
        if urgent:
            return max(now, self._blocked_until)
        # Whoever did not come for their turn (their card was drawn along with another change) does not need it.
        while self._promised and self._promised[0] < now - self._limit.seconds:
            self._promised.popleft()
        if self._promised and self._promised[0] <= now + _SLACK and self._blocked_until <= now + _SLACK:
            return now
        at = max(now, self._free(now), self._next(now), self._blocked_until)
        return now if at <= now + _SLACK else at

    def _next(self, now: float) -> float:
        """When the next one may follow the last one: at once, but evenly for a while after Slack has said no."""
        ahead = self._promised or self._taken
        if not ahead:
            return now
        return ahead[-1] + (self._limit.seconds / self._limit.calls if now < self._even_until else 0.0)

    def _free(self, now: float) -> float:
        """When there is room behind all who have passed or were promised a time."""
        background = max(1, self._limit.calls - self._limit.calls // _RESERVE)
        promised, taken = len(self._promised), len(self._taken)
        if promised >= background:
            return self._promised[-background] + self._limit.seconds
        if promised + taken >= background:
            return self._taken[promised - background] + self._limit.seconds
        return now

    def take(self, now: float) -> None:
        if self._promised and self._promised[0] <= now + _SLACK:
            self._promised.popleft()
        self._taken.append(now)

    def promise(self, at: float) -> None:
        self._promised.append(at)

    def block(self, until: float) -> None:
        """Slack wants to be left alone; what was promised before that comes later."""
        self._blocked_until = max(self._blocked_until, until)
        self._promised.clear()
        self.calm(until)

    def calm(self, until: float) -> None:
        """Slack counts more strictly than we do: no bursts until some time after that."""
        self._even_until = max(self._even_until, until + _CALM)

    def quiet(self, now: float) -> bool:
        last = self._taken[-1] if self._taken else 0.0
        return not self._promised and self._blocked_until <= now and last + self._limit.seconds <= now


class Pacer:
    """The turns of one workspace's calls. Several clients of one token share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._methods: dict[str, _Gate] = {}
        self._channels: dict[tuple[str, str], _Gate] = {}

    def turn(self, method: str, channel: str | None = None, *, urgent: bool = False) -> timedelta:
        """Take a turn: zero, and the call may be made now; else how long to wait before asking again."""
        now = self._clock.monotonic()
        gates = self._gates(method, channel)
        times = [gate.opens(now, urgent=urgent) for gate in gates]
        at = max(times, default=now)
        if at > now:
            if not urgent:
                gates[times.index(at)].promise(at)
            return timedelta(seconds=at - now)
        for gate in gates:
            gate.take(now)
        return timedelta(0)

    def refused(self, method: str, wait: timedelta | None, channel: str | None = None) -> timedelta:
        """Slack has answered 429: nobody calls the method before that. Returns how long that is."""
        wait = wait if wait is not None else UNSAID
        until = self._clock.monotonic() + wait.total_seconds()
        method_, *channels = self._gates(method, channel)
        method_.block(until)
        for gate in channels:
            gate.calm(until)
        return wait

    def monotonic(self) -> float:
        """Seconds that never step back, by the clock of the turns."""
        return self._clock.monotonic()

    async def sleep(self, wait: timedelta) -> None:
        """Let that much time pass."""
        await self._clock.sleep(wait)

    def _gates(self, method: str, channel: str | None) -> list[_Gate]:
        gates = [self._gate(method)]
        limit = CHANNEL_LIMITS.get(method)
        if limit is not None and channel is not None:
            key = method, channel
            if key not in self._channels:
                self._forget_quiet_channels()
                self._channels[key] = _Gate(limit)
            gates.append(self._channels[key])
        return gates

    def _gate(self, method: str) -> _Gate:
        if method not in self._methods:
            self._methods[method] = _Gate(LIMITS.get(method, _VOLUME))
        return self._methods[method]

    def _forget_quiet_channels(self) -> None:
        if len(self._channels) >= _MANY:
            now = self._clock.monotonic()
            self._channels = {key: gate for key, gate in self._channels.items() if not gate.quiet(now)}
