"""Slack's rate limits, for each method and workspace, kept by the sandbox's clock; off until a test turns them on.

The tiers are those of Slack's own Java SDK (``MethodsRateLimits``). The real ones forgive short bursts; these do not.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from datetime import datetime, timedelta

from flows.clock import Clock

TIER_1, TIER_2, TIER_3, TIER_4 = 1, 20, 50, 100
"""Calls in a minute."""

PER_MINUTE = {
    "apps.connections.open": TIER_1,
    "auth.revoke": TIER_3,
    "auth.test": 600,
    "chat.delete": TIER_3,
    "chat.getPermalink": 600,
    "chat.postEphemeral": TIER_4,
    "chat.update": TIER_3,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.join": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "oauth.v2.access": TIER_4,
    "oauth.v2.exchange": TIER_3,
    "openid.connect.token": TIER_4,
    "openid.connect.userInfo": TIER_3,
    "reactions.add": TIER_3,
    "team.info": TIER_3,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.lookupByEmail": TIER_3,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.push": TIER_4,
    "views.update": TIER_4,
}
POSTS_PER_CHANNEL = timedelta(seconds=1)
"""``chat.postMessage``: "1 message per second to a specific channel"."""
POSTS_PER_WORKSPACE = 300
"""And "several hundred messages per minute" over all of them."""
_MINUTE = timedelta(minutes=1)


class RateLimits:
    """What each workspace has called lately. ``refused`` counts the calls that came too early, by method."""

    def __init__(self, clock: Clock) -> None:
        self.enforced = False
        self.refused: dict[str, int] = defaultdict(int)
        self._clock = clock
        self._calls: dict[tuple[str, ...], deque[datetime]] = defaultdict(deque)

    def wait(self, team: str, method: str, channel: str | None) -> int | None:
        """How many seconds this call has come too early (``Retry-After``); None, and it counts, if it may go on.

        ``channel`` is the id of the one that it names, if it names one.
        """
        if not self.enforced:
            return None
        limits: list[tuple[tuple[str, ...], int, timedelta]] = []
        if method == "chat.postMessage":
            limits.append(((team, method, channel or ""), 1, POSTS_PER_CHANNEL))
            limits.append(((team, method), POSTS_PER_WORKSPACE, _MINUTE))
        elif method in PER_MINUTE:
            limits.append(((team, method), PER_MINUTE[method], _MINUTE))
        now = self._clock.now()
        waits = [self._full(key, most, span, now) for key, most, span in limits]
        if any(waits):
            self.refused[method] += 1
            return max(waits)
        for key, _, _ in limits:
            self._calls[key].append(now)
        return None

    def _full(self, key: tuple[str, ...], most: int, span: timedelta, now: datetime) -> int:
        """Seconds until there is room again, rounded up; 0 if there is."""
        calls = self._calls[key]
        while calls and now - calls[0] >= span:
            calls.popleft()
        return 0 if len(calls) < most else math.ceil((calls[0] + span - now).total_seconds())
