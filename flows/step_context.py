"""``ctx``: what a step's function knows of its run, and how it waits for an answer or asks for another round.

::

    async def poll(ctx: StepContext, job: str) -> dict:
        status = await fetch(job)
        if not status["done"]:
            ctx.rerun(delay="10s", context={"job": job}, max_retries=5)
        return status

A function that is not ``async def`` runs on a thread and gets a ``BlockingStepContext``: the same, without ``await``.

``suspend`` is committed before it returns, so that the links may leave: an answer that comes before the step has
ended is kept. ``rerun`` is recorded, and committed together with the step's end; where the function raises, it is
as if it had not been asked for. In one round a function does one of them, once; the same again changes nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypedDict, TypeVar, Unpack

from flows.definition import Approval, Callback, Hold
from flows.errors import ActionError
from flows.handles import InvalidHandle, is_group, normalise
from flows.ports import Json
from flows.run import Kind
from flows.step_requests import (
    AskedWait,
    ContextError,
    RerunRequest,
    RetriesExhausted,
    asked_rerun,
    asked_wait,
    callback_by_default,
)

__all__ = [
    "BlockingLinks",
    "BlockingStepContext",
    "CallbackFields",
    "ContextError",
    "Links",
    "MachineLinks",
    "Performed",
    "Reachable",
    "RerunRequest",
    "RetriesExhausted",
    "Session",
    "StepContext",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class MachineLinks:
    """Addresses for a machine's POST: one lets the run go on, the other cancels it. They name no person."""

    resume: str
    cancel: str


@dataclass(frozen=True, slots=True)
class Performed:
    """What a function came to: its output, and the other round that it asked for, if it did."""

    output: Json
    rerun: RerunRequest | None = None


class Session(Protocol):
    """One attempt of a step's function, as the engine knows it.

    The methods are called on the event loop, the properties are read on any thread.
    """

    @property
    def round(self) -> int:
        """From 1."""
        ...

    @property
    def attempt(self) -> int:
        """From 1 in each round."""
        ...

    @property
    def context(self) -> Json:
        """What the last round's rerun passed on."""
        ...

    @property
    def callback(self) -> Json | None:
        """The request that woke this round: ``method``, ``headers``, ``query``, ``body``."""
        ...

    @property
    def links(self) -> MachineLinks:
        """Derived: the same on each attempt of a round."""
        ...

    @property
    def waits(self) -> Kind | None:
        """The wait that the step has in its flow."""
        ...

    async def suspend(self, spec: Mapping[str, Json] | None) -> None:
        """Commit the suspension before returning: of ``spec``, a wait as in a flow file under its kind's key, with all
        defaults written out; None for the one that the step has in its flow. What stands in ``spec`` is values, never
        rendered. Raises ``Refused`` where it cannot open, ``TryAgain`` where people could not be looked up."""
        ...

    async def person_link(self, handle: str) -> str:
        """The page of this round's approval or hold for one person. Raises ``Refused`` where none is open, or the
        handle is nobody's, ``TryAgain`` where that could not be asked."""
        ...


class Reachable(Protocol):
    """Somebody as flows see them: one of ``approvers``, or the run's requester."""

    @property
    def email(self) -> str | None: ...
    @property
    def slack_id(self) -> str | None: ...


class CallbackFields(TypedDict, total=False):
    """The fields of a callback, which ``ctx.suspend`` takes directly."""

    ask: str
    show: Mapping[str, Json]
    timeout: str | timedelta
    on_timeout: Literal["end", "fail", "continue"]
    schema: Mapping[str, Json]
    redirect: str


