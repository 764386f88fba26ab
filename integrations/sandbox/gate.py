"""The door that every request to the sandbox goes through: it writes the call log and lets arranged faults happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.changes import Changes
from integrations.sandbox.faults import (
    Calls,
    DropAfter,
    DropBefore,
    Fault,
    Faults,
    HttpStatus,
    SlackError,
    Slow,
    Twice,
    wait_out,
)

Performed = tuple[web.StreamResponse, str]
"""An answer, and the word for it in the call log."""


class Gate:
    """Runs one request: first what a test has arranged, then what was asked for."""

    def __init__(self, *, faults: Faults, calls: Calls, clock: Clock, changes: Changes) -> None:
        self._faults = faults
        self._calls = calls
        self._clock = clock
        self._changes = changes

    async def run(
        self,
        request: web.Request,
        method: str,
        body: Mapping[str, Json],
        perform: Callable[[], Awaitable[Performed]],
        *,
        limited: Json,
        team: str | None = None,
    ) -> web.StreamResponse:
        """Answer ``request``, which calls ``method`` with ``body`` (without tokens); ``perform`` has the effect.

        ``limited`` is what this API says in the body of a 429; ``team`` is the workspace that is called, where that is one.
        """
        call = self._calls.add(method, body, self._clock.now(), team)
        slow = self._faults.take(method, wanted=lambda fault: isinstance(fault, Slow), body=body, team=team)
        if isinstance(slow, Slow) and not slow.after:
            await wait_out(slow, self._clock)
        match self._faults.take(method, wanted=_befalls_requests, body=body, team=team):
            case HttpStatus(status=status, retry_after=retry_after):
                call.outcome = f"http {status}"
                answer: web.StreamResponse = _failure(status, retry_after, limited)
            case SlackError(code=code, extra=extra):
                call.outcome = code
                answer = web.json_response({"ok": False, "error": code, **extra})
            case DropBefore():
                call.outcome = "dropped before"
                answer = _drop(request)
            case fault:
                answer, outcome = await perform()
                if isinstance(slow, Slow) and slow.after:
                    await wait_out(slow, self._clock)
                call.outcome = outcome
                if isinstance(fault, DropAfter):
                    call.outcome = "dropped after"
                    answer = _drop(request)
        self._changes.notify()
        return answer


def _befalls_requests(fault: Fault) -> bool:
    return not isinstance(fault, Slow | Twice)


def _failure(status: int, retry_after: int | None, limited: Json) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 429:
        return web.json_response(limited, status=429, headers=headers)
    return web.Response(status=status, text="upstream error", headers=headers)


def _drop(request: web.Request) -> web.Response:
    """Close the connection so that the client gets no answer; what is returned can no longer be written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
