"""Fields that take one or several of a few values: yes or no, or the options that they name."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict

from flows.fields.base import NOTHING, BaseField, check_range, schema_limits
from flows.fields.characters import NOT_IN_A_LINE, plain, scalar
from flows.fields.limits import MAX_OPTION, MAX_OPTIONS, MAX_TEMPLATE, MAX_VALUES
from flows.fields.sentences import Unacceptable, counted, problem, quoted
from flows.ports import Json

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class BooleanField(BaseField):
    """Yes or no. Anything that is not clearly one of them is refused, never taken for no."""

    sample: ClassVar[Json] = True

    type: Literal["boolean"] = "boolean"

    @property
    def expected(self) -> str:
        return "yes or no"

    def parse(self, given: object) -> Json:
        if given is True or given is False:
            return given
        answer = _BOOLEANS.get(scalar(given).lower())
        if answer is None:
            self.refuse(given)
        return answer

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "boolean"}

    def readable(self, value: Json) -> str:
        return "yes" if value else "no"


class Option(BaseModel):
    """One of the values that may be chosen. In a flow file a plain text is its value and its label."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    value: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_OPTION)]
    label: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_TEMPLATE)] | None = None

    @pydantic.field_validator("value")
    @classmethod
    def _value_is_clean(cls, value: str) -> str:
        if value != value.strip() or NOT_IN_A_LINE.search(value):
            raise problem("option", "an option is one line of text without space around it")
        return value

    @pydantic.field_validator("label")
    @classmethod
    def _label_is_short(cls, label: str | None) -> str | None:
        if label is not None and "{{" not in label and len(label) > MAX_OPTION:
            raise problem("too_long", f"the label of an option is longer than {MAX_OPTION} characters")
        return label

    @property
    def title(self) -> str:
        return self.label or self.value


class _ChoiceField(BaseField):
    options: Annotated[tuple[Option, ...], pydantic.Field(min_length=1, max_length=MAX_OPTIONS)]

    @pydantic.field_validator("options", mode="before", json_schema_input_type=list[str | Option])
    @classmethod
    def _texts_are_options(cls, options: object) -> object:
        if not isinstance(options, list | tuple):
            return options
        for option in options:
            if isinstance(option, bool | int | float | date):
                raise problem("options", f"the option {option} is not text; quote it")
        return tuple({"value": option} if isinstance(option, str) else option for option in options)

    @pydantic.field_validator("options")
    @classmethod
    def _options_differ(cls, options: tuple[Option, ...]) -> tuple[Option, ...]:
        seen: set[str] = set()
        for option in options:
            if option.value in seen:
                raise problem("options", f"the option {quoted(option.value)} is there twice")
            seen.add(option.value)
        return options

    @cached_property
    def titles(self) -> dict[str, str]:
        """What is shown, by value, in the order of the options."""
        return {option.value: option.title for option in self.options}

    @property
    def example(self) -> Json:
        return self.options[0].value if self.default is None or self.templated else self.default

    @property
    def choices(self) -> str:
        listed = ", ".join(list(self.titles)[:10])
        return listed if len(self.titles) <= 10 else f"{listed} and {len(self.titles) - 10} more"


class SelectField(_ChoiceField):
    """One of several values. Checked even where the field is optional."""

    type: Literal["select"] = "select"

    @property
    def expected(self) -> str:
        return f"one of: {self.choices}"

    def parse(self, given: object) -> Json:
        value = plain(given).strip() if isinstance(given, str) else None
        if value in self.titles:
            return value
        raise Unacceptable(f"must be {self.expected}; it is {quoted(given)}.")

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "enum": list(self.titles)}

    def readable(self, value: Json) -> str:
        return " ".join(self.titles.get(value, str(value)).split())


class MultiselectField(_ChoiceField):
    """Several of several values, each once, kept in the order of the options. Text separates them by commas."""

    cleared: ClassVar[Json] = []

    type: Literal["multiselect"] = "multiselect"
    min_items: Annotated[int, pydantic.Field(ge=0, le=MAX_OPTIONS)] = 0
    max_items: Annotated[int, pydantic.Field(ge=1, le=MAX_OPTIONS)] | None = None

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        check_range("number of items", self.min_items, self.max_items)
        if self.min_items > len(self.options):
            raise problem("range", f"min_items is {self.min_items}, with only {len(self.options)} options")
        return self

    @pydantic.field_validator("options")
    @classmethod
    def _options_hold_no_comma(cls, options: tuple[Option, ...]) -> tuple[Option, ...]:
        for option in options:
            if "," in option.value:
                raise problem("options", f"the option {quoted(option.value)} holds a comma; put that into its label")
        return options

    @property
    def example(self) -> Json:
        return [self.options[0].value] if self.default is None or self.templated else self.default

    @property
    def expected(self) -> str:
        return f"a list of: {self.choices}"

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            if len(given) > MAX_VALUES:
                self.refuse(given)
            items: list[object] = [item.strip() for item in given.split(",")]
        elif isinstance(given, list):
            items = given
        else:
            self.refuse(given)
        chosen: set[str] = set()
        for item in items:
            value = item.strip() if isinstance(item, str) else None
            if value is None or value not in self.titles:
                raise Unacceptable(f"must be {self.expected}; {quoted(item)} is none of them.")
            if value in chosen:
                raise Unacceptable(f"must name each option once; {quoted(value)} is there twice.")
            chosen.add(value)
        if len(chosen) < self.min_items:
            raise Unacceptable(f"must name at least {counted(self.min_items, 'option')} of: {self.choices}.")
        if self.max_items is not None and len(chosen) > self.max_items:
            raise Unacceptable(f"must name at most {counted(self.max_items, 'option')} of: {self.choices}.")
        return [value for value in self.titles if value in chosen]

    def schema_of_value(self) -> dict[str, Json]:
        items = {"type": "string", "enum": list(self.titles)}
        least = max(self.min_items, int(self.required))
        return {"type": "array", "items": items, "uniqueItems": True} | schema_limits(
            minItems=least or None, maxItems=self.max_items
        )

    def readable(self, value: Json) -> str:
        return " ".join(", ".join(self.titles.get(item, str(item)) for item in value).split()) or NOTHING
