"""Typed fields, and the one validator that every door uses.

The same fields describe what a flow takes (``inputs:``) and what an approver answers (``form:``). Slack,
web pages and the command line deliver text, the API delivers JSON; ``validate`` takes both and makes the
same JSON of them, so that a value is worth the same through whatever door it came.

What counts as *not given*: a missing key, null, and blank text, for every type (and an empty list for
``multiselect``). A field that is not given takes its default, else null. One exception, so that a person
can empty what a default has filled in: an optional ``string`` or ``multiselect`` that has a default stays
empty when ``""`` or ``[]`` is given. (A door that shows a form and gets nothing for a shown field passes ``""``.)

Nothing here can be made to run for ever by a value: patterns are matched in linear time by the Rust engine
that pydantic ships, lengths are bounded before anything is parsed, and a schema never reaches the network.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import count
from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self
from urllib.parse import urlsplit

import pydantic
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as JsonSchemaError
from jsonschema.exceptions import ValidationError as JsonSchemaMismatch
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError, SchemaValidator, core_schema
from pydantic_core import SchemaError as PatternError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from flows.durations import format_duration, parse_duration
from flows.errors import InvalidForm
from flows.ports import Json

MAX_TEXT = 3_000
"""Characters of a text, unless its field says otherwise: what Slack's plain text input takes."""

MAX_LENGTH = 20_000
"""The largest ``max_length`` that a field may ask for, and the most that a JSON value may take when written compactly."""

MAX_VALUES = 64 * 1024
"""Characters of all values of one form together."""

MAX_FIELDS = 100
MAX_OPTIONS = 1_000
MAX_PATTERN = 500
MAX_DEPTH = 32
"""How deeply lists and objects of a JSON value may be nested."""

MASK = "••••"
NOTHING = "–"

_MAX_SCALAR = 100  # characters of the text form of a number, a date, a duration
_MAX_URL = 2_000
_MAX_INTEGER = 2**63 - 1  # what a column of SQLite or PostgreSQL holds
_MAX_NUMBER = 10**100
_MAX_UNKNOWN = 20  # unknown names that one refusal lists
_QUOTED = 40

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
# Lone surrogates come out of JSON escapes and cannot be encoded, so the store would fail on them.
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_DATA = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # carriage returns may be meant
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-5][0-9]))?")
_DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(.*)")
_ZONE = re.compile(r" ?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})")
_NOT_IN_A_URL = re.compile(r"[\s<>\"\\^`{|}]")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unacceptable(ValueError):
    """A value that its field does not take. ``str()`` is the sentence for the person, and safe to show."""


# --- Fields ---------------------------------------------------------------------------------------------------------


