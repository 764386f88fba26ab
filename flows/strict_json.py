"""What of Python's values is JSON that can be stored and read again everywhere. Pure."""

from __future__ import annotations

import math
from collections.abc import Awaitable

MAX_LEVELS = 100
"""Lists and mappings within each other; expressions bear no more, and parsers of JSON give up soon after (pydantic's
at 201)."""

MAX_BITS = 14_284
"""Bits of a whole number, which is then shorter than 4,300 digits: there Python's and pydantic's parsers give up, to
be done in bounded time."""


def not_json(value: object, path: str, levels: int = MAX_LEVELS) -> str | None:
    """Why ``value`` is not JSON, with the path of the first part that is not; None where it is."""
    if levels < 0:
        return f"{path[:80]} is nested more than {MAX_LEVELS} levels deep"
    match value:
        case None | bool():
            return None
        case int():
            return f"{path} is a number of too many digits" if value.bit_length() > MAX_BITS else None
        case float():
            return None if math.isfinite(value) else f"{path} is {value}, which JSON does not know"
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                return f"{path} holds half a character (a lone surrogate)"
            return None
        case dict():
            for key, each in value.items():
                if not isinstance(key, str):
                    return f"{path} has the key {key!r:.40}, and keys are text"
                if (
                    problem := not_json(key, f"a key of {path}") or not_json(each, f"{path}.{key}", levels - 1)
                ) is not None:
                    return problem
            return None
        case list() | tuple():
            for index, each in enumerate(value):
                if (problem := not_json(each, f"{path}[{index}]", levels - 1)) is not None:
                    return problem
            return None
    if isinstance(value, Awaitable):
        return f"{path} is awaitable; make the function `async def`"
    return f"{path} is a {type(value).__name__}"
