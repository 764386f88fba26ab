"""Renews tokens that expire, whether or not anything happens in the workspace. One at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

from bot.installations.keeper import Installations, Renewable
from flows.clock import Clock
from integrations.slack.failures import SlackError
from integrations.slack.oauth import SlackOAuth

log = logging.getLogger(__name__)

AHEAD = timedelta(hours=4)
"""How long before it expires a token is renewed. Slack's last 12 hours, and the one before goes on working until then:
so long an admin has time where the answer to a renewal was lost, and with it the only refresh token."""

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=10)
_NAP = timedelta(minutes=10)  # nobody sleeps past a step of the clock for longer

_FINAL = frozenset({"invalid_refresh_token", "invalid_grant", "token_revoked", "account_inactive"})
"""Nothing but installing the app again helps."""


class Renewal:
    """The loop. ``stop`` lets a renewal that is under way end: what Slack has answered must not be lost."""

    def __init__(self, installations: Installations, oauth: SlackOAuth, clock: Clock) -> None:
        self._installations = installations
        self._oauth = oauth
        self._clock = clock
        self._loop: asyncio.Task[None] | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._failures: dict[tuple[str, int], int] = {}
        self._not_before: dict[tuple[str, int], datetime] = {}

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None
        if self._under_way is not None:
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def renew_what_is_due(self) -> datetime | None:
        """Renew what is due, one after the other, and let go of what has expired; returns when something is due next."""
        for one in await self._installations.renewable():
            if self._due(one) <= self._clock.now():
                # Apart from the loop, which may be cancelled.
                self._under_way = asyncio.create_task(self._renew(one))
                await asyncio.shield(self._under_way)
        due = [self._due(one) for one in await self._installations.renewable()]
        ends = await self._installations.let_go()
        return min([*due, *([ends] if ends is not None else [])], default=None)

    async def _run(self) -> None:
        while True:
            self._installations.changed.clear()
            due = None
            try:
                due = await self.renew_what_is_due()
            except Exception:
                log.exception("Slack's tokens could not be looked at")
            # What has failed is due later, so this does not go round and round.
            nap = self._clock.now() + _NAP
            await self._wait(nap if due is None else min(nap, due))

    async def _wait(self, until: datetime) -> None:
        """Until then, or until something has changed."""
        waits = [
            asyncio.create_task(self._sleep(until)),
            asyncio.create_task(self._installations.changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one

    async def _sleep(self, until: datetime) -> None:
        # How long that is, is asked when the sleep begins: the clock may have gone on since.
        await self._clock.sleep(until - self._clock.now())

    def _due(self, one: Renewable) -> datetime:
        due = one.expires_at - AHEAD
        return max(due, self._not_before.get((one.team, one.generation), due))

    async def _renew(self, one: Renewable) -> None:
        key = one.team, one.generation
        asked_at = self._clock.now()
        try:
            granted = await self._oauth.renew(one.refresh)
        except SlackError as error:
            if error.code in _FINAL:
                await self._installations.cannot_renew(one, str(error))
                return
            self._failures[key] = failures = self._failures.get(key, 0) + 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
            self._not_before[key] = self._clock.now() + max(pause, error.retry_after or pause)
            log.warning("a Slack token could not be renewed yet", extra={"team": one.team, "error": str(error)})
            return
        await self._installations.renewed(one, granted, asked_at)
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        log.info("Slack: a token was renewed", extra={"team": one.team})
