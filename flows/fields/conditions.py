"""Fields that are asked only where others have certain values: ``when``, in its order, in words, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import TypeVar

from flows.expressions import ExpressionError
from flows.fields.base import BaseField
from flows.findings import Finding, did_you_mean
from flows.ports import Json

_MAX_CASES = 1_000  # combinations of values with which a condition is tried when it is loaded
_ELSEWHERE = frozenset({"inputs", "run", "steps", "approvers", "resume", "resumes", "form"})
_WORDS = {"==": "is", "!=": "is not"}
# Texts in quotes are left as they are; what follows a point or a bar is no field.
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[.|]\s*)?[A-Za-z_][A-Za-z0-9_]*|==|!=""")

_F = TypeVar("_F", bound=BaseField)


def in_order(fields: Sequence[_F]) -> Sequence[_F]:
    """The fields, each after those that its ``when`` reads, else as they stand. Those in a cycle come last."""
    if all(field.when is None for field in fields):
        return fields
    names = {field.name for field in fields}
    ordered: list[_F] = []
    done: set[str] = set()
    waiting = list(fields)
    while waiting:
        ready = [field for field in waiting if field.reads & names <= done]
        if not ready:
            return [*ordered, *waiting]
        ordered += ready
        done.update(field.name for field in ready)
        waiting = [field for field in waiting if field.name not in done]
    return ordered


def in_words(field: BaseField, beside: Iterable[BaseField]) -> str:
    """When the field is asked, for people: ``“Kind” is 'other'``. Empty where it always is."""
    if field.when is None:
        return ""
    # Fields as a flow has them may have a label that nobody has rendered yet.
    titles = {each.name: each.named if "{{" in each.title else each.title for each in beside}

    def word(found: re.Match[str]) -> str:
        token = found[0]
        return f"“{' '.join(titles[token].split())}”" if token in titles else _WORDS.get(token, token)

    text = field.when.strip()
    if text.startswith("{{"):
        text = text.removeprefix("{{").removesuffix("}}").strip("- ")
    return " ".join(_TOKEN.sub(word, text).split())


def wrong_conditions(fields: Sequence[BaseField]) -> Iterator[Finding]:
    """What is wrong with the conditions of fields that stand side by side; ``loc`` is from the list of them.

    Names that no field beside it has, secrets, cycles, conditions that no answer makes true, and those that cannot be
    evaluated while a field is empty that may stay so.
    """
    by_name = {field.name: field for field in fields}
    for index, field in enumerate(fields):
        if field.condition is None:
            continue
        wrong = list(_wrong_names(field, by_name))
        if not wrong:
            wrong = list(_wrong_cases(field, by_name))
        for message, hint in wrong:
            yield Finding((index, "when"), message, hint)
    for cycle in _cycles(by_name):
        index = next(index for index, field in enumerate(fields) if field.name == cycle[0])
        if len(cycle) == 1:
            yield Finding((index, "when"), f"whether {cycle[0]!r} is asked depends on its own value")
        else:
            way = " → ".join([*cycle, cycle[0]])
            yield Finding(
                (index, "when"), f"whether these are asked depends on each other: {way}", "leave one 'when' out"
            )


def _wrong_names(field: BaseField, by_name: Mapping[str, BaseField]) -> Iterator[tuple[str, str | None]]:
    for name in sorted(field.reads):
        if name not in by_name:
            hint = (
                "only the fields beside it can be read"
                if name in _ELSEWHERE
                else did_you_mean(name, [each for each in by_name if each != field.name], within="the fields are")
            )
            yield f"'when' reads {name!r}, which is no field beside it", hint
        elif by_name[name].masked:
            yield f"'when' reads the secret {name!r}", "what is asked would tell what it is"


def _wrong_cases(field: BaseField, by_name: Mapping[str, BaseField]) -> Iterator[tuple[str, str | None]]:
    condition = field.condition
    assert condition is not None  # only fields with one come here
    names = sorted(field.reads - {field.name})
    cases = [_cases(by_name[name]) for name in names]
    # One that may hold anything is tried only as empty, where it may be that.
    tried = [
        values or ([None] if _may_be_empty(by_name[name]) else []) for name, values in zip(names, cases, strict=True)
    ]
    if field.name in field.reads or not 0 < prod(map(len, tried)) <= _MAX_CASES:
        return
    ever = False
    for values in product(*tried):
        given = dict(zip(names, values, strict=True))
        try:
            ever = condition.test(given) or ever
        except ExpressionError as error:
            empty = [name for name in names if given[name] is None]
            where = f" where {' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty" if empty else ""
            hint = f"say what holds then, like {f'{empty[0]} and ...'!r}" if empty else error.hint
            yield f"'when' cannot be evaluated{where}: {error.message}", hint
            return
    if not ever and names and all(cases):
        yield "'when' is true for no answer, so this is never asked", "compare with the values of the options"


def _cases(field: BaseField) -> list[Json]:
    """Every value that the field may have, where they are few."""
    schema = field.schema_of_value()
    values: list[Json] = [True, False] if schema.get("type") == "boolean" else list(schema.get("enum", ()))
    return [*values, None] if values and _may_be_empty(field) else values


def _may_be_empty(field: BaseField) -> bool:
    return not field.required or field.when is not None


def _cycles(by_name: Mapping[str, BaseField]) -> Iterator[list[str]]:
    """Each cycle of conditions once, from the field of it that stands first."""
    told: set[str] = set()
    for name in by_name:
        cycle = _way_back(name, by_name)
        if cycle and told.isdisjoint(cycle):
            told.update(cycle)
            yield cycle


def _way_back(start: str, by_name: Mapping[str, BaseField]) -> list[str]:
    """The shortest way from a field over those that conditions read back to it; empty where there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for name in sorted(by_name[way[-1]].reads & by_name.keys()):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
