"""Fields that are made of fields: an object with names, a list of what is alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import pydantic
from pydantic import GetJsonSchemaHandler

from flows.fields.base import BaseField, check_range, schema_limits
from flows.fields.file import FileField
from flows.fields.group import fill_in, schema_of_values, value_of
from flows.fields.json_text import read
from flows.fields.limits import MAX_FIELDS, MAX_ITEMS, MAX_VALUES
from flows.fields.sentences import Unacceptable, Unfit, counted, problem
from flows.ports import Json

if TYPE_CHECKING:
    from flows.fields import Field

ITEM = "item"
"""The name of the field that ``of`` describes. Nobody reads a value by it."""


def _as_tuple(fields: object) -> object:
    return tuple(fields) if isinstance(fields, list) else fields


def _as_field(of: object) -> object:
    if isinstance(of, str):
        return {"name": ITEM, "type": of}
    if isinstance(of, BaseField):
        return of.model_copy(update={"name": ITEM})
    if isinstance(of, Mapping):
        if of.get("name", ITEM) != ITEM:
            raise problem("of", "what a list is made of has no name; leave it out")
        return {**of, "name": ITEM}
    return of


_Fields = Annotated["tuple[Field, ...]", pydantic.Field(max_length=MAX_FIELDS), pydantic.BeforeValidator(_as_tuple)]


class ObjectField(BaseField):
    """An object that has each of ``fields``, and nothing else. Text is read as JSON."""

    type: Literal["object"] = "object"
    fields: Annotated[_Fields, pydantic.Field(min_length=1)]

    @pydantic.model_validator(mode="after")
    def _fields_fit_inside(self) -> Self:
        _check_inside(self.name, self.fields)
        return self

    @property
    def inside(self) -> tuple[BaseField, ...]:
        return self.fields

    @property
    def expected(self) -> str:
        names = [
            field.name
            if field.required and field.default is None and field.when is None
            else f"{field.name} (optional)"
            for field in self.fields
        ]
        return f"an object with: {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}"

    @property
    def example(self) -> Json:
        written = {field.name: field.example for field in self.fields}
        return written if self.default is None or self.templated else self.default

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = read(given, most=MAX_VALUES)
        if not isinstance(given, Mapping):
            self.refuse(given)
        values, problems = fill_in(self.fields, given, called="one of its fields")
        if problems:
            raise Unfit({f".{where}": sentence for where, sentence in problems.items()})
        return values

    def schema_of_value(self) -> dict[str, Json]:
        return schema_of_values(self.fields)

    def readable(self, value: Json) -> str:
        return json.dumps(without_contents(self, value), ensure_ascii=False)


class ListField(BaseField):
    """A list of what is alike: ``of`` says what (``of: {type: integer, min: 1}``, or short ``of: integer``).

    Objects may also be described by their ``fields``. An item that is not there is refused, unless ``of`` is not
    ``required``. Text is read as JSON.
    """

    type: Literal["list"] = "list"
    of: Annotated[Field | None, pydantic.BeforeValidator(_as_field)] = None
    fields: _Fields = ()
    min_items: Annotated[int, pydantic.Field(ge=0, le=MAX_ITEMS)] = 0
    max_items: Annotated[int, pydantic.Field(ge=1, le=MAX_ITEMS)] = MAX_ITEMS

    @pydantic.model_validator(mode="after")
    def _is_a_list_of_something(self) -> Self:
        if (self.of is None) == (not self.fields):
            raise problem("of", f"the list {self.name} needs 'of' or 'fields', and not both")
        check_range("number of items", self.min_items, self.max_items)
        _check_inside(self.name, self.inside)
        if self.of is not None and self.of.when is not None:
            raise problem("of", f"the items of {self.name} have a 'when', and nothing stands beside them")
        return self

    @cached_property
    def item(self) -> BaseField:
        """What each item is."""
        return self.of if self.of is not None else ObjectField(name=ITEM, fields=self.fields)

    @property
    def inside(self) -> tuple[BaseField, ...]:
        return self.fields if self.of is None else (self.of,)

    @property
    def expected(self) -> str:
        return f"a list, each item {self.item.expected}"

    @property
    def example(self) -> Json:
        return [self.item.example] if self.default is None or self.templated else self.default

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = read(given, most=MAX_VALUES)
        if not isinstance(given, list | tuple):
            self.refuse(given)
        # Counted before they are looked at.
        if len(given) < self.min_items:
            raise Unacceptable(f"must have at least {counted(self.min_items, 'item')}; it has {len(given)}.")
        if len(given) > self.max_items:
            raise Unacceptable(f"must have at most {counted(self.max_items, 'item')}; it has {len(given)}.")
        values: list[Json] = []
        problems: dict[str, str] = {}
        for index, one in enumerate(given):
            try:
                values.append(value_of(self.item, one))
            except Unacceptable as unacceptable:
                problems.update({f"[{index}]{place}": text for place, text in unacceptable.places.items()})
        if problems:
            raise Unfit(problems)
        return values

    def schema_of_value(self) -> dict[str, Json]:
        items = self.item.schema_of_value()
        if not self.item.required:
            items = {"anyOf": [items, {"type": "null"}]}
        return {"type": "array", "items": items} | schema_limits(
            minItems=self.min_items or None, maxItems=self.max_items
        )

    def readable(self, value: Json) -> str:
        return json.dumps(without_contents(self, value), ensure_ascii=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        # A field like any other, only without a name, which a union of models with required names cannot say.
        properties = handler.resolve_ref_schema(schema)["properties"]
        models = [each for each in _subclasses(BaseField) if "type" in each.model_fields]
        names: dict[str, Any] = {
            info.alias or name: {} for each in models for name, info in each.model_fields.items() if name != "name"
        }
        types = sorted(each.model_fields["type"].default for each in models if not each.masked)
        shape = {"type": "object", "properties": names | {"type": {"enum": types}}, "required": ["type"]}
        short = {"type": "string", "pattern": f"^({'|'.join(types)})$"}
        properties["of"] = {"anyOf": [short, shape], "default": None}
        return schema


def without_contents(field: BaseField, value: Json) -> Json:
    """A normalised value as it can be shown: of files what they are called, and not what is in them."""
    if value is None:
        return None
    match field:
        case FileField():
            return field.readable(value)
        case ObjectField():
            return {each.name: without_contents(each, value.get(each.name)) for each in field.fields}
        case ListField():
            return [without_contents(field.item, each) for each in value]
        case _:
            return value


def _check_inside(owner: str, fields: Sequence[BaseField]) -> None:
    """Raise a problem for pydantic unless ``fields`` can stand inside another: they are one value with it."""
    for field in fields:
        if field.masked:
            raise problem(
                "secret",
                f"the secret {field.name} stands inside {owner}, which is stored and shown as a whole; move it to the top of the form",
            )
        if field.templated or any("{{" in text for text in (field.label, field.description) if text):
            raise problem(
                "template",
                f"{field.name} stands inside {owner}, where nothing is rendered; write the template into the default of {owner}",
            )


def _subclasses(model: type[BaseField]) -> list[type[BaseField]]:
    return [each for below in model.__subclasses__() for each in (below, *_subclasses(below))]
