"""Working time: when a clock that runs in working hours only has run long enough. Pure.

Of a duration, whole days are working days and the rest is working hours: ``2d`` from Friday noon is Tuesday noon,
``4h`` from Friday 15:00 is Monday 11:00 where work ends at 17:00.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.definition import WEEKDAYS, WorkingHours

FURTHEST = 3_660
"""Days that are looked through for a working one: what nobody works in ten years is never due, and is refused."""

_DAY = timedelta(days=1)


class NoWorkingTime(ValueError):
    """There is no working time to be found, or the zone or the country is unknown; the text says which."""


def after(start: datetime, amount: timedelta, hours: WorkingHours, zone: str | None) -> datetime:
    """The instant (UTC) at which ``amount`` of working time has passed since ``start``.

    ``zone`` is the person's, for hours that name none; unknown ones count as UTC. Raises ``NoWorkingTime``.
    """
    week = _Week.of(hours, zone)
    at = week.opening(start)
    for _ in range(amount.days):
        at = week.next_day(at)
    left = timedelta(seconds=amount.seconds, microseconds=amount.microseconds)
    while left > (until_close := week.close(at) - at):
        left -= until_close
        at = week.opening(week.close(at))
    return at + left


def opening(instant: datetime, hours: WorkingHours, zone: str | None) -> datetime:
    """``instant`` itself where it lies in working time, else when that next begins (UTC). Raises ``NoWorkingTime``."""
    return _Week.of(hours, zone).opening(instant)


def check(hours: WorkingHours) -> None:
    """Raise ``NoWorkingTime`` where the zone or the country is none, or nothing would ever be due."""
    if hours.zone is not None:
        _zone(hours.zone)
    if hours.holidays is not None:
        _holidays(hours.holidays, 2026)


class _Week:
    """Working hours in one zone."""

    def __init__(self, hours: WorkingHours, zone: ZoneInfo) -> None:
        self._zone = zone
        self._days = frozenset(WEEKDAYS.index(day) for day in hours.days)
        self._from, self._to = time.fromisoformat(hours.from_), hours.to
        self._holidays = hours.holidays

    @classmethod
    def of(cls, hours: WorkingHours, zone: str | None) -> _Week:
        if hours.zone is not None:
            return cls(hours, _zone(hours.zone))
        try:
            return cls(hours, _zone(zone or "UTC"))
        except NoWorkingTime:
            return cls(hours, ZoneInfo("UTC"))  # somebody's profile names a zone that nobody knows

    def opening(self, instant: datetime) -> datetime:
        """``instant``, or the next beginning of work."""
        day = instant.astimezone(self._zone).date()
        for _ in range(FURTHEST):
            if self._works(day):
                begin, end = self._begin(day), self._end(day)
                if instant < end:
                    return max(instant, begin)
            day += _DAY
        raise NoWorkingTime("these working hours leave no working day")

    def close(self, instant: datetime) -> datetime:
        """The end of the working day in which ``instant`` lies."""
        return self._end(instant.astimezone(self._zone).date())

    def next_day(self, instant: datetime) -> datetime:
        """The same time on the working day that follows the one in which ``instant`` lies."""
        local = instant.astimezone(self._zone)
        day = local.date()
        for _ in range(FURTHEST):
            day += _DAY
            if self._works(day):
                # Where the clocks change, a time may fall behind the end of its day.
                return self.opening(min(self._at(day, local.time()), self._end(day)))
        raise NoWorkingTime("these working hours leave no working day")

    def _works(self, day: date) -> bool:
        return day.weekday() in self._days and not (self._holidays and day in _holidays(self._holidays, day.year))

    def _begin(self, day: date) -> datetime:
        return self._at(day, self._from)

    def _end(self, day: date) -> datetime:
        if self._to == "24:00":
            return self._at(day + _DAY, time(0))
        return self._at(day, time.fromisoformat(self._to))

    def _at(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at.replace(tzinfo=None), self._zone).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NoWorkingTime(f"{name!r} is no time zone; write it like Europe/Berlin") from None


@lru_cache(maxsize=256)
def _holidays(code: str, year: int) -> frozenset[date]:
    """The public holidays of a country, or of a part of it, in one year."""
    import holidays

    country, _, part = code.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError:
        raise NoWorkingTime(
            f"the holidays of {code!r} are not known; write a country like DE, or a part like DE-BE"
        ) from None
