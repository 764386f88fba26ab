"""Whole days as a stretch of time, where somebody lives. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAY = timedelta(days=1)


def stretch(first: date, last: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """From the first midnight to the one after the last day, which is included; in UTC. A day may have 23 hours, or 25."""
    begins, over = (datetime.combine(day, time.min, zone) for day in (first, last + _DAY))
    return begins.astimezone(UTC), over.astimezone(UTC)


def days_of(starts: datetime, ends: datetime, zone: tzinfo) -> tuple[date, date] | None:
    """The first and the last day of such a stretch; None where it is not one of whole days in this zone."""
    begins, over = starts.astimezone(zone), ends.astimezone(zone)
    whole = begins.time() == over.time() == time.min
    return (begins.date(), (over - _DAY).date()) if whole else None
