"""Fields that take a number."""

from __future__ import annotations

import math
import re
from typing import Annotated, ClassVar, Literal, Self

import pydantic

from flows.fields.base import BaseField, check_range, schema_limits
from flows.fields.characters import scalar
from flows.fields.limits import MAX_NUMBER
from flows.fields.sentences import Unacceptable, quoted
from flows.ports import Json

_MAX_INTEGER = 2**63 - 1  # what a column of SQLite or PostgreSQL holds
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


class IntegerField(BaseField):
    """A whole number of at most 64 bits."""

    sample: ClassVar[Json] = 1

    type: Literal["integer"] = "integer"
    min: int | None = None
    max: int | None = None

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        check_range("value", self.min, self.max)
        return self

    @property
    def expected(self) -> str:
        return "a whole number"

    def parse(self, given: object) -> Json:
        if given.__class__ is not int:
            text = scalar(given)
            if not _WHOLE.fullmatch(text):
                self.refuse(given)
            given = int(text)
        assert isinstance(given, int)
        if not -_MAX_INTEGER <= given <= _MAX_INTEGER:
            raise Unacceptable(f"must be between -{_MAX_INTEGER} and {_MAX_INTEGER}.")
        _refuse_outside(given, self.min, self.max)
        return given

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "integer"} | schema_limits(minimum=self.min, maximum=self.max)


_Finite = int | Annotated[float, pydantic.Field(allow_inf_nan=False)]


class NumberField(BaseField):
    """A finite number; ``5`` stays an integer, ``5.0`` stays a float, from text as from JSON."""

    sample: ClassVar[Json] = 1.5

    type: Literal["number"] = "number"
    min: _Finite | None = None
    max: _Finite | None = None

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        check_range("value", self.min, self.max)
        return self

    @property
    def expected(self) -> str:
        return "a number like 5 or 1.5"

    def parse(self, given: object) -> Json:
        number: int | float
        if given.__class__ is int or given.__class__ is float:
            assert isinstance(given, int | float)
            number = given
        else:
            text = scalar(given)
            if not _DECIMAL.fullmatch(text):
                self.refuse(given)
            number = int(text) if _WHOLE.fullmatch(text) else float(text)
        if isinstance(number, float) and not math.isfinite(number):
            self.refuse(given)
        if isinstance(number, int) and abs(number) > MAX_NUMBER:
            raise Unacceptable("must be a number of at most 100 digits.")
        _refuse_outside(number, self.min, self.max)
        return number

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "number"} | schema_limits(minimum=self.min, maximum=self.max)


def _refuse_outside(number: float, low: float | None, high: float | None) -> None:
    if (low is None or low <= number) and (high is None or number <= high):
        return
    if low is None:
        wanted = f"at most {high}"
    else:
        wanted = f"at least {low}" if high is None else f"between {low} and {high}"
    raise Unacceptable(f"must be {wanted}, not {quoted(number)}.")
