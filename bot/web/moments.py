"""Instants in words: in the reader's own zone, and as seen from now. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def zone_named(name: str | None) -> tzinfo:
    """The zone of an IANA name; UTC where there is none, or none of that name."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def in_words(instant: datetime, zone: tzinfo) -> str:
    """``Friday, 20 November 2026, 14:30 CET (Europe/Berlin)``."""
    # The names are written out here: strftime's hang on the process's locale.
    local = instant.astimezone(zone)
    day = f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}"
    name = zone.key if isinstance(zone, ZoneInfo) else ""
    return f"{day}, {local:%H:%M} {local.tzname()}" + (f" ({name})" if name else "")


def from_now(instant: datetime, now: datetime) -> str:
    """``in 2 days 3 hours``, ``5 minutes ago``, ``just now``: rounded down, at most two units."""
    distance = instant - now
    seconds = int(abs(distance) / timedelta(seconds=1))
    if seconds < 60:
        return "in less than a minute" if distance > timedelta(0) else "just now"
    parts = []
    for unit, size in _UNITS:
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}{'s' if amount != 1 else ''}")
        elif parts:
            break
    words = " ".join(parts[:2])
    return f"in {words}" if distance > timedelta(0) else f"{words} ago"