class Attempt:
    """What one attempt of a function asks for; shared by its context and its links, and over when it is over."""

    def __init__(self, session: Session) -> None:
        self.session = session
        # Functions may call from several threads at once, and go on after their time is up.
        self._lock = threading.Lock()
        self._committing = asyncio.Lock()
        self._committed = False
        self._wait: AskedWait | _OwnWait | None = None
        self._rerun: RerunRequest | None = None
        self._over = False

    @property
    def kind(self) -> Kind | None:
        """What this round waits for, as far as that is known by now."""
        if self._wait is not None:
            return self._wait.kind
        return Kind.RERUN if self._rerun is not None else self.session.waits

    async def suspend(self, asked: AskedWait | None) -> None:
        wait = self._meant(asked)
        async with self._committing:
            with self._lock:
                self._take(wait)
            if not self._committed:
                try:
                    await self.session.suspend(wait.spec)
                except BaseException:
                    with self._lock:
                        self._wait = None
                    raise
                self._committed = True
        # A thread may have been given up meanwhile, and must not send links beside the attempt that follows.
        self.check("ctx.suspend")

    def _meant(self, asked: AskedWait | None) -> AskedWait | _OwnWait:
        own = self.session.waits
        if own is None:
            return asked or callback_by_default()
        if own is Kind.DELAY:
            raise ContextError(
                "ctx.suspend", "the step has a delay in its flow, which begins when the step's work ends"
            )
        if asked is not None:
            raise ContextError(
                "ctx.suspend",
                f"the step has a wait in its flow ({own.value}); call it without arguments to open that one, or take it"
                " out of the flow",
            )
        return _OwnWait(own)

    def _take(self, wait: AskedWait | _OwnWait) -> None:
        self.check("ctx.suspend")
        if self._rerun is not None:
            raise ContextError("ctx.suspend", "comes after ctx.rerun; a round waits or asks for another, not both")
        if self._wait not in (None, wait):
            raise ContextError("ctx.suspend", "was called before in this round, for another wait; a step waits for one")
        self._wait = wait

    def rerun(self, request: RerunRequest) -> None:
        with self._lock:
            self.check("ctx.rerun")
            if self._wait is not None:
                raise ContextError("ctx.rerun", "comes after ctx.suspend; a round waits or asks for another, not both")
            if self._rerun not in (None, request):
                raise ContextError("ctx.rerun", "was called before in this round, with other arguments")
            if self.session.round <= request.max_retries:
                self._rerun = request
            elif request.on_exhausted == "fail":
                raise RetriesExhausted(
                    f"not done after {self.session.round} rounds, and max_retries is {request.max_retries}"
                )

    def end(self) -> RerunRequest | None:
        """What was asked for; from now on nothing can be."""
        with self._lock:
            self._over = True
            return self._rerun

    def check(self, asked: str) -> None:
        if self._over:
            raise ContextError(asked, "this attempt is over: the function has returned, or took too long")


@dataclass(frozen=True, slots=True)
class _OwnWait:
    """The wait that the step has in its flow."""

    kind: Kind
    spec: None = None


