"""JSON Schemas that a field holds its values against: complete in themselves, and bounded in time for any value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.exceptions import ValidationError as Mismatch
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from flows.fields.patterns import matcher
from flows.fields.sentences import problem, quoted
from flows.ports import Json

_HOLDS_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_HOLDS_VALUES = frozenset({"const", "enum", "default", "examples"})


def check_schema(schema: dict[str, Json]) -> None:
    """Raise a problem for pydantic unless ``schema`` is sound, bounded in time and complete in itself."""
    if schema.get("$schema", Draft202012Validator.META_SCHEMA["$id"]) != Draft202012Validator.META_SCHEMA["$id"]:
        raise problem("schema", "the schema must be JSON Schema 2020-12")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise problem("schema", f"the schema is wrong at {error.json_path}: {error.message[:200]}") from None
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for keyword, value in _keywords(schema):
        if keyword in ("patternProperties", "unevaluatedProperties"):
            # Both are matched by Python's backtracking engine, where one can't put a linear one.
            raise problem("schema", f"the schema uses {keyword}, which a form does not support; name the properties")
        if keyword == "$id":
            raise problem("schema", "the schema has an $id; leave it out, references start at the schema itself")
        if keyword in ("$ref", "$dynamicRef"):
            if not str(value).startswith("#"):
                raise problem(
                    "schema", f"the schema refers to {quoted(value)}; only references to itself (#...) are followed"
                )
            try:
                resolver.lookup(value)
            except Unresolvable:
                raise problem("schema", f"the schema refers to {quoted(value)}, which it does not have") from None
        if keyword == "pattern":
            matcher(value)
    checker = SchemaChecker(schema, registry=Registry())
    try:
        # A reference that leads back to itself recurses for any value; one of each kind shows it.
        for value in (None, True, 0, "", [], {}):
            checker.is_valid(value)
    except (RecursionError, TooMuch):
        raise problem("schema", "the schema refers to itself without end") from None


def mismatch_sentence(mismatch: Mismatch) -> str:
    """What a person is told of the mismatch: where it is and what, without the value around it."""
    # jsonschema's messages begin with the whole instance; whoever sent it knows it.
    shown = mismatch.message.replace(repr(mismatch.instance), quoted(mismatch.instance))
    line = "".join(character if character.isprintable() else " " for character in shown[:200])
    where = "" if mismatch.json_path == "$" else f" at {quoted(mismatch.json_path[2:])}"
    return f"does not fit its schema{where}: {line}."


def _keywords(schema: Json) -> Iterator[tuple[str, Json]]:
    """Every keyword of a schema and of the schemas in it, with its value; names of properties are no keywords."""
    if isinstance(schema, list):
        for part in schema:
            yield from _keywords(part)
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        yield keyword, value
        if keyword in _HOLDS_NAMED_SCHEMAS and isinstance(value, dict):
            yield from _keywords(list(value.values()))
        elif keyword not in _HOLDS_VALUES:
            yield from _keywords(value)


def _linear_pattern(_checker: Any, pattern: str, instance: Json, _schema: Json) -> Iterator[Mismatch]:
    if isinstance(instance, str) and not matcher(pattern)(instance):
        yield Mismatch(f"{instance!r} does not match {pattern!r}")


def _linear_unique_items(_checker: Any, unique: bool, instance: Json, _schema: Json) -> Iterator[Mismatch]:
    if unique and isinstance(instance, list) and len({_identity(item) for item in instance}) < len(instance):
        yield Mismatch(f"{instance!r} has non-unique elements")


def _identity(value: Json) -> object:
    """Something hashable that is equal for equal JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return frozenset((key, _identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_identity(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


MAX_STEPS = 25_000
"""Keywords that are held against parts of one value: a few tenths of a second. Schemas that refer to themselves, and
``anyOf`` within each other, can ask for any number of them."""

_SHOWN = 50
"""Mismatches of which the best is told; of a long list each item may have one."""


class TooMuch(Exception):
    """Holding the value against the schema takes more steps than anybody should wait for."""


_left: ContextVar[int] = ContextVar("steps left", default=MAX_STEPS)

_Keyword = Callable[[Any, Any, Json, Json], Iterator[Mismatch] | None]


def _counted(keyword: _Keyword) -> _Keyword:
    def counted(checker: Any, value: Any, instance: Json, schema: Json) -> Iterator[Mismatch]:
        left = _left.get() - 1
        _left.set(left)
        if left < 0:
            raise TooMuch
        yield from keyword(checker, value, instance, schema) or ()

    return counted


# jsonschema's own versions backtrack (``pattern``) and compare each with each (``uniqueItems``).
_LINEAR: Mapping[str, _Keyword] = {"pattern": _linear_pattern, "uniqueItems": _linear_unique_items}

SchemaChecker = extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    Draft202012Validator,
    {name: _counted(_LINEAR.get(name, keyword)) for name, keyword in Draft202012Validator.VALIDATORS.items()},
)
"""JSON Schema 2020-12 in bounded time, for schemas that ``check_schema`` has let through."""


def mismatch_of(schema: dict[str, Json], value: Json) -> str | None:
    """What a person is told where ``value`` does not fit ``schema``; None where it does. Never raises."""
    # An empty registry: the default one would fetch remote references over the network.
    checker = SchemaChecker(schema, registry=Registry())
    before = _left.set(MAX_STEPS)
    try:
        mismatch = best_match(islice(checker.iter_errors(value), _SHOWN))
    except (RecursionError, OverflowError):
        return "is nested too deeply for its schema, or holds a number beyond what it can be held against."
    except TooMuch:
        return "is too large, or too deep, to be held against its schema."
    finally:
        _left.reset(before)
    return None if mismatch is None else mismatch_sentence(mismatch)
