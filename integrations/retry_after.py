"""How long a remote server asks to be left alone, from its ``Retry-After`` header.

The header holds seconds or a date. A date is measured against the answer's own ``Date`` header: so nobody
here reads the clock, and a clock that is off does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)
"""A server that asks for more is asked again after this: a slip of its pen must not stall a run for years."""


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that ``headers`` (case-insensitive, or with canonical names) ask for; None where they ask for none."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        # Ten digits are three centuries, and longer numbers would overflow a timedelta.
        return min(timedelta(seconds=int(value[:10])), LONGEST)
    until, sent_at = _instant(value), _instant(headers.get("Date", ""))
    if until is None or sent_at is None:
        return None
    return min(max(until - sent_at, timedelta(0)), LONGEST)


def _instant(value: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
