"""When a schedule comes round: cron lines in a time zone, as instants. Pure.

Five fields, read as Debian's cron reads them: minute, hour, day of month, month, day of week. Where the clocks
change, its rule holds too. A line with a fixed minute and a fixed hour runs once for each time that it names: what
falls into a skipped hour runs at the first moment after it, and what falls into a doubled hour runs in the first
of the two. A line whose minute or hour begins with ``*`` means every so often, and goes by time that has really
passed: hourly is each hour, also in a doubled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from flows.findings import did_you_mean

MAX_CRON = 200
"""Characters of a cron line: every minute of an hour written out has 169."""

# What a field is called in the sentence about it, by what cronsim calls it; with what it takes.
_FIELDS = {
    "minute": ("minute", "0 to 59"),
    "hour": ("hour", "0 to 23"),
    "day-of-month": ("day of the month", "1 to 31, or L for the last one"),
    "month": ("month", "1 to 12, or JAN to DEC"),
    "day-of-week": ("day of the week", "0 to 7 with 0 and 7 for Sunday, SUN to SAT, 5L for the last Friday, 1#2 for the second Monday"),
}  # fmt: skip
_NAMES = ("minute", "hour", "day-of-month", "month", "day-of-week")
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NOT_PLACES = frozenset({"localtime", "Factory"})
"""What stands in the database and is another time on another machine, or none."""

_REFERENCE = datetime(2024, 1, 1)  # noqa: DTZ001 - cron lines are about a calendar, which has no zone
_WINDOW = timedelta(hours=1)


class ScheduleError(ValueError):
    """A cron line or a time zone that cannot be understood, in one sentence; ``hint`` says what to write instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line that has been understood: ``text`` is its one spelling, with single spaces and capital names."""

    text: str


def parse_cron(text: str) -> Cron:
    """Understand a cron line. Raises ``ScheduleError``, which names the field that is wrong."""
    written = text.strip()
    if written.lower() in _NICKNAMES:
        raise ScheduleError(f"{written!r} is not known here", f'write "{_NICKNAMES[written.lower()]}"')
    fields = written.upper().split()
    if len(fields) != len(_NAMES):
        raise ScheduleError(
            f"a schedule has five fields (minute, hour, day of month, month, day of week), and {written[:60]!r} has "
            f"{len(fields)}",
            'every weekday at nine is "0 9 * * MON-FRI"',
        )
    line = " ".join(fields)
    if len(line) > MAX_CRON:
        raise ScheduleError(f"a schedule has at most {MAX_CRON} characters")
    try:
        days = CronSim(line, _REFERENCE)
    except CronSimError as error:
        raise _wrong(written.split(), str(error).removeprefix("Bad ")) from None
    try:
        next(days)
    except StopIteration:
        raise ScheduleError(f"{written!r} never comes: no day is both of what it asks for") from None
    return Cron(line)


def _wrong(fields: list[str], name: str) -> ScheduleError:
    called, takes = _FIELDS[name]
    field = fields[_NAMES.index(name)]
    if name == "day-of-month" and _alone(field, name):
        return ScheduleError(f"no month that is asked for has a day {field}", "L is the last day of each month")
    if name == "day-of-week" and "-" in field and all(_alone(part, name) for part in field.split("-", 1)):
        return ScheduleError(
            f"the {called} {field!r} ends before it begins: a week begins with Sunday",
            f"write both parts, like {field.upper().split('-')[0]}-SAT,SUN",
        )
    return ScheduleError(
        f"the {called} {field[:60]!r} is not right", f"it takes {takes}; *, lists (1,15), ranges (1-5), steps (*/10)"
    )


def _alone(field: str, name: str) -> bool:
    """Whether the field would do by itself, in a line that asks for nothing else."""
    parts = ["*"] * len(_NAMES)
    parts[_NAMES.index(name)] = field
    try:
        CronSim(" ".join(parts), _REFERENCE)
    except CronSimError:
        return False
    return True


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of that name in the IANA database. Raises ``ScheduleError``."""
    if name in _zones():
        return ZoneInfo(name)
    hint = did_you_mean(name, _zones()) if "/" in name else _town(name)
    raise ScheduleError(f"there is no time zone {name[:60]!r}", hint or "it looks like Europe/Berlin, or UTC")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NOT_PLACES)


def _town(name: str) -> str | None:
    """People write the town alone."""
    meant = name.strip().replace(" ", "_").casefold()
    towns = {zone.rpartition("/")[2].casefold(): zone for zone in sorted(_zones()) if "/" in zone}
    return f"did you mean {towns[meant]!r}?" if meant in towns else None


def next_after(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime:
    """The first planned time later than ``after``, as an instant in UTC."""
    times = CronSim(cron.text, after.astimezone(zone))
    while True:
        planned = next(times).astimezone(UTC)
        # In the second round of a doubled hour, the library finds the time in the first one again.
        if planned > after:
            return planned


def latest(cron: Cron, zone: ZoneInfo, due: datetime, now: datetime) -> datetime:
    """Of the planned times from ``due`` (which is one) to ``now``, the last: what is left to do after a pause.

    It takes about as many steps as there were times in the last hour, day or so, however long the pause was.
    """
    window = _WINDOW
    while (begin := now - window) > due:
        found = next_after(cron, zone, begin)
        if found <= now:
            return _last(cron, zone, found, now)
        window *= 8
    return _last(cron, zone, due, now)


def _last(cron: Cron, zone: ZoneInfo, planned: datetime, now: datetime) -> datetime:
    while (following := next_after(cron, zone, planned)) <= now:
        planned = following
    return planned