class BaseField(BaseModel):
    """What every field has. ``default`` is kept in its normalised form, or as the template that makes it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    masked: ClassVar[bool] = False
    """Whether values of this type are never shown."""
    cleared: ClassVar[Json] = None
    """What a person leaves who empties the field; null for types where that is the same as not given."""

    name: Annotated[str, pydantic.Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})]
    label: Annotated[str, pydantic.Field(min_length=1, max_length=150)] | None = None
    description: Annotated[str, pydantic.Field(max_length=2_000)] | None = None
    required: bool = True
    default: Json = None

    @pydantic.field_validator("name")
    @classmethod
    def _name_is_identifier(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise _problem(
                "name",
                "a field's name is at most 64 lower-case letters, digits and _, not beginning with a digit;"
                f" {_quoted(name)} is not (what people read goes into its label)",
            )
        return name

    @property
    def title(self) -> str:
        """The label, or the name made readable: ``start_date`` is "Start date"."""
        return self.label or self.name.replace("_", " ").strip().capitalize() or self.name

    @property
    def templated(self) -> bool:
        """Whether the default is a template, which is rendered when the form opens and validated then."""
        return isinstance(self.default, str) and "{{" in self.default

    @property
    def expected(self) -> str:
        """What the field takes, as it reads after "must be"."""
        raise NotImplementedError

    @property
    def missing(self) -> str:
        """The sentence for a required field that is not given."""
        return f"is required: {self.expected}."

    def parse(self, given: object) -> Json:
        """The normalised value of what was ``given``, text or JSON. Raises ``Unacceptable``."""
        raise NotImplementedError

    def schema_of_value(self) -> dict[str, Json]:
        """JSON Schema of the normalised value."""
        raise NotImplementedError

    def readable(self, value: Json) -> str:
        """One line for people of a normalised value that is not null."""
        return " ".join(str(value).split())

    def is_blank(self, given: object) -> bool:
        """Whether ``given`` says nothing: null, blank text, or this type's own emptiness."""
        if isinstance(given, str):
            return not given or given.isspace()
        return given is None or (not given and given == self.cleared)

    def refuse(self, given: object) -> NoReturn:
        """Raise ``Unacceptable`` with what the field takes and what it got."""
        raise Unacceptable(f"must be {self.expected}, not {_quoted(given)}.")

    @pydantic.model_validator(mode="after")
    def _default_fits(self) -> Self:
        if self.default is None or self.templated:
            return self
        if not self.is_blank(self.default):
            try:
                normal = self.parse(self.default)
            except Unacceptable as unacceptable:
                raise _problem("default", f"the default of {self.name} {unacceptable}") from None
        elif self.required or self.cleared is None:
            raise _problem("default", f"the default of {self.name} is blank; leave it out")
        else:
            normal = self.cleared
        # Past the frozen setter: one spelling of a default makes one definition, hence one content hash.
        object.__setattr__(self, "default", normal)
        return self

    def __hash__(self) -> int:
        # By hand, because defaults and schemas may hold lists and objects.
        return hash((type(self), self.name))


class StringField(BaseField):
    """Text. ``pattern`` has to match all of it; it is a regular expression without look-around and back-references."""

    cleared: ClassVar[Json] = ""

    type: Literal["string"] = "string"
    min_length: Annotated[int, pydantic.Field(ge=0, le=MAX_LENGTH)] = 0
    max_length: Annotated[int, pydantic.Field(ge=1, le=MAX_LENGTH)] = MAX_TEXT
    pattern: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_PATTERN)] | None = None
    multiline: bool = False

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        _check_range("length", self.min_length, self.max_length)
        return self

    @pydantic.field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            _whole_matcher(pattern)
        return pattern

    @property
    def expected(self) -> str:
        return "text"

    @property
    def missing(self) -> str:
        return "is required."

    @cached_property
    def matches(self) -> Callable[[str], bool] | None:
        return None if self.pattern is None else _whole_matcher(self.pattern)

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = _plain(given)
        if self.multiline and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")  # what an HTML form makes of a line's end
        if len(text) > self.max_length:
            raise Unacceptable(f"must be at most {_count(self.max_length, 'character')} long; it has {len(text)}.")
        if len(text) < self.min_length:
            raise Unacceptable(f"must be at least {_count(self.min_length, 'character')} long; it has {len(text)}.")
        if not text.isprintable():  # the quick answer for almost every text
            _refuse_control_characters(text, _NOT_IN_LINES if self.multiline else _NOT_IN_A_LINE, self.multiline)
        if self.matches is not None and not self.matches(text):
            raise Unacceptable(f"must match the pattern {self.pattern}, not {_quoted(text)}.")
        return text

    def schema_of_value(self) -> dict[str, Json]:
        shortest = max(self.min_length, int(self.required))
        schema: dict[str, Json] = {"type": "string", "minLength": shortest, "maxLength": self.max_length}
        return schema | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


class IntegerField(BaseField):
    """A whole number of at most 64 bits."""

    type: Literal["integer"] = "integer"
    min: int | None = None
    max: int | None = None

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        _check_range("value", self.min, self.max)
        return self

    @property
    def expected(self) -> str:
        return "a whole number"

    def parse(self, given: object) -> Json:
        if given.__class__ is not int:
            text = _scalar(given)
            if not _WHOLE.fullmatch(text):
                self.refuse(given)
            given = int(text)
        assert isinstance(given, int)
        if not -_MAX_INTEGER <= given <= _MAX_INTEGER:
            raise Unacceptable(f"must be between -{_MAX_INTEGER} and {_MAX_INTEGER}.")
        _refuse_outside(given, self.min, self.max)
        return given

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "integer"} | _schema_limits(minimum=self.min, maximum=self.max)