class _MachineLinks:
    """``resume`` and ``cancel``: where a machine sends its request."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def resume(self) -> str:
        """A POST, PUT or PATCH to it lets the run go on; the request is ``resume`` in later steps."""
        return self._for_machines().resume

    @property
    def cancel(self) -> str:
        """A POST, PUT or PATCH to it ends the run as cancelled."""
        return self._for_machines().cancel

    def _for_machines(self) -> MachineLinks:
        kind = self._attempt.kind
        if kind in (Kind.APPROVAL, Kind.HOLD):
            # A machine's link names nobody, so it can never be worth a person's answer.
            raise ContextError("links", f"people answer this {kind.value}, not machines; send links.for_person(...)")
        return self._attempt.session.links

    async def _for_person(self, person: str | Reachable) -> str:
        asked = "links.for_person"
        self._attempt.check(asked)
        kind = self._attempt.kind
        if kind not in (Kind.APPROVAL, Kind.HOLD):
            raise ContextError(asked, "nobody is asked here; call ctx.suspend(approval=...) or (hold=...) first")
        try:
            handle = normalise(person if isinstance(person, str) else person.slack_id or person.email)
        except InvalidHandle as error:
            raise ContextError(asked, str(error)) from None
        if is_group(handle):
            raise ContextError(asked, f"{handle} is a group, and a link is one person's; name its people one by one")
        link = await self._attempt.session.person_link(handle)
        self._attempt.check(asked)
        return link


class Links(_MachineLinks):
    """Where the answer comes in: ``resume`` and ``cancel`` for a machine, or a page for each person."""

    async def for_person(self, person: str | Reachable) -> str:
        """The page where this person answers the approval or hold. The person: a mail address, a Slack user id, or one of
        ``approvers``."""
        return await self._for_person(person)


class BlockingLinks(_MachineLinks):
    """``Links`` for functions on threads."""

    def __init__(self, attempt: Attempt, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(attempt)
        self._loop = loop

    def for_person(self, person: str | Reachable) -> str:
        """The page where this person answers the approval or hold. The person: a mail address, a Slack user id, or one of
        ``approvers``."""
        return _on_loop(self._loop, self._for_person(person))


class _Context:
    """What functions on the loop and on threads have in common."""

    def __init__(self, attempt: Attempt, values: Mapping[str, Any]) -> None:
        self._attempt = attempt
        session = attempt.session
        # Copies: what one attempt does to them is not there in the next.
        self.context: Json = deepcopy(session.context)
        """What ``ctx.rerun`` of the last round passed on, else None."""
        self.callback: Json | None = deepcopy(session.callback)
        """The request that woke this round: ``method``, ``headers``, ``query``, ``body``; None where its time had come."""
        self.runs: int = session.round
        """Which round this is, from 1."""
        self.attempt: int = session.attempt
        """Which try of this round, from 1."""
        self.key: str = values["key"]
        """The same on each try of this round: hand it to systems that know idempotency keys."""
        self.run: Mapping[str, Any] = values["run"]
        """``id``, ``url``, ``flow``, ``requester``."""
        self.inputs: Mapping[str, Json] = values["inputs"]
        """What the run was started with."""


class StepContext(_Context):
    """``ctx`` of an ``async def`` function."""

    @property
    def links(self) -> Links:
        """The links of what this round ends with, a wait or another round. They may leave before that is committed: a
        request that comes early is kept."""
        return Links(self._attempt)

    async def suspend(
        self,
        *,
        approval: Approval | Mapping[str, Any] | None = None,
        hold: Hold | Mapping[str, Any] | None = None,
        callback: Callback | Mapping[str, Any] | None = None,
        delay: str | timedelta | datetime | None = None,
        **fields: Unpack[CallbackFields],
    ) -> Links:
        """Commit a wait, and return its links. The function goes on; the run waits when the step ends.

        ``approval``, ``hold``, ``callback`` and ``delay`` are written as in a flow file; fields alone are those of a
        callback. Without arguments it is the wait that the step has in its flow, else a callback (24 hours, then the
        run ends as expired). Raises ``ContextError`` where the call is wrong, ``Refused`` where the wait cannot open.
        """
        asked = asked_wait({"approval": approval, "hold": hold, "callback": callback, "delay": delay}, fields)
        await self._attempt.suspend(asked)
        return self.links

    def rerun(
        self,
        delay: str | timedelta,
        context: Json = None,
        max_retries: int = 10,
        on_exhausted: Literal["fail", "continue"] = "fail",
    ) -> Links:
        """Ask for another round, ``delay`` after this one has ended, or as soon as a machine calls its links.

        ``context`` is JSON that the next round reads as ``ctx.context``. ``max_retries`` rounds may follow the first;
        after that it raises ``RetriesExhausted``, or with ``continue`` does nothing, so that the flow goes on with
        what the function returns. Raises ``ContextError`` where the call is wrong.
        """
        self._attempt.rerun(asked_rerun(delay, context, max_retries, on_exhausted))
        return self.links


class BlockingStepContext(_Context):
    """``ctx`` of a function on a thread."""

    def __init__(self, attempt: Attempt, values: Mapping[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(attempt, values)
        self._loop = loop

    @property
    def links(self) -> BlockingLinks:
        """See ``StepContext.links``."""
        return BlockingLinks(self._attempt, self._loop)

    def suspend(
        self,
        *,
        approval: Approval | Mapping[str, Any] | None = None,
        hold: Hold | Mapping[str, Any] | None = None,
        callback: Callback | Mapping[str, Any] | None = None,
        delay: str | timedelta | datetime | None = None,
        **fields: Unpack[CallbackFields],
    ) -> BlockingLinks:
        """See ``StepContext.suspend``."""
        asked = asked_wait({"approval": approval, "hold": hold, "callback": callback, "delay": delay}, fields)
        _on_loop(self._loop, self._attempt.suspend(asked))
        return self.links

    def rerun(
        self,
        delay: str | timedelta,
        context: Json = None,
        max_retries: int = 10,
        on_exhausted: Literal["fail", "continue"] = "fail",
    ) -> BlockingLinks:
        """See ``StepContext.rerun``."""
        self._attempt.rerun(asked_rerun(delay, context, max_retries, on_exhausted))
        return self.links


def _on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> _T:
    """Have the loop do it, and wait for that on this thread."""
    with suppress(RuntimeError):  # that there is no loop on this thread, as there should not be
        if asyncio.get_running_loop() is loop:
            work.close()
            raise ContextError("ctx", "is that of a function on a thread; on the event loop it would wait for itself")
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError:
        work.close()
        raise ActionError("the bot is stopping", retryable=True) from None
    return future.result()
