"""Fields that take a point in time, or a length of it."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import ClassVar, Literal

from flows.durations import format_duration, parse_duration
from flows.fields.base import BaseField
from flows.fields.characters import scalar
from flows.fields.sentences import Unacceptable, quoted
from flows.ports import Json

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-5][0-9]))?")
_DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(.*)")
_ZONE = re.compile(r" ?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})")


class DateField(BaseField):
    """A day, as ``2026-11-20``."""

    sample: ClassVar[Json] = "2026-11-20"

    type: Literal["date"] = "date"

    @property
    def expected(self) -> str:
        return "a date like 2026-11-20"

    def parse(self, given: object) -> Json:
        text = given.isoformat() if given.__class__ is date and isinstance(given, date) else scalar(given)
        if not _DATE.fullmatch(text):  # fromisoformat alone takes 20261120 and 2026-W47-5 too
            self.refuse(given)
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            raise Unacceptable(f"must be a date that exists, like 2026-11-20, not {quoted(given)}.") from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "date"}


class TimeField(BaseField):
    """A time of day without a zone, as ``14:30``, or ``14:30:15`` where there are seconds."""

    sample: ClassVar[Json] = "14:30"

    type: Literal["time"] = "time"

    @property
    def expected(self) -> str:
        return "a time like 14:30"

    def parse(self, given: object) -> Json:
        match = _TIME.fullmatch(given.isoformat() if isinstance(given, time) else scalar(given))
        if match is None:
            self.refuse(given)
        minute, second = match.groups()
        return f"{minute}:{second}" if second not in (None, "00") else minute

    def schema_of_value(self) -> dict[str, Json]:
        # Not format "time": RFC 3339 wants a zone there.
        return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"}


class DatetimeField(BaseField):
    """An instant with the offset that it was given in, as ``2026-11-20T14:30:00+01:00``."""

    sample: ClassVar[Json] = "2026-11-20T14:30:00+01:00"

    type: Literal["datetime"] = "datetime"

    @property
    def expected(self) -> str:
        return "a date and time with its zone, like 2026-11-20T14:30:00+01:00"

    def parse(self, given: object) -> Json:
        text = given.isoformat() if isinstance(given, datetime) else scalar(given)
        match = _DATETIME.fullmatch(text)
        if match is None:
            self.refuse(given)
        if not match[1]:
            raise Unacceptable(f"must carry a time zone, like 2026-11-20T14:30:00+01:00, not {quoted(given)}.")
        if not _ZONE.fullmatch(match[1]):
            self.refuse(given)
        try:
            return datetime.fromisoformat(text[: match.start(1)] + match[1].strip().upper()).isoformat()
        except ValueError:
            raise Unacceptable(
                f"must be a date and time that exists, like 2026-11-20T14:30:00+01:00, not {quoted(given)}."
            ) from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "date-time"}

    def same(self, one: Json, other: Json) -> bool:
        # Doors show an instant in the reader's zone, and no parts of a second.
        first, second = (
            None if each is None else datetime.fromisoformat(each).replace(microsecond=0) for each in (one, other)
        )
        return first == second


class DurationField(BaseField):
    """A length of time; see ``flows.durations`` for what is read. Stored as ``1d2h3m4s``."""

    sample: ClassVar[Json] = "1h30m"

    type: Literal["duration"] = "duration"

    @property
    def expected(self) -> str:
        return "a duration like 10s, 2d or 1h30m"

    def parse(self, given: object) -> Json:
        try:
            if isinstance(given, timedelta):
                return format_duration(given)
            return format_duration(parse_duration(scalar(given)))
        except ValueError as error:
            problem = str(error) if str(error).startswith("must") else f"must be {self.expected}"
            raise Unacceptable(f"{problem}, not {quoted(given)}.") from None

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "examples": ["10s", "2d", "1h30m", "PT5M"]}
