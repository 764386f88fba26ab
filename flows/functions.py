"""Python actions: a step's ``run: module:function``, found beside its flow file and called with what it asks for.

A function gets its arguments by name: from the step's ``with``, and from the context by the names of its
parameters: ``inputs``, ``run``, ``steps``, ``approvers``, ``resume``, ``resumes``, and ``key`` (the idempotency key,
the same on each attempt) and ``attempt`` (from 1). What it returns is the
step's output and must be JSON. ``async def`` runs on the event loop; everything else on a thread.

A thread cannot be killed. Where a function on a thread outlasts its step's timeout, the attempt fails and what
the function returns later is thrown away; but it goes on, and its place stays taken until it returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.durations import format_duration
from flows.errors import ActionError, UnknownAction
from flows.findings import did_you_mean
from flows.modules import CannotImport, import_function
from flows.ports import Json
from flows.strict_json import not_json

FROM_CONTEXT = ("inputs", "run", "steps", "approvers", "resume", "resumes", "key", "attempt")
"""What a function may ask for by the name of a parameter; the step's ``with`` comes first."""

PLACES = 16
"""Functions on threads at the same time."""

_Function = Callable[..., Any]


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
    ) -> Json:
        """The output of ``module:function``, imported from ``folder``.

        ``params`` is the step's rendered ``with``, ``values`` its context. Raises ``UnknownAction`` where the
        function is not to be had, and ``ActionError``: retryable where the function itself raised something
        else or took too long, not where it was called wrongly or returned what is not JSON.
        """
        found = self._find(name, folder)
        function = found.function
        arguments = _arguments(name, found.signature, params, values)
        call = self._on_loop if found.is_async else self._on_thread
        limit = None
        try:
            if timeout is None:
                output = await (_uninterrupted if found.is_async else call)(function, arguments)
            else:
                async with asyncio.timeout(timeout.total_seconds()) as limit:
                    output = await call(function, arguments)
        except TimeoutError as error:
            if timeout is None or limit is None or not limit.expired():
                raise _raised(error) from error
            raise ActionError(f"{name} took longer than {format_duration(timeout)}", retryable=True) from None
        except ActionError:
            raise
        except Exception as error:
            raise _raised(error) from error
        problem = not_json(output, "the output")
        if problem is not None:
            raise ActionError(f"{name} returned what is not JSON: {problem}")
        return output

    def _find(self, name: str, folder: Path) -> _Callable:
        # Modules are imported once in a process, so what was found stays; what was not is looked for again.
        found = self._found.get((name, folder))
        if found is None:
            function = _imported(name, folder)
            found = _Callable(function, inspect.signature(function), _is_async(function))
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
    """A function, and what calling it takes."""

    function: _Function
    signature: inspect.Signature
    is_async: bool


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


def _arguments(
    name: str, signature: inspect.Signature, params: Mapping[str, Json], values: Mapping[str, Any]
) -> inspect.BoundArguments:
    given = dict(params)
    named: dict[str, Any] = {}
    missing = []
    takes_all = None
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_all = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        elif parameter.name in given:
            named[parameter.name] = given.pop(parameter.name)
        elif parameter.name in FROM_CONTEXT and parameter.name in values:
            named[parameter.name] = values[parameter.name]
        elif parameter.default is inspect.Parameter.empty:
            missing.append(parameter.name)
    problems = [f"needs {each!r}, which 'with' does not give" for each in missing]
    if takes_all is not None:
        named[takes_all] = given
    else:
        for each in given:
            hint = did_you_mean(each, signature.parameters, within="it takes")
            problems.append(f"takes no {each!r}" + (f" ({hint})" if hint else ""))
    if problems:
        raise ActionError(f"{name} {'; it '.join(problems)}")
    # In the order of the parameters: that is how BoundArguments tells what goes by place.
    return inspect.BoundArguments(signature, _ordered(signature, named))


def _ordered(signature: inspect.Signature, named: Mapping[str, Any]) -> OrderedDict[str, Any]:
    return OrderedDict((each, named[each]) for each in signature.parameters if each in named)


def _raised(error: Exception) -> ActionError:
    text = str(error)
    return ActionError(f"{type(error).__name__}: {text}" if text else type(error).__name__, retryable=True)
