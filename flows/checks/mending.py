"""Steps that are wrong, without what is wrong with them: so that the rest of them is checked all the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from flows.definition import Step
from flows.findings import Loc
from flows.mistakes import value_at, wrong_places
from flows.ports import Json

_TRIES = 4  # what is wrong with a step as a whole is found once its parts are right

_STAND_IN = {"id": "x", "delay": "1s"}
"""Stands for steps inside, which are mended by themselves: what is wrong with them is no fault of the step around."""


def mended(step: Json) -> Step | None:
    """The step without what is wrong with it, its inner steps left out; None where nothing is left of it."""
    value = _alone(step) if isinstance(step, Mapping) else step
    for _ in range(_TRIES):
        try:
            return Step.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            wrong = {_whole(value, loc) for loc in wrong_places(error, value)}
            if () in wrong:
                return None
            for loc in wrong:
                value = _without(value, loc)
    return None


def _whole(value: Json, loc: Loc) -> Loc:
    """What has to go where something is wrong at ``loc``."""
    # A list goes as a whole, so that what stands in the others keeps its place; so does what misses a key.
    while loc and not (isinstance(loc[-1], str) and _has(value, loc)):
        loc = loc[:-1]
    return loc


def _alone(step: Mapping[str, Any]) -> dict[str, Any]:
    """The step with something sound in place of each list of steps in it."""
    alone = dict(step)
    for key in ("steps", "then", "else", "default", "on_error", "on_reject", "on_timeout"):
        if key in alone:
            alone[key] = _stood_in(alone[key])
    for key in ("cases", "parallel"):
        if isinstance(alone.get(key), Mapping):
            alone[key] = {name: _stood_in(inner) for name, inner in alone[key].items()}
    for key in ("approval", "hold", "callback"):
        wait = alone.get(key)
        if isinstance(wait, Mapping):
            handlers = {each: _stood_in(wait[each]) for each in ("on_open", "on_reject", "on_timeout") if each in wait}
            alone[key] = {**wait, **handlers}
    return alone


def _stood_in(inner: Json) -> Json:
    if isinstance(inner, Mapping) and "steps" in inner:
        return {**inner, "steps": _stood_in(inner["steps"])}
    return [_STAND_IN] if isinstance(inner, list | tuple) and inner else inner


def _has(value: Json, loc: Loc) -> bool:
    owner = value_at(value, loc[:-1])
    return isinstance(owner, Mapping) and loc[-1] in owner


def _without(value: Json, loc: Loc) -> Json:
    """A copy of ``value`` that lacks what stands at ``loc``, if something does."""
    if isinstance(value, Mapping):
        kept = value.items() if len(loc) > 1 else [(key, each) for key, each in value.items() if key != loc[0]]
        return {key: _without(each, loc[1:]) if key == loc[0] else each for key, each in kept}
    if isinstance(value, list | tuple):
        return [_without(each, loc[1:]) if index == loc[0] else each for index, each in enumerate(value)]
    return value
