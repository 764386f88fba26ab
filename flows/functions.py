"""Python actions: a step's ``run: module:function``, found beside its flow file and called with what it asks for.

A function gets its arguments by name: from the step's ``with``, and from the context by the names of its
parameters: ``inputs``, ``run``, ``steps``, ``approvers``, ``resume``, ``resumes``, ``key`` (the idempotency key,
the same on each attempt), ``attempt`` (from 1) and ``ctx`` (``flows.step_context``; also under another name, where it
is annotated so). What it returns is the step's output and must be JSON. ``async def`` runs on the event loop;
everything else on a thread.

A thread cannot be killed. Where a function on a thread outlasts its step's timeout, the attempt fails and what
the function returns later is thrown away; but it goes on, and its place stays taken until it returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import re
import threading
import typing
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, overload

from flows.durations import format_duration
from flows.errors import ActionError, Refused, TryAgain, UnknownAction
from flows.findings import did_you_mean
from flows.modules import CannotImport, import_function
from flows.ports import Json
from flows.step_context import Attempt, BlockingStepContext, Performed, Session, StepContext
from flows.strict_json import not_json

FROM_CONTEXT = ("inputs", "run", "steps", "approvers", "resume", "resumes", "key", "attempt")
"""What a function may ask for by the name of a parameter, besides ``ctx``; the step's ``with`` comes first."""

PLACES = 16
"""Functions on threads at the same time."""

_Function = Callable[..., Any]
_F = TypeVar("_F", bound=_Function)
_MARK = "__signoff_action__"


@overload
def action(function: _F, /) -> _F: ...
@overload
def action(*, name: str | None = None) -> Callable[[_F], _F]: ...
def action(function: _F | None = None, /, *, name: str | None = None) -> _F | Callable[[_F], _F]:
    """Mark a function as a Python action; it stays the function that it was.

    Plain functions work too. Of a marked one it is said at import, and not at its first call, where it takes the
    wrong kind of ``ctx``: ``TypeError``. ``name`` is what messages call it, instead of ``module:function``.
    """

    def mark(function: _F) -> _F:
        _check_kind(function)
        setattr(function, _MARK, name)
        return function

    return mark if function is None else mark(function)


class Functions:
    """Calls Python actions. ``places`` is how many may be on threads at the same time."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = asyncio.Semaphore(places)
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._found: dict[tuple[str, Path], _Callable] = {}

    async def call(
        self,
        name: str,
        folder: Path,
        params: Mapping[str, Json],
        values: Mapping[str, Any],
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 -- the step's own, told of in words of its own
        session: Session | None = None,
    ) -> Performed:
        """What ``module:function``, imported from ``folder``, came to.

        ``params`` is the step's rendered ``with``, ``values`` its context, ``session`` what ``ctx`` stands on. Raises
        ``UnknownAction`` where the function is not to be had, and ``ActionError``: retryable where the function itself
        raised something else or took too long, not where it was called wrongly, let a refusal through, or returned
        what is not JSON.
        """
        found = self._find(name, folder)
        attempt = Attempt(session) if session is not None and found.contexts else None
        ctx = None if attempt is None else _context(found, attempt, values)
        arguments = _arguments(found, params, values, ctx)
        try:
            output = await self._output(found, arguments, timeout)
        finally:
            rerun = attempt.end() if attempt is not None else None
        problem = not_json(output, "the output")
        if problem is not None:
            raise ActionError(f"{found.name} returned what is not JSON: {problem}")
        return Performed(output, rerun)

    async def _output(
        self,
        found: _Callable,
        arguments: inspect.BoundArguments,
        timeout: timedelta | None,  # noqa: ASYNC109 -- see call
    ) -> Any:
        function = found.function
        call = self._on_loop if found.is_async else self._on_thread
        limit = None
        try:
            if timeout is None:
                return await (_uninterrupted if found.is_async else call)(function, arguments)
            async with asyncio.timeout(timeout.total_seconds()) as limit:
                return await call(function, arguments)
        except TimeoutError as error:
            if timeout is None or limit is None or not limit.expired():
                raise _raised(error) from error
            raise ActionError(f"{found.name} took longer than {format_duration(timeout)}", retryable=True) from None
        except ActionError:
            raise
        except Refused as error:
            # A refusal is the same however often it is asked for; only who could not be asked may answer later.
            raise ActionError(str(error), retryable=isinstance(error, TryAgain)) from error
        except Exception as error:
            raise _raised(error) from error

    def _find(self, name: str, folder: Path) -> _Callable:
        # Modules are imported once in a process, so what was found stays; what was not is looked for again.
        found = self._found.get((name, folder))
        if found is None:
            function = _imported(name, folder)
            called = getattr(function, _MARK, None) or name
            signature = inspect.signature(function)
            contexts = _context_parameters(function, signature)
            found = _Callable(called, function, signature, _is_async(function), contexts)
            self._found[name, folder] = found
        return found

    async def _on_loop(self, function: _Function, arguments: inspect.BoundArguments) -> Any:
        # A task of its own, so that a function which swallows its cancellation does not hold the attempt.
        task = asyncio.ensure_future(function(*arguments.args, **arguments.kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise _Interrupted("the function was cancelled from within") from None
            task.cancel()
            self._abandoned.add(task)
            task.add_done_callback(self._forget)
            raise

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of an error that nobody waits for

    async def _on_thread(self, function: _Function, arguments: inspect.BoundArguments) -> Any:
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:
            self._places.release()
            if done.done():
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        def work() -> None:
            result, failure = None, None
            try:
                result = function(*arguments.args, **arguments.kwargs)
            except Exception as error:  # noqa: BLE001 -- the author's function may raise whatever it likes
                failure = error
            except BaseException as error:  # noqa: BLE001 -- sys.exit() in a function must not end as silence
                failure = _Interrupted(f"{type(error).__name__}: {error}")
            # The loop may have been closed while the function went on.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, result, failure)

        # A daemon: a function that never returns must not keep the process from ending.
        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
        return await done


@dataclass(frozen=True, slots=True)
class _Callable:
    """A function, and what calling it takes. ``contexts`` are its parameters that take ``ctx``."""

    name: str
    function: _Function
    signature: inspect.Signature
    is_async: bool
    contexts: Mapping[str, _Annotated]


async def _uninterrupted(function: _Function, arguments: inspect.BoundArguments) -> Any:
    """Where nothing limits the function, it needs no task of its own."""
    try:
        return await function(*arguments.args, **arguments.kwargs)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _Interrupted("the function was cancelled from within") from None


class _Interrupted(Exception):
    """The function ended itself in a way that is meant for whole programs."""


def _imported(name: str, folder: Path) -> _Function:
    try:
        return import_function(name, folder)
    except CannotImport as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise UnknownAction(f"{error}{hint}; bring it back, then retry or skip") from error
    except Exception as error:
        raise UnknownAction(f"the module of {name} cannot be imported: {type(error).__name__}: {error}") from error


def _is_async(function: _Function) -> bool:
    plain = inspect.unwrap(function)
    return inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(getattr(plain, "__call__", None))  # noqa: B004 -- asked for its kind, not whether it is there


class _Annotated(Enum):
    """How a parameter says that it takes ``ctx``."""

    NO = "by its name alone"
    STEP = "StepContext"
    BLOCKING = "BlockingStepContext"


_WRITTEN = re.compile(r"\b(?:Blocking)?StepContext\b")
_TYPES = {StepContext: _Annotated.STEP, BlockingStepContext: _Annotated.BLOCKING}
_BY_PLACE_OR_NAME = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def _context_parameters(function: _Function, signature: inspect.Signature) -> Mapping[str, _Annotated]:
    """The parameters that take ``ctx``: those annotated so, whatever their name, and the one of that name."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 -- annotations may name what is there for type checkers only, or be anything at all
        hints = {}
    found = {}
    for parameter in signature.parameters.values():
        if parameter.kind not in _BY_PLACE_OR_NAME:
            continue
        annotated = _annotated(hints.get(parameter.name, parameter.annotation))
        if annotated is not _Annotated.NO or parameter.name == "ctx":
            found[parameter.name] = annotated
    return found


