"""Whether the process lives, and whether it is ready: for whatever watches over it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from flows.store.connection import StoreError
from flows.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Returns None where all is well, else one sentence that says what is not; it may be read by anybody."""

PATIENCE = 5.0
"""Seconds that a check may take; what watches over processes mostly asks every ten."""


def store_is_writable(store: SqliteStore) -> Check:
    """A check that writes: only that tells a full disk or a read-only file system."""

    async def check() -> str | None:
        try:
            await store.write(lambda c: c.execute("UPDATE meta SET value = value WHERE key = 'epoch'").rowcount)
        except StoreError:
            log.exception("the database cannot be written to")
            return "the database cannot be written to"
        return None

    return check


class Health:
    """``/healthz`` answers as long as the event loop does; ``/readyz`` asks the checks, all at once."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self._alive), web.get("/readyz", self._ready)]

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _ready(self, _request: web.Request) -> web.Response:
        answers = await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items()))
        reasons = {name: reason for name, reason in zip(self._checks, answers, strict=True) if reason is not None}
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    async def _ask(self, name: str, check: Check) -> str | None:
        try:
            return await asyncio.wait_for(check(), PATIENCE)
        except TimeoutError:
            return f"no answer within {PATIENCE:g} seconds"
        except Exception:
            log.exception("the check %s failed", name)
            return "the check itself failed; see the log"
