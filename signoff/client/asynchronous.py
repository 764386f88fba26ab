"""The client for programs on asyncio."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from signoff.client import calls
from signoff.client.answers import (
    Approval,
    Asked,
    Decided,
    Delegation,
    Effect,
    Item,
    Json,
    KnownPerson,
    Links,
    Run,
    RunStatus,
)
from signoff.client.calls import Call, Reply, Send, Sleep, Until, Verdict
from signoff.client.errors import Unreachable
from signoff.client.wire import Server

T = TypeVar("T")


class AsyncClient:
    """A client of the JSON API at ``url``, as the person of ``token``. Every call raises ``SignoffError``.

    Use it with ``async with``, or ``close()`` it. ``transport`` takes the place of the network (for tests); ``sleep`` and
    ``now`` that of the clock, in seconds.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = Server(url, token)
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False)
        self._sleep = sleep
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are kept for the next call."""
        await self._http.aclose()

    # -- runs ---------------------------------------------------------------------------------------------------

    async def start(
        self,
        flow: str,
        inputs: Mapping[str, Json] | None = None,
        *,
        key: str | None = None,
        resubmits: str | None = None,
    ) -> RunStatus:
        """Start a run. It is sent again until the server has answered, and starts once: by its idempotency key.

        A ``key`` of your own starts it once within 24 hours, however often this is called.
        ``resubmits`` is a run of yours that did not succeed, of which this is a new version.
        """
        return await self._drive(calls.start(flow, inputs or {}, key or secrets.token_urlsafe(16), resubmits))

    async def get(self, run: str) -> Run:
        """A run as it stands."""
        return await self._drive(calls.get(run))

    async def wait(
        self,
        run: str,
        *,
        until: Until = "ended",
        timeout: timedelta | None = None,  # noqa: ASYNC109 - the same call as that of `Client`
    ) -> Run:
        """Wait until the run has ended; with ``until="waiting"`` also until it waits for somebody, something or time.

        The server is asked again and again, ever more rarely (0.2 s to 5 s); that it restarts meanwhile is borne.
        Raises ``StillGoing`` after ``timeout``.
        """
        return await self._drive(calls.wait(run, until, timeout, self._now))

    async def pause(self, run: str) -> RunStatus:
        """Halt a run: what is under way goes on, nothing new starts."""
        return await self._drive(calls.pause(run))

    async def resume(self, run: str) -> RunStatus:
        """Let a paused run go on. (A hold is resumed by ``decide``.)"""
        return await self._drive(calls.resume(run))

    async def cancel(self, run: str, *, reason: str | None = None) -> RunStatus:
        """End a run as cancelled."""
        return await self._drive(calls.cancel(run, reason))

    async def links(self, run: str, person: str, *, step: str | None = None, whole_run: bool = False) -> Links:
        """The personal link of somebody (a mail address, a Slack user or a ``per_`` id), for the approval of ``step``
        or for the whole run: whatever in it comes first that takes it.

        Whoever holds a link acts as its person. Admins only, with a token that has the scope ``links``.
        """
        return await self._drive(calls.links(run, person, step, whole_run))

    # -- approvals ----------------------------------------------------------------------------------------------

    async def approvals(self, approver: str | None = "me") -> list[Approval]:
        """What waits for ``approver`` (``me``, a mail address or a ``per_`` id); with None, whatever you may see.

        Long texts in it are shortened; ``approval`` gives the whole.
        """
        return await self._drive(calls.approvals(approver))

    async def approval(self, approval: str) -> Approval:
        """An approval or hold, with everything that people are shown."""
        return await self._drive(calls.approval(approval))

    async def decide(
        self,
        approval: str | Approval,
        verdict: Verdict,
        *,
        comment: str | None = None,
        form: Mapping[str, Json] | None = None,
        option: str | None = None,
    ) -> Decided:
        """Answer what is asked. Given an ``Approval`` that somebody was shown, what was shown is what is decided:
        it is refused where something else is asked by now.
        """
        return await self._drive(calls.decide(approval, verdict, comment=comment, form=form, option=option))

    async def decide_many(
        self,
        ids: Sequence[str],
        verdict: Verdict,
        *,
        comment: str | None = None,
        form: Mapping[str, Json] | None = None,
        option: str | None = None,
    ) -> list[Item]:
        """Answer up to 100 in one request: one item per id, in their order. One that is refused stops no other."""
        return await self._drive(calls.decide_many(ids, verdict, comment=comment, form=form, option=option))

    async def withdraw(self, approval: str) -> Decided:
        """Take back your own answer, while it is open."""
        return await self._drive(calls.decide(approval, "withdraw", comment=None, form=None, option=None))

    async def drop(self, approval: str, reason: str) -> RunStatus:
        """End a wait without a decision and let the run go on. For admins and the flow's owner."""
        return await self._drive(calls.drop(approval, reason))

    # -- asking again, others, and back -------------------------------------------------------------------------

    async def nudge(self, approval: str) -> Asked:
        """Ask those who have not answered once more. For who started the run; at most once an hour."""
        return await self._drive(calls.nudge(approval))

    async def reassign(self, approval: str, to: str, *, person: str | None = None, reason: str | None = None) -> Asked:
        """Let ``to`` (a mail address, a Slack user or a ``per_`` id) be asked in your place; in that of ``person``, for
        admins."""
        return await self._drive(calls.reassign(approval, to, person, reason))

    async def snooze(self, approval: str, until: datetime | None) -> Asked:
        """Be reminded of nothing until then; None: of everything again. Deadlines go on."""
        return await self._drive(calls.snooze(approval, until))

    async def ask(self, approval: str, text: str) -> Asked:
        """Ask the requester something first. For who is asked."""
        return await self._drive(calls.ask(approval, text))

    async def answer(self, approval: str, text: str) -> Asked:
        """Answer the questions that are open. For who started the run, the flow's owner and admins."""
        return await self._drive(calls.answer(approval, text))

    # -- standing in --------------------------------------------------------------------------------------------

    async def delegations(self, person: str = "me") -> list[Delegation]:
        """What somebody has handed over, and what was handed over to them. Of others, for admins."""
        return await self._drive(calls.delegations(person))

    async def delegate(
        self, delegate: str, starts: date, until: date, *, flows: Sequence[str] = (), person: str | None = None
    ) -> Delegation:
        """Let ``delegate`` answer for you from the day ``starts`` to the day ``until``, both included; for ``person``, where an
        admin arranges it. Without ``flows``, in all of them."""
        return await self._drive(calls.delegate(delegate, starts, until, flows, person))

    async def end_delegation(self, delegation: str) -> Delegation:
        """End one early. What was decided by it stands."""
        return await self._drive(calls.end_delegation(delegation))

    # -- effects ------------------------------------------------------------------------------------------------

    async def person(self, handle: str) -> KnownPerson:
        """Who is known by an address, a Slack id or a person's id, and by what else. Admins only."""
        return await self._drive(calls.person(handle))

    async def merge_people(self, keep: str, gone: str) -> KnownPerson:
        """Let two people, each given like ``handle``, be one human for ever; what is open is recounted. Admins only."""
        return await self._drive(calls.merge_people(keep, gone))

    async def effects(self) -> list[Effect]:
        """The parked effects: what only a person can help. Admins only."""
        return await self._drive(calls.effects())

    async def retry(self, effect: str) -> None:
        """Let a parked effect be performed again. Admins only."""
        return await self._drive(calls.free(effect, "retry"))

    async def skip(self, effect: str) -> None:
        """Give up on a parked effect. Admins only."""
        return await self._drive(calls.free(effect, "skip"))

    # -- inside -------------------------------------------------------------------------------------------------

    async def _drive(self, call: Call[T]) -> T:
        try:
            todo = next(call)
            while True:
                try:
                    came = await self._do(todo)
                except Unreachable as lost:
                    todo = call.throw(lost)
                else:
                    todo = call.send(came)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _do(self, todo: Send | Sleep) -> Reply | None:
        if isinstance(todo, Sleep):
            await self._sleep(todo.duration.total_seconds())
            return None
        with self._server.answering(todo):
            return self._server.reply(await self._http.send(self._server.request(todo)))