_Finite = int | Annotated[float, pydantic.Field(allow_inf_nan=False)]


class NumberField(BaseField):
    """A finite number; ``5`` stays an integer, ``5.0`` stays a float, from text as from JSON."""

    type: Literal["number"] = "number"
    min: _Finite | None = None
    max: _Finite | None = None

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        _check_range("value", self.min, self.max)
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
            text = _scalar(given)
            if not _DECIMAL.fullmatch(text):
                self.refuse(given)
            number = int(text) if _WHOLE.fullmatch(text) else float(text)
        if isinstance(number, float) and not math.isfinite(number):
            self.refuse(given)
        if isinstance(number, int) and abs(number) > _MAX_NUMBER:
            raise Unacceptable("must be a number of at most 100 digits.")
        _refuse_outside(number, self.min, self.max)
        return number

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "number"} | _schema_limits(minimum=self.min, maximum=self.max)


class BooleanField(BaseField):
    """Yes or no. Anything that is not clearly one of them is refused, never taken for no."""

    type: Literal["boolean"] = "boolean"

    @property
    def expected(self) -> str:
        return "yes or no"

    def parse(self, given: object) -> Json:
        if given is True or given is False:
            return given
        answer = _BOOLEANS.get(_scalar(given).lower())
        if answer is None:
            self.refuse(given)
        return answer

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "boolean"}

    def readable(self, value: Json) -> str:
        return "yes" if value else "no"


class DateField(BaseField):
    """A day, as ``2026-11-20``."""

    type: Literal["date"] = "date"

    @property
    def expected(self) -> str:
        return "a date like 2026-11-20"

    def parse(self, given: object) -> Json:
        text = given.isoformat() if given.__class__ is date and isinstance(given, date) else _scalar(given)
        if not _DATE.fullmatch(text):  # fromisoformat alone takes 20261120 and 2026-W47-5 too
            self.refuse(given)
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            raise Unacceptable(f"must be a date that exists, like 2026-11-20, not {_quoted(given)}.") from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "date"}


class TimeField(BaseField):
    """A time of day without a zone, as ``14:30``, or ``14:30:15`` where there are seconds."""

    type: Literal["time"] = "time"

    @property
    def expected(self) -> str:
        return "a time like 14:30"

    def parse(self, given: object) -> Json:
        match = _TIME.fullmatch(given.isoformat() if isinstance(given, time) else _scalar(given))
        if match is None:
            self.refuse(given)
        minute, second = match.groups()
        return f"{minute}:{second}" if second not in (None, "00") else minute

    def schema_of_value(self) -> dict[str, Json]:
        # Not format "time": RFC 3339 wants a zone there.
        return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"}


class DatetimeField(BaseField):
    """An instant with the offset that it was given in, as ``2026-11-20T14:30:00+01:00``."""

    type: Literal["datetime"] = "datetime"

    @property
    def expected(self) -> str:
        return "a date and time with its zone, like 2026-11-20T14:30:00+01:00"

    def parse(self, given: object) -> Json:
        text = given.isoformat() if isinstance(given, datetime) else _scalar(given)
        match = _DATETIME.fullmatch(text)
        if match is None:
            self.refuse(given)
        if not match[1]:
            raise Unacceptable(f"must carry a time zone, like 2026-11-20T14:30:00+01:00, not {_quoted(given)}.")
        if not _ZONE.fullmatch(match[1]):
            self.refuse(given)
        try:
            return datetime.fromisoformat(text[: match.start(1)] + match[1].strip().upper()).isoformat()
        except ValueError:
            raise Unacceptable(
                f"must be a date and time that exists, like 2026-11-20T14:30:00+01:00, not {_quoted(given)}."
            ) from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "date-time"}


