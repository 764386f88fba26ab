"""The field that takes JSON: what of it is a value, in bounded time whatever was given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count
from typing import Annotated, Literal, NoReturn

import pydantic
from jsonschema.exceptions import ValidationError as Mismatch
from jsonschema.exceptions import best_match
from referencing import Registry

from flows.fields.base import BaseField
from flows.fields.characters import NOT_IN_DATA, plain
from flows.fields.json_schema import SchemaChecker, check_schema, mismatch_sentence
from flows.fields.limits import MAX_DEPTH, MAX_LENGTH, MAX_NUMBER, MAX_VALUES, weight
from flows.fields.sentences import MAX_QUOTED, Unacceptable, quoted
from flows.ports import Json


class JsonField(BaseField):
    """An object, a list, a number or a boolean, held against ``schema`` (JSON Schema 2020-12) where there is one.

    Text is parsed. A value that is itself a text is refused: read again, it would be parsed again.
    """

    type: Literal["json"] = "json"
    json_schema: Annotated[dict[str, Json] | None, pydantic.Field(alias="schema")] = None

    @pydantic.field_validator("json_schema")
    @classmethod
    def _schema_is_sound(cls, schema: dict[str, Json] | None) -> dict[str, Json] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @property
    def expected(self) -> str:
        return 'JSON, such as {"count": 1} or [1, 2]'

    @cached_property
    def mismatch(self) -> Callable[[Json], Mismatch | None]:
        if self.json_schema is None:
            return lambda _value: None
        # An empty registry: the default one would fetch remote references over the network.
        checker = SchemaChecker(self.json_schema, registry=Registry())
        return lambda value: best_match(checker.iter_errors(value))

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = self._parsed(given)
        value = _plain_json(given, MAX_DEPTH, count(1))
        if value is None or isinstance(value, str):
            self.refuse(given)
        if weight(value) > MAX_LENGTH:
            raise Unacceptable(f"must be JSON of at most {MAX_LENGTH} characters.")
        try:
            mismatch = self.mismatch(value)
        except RecursionError:
            raise Unacceptable("is nested too deeply for its schema.") from None
        if mismatch is not None:
            raise Unacceptable(mismatch_sentence(mismatch))
        return value

    def _parsed(self, text: str) -> Json:
        if len(text) > MAX_VALUES:
            raise Unacceptable(f"must be JSON of at most {MAX_LENGTH} characters.")
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

    def schema_of_value(self) -> dict[str, Json]:
        if self.json_schema is None:
            return {"type": ["object", "array", "number", "boolean"]}
        schema = {key: value for key, value in self.json_schema.items() if key != "$schema"}
        # With an id of its own the schema's "#/..." references go on meaning itself, not the document around it.
        return {"$id": f"urn:signoff:field:{self.name}"} | schema

    def readable(self, value: Json) -> str:
        return json.dumps(value, ensure_ascii=False)


def _unambiguous(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise Unacceptable("must be JSON that has each key of an object once.")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise Unacceptable(f"must be JSON, which has no {name}.")


def _plain_json(value: object, depth: int, seen: Iterator[int]) -> Json:
    """A copy of ``value`` that is surely JSON. ``seen`` counts its parts: ten lists, each in the next ten times, are 10^10."""
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
        return [_plain_json(item, depth - 1, seen) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {_plain_json(key, 0, seen): _plain_json(item, depth - 1, seen) for key, item in value.items()}
    raise Unacceptable(f"must be JSON, which has no {value.__class__.__name__[:MAX_QUOTED]}.")