def _annotated(annotation: object) -> _Annotated:
    if isinstance(annotation, str):
        written = _WRITTEN.search(annotation)
        return _Annotated(written[0]) if written else _Annotated.NO
    members = (annotation, *typing.get_args(annotation))  # of `StepContext | None` too
    return next((_TYPES[each] for each in members if isinstance(each, type) and each in _TYPES), _Annotated.NO)


def _check_kind(function: _Function) -> None:
    is_async = _is_async(function)
    wrong = _Annotated.BLOCKING if is_async else _Annotated.STEP
    if wrong in _context_parameters(function, inspect.signature(function)).values():
        right = _Annotated.STEP if is_async else _Annotated.BLOCKING
        kind = "is `async def`" if is_async else "is not `async def`, so it runs on a thread"
        raise TypeError(f"{function.__qualname__} {kind}, and takes a {wrong.value}; annotate {right.value}")


def _context(found: _Callable, attempt: Attempt, values: Mapping[str, Any]) -> StepContext | BlockingStepContext:
    if found.is_async:
        return StepContext(attempt, values)
    return BlockingStepContext(attempt, values, asyncio.get_running_loop())


def _arguments(
    found: _Callable,
    params: Mapping[str, Json],
    values: Mapping[str, Any],
    ctx: StepContext | BlockingStepContext | None,
) -> inspect.BoundArguments:
    signature = found.signature
    given = dict(params)
    named: dict[str, Any] = {}
    problems = []
    takes_all = None
    for parameter in signature.parameters.values():
        annotated = found.contexts.get(parameter.name)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_all = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        elif parameter.name in given and annotated in (None, _Annotated.NO):
            named[parameter.name] = given.pop(parameter.name)
        elif annotated is not None and ctx is not None:
            named[parameter.name] = ctx
        elif parameter.name in FROM_CONTEXT and parameter.name in values:
            named[parameter.name] = values[parameter.name]
        elif parameter.default is inspect.Parameter.empty:
            source = "which 'with' does not give" if annotated is None else "which only a step of a run has"
            problems.append(f"needs {parameter.name!r}, {source}")
    problems += [f"has {each!r} in 'with', which is its ctx" for each in given if each in found.contexts]
    given = {each: value for each, value in given.items() if each not in found.contexts}
    if takes_all is not None:
        named[takes_all] = given
    else:
        takes = [each for each in signature.parameters if each not in found.contexts]
        for each in given:
            hint = did_you_mean(each, takes, within="it takes")
            problems.append(f"takes no {each!r}" + (f" ({hint})" if hint else ""))
    if problems:
        raise ActionError(f"{found.name} {'; it '.join(problems)}")
    # In the order of the parameters: that is how BoundArguments tells what goes by place.
    return inspect.BoundArguments(signature, _ordered(signature, named))


def _ordered(signature: inspect.Signature, named: Mapping[str, Any]) -> OrderedDict[str, Any]:
    return OrderedDict((each, named[each]) for each in signature.parameters if each in named)


def _raised(error: Exception) -> ActionError:
    text = str(error)
    return ActionError(f"{type(error).__name__}: {text}" if text else type(error).__name__, retryable=True)