class DurationField(BaseField):
    """A length of time; see ``flows.durations`` for what is read. Stored as ``1d2h3m4s``."""

    type: Literal["duration"] = "duration"

    @property
    def expected(self) -> str:
        return "a duration like 10s, 2d or 1h30m"

    def parse(self, given: object) -> Json:
        try:
            if isinstance(given, timedelta):
                return format_duration(given)
            return format_duration(parse_duration(_scalar(given)))
        except ValueError as error:
            problem = str(error) if str(error).startswith("must") else f"must be {self.expected}"
            raise Unacceptable(f"{problem}, not {_quoted(given)}.") from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "examples": ["10s", "2d", "1h30m", "PT5M"]}


class Option(BaseModel):
    """One of the values that may be chosen. In a flow file a plain text is its value and its label."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    value: Annotated[str, pydantic.Field(min_length=1, max_length=200)]
    label: Annotated[str, pydantic.Field(min_length=1, max_length=200)] | None = None

    @pydantic.field_validator("value")
    @classmethod
    def _value_is_clean(cls, value: str) -> str:
        if value != value.strip() or _NOT_IN_A_LINE.search(value):
            raise _problem("option", "an option is one line of text without space around it")
        return value

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
                raise _problem("options", f"the option {option} is not text; quote it")
        return tuple({"value": option} if isinstance(option, str) else option for option in options)

    @pydantic.field_validator("options")
    @classmethod
    def _options_differ(cls, options: tuple[Option, ...]) -> tuple[Option, ...]:
        seen: set[str] = set()
        for option in options:
            if option.value in seen:
                raise _problem("options", f"the option {_quoted(option.value)} is there twice")
            seen.add(option.value)
        return options

    @cached_property
    def titles(self) -> dict[str, str]:
        """What is shown, by value, in the order of the options."""
        return {option.value: option.title for option in self.options}

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
        value = _plain(given).strip() if isinstance(given, str) else None
        if value in self.titles:
            return value
        raise Unacceptable(f"must be {self.expected}; it is {_quoted(given)}.")

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
        _check_range("number of items", self.min_items, self.max_items)
        if self.min_items > len(self.options):
            raise _problem("range", f"min_items is {self.min_items}, with only {len(self.options)} options")
        return self

    @pydantic.field_validator("options")
    @classmethod
    def _options_hold_no_comma(cls, options: tuple[Option, ...]) -> tuple[Option, ...]:
        for option in options:
            if "," in option.value:
                raise _problem("options", f"the option {_quoted(option.value)} holds a comma; put that into its label")
        return options

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
                raise Unacceptable(f"must be {self.expected}; {_quoted(item)} is none of them.")
            if value in chosen:
                raise Unacceptable(f"must name each option once; {_quoted(value)} is there twice.")
            chosen.add(value)
        if len(chosen) < self.min_items:
            raise Unacceptable(f"must name at least {_count(self.min_items, 'option')} of: {self.choices}.")
        if self.max_items is not None and len(chosen) > self.max_items:
            raise Unacceptable(f"must name at most {_count(self.max_items, 'option')} of: {self.choices}.")
        return [value for value in self.titles if value in chosen]

    def schema_of_value(self) -> dict[str, Json]:
        items = {"type": "string", "enum": list(self.titles)}
        least = max(self.min_items, int(self.required))
        return {"type": "array", "items": items, "uniqueItems": True} | _schema_limits(
            minItems=least or None, maxItems=self.max_items
        )

    def readable(self, value: Json) -> str:
        return " ".join(", ".join(self.titles.get(item, str(item)) for item in value).split()) or NOTHING


class EmailField(BaseField):
    """One mail address of plain ASCII, without a display name; its domain is lower-cased."""

    type: Literal["email"] = "email"

    @property
    def expected(self) -> str:
        return "a mail address like ann@example.com"

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = _plain(given).strip()
        local, _, domain = text.rpartition("@")
        domain = domain.lower()
        # RFC 5321, 4.5.3.1: 64 octets before the @; a path of 256 with its brackets leaves 254 for the address.
        fits = len(text) <= 254 and len(local) <= 64
        if not (fits and _LOCAL_PART.fullmatch(local) and _DOMAIN.fullmatch(domain)):
            self.refuse(given)
        return f"{local}@{domain}"

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "email", "maxLength": 254}


class UrlField(BaseField):
    """A web address, http or https, without user name and password."""

    type: Literal["url"] = "url"

    @property
    def expected(self) -> str:
        return "a web address like https://example.com/page"

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = _plain(given).strip()
        if len(text) > _MAX_URL:
            raise Unacceptable(f"must be at most {_MAX_URL} characters long; it has {len(text)}.")
        if _NOT_IN_A_LINE.search(text) or _NOT_IN_A_URL.search(text) or not _is_web_address(text):
            # What stands before an @ may be a password, so it is not repeated.
            if "@" in text:
                raise Unacceptable(f"must be {self.expected}, without a user name or password in it.")
            self.refuse(given)
        return text

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": _MAX_URL}


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
            _check_json_schema(schema)
        return schema

    @property
    def expected(self) -> str:
        return 'JSON, such as {"count": 1} or [1, 2]'

    @cached_property
    def mismatch(self) -> Callable[[Json], JsonSchemaMismatch | None]:
        if self.json_schema is None:
            return lambda _value: None
        # An empty registry: the default one would fetch remote references over the network.
        checker = _JsonSchemaChecker(self.json_schema, registry=Registry())
        return lambda value: best_match(checker.iter_errors(value))

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = self._parsed(given)
        value = _plain_json(given, MAX_DEPTH, count(1))
        if value is None or isinstance(value, str):
            self.refuse(given)
        if _weight(value) > MAX_LENGTH:
            raise Unacceptable(f"must be JSON of at most {MAX_LENGTH} characters.")
        try:
            mismatch = self.mismatch(value)
        except RecursionError:
            raise Unacceptable("is nested too deeply for its schema.") from None
        if mismatch is not None:
            raise Unacceptable(_mismatch_text(mismatch))
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
                f"must be JSON; line {error.lineno}, column {error.colno} is not ({error.msg}): {_quoted(text)}."
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


class SecretField(BaseField):
    """A text that is never shown: not in errors, not on cards or pages. Taken as it is, line ends included."""

    masked: ClassVar[bool] = True

    type: Literal["secret"] = "secret"
    min_length: Annotated[int, pydantic.Field(ge=0, le=MAX_LENGTH)] = 0
    max_length: Annotated[int, pydantic.Field(ge=1, le=MAX_LENGTH)] = MAX_TEXT

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        _check_range("length", self.min_length, self.max_length)
        return self

    @pydantic.field_validator("default")
    @classmethod
    def _has_no_default(cls, default: Json) -> Json:
        # A template too: what it makes would be stored with the form and shown.
        if default is not None:
            raise _problem("default", "a secret has no default: definitions are stored, and shown to people")
        return default

    @property
    def expected(self) -> str:
        return "text"

    @property
    def missing(self) -> str:
        return "is required."

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            raise Unacceptable("must be text.")
        if not self.min_length <= len(given) <= self.max_length:
            # Neither the length it has: even that is the secret's own.
            raise Unacceptable(f"must be between {self.min_length} and {self.max_length} characters long.")
        if _NOT_IN_DATA.search(given):
            raise Unacceptable("must be text without control characters.")
        return _plain(given)

    def schema_of_value(self) -> dict[str, Json]:
        shortest = max(self.min_length, int(self.required))
        return {"type": "string", "writeOnly": True, "minLength": shortest, "maxLength": self.max_length}

    def readable(self, value: Json) -> str:  # noqa: ARG002 -- that the value is not read is the point
        return MASK


Field = Annotated[
    StringField
    | IntegerField
    | NumberField
    | BooleanField
    | DateField
    | TimeField
    | DatetimeField
    | DurationField
    | SelectField
    | MultiselectField
    | EmailField
    | UrlField
    | JsonField
    | SecretField,
    pydantic.Field(discriminator="type"),
]
"""Any field, told apart by its ``type``."""


# --- What is done with them -----------------------------------------------------------------------------------------


def validate(
    fields: Sequence[Field], values: Mapping[str, object], *, defaults: Mapping[str, object] | None = None
) -> dict[str, Json]:
    """The normalised values of all ``fields``, in their order; what is not given has its default, else null.

    ``defaults`` holds the rendered values of the defaults that are templates (``default_templates``); they
    are validated like anything else, and never rendered again. Raises ``InvalidForm`` with every bad field
    at once, unknown names included. Validating the result again gives the same result.
    """
    checked: dict[str, Json] = {}
    problems: dict[str, str] = {}
    known = size = 0
    for field in fields:
        name = field.name
        given = None
        if name in values:
            known += 1
            given = values[name]
        try:
            if not field.is_blank(given):
                value = field.parse(given)
            elif given is None or field.required or field.cleared is None or field.default is None:
                value = _not_given(field, defaults)
            else:
                value = deepcopy(field.cleared)
        except Unacceptable as unacceptable:
            problems[name] = str(unacceptable)
            continue
        checked[name] = value
        size += _weight(value)
    if known < len(values):
        problems |= _unknown_names([field.name for field in fields], values)
    if size > MAX_VALUES and not problems:
        longest = max(checked, key=lambda name: _weight(checked[name]))
        problems[longest] = f"must be shorter: all values together may have {MAX_VALUES} characters, these have {size}."
    if problems:
        raise InvalidForm(problems)
    return checked


def default_templates(fields: Iterable[Field]) -> dict[str, str]:
    """The defaults that have to be rendered before the form opens, by field name."""
    return {field.name: field.default for field in fields if field.templated}


def check_defaults(fields: Iterable[Field], rendered: Mapping[str, object]) -> dict[str, Json]:
    """The normalised values of the ``rendered`` defaults, for when a form opens; null for one that came out blank.

    Raises ``InvalidForm`` with every default that its field does not take.
    """
    checked: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for field in fields:
        if field.templated:
            try:
                checked[field.name] = _rendered_default(field, rendered)
            except Unacceptable as unacceptable:
                problems[field.name] = str(unacceptable)
    if problems:
        raise InvalidForm(problems)
    return checked


def check_fields(fields: Sequence[Field]) -> list[str]:
    """What is wrong with fields that are each right: names that are there twice, and more than anybody can fill in."""
    names = [field.name for field in fields]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    problems = [f"two fields are named {name}; rename one of them" for name in twice]
    if len(names) > MAX_FIELDS:
        problems.append(f"{len(names)} fields are more than the {MAX_FIELDS} that one form may have")
    return problems


def mask(fields: Iterable[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    """``values`` for showing: secrets become ``••••``; a value of no known field, which may be a secret, is left out."""
    return {
        field.name: MASK if field.masked and values[field.name] is not None else values[field.name]
        for field in fields
        if field.name in values
    }


def readable(field: Field, value: Json) -> str:
    """One line for people of a normalised value. It is not escaped and not clipped: each door does that for itself."""
    return NOTHING if value is None else field.readable(value)


def json_schema_of(fields: Iterable[Field]) -> dict[str, Json]:
    """JSON Schema 2020-12 of the values as JSON (the text that ``validate`` takes besides is not described)."""
    properties: dict[str, Json] = {}
    required: list[str] = []
    for field in fields:
        schema = field.schema_of_value()
        if field.required and field.default is None:
            required.append(field.name)
        else:
            schema = {"anyOf": [schema, {"type": "null"}]}
        notes: dict[str, Json] = {"title": field.title}
        if field.description is not None:
            notes["description"] = field.description
        if field.default is not None and not field.templated:
            notes["default"] = field.default
        properties[field.name] = notes | schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _not_given(field: Field, defaults: Mapping[str, object] | None) -> Json:
    try:
        value = _rendered_default(field, defaults) if field.templated else field.default
    except Unacceptable as unacceptable:
        raise Unacceptable(f"is not given, and its {unacceptable}") from None
    if value is None and field.required:
        raise Unacceptable(field.missing)
    # A copy, so that nobody who changes a run's values changes the definition.
    return deepcopy(value) if isinstance(value, list | dict) else value


def _rendered_default(field: Field, defaults: Mapping[str, object] | None) -> Json:
    if defaults is None or field.name not in defaults:
        raise LookupError(f"the default of {field.name} is a template that was not rendered")
    rendered = defaults[field.name]
    if field.is_blank(rendered):
        return None
    try:
        return field.parse(rendered)
    except Unacceptable as unacceptable:
        raise Unacceptable(f"default {unacceptable}") from None


def _unknown_names(known: Sequence[str], values: Mapping[str, object]) -> dict[str, str]:
    names = frozenset(known)
    unknown = [name for name in values if name not in names]
    problems = {}
    for name in unknown[:_MAX_UNKNOWN]:
        text = str(name)[:64]
        nearest = get_close_matches(text.lower(), known, n=1)
        if nearest:
            hint = f"did you mean {nearest[0]}?"
        else:
            hint = (
                f"the fields are: {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}."
                if known
                else "there are none."
            )
        # Only a name that is harmless to print is its own key; any other is quoted.
        key = text if text.isprintable() and len(text) <= _QUOTED else _quoted(name)
        problems[key] = f"is not a field of this form; {hint}"
    if len(unknown) > _MAX_UNKNOWN:
        problems["..."] = f"{len(unknown) - _MAX_UNKNOWN} more names are not fields of this form."
    return problems


# --- Sentences and limits -------------------------------------------------------------------------------------------


def _problem(kind: str, text: str) -> PydanticCustomError:
    # Custom, because pydantic puts "Value error, " before the text of a ValueError. The text goes in as
    # context: in the message itself its braces would be read as placeholders.
    return PydanticCustomError(kind, "{problem}", {"problem": text})


def _quoted(given: object) -> str:
    """``given`` in at most 40 printable characters."""
    if isinstance(given, str):
        shown = repr(given[: _QUOTED + 1])
        return shown if len(shown) <= _QUOTED else f"{shown[: _QUOTED - 2]}…{shown[0]}"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, float) or (isinstance(given, int) and given.bit_length() <= 64):
        return str(given)
    names: dict[type, str] = {int: "a huge number", list: "a list", dict: "an object", type(None): "nothing"}
    return names.get(given.__class__, f"a Python {given.__class__.__name__}"[:_QUOTED])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(text: str) -> str:
    """``text`` without the powers of a subclass: a template's Markup must not stay what it is in a value."""
    return str.__str__(text)


