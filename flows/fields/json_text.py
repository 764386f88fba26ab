"""JSON as people and programs give it: what of it is a value, in bounded time whatever was given."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import count
from typing import NoReturn

from flows.fields.characters import NOT_IN_DATA, plain
from flows.fields.limits import MAX_DEPTH, MAX_LENGTH, MAX_NUMBER, MAX_VALUES
from flows.fields.sentences import MAX_QUOTED, Unacceptable, quoted
from flows.ports import Json


def read(text: str, *, most: int = MAX_LENGTH) -> Json:
    """What ``text`` says as JSON. ``most`` is the length that the refusal of a long one names. Raises ``Unacceptable``."""
    if len(text) > MAX_VALUES:
        raise Unacceptable(f"must be JSON of at most {most} characters.")
    try:
        return json.loads(text, object_pairs_hook=_unambiguous, parse_constant=_refuse_constant)
    except Unacceptable:
        raise
    except RecursionError:
        raise Unacceptable(f"must be JSON that is nested at most {MAX_DEPTH} deep.") from None
    except json.JSONDecodeError as error:
        raise Unacceptable(
            f"must be JSON; line {error.lineno}, column {error.colno} is not ({error.msg}): {quoted(text)}."
        ) from None
    except ValueError:  # an integer of more digits than Python converts
        raise Unacceptable("must be JSON with numbers of at most 100 digits.") from None


def plain_json(value: object) -> Json:
    """A copy of ``value`` that is surely JSON. Raises ``Unacceptable``."""
    return _plain(value, MAX_DEPTH, count(1))


def _unambiguous(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise Unacceptable("must be JSON that has each key of an object once.")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise Unacceptable(f"must be JSON, which has no {name}.")


def _plain(value: object, depth: int, seen: Iterator[int]) -> Json:
    """``seen`` counts its parts: ten lists, each in the next ten times, are 10^10."""
    if next(seen) > MAX_LENGTH:
        raise Unacceptable(f"must be JSON of at most {MAX_LENGTH} characters.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if NOT_IN_DATA.search(value):
            raise Unacceptable("must be JSON whose texts have no control characters.")
        return plain(value)
    if isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            raise Unacceptable("must be JSON with numbers of at most 100 digits.")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unacceptable("must be JSON with finite numbers.")
        return value
    if isinstance(value, list | dict) and depth == 0:
        raise Unacceptable(f"must be JSON that is nested at most {MAX_DEPTH} deep.")
    if isinstance(value, list):
        return [_plain(item, depth - 1, seen) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {_plain(key, 0, seen): _plain(item, depth - 1, seen) for key, item in value.items()}
    raise Unacceptable(f"must be JSON, which has no {value.__class__.__name__[:MAX_QUOTED]}.")
