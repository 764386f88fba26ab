"""Whether a Python action can be called with what a step gives it, as far as that is known before the call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

from flows.findings import Finding, did_you_mean
from flows.functions import FROM_CONTEXT

_CONTEXT = "StepContext"  # also BlockingStepContext, written out or as a text


def misfits(function: Callable[..., Any], given: Collection[str]) -> Iterator[Finding]:
    """What the call would fail for: names that the function does not take, and parameters that nobody gives.

    ``given`` are the names in the step's ``with``; ``loc`` of what is found begins there.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return  # written in C, and says nothing of what it takes
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
    names = [each.name for each in named if not _is_context(each)]
    for name in given:
        if name not in names and not takes_all:
            hint = did_you_mean(name, names, within="it takes")
            yield Finding((name,), f"the function takes no {name!r}", hint, about="key")
    for each in named:
        known = each.name in given or each.name in FROM_CONTEXT or _is_context(each)
        if not known and each.default is each.empty:
            yield Finding((each.name,), f"{each.name!r} is missing: the function needs it", about="key")


def _is_context(parameter: inspect.Parameter) -> bool:
    return parameter.name == "ctx" or _CONTEXT in str(parameter.annotation)