def _scalar(given: object) -> str:
    """The text form of a short value, trimmed; nothing where it is no text, or longer than any of them."""
    return _plain(given).strip() if isinstance(given, str) and len(given) <= _MAX_SCALAR else ""


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it.
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        return False


def _check_range(what: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise _problem("range", f"the smallest {what} ({low}) is larger than the largest ({high})")


def _refuse_outside(number: float, low: float | None, high: float | None) -> None:
    if (low is None or low <= number) and (high is None or number <= high):
        return
    if low is None:
        wanted = f"at most {high}"
    else:
        wanted = f"at least {low}" if high is None else f"between {low} and {high}"
    raise Unacceptable(f"must be {wanted}, not {_quoted(number)}.")


def _refuse_control_characters(text: str, forbidden: re.Pattern[str], multiline: bool) -> None:
    found = forbidden.search(text)
    if found is None:
        return
    if found[0] in "\r\n" and not multiline:
        raise Unacceptable("must be one line.")
    raise Unacceptable(
        f"must be text without control characters; character {found.start() + 1} is {_quoted(found[0])}."
    )


def _schema_limits(**limits: float | None) -> dict[str, Json]:
    return {keyword: limit for keyword, limit in limits.items() if limit is not None}


def _weight(value: Json) -> int:
    """Characters that a normalised value takes."""
    if value.__class__ is str:
        return len(value)
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) if isinstance(value, list | dict) else 8


# --- Patterns and schemas -------------------------------------------------------------------------------------------


@lru_cache(maxsize=1_024)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found in a text, in time linear in the text. Raises a problem for pydantic to report."""
    try:
        compiled = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError as error:
        reason = str(error).rpartition("error: ")[2].strip().rpartition("SchemaError: ")[2]
        raise _problem("pattern", f"the pattern {_quoted(pattern)} cannot be used: {reason}") from None
    return compiled.isinstance_python


def _whole_matcher(pattern: str) -> Callable[[str], bool]:
    _matcher(pattern)  # by itself first: "a)|(b" would be sound inside the group
    return _matcher(rf"\A(?:{pattern})\z")


_JsonPair = tuple[str, Json]


def _unambiguous(pairs: list[_JsonPair]) -> dict[str, Json]:
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
        if _NOT_IN_DATA.search(value):
            raise Unacceptable("must be JSON whose texts have no control characters.")
        return _plain(value)
    if isinstance(value, int):
        if abs(value) > _MAX_NUMBER:
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
    raise Unacceptable(f"must be JSON, which has no {value.__class__.__name__[:_QUOTED]}.")


def _check_json_schema(schema: dict[str, Json]) -> None:
    """Raise a problem for pydantic unless ``schema`` is sound, bounded in time and complete in itself."""
    if schema.get("$schema", Draft202012Validator.META_SCHEMA["$id"]) != Draft202012Validator.META_SCHEMA["$id"]:
        raise _problem("schema", "the schema must be JSON Schema 2020-12")
    try:
        Draft202012Validator.check_schema(schema)
    except JsonSchemaError as error:
        raise _problem("schema", f"the schema is wrong at {error.json_path}: {error.message[:200]}") from None
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for keyword, value in _keywords(schema):
        if keyword in ("patternProperties", "unevaluatedProperties"):
            # Both are matched by Python's backtracking engine, where one can't put a linear one.
            raise _problem("schema", f"the schema uses {keyword}, which a form does not support; name the properties")
        if keyword == "$id":
            raise _problem("schema", "the schema has an $id; leave it out, references start at the schema itself")
        if keyword in ("$ref", "$dynamicRef"):
            if not str(value).startswith("#"):
                raise _problem(
                    "schema", f"the schema refers to {_quoted(value)}; only references to itself (#...) are followed"
                )
            try:
                resolver.lookup(value)
            except Unresolvable:
                raise _problem("schema", f"the schema refers to {_quoted(value)}, which it does not have") from None
        if keyword == "pattern":
            _matcher(value)
    checker = _JsonSchemaChecker(schema, registry=Registry())
    try:
        # A reference that leads back to itself recurses for any value; one of each kind shows it.
        for value in (None, True, 0, "", [], {}):
            checker.is_valid(value)
    except RecursionError:
        raise _problem("schema", "the schema refers to itself without end") from None


_HOLDS_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_HOLDS_VALUES = frozenset({"const", "enum", "default", "examples"})


def _keywords(schema: Json) -> Iterator[_JsonPair]:
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


def _linear_pattern(_checker: Any, pattern: str, instance: Json, _schema: Json) -> Iterator[JsonSchemaMismatch]:
    if isinstance(instance, str) and not _matcher(pattern)(instance):
        yield JsonSchemaMismatch(f"{instance!r} does not match {pattern!r}")


def _linear_unique_items(_checker: Any, unique: bool, instance: Json, _schema: Json) -> Iterator[JsonSchemaMismatch]:
    if unique and isinstance(instance, list) and len({_identity(item) for item in instance}) < len(instance):
        yield JsonSchemaMismatch(f"{instance!r} has non-unique elements")


def _identity(value: Json) -> object:
    """Something hashable that is equal for equal JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return frozenset((key, _identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_identity(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


# jsonschema's own versions backtrack (``pattern``) and compare each with each (``uniqueItems``).
_JsonSchemaChecker = extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    Draft202012Validator, {"pattern": _linear_pattern, "uniqueItems": _linear_unique_items}
)


def _mismatch_text(mismatch: JsonSchemaMismatch) -> str:
    # jsonschema's messages begin with the whole instance; whoever sent it knows it.
    shown = mismatch.message.replace(repr(mismatch.instance), _quoted(mismatch.instance))
    line = "".join(character if character.isprintable() else " " for character in shown[:200])
    where = "" if mismatch.json_path == "$" else f" at {_quoted(mismatch.json_path[2:])}"
    return f"does not fit its schema{where}: {line}."
